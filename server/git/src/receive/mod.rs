//! Receives pushes. In: the bytes of a request, a repository, what its pusher may read. Out: a quarantine of checked
//! objects, and the bytes of the answer. Holds: nothing here is visible to readers until the caller commits; a push that is
//! refused leaves nothing.
//!
//! - `commands`: the head of the request. `report`: the answer.
//! - `pack`: the pack as it arrives. `fsck`: what an object may be.
//! - `quarantine`: the received objects. `store`: how they are kept.

pub mod commands;
pub mod fsck;
mod pack;
mod quarantine;
pub mod report;
mod store;
pub mod text;

pub use pack::{Bases, Deadline, ReceiveError};
pub use quarantine::{Quarantine, Reached, receive_pack};
pub use store::{KeepError, Kept, sweep, write_objects};
