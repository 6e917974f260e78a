//! Receiving pushes.

mod bombs;
mod connect;
mod craft;
mod keep;
mod packs;
mod target;
