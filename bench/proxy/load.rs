//! wrk and h2load, and what they have found.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::spur_rules::SERVICE;
use crate::tools::Tools;

/// The header that all proxies route by.
pub(crate) const KEY_HEADER: &str = "spur-key";

/// Streams of one HTTP/2 connection at once.
const STREAMS: u32 = 10;

/// What wrk prints at the end, in one line; its own latencies end at p99.
const WRK_SCRIPT: &str = r#"
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"#;

/// What is spoken, with the proxy and by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1,
    Http2,
    /// HTTP/2 with a message in each direction and trailers.
    Grpc,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) wire: Wire,
    pub(crate) n_connections: u32,
    pub(crate) path: &'static str,
    /// The key that all requests carry.
    pub(crate) key: usize,
    /// A connection serves one request.
    pub(crate) closes: bool,
    /// Over TLS; the certificate is not looked at.
    pub(crate) is_tls: bool,
    pub(crate) seconds: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answers {
    pub(crate) n_requests: u64,
    pub(crate) n_failed: u64,
    pub(crate) took: Duration,
    /// Median, 99th and 99.9th percentile.
    pub(crate) latencies: [Duration; 3],
}

/// Whether the tool that a wire needs is there.
pub(crate) fn is_possible(tools: &Tools, wire: Wire) -> bool {
    match wire {
        Wire::Http1 => tools.wrk.is_some(),
        Wire::Http2 | Wire::Grpc => tools.h2load.is_some(),
    }
}

/// Runs the load; `dir` is for files.
pub(crate) fn run(tools: &Tools, load: &Load, (address, dir): (SocketAddr, &Path)) -> Answers {
    match load.wire {
        Wire::Http1 => wrk(tools, load, (address, dir)),
        Wire::Http2 | Wire::Grpc => h2load(tools, load, (address, dir)),
    }
}

/// The host by which Spur knows the Service; the others do not look at it.
pub(crate) fn host() -> String {
    format!("{SERVICE}.default.localhost")
}

fn wrk(tools: &Tools, load: &Load, (address, dir): (SocketAddr, &Path)) -> Answers {
    let script = dir.join("done.lua");
    std::fs::write(&script, WRK_SCRIPT).unwrap();
    let mut command = Command::new(tools.wrk.as_ref().unwrap());
    command.args(["-t1", &format!("-c{}", load.n_connections), &format!("-d{}s", load.seconds), "-s"]);
    // In this case: wrk adds a Host unless it finds one so written.
    command.arg(&script).args(["-H", &format!("Host: {}", host())]);
    command.args(["-H", &format!("{KEY_HEADER}: k{}", load.key)]);
    if load.closes {
        command.args(["-H", "connection: close"]);
    }
    let scheme = if load.is_tls { "https" } else { "http" };
    let text = output(command.arg(format!("{scheme}://{address}{}", load.path)));
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT ")).unwrap_or_else(|| panic!("{text}"));
    let all: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
    let [n_requests, took, p50, p99, p999, n_failed] = all[..] else { panic!("{line}") };
    let micros = Duration::from_micros;
    Answers { n_requests, n_failed, took: micros(took), latencies: [p50, p99, p999].map(micros) }
}

fn h2load(tools: &Tools, load: &Load, (address, dir): (SocketAddr, &Path)) -> Answers {
    let log = dir.join("requests.log");
    let _of_the_round_before = std::fs::remove_file(&log);
    let mut command = Command::new(tools.h2load.as_ref().unwrap());
    command.args(["-t1", &format!("-c{}", load.n_connections), &format!("-m{STREAMS}")]);
    command.args([&format!("-D{}", load.seconds), &format!("--log-file={}", log.display())]);
    command.args(["-H", &format!(":authority: {}", host()), "-H", &format!("{KEY_HEADER}: k{}", load.key)]);
    if load.wire == Wire::Grpc {
        let message = dir.join("message");
        // A flag, the length, and 32 bytes.
        std::fs::write(&message, [&[0, 0, 0, 0, 32][..], &[b'x'; 32]].concat()).unwrap();
        command.args(["-H", "content-type: application/grpc", "-H", "te: trailers", "-d"]).arg(&message);
    }
    let text = output(command.arg(format!("http://{address}{}", load.path)));
    let after = |before: &str| {
        let line = text.lines().find(|line| line.starts_with(before)).unwrap_or_else(|| panic!("{text}"));
        line.to_owned()
    };
    // requests: 10 total, 10 started, 10 done, 10 succeeded, 0 failed, 0 errored, 0 timeout
    let number = |what: &str| -> u64 {
        let line = after("requests: ");
        let mut parts = line.trim_start_matches("requests: ").split(", ");
        let part = parts.find_map(|part| part.strip_suffix(what)).unwrap();
        part.trim().parse().unwrap()
    };
    // Start in µs since 1970, status, duration in µs; divided by tabs.
    let lines = std::fs::read_to_string(&log).unwrap();
    let mut micros: Vec<u64> =
        lines.lines().filter_map(|line| line.split('\t').nth(2)?.parse().ok()).collect();
    micros.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let quantile =
        |share: f64| Duration::from_micros(micros[(share * (micros.len() - 1) as f64).round() as usize]);
    Answers {
        n_requests: number("succeeded"),
        n_failed: number("failed") + number("errored"),
        took: Duration::from_secs(load.seconds.into()),
        latencies: [quantile(0.5), quantile(0.99), quantile(0.999)],
    }
}

fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
