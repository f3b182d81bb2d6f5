//! The routing table as data, and the verdict; no IO.
