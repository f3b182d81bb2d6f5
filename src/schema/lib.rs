//! Structural schemas: validation, pruning, patches, apply; no IO.
