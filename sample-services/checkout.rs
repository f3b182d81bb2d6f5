//! `checkout`: asks `pricing` and `inventory` about each line of a cart and sums
//! up. `PROPAGATE=off` makes it the service everybody has one of: it drops the
//! request's context, and with it the routing key.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::{join, join_all};
use serde::Deserialize;
use spur_sdk::propagation::{Context, scope};

use crate::call::Caller;
use crate::failure::Failure;
use crate::order::{Answered, Line, Order, Price, Stock, check_skus, parse_skus};
use crate::serve::Setup;
use crate::settings::SettingError;
use crate::{inventory, pricing};

pub(crate) const NAME: &str = "checkout";

/// Whether the context goes on with the calls.
#[derive(Clone, Copy, Debug)]
enum Propagate {
    On,
    Off,
}

#[derive(Debug)]
struct Checkout {
    caller: Caller,
    propagate: Propagate,
    version: String,
}

/// `GET /checkout?sku=mug,cap`.
#[derive(Debug, Deserialize)]
struct Ask {
    sku: String,
}

/// `POST /checkout` with `{"skus": ["mug", "cap"]}`.
#[derive(Debug, Deserialize)]
struct Posted {
    skus: Vec<String>,
}

/// `GET` and `POST /checkout`.
pub(crate) fn router(setup: &Setup) -> Result<Router, SettingError> {
    let choices = [("on", Propagate::On), ("off", Propagate::Off)];
    let checkout = Checkout {
        caller: Caller::new(setup.settings.clone()),
        propagate: setup.settings.choice("PROPAGATE", &choices)?,
        version: setup.settings.version().to_owned(),
    };
    Ok(Router::new().route("/checkout", get(show).post(post)).with_state(Arc::new(checkout)))
}

async fn show(State(checkout): State<Arc<Checkout>>, Query(ask): Query<Ask>) -> Result<Json<Order>, Failure> {
    checkout.order(parse_skus(NAME, &ask.sku)?).await
}

async fn post(
    State(checkout): State<Arc<Checkout>>,
    Json(posted): Json<Posted>,
) -> Result<Json<Order>, Failure> {
    checkout.order(check_skus(NAME, posted.skus)?).await
}

// === impl Checkout ===

impl Checkout {
    async fn order(&self, skus: Vec<String>) -> Result<Json<Order>, Failure> {
        let asked = join_all(skus.iter().map(|sku| self.ask(sku)));
        let lines = match self.propagate {
            Propagate::On => asked.await,
            Propagate::Off => scope(Context::default(), asked).await,
        };
        let lines: Vec<_> = lines.into_iter().collect::<Result<_, _>>()?;
        Ok(Json(self.sum_up(lines)))
    }

    /// Both are always asked to the end, so that a failure of one does not hide
    /// the other from a trace.
    async fn ask(&self, sku: &str) -> Result<(Price, Stock), Failure> {
        let (price_path, stock_path) = (format!("/price/{sku}"), format!("/stock/{sku}"));
        let (price, stock) = join(
            self.caller.get::<Price>(pricing::NAME, &price_path),
            self.caller.get::<Stock>(inventory::NAME, &stock_path),
        )
        .await;
        Ok((price?, stock?))
    }

    fn sum_up(&self, asked: Vec<(Price, Stock)>) -> Order {
        let mut answered = Answered::default();
        answered.note(NAME, &self.version);
        for (price, stock) in &asked {
            answered.note(pricing::NAME, &price.version);
            answered.note(inventory::NAME, &stock.version);
        }
        let currency = asked.first().map_or("EUR", |(price, _)| &price.currency);
        Order {
            total_cents: asked.iter().map(|(price, _)| u64::from(price.cents)).sum(),
            currency: currency.to_owned(),
            answered,
            lines: asked.into_iter().map(line).collect(),
        }
    }
}

fn line((price, stock): (Price, Stock)) -> Line {
    Line { sku: price.sku, name: stock.name, cents: price.cents, in_stock: stock.in_stock }
}
