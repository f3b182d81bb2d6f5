//! Tables for what is planned and told, and the controller against a real API
//! server in process.

mod controller;
mod plan;
mod repeat;
mod routed;
mod status;
mod world;
