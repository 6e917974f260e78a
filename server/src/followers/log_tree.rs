//! How leaves lie in `log.git`, and reading them again.
//!
//! `leaves/<4 digits>/<2>/<1>/<1>.leaf`, where the digits are those of the leaf's place in hexadecimal; beside it what
//! the leaf names by digest, as `.certificate`, `.gate` and `.capabilities`. So each commit writes short folders only,
//! however long the journal is, and a person finds leaf 1234 (4d2) at `leaves/0000/04/d/2.leaf`.

use std::collections::BTreeMap;

use gix::ObjectId;
use gix::objs::{CommitRefIter, Kind};
use skill_pool_domain::names::LeafIndex;
use skill_pool_git::objects::{ObjectError, Objects};
use skill_pool_git::receive::fsck::{Entries, EntryMode};

use crate::store::EvidenceKind;

/// The last line of a commit's message: how many leaves it holds.
const SIZE_LINE: &str = "Journal-size: ";
/// The deepest folder in a `log.git`.
const DEPTH_MAX: usize = 8;

/// What lies beside a leaf, and the leaf itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Part {
    Leaf,
    Evidence(EvidenceKind),
}

impl Part {
    const ALL: [Self; 4] = [
        Self::Leaf,
        Self::Evidence(EvidenceKind::Certificate),
        Self::Evidence(EvidenceKind::Gate),
        Self::Evidence(EvidenceKind::Capabilities),
    ];

    fn suffix(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Evidence(EvidenceKind::Certificate) => "certificate",
            Self::Evidence(EvidenceKind::Gate) => "gate",
            Self::Evidence(EvidenceKind::Capabilities) => "capabilities",
        }
    }
}

/// The folder of a leaf and its sixteen neighbours, and its name there.
fn place_of(leaf: LeafIndex) -> (String, String) {
    let digits = format!("{:08x}", leaf.0);
    let (high, low) = digits.split_at(digits.len() - 4);
    (format!("leaves/{high}/{}/{}", &low[..2], &low[2..3]), low[3..].to_owned())
}

/// The path of a part of a leaf.
pub(super) fn path_of(leaf: LeafIndex, part: Part) -> String {
    let (folder, name) = place_of(leaf);
    format!("{folder}/{name}.{}", part.suffix())
}

/// A commit's message.
pub(super) fn message(first: u64, size: u64) -> String {
    let last = size.saturating_sub(1);
    let leaves = if first == last { format!("leaf {first}") } else { format!("leaves {first} to {last}") };
    format!("{leaves}\n\n{SIZE_LINE}{size}")
}

/// A commit of `log.git`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LogCommit {
    pub(crate) tree: ObjectId,
    pub(crate) parent: Option<ObjectId>,
    /// How many leaves it holds.
    pub(crate) size: u64,
}

/// Reads a commit; `None` when there is none of this id, or it is not one of this server's.
pub(crate) fn read_commit(objects: &dyn Objects, id: ObjectId) -> Option<LogCommit> {
    let mut bytes = Vec::new();
    if objects.read(&id, &mut bytes).ok()? != Some(Kind::Commit) {
        return None;
    }
    let commit = || CommitRefIter::from_bytes(&bytes, gix::hash::Kind::Sha1);
    let text = std::str::from_utf8(&bytes).ok()?;
    let size = text.trim_end().rsplit('\n').next()?.strip_prefix(SIZE_LINE)?.parse().ok()?;
    Some(LogCommit { tree: commit().tree_id().ok()?, parent: commit().parent_ids().next(), size })
}

/// Why a `log.git` could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// An object is not there or not what it should be.
    #[error("object {0} of log.git is missing or damaged")]
    Damaged(ObjectId),
    /// The disk failed.
    #[error("an object of log.git could not be read")]
    Read(#[from] ObjectError),
}

