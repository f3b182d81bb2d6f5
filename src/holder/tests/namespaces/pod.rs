//! The networks of pods of processes, which this test makes by starting itself again.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use spur_holder::{Entrance, Holder, Interface, Pod, PodCommand, Shown};
use tokio::io::AsyncReadExt;

use super::world::{LONG, Neighbour, accept, this_test, wait_for};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 211, 0, 2);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 211, 0, 1);
const SERVICE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 96, 0, 5), 8080);

/// This test as the program that Spur starts.
pub(crate) fn be_a_pod(args: &[String]) -> i32 {
    let ended = spur_holder::run_pod(args.iter().map(Into::into));
    i32::from(ended != std::process::ExitCode::SUCCESS)
}

fn command(what: &PodCommand) -> Command {
    let mut command = Command::new(this_test());
    command.args(what.args());
    command
}

struct World {
    process: Process,
    holder: Holder,
    descriptor: i32,
}

impl World {
    async fn new() -> Self {
        let pod = Pod { address: ADDRESS, host: HOST, services: vec![(Ipv4Addr::new(10, 96, 0, 0), 16)] };
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut starting = command(&PodCommand::Hold(pod));
        starting.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped());
        let mut process = Process(starting.spawn().unwrap());
        // It keeps the other end, which has to end with the process.
        drop(starting);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let interface = Interface::Named(spur_holder::INTERFACE.to_owned());
        let holder = Holder::over(ours, interface).await.unwrap();
        Self { process, holder, descriptor: line.trim().parse().unwrap() }
    }

    fn enter(&self, shown: Vec<Shown>, words: &[&str]) -> Command {
        let path = which(words[0]).into_os_string();
        let entrance = Entrance { pid: self.process.0.id(), descriptor: self.descriptor, shown };
        let words = words.iter().map(Into::into).collect();
        command(&PodCommand::Enter { entrance, path, words })
    }

    fn output(&self, shown: Vec<Shown>, words: &[&str]) -> String {
        let output = self.enter(shown, words).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap().trim().to_owned()
    }

    /// A process in the pod's network that connects, says `hello` and hears the answer.
    fn neighbour(&self, address: SocketAddrV4) -> Neighbour {
        let this = this_test();
        Neighbour::start(
            self.enter(Vec::new(), &[this.to_str().unwrap(), "be-a-neighbour", &address.to_string()]),
        )
    }
}

/// Ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn which(program: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap();
    let mut all = path.split(':').map(|dir| PathBuf::from(dir).join(program));
    all.find(|path| path.exists()).unwrap()
}

/// Says that it listens, answers `inside` to one connection, and who it came from.
pub(crate) fn be_a_server(address: &str) {
    use std::io::Write;
    let listener = std::net::TcpListener::bind(address).unwrap();
    super::world::say("listens");
    let (mut stream, caller) = listener.accept().unwrap();
    stream.write_all(b"inside").unwrap();
    super::world::say(&caller.ip().to_string());
}

pub(crate) async fn same_port() {
    let world = World::new().await;
    let listener = world.holder.listen("http", SERVICE).await.unwrap();
    let this = this_test();
    // Every address, and a port that is both the Service's and below those that everybody may have.
    for port in [8080, 80] {
        let bound = format!("0.0.0.0:{port}");
        let mut server =
            Neighbour::start(world.enter(Vec::new(), &[this.to_str().unwrap(), "be-a-server", &bound]));
        assert_eq!(server.line(), "listens");
        let mut stream = world.holder.dial(SocketAddrV4::new(ADDRESS, port), LONG).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!((answer.as_str(), server.line()), ("inside", HOST.to_string()));
    }
    let mut neighbour = world.neighbour(SERVICE);
    let caller = accept(listener, "a service").await;
    assert_eq!(caller.ip(), ADDRESS);
    assert_eq!(neighbour.line(), caller.to_string());
    assert_eq!(neighbour.line(), "a service");
}

