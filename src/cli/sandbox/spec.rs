//! The flags of `spur sandbox create` as a Sandbox.

use serde_json::{Value, json};
use spur_api::registry;

use crate::args::SandboxCreateArgs;
use crate::error::Failure;

/// Makes the object; the server checks it.
///
/// # Errors
/// When a flag cannot be read.
pub(super) fn sandbox(args: &SandboxCreateArgs) -> Result<Value, Failure> {
    let SandboxCreateArgs {
        name,
        fork,
        env,
        image,
        key,
        ttl,
        endpoint,
        // The rest says where it comes from or goes to.
        filename: _,
        namespace: _,
        wait: _,
        timeout: _,
        output: _,
    } = args;
    if fork.len() > 1 && !(env.is_empty() && image.is_empty()) {
        let failure = Failure::usage("--env and --image do not say which of several forks they are for");
        return Err(failure.hint("write the sandbox into a file and use -f"));
    }
    let env: Vec<Value> = env.iter().map(|text| variable(text)).collect::<Result<_, _>>()?;
    let images: Vec<Value> = image.iter().map(|text| self::image(text)).collect();
    let mut forks = Vec::new();
    for text in fork {
        let mut fork = json!({"of": workload(text)?});
        if !images.is_empty() {
            fork["images"] = json!(images);
        }
        if !env.is_empty() {
            fork["env"] = json!(env);
        }
        forks.push(fork);
    }
    let mut spec = json!({"forks": forks});
    if let Some(key) = key {
        spec["routingKey"] = json!(key);
    }
    if let Some(ttl) = ttl {
        spec["ttl"] = json!({"duration": ttl.as_str()});
    }
    if !endpoint.is_empty() {
        let endpoints = endpoint.iter().map(|service| json!({"name": service, "service": service}));
        spec["endpoints"] = endpoints.collect();
    }
    let name = name.as_deref().unwrap_or_default();
    Ok(
        json!({"apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox", "metadata": {"name": name}, "spec": spec}),
    )
}

/// `deployment/pricing`, or `pricing` for a Deployment.
fn workload(text: &str) -> Result<Value, Failure> {
    let (kind, name) = text.split_once('/').unwrap_or(("deployment", text));
    match registry::by_word(kind) {
        Some(kind) if !name.is_empty() => Ok(json!({"kind": kind.kind, "name": name})),
        _ => Err(Failure::usage(format!("--fork {text}: want a workload such as `deployment/pricing`"))),
    }
}

/// `K=V` sets, `K-` takes away, as with `kubectl set env`.
fn variable(text: &str) -> Result<Value, Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(json!({"name": name, "value": value})),
        None if text.len() > 1 && text.ends_with('-') => {
            Ok(json!({"name": text.trim_end_matches('-'), "operation": "delete"}))
        }
        _ => Err(Failure::usage(format!("--env {text}: want `NAME=VALUE`, or `NAME-` to take it away"))),
    }
}

/// `container=image`, or an image for the only container. An image may hold a
/// `=` nowhere, so the first one parts.
fn image(text: &str) -> Value {
    match text.split_once('=') {
        Some((container, image)) => json!({"container": container, "image": image}),
        None => json!({"image": text}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, ClientCommand, Command, SandboxCommand};
    use clap::Parser;

    fn made(flags: &str) -> Result<String, Failure> {
        let words = ["spur", "sandbox", "create", "s"].into_iter().chain(flags.split(' '));
        let args = Args::parse_from(words);
        let Command::Client(ClientCommand::Sandbox(args)) = args.command else { panic!("{flags}") };
        let SandboxCommand::Create(args) = args.command else { panic!("{flags}") };
        sandbox(&args).map(|object| object["spec"].to_string())
    }

    #[test]
    fn flags_become_a_sandbox() {
        let flags = "--fork pricing --env A=b=c --env D- --image shop/pricing:2 --image side=x:1 --key k --ttl 8h --endpoint web";
        insta::assert_snapshot!(made(flags).unwrap(), @r#"{"forks":[{"of":{"kind":"Deployment","name":"pricing"},"images":[{"image":"shop/pricing:2"},{"container":"side","image":"x:1"}],"env":[{"name":"A","value":"b=c"},{"name":"D","operation":"delete"}]}],"routingKey":"k","ttl":{"duration":"8h"},"endpoints":[{"name":"web","service":"web"}]}"#);
        insta::assert_snapshot!(made("--fork deploy/a --fork b").unwrap(), @r#"{"forks":[{"of":{"kind":"Deployment","name":"a"}},{"of":{"kind":"Deployment","name":"b"}}]}"#);
    }

    #[test]
    fn flags_that_say_nothing_are_refused() {
        assert!(made("--fork a --fork b --env A=b").is_err());
        assert!(made("--fork deployment/").is_err());
        assert!(made("--fork a --env =x").is_err());
        assert!(made("--fork a --env A").is_err());
    }
}
