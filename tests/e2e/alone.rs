//! `spur proxy`, `spur explain` and `spur rules test`: rules in files, without a server.

use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;

use crate::harness::http::Site;
use crate::harness::{DEADLINE, Data, command};

/// A server that says its name, on connections that are kept.
pub(crate) async fn says(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, name));
        }
    });
    port
}

async fn serve(mut stream: TcpStream, name: &str) {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(n) => seen.extend_from_slice(&buffer[..n]),
        }
        while let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            seen.drain(..end + 4);
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// Two versions of a Service, and the subsets that tell them apart.
fn shop(v1: u16, v2: u16) -> String {
    let slice = |version: &str, port: u16| {
        format!(
            "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: cart-{version}, namespace: shop, labels: {{kubernetes.io/service-name: cart, version: {version}}}}}
addressType: IPv4
ports: [{{port: {port}, name: http}}]
endpoints: [{{addresses: [127.0.0.1]}}]
"
        )
    };
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: cart, namespace: shop}}
spec: {{ports: [{{port: 80, name: http}}]}}
{}{}---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: cart, namespace: shop}}
spec:
  host: cart
  subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]
",
        slice("v1", v1),
        slice("v2", v2)
    )
}

/// Everything to one version; `ann` to the other.
fn rule(subset: &str, for_ann: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: cart, namespace: shop}}
spec:
  hosts: [cart]
  http:
  - name: ann
    match: [{{headers: {{user: {{exact: ann}}}}}}]
    route: [{{destination: {{host: cart, subset: {for_ann}}}}}]
  - route: [{{destination: {{host: cart, subset: {subset}}}}}]
"
    )
}

/// A folder of rules, and a proxy that routes by it.
struct Alone {
    data: Data,
    child: Child,
    said: tokio::io::Lines<BufReader<tokio::process::ChildStderr>>,
    entry: Value,
}

impl Alone {
    async fn start(files: &[(&str, &str)]) -> Self {
        Self::start_with(files, &[]).await
    }

    async fn start_with(files: &[(&str, &str)], args: &[&str]) -> Self {
        let data = Data::new();
        for (name, text) in files {
            data.write(&format!("rules/{name}"), text);
        }
        let mut proxy = command::spur(data.home());
        proxy.args(["proxy", "--listen", "127.0.0.1:0", "--workers", "2", "-o", "json"]);
        proxy.args(args).arg("-f").arg(folder(&data)).current_dir(data.home());
        proxy.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = proxy.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = tokio::time::timeout(DEADLINE, lines.next_line()).await.expect("it is ready");
        let entry = serde_json::from_str(&ready.unwrap().expect("a line")).unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { data, child, said, entry }
    }

    fn site(&self, host: &str) -> Site {
        let port = self.entry["entry"].as_str().unwrap().rsplit(':').next().unwrap();
        Site::of(&format!("http://{host}:{port}"))
    }

    async fn until_says(&mut self, words: &str) -> String {
        loop {
            let line = tokio::time::timeout(DEADLINE, self.said.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("it never says `{words}`")).unwrap().expect("it runs");
            if line.contains(words) {
                return line;
            }
        }
    }

    async fn end(self) {
        assert_eq!(self.end_keeping().await.1, Some(0));
    }

    /// Ends it; what it has written stays for as long as its data.
    async fn end_keeping(mut self) -> (Data, Option<i32>) {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let ended = tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("it ends");
        (self.data, ended.unwrap().code())
    }
}

fn folder(data: &Data) -> PathBuf {
    data.home().join("rules")
}

/// PX-4: one that is wrong changes nothing.
#[tokio::test]
async fn a_folder_is_routed_by_and_its_changes_are_taken_over() {
    let shop = shop(says("v1").await, says("v2").await);
    let mut alone = Alone::start(&[("shop.yaml", &shop), ("rule.yaml", &rule("v1", "v2"))]).await;
    let cart = alone.site("cart.shop.localhost");
    assert_eq!(cart.get("/").send().await.ok().text(), "v1");
    assert_eq!(cart.get("/").header("user", "ann").send().await.ok().text(), "v2");
    alone.data.write("rules/rule.yaml", &rule("v2", "v1"));
    alone.until_says("took over").await;
    assert_eq!(cart.get("/").send().await.ok().text(), "v2");
    // What is wrong changes nothing, and is said with its place.
    alone.data.write("rules/rule.yaml", &rule("v1", "{}"));
    let said = alone.until_says("rule.yaml:").await;
    assert!(said.contains("rule.yaml:9:"), "{said}");
    assert_eq!(cart.get("/").send().await.ok().text(), "v2");
    alone.data.write("rules/rule.yaml", &rule("v1", "v1"));
    alone.until_says("took over").await;
    assert_eq!(cart.get("/").send().await.ok().text(), "v1");
    alone.end().await;
}

