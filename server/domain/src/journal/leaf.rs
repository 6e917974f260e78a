//! One entry of the journal as a value.

use std::ops::Deref;

use super::text::{self, LEAF_BYTES_MAX};
use super::values::{Ext, Gate, GitId, NotAValue, Review, Signer};
use crate::digest::{Sha256, Sha256Hasher};
use crate::names::{LeafIndex, MemberId, PluginName, RefName, RepositoryId, TenantId, Version};

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// The tenant began. Always leaf 0, and leaf 0 is always this.
    Genesis,
    /// `registry.git`'s main moved: members, signers, rules.
    Policy,
    /// A ref was created, moved or deleted.
    RefUpdate,
    /// A plugin got a version.
    Release,
    /// A release was withdrawn.
    Yank,
    /// A release was put back.
    Unyank,
    /// A repository got another name.
    Rename,
    /// A repository got another owner.
    Transfer,
    /// A repository began.
    RepoCreate,
    /// A repository was closed.
    RepoDelete,
    /// Content was removed for legal reasons; its digest stays.
    Erase,
    /// A key of the log came or went.
    LogKey,
    /// The data were restored from a backup: what follows may contradict what others saw after the backup.
    Epoch,
    /// A digest of the trail that is not public.
    AuditAnchor,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Genesis,
        Self::Policy,
        Self::RefUpdate,
        Self::Release,
        Self::Yank,
        Self::Unyank,
        Self::Rename,
        Self::Transfer,
        Self::RepoCreate,
        Self::RepoDelete,
        Self::Erase,
        Self::LogKey,
        Self::Epoch,
        Self::AuditAnchor,
    ];

    /// The word in a leaf.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Policy => "policy",
            Self::RefUpdate => "ref-update",
            Self::Release => "release",
            Self::Yank => "yank",
            Self::Unyank => "unyank",
            Self::Rename => "rename",
            Self::Transfer => "transfer",
            Self::RepoCreate => "repo-create",
            Self::RepoDelete => "repo-delete",
            Self::Erase => "erase",
            Self::LogKey => "log-key",
            Self::Epoch => "epoch",
            Self::AuditAnchor => "audit-anchor",
        }
    }

    /// Reads the word; `None` for any other.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Which fields a leaf of this kind has, in the order of the lines from `repo` on: `R` it must, `o` it may, `-` it
    /// must not.
    fn fields(self) -> &'static [u8; 16] {
        match self {
            //                       repo         version      cert   gate
            //                       | name       | prev       | signer caps
            //                       | | ref      | | policy   | | actor ext
            //                       | | | old new| | |        | | | review
            Self::Genesis => b"---------------o",
            Self::Policy => b"RRRRRo-ooooooooo",
            Self::RefUpdate => b"RRRRRo-ooooooooo",
            Self::Release => b"RRR-RRRooooooooo",
            Self::Yank | Self::Unyank => b"RR----Rooooo---o",
            Self::Rename | Self::Transfer | Self::RepoCreate | Self::RepoDelete => b"RR-----ooooo---o",
            Self::Erase => b"RRooooooooooo--o",
            Self::LogKey => b"-------ooooo---o",
            Self::Epoch => b"-------oo--o---o",
            Self::AuditAnchor => b"-------oo------R",
        }
    }
}

/// The lines of a leaf. What does not apply is `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeafFields {
    /// What happened.
    pub kind: Kind,
    /// In whose journal.
    pub tenant: TenantId,
    /// At which place.
    pub seq: LeafIndex,
    /// Unix seconds by the server's clock; never smaller than in the leaf before.
    pub time: u64,
    /// Which repository.
    pub repo: Option<RepositoryId>,
    /// The plugin's name at that time; `registry` for `registry.git`.
    pub name: Option<PluginName>,
    /// Which ref.
    pub ref_name: Option<RefName>,
    /// The ref's value before.
    pub old: Option<GitId>,
    /// The ref's value from now on.
    pub new: Option<GitId>,
    /// Canonical digest of the tree of `new`.
    pub tree: Option<Sha256>,
    /// The version released, withdrawn or put back.
    pub version: Option<Version>,
    /// The leaf before of the same repository and ref; for releases and yanks, of the same repository and version, else
    /// of that repository.
    pub prev: Option<LeafIndex>,
    /// The policy leaf in force; of a policy leaf, the one before.
    pub policy: Option<LeafIndex>,
    /// SHA-256 of the signed text of the certificate.
    pub cert: Option<Sha256>,
    /// The key that signed it.
    pub signer: Option<Signer>,
    /// The member whose connection it was; may be another than the signer.
    pub actor: Option<MemberId>,
    /// The approvals that it rests on.
    pub review: Option<Review>,
    /// The gate's verdict.
    pub gate: Option<Gate>,
    /// Digest of the capability list.
    pub caps: Option<Sha256>,
    /// What else.
    pub ext: Option<Ext>,
}

