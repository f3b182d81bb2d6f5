//! EndpointSlices: which pods stand behind a Service, at which real ports.
//!
//! On one machine two replicas cannot share a port, so each distinct set of
//! real ports gets a slice of its own.
//!
//! Source: `pkg/controller/endpointslice` and `staging/src/k8s.io/endpointslice`.

mod slices;

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use spur_api::labels;
use tokio_util::sync::CancellationToken;

use crate::owner;
use crate::run::{Context, Failure, retry};

/// Runs the controller until stopped.
pub(crate) async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let services: Api<Service> = Api::all(ctx.client.clone());
    let pods: Api<Pod> = Api::all(ctx.client.clone());
    let slices: Api<EndpointSlice> = Api::all(ctx.client.clone());
    let controller = Controller::new(services, watcher::Config::default());
    let known = controller.store();
    controller
        .owns(slices, watcher::Config::default())
        .watches(pods, watcher::Config::default(), move |pod| services_of(&known, &pod))
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(reconcile_service, retry, ctx)
        .for_each(|_| async {})
        .await;
}

/// The Services whose selector matches a pod.
fn services_of(services: &Store<Service>, pod: &Pod) -> Vec<ObjectRef<Service>> {
    let all = services.state();
    let selecting = all.iter().filter(|service| slices::selects(service, pod));
    selecting.map(|service| ObjectRef::from_obj(&**service)).collect()
}

async fn reconcile_service(service: Arc<Service>, ctx: Arc<Context>) -> Result<Action, Failure> {
    let has_selector =
        service.spec.as_ref().is_some_and(|spec| spec.selector.as_ref().is_some_and(|s| !s.is_empty()));
    if service.meta().deletion_timestamp.is_some() || !has_selector {
        return Ok(Action::await_change());
    }
    let namespace = service.namespace().unwrap_or_default();
    let pods: Api<Pod> = Api::namespaced(ctx.client.clone(), &namespace);
    let selected: Vec<Pod> = pods
        .list(&ListParams::default())
        .await?
        .into_iter()
        .filter(|pod| slices::selects(&service, pod))
        .collect();
    let wanted = slices::of(&service, &selected);
    let api: Api<EndpointSlice> = Api::namespaced(ctx.client.clone(), &namespace);
    let mut there = owned(&api, &service).await?;
    for slice in wanted {
        match there.remove(&slice.name_any()) {
            None => {
                api.create(&PostParams::default(), &slice).await?;
            }
            Some(old) if slices::is_same(&old, &slice) => {}
            Some(old) => {
                let mut new = slice;
                new.metadata.resource_version = old.metadata.resource_version;
                api.replace(&new.name_any(), &PostParams::default(), &new).await?;
            }
        }
    }
    for name in there.into_keys() {
        match api.delete(&name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            outcome => drop(outcome?),
        }
    }
    Ok(Action::await_change())
}

async fn owned(
    api: &Api<EndpointSlice>,
    service: &Service,
) -> Result<HashMap<String, EndpointSlice>, Failure> {
    let uid = service.uid().unwrap_or_default();
    let selector = format!("{}={}", labels::SERVICE_NAME, service.name_any());
    let all = api.list(&ListParams::default().labels(&selector)).await?;
    let owned = all.into_iter().filter(|slice| owner::is_controlled_by(slice.meta(), &uid));
    Ok(owned.map(|slice| (slice.name_any(), slice)).collect())
}
