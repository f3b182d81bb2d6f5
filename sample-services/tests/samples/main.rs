//! The samples as their callers see them: over loopback sockets, with settings of
//! the test's choosing, many shops in one process.

#![expect(clippy::unwrap_used, reason = "in a test binary every helper is a test's, which clippy cannot see")]

mod support;

mod shop;

mod grpc;

mod doubles;

mod lifecycle;

mod manifests;
