//! The proxies: started with one worker on their core, asked once, and ended.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certificate;
use crate::configs::{self, Work};
use crate::process::{Running, on_proxy_core};
use crate::spur_rules;
use crate::tools::Tools;

/// How long a proxy may take to listen: Envoy needs seconds for 10,000 routes.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Spur,
    /// It records no hops.
    Untraced,
    /// Another build of it.
    Before,
    Nginx,
    Haproxy,
    Envoy,
    Relay,
}

/// A proxy that listens.
pub(crate) struct Proxy {
    pub(crate) process: Running,
    pub(crate) address: SocketAddr,
    /// Its configuration.
    pub(crate) dir: TempDir,
}

// === impl Peer ===

impl Peer {
    /// In the order in which they take turns.
    pub(crate) const ALL: [Self; 7] =
        [Self::Spur, Self::Untraced, Self::Before, Self::Nginx, Self::Haproxy, Self::Envoy, Self::Relay];

    /// As it stands in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spur => "Spur",
            Self::Untraced => "Spur, tracing off",
            Self::Before => "Spur, other build",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::Relay => "TCP relay",
        }
    }

    /// Starts it for `work` and waits until it listens.
    pub(crate) fn start(self, tools: &Tools, work: &Work) -> Proxy {
        let dir = tempfile::tempdir().unwrap();
        if work.is_tls {
            certificate::write(dir.path());
        }
        let (process, address) = match self {
            Self::Spur => spur(Path::new(env!("CARGO_BIN_EXE_spur")), work, (dir.path(), &[])),
            Self::Untraced => {
                let off = ["--tracing", "off"];
                spur(Path::new(env!("CARGO_BIN_EXE_spur")), work, (dir.path(), &off))
            }
            Self::Before => spur(tools.before.as_ref().expect("there is one"), work, (dir.path(), &[])),
            Self::Relay => {
                let program = std::env::current_exe().unwrap();
                let mut command = on_proxy_core(program.to_str().unwrap());
                command.args(["relay", &work.upstream.to_string()]);
                let mut process = Running::start(command.stdout(Stdio::piped()));
                let address = first_line(&mut process).trim().parse().unwrap();
                (process, address)
            }
            Self::Nginx | Self::Haproxy | Self::Envoy => {
                let address = free_address();
                (self.start_with_file(tools, work, (dir.path(), address)), address)
            }
        };
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "{} listens in time", self.name());
            std::thread::sleep(Duration::from_millis(20));
        }
        Proxy { process, address, dir }
    }

    fn start_with_file(self, tools: &Tools, work: &Work, (dir, address): (&Path, SocketAddr)) -> Running {
        let port = address.port();
        let file = dir.join("config");
        let (program, text, args) = match self {
            Self::Nginx => (&tools.nginx, configs::nginx(work, port), vec!["-p", "./", "-c", "config"]),
            Self::Haproxy => {
                let map = dir.join("map");
                std::fs::write(&map, configs::haproxy_map(work)).unwrap();
                (
                    &tools.haproxy,
                    configs::haproxy(work, port, map.to_str().unwrap()),
                    vec!["-db", "-f", "config"],
                )
            }
            Self::Envoy => {
                let text = configs::envoy(work, port).to_string();
                let args = "--concurrency 1 -l off --disable-hot-restart -c config.yaml".split(' ').collect();
                std::fs::write(dir.join("config.yaml"), &text).unwrap();
                (&tools.envoy, text, args)
            }
            Self::Spur | Self::Untraced | Self::Before | Self::Relay => {
                unreachable!("they are started otherwise")
            }
        };
        std::fs::write(file, text).unwrap();
        let program = program.as_ref().expect("only what is installed takes part");
        let mut command = on_proxy_core(program.to_str().unwrap());
        Running::start(command.args(args).current_dir(dir).stdout(Stdio::null()))
    }
}

fn spur(program: &Path, work: &Work, (dir, flags): (&Path, &[&str])) -> (Running, SocketAddr) {
    let mut texts = spur_rules::rules(work);
    let gateway = work.is_tls.then(free_address);
    texts.extend(gateway.map(|address| spur_rules::https_gateway(address.port(), dir)));
    for (nth, text) in texts.into_iter().enumerate() {
        std::fs::write(dir.join(format!("rules-{nth}.yaml")), text).unwrap();
    }
    let mut command = on_proxy_core(program.to_str().unwrap());
    command
        .args(["proxy", "--listen", "127.0.0.1:0", "--workers", "1", "-o", "json", "-f"])
        .arg(dir)
        .args(flags);
    let mut process = Running::start(command.stdout(Stdio::piped()));
    let ready: serde_json::Value = serde_json::from_str(&first_line(&mut process)).unwrap();
    let entry = ready["entry"].as_str().unwrap().trim_start_matches("http://").parse().unwrap();
    (process, gateway.unwrap_or(entry))
}

fn first_line(process: &mut Running) -> String {
    let mut line = String::new();
    BufReader::new(process.stdout()).read_line(&mut line).unwrap();
    line
}

/// Somebody may take it before the proxy does; then the proxy does not start, and the bench says so.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
