//! Verbs of the product. Each takes a proof of access and values, and calls git and store.

pub mod archives;
pub mod catalog;
pub mod door;
pub mod files;
pub mod git;
pub mod releases;
pub mod sessions;
pub mod limits;
