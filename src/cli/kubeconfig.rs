//! `spur kubeconfig`: what `kubectl` and others need to reach the server.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use spur_api::yaml;

use crate::args::{ConnectionArgs, KubeconfigArgs};
use crate::connect::{self, Origin};
use crate::console::Console;
use crate::environment::Environment;
use crate::error::{Exit, Failure};

/// Runs `spur kubeconfig`.
pub(crate) fn run(
    args: &KubeconfigArgs,
    connection: &ConnectionArgs,
    environment: &Environment,
    console: &mut Console,
) -> Result<Exit> {
    let Origin { server, files } = connect::origin(connection, environment)?;
    match (server, args.path) {
        (Some(_), true) => {
            let failure = Failure::usage("--server names an address, so there is no file");
            bail!(failure.hint("leave out --path to have a kubeconfig printed"));
        }
        (Some(url), false) => console.bytes(yaml::to_string(&with_server(&files, &url)?).as_bytes())?,
        (None, true) => {
            let absolute: Result<Vec<_>, _> = files.iter().map(std::path::absolute).collect();
            let list = std::env::join_paths(absolute?).context("a path of a kubeconfig holds a colon")?;
            console.line(&list.to_string_lossy())?;
        }
        (None, false) => match files.as_slice() {
            [file] => console.bytes(&read(file)?)?,
            files => {
                let merged = serde_json::to_value(connect::read_kubeconfig(files)?)?;
                console.bytes(yaml::to_string(&merged).as_bytes())?;
            }
        },
    }
    Ok(Exit::Success)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("failed to read kubeconfig `{}`", file.display()))
}

/// The files' kubeconfig with this address in place of its clusters'.
fn with_server(files: &[std::path::PathBuf], url: &str) -> Result<Value> {
    if files.is_empty() {
        return Ok(of_url(url));
    }
    let mut merged = serde_json::to_value(connect::read_kubeconfig(files)?)?;
    let clusters = merged.get_mut("clusters").and_then(Value::as_array_mut);
    for cluster in clusters.into_iter().flatten() {
        cluster["cluster"]["server"] = json!(url);
    }
    Ok(merged)
}

/// A kubeconfig of a server without credentials.
fn of_url(url: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "spur", "cluster": {"server": url}}],
        "users": [{"name": "spur", "user": {}}],
        "contexts": [{"name": "spur", "context": {"cluster": "spur", "user": "spur"}}],
        "current-context": "spur",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_a_kubeconfig_that_leads_there() {
        let text = yaml::to_string(&of_url("http://127.0.0.1:1"));
        let kubeconfig = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(kubeconfig.current_context.as_deref(), Some("spur"));
        let cluster = kubeconfig.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("http://127.0.0.1:1"));
    }
}
