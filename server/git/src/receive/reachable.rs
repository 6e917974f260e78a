//! What a pusher may read: the objects that the refs it sees reach, found out only as far as somebody asks.

use std::collections::{BinaryHeap, VecDeque};

use gix_hash::{ObjectId, oid};
use gix_object::Kind;

use super::fsck::{Entries, commit_links, tag_links};
use super::pack::Deadline;
use crate::ids::IdSet;
use crate::objects::{ObjectError, Objects};
use crate::refs::{Head, RefSnapshot};

/// Why a question about reachability has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// It took too long.
    #[error("looking through the history took too long")]
    TooSlow,
    /// The repository could not be read.
    #[error("an object could not be read")]
    Store(#[from] ObjectError),
}

/// A walk from the refs outward that goes on with each question. The answer does not depend on whether an object exists
/// that the refs do not reach, and neither does the time it takes.
pub struct Reachable<'a> {
    objects: &'a dyn Objects,
    deadline: Deadline,
    /// Known to be reached, and noted below if it can lead on.
    seen: IdSet,
    /// Commits and tags to be read, newest first; those that were asked for first come before all.
    history: BinaryHeap<(u64, ObjectId)>,
    /// Trees to be read, nearest to their commit first.
    trees: VecDeque<ObjectId>,
    buffer: Vec<u8>,
}

impl<'a> Reachable<'a> {
    /// Starts at `refs`. `first` names those of their values that most questions will be about: the refs that are pushed
    /// to. Others among `first` are ignored, so it may hold what the client claims.
    pub fn new(objects: &'a dyn Objects, refs: &RefSnapshot, first: &[ObjectId], deadline: Deadline) -> Self {
        let mut this = Self {
            objects,
            deadline,
            seen: IdSet::default(),
            history: BinaryHeap::new(),
            trees: VecDeque::new(),
            buffer: Vec::new(),
        };
        let detached = match refs.head {
            Head::Detached(id) => Some(id),
            Head::Symbolic(_) | Head::Hidden => None,
        };
        for id in refs.refs.iter().flat_map(|entry| [Some(entry.id), entry.peeled]).chain([detached]).flatten() {
            if this.seen.insert(id) {
                let rank = if first.contains(&id) { u64::MAX } else { u64::MAX - 1 };
                this.history.push((rank, id));
            }
        }
        this
    }

    /// True when the refs reach `id`. `kind`, where it is known, saves looking where it cannot be.
    ///
    /// # Errors
    /// [`ReachError`].
    pub fn contains(&mut self, id: &oid, kind: Option<Kind>) -> Result<bool, ReachError> {
        let history_only = matches!(kind, Some(Kind::Commit | Kind::Tag));
        while !self.seen.contains(id) {
            if self.deadline.passed() {
                return Err(ReachError::TooSlow);
            }
            // In turns: the tree of the newest commit is likely, and so is the root tree of one before it.
            let commit = self.history.pop();
            if let Some((_, id)) = commit {
                self.expand_history(&id)?;
            }
            let tree = if history_only { None } else { self.trees.pop_front() };
            if let Some(id) = tree {
                self.expand_tree(&id)?;
            }
            if commit.is_none() && tree.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn expand_history(&mut self, id: &oid) -> Result<(), ReachError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        match self.objects.read(id, &mut buffer)? {
            Some(Kind::Commit) => {
                if let Some(links) = commit_links(&buffer) {
                    self.note_tree(links.tree);
                    for parent in links.parents {
                        // A parent is a little older than its child even where clocks say otherwise.
                        self.note_history(parent, links.seconds.min(u64::MAX - 2));
                    }
                }
            }
            Some(Kind::Tag) => {
                if let Some(links) = tag_links(&buffer) {
                    self.note_history(links.target, u64::MAX - 1);
                }
            }
            Some(Kind::Tree) => self.trees.push_back(id.to_owned()),
            Some(Kind::Blob) | None => {}
        }
        self.buffer = buffer;
        Ok(())
    }

    fn expand_tree(&mut self, id: &oid) -> Result<(), ReachError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if self.objects.read(id, &mut buffer)? == Some(Kind::Tree) {
            for entry in Entries(&buffer).flatten() {
                // What a submodule names is not here, and naming it gives no right to it.
                match entry.mode() {
                    Some(super::fsck::EntryMode::Folder) => self.note_tree(entry.id.to_owned()),
                    Some(_) => drop(self.seen.insert(entry.id.to_owned())),
                    None if entry.mode == b"160000" => {}
                    None => drop(self.seen.insert(entry.id.to_owned())),
                }
            }
        }
        self.buffer = buffer;
        Ok(())
    }

    fn note_history(&mut self, id: ObjectId, rank: u64) {
        if self.seen.insert(id) {
            self.history.push((rank, id));
        }
    }

    fn note_tree(&mut self, id: ObjectId) {
        if self.seen.insert(id) {
            self.trees.push_back(id);
        }
    }
}
