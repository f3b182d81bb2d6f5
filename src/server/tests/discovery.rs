//! Discovery, OpenAPI, health: what clients ask before anything else.

use axum::body::Body;
use flate2::read::GzDecoder;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use spur_api::registry;
use tower::ServiceExt;

use super::world::{Reply, world};

const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

#[tokio::test]
async fn every_kind_is_found_in_both_forms_of_discovery() {
    let world = world().await;
    let core = world.get_as("/api", AGGREGATED).await.expect(200);
    let groups = world.get_as("/apis", AGGREGATED).await.expect(200);
    for kind in registry::stored() {
        let document = if kind.group.is_empty() { &core } else { &groups };
        let has = |value: &Value| value.to_string().contains(&format!("\"resource\":\"{}\"", kind.plural));
        assert!(has(document), "{} is missing in the aggregated form", kind.plural);
        let path = if kind.group.is_empty() {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{}", kind.api_version())
        };
        let list = world.get(&path).await.expect(200);
        let names: Vec<&str> = list["resources"]
            .as_array()
            .expect("rows")
            .iter()
            .filter_map(|row| row["name"].as_str())
            .collect();
        assert!(names.contains(&kind.plural), "{} is missing at {path}", kind.plural);
    }
    let missing = world.get("/apis/nothing.dev").await.expect(404);
    // kubectl looks into them.
    assert!(missing["details"].is_object(), "{missing}");
    world.get("/apis/nothing.dev/v1").await.expect(404);
}

