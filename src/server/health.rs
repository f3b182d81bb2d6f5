//! `/livez`, `/readyz`, `/healthz` and `/version`.

use http::StatusCode;
use serde_json::json;
use spur_store::Health;

use crate::answer::{self, Answer};
use crate::state::State;

/// The Kubernetes whose API this is: what clients compare features with.
const MINOR: &str = "36";

/// Whether the process runs.
pub(crate) fn livez() -> Answer {
    answer::text(StatusCode::OK, "ok")
}

/// Whether requests can be served: the store takes writes and the end has not begun.
pub(crate) fn readyz(state: &State) -> Answer {
    if state.is_ending() {
        return answer::text(
            StatusCode::SERVICE_UNAVAILABLE,
            "[-]shutdown failed: draining\nreadyz check failed\n",
        );
    }
    let Some(why) = store_fault(state) else { return answer::text(StatusCode::OK, "ok") };
    answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("[-]store failed: {why}\nreadyz check failed\n"))
}

/// Why the store takes no writes, where it takes none.
pub(crate) fn store_fault(state: &State) -> Option<String> {
    Some(match state.store.health() {
        Health::Ready => return None,
        Health::DiskFull => "the disk is full".to_owned(),
        Health::Reopening { cause, attempts } => format!("reopening after `{cause}`, attempt {attempts}"),
        Health::Failed { cause } => format!("gave up after `{cause}`: restart to try again"),
        Health::Closed => "closed".to_owned(),
    })
}

/// Who serves; `minor` is plain digits since clients parse it.
pub(crate) fn version() -> Answer {
    let os = std::env::consts::OS;
    let arch = if std::env::consts::ARCH == "x86_64" { "amd64" } else { std::env::consts::ARCH };
    answer::ok(&json!({
        "major": "1",
        "minor": MINOR,
        "gitVersion": format!("v1.{MINOR}.0+spur-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{os}/{arch}"),
    }))
}
