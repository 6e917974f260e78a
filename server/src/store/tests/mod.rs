//! The store as its callers see it, on real files.

mod commits;
mod faults;
mod reads;
pub(crate) mod tamper;
pub(crate) mod world;
