//! A client that follows every change: a state first, then a watch, and after each
//! break a watch from where it was. It writes down all it is told.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use crate::harness::Site;
use crate::harness::http::Connection;
use crate::history::{Answer, Call, EventKind, Extent, Notice, Revision, Seen, Shade, Watching};
use crate::random::Random;
use crate::site::SiteRx;
use crate::wire::{self, Line};

/// How a watcher asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) name: &'static str,
    pub(crate) shade: Option<Shade>,
    /// The state comes as the watch's first events, not as a list.
    has_initial_events: bool,
    /// Over all namespaces.
    is_cluster_wide: bool,
    /// The server ends the watch then, with a bookmark.
    pub(crate) timeout_s: Option<u32>,
    /// The watcher leaves by itself after some events.
    hangs_up: bool,
}

/// One watcher of each kind.
pub(crate) const STYLES: [Style; 5] = [
    Style { name: "plain", ..PLAIN },
    Style { name: "bookmarks", timeout_s: Some(1), ..PLAIN },
    Style { name: "initial-events", has_initial_events: true, timeout_s: Some(2), ..PLAIN },
    Style { name: "selection", shade: Some(Shade::Light), timeout_s: Some(2), ..PLAIN },
    Style { name: "cluster-wide", is_cluster_wide: true, hangs_up: true, ..PLAIN },
];

const PLAIN: Style = Style {
    name: "",
    shade: None,
    has_initial_events: false,
    is_cluster_wide: false,
    timeout_s: None,
    hangs_up: false,
};

/// Fewest and most events until a watcher hangs up.
const HANG_UP_AFTER: (usize, usize) = (1, 60);

pub(crate) struct Watcher {
    style: Style,
    random: Random,
    sites: SiteRx,
    started: Instant,
    /// Shared with whoever ends the run, should this watcher never come to its end.
    /// Held for one push.
    watching: Arc<Mutex<Watching>>,
    position: Option<Revision>,
    has_ended: bool,
}

// === impl Watcher ===

impl Watcher {
    pub(crate) fn new(style: Style, random: Random, sites: SiteRx, started: Instant) -> Self {
        let watching = Watching { name: style.name.to_owned(), shade: style.shade, notices: Vec::new() };
        let watching = Arc::new(Mutex::new(watching));
        Self { style, random, sites, started, watching, position: None, has_ended: false }
    }

    pub(crate) fn watching(&self) -> Arc<Mutex<Watching>> {
        self.watching.clone()
    }

