//! Telling what happened, as Event objects; repeats are counted, old ones go.
//!
//! Source of the shape: `client-go/tools/record`; of the hour that events are
//! kept: kube-apiserver's `--event-ttl`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// How long an event is kept (kube-apiserver's `--event-ttl`).
const KEPT: Duration = Duration::from_secs(3600);
/// How often old events are looked for: a twelfth of how long they are kept.
const SWEEP_EVERY: Duration = Duration::from_secs(300);
/// Distinct events that are remembered to be counted; beyond it all are
/// forgotten, and repeats begin new events (client-go's `maxLruCacheEntries`).
const REMEMBERED_MAX: usize = 4096;

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
    /// Guards which event object counts which repeats.
    known: Arc<Mutex<HashMap<Identity, Known>>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Identity {
    involved_uid: String,
    field_path: String,
    reason: String,
    message: String,
}

#[derive(Clone)]
struct Known {
    name: String,
    count: i32,
}

// === impl Events ===

impl Events {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, known: Arc::default() }
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
        let identity = Identity {
            involved_uid: involved.uid.clone().unwrap_or_default(),
            field_path: involved.field_path.clone().unwrap_or_default(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let namespace = involved.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let events: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let repeated = self.count(&identity);
        let outcome = match repeated {
            Some(known) => repeat(&events, &known).await,
            None => Err(NotThere),
        };
        if outcome.is_ok() {
            return;
        }
        let event = first(involved, &namespace, type_, reason, message);
        let name = event.name_any();
        match events.create(&PostParams::default(), &event).await {
            Ok(_) => self.remember(identity, name),
            // The namespace is going away, and its events with it.
            Err(error) if is_expected(&error) => {}
            Err(error) => tracing::warn!(reason, %error, "failed to write an event"),
        }
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

    async fn sweep_once(&self) -> Result<(), kube::Error> {
        let oldest = jiff::Timestamp::now() - KEPT;
        let all: Api<Event> = Api::all(self.client.clone());
        for event in all.list(&ListParams::default()).await? {
            let last = event.last_timestamp.as_ref().or(event.metadata.creation_timestamp.as_ref());
            if last.is_some_and(|last| last.0 < oldest) {
                let namespace = event.namespace().unwrap_or_default();
                let events: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
                events.delete(&event.name_any(), &DeleteParams::default()).await.map(|_| ())?;
            }
        }
        Ok(())
    }

    fn count(&self, identity: &Identity) -> Option<Known> {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = known.get_mut(identity)?;
        known.count += 1;
        Some(known.clone())
    }

    fn remember(&self, identity: Identity, name: String) {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(identity, Known { name, count: 1 });
    }
}

struct NotThere;

async fn repeat(events: &Api<Event>, known: &Known) -> Result<(), NotThere> {
    let patch = json!({"count": known.count, "lastTimestamp": spur_api::meta::now()});
    let patched = events.patch(&known.name, &PatchParams::default(), &Patch::Merge(patch)).await;
    patched.map(|_| ()).map_err(|_| NotThere)
}

fn first(
    involved: &ObjectReference,
    namespace: &str,
    type_: EventType,
    reason: &str,
    message: &str,
) -> Event {
    let now = Time(jiff::Timestamp::now());
    let object = involved.name.as_deref().unwrap_or("unknown");
    let unique = jiff::Timestamp::now().as_nanosecond() & 0xffff_ffff_ffff_ffff;
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{object}.{unique:016x}")),
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

fn is_expected(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403 || status.code == 404)
}
