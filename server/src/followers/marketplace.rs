//! `marketplace.git`: the catalog for clients that add it by git.
//!
//! Main holds one commit whose tree is the catalog for the canonical address, dated by the leaf that last changed it: a
//! function of the journal, so that a repository that was deleted comes back with the same ids. Derived: whoever asks for
//! it before the follower came by makes it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gix::objs::Kind;
use parking_lot::Mutex;
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::names::{RepositoryId, RepositoryName, TenantId, TenantName};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::objects::Objects;
use skill_pool_git::receive::fsck::EntryMode;
use skill_pool_git::receive::{Change, Identity, Quarantine, Reached, commit_bytes, edit_tree};
use skill_pool_git::repo::{Repo, RepoCache};

use super::catalog::Catalogs;
use super::{Follower, FollowerError, Progress, disk_refs};
use crate::store::{DataFolder, OutboxEntry, Store, TenantKey};

/// Where clients look.
const FILE: &str = ".claude-plugin/marketplace.json";

/// Keeps each tenant's `marketplace.git` at its catalog.
pub struct Marketplaces {
    store: Store,
    data: DataFolder,
    repositories: Arc<RepoCache>,
    catalogs: Arc<Catalogs>,
    /// One at a time: who waits finds the work done.
    making: Mutex<()>,
}

impl Marketplaces {
    /// For the tenants of `data`.
    pub fn new(store: Store, data: DataFolder, repositories: Arc<RepoCache>, catalogs: Arc<Catalogs>) -> Self {
        Self { store, data, repositories, catalogs, making: Mutex::new(()) }
    }

    /// True when there is nothing to serve: the tenant is new, or its folder was deleted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_absent(&self, tenant: TenantId, name: &TenantName) -> Result<bool, FollowerError> {
        let refs = self.store.refs(tenant, &RepositoryName::Marketplace);
        let refs = refs.map_err(FollowerError::at("read the refs", format!("{name} marketplace.git")))?;
        let folder = self.data.repository(name, &RepositoryName::Marketplace);
        Ok(refs.is_none() || !folder.join("objects/pack").is_dir())
    }

    /// The one function: brings a tenant's `marketplace.git` to its catalog. Blocking.
    ///
    /// # Errors
    /// When the database or the disk fails.
    pub fn apply(&self, tenant: TenantId, name: &TenantName) -> Result<(), FollowerError> {
        let subject = || format!("{name} marketplace.git");
        let _one = self.making.lock();
        let at = self.changed_at(tenant).map_err(FollowerError::at("read the releases", subject()))?;
        let file = self.catalogs.canonical(tenant, name);
        let file = file.map_err(FollowerError::at("make the catalog", subject()))?;
        let folder = self.data.repository(name, &RepositoryName::Marketplace);
        if !folder.join("HEAD").is_file() || !folder.join("objects/pack").is_dir() {
            Repo::init(&folder).map_err(FollowerError::at("make the folder", subject()))?;
        }
        let repo = self.repositories.get(&folder).map_err(FollowerError::at("open the folder", subject()))?;
        let mut quarantine = Quarantine::empty(&repo.path().join("objects/pack"));
        let changes = BTreeMap::from([(FILE.to_owned(), Change::Put(EntryMode::File, file.bytes().to_vec()))]);
        let tree = edit_tree(&mut quarantine, &*repo, None, &changes);
        let tree = tree.map_err(FollowerError::at("write the tree", subject()))?;
        let registry = Identity { name: "skill-pool", address: "registry@skill-pool.invalid", at };
        let text = commit_bytes(&tree, &[], &registry, &registry, "The catalog\n");
        let commit = quarantine.add(Kind::Commit, &text).map_err(FollowerError::at("write the commit", subject()))?;
        let refs = self.store.refs(tenant, &RepositoryName::Marketplace);
        let refs = refs.map_err(FollowerError::at("read the refs", subject()))?;
        let is_there = repo.contains(&commit).map_err(FollowerError::at("read the folder", subject()))?;
        if !is_there {
            quarantine.keep(&Reached::default(), &repo).map_err(FollowerError::at("keep the commit", subject()))?;
        }
        if refs.and_then(|refs| refs.snapshot.head_id()) != Some(commit) {
            let repository = repository_id(tenant);
            self.store
                .set_generated_main(tenant, &RepositoryName::Marketplace, repository, commit, at)
                .map_err(FollowerError::at("move main", subject()))?;
        }
        disk_refs::apply(&self.store, &self.data, (name, tenant), &RepositoryName::Marketplace)
    }

    /// The time of the leaf that changed the catalog last.
    fn changed_at(&self, tenant: TenantId) -> Result<Timestamp, crate::store::StoreError> {
        let registry = self.store.registry(tenant)?.map(|state| state.at);
        let release = self.store.releases_newest_first(tenant, None, 1)?.first().map(|release| release.at);
        Ok(registry.max(release).unwrap_or(Timestamp(0)))
    }
}

/// The id of a tenant's `marketplace.git`: the same for ever.
fn repository_id(tenant: TenantId) -> RepositoryId {
    let digest = Sha256::of(&[tenant.0.as_bytes(), &b" marketplace.git"[..]].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.0[..16]);
    RepositoryId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// Brings `marketplace.git` in line after each commit that changes a catalog.
pub struct MarketplaceFollower(pub Arc<Marketplaces>);

impl Follower for MarketplaceFollower {
    fn name(&self) -> &'static str {
        "marketplace"
    }

    fn gathering(&self) -> Duration {
        Duration::from_millis(50)
    }

    fn keep_up(&mut self, entries: &[OutboxEntry]) -> Result<(), FollowerError> {
        let tenants: std::collections::BTreeSet<TenantId> =
            entries.iter().filter(|entry| entry.catalog).map(|entry| entry.tenant).collect();
        let mut first = Ok(());
        for tenant in tenants {
            let record = self.0.store.tenant(&TenantKey::Id(tenant));
            let done = match record.map_err(FollowerError::at("look up", tenant.to_string())) {
                Ok(Some(record)) => self.0.apply(tenant, &record.name),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            first = first.and(done);
        }
        first
    }

    /// Nothing is owed from before the start: who asks for a repository that is gone makes it.
    fn check(&mut self) -> Result<Progress, FollowerError> {
        Ok(Progress::Done)
    }
}
