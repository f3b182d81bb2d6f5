//! The demo's services as Spur runs them.

use serde_json::json;

use crate::harness::{Data, Spur, command};

#[tokio::test]
async fn every_sample_has_health_and_metrics() {
    let spur = Spur::up()
        .with("fixtures/demo/checkout.yaml")
        .with("fixtures/demo/frontend.yaml")
        .with("fixtures/demo/inventory.yaml")
        .with("fixtures/demo/pricing.yaml")
        .with("fixtures/demo/recommendation.yaml")
        .with("fixtures/demo/extras")
        .start()
        .await;
    for service in ["checkout", "frontend", "inventory", "pricing", "recommendation", "ws-echo", "dummy"] {
        spur.until_routed(service).await;
        let metrics = spur.service(service).get("/metrics").send().await.ok();
        assert!(metrics.text().contains("# TYPE "), "{service}: {}", metrics.text());
    }
    let cart = spur.service("frontend").get("/api/cart?sku=mug,cap").send().await.ok().json();
    assert_eq!(cart["lines"].as_array().unwrap().len(), 2);
    let answered = json!({"checkout": "v1", "frontend": "v1", "inventory": "v1", "pricing": "v1", "recommendation": "v1"});
    assert_eq!(cart["answered"], answered);
    assert_eq!(cart["recommended"].as_array().unwrap().len(), 3);
    let page = spur.service("frontend").get("/").send().await.ok();
    assert!(page.text().contains("<html") && page.text().contains("12.00 EUR"), "{}", page.text());
    // Two replicas sets behind one Service: both answer.
    let mut versions = std::collections::BTreeSet::new();
    for _ in 0..64 {
        versions.insert(spur.service("dummy").get("/").send().await.ok().json()["version"].to_string());
    }
    assert_eq!(versions.len(), 2, "{versions:?}");
    spur.end().await;
}

#[tokio::test]
async fn an_unknown_sample_is_refused_with_the_list() {
    let home = Data::new();
    let mut unknown = command::spur(home.home());
    unknown.args(["sample", "nothing"]);
    command::run(unknown).await.code(2).tells(&["nothing", "hint: "]);
    let mut help = command::spur(home.home());
    help.args(["sample", "--help"]);
    command::run(help).await.ok().prints(&["frontend", "ws-echo", "dummy"]);
}
