//! Every kind through the life of one object; a kind without one in the fixture fails.

use std::path::Path;

use serde_json::{Value, json};
use spur_api::{Kind, Life, REGISTRY, Scope, meta, registry, yaml};

use super::world::{World, world};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const MERGE: &str = "merge-patch+json";
const APPLY: &str = "apply-patch+yaml";

/// The objects of the fixture with their kinds.
fn objects() -> Vec<(&'static Kind, Value)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/manifests/every-kind.yaml");
    let text = std::fs::read_to_string(path).expect("the fixture is there");
    let objects = yaml::documents(&text).expect("the fixture is YAML");
    let kind = |object: &Value| {
        registry::by_kind(meta::text(object, "/apiVersion"), meta::text(object, "/kind"))
            .unwrap_or_else(|| panic!("{object} is of no kind that is served"))
    };
    objects.into_iter().map(|object| (kind(&object), object)).collect()
}

fn collection(kind: &Kind) -> String {
    let root = match kind.group {
        "" => format!("/api/{}", kind.version),
        group => format!("/apis/{group}/{}", kind.version),
    };
    match kind.scope {
        Scope::Namespaced => format!("{root}/namespaces/default/{}", kind.plural),
        Scope::Cluster => format!("{root}/{}", kind.plural),
    }
}

#[test]
fn every_kind_has_an_object_in_the_fixture() {
    let objects = objects();
    // What is never kept has no life: `access.rs` asks reviews, `pods.rs` and `components.rs` the others.
    for kind in REGISTRY.iter().filter(|kind| kind.rules.life == Life::Stored) {
        let has =
            |(found, _): &(&Kind, Value)| std::ptr::eq(*found, kind) || found.definition == kind.definition;
        assert!(objects.iter().any(has), "{} {} has none", kind.api_version(), kind.kind);
    }
}

#[tokio::test]
async fn every_kind_is_made_shown_changed_and_deleted() {
    let world = world().await;
    for (kind, object) in objects() {
        live(&world, kind, &object).await;
    }
}

async fn live(world: &World, kind: &Kind, object: &Value) {
    let collection = collection(kind);
    let path = format!("{collection}/{}", meta::name(object));
    let made = world.post(&format!("{collection}?fieldValidation=Strict"), object).await.expect(201);
    assert_eq!((&made["apiVersion"], &made["kind"]), (&object["apiVersion"], &object["kind"]), "{path}");
    assert_eq!(made["metadata"].get("generation").is_some(), kind.rules.has_generation, "{path}");

    let table = world.get_as(&path, TABLE).await.expect(200);
    let columns = table["columnDefinitions"].as_array().expect("columns");
    let cells = table["rows"][0]["cells"].as_array().expect("cells");
    assert_eq!(columns.len(), cells.len(), "{path}");
    assert!(columns.iter().any(|column| column["name"] == "Name"), "{path}");
    for (column, cell) in columns.iter().zip(cells) {
        // `kubectl` prints numbers and yes or no by what they are, whatever the column says.
        assert!(cell.is_string() || cell.is_number() || cell.is_boolean(), "{path}: {column}: {cell}");
    }

    // Written back as it was read, nothing changes.
    let read = world.get(&path).await.expect(200);
    let written = world.put(&path, &read).await.expect(200);
    assert_eq!(written, read, "{path}");

    let patch = json!({"metadata": {"labels": {"team": "blue"}}});
    let patched = world.patch(&path, MERGE, &patch).await.expect(200);
    assert_eq!(patched["metadata"]["labels"]["team"], "blue", "{path}");
    let mut applied = object.clone();
    applied["metadata"]["annotations"] = json!({"note": "x"});
    let url = format!("{path}?fieldManager=test&force=true");
    let applied = world.patch(&url, APPLY, &applied).await.expect(200);
    assert_eq!(applied["metadata"]["annotations"]["note"], "x", "{path}");
    assert_eq!(applied["metadata"]["labels"]["team"], "blue", "{path}");
    for subresource in kind.subresources.iter().filter(|one| one.segment() == "status") {
        let url = format!("{path}/{}", subresource.segment());
        world.patch(&url, MERGE, &json!({"metadata": {"annotations": {"n": "1"}}})).await.expect(200);
    }
    world.delete(&path).await.expect(200);
}

