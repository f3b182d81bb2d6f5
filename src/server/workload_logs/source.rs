//! The containers whose output is read.

use std::sync::Arc;

use serde_json::Value;
use spur_api::workload::PodFacts;
use spur_api::{Status, labels, meta};
use spur_runtime::PodId;

use crate::object;
use crate::served::Served;
use crate::state::State;

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) pod: PodId,
    pub(super) container: Arc<str>,
    pub(super) workload: Arc<str>,
    pub(super) sandbox: Option<Arc<str>>,
}

/// All containers of a namespace, or of all.
pub(super) fn all(state: &State, namespace: Option<&str>) -> Result<Vec<Source>, Status> {
    let pods =
        object::all_in(&state.store, &pods(), namespace).map_err(|error| object::unreadable(&error))?;
    Ok(pods.iter().flat_map(of_pod).collect())
}

pub(super) fn pods() -> Served {
    Served::bundled("", "v1", "pods")
}

fn of_pod(pod: &Value) -> Vec<Source> {
    let id = PodId::new(meta::namespace(pod), meta::name(pod), meta::uid(pod));
    let workload: Arc<str> = PodFacts::of(pod).workload().into();
    let sandbox = meta::labels(pod).and_then(|labels| labels.get(labels::SANDBOX)?.as_str());
    let sandbox: Option<Arc<str>> = sandbox.map(Arc::from);
    let lists = ["/spec/initContainers", "/spec/containers"];
    let names = lists.into_iter().flat_map(|list| meta::list(pod, list)).map(|one| meta::text(one, "/name"));
    let source = |name: &str| Source {
        pod: id.clone(),
        container: name.into(),
        workload: workload.clone(),
        sandbox: sandbox.clone(),
    };
    names.map(source).collect()
}
