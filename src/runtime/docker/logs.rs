//! A container's output, as the daemon keeps it.

use std::time::{SystemTime, UNIX_EPOCH};

use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use futures::{StreamExt, TryStreamExt, stream};

use super::engine::{Engine, words};
use crate::interface::{LogOptions, LogStream};

/// The output of a container by the daemon's id.
pub(super) fn open(engine: &Engine, id: &str, options: &LogOptions) -> LogStream {
    let pieces = engine.docker().logs(id, Some(query(options)));
    let pieces = pieces.map_ok(bollard::container::LogOutput::into_bytes);
    let pieces = pieces.map_err(|error| std::io::Error::other(words(&error)));
    match options.limit_bytes {
        None => pieces.boxed(),
        Some(max) => first_bytes(pieces.boxed(), max),
    }
}

fn query(options: &LogOptions) -> LogsOptions {
    let LogOptions { follow, tail_lines, since, timestamps, previous: _, limit_bytes: _ } = options;
    let tail = tail_lines.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    let query = LogsOptionsBuilder::new().stdout(true).stderr(true).follow(*follow);
    let query = query.timestamps(*timestamps).tail(&tail);
    match since.and_then(seconds) {
        Some(since) => query.since(since).build(),
        None => query.build(),
    }
}

/// Whole seconds, as the daemon takes them.
fn seconds(time: SystemTime) -> Option<i32> {
    i32::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

fn first_bytes(pieces: LogStream, max: u64) -> LogStream {
    let left = usize::try_from(max).unwrap_or(usize::MAX);
    let cut = stream::try_unfold((pieces, left), async |(mut pieces, left)| {
        if left == 0 {
            return Ok(None);
        }
        let Some(mut piece) = pieces.try_next().await? else { return Ok(None) };
        piece.truncate(left);
        let left = left - piece.len();
        Ok(Some((piece, (pieces, left))))
    });
    cut.boxed()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn no_more_bytes_come_than_are_asked_for() {
        for (max, wanted) in [(0, ""), (1, "a"), (3, "abc"), (4, "abcd"), (9, "abcdef")] {
            let pieces = ["abc", "def"].map(|text| Ok(Bytes::from_static(text.as_bytes())));
            let all = first_bytes(stream::iter(pieces).boxed(), max);
            let all: Vec<Bytes> = all.try_collect().await.unwrap();
            assert_eq!(all.concat(), wanted.as_bytes(), "{max}");
        }
    }
}
