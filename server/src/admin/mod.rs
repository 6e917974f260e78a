//! Verbs that reach a running server through its admin socket, or take the data folder themselves.
//!
//! In: a [`Verb`], read from the command line. Out: an [`Outcome`]: JSON, text, words, exit code. `run` carries verbs out
//! and is the same for both ways; `socket` is the way to a running server.

pub mod args;
pub mod outcome;
mod run;
pub mod socket;
pub mod verbs;

pub use outcome::Outcome;
pub use run::Workshop;
pub use verbs::{Form, Verb};
