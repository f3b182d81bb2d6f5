//! Helm with a chart of its own: a definition and an object of it, hooks, a test, a lookup.

use std::path::Path;
use std::pin::Pin;

use libtest_mimic::Trial;
use tokio::process::Command;

use crate::harness::{Output, Spur, command};
use crate::needs::Need;

type Case = fn() -> Pin<Box<dyn Future<Output = ()>>>;

const ALL: [(&str, Case); 3] = [
    ("helm::installs_tests_upgrades_and_rolls_back", || Box::pin(lives())),
    ("helm::takes_back_an_upgrade_that_fails", || Box::pin(fails())),
    ("helm::leaves_alone_what_is_not_its_own", || Box::pin(refuses())),
];

/// A chart whose pods are plain processes.
const CHART: &str = "tests/clients/helm/shop";

pub(crate) fn trials() -> Vec<Trial> {
    let absent = match std::process::Command::new(program()).arg("version").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("`{}` does not run: {}", program(), output.status)),
        Err(error) => Some(format!("`{}` cannot be started: {error}", program())),
    };
    let need = Need::new("helm", absent);
    ALL.iter().map(|(name, case)| need.trial(name, case)).collect()
}

fn program() -> String {
    std::env::var("SPUR_HELM").unwrap_or_else(|_| "helm".to_owned())
}

#[track_caller]
fn helm(spur: &Spur, args: &[&str]) -> impl Future<Output = Output> + use<> {
    let mut helm = Command::new(program());
    helm.args(args).current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).kill_on_drop(true);
    helm.env("KUBECONFIG", spur.kubeconfig()).env("HOME", spur.data().home());
    command::run(helm)
}

async fn sign(spur: &Spur, name: &str) -> String {
    let path = format!("/apis/shop.example.com/v1/namespaces/default/signs/{name}");
    let sign = spur.api().ask(http::Method::GET, &path).send().await.ok().json();
    sign["spec"]["text"].as_str().unwrap().to_owned()
}

async fn lives() {
    let spur = Spur::up().start().await;
    let install = ["install", "one", CHART, "--wait", "--timeout", "60s"];
    helm(&spur, &install).await.ok().prints(&["STATUS: deployed", "REVISION: 1"]);
    let map = spur.api().get("configmaps", "one").await;
    assert_eq!(map["data"]["namespace"], "default", "what is looked up while it renders");
    assert_eq!(map["data"]["autoscaler"], "true", "what it knows from discovery");
    helm(&spur, &["test", "one", "--logs"]).await.ok().prints(&["Succeeded", "the shop is open"]);

    let more = ["--set", "replicas=2,greeting=welcome", "--wait", "--timeout", "60s"];
    helm(&spur, &[&["upgrade", "one", CHART], &more[..]].concat()).await.ok().prints(&["REVISION: 2"]);
    assert_eq!(spur.api().get("deployments", "one").await["status"]["readyReplicas"], 2);
    assert_eq!(sign(&spur, "one").await, "welcome");
    helm(&spur, &["rollback", "one", "1", "--wait", "--timeout", "60s"]).await.ok().prints(&["success"]);
    assert_eq!(spur.api().get("deployments", "one").await["spec"]["replicas"], 1);
    assert_eq!(sign(&spur, "one").await, "hello");
    helm(&spur, &["history", "one"]).await.ok().prints(&["superseded", "Rollback to 1"]);
    helm(&spur, &["list", "-A"]).await.ok().prints(&["one", "deployed", "shop-0.1.0"]);

    helm(&spur, &["uninstall", "one", "--wait", "--timeout", "60s"]).await.ok().prints(&["uninstalled"]);
    spur.api().until_gone("deployments", "one").await;
    spur.api().until_gone("services", "one").await;
    let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/signs.shop.example.com";
    spur.api().ask(http::Method::GET, definition).send().await.ok();
    spur.end().await;
}

async fn fails() {
    let spur = Spur::up().start().await;
    helm(&spur, &["install", "one", CHART, "--wait", "--timeout", "60s"]).await.ok();
    let upgrade = ["upgrade", "one", CHART, "--atomic", "--timeout", "60s", "--set"];
    let too_long = [&upgrade[..], &["replicas=2,greeting=longer-than-any-sign-may-be"]].concat();
    helm(&spur, &too_long).await.code(1).tells(&["spec.text: Too long", "rolled back due to atomic"]);
    assert_eq!(sign(&spur, "one").await, "hello");
    assert_eq!(spur.api().get("deployments", "one").await["spec"]["replicas"], 1);
    helm(&spur, &["history", "one"]).await.ok().prints(&["failed", "Rollback to 1"]);
    spur.end().await;
}

async fn refuses() {
    let spur = Spur::up().start().await;
    let map = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}});
    spur.api().create_all(&[map]).await;
    let install = ["install", "one", CHART];
    helm(&spur, &install).await.code(1).tells(&["cannot be imported", "invalid ownership metadata"]);
    spur.end().await;
}