/// Where two groups have a kind of one name, clients take the one that stands first.
#[tokio::test]
async fn groups_stand_in_the_order_of_a_cluster() {
    let world = world().await;
    let groups = world.get("/apis").await.expect(200);
    let names: Vec<&str> = groups["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .filter_map(|group| group["name"].as_str())
        .collect();
    assert_eq!(names[..3], ["apiregistration.k8s.io", "apps", "events.k8s.io"]);
    let others = [
        "extensions.istio.io",
        "gateway.networking.k8s.io",
        "networking.istio.io",
        "security.istio.io",
        "spur.dev",
        "telemetry.istio.io",
        // Its `pods` are nobody's first choice.
        "metrics.k8s.io",
    ];
    assert_eq!(names[names.len() - others.len()..], others, "what is no cluster's own comes last");
    let aggregated = world.get_as("/apis", AGGREGATED).await.expect(200);
    let items = aggregated["items"].as_array().expect("groups").iter();
    let same: Vec<&str> = items.filter_map(|group| group["metadata"]["name"].as_str()).collect();
    assert_eq!(same, names);
}

#[tokio::test]
async fn a_known_document_is_not_sent_again() {
    let world = world().await;
    let first = world.get_as("/apis", AGGREGATED).await;
    let request = Request::builder()
        .uri("/apis")
        .header("accept", AGGREGATED)
        .header("if-none-match", &first.headers["etag"])
        .body(Body::empty())
        .expect("a request");
    assert_eq!(world.call(request).await.code, 304);
}

#[tokio::test]
async fn openapi_says_what_kubectl_looks_for() {
    let world = world().await;
    let index = world.get("/openapi/v3").await.expect(200);
    for kind in registry::stored() {
        let path =
            if kind.group.is_empty() { "api/v1".to_owned() } else { format!("apis/{}", kind.api_version()) };
        let url = index["paths"][&path]["serverRelativeURL"].as_str().expect("a document");
        let answer = world.get(url).await;
        assert!(answer.headers["cache-control"].to_str().expect("text").contains("immutable"), "{url}");
        let document = answer.expect(200);
        let of_kind = |operation: &Value| operation["x-kubernetes-group-version-kind"]["kind"] == kind.kind;
        let patch = document["paths"]
            .as_object()
            .expect("paths")
            .values()
            .filter_map(|item| item.get("patch"))
            .find(|operation| of_kind(operation))
            .unwrap_or_else(|| panic!("no PATCH of {}", kind.kind));
        assert!(patch["parameters"].to_string().contains("fieldValidation"));
        assert!(document["components"]["schemas"].get(kind.definition).is_some(), "{}", kind.definition);
    }
}

/// `kube-openapi/pkg/handler3/handler.go`: clients keep a document by its hash and ask by it.
#[tokio::test]
async fn a_document_is_kept_by_its_hash_and_an_old_hash_leads_to_the_new_one() {
    let world = world().await;
    let index = world.get("/openapi/v3").await.expect(200);
    let url = index["paths"]["apis/apps"]["serverRelativeURL"].as_str().expect("a url").to_owned();
    let hash = url.split_once("?hash=").expect("a hash").1;
    let current = world.get(&url).await;
    let text = |reply: &Reply, name: &str| reply.headers[name].to_str().expect("text").to_owned();
    assert_eq!(text(&current, "etag"), format!("\"{hash}\""));
    assert_eq!(text(&current, "cache-control"), "public, immutable");
    assert!(text(&current, "expires").ends_with(" GMT") && text(&current, "last-modified").ends_with(" GMT"));
    assert!(text(&current, "vary").starts_with("Accept"));
    let unnamed = world.get("/openapi/v3/apis/apps").await;
    assert_eq!(text(&unnamed, "cache-control"), "no-cache, private");
    assert!(!unnamed.headers.contains_key("expires"));
    assert_eq!(unnamed.expect(200), current.expect(200));
    let old = world.get("/openapi/v3/apis/apps?timeout=32s&hash=00").await;
    assert_eq!((text(&old, "location"), text(&old, "etag")), (url.clone(), format!("\"{hash}\"")));
    old.expect(301);
    world.get("/openapi/v3/apis/nothing?hash=00").await.expect(404);
    world.get_as("/openapi/v3/apis/apps", "application/yaml").await.expect(406);
}

#[tokio::test]
async fn a_large_document_is_compressed_for_who_takes_it() {
    let world = world().await;
    let get = async |path: &str, header: (&str, &str)| {
        let request = Request::get(path).header("accept-encoding", "gzip").header(header.0, header.1);
        let request = request.body(Body::empty()).expect("a request");
        world.router().oneshot(request).await.expect("an answer")
    };
    for path in ["/openapi/v3/api/v1", "/openapi/v2"] {
        let answer = get(path, ("accept", "*/*")).await;
        assert_eq!(answer.headers()["content-encoding"], "gzip", "{path}");
        assert_eq!(answer.headers()["vary"], "Accept, Accept-Encoding");
        let tag = answer.headers()["etag"].to_str().expect("text").to_owned();
        let packed = answer.into_body().collect().await.expect("a body").to_bytes();
        let unpacked: Value = serde_json::from_reader(GzDecoder::new(&*packed)).expect("JSON");
        assert_eq!(unpacked, world.get(path).await.expect(200));
        assert_eq!(get(path, ("if-none-match", &tag)).await.status(), 304);
    }
    for path in ["/openapi/v3/version", "/api/v1/namespaces"] {
        assert!(!get(path, ("accept", "*/*")).await.headers().contains_key("content-encoding"), "{path}");
    }
}

#[tokio::test]
async fn a_document_describes_lists_and_what_is_no_object() {
    let world = world().await;
    let pods = world.get("/openapi/v3/api/v1").await.expect(200);
    let list = &pods["paths"]["/api/v1/pods"]["get"];
    assert_eq!(list["operationId"], "listCoreV1PodForAllNamespaces");
    let given = &list["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(given, "#/components/schemas/io.k8s.api.core.v1.PodList");
    let kind = json!([{"group": "", "version": "v1", "kind": "PodList"}]);
    let definition = &pods["components"]["schemas"]["io.k8s.api.core.v1.PodList"];
    assert_eq!(definition["x-kubernetes-group-version-kind"], kind);
    let version = world.get("/openapi/v3/version").await.expect(200);
    assert!(version["paths"]["/version/"]["get"].is_object());
    assert!(version["components"]["schemas"]["io.k8s.apimachinery.pkg.version.Info"].is_object());
}

#[tokio::test]
async fn every_reference_of_a_document_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let world = world().await;
    let index = world.get("/openapi/v3").await.expect(200);
    for entry in index["paths"].as_object().expect("paths").values() {
        let document = world.get(entry["serverRelativeURL"].as_str().expect("a url")).await.expect(200);
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("a local reference");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}

#[tokio::test]
async fn health_and_version_answer() {
    let world = world().await;
    for path in ["/livez", "/healthz", "/readyz"] {
        assert_eq!(world.get(path).await.expect(200), "ok", "{path}");
        assert_eq!(world.get(&format!("{path}/etcd")).await.expect(200), "ok", "{path}");
        world.get(&format!("{path}/nothing")).await.expect(404);
    }
    let told = "[+]ping ok\n[+]etcd ok\n[+]shutdown ok\nreadyz check passed\n";
    assert_eq!(world.get("/readyz?verbose").await.expect(200), told);
    let told = "[+]ping ok\n[+]etcd excluded: ok\nwarn: some health checks cannot be excluded: \
        no matches for \"x\"\nlivez check passed\n";
    assert_eq!(world.get("/livez?verbose&exclude=etcd&exclude=x").await.expect(200), told);
    let version = world.get("/version").await.expect(200);
    assert!(version["minor"].as_str().is_some_and(|minor| minor.bytes().all(|b| b.is_ascii_digit())));
    world.get("/nowhere").await.expect(404);
    world.post("/version", &Value::Null).await.expect(405);
}
