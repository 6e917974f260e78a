//! What can go wrong with the database, by what the caller can do about it.

use std::path::PathBuf;

use skill_pool_domain::names::TenantName;

/// The database could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file was written by a newer version of this program.
    #[error(
        "{path} was written by a newer version: it has schema {found}, this program knows {known}\n\
         start the newer program, or restore a backup that was made before the update"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// The file is a database of something else, or its schema was changed by hand.
    #[error("{path} is not a database of this program: {reason}")]
    Foreign {
        /// The database file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file or its folder cannot be used.
    #[error("could not open the database {path}")]
    Open {
        /// The database file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A question could not be answered, or a change not be made.
    #[error("the database could not {what}")]
    Failed {
        /// What was to be done, as a verb and its object.
        what: &'static str,
        /// The disk is full.
        disk_full: bool,
        /// The cause.
        source: rusqlite::Error,
    },
    /// The transaction that this change was part of could not be committed; nothing was changed.
    #[error("the database could not make the change durable: {reason}")]
    NotDurable {
        /// The disk is full.
        disk_full: bool,
        /// The cause.
        reason: String,
    },
    /// A tenant of this name or id exists.
    #[error("there is a tenant called {0} already, or its id is taken")]
    TenantTaken(TenantName),
    /// No such tenant, repository, release or token.
    #[error("there is no such {0}")]
    Absent(&'static str),
    /// Something is already so, such as a host name that belongs to another tenant.
    #[error("{0}")]
    Conflict(String),
    /// The store was closed.
    #[error("the database is being closed")]
    Closed,
}

impl StoreError {
    /// True when there was no space left on the disk.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Failed { disk_full: true, .. } | Self::NotDurable { disk_full: true, .. })
    }

    /// For `map_err`: failing to do `what`.
    pub(super) fn doing(what: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Failed { what, disk_full: is_disk_full(&source), source }
    }
}

/// True when SQLite says that the disk is full.
pub(super) fn is_disk_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

/// True when a row of the same key exists.
pub(super) fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}
