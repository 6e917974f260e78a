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
use crate::keys::{self, Keys, KeysError, SigningKey};
use crate::store::{DataFolder, RepositoryRefs, Store, StoreError};

/// What serving works with. One for the process.
pub struct Git {
    store: Arc<Store>,
    repositories: Arc<RepoCache>,
    keys: Arc<Keys>,
    data: DataFolder,
    door: Arc<Door>,
    fetcher: Fetcher,
    advertise: AdvertiseOptions,
    limits: UploadLimits,
    clock: fn() -> Timestamp,
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
    pub fn new(
        store: Arc<Store>,
        repositories: Arc<RepoCache>,
        keys: Arc<Keys>,
        data: DataFolder,
        door: Arc<Door>,
        fetcher: Fetcher,
        limits: UploadLimits,
        clock: fn() -> Timestamp,
    ) -> Self {
        let advertise = AdvertiseOptions::default();
        Self { store, repositories, keys, data, door, fetcher, advertise, limits, clock }
    }

    /// Bounds of a fetch.
    pub fn upload_limits(&self) -> &UploadLimits {
        &self.limits
    }

    /// The door that pushes go through.
    pub fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// The registry's own key, which signs release tags.
    pub fn signing_key(&self) -> &SigningKey {
        self.keys.signing()
    }

    /// Looks a repository up. Answers from memory when it was asked for lately.
    ///
    /// # Errors
    /// [`GitError::Absent`] or [`GitError::Store`].
    pub fn open(&self, proof: &Granted<ReadRepository>) -> Result<Opened, GitError> {
        let refs = self.store.refs(proof.tenant(), proof.repository())?.ok_or(GitError::Absent)?;
        Ok(Opened { folder: self.data.repository(proof.tenant_name(), proof.repository()), refs })
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
        let refs = self.store.refs(proof.tenant(), proof.repository())?;
        let repository = refs.as_ref().map_or_else(|| RepositoryId(uuid::Uuid::now_v7()), |refs| refs.repository);
        let place = NoncePlace { tenant: proof.tenant(), name: proof.repository() };
        let nonce = self.keys.nonce_key().issue(place, repository, (self.clock)(), keys::random_bytes()?);
        let push = PushOptions { certificate_nonce: Some(nonce.to_string()), ..self.advertise.push.clone() };
        let options = AdvertiseOptions { push, ..self.advertise.clone() };
        let empty = || Arc::new(RefSnapshot::new(b"", RefHead::Hidden, Vec::new()));
        let snapshot = refs.map_or_else(empty, |refs| Arc::clone(&refs.snapshot));
        Ok(advertise(Service::ReceivePack, version, &snapshot, &options))
    }

    /// The answer to a fetch, if it is at hand. Never blocks.
    pub fn cached(&self, opened: &Opened, version: Version, body: &[u8]) -> Option<Bytes> {
        let repo = self.repositories.opened(&opened.folder)?;
        self.fetcher.cached(&self.ask(&repo, opened, version, body))
    }

    /// The answer to a fetch. Blocking.
    ///
    /// # Errors
    /// [`GitError::Repo`] or [`GitError::Fetch`].
    pub fn fetch(&self, opened: &Opened, version: Version, body: &[u8]) -> Result<Answer, GitError> {
        let repo = self.repositories.get(&opened.folder)?;
        Ok(self.fetcher.fetch(&self.ask(&repo, opened, version, body))?)
    }

    fn ask<'a>(&'a self, repo: &'a Arc<Repo>, opened: &'a Opened, version: Version, body: &'a [u8]) -> Ask<'a> {
        Ask { repo, refs: &opened.refs.snapshot, version, body, options: &self.advertise.upload, limits: &self.limits }
    }

    /// Takes a push whose head was read already; the bytes of the answer. Blocking.
    pub fn push(&self, proof: &Granted<Push>, head: Head, pack: impl Read, base: &[String]) -> Vec<u8> {
        let asked = head.capabilities.clone();
        let addresses: Vec<String> = base.iter().map(|base| address(base, proof.repository())).collect();
        self.door.push(proof, head, pack, &addresses).render(&asked)
    }
}

/// The address of a repository below a tenant's address.
pub fn address(base: &str, name: &RepositoryName) -> String {
    format!("{base}/git/{name}")
}