#[tokio::test]
async fn requests_are_counted_for_prometheus() {
    let alone =
        Alone::start(&[("shop.yaml", &shop(says("v1").await, 1)), ("rule.yaml", &rule("v1", "v2"))]).await;
    let cart = alone.site("cart.shop.localhost");
    for _ in 0..3 {
        cart.get("/").send().await.ok();
    }
    // Nobody is behind the other version.
    cart.get("/").header("user", "ann").send().await;
    let metrics = Site::of(alone.entry["metrics"].as_str().unwrap());
    let scraped = metrics.get("/metrics").send().await.ok().text();
    let count = |version: &str, code: u16| {
        let labels = [format!("destination_version=\"{version}\""), format!("response_code=\"{code}\"")];
        let line = scraped.lines().find(|line| {
            line.starts_with("istio_requests_total{") && labels.iter().all(|label| line.contains(&**label))
        });
        line.and_then(|line| line.rsplit(' ').next().unwrap().parse::<u64>().ok())
    };
    assert_eq!((count("v1", 200), count("v2", 502)), (Some(3), Some(1)), "{scraped}");
    let open = metrics.get("/metrics").header("accept", "application/openmetrics-text").send().await.ok();
    assert!(open.text().ends_with("# EOF\n") && open.text().contains("# {trace_id=\""));
    alone.end().await;
}

#[tokio::test]
async fn requests_are_logged_to_the_last() {
    let shop = shop(says("v1").await, says("v2").await);
    let files = [("shop.yaml", &shop[..]), ("rule.yaml", &rule("v1", "v2"))];
    // Which needs no records of hops.
    let log = ["--access-log-file", "access.log", "--access-log-encoding", "json", "--tracing", "off"];
    let alone = Alone::start_with(&files, &log).await;
    let cart = alone.site("cart.shop.localhost");
    for n in 0..20 {
        cart.get(&format!("/{n}?password=hush")).header("user", "ann").send().await.ok();
    }
    let file = alone.data.home().join("access.log");
    let (data, ended) = alone.end_keeping().await;
    assert_eq!(ended, Some(0));
    let written = std::fs::read_to_string(file).unwrap();
    drop(data);
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 20, "{written}");
    assert_eq!(lines[7]["path"], "/7?password=REDACTED");
    assert_eq!(lines[7]["response_code"], 200);
    assert_eq!(lines[7]["rule"], "VirtualService/shop/cart http[0] `ann`");
}

/// PX-4: 50 changes of a folder.
#[tokio::test]
async fn no_request_fails_while_rules_change() {
    let shop = shop(says("v1").await, says("v2").await);
    let mut alone = Alone::start(&[("shop.yaml", &shop), ("rule.yaml", &rule("v1", "v2"))]).await;
    let cart = alone.site("cart.shop.localhost");
    let (stop_tx, stop_rx) = tokio::sync::watch::channel(false);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (cart, stop_rx) = (cart.clone(), stop_rx.clone());
            tokio::spawn(async move {
                let mut connection = cart.connect().await;
                let mut seen = [0_usize; 2];
                while !*stop_rx.borrow() {
                    let text = connection.send(cart.get("/")).await.unwrap().ok().text();
                    seen[usize::from(text == "v2")] += 1;
                }
                seen
            })
        })
        .collect();
    for n in 0..50 {
        let subset = if n % 2 == 0 { "v2" } else { "v1" };
        alone.data.write("rules/rule.yaml", &rule(subset, subset));
        alone.until_says("took over").await;
    }
    stop_tx.send(true).unwrap();
    for client in clients {
        let seen = client.await.unwrap();
        assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    }
    alone.end().await;
}

