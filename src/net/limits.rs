//! The bounds of connections, in one place for the API server and the proxy.
//!
//! What each is for, its default and why it is that, stand in the table (`limits/table.rs`).

mod table;
mod value;

use std::time::Duration;

use hyper::server::conn::{http1, http2};

pub use self::table::{LIMITS, Limit, Of};
use crate::framing::BareLineFeeds;

/// Header fields that hyper takes where nothing is said: their places lie on the stack.
const HYPER_HEADERS_MAX: usize = 100;

/// Bounds of every connection; [`LIMITS`] says what each means and why it is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table says it, and the page made from it")]
pub struct Limits {
    pub n_connections_max: usize,
    pub first_bytes_timeout: Duration,
    pub head_timeout: Duration,
    pub body_timeout: Option<Duration>,
    pub idle_timeout: Duration,
    pub unread_timeout: Option<Duration>,
    pub drain_timeout: Duration,
    pub connect_timeout: Duration,
    pub response_timeout: Duration,
    pub n_headers_max: usize,
    pub h1_buffer_max_bytes: usize,
    pub target_max_bytes: usize,
    pub forwarded_for_max_bytes: usize,
    pub bare_line_feeds: BareLineFeeds,
    pub escaped_slashes: EscapedSlashes,
    pub connect: Connect,
    pub h2_header_list_max_bytes: u32,
    pub h2_frame_max_bytes: u32,
    pub h2_streams_max: u32,
    pub h2_stream_window_bytes: u32,
    pub h2_connection_window_bytes: u32,
    pub h2_send_buffer_max_bytes: usize,
    pub h2_resets_pending_max: usize,
    pub h2_error_resets_max: usize,
}

/// What is done with `%2F` and `%5C` in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// They are part of a segment and are sent on as they are.
    Keep,
    /// The request is refused.
    Reject,
}

/// What is done with CONNECT on the entry listener (RFC 9110, section 9.3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connect {
    /// The request is refused.
    Refuse,
    /// It opens a tunnel to a port of a Service, and to nothing else.
    Services,
}

/// A limit that could not be set.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LimitError {
    /// Not `NAME=VALUE`.
    #[error("limit `{0}` is not of the form NAME=VALUE")]
    Form(String),
    /// No limit of this name.
    #[error("no limit `{name}`\nhint: there are {}", LIMITS.iter().map(|limit| limit.name).collect::<Vec<_>>().join(", "))]
    Name {
        /// What was asked for.
        name: String,
    },
    /// A value that the limit cannot have.
    #[error("limit `{name}`: `{value}` is not {wanted}")]
    Value {
        /// The limit.
        name: &'static str,
        /// What was asked for.
        value: String,
        /// What it may be.
        wanted: String,
    },
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        let mut limits = Self::unset();
        for limit in LIMITS {
            (limit.set)(&mut limits, limit.default).expect("a default is a value; a test sets each");
        }
        limits
    }
}

impl Limits {
    /// Sets one limit: `NAME=VALUE`.
    ///
    /// # Errors
    /// [`LimitError`] says which names there are, or which values.
    pub fn set(&mut self, assignment: &str) -> Result<(), LimitError> {
        let (name, value) =
            assignment.split_once('=').ok_or_else(|| LimitError::Form(assignment.to_owned()))?;
        let limit = LIMITS
            .iter()
            .find(|limit| limit.name == name)
            .ok_or_else(|| LimitError::Name { name: name.to_owned() })?;
        (limit.set)(self, value).map_err(|wanted| LimitError::Value {
            name: limit.name,
            value: value.to_owned(),
            wanted,
        })
    }

    /// hyper's HTTP/1 server with these bounds.
    ///
    /// Its own header timer stays off: it also runs between requests, where it
    /// would cut idle keep-alive connections, and it allocates a timer for each
    /// request. [`crate::Pace`] does both deadlines. The count of headers is only set where it is
    /// not hyper's own, because setting it moves parsing to the heap.
    /// `half_close` stays off: a client that closes its sending half during a
    /// request counts as gone, since otherwise one that has left would be noticed
    /// only by writing to it, and a silent stream never writes.
    /// `pipeline_flush` stays off: with it, hyper's own 400 and 431 are never
    /// written, since the bad head is still in the buffer that holds up the flush.
    pub fn http1(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            .header_read_timeout(None)
            .max_buf_size(self.h1_buffer_max_bytes)
            // The buffer's bound is soft: one read may go beyond it.
            .max_header_size(self.h1_buffer_max_bytes);
        if self.n_headers_max != HYPER_HEADERS_MAX {
            builder.max_headers(self.n_headers_max);
        }
        builder
    }

    /// hyper's HTTP/2 server with these bounds, spawning streams on `executor`.
    pub fn http2<E>(&self, executor: E) -> http2::Builder<E>
    where
        E: Clone,
    {
        let mut builder = http2::Builder::new(executor);
        builder
            .max_header_list_size(self.h2_header_list_max_bytes)
            .max_frame_size(self.h2_frame_max_bytes)
            .max_concurrent_streams(self.h2_streams_max)
            .initial_stream_window_size(self.h2_stream_window_bytes)
            .initial_connection_window_size(self.h2_connection_window_bytes)
            .max_send_buf_size(self.h2_send_buffer_max_bytes)
            .max_pending_accept_reset_streams(self.h2_resets_pending_max)
            .max_local_error_reset_streams(self.h2_error_resets_max);
        builder
    }

    /// Nothing set yet. Only the table's defaults may be seen.
    const fn unset() -> Self {
        Self {
            n_connections_max: 0,
            first_bytes_timeout: Duration::ZERO,
            head_timeout: Duration::ZERO,
            body_timeout: Some(Duration::ZERO),
            idle_timeout: Duration::ZERO,
            unread_timeout: Some(Duration::ZERO),
            drain_timeout: Duration::ZERO,
            connect_timeout: Duration::ZERO,
            response_timeout: Duration::ZERO,
            n_headers_max: 0,
            h1_buffer_max_bytes: 0,
            target_max_bytes: 0,
            forwarded_for_max_bytes: 0,
            bare_line_feeds: BareLineFeeds::Accept,
            escaped_slashes: EscapedSlashes::Reject,
            connect: Connect::Services,
            h2_header_list_max_bytes: 0,
            h2_frame_max_bytes: 0,
            h2_streams_max: 0,
            h2_stream_window_bytes: 0,
            h2_connection_window_bytes: 0,
            h2_send_buffer_max_bytes: 0,
            h2_resets_pending_max: 0,
            h2_error_resets_max: 0,
        }
    }
}

#[cfg(test)]
mod tests;
