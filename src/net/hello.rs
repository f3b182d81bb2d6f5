//! Reading a TLS client's first message without answering it: which name it asks for. The bytes
//! are given back, so that the handshake can happen here or elsewhere.

use std::io;

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::Rewind;

/// Bytes read for one first message. One record holds 16 KiB (RFC 8446, section 5.1), and
/// browsers with post-quantum keys send 2 KiB.
const HELLO_MAX_BYTES: usize = 16 * 1024 + 5;

/// Bytes asked for at a time: most first messages come in one read.
const READ_BYTES: usize = 2 * 1024;

/// A client's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// The name that it asks for (RFC 6066, section 3), in lower case; `None` where it names none,
    /// as clients do that connect to an address.
    pub server_name: Option<String>,
}

/// Why there is no first message.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    /// It is longer than any that is read.
    #[error("the client's first message is longer than {HELLO_MAX_BYTES} bytes")]
    TooLong,
    /// The peer closed in the middle of it.
    #[error("the client closed after {n_bytes} bytes of its first message")]
    Closed {
        /// How many had come.
        n_bytes: usize,
    },
    /// It is no TLS, or none that is spoken.
    #[error("the client's first message is not valid")]
    Invalid(#[source] rustls::Error),
    /// The socket failed.
    #[error("failed to read the client's first message")]
    Read(#[source] io::Error),
}

/// Reads the first message and gives the stream back with it in front. The caller has the deadline.
///
/// # Errors
/// [`HelloError`] when there is none.
pub async fn read_hello<S>(mut stream: S) -> Result<(ClientHello, Rewind<S, Vec<u8>>), HelloError>
where
    S: AsyncRead + Unpin,
{
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::with_capacity(READ_BYTES);
    loop {
        let n_before = bytes.len();
        if n_before >= HELLO_MAX_BYTES {
            return Err(HelloError::TooLong);
        }
        let n_wanted = READ_BYTES.min(HELLO_MAX_BYTES - n_before) as u64;
        match (&mut stream).take(n_wanted).read_buf(&mut bytes).await {
            Ok(0) => return Err(HelloError::Closed { n_bytes: n_before }),
            Ok(_) => {}
            Err(error) => return Err(HelloError::Read(error)),
        }
        let mut unread = &bytes[n_before..];
        while !unread.is_empty() {
            acceptor.read_tls(&mut unread).map_err(HelloError::Read)?;
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
                let n_bytes = bytes.len();
                return Ok((ClientHello { server_name: name }, Rewind::new(stream, bytes, n_bytes)));
            }
            Ok(None) => {}
            Err((error, _alert)) => return Err(HelloError::Invalid(error)),
        }
    }
}
