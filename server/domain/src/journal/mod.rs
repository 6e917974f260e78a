//! The append-only record of accepted ref updates: the text form of a leaf, and the fold of leaves into refs.
