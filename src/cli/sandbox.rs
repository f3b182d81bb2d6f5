//! `spur sandbox create|list|delete`. What the flags of `create` mean is in `spec`.

mod spec;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::Value;
use spur_api::{Kind, meta, registry};
use spur_route::preview_host;

use crate::apply::place_in_namespace;
use crate::args::{
    Cascade, DeleteArgs, GetArgs, SandboxCommand, SandboxCreateArgs, SandboxDeleteArgs, SandboxListArgs,
};
use crate::client::{Client, JSON};
use crate::console::Console;
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::kinds;
use crate::manifest::{self, Depth, Manifest};
use crate::render::{self, Objects};
use crate::wait::{self, Condition, Deadline};
use crate::{delete, get};

/// Reasons of `Ready=False` that time does not change: somebody has to do something.
const STUCK: [&str; 3] = ["BaselineNotFound", "InvalidFork", "KeyTaken"];

/// How long such a reason must hold before it is believed: the baseline may
/// have been applied only a moment ago.
const STUCK_AFTER: Duration = Duration::from_secs(2);

/// How long `create` waits for the key without `--wait`: the controller writes
/// it at once, so this is for a machine that is very busy.
const KEY_WITHIN: Duration = Duration::from_secs(10);

/// Runs `spur sandbox …`.
pub(crate) async fn run(command: SandboxCommand, client: &Client, console: &mut Console) -> Result<Exit> {
    match command {
        SandboxCommand::Create(args) => create(&args, client, console).await,
        SandboxCommand::List(args) => list(args, client, console).await,
        SandboxCommand::Delete(args) => remove(args, client, console).await,
    }
}

async fn create(args: &SandboxCreateArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let manifest = manifest(args, client)?;
    let object = &manifest.object;
    let (namespace, name) = (meta::namespace(object).to_owned(), meta::name(object).to_owned());
    let path = kinds::collection_path(kind(), Some(&namespace));
    let query = kinds::query(&[("fieldManager", Some("spur")), ("fieldValidation", Some("Strict"))]);
    let sent = client.send(Method::POST, &(path + &query), JSON, object).await;
    sent.with_context(|| format!("failed to create sandbox `{name}`"))?;
    let has_words = args.output.is_none();
    if has_words {
        console.line(&format!("{} created", kinds::named(kind(), &name)))?;
    }
    let found = if args.wait {
        until_ready(client, (&namespace, &name), Deadline::after(args.timeout)).await?
    } else {
        let with_key = "jsonpath={.status.routingKey}".parse().expect("a path that tests parse");
        let target = (namespace.as_str(), name.as_str());
        wait::until(client, kind(), target, &with_key, Deadline::after(KEY_WITHIN)).await?
    };
    match &args.output {
        Some(format) => console.bytes(render::objects(format, Objects::One(found))?.as_bytes())?,
        None => {
            let key = meta::text(&found, "/status/routingKey");
            console.line(&format!("key      {key}"))?;
            let facts = Facts::read(client).await?;
            for (name, url) in previews(&found, &facts) {
                console.line(&format!("preview  {url}  ({name})"))?;
            }
            console.talk(&format!("Requests with the header `spur-key: {key}` now reach the fork."));
        }
    }
    Ok(Exit::Success)
}

/// Waits until every fork takes requests, and gives the sandbox as it is then.
///
/// # Errors
/// When it cannot become ready as it is, or the time is up.
pub(crate) async fn until_ready(
    client: &Client,
    (namespace, name): (&str, &str),
    deadline: Deadline,
) -> Result<Value> {
    let ready = Condition::ready();
    tokio::select! {
        settled = wait::until(client, kind(), (namespace, name), &ready, deadline) => settled,
        stuck = stuck(client, (namespace, name)) => Err(stuck?.into()),
    }
}

/// Waits until the sandbox has had a reason for some time that only people can change.
async fn stuck(client: &Client, (namespace, name): (&str, &str)) -> Result<Failure> {
    let path = kinds::object_path(kind(), namespace, name);
    let mut last = String::new();
    loop {
        // The reason that was there before and is there still.
        tokio::time::sleep(STUCK_AFTER).await;
        let object = client.get(&path).await?;
        let reason = reason(&object);
        if let Some((reason, message)) = reason.filter(|(reason, _)| STUCK.contains(reason)) {
            if last == reason {
                let failure = Failure::new(format!("sandbox `{name}` cannot become ready: {message}"));
                let hint =
                    format!("change it with `spur apply`, or `spur sandbox delete {name} -n {namespace}`");
                return Ok(failure.hint(hint));
            }
            reason.clone_into(&mut last);
        }
    }
}

