//! THE transaction: old values and policy checked again, leaves appended, refs moved, releases made, outbox written.
//!
//! These types are the seam between the door, which judges, and the store, which commits.

use std::sync::Arc;

use gix::ObjectId;
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::names::{
    LeafIndex, MemberId, PluginName, RefName, RepositoryId, RepositoryName, TenantId, Version,
};
use skill_pool_domain::registry::Registry;
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::refs::RefSnapshot;

/// One judged push, merge, edit or release, ready to be made true. Its objects are synced and in place already.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Whose repository.
    pub tenant: TenantId,
    /// Which repository, by name.
    pub name: RepositoryName,
    /// Its id. When no repository of this name exists, one is created with this id and a `repo-create` leaf comes first.
    pub repository: RepositoryId,
    /// Who did it. `None` for the registry itself (genesis, restore).
    pub actor: Option<MemberId>,
    /// When the door was entered. The store never lets a leaf's time fall behind the one before it.
    pub at: Timestamp,
    /// In the order of the certificate.
    pub updates: Vec<RefUpdate>,
    /// All updates or none; else each that still fits.
    pub atomic: bool,
    /// The certificate that covers the updates.
    pub certificate: Option<CertificateRecord>,
    /// Spent in the same transaction: a second use fails with [`NotCommitted::NonceSpent`].
    pub nonce: Option<String>,
    /// The leaf of the `registry.git` state that judged this; when a newer one exists, [`NotCommitted::PolicyMoved`].
    /// `None` only while the tenant has none.
    pub policy: Option<LeafIndex>,
    /// The release that the update of main makes.
    pub release: Option<NewRelease>,
    /// The parsed state of `registry.git` when this update moves its main: makes the leaf a `policy` leaf and renews the
    /// projections (members, visibility, yanks), with `yank` and `unyank` leaves for what changed.
    pub registry: Option<Arc<Registry>>,
}

/// One ref that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// Full name.
    pub name: RefName,
    /// The value that it must have now; `None`: it must not exist.
    pub old: Option<ObjectId>,
    /// The value that it gets; `None`: it is deleted.
    pub new: Option<ObjectId>,
    /// For an annotated tag what it finally points at.
    pub peeled: Option<ObjectId>,
    /// Canonical digest of the new commit's tree, where the leaf has one.
    pub tree: Option<Sha256>,
    /// The gate's verdict for the leaf, such as `pass:sha256:…`, and the report it digests.
    pub gate: Option<GateRecord>,
    /// Digest of the capability list for the leaf, and the list.
    pub capabilities: Option<DigestedText>,
}

/// A text and its digest; the text is kept as evidence beside the leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestedText {
    /// SHA-256 of `text`.
    pub digest: Sha256,
    /// The text.
    pub text: Arc<str>,
}

/// The gate's verdict as the leaf holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateRecord {
    /// `pass`, `warn` or `forced`.
    pub outcome: &'static str,
    /// The report.
    pub report: DigestedText,
}

/// A verified push certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRecord {
    /// SHA-256 of the signed text (without the signature).
    pub digest: Sha256,
    /// Signed text and signature, as received.
    pub bytes: Arc<[u8]>,
    /// The key that signed, as the leaf names it: `ssh:SHA256:…` or `pgp:v4:…`.
    pub signer: String,
}

/// A release to be made by the update of `refs/heads/main` in the same proposal. Its tag object is in place already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRelease {
    /// The plugin.
    pub plugin: PluginName,
    /// The version, not released before.
    pub version: Version,
    /// The released commit: main's new value.
    pub commit: ObjectId,
    /// The annotated tag object; the ref `refs/tags/<plugin>--v<version>` is created with it.
    pub tag: ObjectId,
    /// Canonical digest of the commit's tree.
    pub tree: Sha256,
    /// What the catalog and the pages need of the plugin (manifest fields, items, capabilities), as JSON whose form the
    /// domain owns. Kept with the release.
    pub summary: serde_json::Value,
}

/// What became of a proposal that was committed. By the time it is returned everything in it is durable.
#[derive(Clone, Debug)]
pub struct Committed {
    /// One outcome for each update of the proposal, in its order.
    pub updates: Vec<UpdateOutcome>,
    /// The leaves appended, oldest first. Empty when no update fitted.
    pub leaves: Vec<LeafIndex>,
    /// The refs of the repository after the transaction.
    pub refs: Arc<RefSnapshot>,
}

/// One update's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// The ref has its new value.
    Moved,
    /// The ref had another value than `old`; nothing moved.
    Stale,
    /// A ref of this name cannot exist beside the others (`a` and `a/b`).
    NameTaken,
    /// Not done because another update of an atomic push failed.
    NotAtomic,
}

/// Why nothing of a proposal was committed.
#[derive(Debug, thiserror::Error)]
pub enum NotCommitted {
    /// `registry.git` moved since the proposal was judged: judge again and try again.
    #[error("the tenant's policy changed while this push was judged")]
    PolicyMoved,
    /// The certificate's nonce was used before.
    #[error("this push certificate was used before")]
    NonceSpent,
    /// The version was released meanwhile.
    #[error("version {0} was released meanwhile")]
    VersionTaken(Version),
    /// A bound of the tenant is reached.
    #[error("{what} would be {value}; the limit is {limit}")]
    OverLimit {
        /// What is counted, such as `refs of this repository`.
        what: &'static str,
        /// The count that it would have.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// The database failed; nothing was made true.
    #[error("the database refused the transaction")]
    Database {
        /// The disk was full.
        disk_full: bool,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
