//! The router driven as a client would, in process.

mod deletes;
mod discovery;
mod lists;
mod patches;
mod watches;
mod world;
mod writes;
