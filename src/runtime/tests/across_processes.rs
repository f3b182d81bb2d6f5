//! What must hold between two Spurs on one machine: a killed one's processes are
//! found and ended, nobody else's are, and no port is given twice.
//!
//! The other Spur is this binary again, told by its first argument what to be.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in what tests share")]

#[path = "shared/patience.rs"]
mod patience;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use patience::{LONG, wait_for};
use rustix::process::{Pid, test_kill_process};
use spur_net::Dial;
use spur_runtime::ports::PortAllocator;
use spur_runtime::process::{OpenError, ProcessConfig, Reaped, ReapedBy};
use spur_runtime::{ContainerPlan, ContainerState, LogOptions, PodId, ProcessRuntime, Runtime};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("be-a-spur") => block_on(be_a_spur(Path::new(&args[2]), &args[3..])),
        Some("hold-ports") => hold_ports(Path::new(&args[2]), args[3].parse().unwrap()),
        _ => {
            let tests = vec![
                Trial::test("a_killed_spurs_processes_are_ended_by_the_next", killed_spur),
                Trial::test("who_ignores_sigterm_is_killed_by_the_next_spur", stubborn),
                Trial::test("a_recycled_number_is_left_alone", recycled),
                Trial::test("a_directory_in_use_is_refused_and_nothing_reaped", in_use),
                Trial::test("no_port_is_given_out_twice", ports),
            ];
            libtest_mimic::run(&Arguments::from_args(), tests).exit();
        }
    }
}

// --- What the other process is.

/// Starts one pod for each script, prints their process ids, and never ends by itself.
async fn be_a_spur(dir: &Path, scripts: &[String]) {
    let (runtime, _) = ProcessRuntime::open(config(dir)).await.unwrap();
    for (n, script) in scripts.iter().enumerate() {
        let pod = pod(n);
        let started = runtime.start(&pod, plan(script)).await.unwrap();
        // Its traps are set once it has said so.
        wait_for("the script to be up", async || text(&runtime, &pod).await.ends_with("up\n")).await;
        say(&started.pid.to_string());
    }
    say("done");
    std::future::pending::<()>().await;
}

