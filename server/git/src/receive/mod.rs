//! Receives pushes. In: the bytes of a request, a repository, what its pusher may read. Out: a quarantine of checked
//! objects, and the bytes of the answer. Holds: nothing here is visible to readers until the caller commits; a push that is
//! refused leaves nothing.
//!
//! - `commands`: the head of the request. `report`: the answer.
//! - `pack`: the pack as it arrives. `fsck`: what an object may be.
//! - `quarantine`: the received objects. `store`: how they are kept. `edit`: objects that the server makes.
//! - `connectivity`: whether all that a ref reaches is there. `trees`, `facts`, `link`: what trees hold and amount to.
//!   `reachable`: what a pusher may read.

pub mod commands;
mod connectivity;
mod edit;
mod facts;
pub mod fsck;
mod link;
mod pack;
mod quarantine;
mod reachable;
pub mod report;
mod store;
pub mod text;
mod trees;

pub use connectivity::{Connectivity, ConnectivityError, Tip};
pub use edit::{Change, EditError, Identity, commit_bytes, edit_tree};
pub use facts::FactsCache;
pub use pack::{Bases, Deadline, ReceiveError};
pub use quarantine::{Quarantine, Reached, receive_pack};
pub use reachable::{ReachError, Reachable};
pub use store::{KeepError, Kept, sweep, write_objects};

pub(crate) use pack::{Form, PackWriter, Sealed, Spool, SpoolReader, read as read_pack, seal};
pub(crate) use store::{lock_names, move_in, sync_folder};
