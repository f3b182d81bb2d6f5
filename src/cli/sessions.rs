//! Commands against a real API server in this process, without controllers:
//! the tests write the status that a controller would.

mod files;
mod objects;
mod runs;
mod sandboxes;
mod traces;
mod verify;
mod world;
