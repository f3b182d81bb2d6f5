//! A container's output as it comes, for whoever is attached: bytes as they were
//! read, not lines. A reader that is too slow is told what it missed; neither the
//! log nor the process waits for it.

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, unfold};
use tokio::sync::broadcast::{self, Receiver, error::RecvError};

use crate::session::OutputStream;

/// Pieces kept for the slowest of those who are attached. With pieces of at most 16 KiB a
/// container keeps 1 MiB, and only while somebody is attached.
const PIECES_MAX: usize = 64;

/// The writing end, in the task that reads the container's output.
pub(crate) struct Tap {
    /// pump -- what it has read --> those who are attached
    pieces_tx: broadcast::Sender<Piece>,
    n_bytes: u64,
}

/// Where a reader joins; it does not keep the output open.
#[derive(Clone)]
pub(crate) struct TapPoint(broadcast::WeakSender<Piece>);

#[derive(Clone)]
struct Piece {
    stream: OutputStream,
    /// Bytes of both streams that came before it.
    at: u64,
    bytes: Bytes,
}

struct Reader {
    pieces_rx: Receiver<Piece>,
    /// Where the next piece begins if none is missed; `None` before the first.
    next_at: Option<u64>,
    /// A piece that follows the note about those before it.
    held: Option<Piece>,
    /// Where the note is written.
    notes: OutputStream,
}

// === impl Tap ===

impl Tap {
    /// One that nobody reads yet.
    pub(crate) fn new() -> (Self, TapPoint) {
        let pieces_tx = broadcast::Sender::new(PIECES_MAX);
        let point = TapPoint(pieces_tx.downgrade());
        (Self { pieces_tx, n_bytes: 0 }, point)
    }

    /// Passes on what was read.
    pub(crate) fn pass(&mut self, stream: OutputStream, bytes: &[u8]) {
        let at = self.n_bytes;
        self.n_bytes += u64::try_from(bytes.len()).expect("a length fits");
        if self.pieces_tx.receiver_count() > 0 {
            let piece = Piece { stream, at, bytes: Bytes::copy_from_slice(bytes) };
            // They may have gone in between.
            let _ = self.pieces_tx.send(piece);
        }
    }
}

// === impl TapPoint ===

impl TapPoint {
    /// All output from now on, until the container's last; `None` where that has come.
    /// Notes about what was missed are written to `notes`.
    pub(crate) fn join(&self, notes: OutputStream) -> Option<BoxStream<'static, (OutputStream, Bytes)>> {
        let pieces_rx = self.0.upgrade()?.subscribe();
        let reader = Reader { pieces_rx, next_at: None, held: None, notes };
        Some(unfold(reader, |mut reader| async { Some((reader.next().await?, reader)) }).boxed())
    }
}

// === impl Reader ===

impl Reader {
    async fn next(&mut self) -> Option<(OutputStream, Bytes)> {
        let piece = match self.held.take() {
            Some(piece) => piece,
            None => self.receive().await?,
        };
        let n_missed = self.next_at.map_or(0, |next_at| piece.at.saturating_sub(next_at));
        if n_missed > 0 {
            self.next_at = Some(piece.at);
            self.held = Some(piece);
            let text = format!("\r\nspur: {n_missed} bytes of output came faster than they were read\r\n");
            return Some((self.notes, Bytes::from(text)));
        }
        self.next_at = Some(piece.at + u64::try_from(piece.bytes.len()).expect("a length fits"));
        Some((piece.stream, piece.bytes))
    }

    async fn receive(&mut self) -> Option<Piece> {
        loop {
            match self.pieces_rx.recv().await {
                Ok(piece) => return Some(piece),
                // The next piece's place says how many bytes they were.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_joins_gets_what_comes_from_then_on() {
        let (mut tap, point) = Tap::new();
        tap.pass(OutputStream::Stdout, b"before");
        let mut output = point.join(OutputStream::Stderr).unwrap();
        tap.pass(OutputStream::Stdout, b"one");
        tap.pass(OutputStream::Stderr, b"two");
        drop(tap);
        assert_eq!(output.next().await, Some((OutputStream::Stdout, Bytes::from("one"))));
        assert_eq!(output.next().await, Some((OutputStream::Stderr, Bytes::from("two"))));
        assert_eq!(output.next().await, None);
        assert!(point.join(OutputStream::Stderr).is_none());
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_how_many_bytes_it_missed() {
        let (mut tap, point) = Tap::new();
        let mut output = point.join(OutputStream::Stderr).unwrap();
        tap.pass(OutputStream::Stdout, b"seen");
        assert_eq!(output.next().await, Some((OutputStream::Stdout, Bytes::from("seen"))));
        for _ in 0..PIECES_MAX + 10 {
            tap.pass(OutputStream::Stdout, b"12345");
        }
        drop(tap);
        let (stream, note) = output.next().await.unwrap();
        assert_eq!(stream, OutputStream::Stderr);
        assert_eq!(note, "\r\nspur: 50 bytes of output came faster than they were read\r\n");
        assert_eq!(output.count().await, PIECES_MAX);
    }
}
