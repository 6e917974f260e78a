//! Where things lie in the data folder. Nobody else puts these paths together.

use std::fs::File;
use std::io;
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

    /// Where a rebuild makes the database anew, before it takes the other's place.
    pub fn database_beside(&self) -> PathBuf {
        self.root.join("skill-pool.db.rebuilding")
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
}
