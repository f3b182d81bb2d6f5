//! `pricing`: what a product costs. `PRICE_PERCENT` and `VERSION` change the
//! answer, so that a fork of it can be told from its baseline.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};

use crate::catalogue;
use crate::failure::Failure;
use crate::order::Price;
use crate::serve::Setup;
use crate::settings::SettingError;

pub(crate) const NAME: &str = "pricing";

/// Ten times the price is enough to be noticed.
const PERCENT_MAX: u32 = 1000;

#[derive(Debug)]
struct Pricing {
    percent: u32,
    version: String,
}

/// `GET /price/{sku}`.
pub(crate) fn router(setup: &Setup) -> Result<Router, SettingError> {
    let pricing = Pricing {
        percent: setup.settings.number("PRICE_PERCENT", 0..=PERCENT_MAX, 100)?,
        version: setup.settings.version().to_owned(),
    };
    Ok(Router::new().route("/price/{sku}", get(price)).with_state(Arc::new(pricing)))
}

async fn price(State(pricing): State<Arc<Pricing>>, Path(sku): Path<String>) -> Result<Json<Price>, Failure> {
    let product = catalogue::find(&sku).ok_or_else(|| Failure::NotFound {
        service: NAME,
        what: format!("no price for `{}`", sku.escape_default()),
    })?;
    Ok(Json(Price {
        cents: percent_of(product.cents, pricing.percent),
        currency: "EUR".to_owned(),
        version: pricing.version.clone(),
        sku,
    }))
}

/// Half a cent is rounded up. Prices are below 50 euros and percents at most
/// 1000, so nothing overflows.
fn percent_of(cents: u32, percent: u32) -> u32 {
    (cents * percent + 50) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_rounded_to_whole_cents() {
        assert_eq!(percent_of(1200, 100), 1200);
        assert_eq!(percent_of(1200, 90), 1080);
        assert_eq!(percent_of(1850, 33), 611);
        assert_eq!(percent_of(1850, 30), 555);
        assert_eq!(percent_of(950, 0), 0);
    }

    #[test]
    fn no_price_overflows() {
        for product in catalogue::PRODUCTS {
            assert_eq!(percent_of(product.cents, PERCENT_MAX), product.cents * 10);
        }
    }
}
