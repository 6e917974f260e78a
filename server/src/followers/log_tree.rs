//! The tree of `log.git`, changed in memory: folders are read when something below them changes, and written once.
//!
//! `leaves/<4 digits>/<2>/<1>/<1>.leaf`, where the digits are those of the leaf's place in hexadecimal; beside it what
//! the leaf names by digest, as `.certificate`, `.gate` and `.capabilities`. So each commit writes short folders only,
//! however long the journal is, and a person finds leaf 1234 (4d2) at `leaves/0000/04/d/2.leaf`.

use std::collections::BTreeMap;

use gix::ObjectId;
use gix::objs::tree::EntryKind;
use gix::objs::{Kind, TreeRefIter, compute_hash};
use skill_pool_domain::names::LeafIndex;
use skill_pool_git::objects::{ObjectError, Objects};

/// What lies beside a leaf.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Part {
    Leaf,
    Certificate,
    Gate,
    Capabilities,
}

impl Part {
    pub(super) const ALL: [Self; 4] = [Self::Leaf, Self::Certificate, Self::Gate, Self::Capabilities];

    fn suffix(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Certificate => "certificate",
            Self::Gate => "gate",
            Self::Capabilities => "capabilities",
        }
    }
}

/// The path of a part of a leaf, by its names from the root.
pub(super) fn path_of(leaf: LeafIndex, part: Part) -> [String; 5] {
    let digits = format!("{:08x}", leaf.0);
    let (high, low) = digits.split_at(digits.len() - 4);
    [
        "leaves".to_owned(),
        high.to_owned(),
        low[..2].to_owned(),
        low[2..3].to_owned(),
        format!("{}.{}", &low[3..], part.suffix()),
    ]
}

/// Why a tree could not be changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TreeError {
    /// An object of the tree is not there.
    #[error("object {0} is missing")]
    Missing(ObjectId),
    /// An object is not a tree, or a damaged one.
    #[error("object {0} is not a sound tree")]
    Unsound(ObjectId),
    /// A file stands where a folder belongs, or an id could not be computed.
    #[error("the tree cannot hold {0}")]
    Path(String),
    /// The disk failed.
    #[error("could not read an object")]
    Read(#[from] ObjectError),
}

/// New objects, in an order in which each comes after those it names.
pub(super) type NewObjects = Vec<(Kind, Vec<u8>)>;

/// A folder.
#[derive(Default)]
pub(super) struct Folder {
    entries: BTreeMap<Vec<u8>, Entry>,
}

enum Entry {
    Blob(ObjectId),
    /// Not read.
    Known(ObjectId),
    Open(Folder),
}

impl Folder {
    /// Reads one folder.
    pub(super) fn read(objects: &dyn Objects, id: ObjectId) -> Result<Self, TreeError> {
        let mut bytes = Vec::new();
        match objects.read(&id, &mut bytes)? {
            Some(Kind::Tree) => {}
            Some(_) => return Err(TreeError::Unsound(id)),
            None => return Err(TreeError::Missing(id)),
        }
        let mut entries = BTreeMap::new();
        for entry in TreeRefIter::from_bytes(&bytes, gix::hash::Kind::Sha1) {
            let entry = entry.map_err(|_| TreeError::Unsound(id))?;
            let held = match entry.mode.kind() {
                EntryKind::Tree => Entry::Known(entry.oid.to_owned()),
                _ => Entry::Blob(entry.oid.to_owned()),
            };
            entries.insert(entry.filename.to_vec(), held);
        }
        Ok(Self { entries })
    }

    /// Puts the blob `content` at `path` and adds it to `new`.
    pub(super) fn put(
        &mut self,
        objects: &dyn Objects,
        path: &[String],
        content: Vec<u8>,
        new: &mut NewObjects,
    ) -> Result<(), TreeError> {
        let Some((name, rest)) = path.split_first() else { return Ok(()) };
        let name = name.clone().into_bytes();
        if rest.is_empty() {
            let id = id_of(Kind::Blob, &content)?;
            new.push((Kind::Blob, content));
            self.entries.insert(name, Entry::Blob(id));
            return Ok(());
        }
        let entry = self.entries.entry(name).or_insert_with(|| Entry::Open(Self::default()));
        if let Entry::Known(id) = entry {
            *entry = Entry::Open(Self::read(objects, *id)?);
        }
        match entry {
            Entry::Open(folder) => folder.put(objects, rest, content, new),
            Entry::Known(_) | Entry::Blob(_) => Err(TreeError::Path(path.join("/"))),
        }
    }

