//! Verbs of the product. Each takes a proof of access and values, and calls git and store.
//!
//! [`Services`] holds what they work with; `tenants`, `members`, `tokens` and `yank` are its verbs. `credentials` tells
//! whom a token shows, `limits` who asks too much, `door` moves refs.

pub mod archives;
pub mod backup;
pub mod catalog;
pub mod credentials;
pub mod door;
mod faults;
pub mod files;
pub mod fsck;
pub mod git;
pub mod limits;
mod members;
mod publish;
pub mod rebuild;
pub mod releases;
pub mod sessions;
pub mod template;
mod tenants;
mod tokens;
#[cfg(test)]
mod world;
mod yank;

use std::sync::Arc;

use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::repo::RepoCache;

use crate::store::{DataFolder, Store};
use credentials::Credentials;
use door::Door;

pub use tenants::facts;
pub use tokens::{MadeToken, TokenLifetimes, TokenRequest};

/// Tells the present time.
pub type Clock = fn() -> Timestamp;

/// What the verbs work with. One for the process.
pub struct Services {
    /// The database.
    pub store: Arc<Store>,
    /// Where repositories lie.
    pub data: DataFolder,
    /// Open repositories.
    pub repositories: Arc<RepoCache>,
    /// What moves refs.
    pub door: Arc<Door>,
    /// Whom tokens show.
    pub credentials: Arc<Credentials>,
    /// How long tokens live.
    pub token_lifetimes: TokenLifetimes,
    /// Tells the present time.
    pub clock: Clock,
}
