//! Events on the way to the API: written by one task, so that no pod waits for
//! them, in the order in which they were told.

use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::ResourceExt;
use tokio::sync::mpsc;

use crate::events::{EventType, Events};

/// Events that wait to be written: a start of a full environment (a few hundred pods,
/// two or three events each). Beyond it an event is dropped, which is logged.
const WAITING_MAX: usize = 2048;

/// Takes events; cheap to clone.
#[derive(Clone)]
pub(super) struct Notices {
    /// pod workers -- what happened --> the task that writes events
    notices_tx: mpsc::Sender<Notice>,
}

pub(super) struct Notice {
    involved: ObjectReference,
    type_: EventType,
    reason: &'static str,
    message: String,
}

/// A queue, and the end of it for [`write`].
pub(super) fn queue() -> (Notices, mpsc::Receiver<Notice>) {
    let (notices_tx, notices_rx) = mpsc::channel(WAITING_MAX);
    (Notices { notices_tx }, notices_rx)
}

/// Writes events until every [`Notices`] is gone.
pub(super) async fn write(events: Events, mut notices_rx: mpsc::Receiver<Notice>) {
    while let Some(Notice { involved, type_, reason, message }) = notices_rx.recv().await {
        events.record(&involved, type_, reason, &message).await;
    }
}

// === impl Notices ===

impl Notices {
    /// Something happened to a pod.
    pub(super) fn pod(&self, pod: &Pod, type_: EventType, reason: &'static str, message: String) {
        self.tell(Notice { involved: reference(pod, None), type_, reason, message });
    }

    /// Something happened to a container of a pod.
    pub(super) fn container(
        &self,
        (pod, container): (&Pod, &str),
        type_: EventType,
        reason: &'static str,
        message: String,
    ) {
        self.tell(Notice { involved: reference(pod, Some(container)), type_, reason, message });
    }

    fn tell(&self, notice: Notice) {
        if let Err(error) = self.notices_tx.try_send(notice) {
            let (mpsc::error::TrySendError::Full(lost) | mpsc::error::TrySendError::Closed(lost)) = error;
            tracing::warn!(reason = lost.reason, "dropped an event: {}", lost.message);
        }
    }
}

fn reference(pod: &Pod, container: Option<&str>) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: pod.namespace(),
        name: Some(pod.name_any()),
        uid: pod.uid(),
        resource_version: pod.resource_version(),
        field_path: container.map(|name| format!("spec.containers{{{name}}}")),
    }
}
