//! A response body as lines that come over time: traces, watches, logs.

use std::io;

use futures::io::{AsyncBufRead, AsyncBufReadExt};

/// Longest line: an object of 3 MiB, as the store has them at most, with escapes.
const LINE_MAX_BYTES: usize = 12 << 20;

/// The lines of a body, as they come.
pub(super) struct Lines {
    body: Box<dyn AsyncBufRead + Send + Unpin>,
}

// === impl Lines ===

impl Lines {
    pub(super) fn new(body: impl AsyncBufRead + Send + 'static) -> Self {
        Self { body: Box::new(Box::pin(body)) }
    }

    /// The next line without its line break; `None` at the end.
    ///
    /// # Errors
    /// When the body breaks off, or a line is longer than anything a Spur sends.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let chunk = self.body.fill_buf().await?;
            if chunk.is_empty() {
                return Ok((!line.is_empty()).then_some(line));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let n_taken = end.unwrap_or(chunk.len());
            if line.len() + n_taken > LINE_MAX_BYTES {
                return Err(io::Error::other("a line of the answer is too long"));
            }
            line.extend_from_slice(&chunk[..n_taken]);
            self.body.consume_unpin(n_taken + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(Some(line));
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
