//! Sandboxes: what a fork is made of, whose key it is, and what is left of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::api::is_condition;
use crate::harness::manifests::{cheaper, deployment, fork, sample, service};
use crate::harness::{Api, Site, Spur, until};

/// Kinds that a sandbox makes objects of.
const MADE: [&str; 5] = ["pods", "deployments", "replicasets", "services", "endpointslices"];

/// A service that prints its environment and then prices mugs.
fn printing(name: &str) -> Vec<Value> {
    let container = json!({
        "name": "main", "command": ["sh", "-c", "env; echo args: \"$@\"; exec spur sample pricing", "x"], "args": ["base"],
        "env": [{"name": "KEPT", "value": "1"}, {"name": "DROPPED", "value": "1"}, {"name": "CHANGED", "value": "old"}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
    });
    vec![service(name), deployment(name, container)]
}

fn condition(sandbox: &Value) -> &Value {
    &sandbox["status"]["conditions"][0]
}

async fn until_reason(api: &Api, name: &str, reason: &str) -> Value {
    api.until(("sandboxes", name), reason, |sandbox| condition(sandbox)["reason"] == reason).await
}

/// The one pod of a fork.
async fn pod_of(api: &Api, sandbox: &str, fork: &str) -> Value {
    let selector =
        format!("spur.dev/sandbox={sandbox},spur.dev/fork={fork}").replace('=', "%3D").replace(',', "%2C");
    until(&format!("{sandbox} has one pod for {fork}"), async || {
        let pods = api.pods_of(&selector).await;
        if let [pod] = &pods[..] { Ok(pod.clone()) } else { Err(format!("{} pods", pods.len())) }
    })
    .await
}

async fn log_of(api: &Api, sandbox: &str, fork: &str) -> String {
    let pod = pod_of(api, sandbox, fork).await;
    api.logs(pod["metadata"]["name"].as_str().unwrap(), "").await.ok().text()
}

#[tokio::test]
async fn a_forks_environment_is_the_baselines_with_its_changes() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"level": "debug"}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"t": "sesame"}});
    api.create_all(&[map, secret]).await;
    api.create_all(&printing("web")).await;
    api.create_all(&sample("other", "pricing", &[("VERSION", "v1")])).await;
    api.until_condition(("deployments", "web"), "Available").await;
    let sandbox = json!({
        "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox", "metadata": {"name": "try"},
        "spec": {"forks": [
            {"of": {"kind": "Deployment", "name": "web"}, "env": [
                {"name": "CHANGED", "value": "new"},
                {"name": "ADDED", "value": "yes", "operation": "upsert"},
                {"name": "DROPPED", "operation": "delete"},
                {"name": "FROM_MAP", "valueFrom": {"configMap": {"name": "settings", "key": "level"}}},
                {"name": "FROM_SECRET", "valueFrom": {"secret": {"name": "token", "key": "t"}}},
                {"name": "FROM_SERVICE", "valueFrom": {"service": {"name": "other"}}},
            ]},
            {"of": {"kind": "Deployment", "name": "other"}, "env": [{"name": "VERSION", "value": "v2"}]},
        ]},
    });
    api.create_all(&[sandbox]).await;
    let sandbox = api.until_condition(("sandboxes", "try"), "Ready").await;
    let key = sandbox["status"]["routingKey"].as_str().unwrap();
    assert!(
        key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
        "{key}"
    );
    assert_eq!(sandbox["status"]["phase"], "Ready");

    let log = log_of(&api, "try", "web").await;
    let env: BTreeMap<&str, &str> = log.lines().filter_map(|line| line.split_once('=')).collect();
    for (name, value) in [
        ("KEPT", "1"),
        ("CHANGED", "new"),
        ("ADDED", "yes"),
        ("FROM_MAP", "debug"),
        ("FROM_SECRET", "sesame"),
    ] {
        assert_eq!(env.get(name), Some(&value), "{name} in\n{log}");
    }
    assert!(!env.contains_key("DROPPED"), "{log}");
    // The address is the other fork's own: no key is needed there.
    let answer = Site::of(env["FROM_SERVICE"]).get("/price/mug").send().await.ok();
    assert_eq!(answer.json()["version"], "v2");
    spur.end().await;
}

