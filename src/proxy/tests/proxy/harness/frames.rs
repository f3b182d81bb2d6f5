//! An HTTP/2 client made of frames (RFC 9113, section 4.1), which says what no client would.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::PATIENCE;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// RFC 9113, section 7.
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame as it came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// What a request comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The first byte of the header list: `:status`, where HPACK's static table has it.
    Status(u8),
    Reset(u32),
    GoAway(u32),
    Closed,
}

/// `:status` 200 and 400 (RFC 7541, appendix A).
pub(crate) const OK: Said = Said::Status(0x88);
pub(crate) const BAD_REQUEST: Said = Said::Status(0x8c);

/// One connection.
pub(crate) struct Frames {
    pub(crate) stream: TcpStream,
}

/// How a flood ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flood {
    /// All of it was read.
    Taken,
    /// The proxy stopped reading.
    Stopped,
    /// The proxy closed.
    Closed,
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields without compression (RFC 7541, section 6.2.2).
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let string = |text: &str| {
        let n_bytes = u8::try_from(text.len()).ok().filter(|n| *n < 127).expect("short fields");
        [&[n_bytes], text.as_bytes()].concat()
    };
    fields.iter().flat_map(|(name, value)| [vec![0], string(name), string(value)].concat()).collect()
}

/// A good request's pseudo headers, with another in the place of one of the same name.
pub(crate) fn request(other: &[(&str, &str)]) -> Vec<u8> {
    let usual =
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "cart.shop.localhost")];
    let kept = usual.iter().filter(|(name, _)| !other.iter().any(|(other, _)| other == name));
    let (pseudo, rest): (Vec<_>, Vec<_>) = other.iter().partition(|(name, _)| name.starts_with(':'));
    // One of an empty value is left out.
    let all: Vec<_> =
        kept.copied().chain(pseudo).chain(rest).filter(|(_, value)| !value.is_empty()).collect();
    fields(&all)
}

impl Frames {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[]).await
    }

    /// With settings (RFC 9113, section 6.5.1). What is received is held in a small buffer.
    pub(crate) async fn connect_with(address: SocketAddr, settings: &[u8]) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, settings)).await.unwrap();
        Self { stream }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // It may have been closed, which is what tests want to see.
        let _ = timeout(PATIENCE, self.stream.write_all(bytes)).await;
    }

    /// The next frame; `None` once closed. Settings and pings are acknowledged.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        timeout(PATIENCE, self.stream.read_exact(&mut head)).await.expect("a frame in time").ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        if matches!(kind, SETTINGS | PING) && flags & ACK == 0 {
            let answer = if kind == PING { &payload[..] } else { &[] };
            self.send(&frame(kind, ACK, 0, answer)).await;
        }
        Some(Frame { kind, stream: u32::from_be_bytes(stream), payload })
    }

    /// What stream `id` comes to.
    pub(crate) async fn said(&mut self, id: u32) -> Said {
        let code = |at: usize, payload: &[u8]| {
            u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"))
        };
        while let Some(Frame { kind, stream, payload }) = self.next().await {
            match kind {
                HEADERS if stream == id => return Said::Status(payload[0]),
                RST_STREAM if stream == id => return Said::Reset(code(0, &payload)),
                GOAWAY => return Said::GoAway(code(4, &payload)),
                _ => {}
            }
        }
        Said::Closed
    }

    /// Writes `bytes` again and again and reads nothing, until as much as `max_bytes` was taken.
    pub(crate) async fn flood(&mut self, bytes: &[u8], max_bytes: usize) -> Flood {
        /// A proxy that still reads takes some within that time.
        const STUCK: std::time::Duration = std::time::Duration::from_millis(1500);
        let many = bytes.repeat((64 * 1024 / bytes.len()).max(1));
        for _ in 0..max_bytes / many.len() {
            match timeout(STUCK, self.stream.write_all(&many)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Flood::Closed,
                Err(_) => return Flood::Stopped,
            }
        }
        Flood::Taken
    }
}
