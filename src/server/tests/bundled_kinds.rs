//! Kinds of Istio and Gateway API, with no definition applied.

use http::Method;
use serde_json::{Value, json};

use super::world::{DEFINITIONS, widgets, world};

const ISTIO: &str = "/apis/networking.istio.io/v1/namespaces/default";
const GATEWAY_API: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/default";

fn virtual_service(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": name}, "spec": spec})
}

fn http_route(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name}, "spec": spec})
}

fn to_reviews() -> Value {
    json!([{"route": [{"destination": {"host": "reviews"}}]}])
}

/// PX-5: through the API.
#[tokio::test]
async fn what_no_rule_can_be_made_of_is_refused_with_the_place() {
    let world = world().await;
    let path = format!("{ISTIO}/virtualservices");
    let split = json!([
        {"destination": {"host": "a"}, "weight": 0}, {"destination": {"host": "b"}, "weight": 0},
    ]);
    let faulty = virtual_service("a", json!({"hosts": ["a"], "http": [{"route": split}]}));
    let refused = world.post(&path, &faulty).await.expect(422);
    let cause = &refused["details"]["causes"][0];
    assert_eq!(cause["field"], "spec.http[0].route");
    assert_eq!(cause["message"], "Invalid value: 0: total destination weight = 0");
    let fine = virtual_service("a", json!({"hosts": ["a"], "http": to_reviews()}));
    let mut stored = world.post(&path, &fine).await.expect(201);
    stored["spec"]["http"] = json!([{}]);
    world.put(&format!("{path}/a"), &stored).await.expect(422);
}

#[tokio::test]
async fn no_definition_is_listed_for_them() {
    let world = world().await;
    assert_eq!(world.get(DEFINITIONS).await.expect(200)["items"], json!([]));
    let group = world.get("/apis/networking.istio.io").await.expect(200);
    let versions: Vec<&str> = group["versions"]
        .as_array()
        .expect("versions")
        .iter()
        .filter_map(|version| version["version"].as_str())
        .collect();
    assert_eq!(versions, ["v1", "v1beta1", "v1alpha3"]);
    let resources = world.get("/apis/networking.istio.io/v1").await.expect(200);
    let rows = resources["resources"].as_array().expect("rows");
    let row = |name: &str| rows.iter().find(|row| row["name"] == name);
    assert_eq!(row("virtualservices").expect("a row")["shortNames"], json!(["vs"]));
    assert!(row("virtualservices/status").is_some());
    assert!(row("envoyfilters").is_none(), "it has an older version only");
}

#[tokio::test]
async fn what_is_written_in_one_version_is_read_in_another() {
    let world = world().await;
    let mut sent = virtual_service("a", json!({"hosts": ["reviews"], "http": to_reviews()}));
    sent["apiVersion"] = json!("networking.istio.io/v1beta1");
    let created = world
        .post(&format!("{}/virtualservices", ISTIO.replace("/v1/", "/v1beta1/")), &sent)
        .await
        .expect(201);
    assert_eq!(created["apiVersion"], "networking.istio.io/v1beta1");
    assert_eq!(created["metadata"]["generation"], 1);
    let read = world.get(&format!("{ISTIO}/virtualservices/a")).await.expect(200);
    assert_eq!((&read["apiVersion"], &read["spec"]), (&json!("networking.istio.io/v1"), &sent["spec"]));
    let list = world.get("/apis/networking.istio.io/v1alpha3/virtualservices").await.expect(200);
    assert_eq!(list["items"][0]["apiVersion"], "networking.istio.io/v1alpha3");
}

