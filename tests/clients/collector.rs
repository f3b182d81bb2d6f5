//! Somebody else's OpenTelemetry Collector: Rotel, which takes what `--otlp-export` sends and prints
//! every span of it.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

use libtest_mimic::Trial;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::absent;
use crate::harness::manifests::cheaper;
use crate::harness::{Data, Spur, until};
use crate::needs::Need;

pub(crate) fn trials() -> Vec<Trial> {
    let need = Need::new("collector", absent(&program(), "--help"));
    vec![need.trial("collector::takes_every_hop_once", takes_every_hop_once)]
}

/// Its program, out of the package `rotel` of PyPI.
fn program() -> String {
    std::env::var("SPUR_ROTEL").unwrap_or_else(|_| "rotel-agent".to_owned())
}

/// A collector that runs until it is dropped.
struct Collector {
    _child: Child,
    url: String,
    printed: PathBuf,
}

/// The ids of a trace and of a span.
type Ids = (String, String);

// === impl Collector ===

impl Collector {
    async fn start(data: &Data) -> Self {
        let [http, grpc] = free_addresses();
        let printed = data.home().join("collector.log");
        let mut command = Command::new(program());
        command.args(["start", "--exporter", "blackhole"]);
        command.args(["--debug-log", "traces", "--debug-log-verbosity", "detailed"]);
        command.args(["--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc]);
        command.arg("--pid-file").arg(data.home().join("collector.pid"));
        command.stdin(Stdio::null()).stdout(File::create(&printed).unwrap()).stderr(Stdio::null());
        let child = command.kill_on_drop(true).spawn().unwrap();
        until("the collector listens", async || {
            let connected = tokio::net::TcpStream::connect(&http).await;
            connected.map(drop).map_err(|error| error.to_string())
        })
        .await;
        Self { _child: child, url: format!("http://{http}"), printed }
    }

    /// The spans that it has printed, as often as it has.
    fn spans(&self) -> Vec<Ids> {
        let printed = std::fs::read_to_string(&self.printed).unwrap();
        let mut trace = String::new();
        let mut spans = Vec::new();
        for line in printed.lines() {
            match line.split_once(':').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("Trace ID", id)) => id.clone_into(&mut trace),
                Some(("ID", id)) => spans.push((trace.clone(), id.to_owned())),
                _ => {}
            }
        }
        spans
    }
}

/// Two that nobody listens at.
fn free_addresses() -> [String; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().to_string())
}

async fn takes_every_hop_once() {
    let data = Data::new();
    let collector = Collector::start(&data).await;
    let spur = Spur::shop_with(&["--otlp-export", &collector.url]).await;
    spur.api().create_all(&[cheaper("cheaper", "k-1")]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    for _ in 0..5 {
        spur.service("frontend").get("/api/cart?sku=mug,cap").key("k-1").send().await.ok();
    }

    let shown = spur.run(&["trace", "-o", "json", "--limit", "1000"]).await.ok();
    let of_hop = |hop: &Value| {
        let id = |name: &str| hop[name].as_str().unwrap().to_owned();
        (id("trace_id"), id("span_id"))
    };
    let traces: Vec<Value> = shown.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let hops: BTreeSet<Ids> =
        traces.iter().flat_map(|trace| trace["hops"].as_array().unwrap()).map(of_hop).collect();
    assert!(hops.len() > 5 * 7, "each cart is seven requests: {}", hops.len());
    until("every hop has come", async || {
        let spans: BTreeSet<Ids> = collector.spans().into_iter().collect();
        let missing: Vec<_> = hops.difference(&spans).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    })
    .await;
    let spans = collector.spans();
    let different: BTreeSet<&Ids> = spans.iter().collect();
    assert_eq!(spans.len(), different.len(), "none came twice");
    let printed = std::fs::read_to_string(&collector.printed).unwrap();
    for said in ["service.name: Str(checkout)", "spur.sandbox", "http.response.status_code: Int(200)"] {
        assert!(printed.contains(said), "{said}");
    }
    spur.end().await;
}