/// One folder: its names, and whether each is a folder.
fn read_folder(objects: &dyn Objects, id: ObjectId) -> Result<BTreeMap<Vec<u8>, (bool, ObjectId)>, LogError> {
    let mut bytes = Vec::new();
    if objects.read(&id, &mut bytes)? != Some(Kind::Tree) {
        return Err(LogError::Damaged(id));
    }
    let mut names = BTreeMap::new();
    for entry in Entries(&bytes) {
        let entry = entry.map_err(|()| LogError::Damaged(id))?;
        names.insert(entry.name.to_vec(), (entry.mode() == Some(EntryMode::Folder), entry.id.to_owned()));
    }
    Ok(names)
}

/// True when every object below the tree `id` is there.
pub(super) fn is_whole_tree(objects: &dyn Objects, id: ObjectId, depth: usize) -> bool {
    let Ok(names) = read_folder(objects, id) else { return false };
    names.into_values().all(|(is_folder, id)| {
        if is_folder && depth < DEPTH_MAX {
            is_whole_tree(objects, id, depth + 1)
        } else {
            objects.contains(&id).unwrap_or(false)
        }
    })
}

/// A leaf as `log.git` holds it, with what it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LoggedLeaf {
    /// Its place.
    pub(crate) index: LeafIndex,
    /// Its text.
    pub(crate) text: Vec<u8>,
    /// What lies beside it.
    pub(crate) evidence: Vec<(EvidenceKind, Vec<u8>)>,
}

/// Reads the leaves of a `log.git` in order. It holds one folder of sixteen leaves at a time, so that memory does not grow
/// with the log.
pub(crate) struct LogReader<'a> {
    objects: &'a dyn Objects,
    commit: LogCommit,
    next: u64,
    folder: (String, BTreeMap<Vec<u8>, (bool, ObjectId)>),
}

impl<'a> LogReader<'a> {
    /// Begins with leaf 0 of `commit`.
    pub(crate) fn new(objects: &'a dyn Objects, commit: LogCommit) -> Self {
        Self { objects, commit, next: 0, folder: Default::default() }
    }

    /// The next leaf; `None` after the last.
    ///
    /// # Errors
    /// [`LogError`] when it should be there and is not.
    pub(crate) fn next_leaf(&mut self) -> Result<Option<LoggedLeaf>, LogError> {
        if self.next >= self.commit.size {
            return Ok(None);
        }
        let index = LeafIndex(self.next);
        let (folder, name) = place_of(index);
        if self.folder.0 != folder {
            let mut id = self.commit.tree;
            for part in folder.split('/') {
                let names = read_folder(self.objects, id)?;
                id = names.get(part.as_bytes()).ok_or(LogError::Damaged(id))?.1;
            }
            self.folder = (folder, read_folder(self.objects, id)?);
        }
        let mut leaf = LoggedLeaf { index, text: Vec::new(), evidence: Vec::new() };
        for part in Part::ALL {
            let Some((_, id)) = self.folder.1.get(format!("{name}.{}", part.suffix()).as_bytes()) else { continue };
            let mut content = Vec::new();
            if self.objects.read(id, &mut content)? != Some(Kind::Blob) {
                return Err(LogError::Damaged(*id));
            }
            match part {
                Part::Leaf => leaf.text = content,
                Part::Evidence(kind) => leaf.evidence.push((kind, content)),
            }
        }
        if leaf.text.is_empty() {
            return Err(LogError::Damaged(self.commit.tree));
        }
        self.next += 1;
        Ok(Some(leaf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_found_by_its_place() {
        let evidence = Part::Evidence;
        assert_eq!(path_of(LeafIndex(1234), Part::Leaf), "leaves/0000/04/d/2.leaf");
        assert_eq!(path_of(LeafIndex(0), evidence(EvidenceKind::Gate)), "leaves/0000/00/0/0.gate");
        assert_eq!(path_of(LeafIndex(0x1_0000_0000), Part::Leaf), "leaves/10000/00/0/0.leaf");
        let certificate = evidence(EvidenceKind::Certificate);
        assert_eq!(path_of(LeafIndex(0xabcd_ef01), certificate), "leaves/abcd/ef/0/1.certificate");
    }
}
