//! Answers that take the place of the server's, for a while.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};
use spur_api::Status;

/// The wrong answers that are left to give.
pub(super) type Faults = Arc<Mutex<Vec<Fault>>>;

/// An answer that takes the place of the server's.
pub(super) struct Fault {
    pub(super) method: Method,
    pub(super) path_part: String,
    pub(super) left: AtomicUsize,
    pub(super) status: Status,
}

/// Answers in the server's place where a fault says so.
pub(super) async fn answer_wrongly(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    let wrong = faults.lock().expect("no panic").iter().find_map(|fault| fault.takes(&request));
    match wrong {
        Some(status) => {
            let code = StatusCode::from_u16(status.code).expect("a code");
            (code, [(header::CONTENT_TYPE, "application/json")], status.to_json().to_string()).into_response()
        }
        None => next.run(request).await,
    }
}

// === impl Fault ===

impl Fault {
    fn takes(&self, request: &Request) -> Option<Status> {
        if request.method() != self.method || !request.uri().path().contains(&self.path_part) {
            return None;
        }
        let spent = |left: usize| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent).ok().map(|_| self.status.clone())
    }
}
