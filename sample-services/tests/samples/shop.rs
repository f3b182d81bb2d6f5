//! The shop wired together: prices, versions, the context's way through, and what
//! is said when a service is missing.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::get as route_get;
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::support::{get, nobody, send, start, start_double, start_shop};

/// Everything of the context that has a name of its own.
const CONTEXT: [(&str, &str); 10] = [
    ("spur-key", "pr-1"),
    ("baggage", "user=7,spur-key=pr-1;ttl=1"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", "spur=pr-1,vendor=x"),
    ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"),
    ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7"),
    ("x-b3-spanid", "e457b5a2e4d86bd1"),
    ("ot-baggage-sd-routing-key", "pr-1"),
    ("uberctx-sd-routing-key", "pr-1"),
    ("x-request-id", "r-1"),
];

/// A pricing that remembers the headers it was asked with.
struct Spy {
    url: String,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    _server: AbortOnDropHandle<()>,
}

impl Spy {
    async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let app = Router::new().route("/price/{sku}", route_get(Self::price)).with_state(seen.clone());
        let (url, _server) = start_double(app).await;
        Self { url, seen, _server }
    }

    async fn price(State(seen): State<Arc<Mutex<Vec<HeaderMap>>>>, headers: HeaderMap) -> Json<Value> {
        seen.lock().unwrap().push(headers);
        Json(json!({ "sku": "mug", "cents": 1, "currency": "EUR", "version": "spy" }))
    }

    fn seen_once(&self) -> HeaderMap {
        let mut seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "asked once");
        seen.remove(0)
    }
}

#[tokio::test]
async fn a_cart_has_prices_stock_suggestions_and_versions() {
    let shop = start_shop(&[], &[]).await;
    let answer = shop.frontend.get("/api/cart?sku=mug,whistle").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(
        answer.json(),
        json!({
            "lines": [
                { "sku": "mug", "name": "Enamel mug", "cents": 1200, "in_stock": 42 },
                { "sku": "whistle", "name": "Brass whistle", "cents": 950, "in_stock": 0 },
            ],
            "total_cents": 2150,
            "currency": "EUR",
            "answered": {
                "checkout": "v1", "frontend": "v1", "inventory": "v1",
                "pricing": "v1", "recommendation": "v1",
            },
            "recommended": [
                { "sku": "cap", "name": "Conductor's cap" },
                { "sku": "lamp", "name": "Signal lamp" },
                { "sku": "poster", "name": "Railway map poster" },
            ],
        })
    );
    assert_eq!(answer.headers["served-by"], "frontend/v1");
}

#[tokio::test]
async fn a_pricing_with_another_percentage_is_seen_in_the_total() {
    let shop = start_shop(&[("PRICE_PERCENT", "90"), ("VERSION", "v2-cheaper")], &[]).await;
    let cart = shop.frontend.get("/api/cart").await.json();
    assert_eq!(cart["total_cents"], 1080);
    assert_eq!(cart["answered"]["pricing"], "v2-cheaper");
    assert_eq!(cart["answered"]["checkout"], "v1");

    let price = shop.pricing.get("/price/mug").await;
    assert_eq!(price.headers["served-by"], "pricing/v2-cheaper");
    assert_eq!(
        price.json(),
        json!({ "sku": "mug", "cents": 1080, "currency": "EUR", "version": "v2-cheaper" })
    );
}

