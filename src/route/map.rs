//! The hash map of tables.

use std::collections::HashMap;

/// By a hash that is fast on short text. Whoever sends requests can only look up: what is in the
/// maps comes from those who write objects, and the hash is seeded anew for each process.
pub(crate) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