fn hold_ports(dir: &Path, n_ports: usize) {
    let allocator = PortAllocator::at(dir).unwrap();
    let held: Vec<_> = (0..n_ports).map(|_| allocator.allocate().unwrap()).collect();
    held.iter().for_each(|port| say(&port.get().to_string()));
    say("done");
    // Until the test closes our input.
    let _ = std::io::stdin().lines().next();
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

// --- The tests.

fn killed_spur() -> Result<(), Failed> {
    let tmp = tempfile::tempdir()?;
    let scripts = [
        "echo up; exec sleep 300",
        "sleep 300 & sh -c 'sleep 300 & wait' & echo up; wait",
        "f=$(mktemp -u); setsid sh -c \"touch $f; exec sleep 300\" & \
         until [ -e $f ]; do sleep 0.01; done; rm $f; echo up; exec sleep 300",
    ];
    let spur = Other::start("be-a-spur", tmp.path(), &scripts);
    let family = spur.family();
    assert!(family.len() >= 6, "{family:?}");
    let leaders = spur.said.clone();
    spur.kill();
    assert!(leaders.iter().all(|pid| is_alive(pid)), "the pods outlive their spur");

    block_on(async {
        let (runtime, reaped) = ProcessRuntime::open(config(tmp.path())).await.unwrap();
        assert_eq!(told(&reaped), expected(&leaders, ReapedBy::Sigterm));
        let left: Vec<_> = family.iter().filter(|pid| is_alive(pid)).collect();
        // Elsewhere a process that left its group is not found.
        assert_eq!(left.len(), usize::from(!cfg!(target_os = "linux")), "{left:?}");
        let state = runtime.state(&pod(0), "app").unwrap();
        let ContainerState::Terminated { exit_code, reason, message, .. } = state else {
            panic!("{state:?}");
        };
        assert_eq!((exit_code, &*reason), (137, "ContainerStatusUnknown"));
        assert_eq!(message, "spur was killed while it ran; it was ended with SIGTERM at the next start");
        assert_eq!(text(&runtime, &pod(0)).await, "up\n");
        // It can be started again, and counts on.
        let started = runtime.start(&pod(0), plan("true")).await.unwrap();
        assert_eq!(started.attempt, 1);
        runtime.shutdown(LONG).await.unwrap();
        drop(runtime);
        let (_, reaped) = ProcessRuntime::open(config(tmp.path())).await.unwrap();
        assert_eq!(reaped, []);
    });
    Ok(())
}

fn stubborn() -> Result<(), Failed> {
    let tmp = tempfile::tempdir()?;
    let script = "trap '' TERM; echo up; while :; do sleep 0.1; done";
    let spur = Other::start("be-a-spur", tmp.path(), &[script]);
    let leaders = spur.said.clone();
    spur.kill();
    block_on(async {
        let (_, reaped) = ProcessRuntime::open(config(tmp.path())).await.unwrap();
        assert_eq!(told(&reaped), expected(&leaders, ReapedBy::Sigkill));
        assert!(!is_alive(&leaders[0]));
    });
    Ok(())
}

/// Numbers cannot be recycled at will, so the record is given the number of somebody else:
/// a group leader, as the one that would be signalled.
fn recycled() -> Result<(), Failed> {
    let tmp = tempfile::tempdir()?;
    let spur = Other::start("be-a-spur", tmp.path(), &["echo up; exec sleep 300"]);
    let leader = spur.said[0].clone();
    spur.kill();
    let mut stranger = stranger_after(&leader)?;
    let record = tmp.path().join("pods/uid-0/app/record.json");
    let text = std::fs::read_to_string(&record)?;
    let was = format!("\"pid\":{leader}");
    assert!(text.contains(&was), "{text}");
    std::fs::write(&record, text.replace(&was, &format!("\"pid\":{}", stranger.id())))?;
    block_on(async {
        let (_, reaped) = ProcessRuntime::open(config(tmp.path())).await.unwrap();
        let pid = stranger.id().to_string();
        assert_eq!(told(&reaped), expected(&[pid], ReapedBy::ItsOwnEnd));
    });
    assert!(stranger.try_wait()?.is_none(), "the stranger was ended");
    stranger.kill()?;
    stranger.wait()?;
    // The process itself had no record any more, and is found all the same.
    if cfg!(target_os = "linux") {
        block_on(wait_for("the unrecorded process to end", async || !is_alive(&leader)));
    } else {
        Command::new("kill").args(["-9", &leader]).status()?;
    }
    Ok(())
}

/// A group leader of ours that began at another moment than `pid`. Moments are 10 ms long on
/// Linux, and two processes of one moment differ by their numbers, which this test takes away.
fn stranger_after(pid: &str) -> Result<Child, Failed> {
    use std::os::unix::process::CommandExt;
    loop {
        let mut stranger = Command::new("sleep").arg("300").process_group(0).spawn()?;
        if began(&stranger.id().to_string()) != began(pid) {
            return Ok(stranger);
        }
        stranger.kill()?;
        stranger.wait()?;
    }
}

fn in_use() -> Result<(), Failed> {
    let tmp = tempfile::tempdir()?;
    let spur = Other::start("be-a-spur", tmp.path(), &["echo up; exec sleep 300"]);
    let leader = spur.said[0].clone();
    block_on(async {
        let refused = ProcessRuntime::open(config(tmp.path())).await.err();
        assert!(matches!(refused, Some(OpenError::InUse { .. })), "{refused:?}");
    });
    assert!(is_alive(&leader), "it was reaped under a living spur");
    spur.kill();
    block_on(async {
        let (_, reaped) = ProcessRuntime::open(config(tmp.path())).await.unwrap();
        assert_eq!(reaped.len(), 1);
    });
    Ok(())
}

fn ports() -> Result<(), Failed> {
    let tmp = tempfile::tempdir()?;
    let (n_processes, n_each) = (3, 150);
    let others: Vec<_> =
        (0..n_processes).map(|_| Other::start("hold-ports", tmp.path(), &[&n_each.to_string()])).collect();
    let ours = PortAllocator::at(tmp.path())?;
    let held: Vec<_> = (0..n_each).map(|_| ours.allocate().unwrap()).collect();
    let theirs = others.iter().flat_map(|o| o.said.iter().map(|p| p.parse::<u16>().unwrap()));
    let all: BTreeSet<u16> = held.iter().map(|p| p.get()).chain(theirs).collect();
    assert_eq!(all.len(), (n_processes + 1) * n_each);
    // A killed holder gives its ports back.
    let port: u16 = others[0].said[0].parse()?;
    assert!(ours.reserve(port).is_err());
    others.into_iter().for_each(Other::kill);
    assert_eq!(ours.reserve(port)?.get(), port);
    Ok(())
}

// --- What they share.

/// Another process of this binary, with what it said before "done".
struct Other {
    child: Child,
    said: Vec<String>,
}

impl Other {
    fn start(role: &str, dir: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(role)
            .arg(dir)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut said: Vec<String> = lines.take_while(|line| line != "done").collect();
        said.iter_mut().for_each(|line| *line = line.trim().to_owned());
        Self { child, said }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// All descendants.
    fn family(&self) -> Vec<String> {
        let ps = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output().unwrap();
        let text = String::from_utf8(ps.stdout).unwrap();
        let mut family = BTreeSet::from([self.child.id().to_string()]);
        // Parents may come after their children in the list.
        for _ in 0..10 {
            for line in text.lines() {
                let (pid, parent) = line.trim().split_once(' ').unwrap();
                if family.contains(parent.trim()) {
                    family.insert(pid.to_owned());
                }
            }
        }
        family.remove(&self.child.id().to_string());
        family.into_iter().collect()
    }
}

fn config(dir: &Path) -> ProcessConfig {
    let path = "/usr/local/bin:/usr/bin:/bin".to_owned();
    ProcessConfig {
        dir: PathBuf::from(dir),
        base_env: BTreeMap::from([("PATH".into(), path)]),
        dial: Dial::default(),
    }
}

fn pod(n: usize) -> PodId {
    PodId::new("default", &format!("pod-{n}"), &format!("uid-{n}"))
}

fn plan(script: &str) -> ContainerPlan {
    ContainerPlan::new("app", &["sh", "-c", script])
}

async fn text(runtime: &ProcessRuntime, pod: &PodId) -> String {
    use futures::TryStreamExt;
    let stream = runtime.logs(pod, "app", LogOptions::default()).await.unwrap();
    let pieces: Vec<bytes::Bytes> = stream.try_collect().await.unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

fn told(reaped: &[Reaped]) -> BTreeSet<(String, String, ReapedBy)> {
    reaped.iter().map(|r| (r.pod.name.to_string(), r.pid.to_string(), r.by)).collect()
}

fn expected(pids: &[String], by: ReapedBy) -> BTreeSet<(String, String, ReapedBy)> {
    pids.iter().enumerate().map(|(n, pid)| (pod(n).name.to_string(), pid.clone(), by)).collect()
}

/// Whether there is such a process, and it is not only waiting to be noted as ended.
fn is_alive(pid: &str) -> bool {
    let number = Pid::from_raw(pid.parse().unwrap()).unwrap();
    let state = || Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap().stdout;
    test_kill_process(number).is_ok() && !matches!(state().first(), None | Some(b'Z'))
}

/// When a process began, as finely as the system tells.
fn began(pid: &str) -> String {
    if let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        return stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap().to_owned();
    }
    let ps = Command::new("ps").args(["-o", "lstart=", "-p", pid]).output().unwrap();
    String::from_utf8(ps.stdout).unwrap()
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap().block_on(work);
}
