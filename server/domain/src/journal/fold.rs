//! What a journal adds up to: repositories, the value of every ref, releases and what became of them.

use std::collections::BTreeMap;

use super::leaf::{Kind, Leaf};
use super::values::GitId;
use crate::digest::Sha256;
use crate::names::{LeafIndex, PluginName, RefName, RepositoryId, RepositoryName, TenantId, Version};

/// The name that leaves of `registry.git` carry.
const REGISTRY: &str = "registry";

/// The state that a tenant's leaves, from the genesis on, explain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fold {
    /// Whose journal.
    pub tenant: TenantId,
    /// How many leaves there are: the place of the next one.
    pub size: u64,
    /// Unix seconds of the newest leaf.
    pub time: u64,
    /// The policy leaf in force.
    pub policy: Option<LeafIndex>,
    /// How often the data were restored from a backup.
    pub restored: u64,
    /// Every repository that there ever was.
    pub repositories: BTreeMap<RepositoryId, RepositoryState>,
}

/// One repository as its leaves explain it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepositoryState {
    /// Its name now.
    pub name: RepositoryName,
    /// Closed by a `repo-delete` leaf.
    pub deleted: bool,
    /// The leaf that created it.
    pub created: LeafIndex,
    /// The newest leaf that names it.
    pub newest: LeafIndex,
    /// Every ref that there ever was.
    pub refs: BTreeMap<RefName, RefState>,
    /// Every release.
    pub releases: BTreeMap<Version, ReleaseState>,
}

/// A ref as its leaves explain it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefState {
    /// Its value; all zeros when it was deleted.
    pub value: GitId,
    /// The newest leaf that names it.
    pub leaf: LeafIndex,
}

/// A release as its leaves explain it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReleaseState {
    /// The released commit.
    pub commit: GitId,
    /// Canonical digest of its tree.
    pub tree: Sha256,
    /// The `release` leaf.
    pub leaf: LeafIndex,
    /// The newest leaf of this version.
    pub newest: LeafIndex,
    /// The newest `yank` leaf and its reason, while the release is withdrawn.
    pub yanked: Option<(LeafIndex, String)>,
}

/// Why a leaf cannot follow the ones before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("leaf {leaf}: {fault}")]
pub struct FoldError {
    /// The leaf.
    pub leaf: LeafIndex,
    /// What is wrong.
    pub fault: Fault,
}

/// See [`FoldError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not the next place, or not the genesis where one must stand.
    #[error("the leaf at this place should be {expected}")]
    Place {
        /// The place that comes next.
        expected: u64,
    },
    /// It belongs to another journal.
    #[error("it belongs to tenant {0}")]
    Tenant(TenantId),
    /// Its time is before that of the leaf before it.
    #[error("its time is before that of the leaf before it ({0})")]
    Time(u64),
    /// It names another policy leaf than the one in force.
    #[error("it names policy leaf {found:?}; in force is {expected:?}")]
    Policy {
        /// Named.
        found: Option<LeafIndex>,
        /// In force.
        expected: Option<LeafIndex>,
    },
    /// It names another predecessor than it has.
    #[error("it names {found:?} as the leaf before it; that is {expected:?}")]
    Prev {
        /// Named.
        found: Option<LeafIndex>,
        /// Right.
        expected: Option<LeafIndex>,
    },
    /// No leaf created the repository, or one closed it.
    #[error("there is no repository {0}")]
    NoRepository(RepositoryId),
    /// The repository or its name exists already.
    #[error("repository {0} or its name exists already")]
    RepositoryTwice(RepositoryId),
    /// It carries another name than its repository has.
    #[error("its repository is called {0}")]
    Name(RepositoryName),
    /// The ref had another value before.
    #[error("{name} was {expected}, not {found}")]
    Old {
        /// The ref.
        name: RefName,
        /// By this leaf.
        found: GitId,
        /// By the leaves before.
        expected: GitId,
    },
    /// A release of a commit that its ref does not have.
    #[error("it releases {found}, but {name} is {expected}")]
    NotTheTip {
        /// The ref.
        name: RefName,
        /// By this leaf.
        found: GitId,
        /// By the leaves before.
        expected: GitId,
    },
    /// Released before.
    #[error("version {0} was released before")]
    ReleasedTwice(Version),
    /// No such release, or it is withdrawn already, or it is not.
    #[error("version {0} cannot be withdrawn or put back")]
    NotYankable(Version),
}

