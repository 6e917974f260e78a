//! Commits and tags as walks need them: parents, tree, time, target.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use bstr::ByteSlice;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;

use super::deadline::Deadline;
use super::fetch::FetchError;
use crate::ids::{IdMap, IdSet};
use crate::objects::{ObjectError, Objects};
use crate::repo::Repo;

/// A chain of annotated tags is followed so far.
const TAG_CHAIN_MAX: usize = 64;

/// What a walk needs to know of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its root tree.
    pub tree: ObjectId,
    /// Its parents; none where the repository's own history is cut.
    pub parents: Vec<ObjectId>,
    /// Seconds since 1970 by its committer's clock.
    pub time: i64,
}

/// An object and what the annotated tags on the way to it are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeled {
    /// The tags, outermost first. Empty when the object was no tag.
    pub tags: Vec<ObjectId>,
    /// What they finally point at.
    pub target: ObjectId,
    /// Its kind, never a tag.
    pub kind: Kind,
}

/// Reads commits of one repository for one request, each once.
pub struct Commits<'a> {
    /// The repository.
    pub repo: &'a Repo,
    /// Commits whose parents the repository lacks (git's `shallow` file).
    grafts: &'a IdSet,
    known: IdMap<Arc<Commit>>,
    buffer: Vec<u8>,
    /// The request's patience.
    pub deadline: Deadline,
}

impl<'a> Commits<'a> {
    /// Starts with nothing read.
    pub fn new(repo: &'a Repo, grafts: &'a IdSet, deadline: Deadline) -> Self {
        Self { repo, grafts, known: IdMap::default(), buffer: Vec::new(), deadline }
    }

    /// The commit called `id`.
    ///
    /// # Errors
    /// [`FetchError::Missing`] when there is no such object, [`FetchError::Store`] when it is not a commit.
    pub fn get(&mut self, id: &ObjectId) -> Result<Arc<Commit>, FetchError> {
        let place = match self.known.entry(*id) {
            Entry::Occupied(known) => return Ok(Arc::clone(known.get())),
            Entry::Vacant(place) => place,
        };
        self.deadline.step()?;
        let kind = self.repo.read(id, &mut self.buffer)?.ok_or_else(|| missing(self.repo, id))?;
        let parsed = (kind == Kind::Commit).then(|| parse_commit(&self.buffer)).flatten();
        let mut commit = parsed.ok_or_else(|| damaged(self.repo, id, "it is not a commit"))?;
        if self.grafts.contains(id) {
            commit.parents.clear();
        }
        Ok(Arc::clone(place.insert(Arc::new(commit))))
    }

    /// True when the repository's own history is cut at `id`.
    pub fn is_graft(&self, id: &ObjectId) -> bool {
        self.grafts.contains(id)
    }

    /// Follows annotated tags from `id`. `None` when there is no such object.
    ///
    /// # Errors
    /// [`FetchError`]; also when a tag's target is missing.
    pub fn peel(&mut self, id: &ObjectId) -> Result<Option<Peeled>, FetchError> {
        if self.known.contains_key(id) {
            return Ok(Some(Peeled { tags: Vec::new(), target: *id, kind: Kind::Commit }));
        }
        let mut tags = Vec::new();
        let mut target = *id;
        loop {
            // Blobs may be large; their content is of no interest here.
            let kind = match self.repo.header(&target)? {
                Some((kind, _)) => kind,
                None if tags.is_empty() => return Ok(None),
                None => return Err(missing(self.repo, &target)),
            };
            if kind != Kind::Tag {
                return Ok(Some(Peeled { tags, target, kind }));
            }
            if tags.len() == TAG_CHAIN_MAX {
                return Err(damaged(self.repo, id, "its chain of tags has no end"));
            }
            self.repo.read(&target, &mut self.buffer)?;
            tags.push(target);
            target = parse_tag(&self.buffer).ok_or_else(|| damaged(self.repo, &target, "it is not a tag"))?;
        }
    }
}

/// The error for an object that ought to be there.
pub fn missing(repo: &Repo, id: &oid) -> FetchError {
    FetchError::Missing { id: id.to_owned(), path: repo.path().to_owned() }
}

/// The error for an object that is not what it ought to be.
pub fn damaged(repo: &Repo, id: &oid, reason: &str) -> FetchError {
    let path = repo.path().to_owned();
    FetchError::Store(ObjectError::Damaged { id: id.to_owned(), path, reason: reason.to_owned() })
}

fn parse_commit(bytes: &[u8]) -> Option<Commit> {
    let (tree, mut rest) = header_id(bytes, b"tree ")?;
    let mut parents = Vec::new();
    while let Some((parent, after)) = header_id(rest, b"parent ") {
        parents.push(parent);
        rest = after;
    }
    let headers = &rest[..rest.find(b"\n\n").unwrap_or(rest.len())];
    let committer = headers.lines().find_map(|line| line.strip_prefix(b"committer "));
    // A commit with a broken date is old; order is all that times are used for.
    let time = committer
        .and_then(|line| line.rsplit(|byte| *byte == b' ').nth(1))
        .and_then(|time| std::str::from_utf8(time).ok()?.parse().ok())
        .unwrap_or(0);
    Some(Commit { tree, parents, time })
}

/// What a tag object points at.
pub fn parse_tag(bytes: &[u8]) -> Option<ObjectId> {
    Some(header_id(bytes, b"object ")?.0)
}

fn header_id<'a>(bytes: &'a [u8], name: &[u8]) -> Option<(ObjectId, &'a [u8])> {
    let rest = bytes.strip_prefix(name)?;
    let id = ObjectId::from_hex(rest.get(..40)?).ok()?;
    Some((id, rest[40..].strip_prefix(b"\n")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
    const PARENT: &str = "parent bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n";

    #[test]
    fn commits_are_read_leniently_where_only_order_depends_on_it() {
        let author = "author A <a@example.com> 1 +0000\n";
        let text = format!("{TREE}{PARENT}{PARENT}{author}committer C O <c@example.com> 17 +0200\n\ncommitter x 9 0");
        let commit = parse_commit(text.as_bytes()).expect("a commit");
        assert_eq!((commit.parents.len(), commit.time), (2, 17));
        let broken = format!("{TREE}{author}committer C <c> later\n\n");
        assert_eq!(parse_commit(broken.as_bytes()).map(|commit| commit.time), Some(0));
        assert_eq!(parse_commit(b"tree aaaa\n"), None);
        assert_eq!(parse_commit(b""), None);
        assert_eq!(
            parse_tag(format!("object {}type commit\n", &TREE[5..]).as_bytes()).map(|id| id.to_string()),
            Some("a".repeat(40))
        );
    }
}
