//! Objects with revisions, compare-and-put and a watchable log, on redb.
