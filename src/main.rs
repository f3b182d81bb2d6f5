//! The `spur` binary: parse, configure, dispatch.

fn main() {}