#[tokio::test]
async fn values_are_held_to_the_schema() {
    let world = world().await;
    let path = format!("{ISTIO}/destinationrules");
    let rule = |spec: Value| json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "a"}, "spec": spec});
    let wrong = rule(json!({"host": "a", "trafficPolicy": {"tls": {"mode": "SOME"}}}));
    let message = world.post(&path, &wrong).await.message(422);
    let wanted = "DestinationRule.networking.istio.io \"a\" is invalid: [spec.trafficPolicy.tls.mode: Unsupported \
        value: \"SOME\": supported values: \"DISABLE\", \"SIMPLE\", \"MUTUAL\", \"ISTIO_MUTUAL\", ";
    assert!(message.starts_with(wanted), "{message}");
    let both = rule(
        json!({"host": "a", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM", "consistentHash": {"useSourceIp": true}}}}),
    );
    let message = world.post(&path, &both).await.message(422);
    assert!(
        message.contains("\"spec.trafficPolicy.loadBalancer\" must validate one and only one schema (oneOf)"),
        "{message}"
    );
    let message = world.post(&path, &rule(json!({}))).await.message(422);
    assert!(message.contains("spec.host: Required value"), "{message}");
    let unknown = rule(json!({"host": "a", "subset": []}));
    let message = world.post(&format!("{path}?fieldValidation=Strict"), &unknown).await.message(400);
    assert!(message.contains("strict decoding error: unknown field \"spec.subset\""), "{message}");
    assert_eq!(world.post(&path, &unknown).await.expect(201)["spec"], json!({"host": "a"}));
}

#[tokio::test]
async fn defaults_are_filled_in() {
    let world = world().await;
    let path = format!("{GATEWAY_API}/httproutes");
    let any = json!([{"path": {"type": "PathPrefix", "value": "/"}}]);
    let created = world.post(&path, &http_route("a", json!({}))).await.expect(201);
    assert_eq!(created["spec"]["rules"], json!([{"matches": any}]));
    let spec =
        json!({"parentRefs": [{"name": "g"}], "rules": [{"backendRefs": [{"name": "b", "port": 80}]}]});
    let created = world.post(&path, &http_route("b", spec)).await.expect(201);
    assert_eq!(created["spec"]["rules"][0]["matches"], any);
    let backend = json!({"group": "", "kind": "Service", "name": "b", "port": 80, "weight": 1});
    assert_eq!(created["spec"]["rules"][0]["backendRefs"], json!([backend]));
    let parent = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"});
    assert_eq!(created["spec"]["parentRefs"], json!([parent]));
    let class = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
        "metadata": {"name": "c"}, "spec": {"controllerName": "spur.dev/gateway"}});
    let created = world.post("/apis/gateway.networking.k8s.io/v1/gatewayclasses", &class).await.expect(201);
    assert_eq!(created["status"]["conditions"][0]["message"], "Waiting for controller");
}

#[tokio::test]
async fn rules_are_told_in_their_own_words() {
    let world = world().await;
    let path = format!("{GATEWAY_API}/httproutes");
    let refused = async |spec: Value| world.post(&path, &http_route("a", spec)).await.message(422);
    let message = refused(json!({"rules": [{"filters": [{"type": "RequestRedirect"}]}]})).await;
    let wanted = "spec.rules[0].filters[0]: Invalid value: \"object\": filter.requestRedirect must be specified for \
        RequestRedirect filter.type";
    assert!(message.contains(wanted), "{message}");
    let message = refused(json!({"rules": [{"matches": [{"path": {"value": "cart"}}]}]})).await;
    assert!(message.contains("value must be an absolute path and start with '/'"), "{message}");
    let message = refused(json!({"rules": [{"backendRefs": [{"name": "b"}]}]})).await;
    assert!(message.contains("Must have port for Service reference"), "{message}");
    let entry = json!({"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "a"},
        "spec": {"hosts": ["*"]}});
    let message = world.post(&format!("{ISTIO}/serviceentries"), &entry).await.message(422);
    assert!(
        message.contains("spec.hosts[0]: Invalid value: \"string\": hostname cannot be wildcard"),
        "{message}"
    );
}

#[tokio::test]
async fn tables_have_the_columns_of_the_definition() {
    let world = world().await;
    let path = format!("{ISTIO}/virtualservices");
    let sent = virtual_service("a", json!({"hosts": ["x", "y"], "gateways": ["mesh"], "http": to_reviews()}));
    world.post(&path, &sent).await.expect(201);
    let table = world.get_as(&path, "application/json;as=Table;v=v1;g=meta.k8s.io").await.expect(200);
    let columns = table["columnDefinitions"].as_array().expect("columns").iter();
    let names: Vec<&str> = columns.filter_map(|column| column["name"].as_str()).collect();
    assert_eq!(names, ["Name", "Gateways", "Hosts", "Age"]);
    let cells = &table["rows"][0]["cells"];
    assert_eq!((&cells[1], &cells[2]), (&json!("[\"mesh\"]"), &json!("[\"x\",\"y\"]")));
}

#[tokio::test]
async fn openapi_has_their_fields() {
    let world = world().await;
    let document = world.get("/openapi/v3/apis/networking.istio.io/v1").await.expect(200);
    let service = &document["components"]["schemas"]["io.istio.networking.v1.VirtualService"];
    let http = &service["properties"]["spec"]["properties"]["http"];
    assert_eq!(http["description"], "Rules for HTTP, the first that matches wins.");
    assert_eq!(http["items"]["properties"]["timeout"]["type"], "string");
    let gvk = json!([{"group": "networking.istio.io", "version": "v1", "kind": "VirtualService"}]);
    assert_eq!(service["x-kubernetes-group-version-kind"], gvk);
    let old = world.get("/openapi/v2").await.expect(200);
    assert!(
        old["definitions"]["io.k8s.networking.gateway.v1beta1.HTTPRoute"]["properties"]["spec"].is_object()
    );
}

