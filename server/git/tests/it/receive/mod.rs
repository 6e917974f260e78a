//! Receiving pushes.

mod bombs;
mod connect;
mod craft;
mod packs;
mod target;
