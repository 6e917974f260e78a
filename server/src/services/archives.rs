//! Archives of releases: made when first asked for, kept below `derived/`, the same bytes whenever they are made.
//!
//! In: a proof that somebody may read the plugin's repository, and a version. Out: a file to stream, with its digest. Must
//! hold: the digest that was once told stays true, so it is kept with the release and every later making is compared with
//! it; disk and memory are bounded; one makes an archive, the others wait for it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use moka::notification::RemovalCause;
use moka::sync::Cache;
use parking_lot::Mutex;
use skill_pool_domain::access::{Granted, ReadRepository};
use skill_pool_domain::archive;
use skill_pool_domain::digest::{Sha256, Sha256Hasher};
use skill_pool_domain::names::{PluginName, RepositoryName, TenantId, Version};
use skill_pool_git::history::{Contents, HistoryError, TreeBounds, read_tree, root_tree_id};
use skill_pool_git::repo::{RepoCache, RepoError};
use tokio::sync::Semaphore;

use crate::store::{DataFolder, Release, Store, StoreError};

/// Bytes that the folder of archives may take.
const FOLDER_BYTES_MAX: u64 = 1 << 30;
/// Archives that are made at once: each holds all files of a release in memory.
const MAKING_AT_ONCE: usize = 2;
/// What a release may weigh; the gate lets none through that is larger.
const BOUNDS: TreeBounds =
    TreeBounds { files_max: 65_535, depth_max: 64, file_bytes_max: 64 << 20, bytes_max: archive::ARCHIVE_BYTES_MAX };

type Key = (TenantId, PluginName, Version);

/// All archives. One for the process.
pub struct Archives {
    store: Store,
    repositories: Arc<RepoCache>,
    data: DataFolder,
    folder: PathBuf,
    /// What lies in the folder; what is evicted is removed from it.
    present: Cache<Key, Archive>,
    turns: Semaphore,
    making: Mutex<std::collections::HashMap<Key, Arc<tokio::sync::Mutex<()>>>>,
}