    /// Adds every changed folder to `new`, this one last, and gives its id.
    pub(super) fn write(&self, new: &mut NewObjects) -> Result<ObjectId, TreeError> {
        // Git sorts folders as if their names ended in a slash.
        let mut sorted: Vec<(Vec<u8>, &'static [u8], &[u8], ObjectId)> = Vec::with_capacity(self.entries.len());
        for (name, entry) in &self.entries {
            let (mode, id): (&'static [u8], ObjectId) = match entry {
                Entry::Blob(id) => (b"100644", *id),
                Entry::Known(id) => (b"40000", *id),
                Entry::Open(folder) => (b"40000", folder.write(new)?),
            };
            let mut key = name.clone();
            if mode == b"40000" {
                key.push(b'/');
            }
            sorted.push((key, mode, name, id));
        }
        sorted.sort();
        let mut bytes = Vec::with_capacity(sorted.len() * 40);
        for (_, mode, name, id) in sorted {
            bytes.extend_from_slice(mode);
            bytes.push(b' ');
            bytes.extend_from_slice(name);
            bytes.push(0);
            bytes.extend_from_slice(id.as_bytes());
        }
        let id = id_of(Kind::Tree, &bytes)?;
        new.push((Kind::Tree, bytes));
        Ok(id)
    }

    /// The blob at `path`; `None` when there is none.
    pub(super) fn blob(&self, objects: &dyn Objects, path: &[String]) -> Result<Option<ObjectId>, TreeError> {
        let Some((name, rest)) = path.split_first() else { return Ok(None) };
        match self.entries.get(name.as_bytes()) {
            Some(Entry::Blob(id)) if rest.is_empty() => Ok(Some(*id)),
            Some(Entry::Known(id)) if !rest.is_empty() => Self::read(objects, *id)?.blob(objects, rest),
            Some(Entry::Open(folder)) if !rest.is_empty() => folder.blob(objects, rest),
            _ => Ok(None),
        }
    }

    /// Opens the folder at `path` for repeated questions below it.
    pub(super) fn open(&mut self, objects: &dyn Objects, path: &[String]) -> Result<Option<&mut Self>, TreeError> {
        let Some((name, rest)) = path.split_first() else { return Ok(Some(self)) };
        let Some(entry) = self.entries.get_mut(name.as_bytes()) else { return Ok(None) };
        if let Entry::Known(id) = entry {
            *entry = Entry::Open(Self::read(objects, *id)?);
        }
        match entry {
            Entry::Open(folder) => folder.open(objects, rest),
            Entry::Known(_) | Entry::Blob(_) => Ok(None),
        }
    }

    /// The first object that the tree below this folder names and that is not there.
    pub(super) fn missing(&self, objects: &dyn Objects) -> Result<Option<ObjectId>, TreeError> {
        for entry in self.entries.values() {
            let missing = match entry {
                Entry::Blob(id) => (!objects.contains(id)?).then_some(*id),
                Entry::Known(id) => match Self::read(objects, *id) {
                    Ok(folder) => folder.missing(objects)?,
                    Err(TreeError::Missing(id) | TreeError::Unsound(id)) => Some(id),
                    Err(error) => return Err(error),
                },
                Entry::Open(folder) => folder.missing(objects)?,
            };
            if missing.is_some() {
                return Ok(missing);
            }
        }
        Ok(None)
    }
}

/// The id that git gives to an object.
pub(super) fn id_of(kind: Kind, content: &[u8]) -> Result<ObjectId, TreeError> {
    // The hash of git's own choice refuses bytes that were made to collide.
    compute_hash(gix::hash::Kind::Sha1, kind, content).map_err(|_| TreeError::Path("bytes made to collide".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_found_by_its_place() {
        assert_eq!(path_of(LeafIndex(1234), Part::Leaf).join("/"), "leaves/0000/04/d/2.leaf");
        assert_eq!(path_of(LeafIndex(0), Part::Gate).join("/"), "leaves/0000/00/0/0.gate");
        assert_eq!(path_of(LeafIndex(0x1_0000_0000), Part::Leaf).join("/"), "leaves/10000/00/0/0.leaf");
        assert_eq!(path_of(LeafIndex(0xabcd_ef01), Part::Certificate).join("/"), "leaves/abcd/ef/0/1.certificate");
    }
}
