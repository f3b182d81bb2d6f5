//! Many requests at once, half of them with a key: each goes where its key says,
//! while the sandbox stays and while it comes and goes.
//!
//! By default the numbers are small; `SPUR_LOAD=full` sends 2,000 requests in
//! each part and prints a line of figures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::harness::manifests::cheaper;
use crate::harness::{Answer, Site, Spur, until};

/// Connections, each of which is kept.
const CONNECTIONS: usize = 16;

/// Between a sandbox's coming and its going so many requests end, so that some
/// of them surely fall into the time in which it must answer.
const REQUESTS_WHILE_READY: usize = 40;

/// What a failure may say of itself. A process is stopped only once no request is
/// sent to it, so none may say that its upstream refused or closed.
const REASONS: [&str; 1] = ["fork-not-ready"];

const KEY: &str = "k-traffic";

fn n_requests() -> usize {
    match std::env::var("SPUR_LOAD").as_deref() {
        Ok("full") => 2000,
        _ => 400,
    }
}

/// Who priced a cart, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Baseline,
    Fork,
    /// A failure that names its reason.
    Refused(&'static str),
}

/// What may become of a keyed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowed {
    /// The sandbox stays: the fork alone.
    Fork,
    /// It comes and goes: the fork, or the baseline in its absence.
    ForkOrBaseline,
    /// It comes and goes and may not fall back: the fork, the baseline once the key is
    /// nobody's, or a failure for want of a fork that is ready.
    ForkBaselineOrRefusal,
}

/// When the sandbox must answer: while the number is odd it was seen to be ready,
/// and nobody had begun to delete it.
#[derive(Clone, Debug, Default)]
struct Epoch(Arc<AtomicU64>);

/// What was counted.
#[derive(Clone, Debug, Default)]
struct Counts {
    n_fork: usize,
    n_baseline: usize,
    refused: BTreeMap<&'static str, usize>,
    /// Keyed requests that had to meet the fork, whatever else was allowed.
    n_certain: usize,
}

// === impl Epoch ===

impl Epoch {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn turn(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reads an answer; a mixture of versions, or a failure without a reason, is wrong.
fn read(answer: &Answer) -> Result<Found, String> {
    if answer.status != 200 {
        let text = answer.text();
        let named = |reason: &&&str| answer.reason() == Some(**reason) || text.contains(**reason);
        return match REASONS.iter().find(named) {
            Some(reason) => Ok(Found::Refused(reason)),
            None => Err(format!("{} {text}", answer.status)),
        };
    }
    let cart: Value = answer.json();
    match (cart["total_cents"].as_u64(), cart["answered"]["pricing"].as_str()) {
        (Some(1200), Some("v1")) => Ok(Found::Baseline),
        (Some(1080), Some("v2-cheaper")) => Ok(Found::Fork),
        _ => Err(cart.to_string()),
    }
}

/// Sends all requests and checks each one.
async fn send(site: &Site, epoch: &Epoch, allowed: Allowed, n_done: &Arc<AtomicUsize>) -> Counts {
    let n_left = Arc::new(AtomicUsize::new(n_requests()));
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (site, epoch, n_left, n_done) = (site.clone(), epoch.clone(), n_left.clone(), n_done.clone());
        clients.spawn(async move {
            let mut connection = site.connect().await;
            let mut counts = Counts::default();
            let take = |n: usize| n.checked_sub(1);
            while let Ok(number) = n_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
                let is_keyed = number % 2 == 0;
                let ask = site.get("/api/cart");
                let ask = if is_keyed { ask.key(KEY) } else { ask };
                let before = epoch.now();
                let answer = connection.send(ask).await.expect("the entry itself never fails");
                let is_certain = before % 2 == 1 && before == epoch.now();
                let found = read(&answer).unwrap_or_else(|wrong| panic!("keyed {is_keyed}: {wrong}"));
                let is_right = match (is_keyed, found) {
                    (false, found) => found == Found::Baseline,
                    (true, Found::Fork) => true,
                    (true, _) if is_certain => false,
                    (true, Found::Baseline) => allowed != Allowed::Fork,
                    (true, Found::Refused(_)) => allowed == Allowed::ForkBaselineOrRefusal,
                };
                let text = answer.text();
                assert!(
                    is_right,
                    "keyed {is_keyed}, certain {is_certain}: {found:?} {} {text}",
                    answer.status
                );
                counts.note(found, is_keyed && is_certain);
                n_done.fetch_add(1, Ordering::Relaxed);
            }
            counts
        });
    }
    let mut counts = Counts::default();
    while let Some(client) = clients.join_next().await {
        counts.add(client.expect("every answer was right"));
    }
    counts
}

