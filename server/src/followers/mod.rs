//! What is owed after a commit: refs on disk, evidence, catalog, index.
//!
//! In: the outbox and the store. Out: copies and projections that can always be made again. Must hold: a follower may
//! see an entry twice, or find that its work was done already; it keeps its own position; what it does for one
//! repository is one function, which it calls for each repository at start and for those that moved at run time. It
//! begins some time after the answer to a push has gone out, and serving never waits for it.
//!
//! - `runner`: wakes followers, retries, tells how far they are
//! - `catalog`: `marketplace.json`, made anew
//! - `disk_refs`, `packed_refs`: refs of repositories as files that stock git reads
//! - `packs`: many packs made one, leftovers swept
//! - `marketplace`: the catalog as a repository
//! - `log_git`, `log_tree`: leaves and what they name, as commits in `log.git`

pub mod catalog;
pub mod disk_refs;
pub mod log_git;
pub(crate) mod log_tree;
pub mod marketplace;
mod packed_refs;
mod packs;
mod runner;

#[cfg(test)]
mod tests;

pub use disk_refs::DiskRefs;
pub use log_git::LogGit;
pub(crate) use packed_refs::deviation;
pub use packed_refs::{Deviation, DiskRefsError, read_disk_refs};
pub use packs::Packs;
pub use runner::{Followers, Progress, Status, catch_up};

use std::time::Duration;

use crate::store::OutboxEntry;

/// Something that is owed after commits.
pub trait Follower: Send + 'static {
    /// Names it in the database, in logs and metrics. Never changes.
    fn name(&self) -> &'static str;

    /// How long after a commit it begins, so that commits that follow closely are dealt with together.
    fn gathering(&self) -> Duration;

    /// Brings in line what the entries moved. Tries all of them, also when one fails.
    ///
    /// # Errors
    /// The first failure. The same entries come again later.
    fn keep_up(&mut self, entries: &[OutboxEntry]) -> Result<(), FollowerError>;

    /// At start: looks at a bounded part of everything that there is and brings it in line. Called again until it is
    /// through, in between with what moves meanwhile. After an error it is called again for the same part.
    ///
    /// # Errors
    /// When a part cannot be brought in line.
    fn check(&mut self) -> Result<Progress, FollowerError>;
}

/// A follower could not do its work now.
#[derive(Debug, thiserror::Error)]
#[error("could not {what} of {subject}")]
pub struct FollowerError {
    /// What it could not do, such as `write the refs`.
    pub what: &'static str,
    /// Of what, such as `acme plugins/lint.git`.
    pub subject: String,
    /// The cause.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl FollowerError {
    /// For `map_err`.
    pub fn at<E>(what: &'static str, subject: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let subject = subject.into();
        move |source| Self { what, subject, source: source.into() }
    }
}
