//! What an object may be. In: one object's bytes. Out: faults, each with git's own word for it where git has one.
//!
//! Everything that `git fsck --strict` reports is a fault here, warnings included, and so is what stock git lets through
//! although some file system cannot hold it: see `names`. Whether the objects named exist is another room's question.
//!
//! Source: git-fsck(1), "fsck messages"; git 2.47.

mod commit;
mod header;
pub mod names;
mod tag;
mod tree;

use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use skill_pool_domain::refusal::Refusal;

use super::text::printable_bytes;
use crate::limits::ReceiveLimits;

pub use commit::{CommitLinks, commit_links};
pub(super) use header::RETAG;
pub use tag::{TagLinks, tag_links};
pub use tree::{Entries, EntryMode, TreeEntry, write_tree};

/// Faults that are told at once; the rest are counted by trying again.
const FAULTS_MAX: usize = 20;

/// What is wrong with one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFault {
    /// The object.
    pub id: ObjectId,
    /// Its kind.
    pub kind: Kind,
    /// Where it stands in the pushed tree, once that is known; else the entry's name for a fault of an entry.
    pub path: Option<Vec<u8>>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong, without where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Git's word for it in kebab case, such as `has-dotgit`, or ours.
    pub code: &'static str,
    /// One sentence without a full stop.
    pub message: String,
    /// What to do.
    pub remedy: &'static str,
}

impl Fault {
    /// A fault.
    pub fn new(code: &'static str, message: impl Into<String>, remedy: &'static str) -> Self {
        Self { code, message: message.into(), remedy }
    }
}

impl ObjectFault {
    /// The fault as it is told.
    pub fn refusal(&self) -> Refusal {
        let place = match &self.path {
            Some(path) => format!("{} ({} {})", printable_bytes(path), self.kind, self.id),
            None => format!("{} {}", self.kind, self.id),
        };
        Refusal::new(self.fault.code, self.fault.message.clone(), self.fault.remedy).at(place)
    }
}

/// Looks at objects one after the other and collects what is wrong.
pub struct Inspector<'a> {
    limits: Option<&'a ReceiveLimits>,
    faults: Vec<ObjectFault>,
}

impl<'a> Inspector<'a> {
    /// Starts without faults.
    pub fn new(limits: &'a ReceiveLimits) -> Self {
        Self { limits: Some(limits), faults: Vec::new() }
    }

    /// Finds nothing: for objects that were let in before, under whatever rules there were.
    pub fn blind() -> Self {
        Self { limits: None, faults: Vec::new() }
    }

    /// Looks at one object. A blob is never at fault by itself: what it may hold depends on its name.
    pub fn inspect(&mut self, id: &oid, kind: Kind, content: &[u8]) {
        let Some(limits) = self.limits.filter(|_| self.faults.len() < FAULTS_MAX) else { return };
        let faults = &mut self.faults;
        let mut report = |name: Option<&[u8]>, fault: Fault| {
            let path = name.map(<[u8]>::to_vec);
            faults.push(ObjectFault { id: id.to_owned(), kind, path, fault });
        };
        match kind {
            Kind::Commit => commit::check(content, |fault| report(None, fault)),
            Kind::Tag => tag::check(content, |fault| report(None, fault)),
            Kind::Tree => tree::check(content, limits, report),
            Kind::Blob => {}
        }
    }

    /// The faults found, at most a screenful.
    pub fn finish(mut self) -> Vec<ObjectFault> {
        self.faults.truncate(FAULTS_MAX);
        self.faults
    }
}

/// Reads an id of 40 lower-case hexadecimal digits that is not all zeros.
fn parse_id(digits: &[u8]) -> Option<ObjectId> {
    if digits.len() != 40 || !digits.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    ObjectId::from_hex(digits).ok().filter(|id| !id.is_null())
}
