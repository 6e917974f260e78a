//! Keeps the number of packs small, behind everybody's back.
//!
//! In: an opened repository, what must be kept. Out: one pack in place of many, and the names of those that it replaces.
//! Holds: the new pack is synced and served before an old one goes; readers that began with the old ones go on with
//! them; what any root reaches stays; a process that dies leaves a repository that is only less tidy.
//!
//! - `merge`: many small packs into one, copied as they are: cheap, often.
//! - `repack`: all packs into one with new deltas, without old garbage: dear, seldom.
//! - `reach`: what the roots reach. `retire`: the end of old packs.

mod merge;
mod reach;
mod repack;
mod retire;

use std::fs::{DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gix_hash::ObjectId;

use crate::objects::ObjectError;
use crate::receive::{KeepError, ReceiveError};
use crate::repo::{Pack, Repo};

pub use merge::merge;
pub use repack::repack;
pub use retire::Retired;

/// When what is worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaintainOptions {
    /// Packs up to this many bytes are small.
    pub small_pack_bytes_max: u64,
    /// With this many small packs they are merged.
    pub small_packs_min: usize,
    /// The most packs that one merge takes.
    pub merged_packs_max: usize,
    /// With this many packs, small ones not counted, everything is packed anew.
    pub packs_min: usize,
    /// Packs with more bytes in all are copied, not compressed anew: new deltas would take too much time and memory.
    pub compressed_bytes_max: u64,
    /// Objects that nothing reaches are dropped when they are older. At least as long as the longest push: its objects
    /// are in place before a ref names them.
    pub garbage_age_min: Duration,
}

impl Default for MaintainOptions {
    fn default() -> Self {
        Self {
            small_pack_bytes_max: 4 << 20,
            small_packs_min: 50,
            merged_packs_max: 2_000,
            packs_min: 20,
            compressed_bytes_max: 128 << 20,
            garbage_age_min: Duration::from_secs(24 * 3600),
        }
    }
}

/// What a repository is due for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// [`merge`].
    Merge,
    /// [`repack`].
    Repack,
}

/// What was done.
#[derive(Debug)]
pub struct Consolidated {
    /// Objects of the new pack.
    pub objects: usize,
    /// Bytes of the new pack.
    pub pack_bytes: u64,
    /// The packs that it replaces, still on disk.
    pub retired: Retired,
}

/// Why nothing was done. The repository is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MaintainError {
    /// An object that something reaches is not there. Nothing is thrown away from such a repository.
    #[error("object {0} is missing from the repository")]
    Missing(ObjectId),
    /// An object or pack could not be read.
    #[error("the repository could not be read")]
    Store(#[from] ObjectError),
    /// The disk failed.
    #[error("could not {what} {path}")]
    Io {
        /// What was tried, such as `list`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The packing library failed.
    #[error("could not make deltas")]
    Deltas(#[from] git2::Error),
    /// What was packed is not what should have been.
    #[error("the new pack is not sound: {0}")]
    Unsound(String),
    /// The new pack could not be read back.
    #[error("the new pack could not be read back")]
    ReadBack(#[from] ReceiveError),
    /// The new pack could not be moved in.
    #[error("the new pack could not be kept")]
    Keep(#[from] KeepError),
}

/// Says what the repository in `folder` is due for. Lists its packs, and looks at their sizes when they are many.
///
/// # Errors
/// [`MaintainError::Io`]. A folder that does not exist is due for nothing.
pub fn due(folder: &Path, options: &MaintainOptions) -> Result<Due, MaintainError> {
    let folder = folder.join("objects/pack");
    let io = |source| MaintainError::Io { what: "list", path: folder.clone(), source };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Due::Nothing),
        Err(error) => return Err(io(error)),
    };
    let mut packs = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io)?;
        if entry.path().extension().is_some_and(|ending| ending == "pack") {
            packs.push(entry);
        }
    }
    if packs.len() < options.small_packs_min.min(options.packs_min) {
        return Ok(Due::Nothing);
    }
    // One that goes meanwhile is counted with the small ones: it was merged.
    let large = |entry: &DirEntry| entry.metadata().is_ok_and(|meta| meta.len() > options.small_pack_bytes_max);
    let large = packs.iter().filter(|entry| large(entry)).count();
    Ok(if packs.len() - large >= options.small_packs_min {
        Due::Merge
    } else if large >= options.packs_min {
        Due::Repack
    } else {
        Due::Nothing
    })
}

/// A pack of the repository as it is on disk at this moment.
#[derive(Clone)]
struct Source {
    pack: Arc<Pack>,
    /// Device and inode: the same name can become another file.
    identity: (u64, u64),
    modified: SystemTime,
    bytes: u64,
}

/// The packs that may be replaced, oldest first: those in the repository's own folder without a `.keep` beside them.
fn sources(repo: &Repo) -> Result<Vec<Source>, MaintainError> {
    let folder = repo.path().join("objects/pack");
    let mut out = Vec::new();
    for pack in &repo.snapshot().packs {
        if pack.path().parent() != Some(folder.as_path()) || pack.path().with_extension("keep").exists() {
            continue;
        }
        let io = |source| MaintainError::Io { what: "look at", path: pack.path().to_owned(), source };
        let meta = match std::fs::metadata(pack.path()) {
            Ok(meta) => meta,
            // Retired by somebody else.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io(error)),
        };
        let (identity, modified) = (identity(&meta), meta.modified().map_err(io)?);
        out.push(Source { pack: Arc::clone(pack), identity, modified, bytes: meta.len() });
    }
    out.sort_by(|a, b| a.modified.cmp(&b.modified).then_with(|| a.pack.path().cmp(b.pack.path())));
    Ok(out)
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

fn spool_error(folder: &Path) -> impl Fn(io::Error) -> MaintainError + '_ {
    move |source| MaintainError::Io { what: "write a pack in", path: folder.to_owned(), source }
}
