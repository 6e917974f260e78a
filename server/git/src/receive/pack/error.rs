//! Why a pack is not taken.

use gix_hash::ObjectId;
use skill_pool_domain::refusal::Refusal;

use super::delta::DeltaError;
use super::entry::HeaderError;
use super::inflate::InflateError;
use crate::objects::ObjectError;
use crate::receive::fsck::ObjectFault;

/// Why a pack is not taken. Nothing of it is kept then.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The client's bytes stopped coming.
    #[error("the pack ends too early")]
    Truncated,
    /// The client's bytes could not be read.
    #[error("the pack could not be read from the client")]
    Request {
        /// The cause.
        source: std::io::Error,
    },
    /// It does not begin like a pack.
    #[error("these bytes are not a git pack")]
    Signature,
    /// Not version 2.
    #[error("packs have version 2, this one has version {version}")]
    Version {
        /// What the header says.
        version: u32,
    },
    /// Too many objects.
    #[error("this pack announces {objects} objects; the limit is {limit}")]
    TooManyObjects {
        /// What the header says.
        objects: u32,
        /// The limit.
        limit: u32,
    },
    /// Too many bytes.
    #[error("this pack is larger than the limit of {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// An entry's header cannot be read.
    #[error("the entry at byte {offset} of the pack cannot be read: {source}")]
    Header {
        /// Where the entry begins.
        offset: u64,
        /// The cause.
        source: HeaderError,
    },
    /// An entry's stream is not what its header says.
    #[error("the entry at byte {offset} of the pack cannot be read: {source}")]
    Inflate {
        /// Where the entry begins.
        offset: u64,
        /// The cause.
        source: InflateError,
    },
    /// One object is too large.
    #[error("the {what} at byte {offset} of the pack has {size_bytes} bytes; the limit is {limit_bytes}")]
    ObjectTooLarge {
        /// Where the entry begins.
        offset: u64,
        /// The kind of object, or `delta`.
        what: &'static str,
        /// What it declares.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// All objects together are too large.
    #[error("the objects of this pack have more than {limit_bytes} bytes when unpacked")]
    InflatedTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// A distance that leads to no entry.
    #[error("the delta at byte {offset} of the pack has no base there")]
    NoEntry {
        /// Where the delta begins.
        offset: u64,
    },
    /// A base that is neither in the pack nor among what this pusher may read, or deltas in a circle.
    #[error("a delta of this pack needs object {id}, which is neither in the pack nor in this repository")]
    MissingBase {
        /// The base.
        id: ObjectId,
    },
    /// Deltas upon deltas.
    #[error("this pack has a chain of more than {limit} deltas")]
    TooDeep {
        /// The limit.
        limit: u32,
    },
    /// A delta that cannot be applied.
    #[error("the delta at byte {offset} of the pack cannot be applied: {source}")]
    Delta {
        /// Where the delta begins.
        offset: u64,
        /// The cause.
        source: DeltaError,
    },
    /// The checksum at the end is wrong.
    #[error("the pack's checksum is wrong")]
    Checksum,
    /// Bytes behind the checksum.
    #[error("bytes follow the end of the pack")]
    Trailing,
    /// An object made to have the same id as another one.
    #[error("an object of this pack is a SHA-1 collision attack")]
    Collision,
    /// It took too long.
    #[error("this pack took longer than the limit of {limit_seconds} seconds")]
    TooSlow {
        /// The limit.
        limit_seconds: u64,
    },
    /// Objects that may not exist.
    #[error("{} of the pack's objects may not exist", .0.len())]
    Objects(Vec<ObjectFault>),
    /// Our disk failed.
    #[error("the pack could not be kept while it was checked")]
    Spool {
        /// The cause.
        source: std::io::Error,
    },
    /// Our repository could not be read.
    #[error("a base could not be read")]
    Store {
        /// The cause.
        source: ObjectError,
    },
}

impl ReceiveError {
    /// True when the fault is not the client's: to be logged, and told as an internal error.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Spool { .. } | Self::Store { .. })
    }

    /// What the client is told.
    pub fn refusals(&self) -> Vec<Refusal> {
        let (code, remedy) = match self {
            Self::Objects(faults) => return faults.iter().map(ObjectFault::refusal).collect(),
            Self::Truncated | Self::Request { .. } => ("pack-cut", "check the connection and push again"),
            Self::TooManyObjects { .. } => (
                "pack-too-large",
                "push the history in steps, older commits first: git push <remote> <commit>:<branch>",
            ),
            Self::TooLarge { .. } | Self::InflatedTooLarge { .. } => (
                "pack-too-large",
                "find what is large (git rev-list --objects --disk-usage=human HEAD) and take it out of the history, or push in steps",
            ),
            Self::ObjectTooLarge { .. } => (
                "object-too-large",
                "take the large file out of every commit that is new (git rebase -i, or git filter-repo --strip-blobs-bigger-than)",
            ),
            Self::MissingBase { .. } => {
                ("missing-base", "fetch first, then push again; or push without deltas: git push --no-thin")
            }
            Self::TooDeep { .. } => ("pack-too-deep", "repack and push again: git repack -adf --depth=50"),
            Self::TooSlow { .. } => ("pack-too-slow", "push fewer commits at once, or try again later"),
            Self::Collision => ("sha1-collision", "this object can not be stored; take it out of the history"),
            Self::Spool { source } if source.kind() == std::io::ErrorKind::StorageFull => {
                ("no-space", "the server's disk is full; tell its operator and push again when there is room")
            }
            Self::Spool { .. } | Self::Store { .. } => ("internal", "try again; if it stays, tell the operator"),
            _ => ("pack-damaged", "check your clone and push again: git fsck && git push"),
        };
        vec![Refusal::new(code, self.to_string(), remedy)]
    }
}
