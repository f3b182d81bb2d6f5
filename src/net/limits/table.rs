//! The limits: name, default, what it bounds, and why it is as it is. `docs/limits.md` is made
//! from it, and `--limit NAME=VALUE` reads it.

use super::{BareLineFeeds, Connect, EscapedSlashes, Limits, value};

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is where nothing is said, as one would write it.
    pub default: &'static str,
    /// Whose connections it bounds.
    pub of: Of,
    /// What it bounds.
    pub meaning: &'static str,
    /// Why it is that, and what happens beyond it.
    pub reason: &'static str,
    /// Sets it, or says what it may be.
    pub(super) set: fn(&mut Limits, &str) -> Result<(), String>,
}

/// Whose connections a limit bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The proxy's and the API server's.
    Both,
    /// The proxy's.
    Proxy,
}

/// More connections than there are ports, and more headers than fit the largest head.
const N_MANY: usize = 65_535;
/// hyper's least read buffer.
const HEAD_LEAST_BYTES: u32 = 8 * 1024;
/// Heads and buffers larger than this are no heads; one connection could hold as much.
const LARGE_BYTES: u32 = 16 * 1024 * 1024;
/// RFC 9113, section 6.9.1.
const WINDOW_MOST_BYTES: u32 = (1 << 31) - 1;
/// RFC 9113, section 6.5.2.
const FRAME_LEAST_BYTES: u32 = 16 * 1024;
const FRAME_MOST_BYTES: u32 = (1 << 24) - 1;
/// hyper refuses longer ones by itself (`MAX_URI_LEN`).
const TARGET_MOST_BYTES: u32 = 65_534;

/// Sets a field to a parsed value.
macro_rules! set {
    ($field:ident, $text:ident => $value:expr) => {
        |limits: &mut Limits, $text: &str| {
            limits.$field = $value?;
            Ok(())
        }
    };
}

/// A size for a field of `usize`.
fn size(text: &str, min: u32, max: u32) -> Result<usize, String> {
    value::size(text, min, max)
        .and_then(|bytes| usize::try_from(bytes).map_err(|_| "a size that fits".to_owned()))
}

