//! Telling what happened, as Event objects; repeats are counted, old ones go.
//!
//! What is told twice has one name, so that a repeat finds the first, also after
//! a restart and when both are told at once.
//!
//! Source of the shape: `client-go/tools/record`; of the hour that events are
//! kept: kube-apiserver's `--event-ttl`.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::owner;
use crate::run::{Failure, unless_gone};

/// How long an event is kept (kube-apiserver's `--event-ttl`).
const KEPT: Duration = Duration::from_secs(3600);
/// How often old events are looked for: a twelfth of how long they are kept.
const SWEEP_EVERY: Duration = Duration::from_secs(300);
/// How often telling is tried when others tell the same at the same time: each time one of
/// them gets through, and more than these never meet.
const TRIES: usize = 64;

/// Whether an event is news or a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventType {
    /// Something went as it should.
    Normal,
    /// Something did not.
    Warning,
}

/// Writes events; cheap to clone.
#[derive(Clone)]
pub(crate) struct Events {
    client: Client,
}

// === impl Events ===

impl Events {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Tells what happened to an object. Failing to is logged, never an error of
    /// what is told.
    pub(crate) async fn record(
        &self,
        involved: &ObjectReference,
        type_: EventType,
        reason: &str,
        message: &str,
    ) {
        let namespace = involved.namespace.as_deref().unwrap_or("default");
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let first = first(involved, namespace, type_, reason, message);
        for _ in 0..TRIES {
            match tell(&events, &first).await {
                Ok(()) => return,
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                // The namespace is going away, and its events with it.
                Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => return,
                Err(error) => {
                    return tracing::warn!(reason, %error, "failed to write event {reason}: {message}");
                }
            }
        }
        tracing::warn!(reason, "failed to write event {reason}: others wrote it {TRIES} times meanwhile");
    }

    /// Deletes events older than an hour, until stopped.
    pub(crate) async fn sweep(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
            if let Err(error) = self.sweep_once().await {
                tracing::warn!(%error, "failed to delete old events");
            }
        }
    }

    pub(crate) async fn sweep_once(&self) -> Result<(), Failure> {
        let oldest = jiff::Timestamp::now() - KEPT;
        let all: Api<Event> = Api::all(self.client.clone());
        for event in all.list(&ListParams::default()).await? {
            let last = event.last_timestamp.as_ref().or(event.metadata.creation_timestamp.as_ref());
            if last.is_some_and(|last| last.0 < oldest) {
                let namespace = event.namespace().unwrap_or_default();
                let events: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
                unless_gone(events.delete(&event.name_any(), &DeleteParams::default()).await)?;
            }
        }
        Ok(())
    }
}

/// Writes the event, or counts it where it is there.
async fn tell(events: &Api<Event>, first: &Event) -> Result<(), kube::Error> {
    let name = first.name_any();
    let Some(mut known) = events.get_opt(&name).await? else {
        return events.create(&PostParams::default(), first).await.map(drop);
    };
    known.count = Some(known.count.unwrap_or(1).saturating_add(1));
    known.last_timestamp.clone_from(&first.last_timestamp);
    events.replace(&name, &PostParams::default(), &known).await.map(drop)
}

fn first(
    involved: &ObjectReference,
    namespace: &str,
    type_: EventType,
    reason: &str,
    message: &str,
) -> Event {
    let now = Time(jiff::Timestamp::now());
    Event {
        metadata: ObjectMeta {
            name: Some(name(involved, reason, message)),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: involved.clone(),
        type_: Some(match type_ {
            EventType::Normal => "Normal".to_owned(),
            EventType::Warning => "Warning".to_owned(),
        }),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        count: Some(1),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        source: Some(EventSource { component: Some("spur".to_owned()), host: None }),
        ..Event::default()
    }
}

/// The object's name and a hash of everything that makes two events the same.
fn name(involved: &ObjectReference, reason: &str, message: &str) -> String {
    let identity = (&involved.kind, &involved.uid, &involved.field_path, reason, message);
    let hash = xxhash_rust::xxh3::xxh3_64(format!("{identity:?}").as_bytes());
    owner::suffixed(involved.name.as_deref().unwrap_or("unknown"), &format!("{hash:016x}"))
}
