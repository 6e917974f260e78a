//! Single files of a repository, for pages.

use std::sync::Arc;

use gix::ObjectId;
use skill_pool_domain::access::{Granted, ReadRepository};
use skill_pool_git::history::{HistoryError, read_file};
use skill_pool_git::repo::{RepoCache, RepoError};

use crate::store::DataFolder;

/// Reads files of commits.
pub struct Files {
    repositories: Arc<RepoCache>,
    data: DataFolder,
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The repository could not be opened.
    #[error("could not open the repository")]
    Repo(#[from] RepoError),
    /// Its objects could not be read.
    #[error("could not read the file")]
    History(#[from] HistoryError),
}

impl Files {
    /// Reads from the repositories of a data folder.
    pub fn new(repositories: Arc<RepoCache>, data: DataFolder) -> Self {
        Self { repositories, data }
    }

    /// The text of the file at `path` in `commit`, which the caller knows to be reachable for whoever holds the proof.
    /// `None` when there is none, it is no text, or it has more than `bytes_max` bytes. Blocks for the disk.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn text(
        &self,
        proof: &Granted<ReadRepository>,
        commit: ObjectId,
        path: &str,
        bytes_max: u64,
    ) -> Result<Option<String>, FileError> {
        let folder = self.data.repository(proof.tenant_name(), proof.repository());
        let repo = self.repositories.get(&folder)?;
        match read_file(&*repo, &commit, path, bytes_max) {
            Ok(bytes) => Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok())),
            Err(HistoryError::OverLimit { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
