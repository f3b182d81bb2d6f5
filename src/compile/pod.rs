//! What a Pod says about routing: its labels, by which subsets choose.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

/// A Pod, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodFragment {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) labels: Arc<BTreeMap<String, String>>,
}

// === impl PodFragment ===

impl PodFragment {
    pub(super) fn of(pod: &Pod) -> Self {
        let (namespace, name) = super::place(pod);
        Self { namespace, name, labels: Arc::new(pod.labels().clone()) }
    }
}
