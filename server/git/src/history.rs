//! Reading commits, tags and trees as values: what the rules judge, and what leaves bind.

use std::collections::{BinaryHeap, HashSet};

use gix_hash::{ObjectId, oid};
use gix_object::tree::EntryKind;
use gix_object::{CommitRefIter, Kind, TagRefIter, TreeRefIter};
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::tree::{DigestRecord, Mode, Tree, TreeFile};

use crate::objects::{ObjectError, Objects};

/// Tags that point at tags are followed so far.
const TAG_DEPTH_MAX: usize = 16;

/// Why history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// An object is not there.
    #[error("object {0} is missing")]
    Missing(ObjectId),
    /// An object is of another kind than its place asks for, or cannot be parsed.
    #[error("object {id} is not a sound {expected}")]
    Unsound {
        /// The object.
        id: ObjectId,
        /// What it should be, such as `commit`.
        expected: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A bound was reached.
    #[error("{what} of {id} would be {value}; the limit is {limit}")]
    OverLimit {
        /// The tree or commit.
        id: ObjectId,
        /// What is counted, such as `files`.
        what: &'static str,
        /// The count reached.
        value: u64,
        /// The limit.
        limit: u64,
    },
}

/// What a walk of one tree may cost.
#[derive(Clone, Copy, Debug)]
pub struct TreeBounds {
    /// Files, counted with repetition.
    pub files_max: u64,
    /// Folders within folders.
    pub depth_max: usize,
    /// Content of a larger file is left out of the [`Tree`].
    pub file_bytes_max: u64,
    /// All contents together.
    pub bytes_max: u64,
}

/// Which contents a [`Tree`] gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contents {
    /// All that fit the bounds.
    All,
    /// Targets of links only: enough for rules about paths and modes.
    Links,
}

/// The root tree of `commit`.
///
/// # Errors
/// [`HistoryError::Missing`] or [`HistoryError::Unsound`].
pub fn root_tree_id(objects: &dyn Objects, commit: &oid) -> Result<ObjectId, HistoryError> {
    let mut buffer = Vec::new();
    read(objects, commit, Kind::Commit, &mut buffer)?;
    CommitRefIter::from_bytes(&buffer, gix_hash::Kind::Sha1)
        .tree_id()
        .map_err(|_| HistoryError::Unsound { id: commit.to_owned(), expected: "commit" })
}