#[tokio::test]
async fn a_folder_that_is_wrong_is_refused_at_the_start() {
    let data = Data::new();
    data.write("rules/rule.yaml", "kind: VirtualService\n");
    let mut proxy = command::spur(data.home());
    proxy.args(["proxy", "--listen", "127.0.0.1:0", "-f"]).arg(folder(&data));
    let refused = command::run(proxy).await.code(2).prints_nothing();
    refused.tells(&["rule.yaml:1:1: ", "want a map with `apiVersion` and `kind`"]);
    let mut proxy = command::spur(data.home());
    proxy.args(["proxy", "--listen", "127.0.0.1:0", "-f", "nowhere"]);
    command::run(proxy).await.code(2).tells(&["failed to read `nowhere`"]);
}

#[tokio::test]
async fn rules_are_explained_and_tested_without_a_server() {
    let data = Data::new();
    data.write("rules/shop.yaml", &shop(1, 2));
    data.write("rules/rule.yaml", &rule("v1", "v2"));
    let run = async |args: &[&str]| {
        let mut spur = command::spur(data.home());
        spur.args(args).arg("-f").arg(folder(&data)).current_dir(data.home());
        command::run(spur).await
    };
    let url = "http://cart.shop.localhost/";
    let explained = run(&["explain", "-H", "user: ann", url]).await.ok();
    explained
        .prints(&["✔ VirtualService shop/cart http[0] `ann`: matches", "shop/cart subset v2: the only one"]);
    let json = run(&["explain", "-o", "json", "GET", url]).await.ok().json();
    assert_eq!(
        (&json["verdict"]["subset"], &json["rules"][0]["why_not"][0]),
        (&"v1".into(), &"headers[user] is absent, want exact `ann`".into())
    );
    run(&["explain", "nowhere"]).await.code(2).tells(&["`nowhere` is no URL"]);
    data.write(
        "cases.yaml",
        "- request: {url: 'http://cart.shop.localhost/', headers: {user: ann}}\n  expect: {subset: v2}\n",
    );
    run(&["rules", "test", "cases.yaml"]).await.ok().prints(&["ok   GET"]).tells(&["1 passed, 0 failed"]);
    data.write(
        "cases.yaml",
        "- name: all\n  request: {url: 'http://cart.shop.localhost/'}\n  expect: {subset: v2}\n",
    );
    let failed = run(&["rules", "test", "cases.yaml"]).await.code(1);
    failed
        .prints(&["FAIL all (cases.yaml:1:3)", "subset is `v1`, expected `v2`"])
        .tells(&["0 passed, 1 failed"]);
}

#[tokio::test]
async fn a_servers_table_is_explained() {
    let spur = crate::harness::Spur::up().start().await;
    let explained = spur.run(&["explain", "http://nobody.default.localhost/"]).await.ok();
    explained.prints(&["no service has the host `nobody.default.localhost`", "refused  with 404"]);
    let raw = spur.api().ask(http::Method::GET, "/spur/v1/explain?url=nothing").send().await;
    assert_eq!(
        (raw.status.as_u16(), &raw.json()["message"]),
        (400, &"query parameter `url`: `nothing` is no URL, want `http://HOST[:PORT][/PATH]`".into())
    );
    spur.end().await;
}

#[tokio::test]
async fn a_service_entry_leads_where_its_name_does() {
    let (port, other) = (says("outside").await, says("elsewhere").await);
    let entry = |port: u16| {
        format!(
            "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: outside, namespace: shop}}
spec:
  hosts: [api.example.com]
  resolution: DNS
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {port}}}]
  endpoints: [{{address: localhost}}]
"
        )
    };
    let mut alone = Alone::start(&[("entry.yaml", &entry(port))]).await;
    alone.until_says("resolved `localhost`, addresses: 1").await;
    let outside = alone.site("127.0.0.1");
    let ask = || outside.get("/").header("host", "api.example.com").send();
    assert_eq!(ask().await.ok().text(), "outside");
    // The name stays resolved when the file around it changes.
    alone.data.write("rules/entry.yaml", &entry(other));
    alone.until_says("revision 3").await;
    assert_eq!(ask().await.ok().text(), "elsewhere");
    alone.end().await;
}