#[tokio::test]
async fn the_page_shows_cart_total_versions_and_key() {
    let shop = start_shop(&[("PRICE_PERCENT", "90"), ("VERSION", "v2-cheaper")], &[]).await;
    let page = get(&shop.frontend.url("/?sku=mug"), &[("spur-key", "cheaper")]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    for part in ["Enamel mug", "10.80 EUR", "◆ pricing v2-cheaper", "checkout v1", "◆ cheaper"] {
        assert!(page.text().contains(part), "`{part}` in:\n{}", page.text());
    }
}

#[tokio::test]
async fn an_order_can_be_posted() {
    let shop = start_shop(&[], &[]).await;
    let post = |body: &'static str| {
        let req = Request::post(shop.checkout.url("/checkout")).header("content-type", "application/json");
        send(req.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap())
    };
    let order = post(r#"{"skus": ["cap", "cap"]}"#).await;
    assert_eq!(order.json()["total_cents"], 3700);
    let refused = post(r#"{"skus": ["../etc"]}"#).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_context_arrives_at_pricing_unchanged() {
    let (spy, rest) = (Spy::start().await, start_shop(&[], &[]).await);
    let inventory = rest.inventory.url("");
    let checkout = start("checkout", &[("PRICING_URL", &spy.url), ("INVENTORY_URL", &inventory)]).await;
    let urls = [checkout.url(""), rest.recommendation.url("")];
    let frontend = start("frontend", &[("CHECKOUT_URL", &urls[0]), ("RECOMMENDATION_URL", &urls[1])]).await;

    let mut sent = CONTEXT.to_vec();
    sent.push(("authorization", "secret"));
    let cart = get(&frontend.url("/api/cart"), &sent).await;
    assert_eq!(cart.json()["key"], "pr-1");

    let seen = spy.seen_once();
    for (name, value) in CONTEXT {
        let values: Vec<_> = seen.get_all(name).iter().collect();
        assert_eq!(values, [value], "`{name}`");
    }
    assert!(!seen.contains_key("authorization"), "only the context goes on");

    // gRPC carries it as well, and every service's own line names the key.
    for service in [&frontend, &checkout, &rest.inventory, &rest.recommendation] {
        let lines = service.lines();
        assert!(lines.len() == 1 && lines[0].ends_with(" key=pr-1"), "{lines:?}");
    }
}

#[tokio::test]
async fn a_checkout_that_does_not_propagate_loses_the_context() {
    let (spy, inventory) = (Spy::start().await, start("inventory", &[]).await);
    let inventory_url = inventory.url("");
    let vars = [("PRICING_URL", &*spy.url), ("INVENTORY_URL", &*inventory_url), ("PROPAGATE", "off")];
    let checkout = start("checkout", &vars).await;

    let order = get(&checkout.url("/checkout?sku=mug"), &CONTEXT).await;
    assert_eq!(order.status, StatusCode::OK);
    let seen = spy.seen_once();
    for (name, _) in CONTEXT {
        assert!(!seen.contains_key(name), "`{name}`");
    }
    let (came_in, went_out) = (checkout.lines(), inventory.lines());
    assert!(came_in[0].ends_with(" key=pr-1"), "{came_in:?}");
    assert!(!went_out[0].contains("key="), "{went_out:?}");
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_named() {
    let (inventory, gone) = (start("inventory", &[]).await, nobody().await);
    let inventory_url = inventory.url("");
    let vars = [("PRICING_URL", &*gone), ("INVENTORY_URL", &*inventory_url)];
    let checkout = start("checkout", &vars).await;
    let answer = checkout.get("/checkout?sku=mug").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    let body = answer.json();
    assert_eq!(body["service"], "pricing");
    let error = body["error"].as_str().unwrap();
    assert!(error.starts_with(&format!("could not reach `pricing` at `{gone}/`: ")), "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_failure_is_told_through_every_service() {
    let shop = start_shop(&[], &[]).await;
    let (gone, recommendation) = (nobody().await, shop.recommendation.url(""));
    let inventory = shop.inventory.url("");
    let checkout = start("checkout", &[("PRICING_URL", &gone), ("INVENTORY_URL", &inventory)]).await;
    let checkout_url = checkout.url("");
    let vars = [("CHECKOUT_URL", &*checkout_url), ("RECOMMENDATION_URL", &*recommendation)];
    let frontend = start("frontend", &vars).await;

    let body = frontend.get("/api/cart").await.json();
    assert_eq!(body["service"], "checkout");
    let error = body["error"].as_str().unwrap();
    assert!(error.starts_with("`checkout` answered 502: could not reach `pricing`"), "{error}");
    let page = frontend.get("/").await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(page.text().contains("could not reach `pricing`"));
    // The other call was made to its end all the same.
    assert_eq!(shop.recommendation.lines().len(), 2);
}

#[tokio::test]
async fn a_missing_address_names_its_variable_when_it_is_needed() {
    let shop = start_shop(&[], &[]).await;
    let bare = start("checkout", &[]).await;
    assert_eq!(bare.get("/health").await.status, StatusCode::OK);
    let answer = bare.get("/checkout?sku=mug").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.text().contains("`PRICING_URL` is not set"), "{}", answer.text());

    let checkout = shop.checkout.url("");
    let frontend = start("frontend", &[("CHECKOUT_URL", &checkout)]).await;
    let answer = frontend.get("/api/cart").await;
    assert!(answer.text().contains("`RECOMMENDATION_URL` is not set"), "{}", answer.text());
    assert_eq!(answer.json()["service"], "recommendation");
}

#[tokio::test]
async fn an_unknown_product_is_not_found_rather_than_a_failure() {
    let shop = start_shop(&[], &[]).await;
    let answer = shop.frontend.get("/api/cart?sku=unicorn").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.json()["error"], "no price for `unicorn`");
}

#[tokio::test]
async fn a_404_from_something_on_the_way_is_a_failure() {
    let inventory = start("inventory", &[]).await;
    let (stranger, _server) = start_double(Router::new()).await;
    let inventory_url = inventory.url("");
    let checkout = start("checkout", &[("PRICING_URL", &stranger), ("INVENTORY_URL", &inventory_url)]).await;
    let answer = checkout.get("/checkout?sku=mug").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(answer.json()["service"], "pricing");
}
