//! `frontend`: the shop's front door, as a web page and as JSON. Calls `checkout`
//! over HTTP and `recommendation` over gRPC, both at the same time. Leaves the
//! look of the page to `page`.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::join;
use serde::Deserialize;
use spur_sdk::propagation::{Context, Inject, InjectLayer};
use tonic::transport::{Channel, Endpoint};
use tower::Layer;

use crate::call::{CALL_MAX, CallError, Caller};
use crate::failure::Failure;
use crate::order::{Cart, Order, Suggested, parse_skus};
use crate::serve::Setup;
use crate::settings::{SettingError, Settings};
use crate::shop::{ListReply, ListRequest, RecommendationClient};
use crate::{checkout, recommendation};

mod page;

pub(crate) const NAME: &str = "frontend";

/// What is in the cart where a request does not say: one product, so that a trace
/// of it is short enough to read.
const CART_DEFAULT: &str = "mug";

/// The same for the page, which has room for more.
const PAGE_CART_DEFAULT: &str = "mug,cap,lamp";

#[derive(Debug)]
struct Frontend {
    caller: Caller,
    /// One channel for all requests; it connects when it is first used.
    recommendation: Result<RecommendationClient<Inject<Channel>>, SettingError>,
    version: String,
}

/// `?sku=mug,cap`.
#[derive(Debug, Deserialize)]
struct Ask {
    sku: Option<String>,
}

/// `GET /` and `GET /api/cart`.
pub(crate) fn router(setup: &Setup) -> Result<Router, SettingError> {
    let frontend = Frontend {
        caller: Caller::new(setup.settings.clone()),
        // Its absence is told when it is called, so that the rest works without.
        recommendation: connect_recommendation(&setup.settings),
        version: setup.settings.version().to_owned(),
    };
    Ok(Router::new()
        .route("/", get(show_page))
        .route("/api/cart", get(show_cart))
        .with_state(Arc::new(frontend)))
}

async fn show_page(State(frontend): State<Arc<Frontend>>, Query(ask): Query<Ask>) -> Response {
    match frontend.cart(ask.sku.as_deref().unwrap_or(PAGE_CART_DEFAULT)).await {
        Ok(cart) => Html(page::render_cart(&cart)).into_response(),
        Err(failure) => (failure.status(), Html(page::render_failure(&failure))).into_response(),
    }
}

async fn show_cart(
    State(frontend): State<Arc<Frontend>>,
    Query(ask): Query<Ask>,
) -> Result<Json<Cart>, Failure> {
    let cart = frontend.cart(ask.sku.as_deref().unwrap_or(CART_DEFAULT)).await?;
    Ok(Json(cart))
}

// === impl Frontend ===

impl Frontend {
    /// Both services are always asked to the end, so that a failure of one does
    /// not hide the other from a trace.
    async fn cart(&self, skus: &str) -> Result<Cart, Failure> {
        let skus = parse_skus(NAME, skus)?;
        let path = format!("/checkout?sku={}", skus.join(","));
        let (order, reply) =
            join(self.caller.get::<Order>(checkout::NAME, &path), self.recommend(&skus[0])).await;
        let (mut order, reply) = (order?, reply?);
        order.answered.note(NAME, &self.version);
        order.answered.note(recommendation::NAME, &reply.version);
        let recommended = reply
            .suggestions
            .into_iter()
            .map(|suggestion| Suggested { sku: suggestion.sku, name: suggestion.name });
        Ok(Cart {
            order,
            recommended: recommended.collect(),
            key: Context::current().routing_key().map(str::to_owned),
        })
    }

    async fn recommend(&self, sku: &str) -> Result<ListReply, CallError> {
        let service = recommendation::NAME;
        let client = self.recommendation.clone();
        let mut client = client.map_err(|source| CallError::Address { service, source })?;
        let req = ListRequest { sku: sku.to_owned(), limit: 0 };
        let called = tokio::time::timeout(CALL_MAX, client.list(req)).await;
        match called.map_err(|_elapsed| CallError::TimedOut { service })? {
            Ok(reply) => Ok(reply.into_inner()),
            Err(status) => Err(CallError::Grpc { service, status: Box::new(status) }),
        }
    }
}

/// The layer is around the channel: inside of it, calls run in the channel's own
/// task, which answers no request.
fn connect_recommendation(
    settings: &Settings,
) -> Result<RecommendationClient<Inject<Channel>>, SettingError> {
    let address = settings.peer(recommendation::NAME)?;
    let channel = Endpoint::from(address).connect_lazy();
    Ok(RecommendationClient::new(InjectLayer::new().layer(channel)))
}
