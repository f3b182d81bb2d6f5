//! What `/spur/v1/status` tells of the parts that the API server does not know.

use serde_json::{Map, Value, json};
use spur_control::GatewayPorts;
use spur_intake::{Intake, MetricStore};
use spur_trace::Logs;
use tokio::sync::watch;

use crate::recording;

/// The endpoints that are left out now, as `/spur/v1/status` tells them.
pub(crate) fn ejected(metrics: spur_proxy::Metrics) -> impl Fn() -> Vec<Value> {
    move || {
        let told = metrics.ejected().into_iter().map(|out| {
            json!({
                "service": out.service, "subset": out.subset, "address": out.address,
                "secondsLeft": out.left.as_secs(),
            })
        });
        told.collect()
    }
}

/// What applications reported, as `/spur/v1/status` tells it; spans are counted with the traces.
pub(crate) fn telemetry(
    intake: Intake,
    (logs, metrics): (Logs, MetricStore),
    recorded: recording::Told,
) -> impl Fn() -> Value {
    move || {
        let (taken, lines, points) = (intake.counts(), logs.counts(), metrics.counts());
        json!({
            "exports": taken.n_exports,
            "refused": taken.n_refused,
            "invalid": taken.n_invalid,
            "logLines": lines.n_records,
            "evictedLogLines": lines.n_evicted,
            "series": points.n_series,
            "points": points.n_points,
            "turnedAwayPoints": points.n_turned_away,
            "export": recorded.export(),
            "disk": recorded.disk(),
        })
    }
}

/// Keeps `/spur/v1/status` up to date; ends with the controllers.
pub(crate) async fn merge_facts(
    fixed: Map<String, Value>,
    (mut services_rx, mut ports_rx): (watch::Receiver<Map<String, Value>>, watch::Receiver<GatewayPorts>),
    facts_tx: watch::Sender<Map<String, Value>>,
) {
    loop {
        let changed = tokio::select! {
            changed = services_rx.changed() => changed,
            changed = ports_rx.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
        let mut facts = fixed.clone();
        facts.insert("services".to_owned(), Value::Object(services_rx.borrow_and_update().clone()));
        facts.insert("gatewayPorts".to_owned(), json!(ports_rx.borrow_and_update().open));
        facts_tx.send_replace(facts);
    }
}
