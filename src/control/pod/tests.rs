//! The pod worker against the real API server in process: with a scripted
//! runtime, and once with real processes.

mod config;
mod crash_loop;
mod deletion;
mod probes;
mod processes;
mod restart;
mod services;
mod start;
mod world;
