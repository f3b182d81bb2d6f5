//! A Prometheus that scrapes the metrics, and the checker that comes with it.
//!
//! Prometheus prefers `OpenMetrics`, which has an example of a request for each series: from a slow
//! bucket one comes to its trace. Without that preference the text is the plain one, which is the
//! only one that `promtool check metrics` reads.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::absent;
use crate::harness::manifests::cheaper;
use crate::harness::{Data, Output, Site, Spur, command, until};
use crate::needs::Need;

/// Carts without a key, and carts with one; no two counts below are the same by accident.
const N_BASELINE: usize = 5;
const N_FORK: usize = 3;

/// The one name that promtool has an advice about. It is Istio's, and its dashboards ask for it
/// (<https://istio.io/latest/docs/reference/config/metrics/>).
const ISTIO_DURATION: &str = "istio_request_duration_milliseconds";

pub(crate) fn trials() -> Vec<Trial> {
    let absent = ["prometheus", "promtool"].into_iter().find_map(|program| absent(program, "--version"));
    let need = Need::new("prometheus", absent);
    vec![
        need.trial("prometheus::promtool_accepts_the_plain_text", promtool_accepts_the_plain_text),
        need.trial("prometheus::scrapes_counts_and_examples", scrapes_counts_and_examples),
    ]
}

/// A Prometheus that runs.
struct Prometheus {
    child: Child,
    site: Site,
    log: PathBuf,
}

// === impl Prometheus ===

