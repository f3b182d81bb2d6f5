//! A network namespace with a holder in it, and neighbours that live there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use spur_holder::{Holder, Interface};
use tempfile::TempDir;

/// Far above what anything here takes, so that only a fault reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A new namespace of users, in which the caller is root, and one of the network.
const UNSHARE: [&str; 4] = ["unshare", "--user", "--map-root-user", "--net"];

/// Why there are no namespaces here; `None` where there are.
pub(crate) fn why_not() -> Option<String> {
    let tried = Command::new(UNSHARE[0]).args(&UNSHARE[1..]).args(["--pid", "--fork", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("`unshare` cannot be started: {error}")),
    }
}

/// Looks until it is so, at most [`LONG`].
pub(crate) async fn wait_for(what: &str, is_so: impl AsyncFn() -> bool) {
    let look = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = tokio::time::timeout(LONG, look).await;
    assert!(done.is_ok(), "waited {LONG:?} for {what}");
}

pub(crate) fn this_test() -> PathBuf {
    std::env::current_exe().unwrap()
}

pub(crate) struct World {
    folder: TempDir,
    program: Child,
}

impl World {
    /// The holder in a namespace with nothing but `lo`.
    pub(crate) fn new() -> Self {
        Self::start(&[], "be-a-holder")
    }

    /// This test as something else, in namespaces that are its own.
    pub(crate) fn start(more: &[&str], what: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { program: started(more, what, &socket(&folder)), folder }
    }

    /// Another holder, in another namespace, at the path of one that was killed.
    pub(crate) fn start_again(&mut self) {
        self.program = started(&[], "be-a-holder", &self.path());
    }

    pub(crate) fn path(&self) -> PathBuf {
        socket(&self.folder)
    }

    pub(crate) async fn connect(&self) -> Holder {
        connect(&self.path()).await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.id()
    }

    /// A process in the namespace that connects to an address, says `hello` and hears the answer.
    pub(crate) fn neighbour(&self, address: SocketAddrV4) -> Neighbour {
        let mut command = Command::new("nsenter");
        command.args(["--preserve-credentials", "--user", "--net", "--target", &self.pid().to_string()]);
        command.arg(this_test()).arg("be-a-neighbour").arg(address.to_string());
        Neighbour::start(command)
    }

    pub(crate) fn kill(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }

    /// Whether it ended by itself.
    pub(crate) async fn ends(&mut self) -> bool {
        let program = std::sync::Mutex::new(&mut self.program);
        wait_for("its end", async || program.lock().unwrap().try_wait().unwrap().is_some()).await;
        self.program.wait().unwrap().success()
    }
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("holder.sock")
}

fn started(more: &[&str], what: &str, path: &Path) -> Child {
    let mut program = Command::new(UNSHARE[0]);
    program.args(&UNSHARE[1..]).args(more).arg(this_test()).arg(what).arg(path);
    program.spawn().unwrap()
}

impl Drop for World {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

pub(crate) async fn connect(path: &Path) -> Holder {
    Holder::connect_within(path, Interface::Named("lo".to_owned()), LONG).await.unwrap()
}

/// Another process of this test, line by line.
pub(crate) struct Neighbour {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Neighbour {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says its own address once it is connected, then what it was answered.
pub(crate) fn be_a_neighbour(address: &str) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    say(&stream.local_addr().unwrap().to_string());
    stream.write_all(b"hello").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    say(&answer);
}

pub(crate) fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

/// Accepts one connection, hears `hello`, answers, and gives the caller's address.
pub(crate) async fn accept(listener: std::net::TcpListener, answer: &str) -> SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let accepted = async {
        let (mut stream, caller) = listener.accept().await.unwrap();
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        stream.write_all(answer.as_bytes()).await.unwrap();
        caller
    };
    tokio::time::timeout(LONG, accepted).await.expect("somebody connects")
}

pub(crate) fn at(last: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 213, 4, last), port)
}
