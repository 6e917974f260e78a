//! Refs as a reader sees them, and where they come from.

mod folder;
mod update;

use std::sync::Arc;

use gix_hash::ObjectId;
use skill_pool_domain::names::RefName;

pub use folder::FolderRefs;
pub use update::{RefChange, RefChangeError, change_ref, change_refs, set_head};

/// One ref and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefEntry {
    /// The full name.
    pub name: RefName,
    /// What it points at.
    pub id: ObjectId,
    /// For an annotated tag the object that it finally points at.
    pub peeled: Option<ObjectId>,
}

/// Where HEAD points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// A branch, which need not exist yet ("unborn").
    Symbolic(RefName),
    /// A commit.
    Detached(ObjectId),
    /// Nothing that this reader may see.
    Hidden,
}

/// All refs that one reader may see in one repository at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefSnapshot {
    /// Identifies the repository and this state of its visible refs: equal keys mean equal refs. Caches key on it.
    pub state: StateKey,
    /// Where HEAD points.
    pub head: Head,
    /// The refs, sorted by name, each once.
    pub refs: Vec<RefEntry>,
    /// Refs that stand for another one, sorted by name; each is in `refs` as well. The registry makes none.
    pub symrefs: Vec<(RefName, RefName)>,
}

/// See [`RefSnapshot::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateKey(pub [u8; 32]);

impl RefSnapshot {
    /// Makes a snapshot, sorting `refs` and computing the key from `repository` (anything that identifies it for good)
    /// and the refs themselves.
    pub fn new(repository: &[u8], head: Head, mut refs: Vec<RefEntry>) -> Self {
        refs.sort_by(|a, b| a.name.cmp(&b.name));
        let mut hasher = skill_pool_domain::digest::Sha256Hasher::new();
        hasher.update(&(repository.len() as u64).to_be_bytes());
        hasher.update(repository);
        match &head {
            Head::Symbolic(name) => {
                hasher.update(b"s");
                hasher.update(name.as_str().as_bytes());
                hasher.update(b"\0");
            }
            Head::Detached(id) => {
                hasher.update(b"d");
                hasher.update(id.as_bytes());
            }
            Head::Hidden => hasher.update(b"h"),
        }
        for entry in &refs {
            hasher.update(entry.id.as_bytes());
            hasher.update(entry.name.as_str().as_bytes());
            hasher.update(b"\0");
        }
        Self { state: StateKey(hasher.finish().0), head, refs, symrefs: Vec::new() }
    }

    /// The same with refs that stand for others: pairs of a name and the name that it stands for.
    pub fn with_symrefs(mut self, mut symrefs: Vec<(RefName, RefName)>) -> Self {
        if symrefs.is_empty() {
            return self;
        }
        symrefs.sort();
        let mut hasher = skill_pool_domain::digest::Sha256Hasher::new();
        hasher.update(&self.state.0);
        for (name, target) in &symrefs {
            hasher.update(name.as_str().as_bytes());
            hasher.update(b"\0");
            hasher.update(target.as_str().as_bytes());
            hasher.update(b"\0");
        }
        self.state = StateKey(hasher.finish().0);
        self.symrefs = symrefs;
        self
    }

    /// The ref that `name` stands for, if it stands for another.
    pub fn symref_target(&self, name: &RefName) -> Option<&RefName> {
        let at = self.symrefs.binary_search_by(|(symref, _)| symref.cmp(name)).ok()?;
        Some(&self.symrefs[at].1)
    }

    /// What is left when only some refs are visible. `repository` as for [`RefSnapshot::new`].
    pub fn filtered(&self, repository: &[u8], mut is_visible: impl FnMut(&RefName) -> bool) -> Self {
        let refs: Vec<RefEntry> = self.refs.iter().filter(|entry| is_visible(&entry.name)).cloned().collect();
        let head = match &self.head {
            Head::Symbolic(target) if !is_visible(target) => Head::Hidden,
            head => head.clone(),
        };
        let shown = |name: &RefName| refs.binary_search_by(|entry| entry.name.cmp(name)).is_ok();
        let pairs = self.symrefs.iter().filter(|(name, target)| shown(name) && shown(target));
        let symrefs = pairs.cloned().collect();
        Self::new(repository, head, refs).with_symrefs(symrefs)
    }

    /// The ref called `name`.
    pub fn get(&self, name: &RefName) -> Option<&RefEntry> {
        let at = self.refs.binary_search_by(|entry| entry.name.cmp(name)).ok()?;
        Some(&self.refs[at])
    }

    /// The commit or object that HEAD resolves to.
    pub fn head_id(&self) -> Option<ObjectId> {
        match &self.head {
            Head::Symbolic(name) => self.get(name).map(|entry| entry.id),
            Head::Detached(id) => Some(*id),
            Head::Hidden => None,
        }
    }
}

/// Where refs come from. Serving never asks the repository's folder for them.
///
/// Two engines: the server's database, and a plain folder. A snapshot is consistent: it is the state after some whole
/// transaction. It reflects every transaction that was acknowledged before the call.
pub trait RefStore: Send + Sync {
    /// Names a repository in this store.
    type Repository: ?Sized;

    /// The present refs, unfiltered.
    ///
    /// # Errors
    /// When the store cannot be read; a repository without refs is an empty snapshot.
    fn snapshot(&self, repository: &Self::Repository) -> Result<Arc<RefSnapshot>, RefStoreError>;
}

/// The ref store could not answer.
#[derive(Debug, thiserror::Error)]
#[error("could not read the refs of {repository}")]
pub struct RefStoreError {
    /// Which repository.
    pub repository: String,
    /// The cause.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
