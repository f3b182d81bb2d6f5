//! A response body as lines that arrive over time: watches, logs, traces. The command line reads them
//! by this, too.

use std::io;

use futures::io::{AsyncBufRead, AsyncBufReadExt};

/// Longest line. An object is at most 3 MiB in the store and a watch event adds
/// little; four times that leaves room for escapes and status.
const LINE_MAX_BYTES: usize = 12 << 20;

/// The lines of a body, as they come.
pub struct Lines {
    body: Box<dyn AsyncBufRead + Send + Unpin>,
    /// The part of a line that has come so far; at most [`LINE_MAX_BYTES`].
    partial: Vec<u8>,
}

// === impl Lines ===

impl Lines {
    /// The lines of a body.
    #[must_use]
    pub fn new(body: impl AsyncBufRead + Send + 'static) -> Self {
        Self { body: Box::new(Box::pin(body)), partial: Vec::new() }
    }

    /// The next line without its line break; `None` at the end. May be dropped
    /// while it waits without losing anything.
    ///
    /// # Errors
    /// When the body breaks off, or a line is longer than anything we send.
    pub async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let chunk = self.body.fill_buf().await?;
            if chunk.is_empty() {
                let rest = std::mem::take(&mut self.partial);
                return Ok((!rest.is_empty()).then_some(rest));
            }
            let end = memchr::memchr(b'\n', chunk);
            let n_taken = end.unwrap_or(chunk.len());
            if self.partial.len() + n_taken > LINE_MAX_BYTES {
                let found = format!("a line of the answer is longer than {LINE_MAX_BYTES} bytes");
                return Err(io::Error::other(found));
            }
            self.partial.extend_from_slice(&chunk[..n_taken]);
            self.body.consume_unpin(n_taken + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.partial)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_however_they_were_sent() {
        let body =
            futures::io::BufReader::with_capacity(3, futures::io::Cursor::new("one\n\ntwo three\nrest"));
        let mut lines = Lines::new(body);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(all, ["one", "", "two three", "rest"]);
    }
}
