//! `spur wait`: until objects are as wanted, or the time is up. What is wanted
//! is in `condition`.

mod condition;

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use spur_api::{Kind, meta};
use tokio::time::Instant;

use crate::args::WaitArgs;
use crate::client::{ApiError, Client, JSON};
use crate::console::Console;
use crate::error::{Exit, Failure};
use crate::kinds::{self, Target};
use crate::watch::{Change, Watch};

pub use condition::Condition;

/// When waiting ends; never where it is `None`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    started: Instant,
    end: Option<Instant>,
}

/// The time was up.
#[derive(Debug)]
pub(crate) struct TimeIsUp {
    pub(crate) after: Duration,
}

/// Runs `spur wait`.
pub(crate) async fn run(args: &WaitArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let deadline = Deadline::after(args.timeout);
    let namespace = args.namespace.as_deref().unwrap_or(client.namespace());
    for (kind, name) in objects(args, client, namespace).await? {
        until(client, kind, (namespace, &name), &args.condition, deadline).await?;
        console.line(&format!("{} condition met", kinds::named(kind, &name)))?;
    }
    Ok(Exit::Success)
}

/// Waits until an object is as wanted, and gives it as it was then; `null`
/// where it is gone.
///
/// # Errors
/// When the object is not there, the server fails, or the time is up.
pub(crate) async fn until(
    client: &Client,
    kind: &'static Kind,
    (namespace, name): (&str, &str),
    condition: &Condition,
    deadline: Deadline,
) -> Result<Value> {
    let mut seen = None;
    let met = met(client, kind, (namespace, name), condition, &mut seen);
    match deadline.limit(met).await {
        Ok(object) => object,
        Err(TimeIsUp { after }) => {
            let shown = kinds::named(kind, name);
            let mut message = format!("timed out after {after:?}: waited for {condition} of {shown}");
            if let Some(found) = seen.as_ref().and_then(|object| condition.found(object)) {
                message = format!("{message}, found {found}");
            }
            let hint = format!("`spur get {shown} -n {namespace} -o yaml` shows its status");
            bail!(Failure::new(message).hint(hint).exit(Exit::TimedOut))
        }
    }
}

async fn met(
    client: &Client,
    kind: &'static Kind,
    (namespace, name): (&str, &str),
    condition: &Condition,
    seen: &mut Option<Value>,
) -> Result<Value> {
    let selector = format!("metadata.name={name}");
    let query = kinds::query(&[("fieldSelector", Some(&selector))]);
    let path = kinds::collection_path(kind, Some(namespace)) + &query;
    loop {
        let list = client.get(&path).await?;
        *seen = meta::list(&list, "/items").first().cloned();
        if condition.is_met(seen.as_ref()) {
            return Ok(seen.take().unwrap_or_default());
        }
        if seen.is_none() && !condition.may_be_absent() {
            // The server's own words for what is missing.
            client.get(&kinds::object_path(kind, namespace, name)).await?;
        }
        let revision = meta::text(&list, "/metadata/resourceVersion");
        let mut watch = Watch::start(client, &path, revision, JSON).await?;
        loop {
            match watch.next().await {
                Ok(Some(Change::There(object))) => *seen = Some(object),
                Ok(Some(Change::Gone(_))) => *seen = None,
                // The server ends a watch after a while, or it has fallen behind: look again.
                Ok(None) => break,
                Err(error) if is_behind(&error) => break,
                Err(error) => return Err(error),
            }
            if condition.is_met(seen.as_ref()) {
                return Ok(seen.take().unwrap_or_default());
            }
            if seen.is_none() && !condition.may_be_absent() {
                break;
            }
        }
    }
}

/// Whether a watch has to be begun anew.
pub(crate) fn is_behind(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<ApiError>(), Some(ApiError::Status(status)) if status.code == 410)
}

async fn objects(args: &WaitArgs, client: &Client, namespace: &str) -> Result<Vec<(&'static Kind, String)>> {
    let mut objects = Vec::new();
    for Target { kind, name } in kinds::targets(client, &args.what).await? {
        match name {
            Some(_) if args.all || args.selector.is_some() => {
                bail!(Failure::usage("a name cannot be given together with --all or -l"));
            }
            Some(name) => objects.push((kind, name)),
            None if !args.all && args.selector.is_none() => {
                let failure = Failure::usage(format!("which {}? no name is given", kind.plural));
                bail!(failure.hint("name them, select them with -l, or say --all"));
            }
            None => {
                let query = kinds::query(&[("labelSelector", args.selector.as_deref())]);
                let list = client.get(&(kinds::collection_path(kind, Some(namespace)) + &query)).await?;
                let names = meta::list(&list, "/items").iter().map(|object| meta::name(object).to_owned());
                objects.extend(names.map(|name| (kind, name)));
            }
        }
    }
    if objects.is_empty() && !matches!(args.condition, Condition::Gone { .. }) {
        bail!(Failure::new(format!("no matching objects found in namespace `{namespace}`")));
    }
    Ok(objects)
}

// === impl Deadline ===

impl Deadline {
    /// An end from now on.
    pub(crate) fn after(timeout: Duration) -> Self {
        let started = Instant::now();
        Self { started, end: started.checked_add(timeout) }
    }

    /// No end.
    pub(crate) fn never() -> Self {
        Self { started: Instant::now(), end: None }
    }

    /// Runs a future until the end.
    ///
    /// # Errors
    /// When the time is up.
    pub(crate) async fn limit<F: Future>(self, future: F) -> Result<F::Output, TimeIsUp> {
        match self.end {
            None => Ok(future.await),
            Some(end) => {
                let result = tokio::time::timeout_at(end, future).await;
                result.map_err(|_| TimeIsUp { after: end - self.started })
            }
        }
    }
}
