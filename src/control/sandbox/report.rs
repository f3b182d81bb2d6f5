//! Writes a sandbox's status, and tells what is news in it.

use kube::api::{Api, PostParams};
use kube::{Resource, ResourceExt};
use spur_api::sandbox::{Sandbox, SandboxStatus};

use super::{Context, status};
use crate::events::EventType;
use crate::run::Failure;

/// What became of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is what it should be.
    Done,
    /// The sandbox was changed in between: there is more to read first.
    Behind,
}

/// Writes the status where it changed, at the version of the sandbox that was
/// seen, and tells what is news.
pub(super) async fn report(ctx: &Context, sandbox: &Sandbox, new: SandboxStatus) -> Result<Written, Failure> {
    if sandbox.status.as_ref() == Some(&new) {
        return Ok(Written::Done);
    }
    let api: Api<Sandbox> = Api::namespaced(ctx.client.clone(), &sandbox.namespace().unwrap_or_default());
    let written = Sandbox { status: Some(new), ..sandbox.clone() };
    match api.replace_status(&sandbox.name_any(), &PostParams::default(), &written).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(Written::Behind),
        Err(error) => return Err(error.into()),
    }
    tell(ctx, sandbox, &written).await;
    Ok(Written::Done)
}

/// A first start is no news until it is over or fails.
async fn tell(ctx: &Context, before: &Sandbox, after: &Sandbox) {
    let condition = |sandbox: &Sandbox| sandbox.status.as_ref().and_then(status::ready).cloned();
    let (before, Some(now)) = (condition(before), condition(after)) else { return };
    if before.as_ref().is_some_and(|before| before.reason == now.reason) {
        return;
    }
    let involved = after.object_ref(&());
    if now.status == "True" {
        ctx.events.record(&involved, EventType::Normal, "Ready", &now.message).await;
    } else if status::is_trouble(&now.reason) || before.is_some_and(|before| before.status == "True") {
        let message = format!("{}: {}", now.reason, now.message);
        ctx.events.record(&involved, EventType::Warning, "NotReady", &message).await;
    }
}
