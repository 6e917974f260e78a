//! Verbs of the product. Each takes a proof of access and values, and calls git and store.

pub mod door;
pub mod git;
