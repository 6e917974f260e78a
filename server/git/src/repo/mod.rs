//! Bare repositories on disk: objects in packs and loose, made, opened, read.
//!
//! In: a folder. Out: objects by id, inflated or as they lie in their packs. Holds: a reader keeps the snapshot of packs
//! it began with, whatever is added or unlinked meanwhile; nothing here reads refs, configuration or hooks; whatever
//! lies on disk, the answer is an object or an error, never a panic or more memory than allowed.
//!
//! - `snapshot`, `pack`, `loose`, `bytes`: where objects lie. [`Pack::open`] is the one place that opens a pack.
//! - `read`, `delta`, `inflate`: how they are decoded.
//! - `init`: a new repository. `cache`: many repositories open at once.

mod bytes;
mod cache;
pub mod delta;
pub mod inflate;
mod init;
mod loose;
mod pack;
mod read;
mod snapshot;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use parking_lot::Mutex;

pub use cache::RepoCache;
pub use pack::{Pack, RawEntry, RawKind};
pub use read::BaseCache;
pub use snapshot::Snapshot;

use crate::objects::{ObjectError, Objects};

/// The id of the tree without entries.
const EMPTY_TREE: ObjectId = ObjectId::Sha1([
    0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e, 0xb9, 0xa0, 0x60, 0xe5, 0x4b, 0xf8, 0xd6, 0x92, 0x88, 0xfb, 0xee, 0x49,
    0x04,
]);

/// How repositories are opened. Cheap to clone; clones share the cache.
#[derive(Clone)]
pub struct RepoOptions {
    /// Inflated bytes of the largest object that is read.
    pub object_bytes_max: u64,
    /// Bases of deltas, shared by all repositories opened with these options.
    pub bases: Arc<BaseCache>,
    /// Follow `objects/info/alternates`. Off in the registry: whoever can put a file into a folder could make it lend
    /// the objects of any other.
    pub alternates: bool,
}

impl Default for RepoOptions {
    /// Objects of up to 64 MiB, 16 MiB of bases, no alternates.
    fn default() -> Self {
        Self { object_bytes_max: 64 << 20, bases: Arc::new(BaseCache::new(16 << 20)), alternates: false }
    }
}

/// An opened repository. Its folders may gain and lose packs at any time; see [`Repo::refresh`].
pub struct Repo {
    folder: PathBuf,
    /// The `objects` folder, then its alternates.
    folders: Vec<PathBuf>,
    /// Device and inode of the `objects` folder.
    identity: (u64, u64),
    options: RepoOptions,
    snapshot: ArcSwap<Snapshot>,
    /// Held while the snapshot is replaced.
    scanning: Mutex<()>,
}

