//! What the writer has made public, and what all handles share.

use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use crate::health::Counters;
use crate::snapshot::Snapshot;
use crate::window::{Window, Woken};
use crate::{Change, Health, Revision, Stats};

/// Shared by the store, its writer and its watches.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Guards window and snapshot together, so that whoever saw a change reads it too, and the
    /// window always reaches as far as the snapshot. Held for a few lines, never while reading
    /// pages.
    published: RwLock<Published>,
    /// writer -- the newest revision --> those who wait for one
    revision_tx: watch::Sender<Revision>,
    /// writer -- whether writes are taken --> whoever watches over the store
    health_tx: watch::Sender<Health>,
    pub(crate) counters: Counters,
}

/// The newest committed state.
pub(crate) struct Published {
    pub(crate) window: Window,
    /// `None` once the store is closed.
    pub(crate) snapshot: Option<Arc<Snapshot>>,
}

/// What was published and not announced yet.
#[must_use = "whoever waits for it is to be woken"]
pub(crate) struct News {
    woken: Woken,
    revision: Revision,
    /// Dropped outside the lock: the last holder of a retired database closes its file.
    _replaced: Option<Arc<Snapshot>>,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn new(window: Window, snapshot: Snapshot) -> Self {
        let revision = snapshot.revision;
        Self {
            published: RwLock::new(Published { window, snapshot: Some(Arc::new(snapshot)) }),
            revision_tx: watch::Sender::new(revision),
            health_tx: watch::Sender::new(Health::Ready),
            counters: Counters::default(),
        }
    }

    pub(crate) fn published(&self) -> RwLockReadGuard<'_, Published> {
        self.published.read().expect("publishing does not panic")
    }

    pub(crate) fn published_mut(&self) -> RwLockWriteGuard<'_, Published> {
        self.published.write().expect("publishing does not panic")
    }

    /// Makes a commit visible to reads and watches at once. Who waits for it is woken by
    /// [`Shared::announce`].
    pub(crate) fn publish(&self, changes: Vec<Change>, snapshot: Snapshot) -> News {
        let revision = snapshot.revision;
        let mut published = self.published_mut();
        let woken = published.window.append(changes, revision);
        News { woken, revision, _replaced: published.snapshot.replace(Arc::new(snapshot)) }
    }

    /// As [`Shared::publish`], where the changes since the last publication are not known.
    pub(crate) fn publish_after_a_gap(&self, base: Revision, changes: Vec<Change>, snapshot: Snapshot) {
        let woken = self.published_mut().window.forget(base);
        let news = self.publish(changes, snapshot);
        self.announce(news);
        woken.wake();
    }

    /// Ends every watch and read.
    pub(crate) fn close(&self) {
        self.set_health(Health::Closed);
        let revision = *self.revision_tx.borrow();
        let news = {
            let mut published = self.published_mut();
            News { woken: published.window.everyone(), revision, _replaced: published.snapshot.take() }
        };
        self.announce(news);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Revision> {
        self.revision_tx.subscribe()
    }

    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health_tx.subscribe()
    }

    pub(crate) fn set_health(&self, health: Health) {
        self.health_tx.send_if_modified(|current| {
            let is_new = *current != health;
            *current = health;
            is_new
        });
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.snapshot()
    }

    pub(crate) fn count_commit(&self, n_writes: usize) {
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.writes.fetch_add(n_writes as u64, Ordering::Relaxed);
    }

    /// Wakes who waits for what was published.
    pub(crate) fn announce(&self, News { woken, revision, _replaced }: News) {
        self.revision_tx.send_replace(revision);
        woken.wake();
    }
}

// === impl Published ===

impl Published {
    pub(crate) fn is_closed(&self) -> bool {
        self.snapshot.is_none()
    }
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Published")
            .field("revision", &self.window.revision())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
