//! Following one resource's changes. A watch pulls from the window: a slow one costs nothing,
//! falls out of the window, and is told so.

use std::sync::Arc;

use tokio::sync::watch;

use crate::published::Shared;
use crate::{Change, Revision};

/// Most changes given at once: bounds the time the window is locked and one answer's memory.
const BATCH_MAX_CHANGES: usize = 256;

/// Follows one resource, or one namespace of it.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    resource: Arc<str>,
    namespace: Option<Arc<str>>,
    position: Revision,
    /// writer -- there are changes of this resource, or the store closed --> watch
    wake_rx: watch::Receiver<()>,
}

/// A watch that cannot start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// Changes after that revision are not kept any more.
    #[error("revision {requested} is compacted: a watch can start at {oldest} or later")]
    Compacted {
        /// What was asked for.
        requested: Revision,
        /// The oldest revision to watch from.
        oldest: Revision,
    },
    /// The store was closed.
    #[error("store is closed")]
    Closed,
}

/// A watch that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NextError {
    /// The reader was too slow: changes it has not seen are gone. List again.
    #[error("watch fell behind at revision {position}: the oldest kept is {oldest}")]
    Lagged {
        /// How far the watch had come.
        position: Revision,
        /// The oldest revision to watch from.
        oldest: Revision,
    },
    /// The store was closed.
    #[error("store is closed")]
    Closed,
}

// === impl Watch ===

impl Watch {
    pub(crate) fn start(
        shared: Arc<Shared>,
        resource: &str,
        namespace: Option<&str>,
        after: Revision,
    ) -> Result<Self, WatchError> {
        let wake_rx = {
            let mut published = shared.published_mut();
            if published.is_closed() {
                return Err(WatchError::Closed);
            }
            let oldest = published.window.oldest(resource);
            if after < oldest {
                return Err(WatchError::Compacted { requested: after, oldest });
            }
            published.window.subscribe(resource)
        };
        let namespace = namespace.filter(|namespace| !namespace.is_empty()).map(Into::into);
        Ok(Self { shared, resource: resource.into(), namespace, position: after, wake_rx })
    }

    /// The next changes, in order, without gap or repetition; waits where there are none. A
    /// future dropped before it is ready has lost nothing.
    ///
    /// # Errors
    /// [`NextError::Lagged`] where changes were dropped before this watch read them.
    pub async fn next(&mut self) -> Result<Vec<Arc<Change>>, NextError> {
        loop {
            // Marked seen before looking, so that a change published in between wakes us.
            self.wake_rx.borrow_and_update();
            let changes = self.pull()?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            self.wake_rx.changed().await.map_err(|_| NextError::Closed)?;
        }
    }

    /// Every change up to here was delivered or does not concern this watch: what a bookmark
    /// may say. Rises with other resources' writes too.
    #[must_use]
    pub fn position(&self) -> Revision {
        let published = self.shared.published();
        let window = &published.window;
        let is_behind = self.position < window.oldest(&self.resource) || self.after(window).next().is_some();
        if is_behind { self.position } else { self.position.max(window.revision()) }
    }

    fn pull(&mut self) -> Result<Vec<Arc<Change>>, NextError> {
        let published = self.shared.published();
        let window = &published.window;
        let oldest = window.oldest(&self.resource);
        if self.position < oldest {
            return Err(NextError::Lagged { position: self.position, oldest });
        }
        let changes: Vec<_> = self.after(window).take(BATCH_MAX_CHANGES).cloned().collect();
        let position = match changes.last() {
            Some(last) if changes.len() == BATCH_MAX_CHANGES => last.revision,
            // A watch of a future revision stays there until the store has come so far.
            _ => self.position.max(window.revision()),
        };
        if changes.is_empty() && published.is_closed() {
            return Err(NextError::Closed);
        }
        drop(published);
        self.position = position;
        Ok(changes)
    }

    fn after<'a>(&'a self, window: &'a crate::window::Window) -> impl Iterator<Item = &'a Arc<Change>> {
        window
            .after(&self.resource, self.position)
            .filter(|change| self.namespace.is_none() || change.key.namespace == self.namespace)
    }
}
