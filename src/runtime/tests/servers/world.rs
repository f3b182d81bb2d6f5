//! A place for a server, its process, and what is seen while it starts.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process, kill_process_group};
use spur_net::Dial;
use spur_runtime::ports::{PortAllocator, ReservedPort};
use spur_runtime::probe::{ProbeResult, Protocol, speaks};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// Far above what any of these takes to start on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// As often a server is looked at while it starts.
const PAUSE: Duration = Duration::from_millis(5);

/// Who ends by itself at all does so in this time.
const GRACE: Duration = Duration::from_secs(20);

/// What stands for root, as whom PostgreSQL and MariaDB refuse to run.
const NOBODY: &str = "nobody";

const PROGRAMS: [&str; 12] = [
    "redis-server",
    "redis-cli",
    "psql",
    "mariadbd",
    "mariadb-install-db",
    "mariadb",
    "epmd",
    "amqp-declare-queue",
    "nats-server",
    "kcat",
    "setpriv",
    RABBITMQ,
];

/// Debian's own script in front of it would run it as another user.
pub(crate) const RABBITMQ: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A directory that belongs to whoever runs the server.
pub(crate) struct Place {
    dir: TempDir,
}

/// A process group that ends with this.
pub(crate) struct Server {
    child: Child,
    pub(crate) started: Instant,
}

/// What was seen of a server until it was ready.
pub(crate) struct Seen {
    pub(crate) failures: Vec<String>,
    pub(crate) words: String,
}

/// Why none of the tests can run.
pub(crate) fn why_not() -> Option<String> {
    let absent: Vec<&str> = PROGRAMS.into_iter().filter(|name| find(name).is_none()).collect();
    match (absent.is_empty(), postgres_dir()) {
        (true, Some(_)) => None,
        (true, None) => Some("there is no PostgreSQL under /usr/lib/postgresql".to_owned()),
        (false, _) => Some(format!("there is no {}", absent.join(", "))),
    }
}

/// Debian keeps each version's programs in a directory of its own.
pub(crate) fn postgres_dir() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let dirs = versions.flatten().map(|version| version.path().join("bin"));
    dirs.filter(|dir| dir.join("initdb").exists()).max()
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let dirs = path.split(':').chain(["/usr/sbin", "/sbin"]);
    dirs.map(|dir| Path::new(dir).join(name)).find(|file| file.exists())
}

/// A port that nobody else gets as long as it is kept.
pub(crate) fn port() -> ReservedPort {
    PortAllocator::per_user(&std::env::temp_dir()).unwrap().allocate().unwrap()
}

/// A program of [`PROGRAMS`], as somebody who is not root.
pub(crate) fn command(name: impl AsRef<Path>) -> Command {
    let name = name.as_ref();
    let program = name.to_str().and_then(find).unwrap_or_else(|| name.to_owned());
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", "nogroup", "--clear-groups", "--"]).arg(program);
    command
}

/// A client's whole run; its output.
///
/// # Panics
/// It fails.
pub(crate) async fn output(mut command: Command) -> String {
    let text = format!("{command:?}");
    let done = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output()).await;
    let output = done.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Watches a server from its start until the probe says that it is ready, and has its own
/// client then ask once. The times are printed.
pub(crate) async fn is_ready(
    protocol: Protocol,
    port: u16,
    server: &Server,
    client: Command,
) -> (Seen, String) {
    let mut connected = None;
    let mut failures: Vec<String> = Vec::new();
    loop {
        let target = SocketAddr::from(([127, 0, 0, 1], port));
        if connected.is_none() && TcpStream::connect(target).await.is_ok() {
            connected = Some(server.started.elapsed());
        }
        match ask(protocol, port).await {
            ProbeResult::Success(words) => {
                let ready = server.started.elapsed();
                let answer = output(client).await;
                let answered = server.started.elapsed();
                let n_failures = failures.len();
                eprintln!(
                    "{protocol}: TCP connected after {connected:?}, ready after {ready:?} ({words}; before that {n_failures} answers: {failures:?}), its client's first query was answered after {answered:?}"
                );
                return (Seen { failures, words }, answer);
            }
            ProbeResult::Failure(why) => {
                if failures.last() != Some(&why) {
                    failures.push(why);
                }
            }
        }
        assert!(server.started.elapsed() < LONG, "{protocol} is not ready: {failures:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks until the answer is so.
pub(crate) async fn until(
    (protocol, port): (Protocol, u16),
    server: &Server,
    is_so: impl Fn(&ProbeResult) -> bool,
) -> ProbeResult {
    loop {
        let found = ask(protocol, port).await;
        if is_so(&found) {
            return found;
        }
        assert!(server.started.elapsed() < LONG, "it still says {found:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

pub(crate) async fn ask(protocol: Protocol, port: u16) -> ProbeResult {
    speaks(&Dial::default(), protocol, ("127.0.0.1", port), Duration::from_secs(5)).await
}

// === impl Place ===

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        place.own(place.dir.path());
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// An empty file.
    pub(crate) fn touch(&self, name: &str) {
        File::create(self.path(name)).unwrap();
        self.own(&self.path(name));
    }

    /// Starts a server here; what it says goes to a file beside its data.
    pub(crate) fn start(&self, mut command: Command) -> Server {
        let log = File::create(self.path("log")).unwrap();
        let child = command
            .env("HOME", self.dir.path())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        Server { child, started: Instant::now() }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn own(&self, path: &Path) {
        if geteuid().is_root() {
            let of = |database: &str| {
                let entries = std::fs::read_to_string(database).unwrap();
                let entry =
                    entries.lines().find(|line| line.starts_with("nobody:") || line.starts_with("nogroup:"));
                entry.unwrap().split(':').nth(2).unwrap().parse().unwrap()
            };
            chown(path, Some(of("/etc/passwd")), Some(of("/etc/group"))).unwrap();
        }
    }
}

// === impl Server ===

impl Server {
    /// Has it end at once without cleaning up (SIGQUIT, as `pg_ctl stop -m immediate`).
    pub(crate) fn abort(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::QUIT).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    /// Ends the group: asks first, and kills what does not end.
    fn drop(&mut self) {
        // One that has ended and was waited for is nobody's any more.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let group = Pid::from_child(&self.child);
        let _ = kill_process_group(group, Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(PAUSE);
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}
