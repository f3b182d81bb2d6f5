//! A client that makes random calls, one at a time, and writes down each with its
//! answer.

use std::collections::BTreeMap;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::harness::Site;
use crate::harness::http::Connection;
use crate::history::{Answer, Call, Change, Content, Extent, Operation, Seen, Shade, Write};
use crate::random::Random;
use crate::site::SiteRx;
use crate::wire;

/// The keys that all clients share: few, so that they get into each other's way.
pub(crate) const KEYS: [&str; 5] = ["k0", "k1", "k2", "k3", "k4"];

/// Longest pause between two calls of a client, so that the calls of some overlap
/// and those of others do not.
const THINK_MAX_MS: usize = 12;

/// Calls of a client, whatever the time: 20,000 take some 10 MB in memory.
const CALLS_MAX: usize = 20_000;

pub(crate) struct Client {
    id: usize,
    random: Random,
    sites: SiteRx,
    started: Instant,
    /// What it last knew of each key: often out of date, as with any client.
    known: BTreeMap<String, Seen>,
    operations: Vec<Operation>,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(id: usize, random: Random, sites: SiteRx, started: Instant) -> Self {
        Self { id, random, sites, started, known: BTreeMap::new(), operations: Vec::new() }
    }

    /// Makes calls until it is told to stop; the last one is waited for.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Vec<Operation> {
        while !stop.is_cancelled() && self.operations.len() < CALLS_MAX {
            let Some((site, mut connection)) = self.sites.connect(&stop).await else { break };
            while !stop.is_cancelled() && self.operations.len() < CALLS_MAX {
                if !self.call(&site, &mut connection).await {
                    break;
                }
                let pause = self.random.millis(0, THINK_MAX_MS);
                tokio::time::sleep(pause).await;
            }
        }
        self.operations
    }

    /// Makes one call; false where the connection is lost.
    async fn call(&mut self, site: &Site, connection: &mut Connection) -> bool {
        let call = self.next_call();
        let invoked = self.started.elapsed();
        let answered = answer(site, connection, &call).await;
        let returned = self.started.elapsed();
        let is_connected = answered.is_ok();
        let answer = answered.unwrap_or_else(Answer::Unknown);
        self.learn(&call, &answer);
        self.operations.push(Operation { client: self.id, invoked, returned, call, answer });
        is_connected
    }

    fn next_call(&mut self) -> Call {
        let key = (*self.random.choose(&KEYS)).to_owned();
        match self.random.below(100) {
            0..12 => Call::Write(self.plain(key, Change::Create)),
            12..37 => {
                let write = self.plain(key, Change::Replace);
                Call::Write(self.with_preconditions(write))
            }
            37..57 => Call::Write(self.plain(key, Change::Patch)),
            57..61 => {
                let mut write = self.plain(key, Change::Patch);
                write.only_uid = self.known.get(&write.key).map(|seen| seen.uid.clone());
                Call::Write(write)
            }
            61..68 => {
                let write = Write { key, change: Change::Delete, only_at: None, only_uid: None };
                Call::Write(self.with_preconditions(write))
            }
            68..88 => Call::Get(key),
            88..96 => {
                let shade = self.random.is_one_in(3).then(|| self.shade());
                Call::List(shade, *self.random.choose(&[Extent::Whole, Extent::Pages]))
            }
            _ => {
                Call::List(None, self.known.get(&key).map_or(Extent::Whole, |seen| Extent::At(seen.revision)))
            }
        }
    }

    fn plain(&mut self, key: String, change: fn(Content) -> Change) -> Write {
        let value = format!("c{}-{}", self.id, self.operations.len());
        let content = Content { value, shade: self.shade() };
        Write { key, change: change(content), only_at: None, only_uid: None }
    }

    /// None, the revision, the uid, or both, of what it last knew.
    fn with_preconditions(&mut self, mut write: Write) -> Write {
        let how = self.random.below(4);
        if let Some(known) = self.known.get(&write.key) {
            write.only_at = (how & 1 != 0).then_some(known.revision);
            write.only_uid = (how & 2 != 0).then(|| known.uid.clone());
        }
        write
    }

    fn shade(&mut self) -> Shade {
        *self.random.choose(&[Shade::Light, Shade::Dark])
    }

    fn learn(&mut self, call: &Call, answer: &Answer) {
        match (call, answer) {
            (Call::List(_, Extent::Whole | Extent::Pages), Answer::Listing(_, items)) => {
                self.known.extend(items.iter().map(|seen| (seen.key.clone(), seen.clone())));
            }
            (_, Answer::Object(seen)) => {
                self.known.insert(seen.key.clone(), seen.clone());
            }
            _ => {}
        }
    }
}

/// Asks and waits for the whole answer; fails where the connection is lost.
async fn answer(site: &Site, connection: &mut Connection, call: &Call) -> Result<Answer, String> {
    let mut response = connection.send(wire::request(site, call)).await?;
    let mut answer = wire::answer(call, &response);
    while let Some(ask) = wire::next_page(site, call, &response) {
        response = connection.send(ask).await?;
        answer = wire::with_page(answer, wire::answer(call, &response));
    }
    Ok(answer)
}
