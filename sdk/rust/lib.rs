//! What a program needs to live with Spur: context propagation for services.
//!
//! ```text
//!   incoming request ──► PropagationLayer ──► your handler ──► InjectLayer ──► outgoing request
//!        headers           captures            runs in           puts the         same key,
//!                          the context         its scope         context on       same trace
//! ```

pub mod propagation;