    /// Follows until it is told of the last write.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while !self.has_ended {
            let Some((site, mut connection)) = self.sites.connect(&stop).await else { return };
            let lost = tokio::select! {
                () = stop.cancelled() => return,
                lost = self.follow(&site, &mut connection) => lost,
            };
            if let Err(why) = lost {
                self.note(Notice::Broken(why));
            }
        }
    }

    /// Reads states and watches on one connection, until it is lost.
    async fn follow(&mut self, site: &Site, connection: &mut Connection) -> Result<(), String> {
        while !self.has_ended {
            if self.position.is_none() && !self.style.has_initial_events {
                self.list(site, connection).await?;
            } else {
                self.watch(site, connection).await?;
            }
        }
        Ok(())
    }

    async fn list(&mut self, site: &Site, connection: &mut Connection) -> Result<(), String> {
        let call = Call::List(self.style.shade, Extent::Whole);
        let response = connection.send(wire::request(site, &call)).await?;
        match wire::answer(&call, &response) {
            Answer::Listing(revision, items) => self.begin(revision, items),
            other => self.note(Notice::Odd(format!("{other:?} for a list"))),
        }
        Ok(())
    }

    async fn watch(&mut self, site: &Site, connection: &mut Connection) -> Result<(), String> {
        connection.sender.ready().await.map_err(|error| error.to_string())?;
        let ask = site.ask(Method::GET, &self.path()).request();
        let response = connection.sender.send_request(ask).await.map_err(|error| format!("{error:?}"))?;
        let status = response.status();
        if !status.is_success() {
            let body = response.into_body().collect().await.map_err(|error| format!("{error:?}"))?;
            let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            self.note(Notice::Odd(format!("{status} {text}")));
            return Err(text);
        }
        let mut lines = Lines { body: response.into_body(), rest: BytesMut::new() };
        if !self.style.has_initial_events {
            self.note(Notice::Resumed(self.position.expect("a list came before")));
        } else if !self.initial_events(&mut lines).await? {
            return Ok(());
        }
        self.events(&mut lines).await
    }

    fn path(&self) -> String {
        let collection = if self.style.is_cluster_wide { "/api/v1/configmaps" } else { wire::PATH };
        let mut query = vec!["watch=true&allowWatchBookmarks=true".to_owned()];
        query.extend(self.style.shade.map(wire::selector));
        query.extend(self.position.map(|position| format!("resourceVersion={position}")));
        query.extend(self.style.timeout_s.map(|timeout_s| format!("timeoutSeconds={timeout_s}")));
        if self.style.has_initial_events {
            query.push("sendInitialEvents=true&resourceVersionMatch=NotOlderThan".to_owned());
        }
        format!("{collection}?{}", query.join("&"))
    }

    /// Collects the state that a watch begins with; false where the watch has ended
    /// already.
    async fn initial_events(&mut self, lines: &mut Lines) -> Result<bool, String> {
        let mut items = Vec::new();
        while let Some(line) = lines.next().await? {
            match wire::line(&line) {
                None => {}
                Some(Line::Notice(Notice::Event(EventKind::Added, seen))) => items.push(seen),
                Some(Line::InitialEnd(revision)) => {
                    self.begin(revision, items);
                    return Ok(true);
                }
                Some(Line::Gone) => {
                    self.expire();
                    return Ok(false);
                }
                Some(other) => self.note(Notice::Odd(format!("{other:?} among the initial events"))),
            }
        }
        Err("the watch ended before its initial events".to_owned())
    }

    async fn events(&mut self, lines: &mut Lines) -> Result<(), String> {
        let mut until_hang_up = match self.style.hangs_up {
            true => HANG_UP_AFTER.0 + self.random.below(HANG_UP_AFTER.1),
            false => usize::MAX,
        };
        while !self.has_ended {
            let Some(line) = lines.next().await? else {
                self.note(Notice::Broken("end of the stream".to_owned()));
                return Ok(());
            };
            match wire::line(&line) {
                None => {}
                Some(Line::Gone) => {
                    self.expire();
                    return Ok(());
                }
                Some(Line::Notice(notice)) => {
                    self.advance(&notice);
                    self.note(notice);
                }
                Some(other) => self.note(Notice::Odd(format!("{other:?} among the events"))),
            }
            until_hang_up -= 1;
            if until_hang_up == 0 {
                return Err("hung up".to_owned());
            }
        }
        Ok(())
    }

    fn begin(&mut self, revision: Revision, items: Vec<Seen>) {
        self.position = Some(revision);
        self.has_ended = items.iter().any(|seen| seen.key == wire::LAST);
        self.note(Notice::State(revision, items));
    }

    fn advance(&mut self, notice: &Notice) {
        match notice {
            Notice::Event(_, seen) => {
                self.position = self.position.max(Some(seen.revision));
                self.has_ended = seen.key == wire::LAST;
            }
            Notice::Bookmark(revision) => self.position = self.position.max(Some(*revision)),
            _ => {}
        }
    }

    fn expire(&mut self) {
        let asked = self.position.take().unwrap_or_default();
        self.note(Notice::Expired(asked));
    }

    fn note(&self, notice: Notice) {
        let mut watching = self.watching.lock().expect("nobody panics while pushing");
        watching.notices.push((self.started.elapsed(), notice));
    }
}

/// The lines of a body as they come.
struct Lines {
    body: Incoming,
    rest: BytesMut,
}

// === impl Lines ===

impl Lines {
    /// The next line; `None` at a clean end.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.rest.split_to(end + 1).freeze()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.rest.extend_from_slice(frame.data_ref().map_or(&[][..], |d| d)),
                Some(Err(error)) => return Err(format!("{error:?}")),
                None if self.rest.is_empty() => return Ok(None),
                None => return Err("the stream ended within a line".to_owned()),
            }
        }
    }
}
