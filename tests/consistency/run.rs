//! One trial: a server, its clients and watchers, the faults, and the verdict.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::FutureExt;
use libtest_mimic::Failed;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, KEYS};
use crate::disk::FaultyDisk;
use crate::harness::{DEADLINE, Data, Site, until};
use crate::history::{
    Answer, Call, Change, Content, History, Moment, Notice, Operation, Shade, Watching, Write,
};
use crate::nemesis::{Fault, Nemesis};
use crate::random::Random;
use crate::site::SiteRx;
use crate::verdict;
use crate::violation::Violation;
use crate::watcher::{STYLES, Watcher};
use crate::wire;

/// Clients that write and read at once: enough that some of their writes share a
/// transaction.
const CLIENTS: usize = 12;

/// Violations that a failure prints; the others are in the file.
const SHOWN_MAX: usize = 8;

/// What a trial is called, and the faults in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) faults: &'static [Fault],
    pub(crate) lasts: Duration,
    pub(crate) seed: u64,
}

/// Runs a trial and prints its verdict.
pub(crate) async fn run(plan: Plan) -> Result<(), Failed> {
    let Plan { name, faults, lasts, seed } = plan;
    println!("consistency: {name}: {lasts:?} with SPUR_CONSISTENCY_SEED={seed}");
    let mut random = Random::new(seed);
    let data = Data::new();
    let disk = faults.iter().any(|fault| fault.needs_a_disk()).then(|| FaultyDisk::under(&data));
    let mut nemesis = Nemesis::start(random.fork(), data, disk).await;
    make_namespace(&nemesis.site()).await;
    let started = nemesis.started();
    let (sites_tx, sites_rx) = SiteRx::channel(nemesis.site());

    let (stop_clients, stop_watchers) = (CancellationToken::new(), CancellationToken::new());
    let mut clients = JoinSet::new();
    for id in 0..CLIENTS {
        let client = Client::new(id, random.fork(), sites_rx.clone(), started);
        clients.spawn(client.run(stop_clients.clone()));
    }
    let mut watchings = Vec::new();
    let mut watchers = JoinSet::new();
    for style in STYLES {
        let watcher = Watcher::new(style, random.fork(), sites_rx.clone(), started);
        watchings.push(watcher.watching());
        watchers.spawn(watcher.run(stop_watchers.clone()));
    }

    // A server that does not come back fails the trial, with its history kept.
    let raging = async {
        nemesis.run(faults, &sites_tx, started + lasts).await;
        until_bookmarks(&watchings).await;
    };
    let survived = AssertUnwindSafe(raging).catch_unwind().await;
    stop_clients.cancel();
    let mut operations = clients.join_all().await.concat();
    let mut problems = Vec::new();
    let mut history = History { faults: nemesis.done(), ..History::default() };
    let mut last_revision = 0;
    let slowest_recovery = nemesis.slowest_recovery();
    match survived {
        Ok(()) => {
            let last = write_last(&nemesis.site(), started).await;
            match &last.answer {
                Answer::Object(seen) => last_revision = seen.revision,
                other => problems.push(format!("a server without faults answers {other:?}")),
            }
            operations.push(last);
            // Those who are not told of the last write are found by the checker.
            let all_told = async { while watchers.join_next().await.is_some() {} };
            let _told_or_not = tokio::time::timeout(DEADLINE, all_told).await;
            if faults.iter().any(|fault| fault.needs_a_disk()) && nemesis.n_failed_calls() == 0 {
                problems.push("the disk never failed".to_owned());
            }
            nemesis.end().await;
        }
        Err(_told_on_stderr) => problems.push("the server did not recover".to_owned()),
    }
    stop_watchers.cancel();
    history.operations = operations;
    history.watchings = watchings.iter().map(|watching| lock(watching).clone()).collect();
    problems.extend(verdict::judge(&history, last_revision).iter().map(Violation::to_string));
    if !problems.is_empty() {
        return Err(failure(plan, &history, &problems));
    }
    println!("{}", verdict::summary(name, &history, KEYS.len()));
    println!("{}", circumstances(name, &history));
    if !slowest_recovery.is_zero() {
        println!("consistency: {name}: took writes {slowest_recovery:.1?} after the disk was sound, at most");
    }
    Ok(())
}

/// Waits until each watch that the server ends has had a bookmark: where faults come
/// in quick succession none may have.
async fn until_bookmarks(watchings: &[Arc<Mutex<Watching>>]) {
    let is_bookmark = |(_, notice): &(Moment, Notice)| matches!(notice, Notice::Bookmark(_));
    for (style, watching) in STYLES.iter().zip(watchings).filter(|(style, _)| style.timeout_s.is_some()) {
        until("a watch has ended with a bookmark", async || {
            match lock(watching).notices.iter().any(is_bookmark) {
                true => Ok(()),
                false => Err(format!("{} has had none", style.name)),
            }
        })
        .await;
    }
}

async fn make_namespace(site: &Site) {
    let namespace = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": wire::NAMESPACE},
    });
    let ask = site.ask(http::Method::POST, "/api/v1/namespaces");
    ask.body("application/json", namespace.to_string()).send().await.ok();
}

/// Makes the object that watchers end with.
async fn write_last(site: &Site, started: Instant) -> Operation {
    let content = Content { value: "last".to_owned(), shade: Shade::Light };
    let change = Change::Create(content);
    let write = Write { key: wire::LAST.to_owned(), change, only_at: None, only_uid: None };
    let call = Call::Write(write);
    let invoked = started.elapsed();
    let response = wire::request(site, &call).send().await;
    let returned: Moment = started.elapsed();
    let answer = wire::answer(&call, &response);
    Operation { client: CLIENTS, invoked, returned, call, answer }
}

/// What explains the numbers of a verdict.
fn circumstances(name: &str, history: &History) -> String {
    let n_faults = history.faults.iter().filter(|(_, what)| what.ends_with("begins")).count();
    let n_of = |text: &str| history.faults.iter().filter(|(_, what)| what.contains(text)).count();
    let (n_restarts, n_given_up, n_unstarted) =
        (n_of("the server is dead"), n_of("ended by itself"), n_of("did not start"));
    let count = |is_it: fn(&Operation) -> bool| history.operations.iter().filter(|o| is_it(o)).count();
    format!(
        "consistency: {name}: {n_faults} faults, {n_restarts} restarts ({n_given_up} gave up, {n_unstarted} starts failed), {} writes acknowledged, {} refused \
         by the disk, {} reads lost, {} revisions expired",
        count(|o| o.write().is_some() && matches!(o.answer, Answer::Object(_) | Answer::Deleted(_))),
        count(|o| matches!(o.answer, Answer::NotWritten(_))),
        count(Operation::is_lost_read),
        history.count(|notice| matches!(notice, Notice::Expired(_))),
    )
}

/// Keeps the history, and says where.
fn failure(plan: Plan, history: &History, problems: &[String]) -> Failed {
    let Plan { name, seed, .. } = plan;
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("consistency-{name}-{seed}.txt"));
    let text = format!("{}\n\n{}", problems.join("\n"), history.text());
    let kept = match std::fs::write(&path, text) {
        Ok(()) => format!("the history is in {}", path.display()),
        Err(error) => format!("the history could not be kept in {}: {error}", path.display()),
    };
    let shown = problems.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("\n");
    let n_problems = problems.len();
    let seed = format!("SPUR_CONSISTENCY_SEED={seed}");
    Failed::from(format!("{name} with {seed}: {n_problems} violations, {kept}\n{shown}"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while pushing")
}
