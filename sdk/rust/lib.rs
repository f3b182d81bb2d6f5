//! Typed client, and context propagation for services.
