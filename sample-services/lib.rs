//! The demo shop and the test doubles.
