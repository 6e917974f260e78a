//! Makes the database from the repositories and `log.git` alone.
//!
//! In: a data folder that nobody serves. Out: a new database in the place of the old one, which is kept under another
//! name, and a report. Must hold: what `log.git` says is taken as it is; what only the folders say gets leaves of its own
//! that say `reason:rebuilt`, and is named in the report; credentials are not in the repositories and are issued anew.
//!
//! - `tenant`: one tenant's journal and what it explains
//! - `tail`: what had not yet reached `log.git`
//! - `content`: what commits hold

pub(super) mod content;
mod tail;
mod tenant;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use skill_pool_domain::names::{TenantId, TenantName};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::repo::{RepoCache, RepoOptions};

use crate::followers::{FollowerError, LogGit, catch_up};
use crate::store::{DataFolder, NotCommitted, Store, StoreError, StoreOptions, sync_folder};

/// The files that SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// What a rebuild did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rebuilt {
    /// Each tenant, by name.
    pub tenants: Vec<RebuiltTenant>,
    /// Where the database that was there before is now.
    pub previous: Option<PathBuf>,
}

/// What a rebuild did for one tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RebuiltTenant {
    /// Its name: that of its folder.
    pub name: TenantName,
    /// Its id.
    pub tenant: TenantId,
    /// Leaves taken from `log.git`.
    pub leaves_read: u64,
    /// Leaves made again from the folders.
    pub leaves_remade: u64,
    /// Repositories that it has.
    pub repositories: usize,
    /// Releases that it has.
    pub releases: usize,
    /// What a person should look at, one sentence each.
    pub notes: Vec<String>,
}

/// Why the database could not be rebuilt. The one that was there before is still in its place.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// A folder cannot be read or a file not be put in its place.
    #[error("could not {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The new database could not be written.
    #[error("could not write the new database")]
    Store(#[from] StoreError),
    /// What the folders say could not be taken in.
    #[error("could not take in what {repository} of {tenant} holds")]
    Tail {
        /// Whose.
        tenant: TenantName,
        /// The repository.
        repository: String,
        /// The cause.
        source: NotCommitted,
    },
    /// A repository could not be read.
    #[error("could not read {repository} of {tenant}: {reason}")]
    Repository {
        /// Whose.
        tenant: TenantName,
        /// The repository.
        repository: String,
        /// The cause.
        reason: String,
    },
    /// `log.git` could not be continued.
    #[error("could not bring log.git in line")]
    Log(#[from] FollowerError),
}

/// Rebuilds the database of `data`, which the caller has locked.
///
/// # Errors
/// [`RebuildError`]; the old database is then untouched.
pub fn rebuild(data: &DataFolder, now: Timestamp) -> Result<Rebuilt, RebuildError> {
    let new = data.database_beside();
    for suffix in BESIDE {
        remove(&with_suffix(&new, suffix))?;
    }
    let store = Store::open_beside(data, StoreOptions::default(), now)?;
    let repositories = Arc::new(RepoCache::new(RepoOptions::default(), 256));
    let rebuild = tenant::Rebuild { data, store: &store, repositories: &repositories, now };
    let mut tenants = Vec::new();
    for name in tenant_folders(data)? {
        tenants.push(rebuild.tenant(&name)?);
    }
    // Leaves that were made again reach `log.git` before the new database counts.
    catch_up(&store, &mut LogGit::new(store.clone(), data.clone(), repositories))?;
    store.close_into_one_file(&new)?;
    let previous = put_in_place(data, &new, now)?;
    Ok(Rebuilt { tenants, previous })
}

/// Names of the folders of tenants, sorted. Folders that no tenant can be called are left out.
fn tenant_folders(data: &DataFolder) -> Result<Vec<TenantName>, RebuildError> {
    let path = data.tenants();
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(RebuildError::Io { what: "list", path, source }),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| RebuildError::Io { what: "list", path: path.clone(), source })?;
        if let Some(name) = entry.file_name().to_str().and_then(|name| TenantName::parse(name).ok()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Moves the old database aside and the new one into its place. Dying in between leaves either the old one or none, and
/// then the rebuild is to be run again.
fn put_in_place(data: &DataFolder, new: &Path, now: Timestamp) -> Result<Option<PathBuf>, RebuildError> {
    let database = data.database();
    let moved = |what, path: &Path| {
        let path = path.to_owned();
        move |source| RebuildError::Io { what, path, source }
    };
    let aside = data.root().join(format!("skill-pool.db.before-rebuild-{}", now.seconds()));
    let existed = database.exists();
    for suffix in BESIDE {
        let from = with_suffix(&database, suffix);
        if from.exists() {
            std::fs::rename(&from, with_suffix(&aside, suffix)).map_err(moved("move aside", &from))?;
        }
    }
    std::fs::rename(new, &database).map_err(moved("put in place", new))?;
    sync_folder(data.root()).map_err(moved("sync", data.root()))?;
    Ok(existed.then_some(aside))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(suffix);
    PathBuf::from(text)
}

fn remove(path: &Path) -> Result<(), RebuildError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(RebuildError::Io { what: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