#[tokio::test]
async fn command_args_and_patch_replace_the_baselines() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&printing("web")).await;
    api.until_condition(("deployments", "web"), "Available").await;
    let patch = json!({"spec": {"replicas": 1, "template": {
        "metadata": {"annotations": {"team": "blue"}},
        "spec": {"containers": [{"name": "main", "env": [{"name": "PATCHED", "value": "1"}]}]},
    }}});
    let command = json!(["sh", "-c", "env; echo forked: \"$@\"; exec spur sample pricing", "x"]);
    api.create_all(&[
        fork("arguments", "k-args", "web", json!({"args": ["a", "b c"]})),
        fork("commands", "k-command", "web", json!({"command": command, "patch": patch})),
    ])
    .await;
    api.until_condition(("sandboxes", "arguments"), "Ready").await;
    assert!(log_of(&api, "arguments", "web").await.contains("args: a b c\n"));
    api.until_condition(("sandboxes", "commands"), "Ready").await;
    let log = log_of(&api, "commands", "web").await;
    assert!(log.contains("forked: ") && log.contains("PATCHED=1\n") && log.contains("KEPT=1\n"), "{log}");
    let pod = pod_of(&api, "commands", "web").await;
    assert_eq!(pod["metadata"]["annotations"]["team"], "blue");
    // No baseline selector may match a fork's pod.
    assert_eq!(pod["metadata"]["labels"].get("app"), None, "{pod:#}");
    spur.end().await;
}

#[tokio::test]
async fn of_two_sandboxes_with_one_key_the_second_says_whose_it_is() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&sample("pricing", "pricing", &[])).await;
    api.create_all(&[cheaper("first", "k-1")]).await;
    api.until_condition(("sandboxes", "first"), "Ready").await;
    api.create_all(&[cheaper("second", "k-1")]).await;
    let second = until_reason(&api, "second", "KeyTaken").await;
    assert!(is_condition(&second, "Ready", "False"));
    let message = condition(&second)["message"].as_str().unwrap();
    assert!(message.contains("first") && message.contains("k-1"), "{message}");
    assert!(is_condition(&api.get("sandboxes", "first").await, "Ready", "True"));
    // The key is free when its owner is gone.
    api.delete("sandboxes", "first").await.ok();
    api.until_condition(("sandboxes", "second"), "Ready").await;
    spur.end().await;
}

#[tokio::test]
async fn a_fork_that_is_not_ready_falls_back_or_fails_as_its_sandbox_says() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&sample("pricing", "pricing", &[("VERSION", "v1")])).await;
    spur.until_routed("pricing").await;
    let flag = spur.data().home().join("ready");
    let probe = json!({"spec": {"template": {"spec": {"containers": [{"name": "pricing", "readinessProbe": {
        "httpGet": null, "exec": {"command": ["test", "-f", flag.display().to_string()]},
        "periodSeconds": 1, "failureThreshold": 1,
    }}]}}}});
    let env = json!([{"name": "VERSION", "value": "v2"}]);
    let lenient = fork("lenient", "k-lenient", "pricing", json!({"env": env, "patch": probe}));
    let mut strict = fork("strict", "k-strict", "pricing", json!({"env": env, "patch": probe}));
    strict["spec"]["fallback"] = json!("fail");
    api.create_all(&[lenient, strict]).await;
    let price = async |key: &str| spur.service("pricing").get("/price/mug").key(key).send().await;

    // Not ready from the start.
    for name in ["lenient", "strict"] {
        pod_of(&api, name, "pricing").await;
    }
    until("the strict one is known", async || match price("k-strict").await {
        answer if answer.reason() == Some("fork-not-ready") && answer.status == 503 => Ok(()),
        answer => Err(format!("{} {}", answer.status, answer.text())),
    })
    .await;
    assert_eq!(price("k-lenient").await.ok().json()["version"], "v1");
    std::fs::write(&flag, "").unwrap();
    for (name, key) in [("lenient", "k-lenient"), ("strict", "k-strict")] {
        api.until_condition(("sandboxes", name), "Ready").await;
        assert_eq!(price(key).await.ok().json()["version"], "v2", "{name}");
    }
    // Ready no longer.
    std::fs::remove_file(&flag).unwrap();
    for name in ["lenient", "strict"] {
        api.until(("sandboxes", name), "not ready", |found| found["status"]["phase"] == "NotReady").await;
    }
    assert_eq!(price("k-lenient").await.ok().json()["version"], "v1");
    let failed = price("k-strict").await;
    assert_eq!((failed.status.as_u16(), failed.reason()), (503, Some("fork-not-ready")));
    assert!(failed.text().contains("strict") && failed.text().contains("hint: "), "{}", failed.text());
    // Nobody without a key notices.
    assert_eq!(spur.service("pricing").get("/price/mug").send().await.ok().json()["version"], "v1");
    spur.end().await;
}