/// Why a repository could not be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// There is no repository.
    #[error("{path} is not a bare repository")]
    NotARepository {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The disk failed.
    #[error("could not {what} {path}")]
    Io {
        /// What was tried, such as `create`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Repo {
    /// Opens the bare repository in `folder`.
    ///
    /// # Errors
    /// [`RepoError::NotARepository`] when there is no `objects` folder in it.
    pub fn open(folder: &Path, options: &RepoOptions) -> Result<Self, RepoError> {
        let objects = folder.join("objects");
        let identity = identity(&objects).ok_or_else(|| RepoError::NotARepository { path: folder.to_owned() })?;
        let mut folders = vec![objects];
        if options.alternates {
            add_alternates(&mut folders);
        }
        let snapshot = Snapshot::scan(&folders, None).map_err(|error| match error {
            ObjectError::Io { path, source } => RepoError::Io { what: "list", path, source },
            _ => RepoError::NotARepository { path: folder.to_owned() },
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            folders,
            identity,
            options: options.clone(),
            snapshot: ArcSwap::from_pointee(snapshot),
            scanning: Mutex::new(()),
        })
    }

    /// The folder that was opened.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The present snapshot of its packs.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Reads the folders again. Needed only after packs went away or came by another way than [`Repo::add_pack`]; a
    /// reader that misses an object does it by itself when a folder has changed.
    ///
    /// # Errors
    /// [`ObjectError::Io`] when the `objects` folder cannot be listed; the snapshot then stays as it was.
    pub fn refresh(&self) -> Result<(), ObjectError> {
        let _held = self.scanning.lock();
        let snapshot = Snapshot::scan(&self.folders, Some(&self.snapshot.load()))?;
        self.snapshot.store(Arc::new(snapshot));
        Ok(())
    }

    /// Takes in a pack that was just moved into `objects/pack`, so that readers find it without listing the folder.
    /// `index_path` names its index.
    ///
    /// # Errors
    /// [`ObjectError`] when it cannot be opened.
    pub fn add_pack(&self, index_path: &Path) -> Result<(), ObjectError> {
        let pack = Arc::new(Pack::open(index_path)?);
        let _held = self.scanning.lock();
        self.snapshot.store(Arc::new(self.snapshot.load().with(pack)));
        Ok(())
    }

    /// Stops serving these packs: what counts of them is in other packs. The files stay, somebody unlinks them later.
    /// Readers that began before go on with what they have.
    pub fn drop_packs(&self, packs: &[Arc<Pack>]) {
        let _held = self.scanning.lock();
        self.snapshot.store(Arc::new(self.snapshot.load().without(packs)));
    }

    /// True when the folder is still the one that was opened, not another one under its name.
    pub fn is_in_place(&self) -> bool {
        identity(&self.folders[0]) == Some(self.identity)
    }

    /// Refreshes if a folder has changed; true when the snapshot is a newer one than `seen`.
    pub(crate) fn refresh_if_stale(&self, seen: &Arc<Snapshot>) -> Result<bool, ObjectError> {
        if Arc::ptr_eq(seen, &self.snapshot.load()) && seen.is_stale() {
            self.refresh()?;
        }
        Ok(!Arc::ptr_eq(seen, &self.snapshot.load()))
    }

    /// Asks the present snapshot, and once more after a miss or a vanished file if the folders have changed.
    fn ask<T>(
        &self,
        mut question: impl FnMut(&Snapshot) -> Result<Option<T>, ObjectError>,
    ) -> Result<Option<T>, ObjectError> {
        // A second change in between is another push or consolidation; each leaves every object findable, so a few
        // rounds are enough unless the folder is being emptied.
        for _ in 0..4 {
            let snapshot = self.snapshot();
            let answer = question(&snapshot);
            let missed = match &answer {
                Ok(found) => found.is_none(),
                Err(ObjectError::Io { source, .. }) => source.kind() == io::ErrorKind::NotFound,
                Err(_) => false,
            };
            if !missed || !self.refresh_if_stale(&snapshot)? {
                return answer;
            }
        }
        question(&self.snapshot())
    }
}

/// The tree without entries is there whether it was stored or not, as in git.
fn without_storage(id: &oid) -> Option<Kind> {
    (*id == *EMPTY_TREE).then_some(Kind::Tree)
}

impl Objects for Repo {
    fn read(&self, id: &oid, out: &mut Vec<u8>) -> Result<Option<Kind>, ObjectError> {
        let found = self.ask(|snapshot| snapshot.read(id, &self.options, out))?;
        Ok(found.or_else(|| without_storage(id)))
    }

    fn header(&self, id: &oid) -> Result<Option<(Kind, u64)>, ObjectError> {
        let found = self.ask(|snapshot| snapshot.header(id, &self.options))?;
        Ok(found.or_else(|| Some((without_storage(id)?, 0))))
    }

    fn contains(&self, id: &oid) -> Result<bool, ObjectError> {
        let found = self.ask(|snapshot| {
            let there = snapshot.packed(id).is_some() || snapshot.loose(id).any(|path| path.is_file());
            Ok(there.then_some(()))
        })?;
        Ok(found.is_some() || without_storage(id).is_some())
    }
}

fn identity(folder: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::metadata(folder).ok().filter(std::fs::Metadata::is_dir)?;
    Some((meta.dev(), meta.ino()))
}

/// Follows `info/alternates` from folder to folder, at most 5 deep and 32 in all as git does.
fn add_alternates(folders: &mut Vec<PathBuf>) {
    let mut depth = vec![0; folders.len()];
    let mut at = 0;
    while at < folders.len() && folders.len() < 32 {
        let text = std::fs::read_to_string(folders[at].join("info/alternates")).unwrap_or_default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let path = folders[at].join(line);
            if depth[at] < 5 && !folders.contains(&path) {
                folders.push(path);
                depth.push(depth[at] + 1);
            }
        }
        at += 1;
    }
}
