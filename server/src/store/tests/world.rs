//! A store in a temporary folder, and proposals that are short to write.

use std::path::Path;
use std::sync::Arc;

use gix::ObjectId;
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::journal::{Fold, Leaf, fold};
use skill_pool_domain::names::{
    LeafIndex, MemberId, PluginName, RefName, RepositoryId, RepositoryName, TenantId, TenantName, Version,
};
use skill_pool_domain::registry::Registry;
use skill_pool_domain::timestamp::Timestamp;
use uuid::Uuid;

use crate::store::commit::{Committed, NewRelease, NotCommitted, Proposal, RefUpdate};
use crate::store::{DataFolder, Store, StoreOptions};

pub(crate) const NOW: Timestamp = Timestamp(1_790_000_000_000);

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
}

pub(crate) fn tenant() -> TenantId {
    TenantId(Uuid::from_u128(0x0192_d5a0_0000_7000_8000_0000_0000_0001))
}

pub(crate) fn id(n: u8) -> ObjectId {
    ObjectId::from([n; 20])
}

pub(crate) fn plugin(name: &str) -> RepositoryName {
    RepositoryName::Plugin(PluginName::parse(name).expect("a name"))
}

pub(crate) fn ref_name(name: &str) -> RefName {
    RefName::parse(name.as_bytes()).expect("a ref name")
}

pub(crate) fn version(text: &str) -> Version {
    Version::parse(text).expect("a version")
}

pub(crate) fn mia() -> MemberId {
    MemberId::parse("mia").expect("a name")
}

/// `old` and `new` by a number; 0 for "no such ref".
pub(crate) fn update(name: &str, old: u8, new: u8) -> RefUpdate {
    let value = |n: u8| (n != 0).then(|| id(n));
    RefUpdate {
        name: ref_name(name),
        old: value(old),
        new: value(new),
        peeled: None,
        tree: None,
        gate: None,
        capabilities: None,
    }
}

pub(crate) fn main(old: u8, new: u8) -> RefUpdate {
    update("refs/heads/main", old, new)
}

pub(crate) fn registry() -> Registry {
    // From JSON, so that what is not said here has its default, as in a projection that an older program wrote.
    let json = serde_json::json!({
        "tenant": tenant(),
        "title": "Acme",
        "description": "",
        "visibility": "private",
        "members": { "mia": { "role": "admin", "groups": ["security"] } },
        "yanks": {},
    });
    serde_json::from_value(json).expect("a registry")
}

pub(crate) fn opened(folder: &Path, options: StoreOptions) -> Store {
    Store::open(&DataFolder::new(folder), options, NOW).expect("it opens")
}

impl World {
    /// A tenant whose registry.git has one commit: leaves 0 to 2.
    pub(crate) fn new(options: StoreOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = opened(folder.path(), options);
        store.create_tenant(&TenantName::parse("acme").expect("a name"), tenant(), NOW).expect("a tenant");
        let world = Self { folder, store };
        world.store.commit(world.registry_push(0, 1, registry())).expect("the first registry.git");
        world
    }

    pub(crate) fn again(self, options: StoreOptions) -> Self {
        let Self { folder, store } = self;
        store.close();
        drop(store);
        let store = opened(folder.path(), options);
        Self { folder, store }
    }

    pub(crate) fn policy(&self) -> Option<LeafIndex> {
        self.store.registry(tenant()).expect("reads").map(|state| state.leaf)
    }

    pub(crate) fn push(&self, name: &str, updates: Vec<RefUpdate>) -> Proposal {
        Proposal {
            tenant: tenant(),
            name: plugin(name),
            repository: RepositoryId(Uuid::from_u128(Sha256::of(name.as_bytes()).0[0].into())),
            actor: Some(mia()),
            at: NOW,
            updates,
            atomic: false,
            certificate: None,
            nonce: None,
            policy: self.policy(),
            release: None,
            registry: None,
        }
    }

    pub(crate) fn registry_push(&self, old: u8, new: u8, registry: Registry) -> Proposal {
        Proposal {
            name: RepositoryName::Registry,
            repository: RepositoryId(Uuid::from_u128(1)),
            registry: Some(Arc::new(registry)),
            ..self.push("any", vec![main(old, new)])
        }
    }

    /// A push to main that releases.
    pub(crate) fn release(&self, name: &str, old: u8, new: u8, text: &str) -> Proposal {
        let release = NewRelease {
            plugin: PluginName::parse(name).expect("a name"),
            version: version(text),
            commit: id(new),
            tag: id(new + 100),
            tree: Sha256::of(&[new]),
            summary: serde_json::json!({ "description": name }),
        };
        Proposal { release: Some(release), ..self.push(name, vec![main(old, new)]) }
    }

    pub(crate) fn commit(&self, proposal: Proposal) -> Result<Committed, NotCommitted> {
        self.store.commit(proposal)
    }

    pub(crate) fn leaves(&self) -> Vec<Leaf> {
        let stored = self.store.leaves(tenant(), LeafIndex(0), 1000).expect("reads");
        stored.iter().map(|leaf| leaf.parse().expect("a leaf")).collect()
    }

    /// Folds the journal, and checks that it explains every ref, release and yank in the database.
    pub(crate) fn whole(&self) -> Fold {
        check_whole(&self.store)
    }
}

/// See [`World::whole`].
pub(crate) fn check_whole(store: &Store) -> Fold {
    let stored = store.leaves(tenant(), LeafIndex(0), 1000).expect("reads");
    let leaves: Vec<Leaf> = stored.iter().map(|leaf| leaf.parse().expect("a leaf")).collect();
    let state = fold(&leaves).expect("leaves follow each other").expect("there is a genesis");
    assert_eq!(store.journal_size(tenant()).expect("reads"), Some(state.size));
    let repositories = store.repositories_by_name(tenant(), None, 1000).expect("reads");
    assert_eq!(repositories.len(), state.repositories.len());
    for record in &repositories {
        let folded = &state.repositories[&record.repository];
        assert_eq!(folded.name, record.name);
        assert_eq!(Some(folded.created), record.created_leaf);
        let refs = store.refs(tenant(), &record.name).expect("reads").expect("it is there");
        let found: Vec<(RefName, ObjectId)> =
            refs.snapshot.refs.iter().map(|entry| (entry.name.clone(), entry.id)).collect();
        let explained: Vec<(RefName, ObjectId)> =
            folded.refs.iter().filter_map(|(name, state)| Some((name.clone(), state.value.object()?))).collect();
        assert_eq!(found, explained);
        if let RepositoryName::Plugin(plugin) = &record.name {
            let releases = store.releases_highest_first(tenant(), plugin, None, 1000).expect("reads");
            assert_eq!(releases.len(), folded.releases.len());
            for release in releases {
                let folded = &folded.releases[&release.version];
                assert_eq!((folded.commit.object(), folded.tree), (Some(release.commit), release.tree));
                let yanked = release.yanked.map(|yanked| (yanked.leaf, yanked.reason));
                assert_eq!(folded.yanked, yanked);
            }
        }
    }
    state
}
