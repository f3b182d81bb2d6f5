//! `/livez`, `/readyz`, `/healthz` with their single checks, and `/version`.
//!
//! Source: `apiserver/pkg/server/healthz/healthz.go`. Unlike there, who may ask is told why a check
//! fails.

use http::StatusCode;
use serde_json::json;
use spur_store::Health;

use crate::answer::{self, Answer, Outcome};
use crate::state::State;

/// The Kubernetes whose API this is: what clients compare features with.
const MINOR: &str = "36";

/// A check by its name, and why it fails if it does.
type Check = (&'static str, Result<(), String>);

/// `/livez` (also called `/healthz`) or `/readyz`, all its checks or the one that the path names.
pub(crate) fn answer(state: &State, endpoint: &str, name: Option<&str>, query: &str) -> Option<Outcome> {
    let checks = checks(state, endpoint == "readyz");
    let Some(name) = name else { return Some(Ok(all(endpoint, checks, query))) };
    let (name, outcome) = checks.into_iter().find(|(known, _)| *known == name)?;
    Some(Ok(match outcome {
        Ok(()) => answer::text(StatusCode::OK, "ok"),
        Err(why) => {
            answer::text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {name}: {why}\n"))
        }
    }))
}

/// Alive is who answers and has not given the store up. Ready is whose store takes writes and whose
/// end has not begun. The store's check has the name by which clients ask for it or leave it out.
fn checks(state: &State, is_ready: bool) -> Vec<Check> {
    let store = match state.store.health() {
        Health::DiskFull | Health::Reopening { .. } if !is_ready => None,
        _ => store_fault(state),
    };
    let mut checks = vec![("ping", Ok(())), ("etcd", store.map_or(Ok(()), Err))];
    if is_ready {
        let ending = if state.is_ending() { Err("draining".to_owned()) } else { Ok(()) };
        checks.push(("shutdown", ending));
    }
    checks
}

fn all(endpoint: &str, checks: Vec<Check>, query: &str) -> Answer {
    let asked: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let mut excluded: Vec<&str> =
        asked.iter().filter(|(key, _)| key == "exclude").map(|(_, value)| value.as_ref()).collect();
    let mut lines = Vec::new();
    let mut is_well = true;
    for (name, outcome) in checks {
        let left_out = excluded.iter().position(|excluded| *excluded == name);
        lines.push(match (left_out.map(|at| excluded.swap_remove(at)), outcome) {
            (Some(_), _) => format!("[+]{name} excluded: ok\n"),
            (None, Ok(())) => format!("[+]{name} ok\n"),
            (None, Err(why)) => {
                is_well = false;
                format!("[-]{name} failed: {why}\n")
            }
        });
    }
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|name| format!("{name:?}")).collect();
        let names = names.join(", ");
        lines.push(format!("warn: some health checks cannot be excluded: no matches for {names}\n"));
    }
    let lines = lines.concat();
    match is_well {
        true if !asked.iter().any(|(key, _)| key == "verbose") => answer::text(StatusCode::OK, "ok"),
        true => answer::text(StatusCode::OK, format!("{lines}{endpoint} check passed\n")),
        false => answer::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{lines}{endpoint} check failed\n")),
    }
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
