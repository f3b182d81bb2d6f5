//! The table of inputs, row by row: raw bytes in, the answer and what the upstream saw out.

mod http1;
mod http2;
