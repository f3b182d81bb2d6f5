//! The list of sample services: one row per service, from which arguments, help
//! and tests are derived.

use axum::Router;

use crate::serve::Setup;
use crate::settings::SettingError;
use crate::{checkout, dummy, frontend, inventory, pricing, recommendation, ws_echo};

/// One sample service.
#[derive(Debug)]
pub struct Sample {
    /// What it is called on the command line, as a Service and in its answers.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// Its own routes; `/health` and `/metrics` come from `serve`.
    pub(crate) router: fn(&Setup) -> Result<Router, SettingError>,
}

/// Every sample service.
pub static SAMPLES: &[Sample] = &[
    Sample {
        name: frontend::NAME,
        about: "a web page and /api/cart; calls checkout and recommendation",
        router: frontend::router,
    },
    Sample {
        name: checkout::NAME,
        about: "/checkout sums up an order; calls pricing and inventory",
        router: checkout::router,
    },
    Sample {
        name: pricing::NAME,
        about: "/price/{sku}; PRICE_PERCENT changes the answer",
        router: pricing::router,
    },
    Sample { name: inventory::NAME, about: "/stock/{sku}", router: inventory::router },
    Sample {
        name: recommendation::NAME,
        about: "gRPC shop.Recommendation/List and /Watch",
        router: recommendation::router,
    },
    Sample { name: ws_echo::NAME, about: "a WebSocket echo at /ws", router: ws_echo::router },
    Sample { name: dummy::NAME, about: "v1 and v2 with known latency and error rate", router: dummy::router },
];

/// The service of this name.
pub(crate) fn find(name: &str) -> Option<&'static Sample> {
    SAMPLES.iter().find(|sample| sample.name == name)
}
