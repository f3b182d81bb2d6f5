//! How figures are shown.

use std::time::Duration;

/// Prints one figure with what it is compared with.
pub(crate) fn figure(what: &str, found: impl std::fmt::Display, compared: &str) {
    let found = found.to_string();
    println!("{what:<52} {found:>22}   {compared}");
}

/// `12.3 ms`.
pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

/// `61.7 MB`.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0)
}

/// The value below which a share of all lie; `all` is sorted.
pub(crate) fn quantile(all: &[Duration], share: f64) -> Duration {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let place = (share * (all.len() - 1) as f64).round() as usize;
    all[place]
}
