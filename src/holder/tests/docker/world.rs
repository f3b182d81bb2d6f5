//! A container network of a test's own with a holder and neighbours in it, all of which go with it.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use spur_holder::{Holder, Image, Interface};
use tempfile::TempDir;

/// Far above what anything here takes, so that only a fault reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Debian's `busybox-static`.
const BUSYBOX: &str = "/bin/busybox";

/// The holder's image, made by the first that wants it.
static HOLDER: LazyLock<String> = LazyLock::new(|| {
    let image = Image::of(&std::env::current_exe().unwrap()).unwrap();
    let entry = format!("ENTRYPOINT [\"{}\", \"{}\"]", Image::ENTRYPOINT[0], Image::ENTRYPOINT[1]);
    import(&image.name(), &["--change", &entry], |to| image.write(to).unwrap());
    image.name()
});

/// The neighbours'.
static NEIGHBOUR: LazyLock<String> = LazyLock::new(|| {
    let name = "spur-test/busybox:holder".to_owned();
    import(&name, &[], |to| {
        let mut archive = tar::Builder::new(to);
        archive.append_path_with_name(BUSYBOX, "bin/busybox").unwrap();
        for link in ["bin/sh", "bin/nc", "bin/echo"] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_mode(0o777);
            archive.append_link(&mut header, link, "busybox").unwrap();
        }
        archive.into_inner().unwrap();
    });
    name
});

/// Subnets of the tests of this process.
static N_WORLDS: AtomicU32 = AtomicU32::new(0);

/// Why there can be no containers here; `None` where there can.
pub(crate) fn why_not() -> Option<String> {
    if !Path::new(BUSYBOX).is_file() {
        return Some(format!("`{BUSYBOX}` is not installed (Debian's busybox-static)"));
    }
    match Command::new("docker").arg("version").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("the Docker CLI cannot be started: {error}")),
    }
}

/// What the Docker CLI prints.
pub(crate) fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn import(name: &str, options: &[&str], write: impl FnOnce(std::process::ChildStdin)) {
    let mut docker = Command::new("docker");
    docker.arg("import").args(options).args(["-", name]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut docker = docker.spawn().unwrap();
    write(docker.stdin.take().unwrap());
    assert!(docker.wait().unwrap().success());
}

pub(crate) struct World {
    folder: TempDir,
    prefix: String,
    base: Ipv4Addr,
}

/// A container that runs a script.
pub(crate) struct Neighbour {
    id: String,
    pub(crate) address: IpAddr,
}

impl World {
    pub(crate) fn new() -> Self {
        let nth = N_WORLDS.fetch_add(1, Ordering::Relaxed);
        let base = Ipv4Addr::new(10, 214, 77 + u8::try_from(nth).unwrap(), 0);
        let prefix = format!("spur-holder-{}-{nth}", std::process::id());
        let world = Self { folder: tempfile::tempdir().unwrap(), prefix, base };
        docker(&["network", "create", "--subnet", &format!("{base}/24"), &world.prefix]);
        world
    }

    pub(crate) fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.prefix)
    }

    /// An address of the network, above those that the engine gives away first.
    pub(crate) fn at(&self, nth: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::from_bits(self.base.to_bits() + 100 + u32::from(nth)), port)
    }

    /// A new container that may change addresses, and nothing else.
    /// The engine makes its hardware address of its own address, the `nth`.
    pub(crate) async fn holder(&self, what: &str, nth: u8) -> Holder {
        let address = Ipv4Addr::from_bits(self.base.to_bits() + u32::from(nth)).to_string();
        let mount = format!("{}:/run/spur", self.folder.path().display());
        let name = self.name(what);
        let run = ["run", "--detach", "--name", &name, "--network", &self.prefix, "--volume", &mount];
        let rights = ["--ip", &address, "--read-only", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN"];
        docker(&[&run[..], &rights, &[&HOLDER, "/run/spur/holder.sock"]].concat());
        self.connect().await
    }

    pub(crate) async fn connect(&self) -> Holder {
        let interface = Interface::Of { address: self.base, prefix_len: 24 };
        Holder::connect_within(&self.path(), interface, LONG).await.unwrap()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("holder.sock")
    }

    pub(crate) fn address_of(&self, what: &str) -> Ipv4Addr {
        address(&self.name(what)).parse().unwrap()
    }

    /// A container of another's program.
    pub(crate) fn neighbour(&self, script: &str) -> Neighbour {
        self.run(&NEIGHBOUR, &[], &["sh", "-c", script])
    }

    /// A container that sends `hello` to a UDP port and says what it is answered: this test again,
    /// since Debian's busybox has no `nc -u`.
    pub(crate) fn udp_neighbour(&self, address: SocketAddrV4) -> Neighbour {
        let [spur, _] = Image::ENTRYPOINT;
        self.run(&HOLDER, &["--entrypoint", spur], &["be-a-neighbour", &address.to_string()])
    }

    /// A container that does nothing.
    pub(crate) fn idle_neighbour(&self) -> Neighbour {
        self.neighbour("nc -l -p 1")
    }

    fn run(&self, image: &str, options: &[&str], command: &[&str]) -> Neighbour {
        let run = ["run", "--detach", "--network", &self.prefix, "--label", &self.prefix];
        let id = docker(&[&run[..], options, &[image], command].concat());
        Neighbour { address: address(&id).parse().unwrap(), id }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let by_label = docker(&["ps", "-aq", "--filter", &format!("label={}", self.prefix)]);
        let by_name = docker(&["ps", "-aq", "--filter", &format!("name={}", self.prefix)]);
        for id in by_label.lines().chain(by_name.lines()) {
            docker(&["rm", "--force", "--volumes", id]);
        }
        docker(&["network", "rm", &self.prefix]);
    }
}

impl Neighbour {
    /// What a further command in it says.
    pub(crate) async fn ask(&self, script: &str) -> String {
        let mut docker = tokio::process::Command::new("docker");
        let output = docker.args(["exec", &self.id, "sh", "-c", script]).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it has said when it has ended.
    pub(crate) fn said(&self) -> String {
        docker(&["wait", &self.id]);
        docker(&["logs", &self.id])
    }
}

/// Of a container that runs: who has ended has none any more.
fn address(container: &str) -> String {
    docker(&["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container])
}

/// Sends, and says what it is answered.
pub(crate) fn be_a_neighbour(address: &str) {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket.send(b"hello").unwrap();
    let mut answer = [0; 16];
    let n_bytes = socket.recv(&mut answer).unwrap();
    println!("{}", String::from_utf8_lossy(&answer[..n_bytes]));
}
