//! Hops and traces: rings, joins, queries.
