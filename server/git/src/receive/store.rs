//! Moves a quarantine into its repository, so that no power cut can take it back.

use std::fs::File;
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use gix_hash::ObjectId;
use gix_object::Kind;
use parking_lot::{Mutex, MutexGuard};

use super::pack::{ReceiveError, Sealed, TEMPORARY_PREFIX, TemporaryFile, process_mark};
use super::quarantine::{Quarantine, Reached};
use crate::objects::ObjectError;
use crate::repo::Repo;

/// The beginning of the names of index files that did not get their final name; the pack's checksum follows.
const TEMPORARY_INDEX_PREFIX: &str = "tmp_idx_";

/// What was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The index of the new pack.
    pub index_path: PathBuf,
    /// Bytes of the new pack.
    pub pack_bytes: u64,
}

/// Why objects could not be kept. No ref may name them then; what was written is garbage at most.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The pack could not be completed.
    #[error("could not complete the pack")]
    Seal {
        /// The cause.
        #[source]
        source: ReceiveError,
    },
    /// The disk failed.
    #[error("could not {what} {path}")]
    Io {
        /// What was tried, such as `sync`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The pack was kept but cannot be opened.
    #[error("could not open the new pack")]
    Open {
        /// The cause.
        #[source]
        source: ObjectError,
    },
}

impl KeepError {
    /// True when the disk is full: the one case in which the client is told what the disk said.
    pub fn is_disk_full(&self) -> bool {
        let full =
            |error: &io::Error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        match self {
            Self::Io { source, .. } | Self::Seal { source: ReceiveError::Spool { source } } => full(source),
            _ => false,
        }
    }
}

impl Quarantine {
    /// Moves what `reached` names, and all that was added, into `repo` as one pack. When this returns, pack, index and
    /// their names are synced and `repo` serves them. `None`: there was nothing to keep.
    ///
    /// # Errors
    /// [`KeepError`].
    pub fn keep(self, reached: &Reached, repo: &Repo) -> Result<Option<Kept>, KeepError> {
        let Some(sealed) = self.seal(reached).map_err(|source| KeepError::Seal { source })? else {
            return Ok(None);
        };
        move_in(sealed, repo, None).map(Some)
    }
}

/// Moves a complete pack into `repo`, synced, and has it served. `modified` becomes the files' time.
pub(crate) fn move_in(sealed: Sealed, repo: &Repo, modified: Option<SystemTime>) -> Result<Kept, KeepError> {
    let folder = repo.path().join("objects/pack");
    let name = skill_pool_domain::digest::hex(&sealed.checksum);
    let pack_bytes = sealed.spool.len();
    let (pack_path, index_path) = (folder.join(format!("pack-{name}.pack")), folder.join(format!("pack-{name}.idx")));
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |source| KeepError::Io { what, path, source }
    };
    let pack = sealed.spool.into_file(&folder).map_err(io("write", &pack_path))?;
    let prefix = format!("{TEMPORARY_INDEX_PREFIX}{name}_");
    let index = TemporaryFile::write(&folder, &prefix, &sealed.index).map_err(io("write", &index_path))?;
    if let Some(time) = modified {
        pack.set_modified(time).map_err(io("write", &pack_path))?;
        index.set_modified(time).map_err(io("write", &index_path))?;
    }
    // Both are written before one is synced: file systems then often commit them together.
    pack.sync().map_err(io("sync", &pack_path))?;
    index.sync().map_err(io("sync", &index_path))?;
    // Both files are synced, neither has its name yet. Dying here leaves two temporary files.
    {
        let _held = lock_names(&folder);
        pack.rename_to(&pack_path).map_err(io("rename", &pack_path))?;
        // Readers look for the index: the pack appears with it. Dying here leaves a pack that nobody sees and the
        // temporary index that says whose it was.
        index.rename_to(&index_path).map_err(io("rename", &index_path))?;
    }
    // Before this the names can be lost with the power; after it they cannot.
    sync_folder(&folder).map_err(io("sync", &folder))?;
    repo.add_pack(&index_path).map_err(|source| KeepError::Open { source })?;
    Ok(Kept { index_path, pack_bytes })
}

/// Writes objects that the server made as one pack and gives their ids, in order.
///
/// # Errors
/// [`KeepError`].
pub fn write_objects(repo: &Repo, objects: &[(Kind, &[u8])]) -> Result<Vec<ObjectId>, KeepError> {
    let mut quarantine = Quarantine::empty(&repo.path().join("objects/pack"));
    let mut ids = Vec::with_capacity(objects.len());
    for (kind, content) in objects {
        ids.push(quarantine.add(*kind, content).map_err(|source| KeepError::Seal { source })?);
    }
    quarantine.keep(&Reached::default(), repo)?;
    Ok(ids)
}

/// Removes from `folder` (a repository's `objects/pack`, or a folder for quarantines) what a killed process left there.
/// Files of pushes that are under way in this process stay; no other process may be writing there. Gives the number of
/// files removed.
///
/// # Errors
/// When the folder cannot be listed or a file cannot be removed. A folder that does not exist has no leftovers.
pub fn sweep(folder: &Path) -> io::Result<usize> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let index_of = name.strip_prefix(TEMPORARY_INDEX_PREFIX);
        if (index_of.is_none() && !name.starts_with(TEMPORARY_PREFIX)) || name.contains(process_mark()) {
            continue;
        }
        if let Some(stem) = index_of.and_then(|rest| rest.split('_').next()) {
            // Its pack may have its name already. Held: the same pack may be getting it from a push right now.
            let _held = lock_names(folder);
            let pack = folder.join(format!("pack-{stem}.pack"));
            if pack.exists() && !pack.with_extension("idx").exists() {
                std::fs::remove_file(pack)?;
                removed += 1;
            }
        }
        std::fs::remove_file(folder.join(&name))?;
        removed += 1;
    }
    Ok(removed)
}

/// Makes the names in `folder` survive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Held while a pack gets or loses its name, so that one that was just written again is not taken for an old one.
pub(crate) fn lock_names(folder: &Path) -> MutexGuard<'static, ()> {
    static LOCKS: OnceLock<Vec<Mutex<()>>> = OnceLock::new();
    static STATE: OnceLock<std::hash::RandomState> = OnceLock::new();
    let locks = LOCKS.get_or_init(|| (0..64).map(|_| Mutex::new(())).collect());
    let hash = STATE.get_or_init(std::hash::RandomState::new).hash_one(folder);
    locks[(hash % locks.len() as u64) as usize].lock()
}
