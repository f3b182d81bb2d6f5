//! Where the server is now: it comes back on another port each time.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::harness::Site;
use crate::harness::http::Connection;

/// Between two attempts to connect while nobody says that the server has moved.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// nemesis -- where the server is, if it runs --> clients and watchers
#[derive(Clone, Debug)]
pub(crate) struct SiteRx(watch::Receiver<Option<Site>>);

// === impl SiteRx ===

impl SiteRx {
    pub(crate) fn channel(site: Site) -> (watch::Sender<Option<Site>>, Self) {
        let (sites_tx, sites_rx) = watch::channel(Some(site));
        (sites_tx, Self(sites_rx))
    }

    /// A connection to the server as soon as there is one; `None` when told to stop.
    pub(crate) async fn connect(&mut self, stop: &CancellationToken) -> Option<(Site, Connection)> {
        loop {
            let site = tokio::select! {
                () = stop.cancelled() => return None,
                site = self.0.wait_for(Option::is_some) => site.ok()?.clone()?,
            };
            if let Ok(connection) = site.try_connect().await {
                return Some((site, connection));
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                _ = self.0.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}
