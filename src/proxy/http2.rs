//! HTTP/2 on h2 itself. hyper would do for requests and responses; it neither writes nor reads the
//! interim responses between them, and passes each message through a channel and two tasks.

mod exchange;
mod pipe;
mod serve;

use http::{HeaderMap, HeaderName, header};

pub(crate) use self::{
    exchange::{Sending, exchange},
    pipe::poll_room,
    serve::{Responding, Serving},
};

/// Fields that h2 sends in no head (RFC 9113 8.2.2). Those that came are gone before; rules set them,
/// and we do.
static ILLEGAL_FIELDS: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

fn strip_illegal(headers: &mut HeaderMap) {
    for name in &ILLEGAL_FIELDS {
        headers.remove(name);
    }
}
