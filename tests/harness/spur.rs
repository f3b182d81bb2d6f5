//! One `spur up` of a test's own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::api::Api;
use super::command::{self, Output};
use super::http::Site;
use super::processes;
use super::until::{DEADLINE, until};

/// From SIGTERM to the end: pods get 5 s, requests 5 s.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// Lines of the log that a failing test shows.
const TAIL_LINES: usize = 40;

/// How a Spur is to be started.
#[derive(Debug)]
pub(crate) struct Builder {
    data: Data,
    files: Vec<PathBuf>,
    environment: Vec<(String, String)>,
    /// A command that runs it, with its arguments; empty where none does.
    under: Vec<String>,
    flags: Vec<String>,
}

/// A data directory; it outlives the servers on it.
#[derive(Clone, Debug)]
pub(crate) struct Data(Arc<TempDir>);

/// A Spur that runs.
pub(crate) struct Spur {
    child: Child,
    /// Its end is Spur's, should this test be killed.
    _stdin: ChildStdin,
    ready: Value,
    data: Data,
    ended: bool,
}

// === impl Data ===

impl Data {
    pub(crate) fn new() -> Self {
        Self(Arc::new(tempfile::Builder::new().prefix("spur-e2e-").tempdir().unwrap()))
    }

    /// Where Spur keeps its own.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Around it: home, temporary files and logs.
    pub(crate) fn home(&self) -> &Path {
        self.0.path()
    }

    /// A file of the test's own.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).unwrap();
        }
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Another directory with the same in it, down to owners and modes.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        let copied = Command::new("cp").arg("-a").arg(self.path()).arg(copy.path()).status();
        assert!(copied.unwrap().success(), "cp -a");
        copy
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("stderr")
    }

    /// What the server said to people.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log()).unwrap_or_default()).into_owned()
    }

    fn print_tail(&self) {
        let log = self.stderr();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        eprintln!("--- the end of spur's log\n{tail}\n---");
    }
}

// === impl Builder ===

impl Builder {
    /// Applies files of the project, or a test's own, before it is ready.
    pub(crate) fn with(mut self, path: impl AsRef<Path>) -> Self {
        self.files.push(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
        self
    }

    /// On the data of an earlier one.
    pub(crate) fn on(mut self, data: &Data) -> Self {
        self.data = data.clone();
        self
    }

    /// With one more variable in its environment.
    #[allow(dead_code, reason = "not every test binary has one to set")]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With more flags of `spur up`.
    #[allow(dead_code, reason = "not every test binary has one to give")]
    pub(crate) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Started by a command that becomes it, so that their process is one.
    pub(crate) fn under(mut self, command: &[&str]) -> Self {
        self.under = command.iter().map(|part| (*part).to_owned()).collect();
        self
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(self) -> impl Future<Output = Spur> {
        let place = std::panic::Location::caller();
        async move { self.try_start().await.unwrap_or_else(|error| panic!("{place}: {error}")) }
    }

    /// Starts it, where it can, and waits until it is ready.
    pub(crate) async fn try_start(self) -> Result<Spur, String> {
        tokio::task::spawn_blocking(move || self.start_blocking()).await.unwrap()
    }

    fn start_blocking(self) -> Result<Spur, String> {
        let Self { data, files, environment, under, flags } = self;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(data.log()).unwrap();
        let binary = env!("CARGO_BIN_EXE_spur").to_owned();
        let mut program = under.into_iter().chain([binary]);
        let mut command = Command::new(program.next().expect("there is the binary at least"));
        command.args(program).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", data.home()).env("TMPDIR", data.home()).env("SPUR_LOG", "warn");
        // What no pod may inherit.
        command.env("SPUR_E2E_PRIVATE", "of the developer's shell");
        command.envs(environment);
        command.args([
            "up",
            "-o",
            "json",
            "--port",
            "0",
            "--entry-port",
            "0",
            "--no-ui",
            "--until-stdin-ends",
        ]);
        // An engine on this machine changes nothing for who does not ask for it.
        if !flags.iter().any(|flag| flag == "--runtime") {
            command.args(["--runtime", "process"]);
        }
        command.arg("--data").arg(data.path()).args(flags);
        for file in files {
            command.arg("-f").arg(file);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let mut spur = Spur { child, _stdin: stdin, ready: Value::Null, data, ended: false };
        match lines.recv_timeout(DEADLINE) {
            Ok(line) => spur.ready = serde_json::from_str(&line).map_err(|e| format!("`{line}`: {e}"))?,
            Err(error) => return Err(format!("no line from `spur up`: {error}; {}", spur.data.stderr())),
        }
        Ok(spur)
    }
}

/// The lines of a pipe; it is read to its end, so that nobody writes into a closed one.
fn lines_of(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (lines_tx, lines_rx) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _nobody_listens_any_more = lines_tx.send(line);
        }
    });
    lines_rx
}

// === impl Spur ===

