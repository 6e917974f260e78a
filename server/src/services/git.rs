//! Serving git: what a proof of access opens, advertised, fetched and pushed to.
//!
//! In: a [`Granted`] and the bytes of a request. Out: the bytes of an answer. Repositories are opened here and in the
//! door, and nowhere else, and only with a proof. Refs come from the store, never from the folder.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use skill_pool_domain::access::{Granted, Push, ReadRepository};
use skill_pool_domain::certificate::nonce::NoncePlace;
use skill_pool_domain::names::{RepositoryId, RepositoryName};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::limits::UploadLimits;
use skill_pool_git::receive::commands::Head;
use skill_pool_git::refs::{Head as RefHead, RefSnapshot};
use skill_pool_git::repo::{Repo, RepoCache, RepoError};
use skill_pool_git::upload::{
    AdvertiseOptions, Answer, Ask, FetchError, Fetcher, PushOptions, Service, Version, advertise,
};

use super::door::Door;
use crate::followers::FollowerError;
use crate::followers::marketplace::Marketplaces;
use crate::keys::{self, Keys, KeysError, SigningKey};
use crate::store::{DataFolder, RepositoryRefs, Store, StoreError};

/// What serving works with.
pub struct GitParts {
    /// Refs.
    pub store: Arc<Store>,
    /// Opened repositories.
    pub repositories: Arc<RepoCache>,
    /// For nonces.
    pub keys: Arc<Keys>,
    /// Where repositories lie.
    pub data: DataFolder,
    /// What pushes go through.
    pub door: Arc<Door>,
    /// What answers fetches.
    pub fetcher: Fetcher,
    /// What makes `marketplace.git`.
    pub marketplaces: Arc<Marketplaces>,
    /// Bounds of a fetch.
    pub limits: UploadLimits,
    /// Tells the present time.
    pub clock: fn() -> Timestamp,
}

/// Serves git. One for the process.
pub struct Git {
    parts: GitParts,
    advertise: AdvertiseOptions,
}

