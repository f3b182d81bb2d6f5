//! How long tests wait for what comes by itself.

use std::time::Duration;

/// Far above what anything here takes, so that only a fault reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Looks until it is so, at most [`LONG`].
pub(crate) async fn wait_for(what: &str, is_so: impl AsyncFn() -> bool) {
    let look = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = tokio::time::timeout(LONG, look).await;
    assert!(done.is_ok(), "waited {LONG:?} for {what}");
}
