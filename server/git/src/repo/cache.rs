//! Many repositories open at once, within a bound.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Repo, RepoError, RepoOptions};
use crate::lru::Lru;

/// Opened repositories by folder; the one used longest ago is let go when there are too many.
///
/// Two callers that open one repository at the same moment may each get their own; both are right, one is kept.
pub struct RepoCache {
    options: RepoOptions,
    repos: Mutex<Lru<PathBuf, Arc<Repo>>>,
}

impl RepoCache {
    /// Keeps at most `repositories_max` open, each opened with `options`.
    pub fn new(options: RepoOptions, repositories_max: usize) -> Self {
        Self { options, repos: Mutex::new(Lru::new(repositories_max)) }
    }

    /// The repository in `folder`, opened if it is not open or its folder was replaced.
    ///
    /// # Errors
    /// As [`Repo::open`].
    pub fn get(&self, folder: &Path) -> Result<Arc<Repo>, RepoError> {
        let known = self.repos.lock().get(&folder.to_owned()).cloned();
        if let Some(repo) = known
            && repo.is_in_place()
        {
            return Ok(repo);
        }
        let repo = Arc::new(Repo::open(folder, &self.options)?);
        self.repos.lock().insert(folder.to_owned(), Arc::clone(&repo), 1);
        Ok(repo)
    }

    /// The repository in `folder` if it is open. Never touches the disk.
    pub fn opened(&self, folder: &Path) -> Option<Arc<Repo>> {
        self.repos.lock().get(&folder.to_owned()).cloned()
    }

    /// Forgets the repository in `folder`, which was or will be removed.
    pub fn forget(&self, folder: &Path) {
        self.repos.lock().remove(&folder.to_owned());
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.repos.lock().len()
    }

    /// True when none is open.
    pub fn is_empty(&self) -> bool {
        self.repos.lock().is_empty()
    }
}
