//! One process owns a data folder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The file whose lock says who owns the folder.
const LOCK_FILE: &str = "skill-pool.lock";

/// The right to write a data folder; given back when it is dropped, also by a kill.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
    folder: PathBuf,
}

/// Why a data folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the data folder {folder} belongs to {owner}", folder = folder.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// What the lock file says of its owner, such as `process 4711 (serve)`.
        owner: String,
    },
    /// The disk failed.
    #[error("could not {action} {path}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

impl FolderLock {
    /// Makes the folder if need be and takes it. `purpose` is what others are told, such as `serve`.
    ///
    /// # Errors
    /// [`LockError::Taken`] names the process that has it.
    pub fn take(folder: &Path, purpose: &str) -> Result<Self, LockError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| LockError::Io { action, path, source }
        };
        make_folder(folder).map_err(io("make", folder))?;
        let path = folder.join(LOCK_FILE);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(io("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut owner = String::new();
                // What cannot be read is not named; the lock alone decides.
                let _ = (&mut file).take(200).read_to_string(&mut owner);
                let owner =
                    owner.lines().next().map(str::trim).filter(|line| !line.is_empty()).unwrap_or("another process");
                return Err(LockError::Taken { folder: folder.to_owned(), owner: owner.to_owned() });
            }
            Err(error) => return Err(io("lock", &path)(error.into())),
        }
        // A note for people. On a full disk it may be missing or that of an earlier owner.
        let note = format!("{:<60}\n", format!("process {} ({purpose})", std::process::id()));
        let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(note.as_bytes()));
        Ok(Self { _file: file, folder: folder.to_owned() })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Makes the folder for its owner alone; one that exists is left as it is.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // The folder's own name has to outlive a power cut as much as what is acknowledged in it.
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("a/data");
        let first = FolderLock::take(&data, "serve").expect("free");
        let error = FolderLock::take(&data, "verb").expect_err("taken").to_string();
        let owner = format!("the data folder {} belongs to process {} (serve)", data.display(), std::process::id());
        assert_eq!(error, owner);
        drop(first);
        assert_eq!(FolderLock::take(&data, "verb").expect("free again").folder(), data);
    }
}
