//! Receiving pushes.

mod bombs;
mod connect;
pub mod craft;
mod keep;
mod packs;
pub mod target;
