//! A whole registry without a web server, in a temporary folder, for tests of services.

use std::path::Path;
use std::sync::Arc;

use skill_pool_domain::access::{Push, Yank};
use skill_pool_domain::journal::{Fold, Leaf, fold};
use skill_pool_domain::names::{LeafIndex, MemberId, PluginName, RepositoryName, TenantId, TenantName, Version};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_domain::tree::{Mode, Tree, TreeFile};
use skill_pool_git::limits::ReceiveLimits;
use skill_pool_git::repo::{RepoCache, RepoOptions};

use super::credentials::Credentials;
use super::door::Door;
use super::{Services, TokenLifetimes, template};
use crate::followers::{DiskRefs, LogGit, catch_up};
use crate::keys::{Keys, WhenAbsent};
use crate::store::{DataFolder, PAGE_ROWS_MAX, Store, StoreOptions, TenantKey, TenantRecord};

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
pub(crate) const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// A registry with the tenant `acme`, whose admin is `mia`.
pub(crate) struct Running {
    pub(crate) folder: Arc<tempfile::TempDir>,
    pub(crate) data: DataFolder,
    pub(crate) services: Services,
}

pub(crate) fn plugin(name: &str) -> RepositoryName {
    RepositoryName::Plugin(PluginName::parse(name).expect("a name"))
}

pub(crate) fn acme() -> TenantName {
    TenantName::parse("acme").expect("a name")
}

fn file(path: &str, content: String) -> TreeFile {
    let (path, content) = (path.as_bytes().to_vec(), content.into_bytes());
    TreeFile { path, mode: Mode::File, size_bytes: content.len() as u64, content: Some(content) }
}

impl Running {
    pub(crate) fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let running = Self::open(&folder, &folder.path().join("data"));
        let mia = MemberId::parse("mia").expect("a name");
        running.services.create_tenant(&acme(), &mia, &template::registry()).expect("a tenant");
        running
    }

    /// Opens the data folder `data`; `folder` lives as long as it.
    pub(crate) fn open(folder: &Arc<tempfile::TempDir>, data: &Path) -> Self {
        let data = DataFolder::new(data);
        std::fs::create_dir_all(data.root()).expect("a folder");
        let keys = Arc::new(Keys::open(&data.keys(), WhenAbsent::Make).expect("keys"));
        let store = Arc::new(Store::open(&data, StoreOptions::default(), NOW).expect("a store"));
        let repositories = Arc::new(RepoCache::new(RepoOptions::default(), 64));
        let clock = || NOW;
        let limits = ReceiveLimits::default();
        let door = Door::new(store.clone(), repositories.clone(), keys.clone(), data.clone(), limits, clock);
        let credentials = Arc::new(Credentials::new(store.clone(), keys.pepper(), clock));
        let token_lifetimes = TokenLifetimes { usual: DAY, max: DAY };
        let services = Services {
            store,
            data: data.clone(),
            repositories,
            door: Arc::new(door),
            credentials,
            token_lifetimes,
            clock,
        };
        Self { folder: Arc::clone(folder), data, services }
    }

    /// Closes the database. The folder stays.
    pub(crate) fn close(self) -> (Arc<tempfile::TempDir>, DataFolder) {
        self.services.store.close();
        (self.folder, self.data)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.services.store
    }

    pub(crate) fn record(&self) -> Arc<TenantRecord> {
        self.store().tenant(&TenantKey::Name(acme())).expect("reads").expect("a tenant")
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.record().tenant
    }

    /// Publishes a version of a plugin with one skill.
    pub(crate) fn publish(&self, name: &str, version: &str) {
        let manifest = format!(
            "{{\n  \"name\": \"{name}\",\n  \"version\": \"{version}\",\n  \"description\": \"About {name}.\"\n}}\n"
        );
        let skill =
            format!("---\nname: check\ndescription: Checks {name} as of {version}.\n---\n\n# Check\n\nLook at it.\n");
        let tree = Tree::new(vec![file(".claude-plugin/plugin.json", manifest), file("skills/check/SKILL.md", skill)]);
        let proof = self.services.operator(&self.record(), None, Push(plugin(name))).expect("may");
        let done = self.services.publish(&proof, &tree, &format!("{name} {version}")).expect("passes the door");
        assert!(done.committed.is_some());
    }

    pub(crate) fn yank(&self, name: &str, version: &str, reason: Option<&str>) {
        let act = Yank(PluginName::parse(name).expect("a name"));
        let proof = self.services.operator(&self.record(), None, act).expect("may");
        let version = Version::parse(version).expect("a version");
        self.services.yank(&proof, &version, reason).expect("passes the door");
    }

    pub(crate) fn write_refs(&self) {
        catch_up(self.store(), &mut DiskRefs::new(self.store().clone(), self.data.clone())).expect("writes");
    }

    pub(crate) fn write_log(&self) {
        let repositories = Arc::clone(&self.services.repositories);
        catch_up(self.store(), &mut LogGit::new(self.store().clone(), self.data.clone(), repositories))
            .expect("writes");
    }

    pub(crate) fn leaves(&self) -> Vec<Leaf> {
        let stored = self.store().leaves(self.tenant(), LeafIndex(0), PAGE_ROWS_MAX).expect("reads");
        stored.iter().map(|leaf| leaf.parse().expect("a leaf")).collect()
    }

    pub(crate) fn fold(&self) -> Fold {
        fold(&self.leaves()).expect("they follow each other").expect("there are some")
    }

    /// Everything that the database says about the tenant and that repositories and log can bring back.
    pub(crate) fn told(&self) -> Vec<String> {
        let tenant = self.tenant();
        let mut told: Vec<String> = self.leaves().iter().map(Leaf::text).collect();
        told.push(format!("{:?}", self.record()));
        told.push(format!("{:?}", self.store().registry(tenant).expect("reads").map(|state| (*state).clone())));
        told.push(format!("{:?}", self.store().members_by_id(tenant, None, 100).expect("reads")));
        for record in self.store().repositories_by_name(tenant, None, PAGE_ROWS_MAX).expect("reads") {
            if record.name.is_generated() {
                continue;
            }
            told.push(format!("{record:?}"));
            told.push(format!("{:?}", self.store().refs(tenant, &record.name).expect("reads")));
            if let RepositoryName::Plugin(plugin) = &record.name {
                told.push(format!(
                    "{:?}",
                    self.store().releases_highest_first(tenant, plugin, None, 100).expect("reads")
                ));
            }
        }
        told
    }
}
