//! Where things lie in the data folder. Nobody else puts these paths together.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use skill_pool_domain::names::{RepositoryName, TenantName};

/// The data folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataFolder {
    root: PathBuf,
}

impl DataFolder {
    /// The data folder at `root`, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database: credentials, journal, refs, outbox, projections.
    pub fn database(&self) -> PathBuf {
        self.root.join("skill-pool.db")
    }

    /// Signing key and token pepper, 0600.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The file that names the admin socket.
    pub fn admin(&self) -> PathBuf {
        self.root.join("admin")
    }

    /// All tenants' repositories.
    pub fn tenants(&self) -> PathBuf {
        self.root.join("tenants")
    }

    /// One tenant's repositories.
    pub fn tenant(&self, tenant: &TenantName) -> PathBuf {
        self.tenants().join(tenant.as_str())
    }

    /// What can be deleted at any time: caches, archives, `marketplace.git`.
    pub fn derived(&self) -> PathBuf {
        self.root.join("derived")
    }

    /// A repository's folder. The marketplace repository is derived, the others are not.
    pub fn repository(&self, tenant: &TenantName, name: &RepositoryName) -> PathBuf {
        match name {
            RepositoryName::Marketplace => self.derived().join("tenants").join(tenant.as_str()).join("marketplace.git"),
            RepositoryName::Registry | RepositoryName::Log | RepositoryName::Plugin(_) => {
                self.tenant(tenant).join(name.to_string())
            }
        }
    }

    /// Makes the folder, synced and for its owner alone, and takes the lock that says who owns it. The lock ends with
    /// the value or the process, however that ends.
    ///
    /// # Errors
    /// [`FolderError::Taken`] while another process holds it; [`FolderError::Io`] when the disk fails.
    pub fn lock(&self) -> Result<FolderLock, FolderError> {
        let failed = |action| move |source| FolderError::Io { action, path: self.root.clone(), source };
        if !self.root.is_dir() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.root).map_err(failed("make"))?;
            let parent = self.root.parent().filter(|parent| !parent.as_os_str().is_empty());
            sync_folder(parent.unwrap_or(Path::new("."))).map_err(failed("sync"))?;
        }
        let path = self.root.join("server.lock");
        // Nothing is written into it, so that it can be taken on a full disk.
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => Ok(FolderLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Taken { path: self.root.clone() }),
            Err(TryLockError::Error(source)) => Err(FolderError::Io { action: "lock", path, source }),
        }
    }
}

/// One process owns a data folder, as long as this lives.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process works in it.
    #[error("{path} is in use by another process of this program\nstop it, or let the running server do the work")]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// The disk failed.
    #[error("could not {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Makes the names in `folder` durable.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_lie_within_their_tenant() {
        let data = DataFolder::new("/d");
        let tenant = TenantName::parse("acme").expect("a name");
        let at = |path: &str| data.repository(&tenant, &RepositoryName::parse_path(path).expect("a repository"));
        assert_eq!(at("plugins/lint"), Path::new("/d/tenants/acme/plugins/lint.git"));
        assert_eq!(at("registry"), Path::new("/d/tenants/acme/registry.git"));
        assert_eq!(at("marketplace"), Path::new("/d/derived/tenants/acme/marketplace.git"));
    }

    #[test]
    fn one_owner_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataFolder::new(folder.path().join("a/b"));
        let lock = data.lock().expect("the first");
        assert!(matches!(data.lock(), Err(FolderError::Taken { .. })));
        drop(lock);
        assert!(data.lock().is_ok());
    }
}