/// An archive on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Where.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its digest.
    pub digest: Sha256,
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no such release.
    #[error("there is no such release")]
    Absent,
    /// The bytes are not those whose digest was told before.
    #[error("the archive of {plugin} {version} would have the digest {made}, but {told} was told before")]
    Differs {
        /// The plugin.
        plugin: PluginName,
        /// The version.
        version: Version,
        /// What would be served.
        made: Sha256,
        /// What was said.
        told: Sha256,
    },
    /// The database failed.
    #[error("could not look the release up")]
    Store(#[from] StoreError),
    /// The repository could not be opened.
    #[error("could not open the repository")]
    Repo(#[from] RepoError),
    /// The release could not be read.
    #[error("could not read the release")]
    History(#[from] HistoryError),
    /// The release has something that no archive holds.
    #[error("could not write the release as an archive")]
    Form(#[from] archive::ArchiveError),
    /// The disk failed.
    #[error("could not write {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The server stops.
    #[error("the server is stopping")]
    Stopping,
}

impl Archives {
    /// Begins with an empty folder: what an earlier process left there is removed, for nobody knows any more how much it is.
    pub fn new(store: Store, repositories: Arc<RepoCache>, data: DataFolder) -> Self {
        let folder = data.derived().join("archives");
        if let Err(error) = fs::remove_dir_all(&folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(error = %error, "old archives could not be removed; they are made anew beside them");
        }
        let present = Cache::builder()
            .max_capacity(FOLDER_BYTES_MAX / 1024)
            .weigher(|_: &Key, archive: &Archive| u32::try_from(archive.bytes / 1024 + 1).unwrap_or(u32::MAX))
            .eviction_listener(|_, archive: Archive, cause| {
                if cause != RemovalCause::Replaced {
                    // Whoever streams it has it open; its bytes go when the last reader is done.
                    let _ = fs::remove_file(&archive.path);
                }
            })
            .build();
        let making = Mutex::default();
        Self { store, repositories, data, folder, present, turns: Semaphore::new(MAKING_AT_ONCE), making }
    }

    /// The archive of a release, opened for reading.
    ///
    /// # Errors
    /// [`ArchiveError::Absent`] when there is no such release; others when something is broken.
    pub async fn open(
        self: &Arc<Self>,
        proof: &Granted<ReadRepository>,
        version: &Version,
    ) -> Result<(Archive, File), ArchiveError> {
        let RepositoryName::Plugin(plugin) = proof.repository() else { return Err(ArchiveError::Absent) };
        let key = (proof.tenant(), plugin.clone(), version.clone());
        if let Some(found) = self.opened(&key) {
            return Ok(found);
        }
        let gate = self.making.lock().entry(key.clone()).or_default().clone();
        let held = gate.lock().await;
        let result = self.make(&key, proof).await;
        drop(held);
        // The last one out closes: an entry that others wait at stays.
        let mut making = self.making.lock();
        if Arc::strong_count(&gate) == 2 {
            making.remove(&key);
        }
        result
    }

    fn opened(&self, key: &Key) -> Option<(Archive, File)> {
        let archive = self.present.get(key)?;
        // It may have been evicted this moment, or removed by hand.
        let file = File::open(&archive.path).ok()?;
        let is_whole = file.metadata().is_ok_and(|meta| meta.len() == archive.bytes);
        is_whole.then_some((archive, file))
    }

    async fn make(
        self: &Arc<Self>,
        key: &Key,
        proof: &Granted<ReadRepository>,
    ) -> Result<(Archive, File), ArchiveError> {
        if let Some(found) = self.opened(key) {
            return Ok(found);
        }
        let _turn = self.turns.acquire().await.map_err(|_| ArchiveError::Stopping)?;
        let (this, key) = (self.clone(), key.clone());
        let repository = self.data.repository(proof.tenant_name(), proof.repository());
        let work = move || {
            let release = this.store.release(key.0, &key.1, &key.2)?.ok_or(ArchiveError::Absent)?;
            let archive = this.write(&key, &release, &repository)?;
            let file =
                File::open(&archive.path).map_err(|source| ArchiveError::Io { path: archive.path.clone(), source })?;
            this.present.insert(key, archive.clone());
            Ok((archive, file))
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(ArchiveError::Stopping))
    }

    fn write(&self, key: &Key, release: &Release, repository: &Path) -> Result<Archive, ArchiveError> {
        let repo = self.repositories.get(repository)?;
        let root = root_tree_id(&*repo, &release.commit)?;
        let tree = read_tree(&*repo, &root, &BOUNDS, Contents::All)?;
        let folder = self.folder.join(key.0.to_string()).join(key.1.as_str());
        let path = folder.join(format!("{}.zip", key.2));
        let temporary = path.with_extension("new");
        let failed = |source| ArchiveError::Io { path: path.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let mut out = BufWriter::new(File::create(&temporary).map_err(failed)?);
        let mut hasher = Sha256Hasher::new();
        let mut bytes = 0;
        let written = archive::write(&tree, |piece| {
            hasher.update(piece);
            bytes += piece.len() as u64;
            out.write_all(piece)
        })?;
        // Not synced: it is derived, and looked at again when it is opened.
        written.and_then(|()| out.flush()).map_err(failed)?;
        drop(out);
        let digest = hasher.finish();
        match release.archive {
            Some((told, _)) if told != digest => {
                let (plugin, version) = (key.1.clone(), key.2.clone());
                return Err(ArchiveError::Differs { plugin, version, made: digest, told });
            }
            Some(_) => {}
            None => self.store.set_archive(key.0, &key.1, &key.2, digest, bytes)?,
        }
        fs::rename(&temporary, &path).map_err(failed)?;
        Ok(Archive { path, bytes, digest })
    }
}
