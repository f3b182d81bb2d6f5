//! An API server over loopback, and commands typed at it.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use http::Method;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};
use spur_runtime::{FakeRuntime, Runtimes};
use spur_server::Parts;
use spur_store::{Options, Store};
use spur_trace::{Hop, Limits, Record, Ring};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::args::{Args, Command, ConnectionArgs};
use crate::client::Client;
use crate::console::Console;
use crate::environment::Environment;
use crate::error;
use crate::{connect, run};

/// A server and what a test may turn by hand.
pub(super) struct World {
    pub(super) url: String,
    pub(super) client: Client,
    pub(super) runtime: FakeRuntime,
    ring: Arc<Ring>,
    facts_tx: watch::Sender<Map<String, Value>>,
    directory: tempfile::TempDir,
    _stop: DropGuard,
}

/// What a command left behind.
pub(super) struct Said {
    pub(super) exit: u8,
    pub(super) data: String,
    pub(super) talk: String,
}

// === impl World ===

impl World {
    pub(super) async fn start() -> Self {
        let stop = CancellationToken::new();
        let store = Arc::new(Store::in_memory(Options::default()));
        spur_server::bootstrap(&store).await.unwrap();
        let ring = Arc::new(Ring::new(1024));
        let (collector, traces) = spur_trace::collector(vec![ring.clone()], Limits::default());
        tokio::spawn(collector.run(stop.clone()));
        let runtime = FakeRuntime::new();
        let (facts_tx, facts) = watch::channel(Map::new());
        let parts = Parts {
            store,
            runtimes: Runtimes::only(Arc::new(runtime.clone())),
            identity: Arc::new(spur_server::Identity::generate().unwrap()),
            table: Arc::default(),
            traces,
            logs: spur_trace::Logs::default(),
            redaction: std::sync::Arc::default(),
            entry: ([127, 0, 0, 1], 0).into(),
            facts,
            // Nothing routes here, so nobody is to wait for it.
            routes: watch::channel(i64::MAX.unsigned_abs()).1,
            ejected: Arc::new(Vec::new),
            telemetry: Arc::new(|| serde_json::Value::Null),
            draining: stop.clone(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = spur_server::Server::new(parts).acting_as(spur_server::User::admin());
        let service = TowerToHyperService::new(router);
        let listening = spur_net::Listening { tcp: listener, tls: None };
        tokio::spawn(spur_net::serve(listening, service, spur_net::Limits::default(), stop.clone()));
        let directory = tempfile::tempdir().unwrap();
        let connection = ConnectionArgs { server: Some(url.clone()), ..ConnectionArgs::default() };
        let client = connect::connect(&connection, &environment(directory.path())).await.unwrap();
        let world = Self { url, client, runtime, ring, facts_tx, directory, _stop: stop.drop_guard() };
        world.set_fact("entry", "http://127.0.0.1:8080");
        world
    }

    /// A directory for the test's files.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file and gives its path.
    /// A hop, of which these are the fields, as the proxy pushes it.
    pub(super) fn push(&self, fields: &Value) {
        let mut fields = fields.clone();
        fields["joined_by"] = json!("root");
        let hop: Hop = serde_json::from_value(fields).unwrap();
        let id = hop.start.id;
        self.ring.push(Record::Start(hop.start));
        self.ring.push(Record::End(id, hop.end.unwrap()));
    }

    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let path = self.directory().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(super) fn set_fact(&self, name: &str, value: &str) {
        self.facts_tx.send_modify(|facts| {
            facts.insert(name.to_owned(), json!(value));
        });
    }

    pub(super) fn environment(&self) -> Environment {
        environment(self.directory())
    }

    /// Types a command, its words separated by spaces.
    pub(super) async fn run(&self, line: &str) -> Said {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>()).await
    }

    /// Types a command whose words may hold spaces.
    pub(super) async fn run_words(&self, words: &[&str]) -> Said {
        let typed = ["spur", "--server", &self.url].into_iter().chain(words.iter().copied());
        let args = Args::try_parse_from(typed).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let Command::Client(command) = args.command else { panic!("{words:?} is not ours") };
        let (mut console, screen) = Console::captured();
        let result = run::dispatch(&args.connection, command, &self.environment(), &mut console).await;
        let exit = result.unwrap_or_else(|error| error::report(&mut console, &error));
        Said { exit: exit.code(), data: screen.data(), talk: screen.talk() }
    }

    pub(super) async fn post(&self, path: &str, object: &Value) -> Value {
        self.client.send(Method::POST, path, "application/json", object).await.unwrap().value
    }

    /// Writes a status as a controller would.
    pub(super) async fn set_status(&self, path: &str, status: Value) {
        let patch = json!({"status": status});
        let path = format!("{path}/status");
        self.client.send(Method::PATCH, &path, "application/merge-patch+json", &patch).await.unwrap();
    }

    /// The object, as soon as it is there.
    pub(super) async fn appears(&self, path: &str) -> Value {
        let there = async {
            loop {
                if let Ok(object) = self.client.get(path).await {
                    return object;
                }
            }
        };
        let deadline = std::time::Duration::from_secs(30);
        tokio::time::timeout(deadline, there).await.unwrap_or_else(|_| panic!("{path} never appeared"))
    }
}

// === impl Said ===

impl Said {
    /// Everything that was said, with ages made equal.
    pub(super) fn all(&self) -> String {
        let mut all = steady(&self.data);
        for line in self.talk.lines() {
            writeln!(all, "! {line}").unwrap();
        }
        if self.exit != 0 {
            writeln!(all, "exit {}", self.exit).unwrap();
        }
        all
    }
}

/// A table with every age as `0s`; any other text as it is.
fn steady(text: &str) -> String {
    let age_column = text.lines().next().and_then(|header| header.find("AGE"));
    text.split_inclusive('\n')
        .map(|row| age_column.map_or_else(|| row.to_owned(), |at| young(row, at)))
        .collect()
}

/// The row with `0s` in place of the seconds that stand at `at`.
fn young(row: &str, at: usize) -> String {
    let Some((before, rest)) = row.split_at_checked(at) else { return row.to_owned() };
    let age = rest.split_whitespace().next().unwrap_or_default();
    if age.strip_suffix('s').is_none_or(|seconds| seconds.parse::<u32>().is_err()) {
        return row.to_owned();
    }
    // The column is as wide as its header, so that what follows stays where it is.
    let after = &rest[age.len()..];
    let pad = if after.trim().is_empty() { 0 } else { age.len() - "0s".len() };
    format!("{before}0s{:pad$}{after}", "")
}

#[test]
fn ages_are_made_equal_and_nothing_else() {
    let shown = "NAME  AGE   LABELS\na     12s   x=1s\nb     3s    x=2s\n";
    assert_eq!(steady(shown), "NAME  AGE   LABELS\na     0s    x=1s\nb     0s    x=2s\n");
    assert_eq!(steady("NAME  AGE\na     12s\n"), "NAME  AGE\na     0s\n");
    assert_eq!(steady("took 12s\n"), "took 12s\n");
}

fn environment(directory: &Path) -> Environment {
    Environment {
        executable: directory.join("spur"),
        kubeconfig: None,
        default_kubeconfig: directory.join("kubeconfig"),
        temp_dir: directory.to_owned(),
        state_dir: directory.to_owned(),
        is_ascii: false,
        wants_colour: false,
        is_stdin_terminal: false,
        is_stdout_terminal: false,
        is_stderr_terminal: false,
    }
}
