//! Metrics in, Prometheus' text out.

use serde_json::{Value, json};
use spur_intake::Text;

use crate::world::World;

async fn export(world: &World, service: &str, metrics: Value) -> Value {
    let body = json!({ "resourceMetrics": [{
        "resource": { "attributes": [
            { "key": "service.name", "value": { "stringValue": service } },
            { "key": "k8s.pod.name", "value": { "stringValue": format!("{service}-0") } },
            { "key": "host.name", "value": { "stringValue": "here" } },
        ] },
        "scopeMetrics": [{ "metrics": metrics }],
    }] });
    world.post("/v1/metrics", "application/json", body.to_string()).await.json()
}

fn sum(name: &str, value: u64, temporality: u8) -> Value {
    let point = json!({
        "attributes": [{ "key": "http.method", "value": { "stringValue": "G\"E\"T" } }],
        "asInt": value.to_string(), "timeUnixNano": "1795176000000000000",
    });
    let sum = json!({ "dataPoints": [point], "aggregationTemporality": temporality, "isMonotonic": true });
    json!({ "name": name, "unit": "{order}", "description": "Orders\nso far.", "sum": sum })
}

#[tokio::test]
async fn all_kinds_are_shown_by_their_last_value() {
    let world = World::start();
    let gauge =
        json!({ "name": "queue.size", "unit": "By", "gauge": { "dataPoints": [{ "asDouble": 1.5 }] } });
    let histogram = json!({ "name": "http.server.request.duration", "unit": "s", "histogram": {
        "aggregationTemporality": 2,
        "dataPoints": [{ "count": "6", "sum": 7.5, "bucketCounts": ["1", "2", "3"], "explicitBounds": [0.5, 1.0] }],
    } });
    let exponential = json!({ "name": "sizes", "exponentialHistogram": {
        "aggregationTemporality": 2,
        "dataPoints": [{ "count": "4", "sum": 13.0, "scale": 0, "zeroCount": "1",
            "positive": { "offset": 0, "bucketCounts": ["1", "2"] } }],
    } });
    assert_eq!(
        export(&world, "cart", json!([sum("orders", 3, 2), gauge, histogram, exponential])).await,
        json!({})
    );
    assert_eq!(export(&world, "cart", json!([sum("orders", 5, 2)])).await, json!({}));
    insta::assert_snapshot!(world.metrics.text(Text::Prometheus), @r#"
    # TYPE http_server_request_duration_seconds histogram
    http_server_request_duration_seconds_bucket{k8s_pod_name="cart-0",service_name="cart",le="0.5"} 1
    http_server_request_duration_seconds_bucket{k8s_pod_name="cart-0",service_name="cart",le="1.0"} 3
    http_server_request_duration_seconds_bucket{k8s_pod_name="cart-0",service_name="cart",le="+Inf"} 6
    http_server_request_duration_seconds_sum{k8s_pod_name="cart-0",service_name="cart"} 7.5
    http_server_request_duration_seconds_count{k8s_pod_name="cart-0",service_name="cart"} 6
    # HELP orders_total Orders\nso far.
    # TYPE orders_total counter
    orders_total{http_method="G\"E\"T",k8s_pod_name="cart-0",service_name="cart"} 5
    # TYPE queue_size_bytes gauge
    queue_size_bytes{k8s_pod_name="cart-0",service_name="cart"} 1.5
    # TYPE sizes histogram
    sizes_bucket{k8s_pod_name="cart-0",service_name="cart",le="0.0"} 1
    sizes_bucket{k8s_pod_name="cart-0",service_name="cart",le="2.0"} 2
    sizes_bucket{k8s_pod_name="cart-0",service_name="cart",le="4.0"} 4
    sizes_bucket{k8s_pod_name="cart-0",service_name="cart",le="+Inf"} 4
    sizes_sum{k8s_pod_name="cart-0",service_name="cart"} 13
    sizes_count{k8s_pod_name="cart-0",service_name="cart"} 4
    "#);
    let open = world.metrics.text(Text::OpenMetrics);
    assert!(open.contains("# TYPE orders counter\n") && open.contains("\norders_total{"), "{open}");
    assert_eq!((world.metrics.counts().n_series, world.metrics.counts().n_points), (4, 5));
}

#[tokio::test]
async fn deltas_are_added_up() {
    let world = World::start();
    for value in [3, 4] {
        export(&world, "cart", json!([sum("orders", value, 1)])).await;
    }
    assert!(world.metrics.text(Text::Prometheus).contains("} 7\n"));
}

#[tokio::test]
async fn two_services_are_two_series_of_one_name_and_two_kinds_are_not() {
    let world = World::start();
    export(&world, "cart", json!([sum("orders", 3, 2)])).await;
    export(&world, "mail", json!([sum("orders", 4, 2)])).await;
    assert_eq!(world.metrics.text(Text::Prometheus).matches("# TYPE").count(), 1);
    let gauge = json!({ "name": "orders", "gauge": { "dataPoints": [{ "asInt": "1" }] } });
    let answer = export(&world, "mail", json!([gauge])).await;
    assert_eq!(answer["partialSuccess"]["rejectedDataPoints"], "1");
    assert_eq!(world.metrics.counts().n_turned_away, 1);
}

#[tokio::test]
async fn what_was_reported_is_told_in_otlp() {
    let world = World::start();
    export(&world, "cart", json!([sum("orders", 3, 2)])).await;
    export(&world, "mail", json!([sum("orders", 4, 2)])).await;
    let data = world.get("/api/telemetry/metrics?resource=mail").await.json();
    assert_eq!(data["resourceMetrics"].as_array().unwrap().len(), 1);
    let metric = &data["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
    assert_eq!((&metric["name"], &metric["sum"]["isMonotonic"]), (&json!("orders"), &json!(true)));
    assert_eq!(metric["sum"]["dataPoints"][0]["asDouble"], 4.0);
    // It is OTLP: what reads that reads it.
    let again = world.post("/v1/metrics", "application/json", data.to_string()).await;
    assert_eq!(again.json(), json!({}));
}