impl Spur {
    /// A Spur with its own directory and free ports.
    pub(crate) fn up() -> Builder {
        Builder {
            data: Data::new(),
            files: Vec::new(),
            environment: Vec::new(),
            under: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// The demo's shop, ready.
    pub(crate) async fn shop() -> Self {
        Self::shop_with(&[]).await
    }

    /// The same with these flags.
    pub(crate) async fn shop_with(flags: &[&str]) -> Self {
        let mut builder = Self::up().flags(flags);
        for service in SHOP {
            builder = builder.with(format!("fixtures/demo/{service}.yaml"));
        }
        let spur = builder.start().await;
        for service in SHOP {
            spur.until_routed(service).await;
        }
        spur
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The line it printed when it was ready.
    pub(crate) fn ready_line(&self) -> &Value {
        &self.ready
    }

    pub(crate) fn data(&self) -> &Data {
        &self.data
    }

    pub(crate) fn api(&self) -> Api {
        Api::at(self.kubeconfig())
    }

    pub(crate) fn kubeconfig(&self) -> &str {
        self.text("kubeconfig")
    }

    pub(crate) fn entry(&self) -> Site {
        Site::of(self.text("entry"))
    }

    /// A Service of `default` under its name on the entry.
    pub(crate) fn service(&self, name: &str) -> Site {
        self.host(&format!("{name}.default.localhost"))
    }

    /// A Service as a sandbox sees it.
    pub(crate) fn preview(&self, sandbox: &str, service: &str) -> Site {
        self.host(&format!("{sandbox}--{service}.default.localhost"))
    }

    /// A host on the entry.
    pub(crate) fn host(&self, host: &str) -> Site {
        let entry = self.entry();
        let port = entry.address.rsplit_once(':').unwrap().1;
        Site { host: format!("{host}:{port}"), ..entry.clone() }
    }

    /// A command, told of this Spur by `KUBECONFIG`.
    pub(crate) fn command(&self, args: &[&str]) -> tokio::process::Command {
        let mut command = command::spur(self.data.home());
        command.env("KUBECONFIG", self.kubeconfig()).args(args);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        command::run(self.command(args)).await
    }

    /// Waits until a Service answers by its pods.
    pub(crate) async fn until_routed(&self, service: &str) {
        until(&format!("{service} is routed"), async || {
            match self.service(service).get("/health").try_send().await {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(format!("{} {}", answer.status, answer.text())),
                Err(error) => Err(error),
            }
        })
        .await;
    }

    /// The first line of a command's data that contains `part`; the command is run until there is one.
    pub(crate) async fn until_line(&self, args: &[&str], part: &str) -> String {
        until(&format!("`{part}` is in a line"), async || {
            let output = self.run(args).await.ok();
            let found = output.stdout.lines().find(|line| line.contains(part)).map(str::to_owned);
            found.ok_or(output.stdout)
        })
        .await
    }

    /// Every process of its pods.
    pub(crate) fn processes(&self) -> Vec<processes::Process> {
        processes::of_pods(&self.data.path())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Ends it as a user does; it exits with 0 and leaves nothing behind.
    pub(crate) async fn end(mut self) -> Data {
        self.signal(Signal::TERM);
        let status = self.wait().await;
        let log = self.data.stderr();
        assert_eq!(status.code(), Some(0), "spur's exit code; its log:\n{log}");
        assert!(!log.contains("panicked at"), "spur's log:\n{log}");
        assert_eq!(processes::of_pods(&self.data.path()), [], "processes that are left");
        self.data.clone()
    }

    /// Kills it as the machine's end would: nothing of its own code runs.
    pub(crate) async fn kill(mut self) -> Data {
        self.signal(Signal::KILL);
        self.wait().await;
        self.data.clone()
    }

    /// Waits for its end, which something else brings about.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let ended = until("spur has ended", async || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err("it still runs"),
        });
        let status = tokio::time::timeout(ENDS_WITHIN, ended).await;
        let status = status.unwrap_or_else(|_| panic!("spur still runs after {ENDS_WITHIN:?}"));
        self.ended = true;
        status
    }

    fn text(&self, field: &str) -> &str {
        self.ready[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {}", self.ready))
    }
}

impl Drop for Spur {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.data.print_tail();
        }
        if self.ended || !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        self.signal(Signal::TERM);
        // A test that failed still ends its pods; one that hangs is killed.
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        let (ended_tx, ended_rx) = channel::<()>();
        std::thread::spawn(move || {
            if ended_rx.recv_timeout(ENDS_WITHIN).is_err() {
                let _gone_already = kill_process(pid, Signal::KILL);
            }
        });
        let _status = self.child.wait();
        let _watcher_gone = ended_tx.send(());
    }
}

/// The services of the demo's shop.
pub(crate) const SHOP: [&str; 5] = ["checkout", "frontend", "inventory", "pricing", "recommendation"];
