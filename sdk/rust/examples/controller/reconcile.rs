//! What is done for one Greeting: everything anew each time, so that it does not matter what has
//! been missed.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::finalizer::{self, finalizer};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;
use tracing::warn;

use crate::greeting::{Greeting, GreetingStatus};

/// Who we are: the field manager, the reporter of events, and the name of the lease.
pub(crate) const MANAGER: &str = "greeting-controller";

/// Keeps a Greeting until its line is out of the guest book.
const FINALIZER: &str = "example.spur.dev/guest-book";

/// Lists everybody who is greeted in a namespace. It is nobody's own, so no owner reference can
/// keep it tidy: this is what a finalizer is for.
const GUEST_BOOK: &str = "guest-book";

/// A failure is mostly a server that is away for a moment.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) type Error = finalizer::Error<kube::Error>;

pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) recorder: Recorder,
}

/// Called for every Greeting that has changed, and for that of a ConfigMap that has.
pub(crate) async fn reconcile(greeting: Arc<Greeting>, ctx: Arc<Context>) -> Result<Action, Error> {
    let namespace = greeting.namespace().unwrap_or_default();
    let greetings: Api<Greeting> = Api::namespaced(ctx.client.clone(), &namespace);
    finalizer(&greetings, FINALIZER, greeting, async |event| match event {
        finalizer::Event::Apply(greeting) => greet(&greeting, &ctx).await,
        finalizer::Event::Cleanup(greeting) => forget(&greeting, &ctx).await,
    })
    .await
}

/// When to try again after a failure.
pub(crate) fn retry(_greeting: Arc<Greeting>, _error: &Error, _ctx: Arc<Context>) -> Action {
    Action::requeue(RETRY_AFTER)
}

async fn greet(greeting: &Greeting, ctx: &Context) -> Result<Action, kube::Error> {
    let namespace = greeting.namespace().unwrap_or_default();
    let name = greeting.name_any();
    let text = format!("Hello, {}!", greeting.spec.who);
    let config_maps: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), &namespace);
    // The owner reference makes the garbage collector delete it with the Greeting, and the
    // controller come back here when somebody changes it.
    let owned = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "ownerReferences": [greeting.controller_owner_ref(&())]},
        "data": {"greeting": &text},
    });
    config_maps.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(owned)).await?;
    sign_guest_book(&config_maps, greeting).await?;

    let is_news = greeting.status.as_ref().and_then(|status| status.observed_generation)
        != greeting.metadata.generation;
    if is_news {
        tell(ctx, greeting, "Greeted", text).await;
    }
    let status = json!({
        "apiVersion": Greeting::api_version(&()), "kind": Greeting::kind(&()),
        "status": GreetingStatus {
            observed_generation: greeting.metadata.generation,
            conditions: vec![ready(greeting)],
        },
    });
    let greetings: Api<Greeting> = Api::namespaced(ctx.client.clone(), &namespace);
    greetings.patch_status(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(status)).await?;
    Ok(Action::await_change())
}

/// May be called again, and for a Greeting that `greet` has never seen to its end. It creates nothing
/// that it needs: in a namespace that is being deleted that is forbidden, and would keep it forever.
async fn forget(greeting: &Greeting, ctx: &Context) -> Result<Action, kube::Error> {
    let config_maps: Api<ConfigMap> =
        Api::namespaced(ctx.client.clone(), &greeting.namespace().unwrap_or_default());
    let without = json!({"data": {greeting.name_any(): null}});
    match config_maps.patch(GUEST_BOOK, &PatchParams::default(), &Patch::Merge(without)).await {
        Ok(_) => {}
        // No guest book, no line in it.
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => return Err(error),
    }
    tell(ctx, greeting, "Forgotten", format!("Goodbye, {}!", greeting.spec.who)).await;
    Ok(Action::await_change())
}

/// Adds the Greeting's line to the guest book, which is made with its first line. Every Greeting is
/// a field manager of its own there: under one name, each apply would take out everybody else's.
async fn sign_guest_book(config_maps: &Api<ConfigMap>, greeting: &Greeting) -> Result<(), kube::Error> {
    let manager = format!("greeting-{}", greeting.uid().unwrap_or_default());
    let line = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": GUEST_BOOK},
        "data": {greeting.name_any(): greeting.spec.who},
    });
    config_maps.patch(GUEST_BOOK, &PatchParams::apply(&manager).force(), &Patch::Apply(line)).await?;
    Ok(())
}

/// The condition keeps its time for as long as it keeps its status: a status that is the same again
/// is no change, and wakes nobody.
fn ready(greeting: &Greeting) -> Condition {
    let before = greeting.status.iter().flat_map(|status| &status.conditions);
    let since = before.into_iter().find(|condition| condition.type_ == "Ready" && condition.status == "True");
    Condition {
        type_: "Ready".to_owned(),
        status: "True".to_owned(),
        reason: "Greeted".to_owned(),
        message: String::new(),
        observed_generation: greeting.metadata.generation,
        last_transition_time: since
            .map_or_else(|| Time(Timestamp::now()), |condition| condition.last_transition_time.clone()),
    }
}

/// `kubectl describe greeting` shows it. An event is news for people: nothing waits for it or fails
/// with it.
async fn tell(ctx: &Context, greeting: &Greeting, reason: &str, note: String) {
    let event = Event {
        type_: EventType::Normal,
        reason: reason.to_owned(),
        note: Some(note),
        action: "Reconciling".to_owned(),
        secondary: None,
    };
    if let Err(error) = ctx.recorder.publish(&event, &greeting.object_ref(&())).await {
        warn!("failed to tell `{reason}` of `{}`: {error}", greeting.name_any());
    }
}
