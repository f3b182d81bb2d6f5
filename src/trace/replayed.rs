//! What is asked of `/spur/v1/replay` and what it answers, as whoever compares answers needs it.
//!
//! The server sends; what is different about the answers is found here, for the command line and
//! the terminal interface alike.

use http::HeaderName;
use serde::{Deserialize, Serialize};

use crate::capture::{CapturedRequest, CapturedResponse};
use crate::compare::{Noise, ResponseDifference, compare};

/// The header that names the trace of the request that this one repeats: the server writes it, and
/// the proxy takes it off.
pub const SPUR_REPLAY_OF: HeaderName = HeaderName::from_static("spur-replay-of");

/// Where a request is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReplayTarget {
    /// As it was, keys and all.
    Same,
    /// To the baseline: without any key.
    Baseline,
    /// With this key.
    Key(String),
}

/// The server's answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Replayed {
    /// The request, without secrets.
    pub request: CapturedRequest,
    /// What each target answered, in their order.
    pub results: Vec<ReplayResult>,
}

/// What one target answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayResult {
    /// The trace that it became.
    pub trace_id: String,
    /// The answer; absent where there was none, and where nothing was sent.
    pub response: Option<CapturedResponse>,
    /// How long it took.
    pub duration_us: Option<u64>,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// The targets in the order in which they are sent to: the first twice, where they are compared,
/// because what is different about its own answers is noise.
#[must_use]
pub fn sent_to<T: Clone>(targets: &[T]) -> Vec<T> {
    match targets {
        [first, _, ..] => [std::slice::from_ref(first), targets].concat(),
        _ => targets.to_vec(),
    }
}

// === impl Replayed ===

impl Replayed {
    /// What is different about each target but the first, where the targets were those of
    /// [`sent_to`]. The answer that noise was learned from is left out from here on.
    pub fn compared(&mut self) -> Vec<Vec<ResponseDifference>> {
        // Two answers are of one target; there is nothing to be learned from one alone.
        if self.results.len() < 2 {
            return Vec::new();
        }
        let learned = self.results.remove(0);
        let first = self.results[0].response.as_ref();
        let twice: Vec<CapturedResponse> = learned.response.iter().chain(first).cloned().collect();
        let noise = Noise::among(&twice);
        let Some(first) = first else { return Vec::new() };
        let others = self.results[1..].iter().map(|result| result.response.as_ref());
        others.map(|other| other.map_or_else(Vec::new, |other| compare(first, other, &noise))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answered(body: &str) -> Value {
        json!({"traceId": "1", "durationUs": 5, "response": {
            "status": 200, "began_us": 3, "headers": [],
            "body": {"text": body, "n_bytes": body.len(), "has_ended": true},
        }})
    }

    #[test]
    fn what_the_first_target_answers_differently_by_itself_is_noise() {
        assert_eq!(sent_to(&["same"]), ["same"]);
        assert_eq!(sent_to(&["baseline", "pr-1"]), ["baseline", "baseline", "pr-1"]);
        let results = [r#"{"at":1,"by":"a"}"#, r#"{"at":2,"by":"a"}"#, r#"{"at":3,"by":"b"}"#].map(answered);
        let request = json!({"method": "GET", "authority": null, "target": "/", "http_version": "HTTP/1.1",
            "headers": [], "body": {"text": "", "n_bytes": 0, "has_ended": true}});
        let mut replayed: Replayed =
            serde_json::from_value(json!({"request": request, "results": results})).unwrap();
        let found = replayed.compared();
        assert_eq!(replayed.results.len(), 2);
        let told: Vec<_> = found[0].iter().map(|found| (found.part.to_string(), found.is_noise)).collect();
        assert_eq!(told, [("body .at".to_owned(), true), ("body .by".to_owned(), false)]);
    }
}