/// Why git was not served.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no such repository.
    #[error("there is no such repository")]
    Absent,
    /// The store failed.
    #[error("could not look up the repository")]
    Store(#[from] StoreError),
    /// The repository cannot be opened.
    #[error("could not open the repository")]
    Repo(#[from] RepoError),
    /// A repository that the registry writes by itself could not be made.
    #[error("could not make the repository")]
    Generated(#[from] FollowerError),
    /// The fetch failed.
    #[error("could not answer the fetch")]
    Fetch(#[from] FetchError),
    /// No nonce could be made.
    #[error("could not make a nonce")]
    Nonce(#[from] KeysError),
}

/// A repository and its refs, opened with a proof.
pub struct Opened {
    folder: PathBuf,
    refs: Arc<RepositoryRefs>,
}

impl Git {
    /// Puts the parts together.
    pub fn new(parts: GitParts) -> Self {
        Self { parts, advertise: AdvertiseOptions::default() }
    }

    /// Bounds of a fetch.
    pub fn upload_limits(&self) -> &UploadLimits {
        &self.parts.limits
    }

    /// The door that pushes go through.
    pub fn door(&self) -> &Arc<Door> {
        &self.parts.door
    }

    /// The registry's own key, which signs release tags.
    pub fn signing_key(&self) -> &SigningKey {
        self.parts.keys.signing()
    }

    /// True when [`Git::make_ready`] must come before [`Git::open`]: what the registry writes by itself, and was deleted
    /// or never asked for.
    ///
    /// # Errors
    /// [`GitError::Generated`].
    pub fn must_make_ready(&self, proof: &Granted<ReadRepository>) -> Result<bool, GitError> {
        let generated = *proof.repository() == RepositoryName::Marketplace;
        Ok(generated && self.parts.marketplaces.is_absent(proof.tenant(), proof.tenant_name())?)
    }

    /// Makes what the registry writes by itself. Blocking.
    ///
    /// # Errors
    /// [`GitError::Generated`].
    pub fn make_ready(&self, proof: &Granted<ReadRepository>) -> Result<(), GitError> {
        Ok(self.parts.marketplaces.apply(proof.tenant(), proof.tenant_name())?)
    }

    /// Looks a repository up. Answers from memory when it was asked for lately.
    ///
    /// # Errors
    /// [`GitError::Absent`] or [`GitError::Store`].
    pub fn open(&self, proof: &Granted<ReadRepository>) -> Result<Opened, GitError> {
        let refs = self.parts.store.refs(proof.tenant(), proof.repository())?.ok_or(GitError::Absent)?;
        Ok(Opened { folder: self.parts.data.repository(proof.tenant_name(), proof.repository()), refs })
    }

    /// The answer to `info/refs` for reading.
    pub fn advertise_fetch(&self, opened: &Opened, version: Version) -> Vec<u8> {
        advertise(Service::UploadPack, version, &opened.refs.snapshot, &self.advertise)
    }

    /// The answer to `info/refs` for pushing, with a fresh nonce. A repository that does not exist yet looks empty.
    ///
    /// # Errors
    /// [`GitError::Store`] or [`GitError::Nonce`].
    pub fn advertise_push(&self, proof: &Granted<Push>, version: Version) -> Result<Vec<u8>, GitError> {
        let refs = self.parts.store.refs(proof.tenant(), proof.repository())?;
        let repository = refs.as_ref().map_or_else(|| RepositoryId(uuid::Uuid::now_v7()), |refs| refs.repository);
        let place = NoncePlace { tenant: proof.tenant(), name: proof.repository() };
        let nonce = self.parts.keys.nonce_key().issue(place, repository, (self.parts.clock)(), keys::random_bytes()?);
        let push = PushOptions { certificate_nonce: Some(nonce.to_string()), ..self.advertise.push.clone() };
        let options = AdvertiseOptions { push, ..self.advertise.clone() };
        let empty = || Arc::new(RefSnapshot::new(b"", RefHead::Hidden, Vec::new()));
        let snapshot = refs.map_or_else(empty, |refs| Arc::clone(&refs.snapshot));
        Ok(advertise(Service::ReceivePack, version, &snapshot, &options))
    }

    /// The answer to a fetch, if it is at hand. Never blocks.
    pub fn cached(&self, opened: &Opened, version: Version, body: &[u8]) -> Option<Bytes> {
        let repo = self.parts.repositories.opened(&opened.folder)?;
        self.parts.fetcher.cached(&self.ask(&repo, opened, version, body))
    }

    /// The answer to a fetch. Blocking.
    ///
    /// # Errors
    /// [`GitError::Repo`] or [`GitError::Fetch`].
    pub fn fetch(&self, opened: &Opened, version: Version, body: &[u8]) -> Result<Answer, GitError> {
        let repo = self.parts.repositories.get(&opened.folder)?;
        Ok(self.parts.fetcher.fetch(&self.ask(&repo, opened, version, body))?)
    }

    fn ask<'a>(&'a self, repo: &'a Arc<Repo>, opened: &'a Opened, version: Version, body: &'a [u8]) -> Ask<'a> {
        Ask {
            repo,
            refs: &opened.refs.snapshot,
            version,
            body,
            options: &self.advertise.upload,
            limits: &self.parts.limits,
        }
    }

    /// Takes a push whose head was read already; the bytes of the answer. Blocking.
    pub fn push(&self, proof: &Granted<Push>, head: Head, pack: impl Read, base: &[String]) -> Vec<u8> {
        let asked = head.capabilities.clone();
        let addresses: Vec<String> = base.iter().map(|base| address(base, proof.repository())).collect();
        self.parts.door.push(proof, head, pack, &addresses).render(&asked)
    }
}

/// The address of a repository below a tenant's address.
pub fn address(base: &str, name: &RepositoryName) -> String {
    format!("{base}/git/{name}")
}