#[tokio::test]
async fn events_are_one_set_of_objects_in_two_shapes() {
    let world = world().await;
    let (old, new) =
        ("/api/v1/namespaces/default/events", "/apis/events.k8s.io/v1/namespaces/default/events");
    let mut watch = world.watch(&format!("{new}?watch=true&fieldSelector=regarding.name=web")).await;
    let event = json!({
        "metadata": {"name": "web.1"}, "reason": "Started", "message": "hello", "type": "Normal",
        "involvedObject": {"kind": "Pod", "name": "web", "namespace": "default"},
        "source": {"component": "kubelet"}, "count": 2,
    });
    world.post(old, &event).await.expect(201);
    let seen = watch.next_raw().await.expect("an event");
    assert_eq!((&seen["type"], &seen["object"]["note"]), (&json!("ADDED"), &json!("hello")));
    assert_eq!(seen["object"]["apiVersion"], "events.k8s.io/v1");
    let patch = json!({"deprecatedCount": 3});
    let patched = world.patch(&format!("{new}/web.1"), MERGE, &patch).await.expect(200);
    assert_eq!(patched["deprecatedCount"], 3);
    assert_eq!(watch.next_raw().await.expect("an event")["type"], "MODIFIED");
    let read = world.get(&format!("{old}/web.1")).await.expect(200);
    assert_eq!((&read["apiVersion"], &read["count"]), (&json!("v1"), &json!(3)));
    assert_eq!(read["metadata"]["resourceVersion"], patched["metadata"]["resourceVersion"]);
    let managers = read["metadata"]["managedFields"].to_string();
    assert!(managers.contains("events.k8s.io/v1"), "{managers}");
    let selected = format!("{old}?fieldSelector=involvedObject.name=web");
    assert_eq!(world.get(&selected).await.expect(200)["items"].as_array().map(Vec::len), Some(1));
    world.delete(&format!("{new}/web.1")).await.expect(200);
    world.get(&format!("{old}/web.1")).await.expect(404);
}

#[tokio::test]
async fn autoscalers_are_written_in_one_version_and_read_in_the_other() {
    let world = world().await;
    let [v1, v2] = ["v1", "v2"]
        .map(|version| format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers"));
    let autoscaler = json!({
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3,
            "targetCPUUtilizationPercentage": 60,
        },
    });
    world.post(&v1, &autoscaler).await.expect(201);
    let read = world.get(&format!("{v2}/web")).await.expect(200);
    assert_eq!(read["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
    let status = json!({"status": {"currentReplicas": 1, "desiredReplicas": 2, "conditions": [
        {"type": "AbleToScale", "status": "True"},
    ]}});
    world.patch(&format!("{v2}/web/status"), MERGE, &status).await.expect(200);
    let strategic = "strategic-merge-patch+json";
    let patch = json!({"spec": {"targetCPUUtilizationPercentage": 50}, "metadata": {"annotations": null}});
    world.patch(&format!("{v1}/web"), strategic, &patch).await.expect(200);
    let read = world.get(&format!("{v2}/web")).await.expect(200);
    assert_eq!(read["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);
    assert_eq!(read["status"]["conditions"][0]["type"], "AbleToScale");
    assert_eq!(world.get(&v1).await.expect(200)["items"][0]["spec"]["targetCPUUtilizationPercentage"], 50);
}

#[tokio::test]
async fn a_request_is_decided_on_by_approval_alone() {
    let world = world().await;
    let (kind, object) = objects()
        .into_iter()
        .find(|(kind, _)| kind.kind == "CertificateSigningRequest")
        .expect("the fixture has one");
    let path = format!("{}/{}", collection(kind), meta::name(&object));
    let mut sent = object.clone();
    sent["spec"]["username"] = json!("somebody-else");
    let made = world.post(&collection(kind), &sent).await.expect(201);
    assert_eq!(made["spec"]["username"], "spur-admin", "who asked");
    assert_eq!(made["spec"]["groups"], json!(["system:masters", "system:authenticated"]));
    let decision = json!({"status": {"conditions": [{"type": "Approved", "status": "True"}]}});
    let written = world.patch(&format!("{path}/status"), MERGE, &decision).await.expect(200);
    assert_eq!(written["status"]["conditions"], json!([]));
    let written = world.patch(&format!("{path}/approval"), MERGE, &decision).await.expect(200);
    assert_eq!(written["status"]["conditions"][0]["type"], "Approved");
    let issued = json!({"status": {"certificate": "LS0=", "conditions": []}});
    let written = world.patch(&format!("{path}/status"), MERGE, &issued).await.expect(200);
    assert_eq!(written["status"]["conditions"][0]["type"], "Approved");
    assert_eq!(written["status"]["certificate"], "LS0=");
}

#[tokio::test]
async fn a_job_with_a_made_up_name_labels_its_pods_with_it() {
    let world = world().await;
    let job = json!({
        "metadata": {"generateName": "load-"},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "a", "image": "a:1"}],
        }}},
    });
    let made = world.post("/apis/batch/v1/namespaces/default/jobs", &job).await.expect(201);
    let labels = &made["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["batch.kubernetes.io/job-name"], made["metadata"]["name"]);
    let controller = "batch.kubernetes.io/controller-uid";
    assert_eq!(made["spec"]["selector"]["matchLabels"][controller], made["metadata"]["uid"]);
}
