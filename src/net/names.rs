//! The addresses of names, asked for again and again.
//!
//! Who routes to a host by its name keeps the set of such names here, and is told whenever a name
//! has other addresses. While a name cannot be resolved its last addresses stay.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long addresses are kept before the name is asked for again: Istio's `dnsRefreshRate`, 60 s
/// (<https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/>). The system's resolver
/// does not tell how long an answer holds.
const REFRESH: Duration = Duration::from_secs(60);
/// After a failure: 1 s, then twice as long each time, up to the usual time.
const RETRY: Duration = Duration::from_secs(1);
/// A question that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Names with news that nobody has taken yet; more wait.
const QUEUE: usize = 64;

/// What a name is resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The name, as it was asked for.
    pub name: Box<str>,
    /// Its addresses, each once and in order: of IPv4 where it has some, since hosts without IPv6
    /// are told those of IPv6 as well.
    pub addresses: Vec<IpAddr>,
}

/// The names that are kept resolved, each by a task that ends with this.
///
/// names -- whenever a name has other addresses --> whoever holds the receiver
#[derive(Debug)]
pub struct Names {
    resolver: Resolver,
    resolved_tx: mpsc::Sender<Resolved>,
    kept: HashMap<Box<str>, DropGuard>,
}

type Ask = dyn Fn(Box<str>) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;

#[derive(Clone)]
struct Resolver(Arc<Ask>);

// === impl Names ===

impl Names {
    /// No names yet; they are asked of the system, as `getaddrinfo(3)` does.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Resolved>) {
        Self::with(Resolver(Arc::new(|name| ask_system(name).boxed())))
    }

    fn with(resolver: Resolver) -> (Self, mpsc::Receiver<Resolved>) {
        let (resolved_tx, resolved_rx) = mpsc::channel(QUEUE);
        (Self { resolver, resolved_tx, kept: HashMap::new() }, resolved_rx)
    }

    /// Keeps these and no others. What is told of others may still be on its way.
    pub fn keep(&mut self, names: &BTreeSet<Box<str>>) {
        self.kept.retain(|name, _| names.contains(name));
        for name in names {
            if !self.kept.contains_key(name) {
                let ended = CancellationToken::new();
                let keeping = keep(name.clone(), self.resolver.clone(), self.resolved_tx.clone());
                tokio::spawn(ended.clone().run_until_cancelled_owned(keeping));
                self.kept.insert(name.clone(), ended.drop_guard());
            }
        }
    }
}

async fn keep(name: Box<str>, resolver: Resolver, resolved_tx: mpsc::Sender<Resolved>) {
    let mut known: Option<Vec<IpAddr>> = None;
    let mut retry = RETRY;
    loop {
        let wait = match resolver.resolve(&name).await {
            Ok(addresses) => {
                retry = RETRY;
                if known.as_ref() != Some(&addresses) {
                    known = Some(addresses.clone());
                    if resolved_tx.send(Resolved { name: name.clone(), addresses }).await.is_err() {
                        return;
                    }
                }
                REFRESH
            }
            Err(error) => {
                let kept = known.as_ref().map_or(0, Vec::len);
                tracing::warn!(kept, "failed to resolve `{name}`, what was known stays: {error}");
                let wait = retry;
                retry = (2 * retry).min(REFRESH);
                wait
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn ask_system(name: Box<str>) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((&*name, 0)).await?.map(|address| address.ip()).collect())
}

/// Each once, in order, of one family.
fn settled(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    if addresses.iter().any(IpAddr::is_ipv4) {
        addresses.retain(IpAddr::is_ipv4);
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

// === impl Resolver ===

impl Resolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let asked = tokio::time::timeout(PATIENCE, (self.0)(name.into()));
        let addresses = asked.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it has no addresses"));
        }
        Ok(settled(addresses))
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    /// Answers with each of these in turn, then with the last again.
    fn resolver(answers: &[Result<&[&str], ()>]) -> Resolver {
        let answers: Vec<Result<Vec<IpAddr>, ()>> = answers
            .iter()
            .map(|answer| answer.map(|all| all.iter().map(|it| it.parse().expect("an address")).collect()))
            .collect();
        let left = Arc::new(Mutex::new(answers));
        Resolver(Arc::new(move |_| {
            let mut left = left.lock().expect("no test panics with it");
            let answer = if left.len() > 1 { left.remove(0) } else { left[0].clone() };
            std::future::ready(answer.map_err(|()| io::ErrorKind::NotFound.into())).boxed()
        }))
    }

    fn names(all: &[&str]) -> BTreeSet<Box<str>> {
        all.iter().map(|name| Box::from(*name)).collect()
    }

    async fn told(resolved_rx: &mut mpsc::Receiver<Resolved>) -> Vec<String> {
        let resolved = resolved_rx.recv().await.expect("the names are kept");
        resolved.addresses.iter().map(ToString::to_string).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn only_other_addresses_are_told() {
        let (mut names_kept, mut resolved_rx) = Names::with(resolver(&[
            Ok(&["10.0.0.2", "10.0.0.1", "10.0.0.2", "::1"]),
            Ok(&["10.0.0.1", "10.0.0.2"]),
            Ok(&["::2"]),
        ]));
        names_kept.keep(&names(&["a"]));
        let start = Instant::now();
        assert_eq!(told(&mut resolved_rx).await, ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(told(&mut resolved_rx).await, ["::2"]);
        assert_eq!(start.elapsed(), 2 * REFRESH);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_takes_nothing_away_and_is_tried_again_soon() {
        let answers: [Result<&[&str], ()>; 5] =
            [Err(()), Err(()), Ok(&["10.0.0.1"]), Ok(&[]), Ok(&["10.0.0.2"])];
        let (mut names_kept, mut resolved_rx) = Names::with(resolver(&answers));
        names_kept.keep(&names(&["a"]));
        let start = Instant::now();
        assert_eq!(told(&mut resolved_rx).await, ["10.0.0.1"]);
        assert_eq!(start.elapsed(), 3 * RETRY);
        assert_eq!(told(&mut resolved_rx).await, ["10.0.0.2"]);
        assert_eq!(start.elapsed(), 3 * RETRY + REFRESH + RETRY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_not_kept_any_more_is_not_asked_for() {
        let (mut names_kept, mut resolved_rx) =
            Names::with(resolver(&[Ok(&["10.0.0.1"]), Ok(&["10.0.0.2"])]));
        names_kept.keep(&names(&["a"]));
        assert_eq!(told(&mut resolved_rx).await, ["10.0.0.1"]);
        names_kept.keep(&names(&[]));
        assert!(tokio::time::timeout(10 * REFRESH, resolved_rx.recv()).await.is_err());
    }

    #[tokio::test]
    async fn the_system_knows_its_own_name() {
        let (mut names_kept, mut resolved_rx) = Names::new();
        names_kept.keep(&names(&["localhost"]));
        assert_eq!(told(&mut resolved_rx).await, ["127.0.0.1"]);
    }
}
