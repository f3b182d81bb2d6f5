//! The demo's manifests name services that exist, ports that they declare, and
//! settings that the services know.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sample_services::SAMPLES;
use serde_json::{Value, json};

use crate::support::{get, start};

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/demo")
}

/// Every document of every file in a folder.
fn documents(folder: &Path) -> Vec<Value> {
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let parsed: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
            documents.extend(parsed);
        }
    }
    documents
}

fn everything() -> Vec<Value> {
    let mut all = documents(&demo());
    all.extend(documents(&demo().join("extras")));
    all
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> Vec<&'a Value> {
    documents.iter().filter(|document| document["kind"] == kind).collect()
}

fn container(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn every_sample_has_a_deployment_and_every_deployment_runs_a_sample() {
    let all = everything();
    let run: BTreeSet<_> = of_kind(&all, "Deployment")
        .into_iter()
        .map(|deployment| {
            let command = &container(deployment)["command"];
            assert_eq!([&command[0], &command[1]], ["spur", "sample"]);
            command[2].as_str().unwrap()
        })
        .collect();
    assert_eq!(run, SAMPLES.iter().map(|sample| sample.name).collect());
}

#[test]
fn every_deployment_is_probed_and_found_by_its_service() {
    let all = everything();
    for deployment in of_kind(&all, "Deployment") {
        let name = &deployment["metadata"]["name"];
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels, "{name}");
        assert_eq!(&deployment["metadata"]["labels"], labels, "{name}");
        let port = &container(deployment)["ports"][0];
        assert_eq!(port["containerPort"], 8080, "{name}");
        let probe = &container(deployment)["readinessProbe"]["httpGet"];
        assert_eq!(probe, &json!({ "path": "/health", "port": port["name"] }), "{name}");

        let services = of_kind(&all, "Service");
        let service = services.iter().find(|service| service["spec"]["selector"]["app"] == labels["app"]);
        let service = service.unwrap_or_else(|| panic!("{name} has no Service"));
        assert_eq!(service["metadata"]["name"], labels["app"]);
        assert_eq!(service["spec"]["ports"][0]["port"], 80);
        assert_eq!(service["spec"]["ports"][0]["targetPort"], port["name"], "{name}");
        let is_grpc = port["name"] == "grpc";
        let h2c = &service["spec"]["ports"][0]["appProtocol"] == "kubernetes.io/h2c";
        assert_eq!(is_grpc, h2c, "{name}");
    }
}

#[tokio::test]
async fn the_sandbox_makes_everything_ten_percent_cheaper() {
    let all = everything();
    let [sandbox] = of_kind(&all, "Sandbox")[..] else {
        panic!("wanted one Sandbox");
    };
    assert_eq!(sandbox["apiVersion"], "spur.dev/v1alpha1");
    let [fork] = &sandbox["spec"]["forks"].as_array().unwrap()[..] else {
        panic!("wanted one fork");
    };
    let deployments = of_kind(&all, "Deployment");
    let baseline = deployments.iter().find(|deployment| {
        deployment["kind"] == fork["of"]["kind"] && deployment["metadata"]["name"] == fork["of"]["name"]
    });
    let baseline = container(baseline.expect("the forked workload is in the demo"));

    // The baseline's variables, then the fork's: the last of a name wins.
    let mut cents = Vec::new();
    for env in [vec![&baseline["env"]], vec![&baseline["env"], &fork["env"]]] {
        let vars = env.into_iter().flat_map(|vars| vars.as_array().unwrap());
        let vars: Vec<_> =
            vars.map(|var| (var["name"].as_str().unwrap(), var["value"].as_str().unwrap())).collect();
        let running = start(baseline["command"][2].as_str().unwrap(), &vars).await;
        let price = get(&running.url("/price/mug"), &[]).await.json();
        cents.push((price["cents"].as_u64().unwrap(), price["version"].clone()));
    }
    assert_eq!(cents, [(1200, json!("v1")), (1080, json!("v2-cheaper"))]);
}