/// Reads the file at exactly `path` in the tree of `commit`. `None` when there is none there, or something else than a
/// file.
///
/// # Errors
/// [`HistoryError`]; [`HistoryError::OverLimit`] when it has more than `bytes_max` bytes.
pub fn read_file(
    objects: &dyn Objects,
    commit: &oid,
    path: &str,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, HistoryError> {
    let mut at = root_tree_id(objects, commit)?;
    let mut buffer = Vec::new();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        read(objects, &at, Kind::Tree, &mut buffer)?;
        let mut found = None;
        for entry in TreeRefIter::from_bytes(&buffer, gix_hash::Kind::Sha1) {
            let entry = entry.map_err(|_| HistoryError::Unsound { id: at, expected: "tree" })?;
            if entry.filename == part.as_bytes() {
                found = Some((entry.mode.kind(), entry.oid.to_owned()));
                break;
            }
        }
        match (found, parts.peek()) {
            (Some((EntryKind::Tree, id)), Some(_)) => at = id,
            (Some((EntryKind::Blob | EntryKind::BlobExecutable, id)), None) => {
                let size_bytes = objects.header(&id)?.ok_or(HistoryError::Missing(id))?.1;
                if size_bytes > bytes_max {
                    return Err(HistoryError::OverLimit { id, what: "bytes", value: size_bytes, limit: bytes_max });
                }
                read(objects, &id, Kind::Blob, &mut buffer)?;
                return Ok(Some(buffer));
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// Follows annotated tags: the object that `id` finally points at, and its kind.
///
/// # Errors
/// [`HistoryError`]; a chain of more than 16 tags is over the limit.
pub fn peel(objects: &dyn Objects, id: &oid) -> Result<(ObjectId, Kind), HistoryError> {
    let mut at = id.to_owned();
    let mut buffer = Vec::new();
    for _ in 0..=TAG_DEPTH_MAX {
        match objects.header(&at)? {
            None => return Err(HistoryError::Missing(at)),
            Some((Kind::Tag, _)) => {}
            Some((kind, _)) => return Ok((at, kind)),
        }
        read(objects, &at, Kind::Tag, &mut buffer)?;
        at = TagRefIter::from_bytes(&buffer, gix_hash::Kind::Sha1)
            .target_id()
            .map_err(|_| HistoryError::Unsound { id: at, expected: "tag" })?;
    }
    let (value, limit) = (TAG_DEPTH_MAX as u64 + 1, TAG_DEPTH_MAX as u64);
    Err(HistoryError::OverLimit { id: id.to_owned(), what: "tags on tags", value, limit })
}

/// True when `ancestor` is `descendant` or one of the commits that it descends from. Looks at `commits_max` commits at
/// most, newest first.
///
/// # Errors
/// [`HistoryError`]; [`HistoryError::OverLimit`] when that many commits do not decide it.
pub fn is_ancestor(
    objects: &dyn Objects,
    ancestor: &oid,
    descendant: &oid,
    commits_max: usize,
) -> Result<bool, HistoryError> {
    if ancestor == descendant {
        return Ok(true);
    }
    let mut buffer = Vec::new();
    let mut seen = HashSet::new();
    let mut queue = BinaryHeap::new();
    let mut next = vec![descendant.to_owned()];
    loop {
        for id in next.drain(..) {
            if seen.insert(id) {
                queue.push((commit_time(objects, &id, &mut buffer)?, id));
            }
        }
        if seen.len() > commits_max {
            let (value, limit) = (seen.len() as u64, commits_max as u64);
            return Err(HistoryError::OverLimit { id: descendant.to_owned(), what: "commits", value, limit });
        }
        let Some((_, id)) = queue.pop() else { return Ok(false) };
        read(objects, &id, Kind::Commit, &mut buffer)?;
        next.extend(CommitRefIter::from_bytes(&buffer, gix_hash::Kind::Sha1).parent_ids());
        if next.iter().any(|parent| parent.as_ref() == ancestor) {
            return Ok(true);
        }
    }
}

fn commit_time(objects: &dyn Objects, id: &oid, buffer: &mut Vec<u8>) -> Result<i64, HistoryError> {
    read(objects, id, Kind::Commit, buffer)?;
    let unsound = || HistoryError::Unsound { id: id.to_owned(), expected: "commit" };
    let committer = CommitRefIter::from_bytes(buffer, gix_hash::Kind::Sha1).committer().map_err(|_| unsound())?;
    Ok(committer.time().map_or(0, |time| time.seconds))
}

/// Reads the tree `root` with its paths, modes and contents.
///
/// # Errors
/// [`HistoryError`]; the bounds on files, depth and bytes are met before what they bound is spent.
pub fn read_tree(
    objects: &dyn Objects,
    root: &oid,
    bounds: &TreeBounds,
    contents: Contents,
) -> Result<Tree, HistoryError> {
    let mut files = Vec::new();
    let mut bytes = 0u64;
    walk(objects, root, bounds, &mut |path, mode, id| {
        if let Mode::Other(_) = mode {
            files.push(TreeFile { path, mode, size_bytes: 0, content: None });
            return Ok(());
        }
        let (kind, size_bytes) = objects.header(id)?.ok_or_else(|| HistoryError::Missing(id.to_owned()))?;
        if kind != Kind::Blob {
            return Err(HistoryError::Unsound { id: id.to_owned(), expected: "blob" });
        }
        let wanted = contents == Contents::All || mode == Mode::Link;
        let content = if wanted && size_bytes <= bounds.file_bytes_max {
            bytes += size_bytes;
            if bytes > bounds.bytes_max {
                let (what, value, limit) = ("bytes", bytes, bounds.bytes_max);
                return Err(HistoryError::OverLimit { id: root.to_owned(), what, value, limit });
            }
            let mut content = Vec::new();
            read(objects, id, Kind::Blob, &mut content)?;
            Some(content)
        } else {
            None
        };
        files.push(TreeFile { path, mode, size_bytes, content });
        Ok(())
    })?;
    Ok(Tree::new(files))
}

/// The records of the canonical digest of tree `root`. `digest` gives size and SHA-256 of a blob; a caller that keeps
/// them spares reading what did not change.
///
/// # Errors
/// As [`read_tree`], and what `digest` returns.
pub fn digest_records(
    objects: &dyn Objects,
    root: &oid,
    bounds: &TreeBounds,
    mut digest: impl FnMut(&oid) -> Result<(u64, Sha256), HistoryError>,
) -> Result<Vec<DigestRecord>, HistoryError> {
    let mut records = Vec::new();
    walk(objects, root, bounds, &mut |path, mode, id| {
        let (size_bytes, content) = match mode {
            Mode::Other(_) => (0, Sha256([0; 32])),
            Mode::File | Mode::Executable | Mode::Link => digest(id)?,
        };
        records.push(DigestRecord { path, mode, size_bytes, content });
        Ok(())
    })?;
    Ok(records)
}

/// Size and SHA-256 of the blob `id`.
///
/// # Errors
/// [`HistoryError`].
pub fn blob_digest(objects: &dyn Objects, id: &oid, buffer: &mut Vec<u8>) -> Result<(u64, Sha256), HistoryError> {
    read(objects, id, Kind::Blob, buffer)?;
    Ok((buffer.len() as u64, Sha256::of(buffer)))
}

/// Takes path, mode and id of one entry.
type EntryTaker<'a> = dyn FnMut(Vec<u8>, Mode, &oid) -> Result<(), HistoryError> + 'a;

/// Calls `each` for every entry below `root` that is not a folder.
fn walk(objects: &dyn Objects, root: &oid, bounds: &TreeBounds, each: &mut EntryTaker<'_>) -> Result<(), HistoryError> {
    let over = |what, value, limit| HistoryError::OverLimit { id: root.to_owned(), what, value, limit };
    let mut folders: Vec<(Vec<u8>, ObjectId, usize)> = vec![(Vec::new(), root.to_owned(), 0)];
    let mut buffer = Vec::new();
    let mut files = 0u64;
    // Folders count too: a tree of empty folders costs as much to walk.
    let mut entries = 0u64;
    while let Some((prefix, id, depth)) = folders.pop() {
        read(objects, &id, Kind::Tree, &mut buffer)?;
        for entry in TreeRefIter::from_bytes(&buffer, gix_hash::Kind::Sha1) {
            let entry = entry.map_err(|_| HistoryError::Unsound { id, expected: "tree" })?;
            entries += 1;
            if entries > bounds.files_max.saturating_mul(4) {
                return Err(over("files and folders", entries, bounds.files_max.saturating_mul(4)));
            }
            let mut path = prefix.clone();
            path.extend_from_slice(entry.filename);
            let mode = match entry.mode.kind() {
                EntryKind::Tree => {
                    if depth >= bounds.depth_max {
                        return Err(over("folders within folders", depth as u64 + 1, bounds.depth_max as u64));
                    }
                    path.push(b'/');
                    folders.push((path, entry.oid.to_owned(), depth + 1));
                    continue;
                }
                EntryKind::Blob => Mode::File,
                EntryKind::BlobExecutable => Mode::Executable,
                EntryKind::Link => Mode::Link,
                EntryKind::Commit => Mode::Other(0o160_000),
            };
            files += 1;
            if files > bounds.files_max {
                return Err(over("files", files, bounds.files_max));
            }
            each(path, mode, entry.oid)?;
        }
    }
    Ok(())
}

fn read(objects: &dyn Objects, id: &oid, expected: Kind, out: &mut Vec<u8>) -> Result<(), HistoryError> {
    match objects.read(id, out)? {
        None => Err(HistoryError::Missing(id.to_owned())),
        Some(kind) if kind == expected => Ok(()),
        Some(_) => {
            let expected = match expected {
                Kind::Commit => "commit",
                Kind::Tree => "tree",
                Kind::Blob => "blob",
                Kind::Tag => "tag",
            };
            Err(HistoryError::Unsound { id: id.to_owned(), expected })
        }
    }
}