#[tokio::test]
async fn a_sandbox_with_a_time_to_live_deletes_itself() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&sample("pricing", "pricing", &[])).await;
    let mut brief = cheaper("brief", "k-brief");
    brief["spec"]["ttl"] = json!({"duration": "2s"});
    let mut renewed = cheaper("renewed", "k-renewed");
    renewed["spec"]["ttl"] = json!({"duration": "1h", "from": "updated"});
    api.create_all(&[brief, renewed]).await;
    let has_end = |sandbox: &Value| sandbox["status"]["deletionTime"].is_string();
    api.until(("sandboxes", "brief"), "told when it ends", has_end).await;
    let before = api.until(("sandboxes", "renewed"), "told when it ends", has_end).await;
    api.until_gone("sandboxes", "brief").await;
    // At least one second is over since, which is what times are counted in.
    api.patch("sandboxes", "renewed", &json!({"spec": {"fallback": "fail"}})).await.ok();
    let end = before["status"]["deletionTime"].clone();
    api.until(("sandboxes", "renewed"), "put off", |sandbox| {
        let found = sandbox["status"]["deletionTime"].as_str();
        found > end.as_str()
    })
    .await;
    spur.end().await;
}

#[tokio::test]
async fn deleting_a_sandbox_leaves_nothing_behind() {
    let spur = Spur::shop().await;
    let api = spur.api();
    let all = async || {
        let mut names = Vec::new();
        for plural in MADE {
            names.extend(
                api.list(plural)
                    .await
                    .iter()
                    .map(|object| format!("{plural}/{}", object["metadata"]["name"].as_str().unwrap())),
            );
        }
        names.sort();
        names
    };
    let (before, processes) = (all().await, spur.processes().len());
    api.create_all(&[cheaper("cheaper", "k-1")]).await;
    let sandbox = api.until_condition(("sandboxes", "cheaper"), "Ready").await;
    assert!(all().await.len() > before.len());
    let url = sandbox["status"]["endpoints"][0]["url"].as_str().unwrap();
    let cart = Site::of(url).get("/api/cart").send().await.ok().json();
    assert_eq!((&cart["total_cents"], &cart["key"]), (&json!(1080), &json!("k-1")));

    api.delete("sandboxes", "cheaper").await.ok();
    api.until_gone("sandboxes", "cheaper").await;
    until("what it made is gone", async || match all().await {
        found if found == before => Ok(()),
        found => Err(format!("{found:#?}, and before {before:#?}")),
    })
    .await;
    until("its processes are gone", async || match spur.processes() {
        found if found.len() == processes => Ok(()),
        found => Err(format!("{found:#?}")),
    })
    .await;
    let gone = Site::of(url).get("/api/cart").send().await;
    assert_eq!((gone.status.as_u16(), gone.reason()), (404, Some("unknown-sandbox")));
    // A key that nobody owns goes to the baseline.
    let cart = spur.service("frontend").get("/api/cart").key("k-1").send().await.ok().json();
    assert_eq!((&cart["total_cents"], &cart["answered"]["pricing"]), (&json!(1200), &json!("v1")));
    spur.end().await;
}

#[tokio::test]
async fn a_fork_of_something_that_does_not_exist_waits_for_it_and_says_so() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&[cheaper("early", "k-1")]).await;
    let early = until_reason(&api, "early", "BaselineNotFound").await;
    assert!(condition(&early)["message"].as_str().unwrap().contains("pricing"), "{early:#}");
    api.create_all(&sample("pricing", "pricing", &[])).await;
    api.until_condition(("sandboxes", "early"), "Ready").await;
    spur.end().await;
}

#[tokio::test]
async fn a_changed_sandbox_changes_its_fork() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&sample("pricing", "pricing", &[])).await;
    api.create_all(&[cheaper("cheaper", "k-1")]).await;
    api.until_condition(("sandboxes", "cheaper"), "Ready").await;
    let forks = json!([{"of": {"kind": "Deployment", "name": "pricing"}, "env": [{"name": "PRICE_PERCENT", "value": "50"}]}]);
    api.patch("sandboxes", "cheaper", &json!({"spec": {"forks": forks}})).await.ok();
    until("the fork has the new price", async || {
        let answer = spur.service("pricing").get("/price/mug").key("k-1").send().await;
        match answer.status.is_success().then(|| answer.json()["cents"].clone()) {
            Some(cents) if cents == 600 => Ok(()),
            found => Err(format!("{found:?}")),
        }
    })
    .await;
    spur.end().await;
}