// === impl Counts ===

impl Counts {
    fn note(&mut self, found: Found, is_certain: bool) {
        match found {
            Found::Fork => self.n_fork += 1,
            Found::Baseline => self.n_baseline += 1,
            Found::Refused(reason) => *self.refused.entry(reason).or_default() += 1,
        }
        self.n_certain += usize::from(is_certain);
    }

    fn add(&mut self, other: Self) {
        let Self { n_fork, n_baseline, refused, n_certain } = other;
        self.n_fork += n_fork;
        self.n_baseline += n_baseline;
        for (reason, n) in refused {
            *self.refused.entry(reason).or_default() += n;
        }
        self.n_certain += n_certain;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_goes_where_its_key_says() {
    let spur = Spur::shop().await;
    spur.api().create_all(&[cheaper("cheaper", KEY)]).await;
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    let epoch = Epoch::default();
    epoch.turn();
    let since = Instant::now();
    let counts = send(&spur.service("frontend"), &epoch, Allowed::Fork, &Arc::default()).await;
    let half = n_requests() / 2;
    assert_eq!((counts.n_fork, counts.n_baseline, counts.refused.len()), (half, half, 0));
    println!(
        "{} requests over {CONNECTIONS} connections in {:.1?}: {counts:?}, 0 wrong",
        n_requests(),
        since.elapsed()
    );
    spur.end().await;
}

/// Deletes and recreates the sandbox, which is ready, until the requests are
/// through; gives how often.
async fn churn(spur: &Spur, sandbox: Value, epoch: Epoch, n_done: Arc<AtomicUsize>) -> usize {
    let api = spur.api();
    let name = sandbox["metadata"]["name"].as_str().unwrap();
    let mut n_rounds = 0;
    loop {
        epoch.turn();
        let enough = n_done.load(Ordering::Relaxed) + REQUESTS_WHILE_READY;
        let is_over = until("some requests are through", async || match n_done.load(Ordering::Relaxed) {
            n if n >= n_requests() => Ok(true),
            n if n >= enough => Ok(false),
            n => Err(format!("{n} of {enough}")),
        })
        .await;
        epoch.turn();
        api.delete("sandboxes", name).await.ok();
        api.until_gone("sandboxes", name).await;
        n_rounds += 1;
        if is_over {
            return n_rounds;
        }
        api.create(&sandbox).await.ok();
        api.until_condition(("sandboxes", name), "Ready").await;
    }
}

async fn check_while_it_comes_and_goes(fallback: &str, allowed: Allowed) {
    let spur = Spur::shop().await;
    let mut sandbox = cheaper("cheaper", KEY);
    sandbox["spec"]["fallback"] = fallback.into();
    spur.api().create(&sandbox).await.ok();
    spur.api().until_condition(("sandboxes", "cheaper"), "Ready").await;
    let (epoch, n_done) = (Epoch::default(), Arc::<AtomicUsize>::default());
    let since = Instant::now();
    let site = spur.service("frontend");
    let (counts, n_rounds) = tokio::join!(
        send(&site, &epoch, allowed, &n_done),
        churn(&spur, sandbox, epoch.clone(), n_done.clone()),
    );
    println!(
        "{} requests over {CONNECTIONS} connections in {:.1?}, the sandbox (fallback: {fallback}) deleted {n_rounds} times: {counts:?}, 0 wrong, 0 failed without a reason",
        n_requests(),
        since.elapsed(),
    );
    assert!(counts.n_fork > 0 && counts.n_certain > 0, "{counts:?}");
    spur.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_sandbox_comes_and_goes_the_baseline_stands_in() {
    check_while_it_comes_and_goes("baseline", Allowed::ForkOrBaseline).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_sandbox_that_may_not_fall_back_comes_and_goes_failures_are_named() {
    check_while_it_comes_and_goes("fail", Allowed::ForkBaselineOrRefusal).await;
}
