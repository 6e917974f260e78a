//! The end of packs that were replaced.

use std::io;
use std::path::PathBuf;

use super::{Source, identity};
use crate::receive::{lock_names, sync_folder};
use crate::repo::Repo;

/// Files beside a pack, in the order in which they go: without its index nobody looks for a pack.
const ENDINGS: [&str; 5] = ["idx", "rev", "bitmap", "mtimes", "pack"];

/// Packs that were replaced. They are not served any more, and still lie on disk for readers that come from outside.
///
/// Dropped without [`Retired::unlink`], they are found again when the repository is opened anew, and replaced again.
#[derive(Debug, Default)]
#[must_use = "old packs stay on disk until they are unlinked"]
pub struct Retired(Vec<(PathBuf, (u64, u64))>);

impl Retired {
    /// `sources` but for the one that is the new pack itself.
    pub(super) fn of(sources: &[Source], new_pack: &std::path::Path) -> Self {
        let others = sources.iter().filter(|source| source.pack.path() != new_pack);
        Self(others.map(|source| (source.pack.path().to_owned(), source.identity)).collect())
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Unlinks them. A pack that was written again meanwhile under the same name stays. Gives how many went.
    ///
    /// Readers of this process that hold them go on: their files are open. A while should pass first for the sake of
    /// others, such as a stock git that reads the folder.
    ///
    /// # Errors
    /// When a file cannot be removed or the folder not be synced; the rest of them stays then.
    pub fn unlink(self, repo: &Repo) -> io::Result<usize> {
        let folder = repo.path().join("objects/pack");
        let mut gone = 0;
        for (path, known) in self.0 {
            let _held = lock_names(&folder);
            match std::fs::metadata(&path) {
                Ok(meta) if identity(&meta) == known => {}
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            for ending in ENDINGS {
                match std::fs::remove_file(path.with_extension(ending)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            gone += 1;
        }
        if gone > 0 {
            sync_folder(&folder)?;
            // A reader that missed something may have listed them again meanwhile. If this fails, the next miss does it.
            let _ = repo.refresh();
        }
        Ok(gone)
    }
}
