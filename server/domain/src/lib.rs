//! Values and rules of skill-pool.
//!
//! In: values. Out: values. Nothing in this crate touches a file, the network, the clock or
//! a source of randomness, so every rule runs alike in the command line, in the server and in
//! a property test. What the world knows (bytes of a tree, the time, refs) comes in as an argument.

pub mod access;
pub mod address;
pub mod archive;
pub mod catalog;
pub mod certificate;
pub mod digest;
pub mod gate;
pub mod journal;
pub mod names;
pub mod nearest;
pub mod plugin;
pub mod push;
pub mod refusal;
pub mod registry;
pub mod release;
pub mod timestamp;
pub mod token;
pub mod tree;
