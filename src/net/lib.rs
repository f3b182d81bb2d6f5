//! Accept loops with deadlines, listeners that know their caller.
