//! HTTP/2 on h2 itself. hyper would do for requests and responses; it neither writes nor reads the
//! interim responses between them, and passes each message through a channel and two tasks.

mod exchange;
mod pipe;
mod serve;

pub(crate) use self::{
    exchange::exchange,
    serve::{Responding, Serving},
};
