//! Which protocol a new connection speaks, told by its first bytes, under a deadline.
//!
//! hyper-util's automatic builder waits for the preface without one (hyper#3756).

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

use crate::rewind::{PREFIX_MAX_BYTES, Rewind};

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 3.4).
const H2_PREFACE: &[u8; PREFIX_MAX_BYTES] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a TLS client sends first (RFC 8446 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1, or anything else that begins with a letter or digit.
    Http1,
    /// HTTP/2 with prior knowledge: the whole preface was read.
    Http2,
    /// A TLS handshake (RFC 8446 5.1: content type 22).
    Tls,
    /// The first byte begins no HTTP method and no TLS (PostgreSQL, MQTT, …).
    Other,
}

/// Why no protocol could be told.
#[derive(Debug, thiserror::Error)]
pub enum SniffError {
    /// Nothing, or only part of the HTTP/2 preface, came in time.
    #[error("wait for the first bytes: {n_bytes} came within {deadline:?}, too few to tell the protocol")]
    Deadline {
        /// How many bytes had come.
        n_bytes: usize,
        /// How long was waited.
        deadline: Duration,
    },
    /// The peer closed before saying enough.
    #[error("wait for the first bytes: closed by the peer after {n_bytes}")]
    Closed {
        /// How many bytes had come.
        n_bytes: usize,
    },
    /// The socket failed.
    #[error("read the first bytes")]
    Read(#[source] io::Error),
}

/// Reads until the protocol is certain and gives the stream back with what was read in front.
///
/// # Errors
/// [`SniffError::Deadline`] counts from the call, however the bytes drip;
/// [`SniffError::Closed`] and [`SniffError::Read`] tell what the peer or the socket did.
pub async fn sniff<S>(mut stream: S, deadline: Duration) -> Result<(Protocol, Rewind<S>), SniffError>
where
    S: AsyncRead + Unpin,
{
    let mut prefix = [0; PREFIX_MAX_BYTES];
    let mut n_bytes = 0;
    let told = timeout(deadline, async {
        loop {
            match stream.read(&mut prefix[n_bytes..]).await {
                Ok(0) => return Err(SniffError::Closed { n_bytes }),
                Ok(n) => n_bytes += n,
                Err(error) => return Err(SniffError::Read(error)),
            }
            if let Some(protocol) = tell(&prefix[..n_bytes]) {
                return Ok(protocol);
            }
        }
    })
    .await;
    match told {
        Ok(Ok(protocol)) => Ok((protocol, Rewind::new(stream, prefix, n_bytes))),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(SniffError::Deadline { n_bytes, deadline }),
    }
}

/// The protocol that `bytes` begin, or `None` while they are part of the preface.
fn tell(bytes: &[u8]) -> Option<Protocol> {
    let first = *bytes.first()?;
    if bytes == H2_PREFACE {
        Some(Protocol::Http2)
    } else if H2_PREFACE.starts_with(bytes) {
        None
    } else if first.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~\r\n".contains(&first) {
        // A method is a token (RFC 9110 9.1, 5.6.2); empty lines may come first (RFC 9112 2.2).
        Some(Protocol::Http1)
    } else if first == TLS_HANDSHAKE {
        Some(Protocol::Tls)
    } else {
        Some(Protocol::Other)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    async fn check(sent: &[u8], wanted: Protocol) {
        let (mut client, server) = duplex(1024);
        client.write_all(sent).await.unwrap();
        let (protocol, mut stream) = sniff(server, DEADLINE).await.unwrap();
        assert_eq!(protocol, wanted);
        drop(client);
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, sent, "the bytes read are given back in order");
    }

    #[tokio::test]
    async fn the_first_bytes_tell_the_protocol() {
        check(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n", Protocol::Http1).await;
        check(b"G", Protocol::Http1).await;
        check(b"PRINT / HTTP/1.1\r\n\r\n", Protocol::Http1).await;
        check(b"\r\nGET / HTTP/1.1\r\n\r\n", Protocol::Http1).await;
        check(&[H2_PREFACE.as_slice(), b"frames"].concat(), Protocol::Http2).await;
        check(b"\x16\x03\x01\x02\x00\x01", Protocol::Tls).await;
        check(b"\x00\x00\x00\x08", Protocol::Other).await;
    }

    #[tokio::test]
    async fn a_preface_in_single_bytes_is_http2() {
        let (mut client, server) = duplex(1);
        let (told, ()) = tokio::join!(sniff(server, DEADLINE), async {
            client.write_all(H2_PREFACE).await.unwrap();
        });
        assert_eq!(told.unwrap().0, Protocol::Http2);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_meets_the_deadline() {
        let (_client, server) = duplex(64);
        let error = sniff(server, DEADLINE).await.unwrap_err();
        assert!(matches!(error, SniffError::Deadline { n_bytes: 0, .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_preface_meets_the_deadline() {
        let (mut client, server) = duplex(64);
        client.write_all(&H2_PREFACE[..12]).await.unwrap();
        let error = sniff(server, DEADLINE).await.unwrap_err();
        assert!(matches!(error, SniffError::Deadline { n_bytes: 12, .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dripping_preface_does_not_extend_the_deadline() {
        let (mut client, server) = duplex(64);
        let drip = async {
            for byte in H2_PREFACE {
                client.write_all(&[*byte]).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let started = tokio::time::Instant::now();
        let told = tokio::select! {
            told = sniff(server, DEADLINE) => told,
            () = drip => panic!("the deadline must come first"),
        };
        assert!(matches!(told.unwrap_err(), SniffError::Deadline { .. }));
        assert!(started.elapsed() < DEADLINE * 2);
    }

    #[tokio::test]
    async fn a_peer_that_closes_early_is_told() {
        let (mut client, server) = duplex(64);
        client.write_all(b"PRI").await.unwrap();
        drop(client);
        let error = sniff(server, DEADLINE).await.unwrap_err();
        assert!(matches!(error, SniffError::Closed { n_bytes: 3 }));
    }
}
