//! Durable creates: one client and many, measured as the peer was, beside etcd alone and the disk's
//! own rate.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::figures::figure;
use crate::harness::{Site, Spur};
use crate::installed::find;
use crate::peer::{self, Etcd};
use crate::process;

const CLIENTS: usize = 64;
/// Each with one client and with many, by turns.
const ROUNDS: usize = 5;
/// How long each part of a round creates.
const SECONDS: u32 = 4;

/// ConfigMaps of 1 KB under names that nobody else of a round has.
const WRK_SCRIPT: &str = r#"
local number, value = 0, string.rep("x", 1024)
local who
init = function(args) who = args[1] end
request = function()
  number = number + 1
  local body = string.format(
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"made-%s-%06d"},"data":{"value":"%s"}}',
    who, number, value)
  return wrk.format("POST", nil, nil, body)
end
"#;

/// The end of both scripts.
const WRK_DONE: &str = r#"
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"#;

pub(crate) async fn run() {
    let Some(wrk) = find("wrk") else {
        println!("creates are left out: `wrk`, which the peer was measured with, is not installed");
        return;
    };
    let (mut fsyncs, mut alone, mut together, mut micros) = (vec![], vec![], vec![], vec![]);
    let (mut etcd_alone, mut etcd_together) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        // A new one each time: the many make some 60,000 objects.
        let spur = Spur::up().start().await;
        fsyncs.push(fsyncs_per_second(&spur));
        alone.push(creates(&wrk, &spur, (1, "alone")));
        let cpu = process::cpu(spur.pid());
        let rate = creates(&wrk, &spur, (CLIENTS, "many"));
        let cpu = process::cpu(spur.pid()) - cpu;
        together.push(rate);
        micros.push(1e6 * cpu.as_secs_f64() / (rate * f64::from(SECONDS)));
        // On the same disk, which goes with what Spur leaves.
        let data = spur.end().await;
        if let Some(etcd) = Etcd::start(data.path().parent().unwrap()).await {
            etcd_alone.push(puts(&wrk, &etcd, (1, "alone")));
            etcd_together.push(puts(&wrk, &etcd, (CLIENTS, "many")));
        }
    }
    let fsyncs = Spread::of(fsyncs).per_second();
    figure("fdatasync of the disk, one after another", fsyncs, "");
    let (one, many) = (Spread::of(alone), Spread::of(together));
    figure("creates, 1 client, median of 5", one.per_second(), "peer 960/s");
    figure("creates, 64 clients, median of 5", many.per_second(), "budget 3 x the peer's 3,100/s");
    if !etcd_alone.is_empty() {
        let (etcd_one, etcd_many) = (Spread::of(etcd_alone), Spread::of(etcd_together));
        figure("etcd alone without TLS, 1 client", etcd_one.per_second(), "by turns with the above");
        figure("etcd alone without TLS, 64 clients", etcd_many.per_second(), "");
        let ratios =
            format!("{:.2} and {:.1} x", one.median / etcd_one.median, many.median / etcd_many.median);
        figure("  creates here, 1 and 64 clients", ratios, "a kube-apiserver has etcd behind it");
    }
    figure("  of which the server's processor time", format!("{:.0} us each", Spread::of(micros).median), "");
    figure(
        "  as a multiple of one client's",
        format!("{:.1}", many.median / one.median),
        "budget 5 x the fsync rate of one client",
    );
}

/// The rate of so many clients of etcd; their keys are named after `who`.
fn puts(wrk: &Path, etcd: &Etcd, (n_clients, who): (usize, &str)) -> f64 {
    let script = std::env::temp_dir().join(format!("puts-{}.lua", std::process::id()));
    std::fs::write(&script, format!("{}{WRK_DONE}", peer::WRK_SCRIPT)).unwrap();
    let mut command = Command::new(wrk);
    command.args(["-t1", &format!("-c{n_clients}"), &format!("-d{SECONDS}s"), "-s"]).arg(&script);
    let rate = rate(command.args(["-H", "content-type: application/json", &etcd.url, "--", who]));
    std::fs::remove_file(&script).unwrap();
    rate
}

/// The rate of so many clients, none of which may fail; their objects are named after `who`.
fn creates(wrk: &Path, spur: &Spur, (n_clients, who): (usize, &str)) -> f64 {
    let site = Site::of_kubeconfig(spur.kubeconfig());
    let script = spur.data().path().join("create.lua");
    std::fs::write(&script, format!("{WRK_SCRIPT}{WRK_DONE}")).unwrap();
    let mut command = Command::new(wrk);
    command.args(["-t1", &format!("-c{n_clients}"), &format!("-d{SECONDS}s"), "-s"]).arg(&script);
    for (name, value) in &site.credentials.as_ref().unwrap().headers() {
        command.args(["-H", &format!("{name}: {}", value.to_str().unwrap())]);
    }
    command.args(["-H", "content-type: application/json"]);
    let url = format!("https://{}/api/v1/namespaces/default/configmaps", site.address);
    rate(command.args([&url, "--", who]))
}

/// What wrk says at its end; nothing may have failed.
fn rate(wrk: &mut Command) -> f64 {
    let output = wrk.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT ")).unwrap_or_else(|| panic!("{text}"));
    let found: Vec<u32> = line.split(' ').map(|number| number.parse().unwrap()).collect();
    let [n_created, micros, n_failed] = found[..] else { panic!("{line}") };
    assert_eq!(n_failed, 0, "{text}");
    f64::from(n_created) / Duration::from_micros(micros.into()).as_secs_f64()
}

/// What a client that waits for its own fsync can reach, on the directory of the store.
fn fsyncs_per_second(spur: &Spur) -> f64 {
    let mut file = std::fs::File::create(spur.data().path().join("fsync-bench")).unwrap();
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < Duration::from_secs(2) {
        file.write_all(&[1; 1024]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// What several rounds have found.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

// === impl Spread ===

impl Spread {
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Self { least: all[0], median: all[all.len() / 2], most: all[all.len() - 1] }
    }

    fn per_second(&self) -> String {
        format!("{:.0}/s ({:.0} .. {:.0})", self.median, self.least, self.most)
    }
}
