//! Controllers and the route compiler.