impl LeafFields {
    /// A leaf with nothing but what every leaf has.
    pub fn new(kind: Kind, tenant: TenantId, seq: LeafIndex, time: u64) -> Self {
        Self {
            kind,
            tenant,
            seq,
            time,
            repo: None,
            name: None,
            ref_name: None,
            old: None,
            new: None,
            tree: None,
            version: None,
            prev: None,
            policy: None,
            cert: None,
            signer: None,
            actor: None,
            review: None,
            gate: None,
            caps: None,
            ext: None,
        }
    }
}

/// Why fields make no leaf, or why a text is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Longer than [`LEAF_BYTES_MAX`].
    #[error("a leaf has at most {LEAF_BYTES_MAX} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("a leaf is UTF-8 text")]
    NotUtf8,
    /// Another version than 1, or none.
    #[error("it does not begin with `skill-pool/leaf/v1`")]
    Version,
    /// Control characters, or no line feed at the end.
    #[error("its lines end in one line feed each and hold no control characters")]
    Lines,
    /// A line is missing, in another place, or one too many.
    #[error("line {line} is not `{expected} …`")]
    Line {
        /// The line, from 1.
        line: usize,
        /// The key that stands there.
        expected: &'static str,
    },
    /// More lines than a leaf has.
    #[error("it has lines after `ext`")]
    Trailing,
    /// A line's value is wrong.
    #[error("`{key}`: {reason}")]
    Value {
        /// The line's key.
        key: &'static str,
        /// What it is not.
        reason: NotAValue,
    },
    /// A leaf of this kind has no such field, or cannot be without it.
    #[error("a `{}` leaf {must} `{key}`", kind.as_str())]
    Field {
        /// The leaf's kind.
        kind: Kind,
        /// The line's key.
        key: &'static str,
        /// `has no` or `needs`.
        must: &'static str,
    },
    /// Leaf 0 is not the genesis, or another one is.
    #[error("`genesis` is leaf 0 and no other")]
    NotGenesis,
    /// A leaf refers to itself or to a later one.
    #[error("`{key}` names a leaf that is not before this one")]
    NotBefore {
        /// `prev` or `policy`.
        key: &'static str,
    },
    /// A certificate without its signer, or the other way round.
    #[error("`cert` and `signer` stand together or not at all")]
    HalfSigned,
    /// A release has all zeros as its value.
    #[error("a `release` leaf names a commit")]
    NothingReleased,
}

/// One entry of the journal. Its fields fit its kind, and its text has one spelling.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaf(LeafFields);

impl Leaf {
    /// Makes a leaf.
    ///
    /// # Errors
    /// [`LeafError`] when the fields do not fit the kind.
    pub fn new(fields: LeafFields) -> Result<Self, LeafError> {
        let present = [
            ("repo", fields.repo.is_some()),
            ("name", fields.name.is_some()),
            ("ref", fields.ref_name.is_some()),
            ("old", fields.old.is_some()),
            ("new", fields.new.is_some()),
            ("tree", fields.tree.is_some()),
            ("version", fields.version.is_some()),
            ("prev", fields.prev.is_some()),
            ("policy", fields.policy.is_some()),
            ("cert", fields.cert.is_some()),
            ("signer", fields.signer.is_some()),
            ("actor", fields.actor.is_some()),
            ("review", fields.review.is_some()),
            ("gate", fields.gate.is_some()),
            ("caps", fields.caps.is_some()),
            ("ext", fields.ext.is_some()),
        ];
        let kind = fields.kind;
        for ((key, present), rule) in present.into_iter().zip(kind.fields()) {
            match (rule, present) {
                (b'R', false) => return Err(LeafError::Field { kind, key, must: "needs" }),
                (b'-', true) => return Err(LeafError::Field { kind, key, must: "has no" }),
                _ => {}
            }
        }
        if (kind == Kind::Genesis) != (fields.seq.0 == 0) {
            return Err(LeafError::NotGenesis);
        }
        for (key, leaf) in [("prev", fields.prev), ("policy", fields.policy)] {
            if leaf.is_some_and(|leaf| leaf >= fields.seq) {
                return Err(LeafError::NotBefore { key });
            }
        }
        if fields.cert.is_some() != fields.signer.is_some() {
            return Err(LeafError::HalfSigned);
        }
        if kind == Kind::Release && fields.new.is_some_and(|new| new.is_absent()) {
            return Err(LeafError::NothingReleased);
        }
        Ok(Self(fields))
    }

    /// Reads a leaf's text, strictly.
    ///
    /// # Errors
    /// [`LeafError`] for every text that [`Leaf::text`] does not write.
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        text::parse(bytes).and_then(Self::new)
    }

    /// The text: `skill-pool/leaf/v1`.
    pub fn text(&self) -> String {
        text::print(&self.0)
    }

    /// The leaf's hash in the tree: SHA-256 of a zero byte and the text. Source: RFC 6962, 2.1.
    pub fn hash(&self) -> Sha256 {
        leaf_hash(self.text().as_bytes())
    }
}

fn leaf_hash(text: &[u8]) -> Sha256 {
    let mut hasher = Sha256Hasher::new();
    hasher.update(&[0]);
    hasher.update(text);
    hasher.finish()
}

impl Deref for Leaf {
    type Target = LeafFields;
    fn deref(&self) -> &LeafFields {
        &self.0
    }
}
