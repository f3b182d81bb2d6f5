//! `inventory`: what a product is called, and how many are left.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};

use crate::catalogue;
use crate::failure::Failure;
use crate::order::Stock;
use crate::serve::Setup;
use crate::settings::SettingError;

pub(crate) const NAME: &str = "inventory";

/// `GET /stock/{sku}`.
pub(crate) fn router(setup: &Setup) -> Result<Router, SettingError> {
    let version: Arc<str> = setup.settings.version().into();
    Ok(Router::new().route("/stock/{sku}", get(stock)).with_state(version))
}

async fn stock(State(version): State<Arc<str>>, Path(sku): Path<String>) -> Result<Json<Stock>, Failure> {
    let product = catalogue::find(&sku).ok_or_else(|| Failure::NotFound {
        service: NAME,
        what: format!("no product `{}`", sku.escape_default()),
    })?;
    Ok(Json(Stock {
        name: product.name.to_owned(),
        in_stock: product.n_in_stock,
        version: version.to_string(),
        sku,
    }))
}