pub(crate) async fn entered() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "10.96.0.5 cart\n").unwrap();
    let shown =
        |is_read_only| vec![Shown { source: hosts.clone(), target: "/etc/hosts".into(), is_read_only }];
    let outside = std::fs::read_to_string("/etc/hosts").unwrap();
    assert_eq!(world.output(shown(false), &["cat", "/etc/hosts"]), "10.96.0.5 cart");
    assert_eq!(world.output(Vec::new(), &["cat", "/etc/hosts"]), outside.trim());
    // Written where it is, as Spur does it.
    std::fs::write(&hosts, "10.96.0.6 cart\n").unwrap();
    assert_eq!(world.output(shown(true), &["cat", "/etc/hosts"]), "10.96.0.6 cart");
    let written = world.output(shown(true), &["sh", "-c", "echo x >> /etc/hosts || echo not written"]);
    assert!(written.contains("not written"), "{written}");
    assert_eq!(std::fs::read_to_string("/etc/hosts").unwrap(), outside);
    let ours = Command::new("id").arg("-u").output().unwrap().stdout;
    assert_eq!(world.output(shown(false), &["id", "-u"]), String::from_utf8(ours).unwrap().trim());
    let mut command = world.enter(shown(false), &["sh", "-c", "pwd; echo $MARK"]);
    let output = command.current_dir(folder.path()).env("MARK", "kept").output().unwrap();
    let dir = folder.path().canonicalize().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\nkept\n", dir.display()));
}

pub(crate) async fn alone() {
    let world = World::new().await;
    let other = World::new().await;
    let server = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let inside = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        // This machine's own loopback, the world, and a pod with the same address as its own.
        for address in ["127.0.0.1", "192.0.2.1"] {
            let words = ["bash", "-c", &format!("exec 3<>/dev/tcp/{address}/{port}")];
            found.push(world.output(Vec::new(), &words));
        }
        (world, found)
    });
    let (world, found) = inside.await.unwrap();
    assert!(found[0].contains("Connection refused"), "{found:?}");
    assert!(found[1].contains("Network is unreachable"), "{found:?}");
    // Two pods with one address are two pods.
    let this = this_test();
    let mut server =
        Neighbour::start(other.enter(Vec::new(), &[this.to_str().unwrap(), "be-a-server", "0.0.0.0:80"]));
    assert_eq!(server.line(), "listens");
    let place = SocketAddrV4::new(ADDRESS, 80);
    let found = world.holder.dial(place, LONG).await.unwrap_err();
    assert_eq!(found.to_string(), format!("cannot connect to `{place}`"));
    let mut answer = String::new();
    other.holder.dial(place, LONG).await.unwrap().read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "inside");
}

pub(crate) async fn ends() {
    let World { process, holder, .. } = World::new().await;
    drop(holder);
    let process = std::sync::Mutex::new(process);
    wait_for("its end", async || process.lock().unwrap().0.try_wait().unwrap().is_some()).await;
    assert!(process.lock().unwrap().0.wait().unwrap().success());
}

pub(crate) async fn mistaken() {
    let world = World::new().await;
    let nowhere = vec![Shown { source: "/none".into(), target: "/etc/hosts".into(), is_read_only: false }];
    let found = world.output(nowhere, &["true"]);
    assert_eq!(found, "spur: failed to show `/none` as `/etc/hosts`: no such file or directory (ENOENT)");
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/none/at/all\n").unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, permissions).unwrap();
    let output = world.enter(Vec::new(), &[script.to_str().unwrap()]).output().unwrap();
    let found = String::from_utf8(output.stderr).unwrap();
    assert!(found.starts_with(&format!("spur: failed to start `{}`: ", script.display())), "{found}");
    let gone = Entrance { pid: world.process.0.id(), descriptor: 0, shown: Vec::new() };
    let command = PodCommand::Enter { entrance: gone, path: "/bin/true".into(), words: Vec::new() };
    let output = Command::new(this_test()).args(command.args()).output().unwrap();
    assert!(!output.status.success());
}

pub(crate) async fn refused() {
    let pod = Pod { address: ADDRESS, host: HOST, services: Vec::new() };
    let tried = command(&PodCommand::Try(pod.clone())).output().unwrap();
    assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stderr));
    // In a namespace of users that may have none below it.
    let mut forbidding = Command::new("unshare");
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"";
    forbidding.args(["--user", "--map-root-user", "--net", "sh", "-c", script, "sh"]);
    forbidding.arg(this_test()).args(PodCommand::Try(pod).args());
    let mut process = forbidding.stderr(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    process.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(!process.wait().unwrap().success());
    assert_eq!(text, "make a user namespace: no space left on device (ENOSPC)\n");
}
