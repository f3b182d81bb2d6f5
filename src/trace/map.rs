//! The hash map of what is touched with every record.
//!
//! The standard one resists who chooses its keys to collide, and takes a tenth of the collector's time
//! (perf, 22,000 hops a second, 30 Nov 2026). foldhash's is seeded anew in each process, too, which is
//! enough for ids of traces, whose number is bounded.

/// See above.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::quality::RandomState>;
