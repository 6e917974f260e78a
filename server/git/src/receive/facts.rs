//! What a tree amounts to with all that is below it. Facts are of the content, so they hold for ever and for everybody.

use gix_hash::ObjectId;
use parking_lot::Mutex;

use crate::ids::IdHasher;
use crate::limits::ReceiveLimits;
use crate::lru::Lru;

/// What a tree amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeFacts {
    /// Files and links at any depth, counted with repetition, saturating.
    pub files: u64,
    /// Folders at any depth, likewise.
    pub folders: u64,
    /// Folders within folders; 0 for a tree without folders.
    pub depth: usize,
    /// Bytes of the longest path in it.
    pub path_bytes: usize,
    /// How many folders above this one its links need.
    pub up: usize,
}

impl TreeFacts {
    /// Counts a file or link called `name`; a link goes `up` folders up.
    pub fn add_file(&mut self, name: &[u8], up: usize) {
        self.files = self.files.saturating_add(1);
        self.path_bytes = self.path_bytes.max(name.len());
        self.up = self.up.max(up);
    }

    /// Counts a folder called `name`.
    pub fn add_folder(&mut self, name: &[u8], inner: &TreeFacts) {
        self.files = self.files.saturating_add(inner.files);
        self.folders = self.folders.saturating_add(inner.folders).saturating_add(1);
        self.depth = self.depth.max(inner.depth + 1);
        let path_bytes = name.len() + if inner.path_bytes > 0 { 1 + inner.path_bytes } else { 0 };
        self.path_bytes = self.path_bytes.max(path_bytes);
        self.up = self.up.max(inner.up.saturating_sub(1));
    }

    /// What breaks a limit when this tree stands `depth` folders deep at a path of `path_bytes`: what it is, and the
    /// limit.
    pub fn over(&self, limits: &ReceiveLimits, depth: usize, path_bytes: usize) -> Option<(&'static str, u64)> {
        let path_bytes = path_bytes + usize::from(path_bytes > 0) + self.path_bytes;
        if self.files > limits.tree_files_max {
            Some(("files", limits.tree_files_max))
        } else if self.folders > limits.tree_files_max {
            Some(("folders", limits.tree_files_max))
        } else if depth + self.depth > limits.tree_depth_max {
            Some(("folders within folders", limits.tree_depth_max as u64))
        } else if path_bytes > limits.path_bytes_max {
            Some(("bytes in one path", limits.path_bytes_max as u64))
        } else {
            None
        }
    }
}

/// Facts of trees that were looked at before, so that a push costs what it changed. Shared by all repositories: whoever
/// asks for the facts of a tree has proven before that it may read that tree.
pub struct FactsCache(Mutex<Lru<ObjectId, TreeFacts, IdHasher>>);

impl FactsCache {
    /// Remembers up to `trees_max` trees, of about 150 bytes each.
    pub fn new(trees_max: usize) -> Self {
        Self(Mutex::new(Lru::with_hasher(trees_max, IdHasher::default())))
    }

    pub(super) fn get(&self, id: &ObjectId) -> Option<TreeFacts> {
        self.0.lock().get(id).copied()
    }

    pub(super) fn insert(&self, id: ObjectId, facts: TreeFacts) {
        self.0.lock().insert(id, facts, 1);
    }
}

impl Default for FactsCache {
    /// 32,768 trees.
    fn default() -> Self {
        Self::new(32_768)
    }
}
