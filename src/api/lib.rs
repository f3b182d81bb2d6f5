//! Resource kinds and their rules; no IO.
