//! One reconciliation: read what is there, make what is wanted, tell how it stands.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DeleteParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use spur_api::sandbox::Sandbox;

use super::Context;
use super::caches::Guarded;
use super::ensure::EnsureError;
use super::key::{self, Claim};
use super::lifetime::Lifetime;
use super::make::{self, Made, Seen};
use super::plan::{self, Plan};
use super::preview::{self, Place};
use super::report::{Written, report};
use super::routed::Expected;
use super::status::{self, Findings, ForkFinding};
use crate::events::EventType;
use crate::owner;
use crate::run::Failure;

/// The longest sleep towards a deadline. Timers stand still while a laptop
/// sleeps; a minute after it wakes, what is over is deleted.
const NAP_MAX: Duration = Duration::from_secs(60);

/// Brings one sandbox nearer to what its spec says.
pub(super) async fn reconcile(guarded: Arc<Guarded>, ctx: Arc<Context>) -> Result<Action, Failure> {
    ctx.caches.are_filled().await.map_err(|error| Failure::Plain(error.to_string()))?;
    let sandbox = match &guarded.0 {
        Ok(sandbox) => sandbox,
        Err(error) => {
            let (namespace, name) = (guarded.namespace().unwrap_or_default(), guarded.name_any());
            tracing::warn!(sandbox.namespace = namespace, sandbox.name = name, %error, "cannot read a sandbox");
            return Ok(Action::await_change());
        }
    };
    let itself = ObjectRef::from_obj(&*guarded);
    if sandbox.metadata.deletion_timestamp.is_some() {
        let before = sandbox.status.clone().unwrap_or_default();
        report(&ctx, sandbox, status::terminating(&before)).await?;
        return Ok(Action::await_change());
    }
    let now = (ctx.now)();
    let lifetime = Lifetime::of(sandbox, now);
    let left = lifetime.left(now);
    if left == Some(Duration::ZERO) {
        expire(&ctx, sandbox).await?;
        return Ok(Action::await_change());
    }
    let (claim, seen, made) = settle(&ctx, sandbox).await;
    if made.errors().any(is_behind) {
        return Ok(Action::requeue(ctx.failed(itself)));
    }
    let findings = find(&ctx, sandbox, (claim, lifetime), (&seen, &made));
    match report(&ctx, sandbox, status::status(sandbox, &findings, now)).await? {
        Written::Done => {}
        Written::Behind => return Ok(Action::requeue(ctx.failed(itself))),
    }
    if let Some(error) = made.errors().find(|error| error.may_pass()) {
        return Err(Failure::Plain(error.to_string()));
    }
    ctx.succeeded(&itself);
    Ok(left.map_or_else(Action::await_change, |left| Action::requeue(left.min(NAP_MAX))))
}

/// Makes what is wanted: the forks, or nothing where another has the key.
async fn settle(ctx: &Context, sandbox: &Sandbox) -> (Claim, Seen, Made) {
    let seen = Seen::of(&ctx.caches, &sandbox.namespace().unwrap_or_default());
    let all = ctx.caches.sandboxes.state();
    let claim = key::claim(sandbox, all.iter().filter_map(|guarded| guarded.0.as_ref().ok()));
    let plan = match &claim {
        Claim::Owned(_) => plan::plan(sandbox, &owner::controlled_by(sandbox), &seen.world()),
        Claim::Taken { .. } => Plan::default(),
    };
    let made = make::make(&ctx.client, sandbox, plan, &seen).await;
    (claim, seen, made)
}

/// Whether what was seen is older than what is there. The news is on its way
/// and wakes the sandbox; to tell of it as a failure would be wrong.
fn is_behind(error: &EnsureError) -> bool {
    matches!(error, EnsureError::Api(kube::Error::Api(status)) if matches!(status.code, 404 | 409))
}

fn find(
    ctx: &Context,
    sandbox: &Sandbox,
    (claim, lifetime): (Claim, Lifetime),
    (seen, made): (&Seen, &Made),
) -> Findings {
    let (namespace, name) = (sandbox.namespace().unwrap_or_default(), sandbox.name_any());
    let place = Place { namespace: &namespace, sandbox: &name, entry_port: ctx.entry_port };
    let previews = preview::previews(&sandbox.spec.endpoints, &seen.world().services, place);
    let expected = match &claim {
        Claim::Owned(key) => Expected {
            namespace: namespace.clone(),
            sandbox: name.clone(),
            key: key.clone(),
            services: Expected::of_services(&made.plan.services),
            hosts: previews.hosts,
        },
        Claim::Taken { .. } => Expected::default(),
    };
    let missing = ctx.routed.missing(ObjectRef::new(&name).within(&namespace), expected);
    let states = made.states(&sandbox.uid().unwrap_or_default(), seen, &missing.services);
    let forks = made.plan.forks.iter().zip(states).map(|(fork, state)| ForkFinding {
        of: fork.of.clone(),
        workload: fork.workload.clone(),
        services: fork.services.clone(),
        state,
    });
    Findings {
        forks: forks.collect(),
        claim,
        endpoints: previews.endpoints,
        endpoint_faults: previews.faults,
        is_unrouted: missing.is_sandbox_missing,
        lifetime,
    }
}

/// Deletes a sandbox whose time is over; what it owns goes with it.
async fn expire(ctx: &Context, sandbox: &Sandbox) -> Result<(), Failure> {
    let api: Api<Sandbox> = Api::namespaced(ctx.client.clone(), &sandbox.namespace().unwrap_or_default());
    // At the version that was seen: somebody may just have prolonged its life.
    let preconditions = Preconditions { uid: sandbox.uid(), resource_version: sandbox.resource_version() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    match api.delete(&sandbox.name_any(), &params).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let ttl = sandbox.spec.ttl.as_ref().map(|ttl| ttl.duration.as_str()).unwrap_or_default();
    let message = format!("deleted after its time to live of {ttl}");
    ctx.events.record(&sandbox.object_ref(&()), EventType::Normal, "Expired", &message).await;
    Ok(())
}