#[tokio::test]
async fn server_side_apply_merges_by_their_list_types() {
    let world = world().await;
    let apply = async |manager: &str, listener: Value| {
        let gateway = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "g"},
            "spec": {"gatewayClassName": "c", "listeners": [listener]}});
        let path = format!("{GATEWAY_API}/gateways/g?fieldManager={manager}");
        world.send(Method::PATCH, &path, "application/apply-patch+yaml", gateway.to_string()).await
    };
    apply("one", json!({"name": "a", "port": 80, "protocol": "HTTP"})).await.expect(201);
    let both = apply("two", json!({"name": "b", "port": 81, "protocol": "HTTP"})).await.expect(200);
    let names: Vec<&Value> =
        both["spec"]["listeners"].as_array().expect("listeners").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn a_definition_of_the_user_takes_the_place_of_the_bundled_one_until_it_is_deleted() {
    let world = world().await;
    let path = format!("{ISTIO}/virtualservices");
    world.post(&path, &virtual_service("a", json!({"hosts": ["x"], "http": to_reviews()}))).await.expect(201);
    let mut watch = world.watch(&format!("{path}?watch=true")).await;
    assert_eq!(watch.next().await, "ADDED a");
    let mut mine = widgets(
        json!({"type": "object", "properties": {"hosts": {"type": "array", "items": {"type": "string"}}, "mine": {"type": "string"}}}),
    );
    mine["metadata"]["name"] = json!("virtualservices.networking.istio.io");
    mine["spec"]["group"] = json!("networking.istio.io");
    mine["spec"]["names"] = json!({"plural": "virtualservices", "kind": "VirtualService"});
    world.post(DEFINITIONS, &mine).await.expect(201);
    assert!(watch.next_raw().await.is_none(), "the watch ends with its kind");
    world.get("/apis/networking.istio.io/v1beta1/virtualservices").await.expect(404);
    world.get("/apis/networking.istio.io/v1beta1/destinationrules").await.expect(200);
    let read = world.get(&format!("{path}/a")).await.expect(200);
    assert_eq!(read["spec"], json!({"hosts": ["x"]}), "what was stored is read by the new schema");
    world.post(&path, &virtual_service("b", json!({"mine": "x"}))).await.expect(201);
    let definition = format!("{DEFINITIONS}/virtualservices.networking.istio.io");
    world.delete(&definition).await.expect(200);
    for name in ["a", "b"] {
        world.delete(&format!("{path}/{name}")).await.expect(200);
    }
    world.patch(&definition, "merge-patch+json", &json!({"metadata": {"finalizers": []}})).await.expect(200);
    world.get(&definition).await.expect(404);
    let strict = format!("{path}?fieldValidation=Strict");
    world.post(&strict, &virtual_service("c", json!({"mine": "x"}))).await.expect(400);
    world.post(&strict, &virtual_service("c", json!({"http": to_reviews()}))).await.expect(201);
    world.get("/apis/networking.istio.io/v1beta1/namespaces/default/virtualservices/c").await.expect(200);
}

#[tokio::test]
async fn names_of_bundled_kinds_are_taken_for_other_definitions_of_their_group() {
    let world = world().await;
    let mut other = widgets(json!({"type": "object"}));
    other["metadata"]["name"] = json!("others.networking.istio.io");
    other["spec"]["group"] = json!("networking.istio.io");
    other["spec"]["names"] = json!({"plural": "others", "kind": "VirtualService"});
    let created = world.post(DEFINITIONS, &other).await.expect(201);
    let conditions = created["status"]["conditions"].as_array().expect("conditions");
    assert!(
        conditions.iter().any(|one| one["type"] == "NamesAccepted" && one["status"] == "False"),
        "{created}"
    );
}

#[tokio::test]
async fn a_definition_whose_names_are_taken_leaves_the_bundled_kind_in_place() {
    let world = world().await;
    let mut mine = widgets(json!({"type": "object"}));
    mine["metadata"]["name"] = json!("virtualservices.networking.istio.io");
    mine["spec"]["group"] = json!("networking.istio.io");
    mine["spec"]["names"] = json!({"plural": "virtualservices", "kind": "Gateway"});
    world.post(DEFINITIONS, &mine).await.expect(201);
    let resources = world.get("/apis/networking.istio.io/v1").await.expect(200);
    let rows = resources["resources"].as_array().expect("rows").iter();
    assert_eq!(rows.filter(|row| row["name"] == "virtualservices").count(), 1);
    let routed = virtual_service("a", json!({"hosts": ["a"], "http": to_reviews()}));
    world.post(&format!("{ISTIO}/virtualservices"), &routed).await.expect(201);
}