/// Every limit.
pub static LIMITS: &[Limit] = &[
    Limit {
        name: "connections",
        default: "10000",
        of: Of::Both,
        meaning: "connections open at once (for each worker of the proxy)",
        reason: "two descriptors each stay below the usual hard limit of 1,048,576 and, at 40 KB for an idle one, below 400 MB; the API server leaves more in the kernel's queue, the proxy closes them",
        set: set!(n_connections_max, text => value::count(text, 1, 1_000_000)),
    },
    Limit {
        name: "first-bytes-timeout",
        default: "10s",
        of: Of::Both,
        meaning: "from accept, and from the end of a TLS handshake, to the bytes that tell the protocol; also the handshake itself",
        reason: "nothing honest needs longer, and every held connection costs a descriptor; then it is closed, however the bytes drip",
        set: set!(first_bytes_timeout, text => value::time(text)),
    },
    Limit {
        name: "head-timeout",
        default: "10s",
        of: Of::Both,
        meaning: "from the first byte of an HTTP/1 head to its end",
        reason: "as above; then the connection is closed",
        set: set!(head_timeout, text => value::time(text)),
    },
    Limit {
        name: "body-timeout",
        default: "60s",
        of: Of::Proxy,
        meaning: "no byte of a request's body comes, before its response has begun; not for gRPC and WebSockets",
        reason: "nginx' `client_body_timeout`; then 408, and over HTTP/1 the connection is closed",
        set: set!(body_timeout, text => value::time_or_none(text)),
    },
    Limit {
        name: "idle-timeout",
        default: "90s",
        of: Of::Both,
        meaning: "no request is in progress on a connection",
        reason: "at least as long as the pools of common clients (Go's transport and hyper-util 90 s), so that they, not we, close first and no request meets a closing connection",
        set: set!(idle_timeout, text => value::time(text)),
    },
    Limit {
        name: "unread-timeout",
        default: "none",
        of: Of::Both,
        meaning: "the peer takes nothing of an answer; the API server of `spur up` has 60s where nothing is said (nginx' `send_timeout`)",
        reason: "the proxy waits, since a program that stands at a breakpoint reads on later; what it waits with is bounded below",
        set: set!(unread_timeout, text => value::time_or_none(text)),
    },
    Limit {
        name: "drain-timeout",
        default: "25s",
        of: Of::Both,
        meaning: "how long requests may go on once a drain has begun; `spur up` has 5s where nothing is said",
        reason: "below the 30 s of a pod's default termination grace; then they are cut",
        set: set!(drain_timeout, text => value::time(text)),
    },
    Limit {
        name: "connect-timeout",
        default: "1500ms",
        of: Of::Proxy,
        meaning: "from the first SYN to an upstream to the connection",
        reason: "on one machine a connection takes microseconds, and after a second the kernel repeats a SYN that a busy upstream has dropped, which is to be in time (linkerd2-proxy has 1 s). Then the next endpoint is tried, three at most, or 504",
        set: set!(connect_timeout, text => value::time(text)),
    },
    Limit {
        name: "response-timeout",
        default: "60s",
        of: Of::Proxy,
        meaning: "from the last byte of the request that the upstream took to the head of its response; not for gRPC, which brings its own deadline, and WebSockets",
        reason: "nginx' `proxy_read_timeout`; then 504",
        set: set!(response_timeout, text => value::time(text)),
    },
    Limit {
        name: "headers",
        default: "100",
        of: Of::Both,
        meaning: "header fields of one request",
        reason: "hyper's own, and Envoy's; more are answered 431. Another number moves hyper's parsing to the heap",
        set: set!(n_headers_max, text => value::count(text, 1, N_MANY)),
    },
    Limit {
        name: "head-bytes",
        default: "64KiB",
        of: Of::Both,
        meaning: "one HTTP/1 head, and the read buffer of a connection",
        reason: "eight times the 8 KB that browsers and proxies take, a sixth of hyper's own; more is answered 431",
        set: set!(h1_buffer_max_bytes, text => size(text, HEAD_LEAST_BYTES, LARGE_BYTES)),
    },
    Limit {
        name: "target-bytes",
        default: "16KiB",
        of: Of::Proxy,
        meaning: "path and query of one request",
        reason: "twice what browsers and servers agree on; more is answered 414",
        set: set!(target_max_bytes, text => size(text, 1, TARGET_MOST_BYTES)),
    },
    Limit {
        name: "forwarded-for-bytes",
        default: "4KiB",
        of: Of::Proxy,
        meaning: "the `x-forwarded-for` that is continued",
        reason: "100 addresses; a longer one begins anew, so that a loop of proxies cannot fill the head",
        set: set!(forwarded_for_max_bytes, text => size(text, 0, LARGE_BYTES)),
    },
    Limit {
        name: "bare-line-feeds",
        default: "reject",
        of: Of::Both,
        meaning: "what is done with a line feed without a carriage return in an HTTP/1 head: reject, accept",
        reason: "where one party ends a line and another does not, a request can hide in a header (RFC 9112, section 2.2, allows both); rejected with 400",
        set: set!(bare_line_feeds, text => value::choice(
            text,
            ("reject", BareLineFeeds::Reject),
            ("accept", BareLineFeeds::Accept),
        )),
    },
    Limit {
        name: "escaped-slashes",
        default: "keep",
        of: Of::Proxy,
        meaning: "what is done with `%2F` and `%5C` in a path: keep, reject",
        reason: "Istio's default: they are part of a segment and are sent on as they came; reject them with 400 where services unescape before they look at a path",
        set: set!(escaped_slashes, text => value::choice(
            text,
            ("keep", EscapedSlashes::Keep),
            ("reject", EscapedSlashes::Reject),
        )),
    },
    Limit {
        name: "connect",
        default: "refuse",
        of: Of::Proxy,
        meaning: "what is done with CONNECT on the entry listener: refuse, services",
        reason: "whoever may CONNECT speaks any protocol with the ports of Services, so that it is asked for; `services` opens tunnels to those (`CONNECT db.shop:5432`) and to nothing else, and the key counts as for requests",
        set: set!(connect, text => value::choice(
            text,
            ("refuse", Connect::Refuse),
            ("services", Connect::Services),
        )),
    },
    Limit {
        name: "h2-header-list-bytes",
        default: "64KiB",
        of: Of::Both,
        meaning: "one decoded HTTP/2 header list",
        reason: "the same head as HTTP/1; more is answered 431. With it go the CONTINUATION frames of one list: h2 takes as many as it needs and a quarter more, at least five",
        set: set!(h2_header_list_max_bytes, text => value::size(text, 1024, LARGE_BYTES)),
    },
    Limit {
        name: "h2-frame-bytes",
        default: "16KiB",
        of: Of::Both,
        meaning: "the payload of one HTTP/2 frame",
        reason: "the least that RFC 9113, section 6.5.2, allows; a larger frame ends the connection",
        set: set!(h2_frame_max_bytes, text => value::size(text, FRAME_LEAST_BYTES, FRAME_MOST_BYTES)),
    },
    Limit {
        name: "h2-streams",
        default: "100",
        of: Of::Both,
        meaning: "streams of one HTTP/2 connection at once",
        reason: "the least that RFC 9113, section 6.5.2, recommends; more are refused (REFUSED_STREAM)",
        set: set!(h2_streams_max, text => value::count_u32(text, 1, 1 << 20)),
    },
    Limit {
        name: "h2-stream-window-bytes",
        default: "64KiB",
        of: Of::Both,
        meaning: "what may come on one HTTP/2 stream before it is read",
        reason: "the protocol's own default",
        set: set!(h2_stream_window_bytes, text => value::size(text, 1, WINDOW_MOST_BYTES)),
    },
    Limit {
        name: "h2-connection-window-bytes",
        default: "1MiB",
        of: Of::Both,
        meaning: "the same for all streams of a connection",
        reason: "sixteen full streams",
        set: set!(h2_connection_window_bytes, text => value::size(text, 65_535, WINDOW_MOST_BYTES)),
    },
    Limit {
        name: "h2-send-buffer-bytes",
        default: "64KiB",
        of: Of::Both,
        meaning: "what is kept of an answer for one stream whose reader is slow",
        reason: "one window",
        set: set!(h2_send_buffer_max_bytes, text => size(text, 1024, WINDOW_MOST_BYTES)),
    },
    Limit {
        name: "h2-resets-pending",
        default: "20",
        of: Of::Both,
        meaning: "streams that a client has reset and that were not yet taken up (Rapid Reset, CVE-2023-44487)",
        reason: "h2's own; beyond it the connection ends with ENHANCE_YOUR_CALM",
        set: set!(h2_resets_pending_max, text => value::count(text, 1, N_MANY)),
    },
    Limit {
        name: "h2-error-resets",
        default: "1024",
        of: Of::Both,
        meaning: "streams of one connection that we had to reset for what the client did (MadeYouReset, CVE-2025-8671)",
        reason: "h2's own; beyond it the connection ends with ENHANCE_YOUR_CALM",
        set: set!(h2_error_resets_max, text => value::count(text, 1, N_MANY)),
    },
];
