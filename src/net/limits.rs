//! The bounds of one server connection, in one place for the API server and the proxy.

use std::time::Duration;

use hyper::server::conn::{http1, http2};

/// Bounds of every server connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once; beyond it new ones wait in the kernel's queue.
    /// 10,000: two descriptors each stay below the usual hard limit of 1,048,576
    /// and, at 40 KB per idle connection, below 400 MB.
    pub n_connections_max: usize,
    /// From accept to the first bytes that tell the protocol. 10 s, as nothing
    /// honest needs longer on loopback and every held connection costs a descriptor.
    pub first_bytes_timeout: Duration,
    /// From the first byte of a request head to its end. 10 s, as above.
    pub head_timeout: Duration,
    /// A connection without a request in progress is closed after this long.
    /// 90 s: at least as long as the pools of common clients (Go's transport
    /// 90 s, hyper-util 90 s), so that they, not we, close first and no request meets
    /// a closing connection.
    pub idle_timeout: Duration,
    /// A connection whose peer takes nothing of an answer is closed after this long; `None`: it is
    /// waited for. The proxy waits: a program that stands at a breakpoint reads on later.
    pub unread_timeout: Option<Duration>,
    /// How long requests may go on once a drain has begun. 25 s: below the 30 s
    /// of a pod's default termination grace.
    pub drain_timeout: Duration,
    /// Bytes of one HTTP/1 head, and of the read buffer. 64 KiB: eight times the
    /// 8 KB that browsers and proxies accept, a sixth of hyper's own limit.
    pub h1_buffer_max_bytes: usize,
    /// Bytes of one decoded HTTP/2 header list. 64 KiB, the same head as HTTP/1.
    pub h2_header_list_max_bytes: u32,
    /// Streams of one HTTP/2 connection. 100, the least RFC 9113 6.5.2 recommends.
    pub h2_streams_max: u32,
    /// The flow-control window of one stream: 64 KiB, the protocol's own default.
    pub h2_stream_window_bytes: u32,
    /// The flow-control window of one connection: 1 MiB, sixteen full streams.
    pub h2_connection_window_bytes: u32,
    /// Response bytes buffered for one stream whose reader is slow: 64 KiB, one window.
    pub h2_send_buffer_max_bytes: usize,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            n_connections_max: 10_000,
            first_bytes_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(90),
            unread_timeout: None,
            drain_timeout: Duration::from_secs(25),
            h1_buffer_max_bytes: 64 * 1024,
            h2_header_list_max_bytes: 64 * 1024,
            h2_streams_max: 100,
            h2_stream_window_bytes: 64 * 1024,
            h2_connection_window_bytes: 1024 * 1024,
            h2_send_buffer_max_bytes: 64 * 1024,
        }
    }
}

impl Limits {
    /// hyper's HTTP/1 server with these bounds.
    ///
    /// Its own header timer stays off: it also runs between requests, where it
    /// would cut idle keep-alive connections, and it allocates a timer for each
    /// request. [`crate::Pace`] does both deadlines. The count of headers stays
    /// at hyper's 100, because setting it moves parsing to the heap.
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
            .max_concurrent_streams(self.h2_streams_max)
            .initial_stream_window_size(self.h2_stream_window_bytes)
            .initial_connection_window_size(self.h2_connection_window_bytes)
            .max_send_buf_size(self.h2_send_buffer_max_bytes);
        builder
    }
}
