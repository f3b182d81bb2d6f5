//! `dummy`: two versions with known latency and error rate, for traffic splits
//! and canaries.
//!
//! | `VERSION` | `/api/data` answers after | `/api/error` fails |
//! |---|---|---|
//! | `v1`, the stable one | 100 ms | 30 % |
//! | `v2`, the canary | 50 ms | 10 % |

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::serve::Setup;
use crate::settings::SettingError;

pub(crate) const NAME: &str = "dummy";

/// How one version behaves.
#[derive(Clone, Copy, Debug)]
struct Version {
    name: &'static str,
    latency: Duration,
    error_percent: u32,
}

const V1: Version = Version { name: "v1", latency: Duration::from_millis(100), error_percent: 30 };

const V2: Version = Version { name: "v2", latency: Duration::from_millis(50), error_percent: 10 };

#[derive(Debug)]
struct Dummy {
    version: Version,
    /// Guards one draw.
    rng: Mutex<SmallRng>,
}

/// `/`, `/api/data` and `/api/error`. `SEED` makes the errors repeatable.
pub(crate) fn router(setup: &Setup) -> Result<Router, SettingError> {
    let seed = setup.settings.number("SEED", 0..=u64::MAX, rand::random())?;
    let dummy = Dummy {
        version: setup.settings.choice("VERSION", &[(V1.name, V1), (V2.name, V2)])?,
        rng: Mutex::new(SmallRng::seed_from_u64(seed)),
    };
    Ok(Router::new()
        .route("/", get(hello))
        .route("/api/data", get(data))
        .route("/api/error", get(error))
        .with_state(Arc::new(dummy)))
}

async fn hello(State(dummy): State<Arc<Dummy>>) -> Json<Value> {
    let Version { name, .. } = dummy.version;
    Json(json!({
        "service": NAME,
        "version": name,
        "message": format!("Hello from {name}!"),
    }))
}

async fn data(State(dummy): State<Arc<Dummy>>) -> Json<Value> {
    let Version { name, latency, .. } = dummy.version;
    tokio::time::sleep(latency).await;
    Json(json!({
        "version": name,
        "data": [1, 2, 3],
        "latency_ms": latency.as_millis() as u64,
    }))
}

async fn error(State(dummy): State<Arc<Dummy>>) -> Result<Json<Value>, Failure> {
    let Version { name, error_percent, .. } = dummy.version;
    if dummy.draw_percent() < error_percent {
        return Err(Failure::OnPurpose {
            service: NAME,
            what: format!("{name} fails {error_percent} % of these requests on purpose"),
        });
    }
    Ok(Json(json!({ "version": name, "status": "ok" })))
}

// === impl Dummy ===

impl Dummy {
    /// 0 to 99, each as likely.
    fn draw_percent(&self) -> u32 {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        rng.random_range(0..100)
    }
}
