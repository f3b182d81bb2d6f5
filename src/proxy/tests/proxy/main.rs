//! The proxy at its own door: real sockets on loopback, real upstreams, one table.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;

mod access_log;
mod affinity;
mod captures;
mod egress;
mod explained;
mod faults;

mod floods;
mod grpc;
mod grpc_web;
mod http1;
mod http2;
mod interim;

mod gateway_tls;
mod keys;
mod lifecycle;
mod lost_keys;
mod passthrough;
mod records;
mod requests;
mod routing;
mod rules;
mod streams;
mod table;
mod tcp;
mod tries;
mod tunnels;
mod udp;
mod upgrade;
mod upstream_tls;
mod upstreams;
mod websocket_streams;
mod websockets;
