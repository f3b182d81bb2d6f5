//! `recommendation`: gRPC and plain HTTP on one port, an axum router under both.
//! Suggests what else there is, at once (`List`) or bit by bit (`Watch`).

use std::future::ready;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{any, post};
use futures::Stream;
use futures::stream;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::catalogue::PRODUCTS;
use crate::serve::Setup;
use crate::settings::SettingError;
use crate::shop::{LIST_PATH, ListReply, ListRequest, Suggestion, WATCH_PATH, WatchRequest};

pub(crate) const NAME: &str = "recommendation";

/// Suggestions where a request does not say how many.
const LIMIT_DEFAULT: u32 = 3;

/// The pause between two suggestions where a request does not say.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

/// The longest pause that a request can ask for: a stream that says nothing for
/// longer looks dead.
const INTERVAL_MAX: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
struct Recommendation {
    version: String,
    stop: CancellationToken,
}

/// A stream of suggestions under way.
struct Watching {
    suggestions: Vec<Suggestion>,
    next_idx: usize,
    /// `None` for a stream without an end.
    n_left: Option<u32>,
    ticks: Interval,
    stop: CancellationToken,
}

/// `shop.Recommendation/List` and `/Watch`.
pub(crate) fn router(setup: &Setup) -> Result<Router, SettingError> {
    let recommendation =
        Recommendation { version: setup.settings.version().to_owned(), stop: setup.stop.clone() };
    Ok(Router::new()
        .route(LIST_PATH, post(list))
        .route(WATCH_PATH, post(watch))
        .route("/shop.Recommendation/{method}", any(unknown_method))
        .with_state(recommendation))
}

async fn list(State(recommendation): State<Recommendation>, req: Request) -> http::Response<Body> {
    let answer = move |req: tonic::Request<ListRequest>| {
        let reply = recommendation.list(req.into_inner());
        ready(Ok::<_, Status>(Response::new(reply)))
    };
    let codec = ProstCodec::<ListReply, ListRequest>::new();
    Grpc::new(codec).unary(service_fn(answer), req).await
}

async fn watch(State(recommendation): State<Recommendation>, req: Request) -> http::Response<Body> {
    let answer = move |req: tonic::Request<WatchRequest>| {
        let suggestions = recommendation.watch(req.into_inner());
        ready(Ok::<_, Status>(Response::new(suggestions)))
    };
    let codec = ProstCodec::<Suggestion, WatchRequest>::new();
    Grpc::new(codec).server_streaming(service_fn(answer), req).await
}

/// A method that does not exist has a gRPC status, not an HTTP one
/// (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>: `UNIMPLEMENTED`).
async fn unknown_method() -> http::Response<Body> {
    Status::unimplemented("wanted `List` or `Watch`").into_http()
}

// === impl Recommendation ===

impl Recommendation {
    fn list(&self, req: ListRequest) -> ListReply {
        let ListRequest { sku, limit } = req;
        let limit = if limit == 0 { LIMIT_DEFAULT } else { limit };
        ListReply {
            suggestions: self.suggest(&sku).take(limit as usize).collect(),
            version: self.version.clone(),
        }
    }

    /// Everything but the product itself, as the catalogue has it.
    fn suggest(&self, sku: &str) -> impl Iterator<Item = Suggestion> {
        PRODUCTS.iter().filter(move |product| product.sku != sku).map(|product| Suggestion {
            sku: product.sku.to_owned(),
            name: product.name.to_owned(),
            version: self.version.clone(),
        })
    }

    /// Produced as it is read: a slow reader holds one suggestion, not a queue.
    fn watch(&self, req: WatchRequest) -> impl Stream<Item = Result<Suggestion, Status>> + Send + use<> {
        let WatchRequest { sku, interval_ms, limit } = req;
        let pause = match interval_ms {
            0 => INTERVAL_DEFAULT,
            ms => Duration::from_millis(ms.into()).min(INTERVAL_MAX),
        };
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watching = Watching {
            suggestions: self.suggest(&sku).collect(),
            next_idx: 0,
            n_left: (limit > 0).then_some(limit),
            ticks,
            stop: self.stop.clone(),
        };
        stream::unfold(Some(watching), |watching| async {
            let mut watching = watching?;
            match watching.next().await? {
                Ok(suggestion) => Some((Ok(suggestion), Some(watching))),
                Err(status) => Some((Err(status), None)),
            }
        })
    }
}

// === impl Watching ===

impl Watching {
    async fn next(&mut self) -> Option<Result<Suggestion, Status>> {
        match &mut self.n_left {
            Some(0) => return None,
            Some(n_left) => *n_left -= 1,
            None => {}
        }
        tokio::select! {
            () = self.stop.cancelled() => {
                return Some(Err(Status::unavailable("recommendation is shutting down")));
            }
            _ = self.ticks.tick() => {}
        }
        let suggestion = self.suggestions.get(self.next_idx)?.clone();
        self.next_idx = (self.next_idx + 1) % self.suggestions.len();
        Some(Ok(suggestion))
    }
}