fn reason(object: &Value) -> Option<(&str, &str)> {
    let conditions = meta::list(object, "/status/conditions");
    let ready = conditions.iter().find(|condition| meta::text(condition, "/type") == "Ready")?;
    Some((meta::text(ready, "/reason"), meta::text(ready, "/message")))
}

/// Names and preview addresses: those in the status, else one per forked Service.
pub(crate) fn previews(sandbox: &Value, facts: &Facts) -> Vec<(String, String)> {
    let told = meta::list(sandbox, "/status/endpoints")
        .iter()
        .map(|endpoint| (meta::text(endpoint, "/name").to_owned(), meta::text(endpoint, "/url").to_owned()));
    let told: Vec<(String, String)> = told.filter(|(_, url)| !url.is_empty()).collect();
    let Some(port) = facts.entry_port().filter(|_| told.is_empty()) else {
        return told;
    };
    let services = meta::list(sandbox, "/status/forks").iter().flat_map(|fork| meta::list(fork, "/services"));
    let urls = services.filter_map(Value::as_str).map(|service| {
        let host = preview_host(meta::name(sandbox), service, meta::namespace(sandbox));
        (service.to_owned(), format!("http://{host}:{port}"))
    });
    urls.collect()
}

fn manifest(args: &SandboxCreateArgs, client: &Client) -> Result<Manifest> {
    let mut manifest = match &args.filename {
        Some(file) => one_sandbox(file)?,
        None => {
            let object = spec::sandbox(args)?;
            Manifest { kind: kind(), object, place: "the flags".to_owned() }
        }
    };
    place_in_namespace(&mut manifest, args.namespace.as_deref(), client.namespace())?;
    Ok(manifest)
}

/// The one sandbox in a file.
///
/// # Errors
/// When the file cannot be used or holds anything else.
pub(crate) fn one_sandbox(file: &str) -> Result<Manifest> {
    let mut all = manifest::read_all(&[file], Depth::Flat)?;
    match (all.pop(), all.len()) {
        (Some(one), 0) if one.kind.kind == kind().kind => Ok(one),
        (Some(one), 0) => {
            bail!(Failure::usage(format!("{}: found a {}, want a Sandbox", one.place, one.kind.kind)))
        }
        (_, n_more) => {
            bail!(Failure::usage(format!("`{file}`: found {} objects, want one Sandbox", n_more + 1)))
        }
    }
}

async fn list(args: SandboxListArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let SandboxListArgs { namespace, all_namespaces, output } = args;
    let args = GetArgs {
        what: vec![kind().plural.to_owned()],
        namespace,
        all_namespaces,
        selector: None,
        field_selector: None,
        watch: false,
        output,
        no_headers: false,
        show_labels: false,
        ignore_not_found: false,
    };
    get::run(&args, client, console).await
}

async fn remove(args: SandboxDeleteArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let SandboxDeleteArgs { names, namespace, no_wait, ignore_not_found } = args;
    let args = DeleteArgs {
        what: std::iter::once(kind().plural.to_owned()).chain(names).collect(),
        filename: Vec::new(),
        recursive: false,
        namespace,
        selector: None,
        all: false,
        grace_period: None,
        force: false,
        cascade: Cascade::Background,
        no_wait,
        timeout: None,
        ignore_not_found,
    };
    delete::run(&args, client, console).await
}

pub(crate) fn kind() -> &'static Kind {
    registry::by_kind("spur.dev/v1alpha1", "Sandbox").expect("sandboxes are served")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_forked_service_has_a_preview_address() {
        let facts = Facts(json!({"entry": "http://127.0.0.1:8080"}));
        let mut sandbox = json!({
            "metadata": {"name": "cheaper", "namespace": "shop"},
            "status": {"forks": [{"services": ["pricing"]}]},
        });
        let expected = "http://cheaper--pricing.shop.localhost:8080";
        assert_eq!(previews(&sandbox, &facts), [("pricing".to_owned(), expected.to_owned())]);
        sandbox["status"]["endpoints"] = json!([{"name": "web", "url": "http://x"}]);
        assert_eq!(previews(&sandbox, &facts), [("web".to_owned(), "http://x".to_owned())]);
    }
}
