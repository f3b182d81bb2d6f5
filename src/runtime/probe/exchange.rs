//! A conversation of a few messages with a server that may say anything: every
//! read has a bound, and what is shown of an answer is short and printable.
//! The deadline is the caller's.

use std::time::Duration;

use spur_net::Dial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::tcp::{connect, words};

/// How much of an answer that makes no sense is shown: a line of a terminal (our choice).
const SHOWN_MAX_BYTES: usize = 60;

/// How long a server is given to hear that we are leaving; on loopback it takes a
/// millisecond, and the answer is there already (our choice).
const LEAVE: Duration = Duration::from_millis(100);

/// As much as is read of what a server says to the end, the kubelet's bound for a body
/// (`maxRespBodyLength`).
const LEAVE_MAX_BYTES: usize = 10 * 1024;

/// One connection.
pub(super) struct Exchange {
    stream: TcpStream,
    n_read: usize,
}

// === impl Exchange ===

impl Exchange {
    /// Connects, or says why not.
    pub(super) async fn open(dial: &Dial, host: &str, port: u16) -> Result<Self, String> {
        Ok(Self { stream: connect(dial, host, port).await?, n_read: 0 })
    }

    /// Sends all of it.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).await.map_err(|e| words(&e))
    }

    /// Exactly `N` bytes.
    pub(super) async fn read<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.fill(&mut bytes).await?;
        Ok(bytes)
    }

    /// Exactly `n_bytes`, where that is no more than `max_bytes`.
    pub(super) async fn read_up_to(&mut self, n_bytes: usize, max_bytes: usize) -> Result<Vec<u8>, String> {
        if n_bytes > max_bytes {
            return Err(format!("the answer would have {n_bytes} bytes, more than {max_bytes}"));
        }
        let mut bytes = vec![0; n_bytes];
        self.fill(&mut bytes).await?;
        Ok(bytes)
    }

    /// A line up to its `\n`, without the end of the line.
    pub(super) async fn read_line(&mut self, max_bytes: usize) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        loop {
            // One at a time, so that what follows stays unread; the kernel has it already.
            match self.read::<1>().await? {
                [b'\n'] => break,
                [byte] if line.len() < max_bytes => line.push(byte),
                [_] => return Err(format!("no end of line in {max_bytes} bytes: {}", shown(&line))),
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line)
    }

    /// Reads what is still coming and closes, so that the server finds an end and no reset
    /// in its log.
    pub(super) async fn leave(mut self) {
        let last = async {
            let _ = self.stream.shutdown().await;
            self.drain().await;
        };
        let _ = tokio::time::timeout(LEAVE, last).await;
    }

    /// Reads to the end of what the server says, as far as it matters.
    pub(super) async fn finish(mut self) {
        let _ = tokio::time::timeout(LEAVE, self.drain()).await;
    }

    async fn drain(&mut self) {
        let (mut buf, mut n_drained) = ([0; 1024], 0);
        while n_drained < LEAVE_MAX_BYTES {
            match self.stream.read(&mut buf).await {
                Ok(0) | Err(_) => return,
                Ok(n) => n_drained += n,
            }
        }
    }

    async fn fill(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.stream.read(&mut bytes[filled..]).await {
                Ok(0) if self.n_read == 0 => return Err("it closed the connection without an answer".into()),
                Ok(0) => return Err(format!("it closed the connection after {} bytes", self.n_read)),
                Ok(n) => {
                    filled += n;
                    self.n_read += n;
                }
                Err(e) => return Err(words(&e)),
            }
        }
        Ok(())
    }
}

/// The start of an answer, printable: what a server says ends up in events and terminals.
pub(super) fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(SHOWN_MAX_BYTES)];
    let more = if cut.len() < bytes.len() { "…" } else { "" };
    format!("\"{}\"{more}", cut.escape_ascii())
}

/// A server's own words for people: UTF-8 where it is, without control characters, and at
/// most as long as `max_chars`.
pub(super) fn told(bytes: &[u8], max_chars: usize) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(max_chars).collect()
}