/// Folds a whole journal.
///
/// # Errors
/// [`FoldError`] at the first leaf that does not follow. `Ok(None)` for no leaves at all.
pub fn fold<'a>(leaves: impl IntoIterator<Item = &'a Leaf>) -> Result<Option<Fold>, FoldError> {
    let mut leaves = leaves.into_iter();
    let Some(first) = leaves.next() else { return Ok(None) };
    let mut state = Fold::begin(first)?;
    for leaf in leaves {
        state.push(leaf)?;
    }
    Ok(Some(state))
}

impl Fold {
    /// Starts with the genesis.
    ///
    /// # Errors
    /// When `genesis` is another leaf.
    pub fn begin(genesis: &Leaf) -> Result<Self, FoldError> {
        if genesis.kind != Kind::Genesis {
            return Err(FoldError { leaf: genesis.seq, fault: Fault::Place { expected: 0 } });
        }
        let tenant = genesis.tenant;
        Ok(Self { tenant, size: 1, time: genesis.time, policy: None, restored: 0, repositories: BTreeMap::new() })
    }

    /// Takes in the next leaf. After an error the state is as it was.
    ///
    /// # Errors
    /// [`FoldError`] when it cannot follow.
    pub fn push(&mut self, leaf: &Leaf) -> Result<(), FoldError> {
        self.check(leaf).and_then(|()| self.apply(leaf)).map_err(|fault| FoldError { leaf: leaf.seq, fault })?;
        self.size += 1;
        self.time = leaf.time;
        Ok(())
    }

    /// What `prev` must say in a leaf of these fields, were it the next.
    pub fn prev(
        &self,
        kind: Kind,
        repo: RepositoryId,
        ref_name: Option<&RefName>,
        version: Option<&Version>,
    ) -> Option<LeafIndex> {
        let repository = self.repositories.get(&repo)?;
        match kind {
            Kind::Release | Kind::Yank | Kind::Unyank => {
                let release = version.and_then(|version| repository.releases.get(version));
                Some(release.map_or(repository.newest, |release| release.newest))
            }
            _ => Some(repository.refs.get(ref_name?)?.leaf),
        }
    }

    /// The repository of that name that is not closed.
    pub fn by_name(&self, name: &RepositoryName) -> Option<(RepositoryId, &RepositoryState)> {
        let mut found = self.repositories.iter().filter(|(_, state)| !state.deleted && &state.name == name);
        found.next().map(|(id, state)| (*id, state))
    }

    fn check(&self, leaf: &Leaf) -> Result<(), Fault> {
        if leaf.seq.0 != self.size {
            return Err(Fault::Place { expected: self.size });
        }
        if leaf.tenant != self.tenant {
            return Err(Fault::Tenant(leaf.tenant));
        }
        if leaf.time < self.time {
            return Err(Fault::Time(self.time));
        }
        if leaf.policy != self.policy {
            return Err(Fault::Policy { found: leaf.policy, expected: self.policy });
        }
        if let Some(repo) = leaf.repo
            && !matches!(leaf.kind, Kind::RepoCreate)
        {
            let state = self.repositories.get(&repo).filter(|state| !state.deleted);
            let state = state.ok_or(Fault::NoRepository(repo))?;
            if leaf.kind != Kind::Rename && leaf.name.as_ref() != leaf_name(&state.name).as_ref() {
                return Err(Fault::Name(state.name.clone()));
            }
            let expected = self.prev(leaf.kind, repo, leaf.ref_name.as_ref(), leaf.version.as_ref());
            if leaf.prev != expected {
                return Err(Fault::Prev { found: leaf.prev, expected });
            }
        }
        Ok(())
    }

    fn apply(&mut self, leaf: &Leaf) -> Result<(), Fault> {
        match leaf.kind {
            Kind::RepoCreate => self.create(leaf)?,
            Kind::RefUpdate => self.move_ref(leaf)?,
            Kind::Policy => {
                self.move_ref(leaf)?;
                self.policy = Some(leaf.seq);
            }
            Kind::Release => self.release(leaf)?,
            Kind::Yank => self.yank(leaf, true)?,
            Kind::Unyank => self.yank(leaf, false)?,
            Kind::Rename => {
                if let (Some(id), Some(name)) = (leaf.repo, leaf.name.clone()) {
                    let to = RepositoryName::Plugin(name);
                    if self.by_name(&to).is_some() {
                        return Err(Fault::RepositoryTwice(id));
                    }
                    if let Some(state) = self.repositories.get_mut(&id) {
                        state.name = to;
                    }
                }
            }
            Kind::RepoDelete => {
                if let Some(state) = leaf.repo.and_then(|id| self.repositories.get_mut(&id)) {
                    state.deleted = true;
                }
            }
            Kind::Epoch => self.restored += 1,
            Kind::Genesis => return Err(Fault::Place { expected: self.size }),
            Kind::Transfer | Kind::Erase | Kind::LogKey | Kind::AuditAnchor => {}
        }
        if let Some(state) = leaf.repo.and_then(|id| self.repositories.get_mut(&id)) {
            state.newest = leaf.seq;
        }
        Ok(())
    }