impl Prometheus {
    /// Scrapes a site once a second, its data and configuration with those of the test.
    async fn start(data: &Data, target: &Site) -> Self {
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: spur, static_configs: [{{targets: [\"{}\"]}}]}}]\n",
            target.address
        );
        let config = data.write("prometheus/prometheus.yml", &config);
        let log = data.home().join("prometheus/log");
        let mut prometheus = Command::new("prometheus");
        prometheus.args(["--enable-feature=exemplar-storage", "--web.listen-address=127.0.0.1:0"]);
        prometheus.arg(format!("--config.file={}", config.display()));
        prometheus.arg(format!("--storage.tsdb.path={}", data.home().join("prometheus/data").display()));
        prometheus.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let child = prometheus.kill_on_drop(true).spawn().unwrap();
        let address = until("prometheus says where it listens", async || {
            let said = std::fs::read_to_string(&log).unwrap();
            let line = said.lines().find(|line| line.contains("msg=\"Listening on\"")).map(str::to_owned);
            line.and_then(|line| Some(line.split_once("address=")?.1.to_owned())).ok_or(said)
        })
        .await;
        let site = Site::of(&format!("http://{address}"));
        let prometheus = Self { child, site, log };
        until("prometheus is ready", async || match prometheus.site.get("/-/ready").send().await {
            answer if answer.status.is_success() => Ok(()),
            answer => Err(answer.text()),
        })
        .await;
        prometheus
    }

    /// What its HTTP API answers (<https://prometheus.io/docs/prometheus/2.42/querying/api/#format-overview>).
    async fn ask(&self, path: &str) -> Value {
        let answer = self.site.get(&format!("/api/v1/{path}")).send().await.ok().json();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// Requests that were answered with 200, by who asked whom and what served it, in order.
    async fn counted(&self) -> Vec<(String, String, String, usize)> {
        let query = "sum%20by%20(source_workload,destination_service_name,spur_version)\
                     (istio_requests_total%7Bresponse_code=%22200%22,source_workload!=%22unknown%22%7D)";
        let data = self.ask(&format!("query?query={query}")).await;
        let count = |row: &Value| {
            let label = |name: &str| row["metric"][name].as_str().unwrap().to_owned();
            let n = row["value"][1].as_str().unwrap().parse().unwrap();
            (label("source_workload"), label("destination_service_name"), label("spur_version"), n)
        };
        let mut counted: Vec<_> = data["result"].as_array().unwrap().iter().map(count).collect();
        counted.sort();
        counted
    }

    /// Ends it as a supervisor does.
    async fn end(mut self) {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let status = until("prometheus has ended", async || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err("it still runs"),
        })
        .await;
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("--- prometheus' log\n{log}\n---");
        }
    }
}

/// A shop that was asked for carts, some of them by the key of a fork of pricing.
async fn asked_shop() -> Spur {
    let spur = Spur::shop().await;
    spur.api().create_all(&[cheaper("cheaper", "k-1")]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    let cart = || spur.service("frontend").get("/api/cart?sku=mug,cap");
    for _ in 0..N_BASELINE {
        cart().send().await.ok();
    }
    for _ in 0..N_FORK {
        cart().key("k-1").send().await.ok();
    }
    spur
}

async fn metrics_of(spur: &Spur) -> Site {
    let facts = spur.run(&["status", "-o", "json"]).await.ok().json();
    Site::of(facts["metrics"].as_str().unwrap())
}

async fn promtool(spur: &Spur, text: &str) -> Output {
    let text = spur.data().write("metrics.txt", text);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(File::open(text).unwrap()).kill_on_drop(true);
    command::run(promtool).await
}

async fn promtool_accepts_the_plain_text() {
    let spur = asked_shop().await;
    let text = metrics_of(&spur).await.get("/metrics").send().await.ok().text();
    assert!(text.contains("\nistio_requests_total{"), "{text}");
    let of_istio = |line: &&str| line.contains(ISTIO_DURATION);
    let ours: String = text.lines().filter(|line| !of_istio(line)).flat_map(|line| [line, "\n"]).collect();
    let checked = promtool(&spur, &ours).await.ok();
    assert_eq!((&*checked.stdout, &*checked.stderr), ("", ""), "not even an advice");

    // 3 is an advice, where 1 is a text that cannot be read.
    let checked = promtool(&spur, &text).await.code(3);
    let advice = format!("{ISTIO_DURATION} use base unit \"seconds\" instead of \"milliseconds\"\n");
    assert_eq!((&*checked.stdout, &*checked.stderr), ("", &*advice));
    spur.end().await;
}

async fn scrapes_counts_and_examples() {
    let spur = asked_shop().await;
    let prometheus = Prometheus::start(spur.data(), &metrics_of(&spur).await).await;

    // A cart has two lines; each asks for a price and for the stock.
    let n_carts = N_BASELINE + N_FORK;
    let row =
        |from: &str, to: &str, version: &str, n| (from.to_owned(), to.to_owned(), version.to_owned(), n);
    let expected = vec![
        row("checkout", "inventory", "baseline", 2 * n_carts),
        row("checkout", "pricing", "baseline", 2 * N_BASELINE),
        row("checkout", "pricing", "sandbox default/cheaper", 2 * N_FORK),
        row("frontend", "checkout", "baseline", n_carts),
        row("frontend", "recommendation", "baseline", n_carts),
    ];
    until("all that was sent is counted", async || {
        let counted = prometheus.counted().await;
        if counted == expected { Ok(()) } else { Err(format!("{counted:#?}")) }
    })
    .await;

    let query = format!(
        "{ISTIO_DURATION}_bucket%7Bdestination_service_name=%22pricing%22,spur_version!=%22baseline%22%7D"
    );
    let ever = "start=0&end=4102444800";
    let examples = until("there is an example", async || {
        let found = prometheus.ask(&format!("query_exemplars?query={query}&{ever}")).await;
        if found.as_array().is_some_and(|series| !series.is_empty()) { Ok(found) } else { Err(found) }
    })
    .await;
    let labels = &examples[0]["exemplars"][0]["labels"];
    let trace_id = labels["trace_id"].as_str().unwrap_or_else(|| panic!("no trace_id in {examples:#}"));
    let shown = spur.run(&["trace", "show", trace_id]).await.ok();
    shown.prints(&["/api/cart?sku=mug,cap", "pricing", "cheaper"]);
    prometheus.end().await;
    spur.end().await;
}
