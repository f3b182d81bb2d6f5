//! Runs samples on free ports and asks them. A sample ends with its handle.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sample_services::{Log, SAMPLES, Sample, SettingError, Settings, Setup, serve};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Far longer than anything here takes; a test that waits so long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A sample under way.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), SettingError>>,
    log: Lines,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A whole shop; each service's handle.
pub(crate) struct Shop {
    pub(crate) frontend: Running,
    pub(crate) checkout: Running,
    pub(crate) pricing: Running,
    pub(crate) inventory: Running,
    pub(crate) recommendation: Running,
}

/// What a service has logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

pub(crate) fn sample(name: &str) -> &'static Sample {
    SAMPLES.iter().find(|sample| sample.name == name).unwrap()
}

/// Runs one sample on a free port.
pub(crate) async fn start(name: &str, vars: &[(&str, &str)]) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let log = Lines::default();
    let mut setup = Setup::new(vars.iter().copied().collect::<Settings>());
    setup.log = Log::to(log.clone());
    let stop = setup.stop.clone();
    let task = tokio::spawn(serve(listener, sample(name), setup));
    Running { address, stop, task, log }
}

/// Runs the whole shop; `pricing` and `checkout` are further settings of these.
pub(crate) async fn start_shop(pricing: &[(&str, &str)], checkout: &[(&str, &str)]) -> Shop {
    let pricing = start("pricing", pricing).await;
    let inventory = start("inventory", &[]).await;
    let recommendation = start("recommendation", &[]).await;
    let urls = [pricing.url(""), inventory.url("")];
    let mut vars = vec![("PRICING_URL", &*urls[0]), ("INVENTORY_URL", &*urls[1])];
    vars.extend(checkout);
    let checkout = start("checkout", &vars).await;
    let urls = [checkout.url(""), recommendation.url("")];
    let vars = [("CHECKOUT_URL", &*urls[0]), ("RECOMMENDATION_URL", &*urls[1])];
    let frontend = start("frontend", &vars).await;
    Shop { frontend, checkout, pricing, inventory, recommendation }
}

/// `GET url` with these headers.
pub(crate) async fn get(url: &str, headers: &[(&str, &str)]) -> Answer {
    let mut req = Request::get(url);
    for (name, value) in headers {
        req = req.header(*name, *value);
    }
    send(req.body(Full::default()).unwrap()).await
}

pub(crate) async fn send(req: Request<Full<Bytes>>) -> Answer {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let asked = async {
        let (head, body) = client.request(req).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    };
    tokio::time::timeout(DEADLINE, asked).await.unwrap()
}

/// Runs a service of the test's own, which ends with the handle; its address.
pub(crate) async fn start_double(app: Router) -> (String, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = async { axum::serve(listener, app).await.unwrap() };
    (url, AbortOnDropHandle::new(tokio::spawn(server)))
}

/// An address of loopback where nobody listens: bound once, then let go.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

// === impl Running ===

impl Running {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(&self.url(path), &[]).await
    }

    /// The lines of requests so far; the first line of all says where it listens.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: `{}`", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

// === impl Lines ===

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