    fn create(&mut self, leaf: &Leaf) -> Result<(), Fault> {
        let (Some(id), Some(name)) = (leaf.repo, leaf.name.as_ref()) else { return Ok(()) };
        // A tenant has its `registry.git` before it has anything else, so that the name means a plugin ever after.
        let name = if name.as_str() == REGISTRY && self.repositories.is_empty() {
            RepositoryName::Registry
        } else {
            RepositoryName::Plugin(name.clone())
        };
        if self.repositories.contains_key(&id) || self.by_name(&name).is_some() {
            return Err(Fault::RepositoryTwice(id));
        }
        let state = RepositoryState {
            name,
            deleted: false,
            created: leaf.seq,
            newest: leaf.seq,
            refs: BTreeMap::new(),
            releases: BTreeMap::new(),
        };
        self.repositories.insert(id, state);
        Ok(())
    }

    fn move_ref(&mut self, leaf: &Leaf) -> Result<(), Fault> {
        let (Some(id), Some(name), Some(old), Some(new)) = (leaf.repo, leaf.ref_name.as_ref(), leaf.old, leaf.new)
        else {
            return Ok(());
        };
        let state = self.repositories.get_mut(&id).ok_or(Fault::NoRepository(id))?;
        let expected = state.refs.get(name).map_or(GitId::ABSENT, |state| state.value);
        if old != expected {
            return Err(Fault::Old { name: name.clone(), found: old, expected });
        }
        state.refs.insert(name.clone(), RefState { value: new, leaf: leaf.seq });
        Ok(())
    }

    fn release(&mut self, leaf: &Leaf) -> Result<(), Fault> {
        let (Some(id), Some(name), Some(new), Some(version), Some(tree)) =
            (leaf.repo, leaf.ref_name.as_ref(), leaf.new, leaf.version.as_ref(), leaf.tree)
        else {
            return Ok(());
        };
        let state = self.repositories.get_mut(&id).ok_or(Fault::NoRepository(id))?;
        let expected = state.refs.get(name).map_or(GitId::ABSENT, |state| state.value);
        if new != expected {
            return Err(Fault::NotTheTip { name: name.clone(), found: new, expected });
        }
        if state.releases.contains_key(version) {
            return Err(Fault::ReleasedTwice(version.clone()));
        }
        // The release names the ref as well: the next leaf of the ref follows upon it.
        state.refs.insert(name.clone(), RefState { value: new, leaf: leaf.seq });
        let release = ReleaseState { commit: new, tree, leaf: leaf.seq, newest: leaf.seq, yanked: None };
        state.releases.insert(version.clone(), release);
        Ok(())
    }

    fn yank(&mut self, leaf: &Leaf, withdrawn: bool) -> Result<(), Fault> {
        let (Some(id), Some(version)) = (leaf.repo, leaf.version.as_ref()) else { return Ok(()) };
        let state = self.repositories.get_mut(&id).ok_or(Fault::NoRepository(id))?;
        let fault = || Fault::NotYankable(version.clone());
        let release = state.releases.get_mut(version).ok_or_else(fault)?;
        if !withdrawn && release.yanked.is_none() {
            return Err(fault());
        }
        let reason = leaf.ext.as_ref().and_then(|ext| ext.as_reason()).unwrap_or_default();
        release.yanked = withdrawn.then(|| (leaf.seq, reason.to_owned()));
        release.newest = leaf.seq;
        Ok(())
    }
}

/// The name that leaves of a repository carry; generated repositories have no leaves.
pub fn leaf_name(name: &RepositoryName) -> Option<PluginName> {
    match name {
        RepositoryName::Registry => PluginName::parse(REGISTRY).ok(),
        RepositoryName::Plugin(plugin) => Some(plugin.clone()),
        RepositoryName::Marketplace | RepositoryName::Log => None,
    }
}
