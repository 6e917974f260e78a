//! Making a new bare repository, so that it survives a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::{Repo, RepoError};

/// What a repository's configuration says: what git needs to take the folder for a bare repository, and no more.
const CONFIG: &[u8] = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";
const HEAD: &[u8] = b"ref: refs/heads/main\n";

impl Repo {
    /// Makes an empty bare repository in `folder`, whose HEAD names `refs/heads/main`. Folders above it are made as
    /// well. Everything is synced, the entry in the folder above included. Where a crash left a part of one, the rest
    /// is made; a repository that is whole stays as it is.
    ///
    /// # Errors
    /// [`RepoError::Io`].
    pub fn init(folder: &Path) -> Result<(), RepoError> {
        make_folder(folder)?;
        for inside in ["objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags"] {
            make_folder(&folder.join(inside))?;
        }
        make_file(&folder.join("config"), CONFIG)?;
        // HEAD last: without it git does not take the folder for a repository.
        make_file(&folder.join("HEAD"), HEAD)?;
        for inside in ["objects", "refs", ""] {
            sync_folder(&folder.join(inside))?;
        }
        Ok(())
    }
}

/// Makes `folder` and the folders above it, syncing each folder that gains an entry.
fn make_folder(folder: &Path) -> Result<(), RepoError> {
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder.parent().is_some_and(|up| !up.exists()) => {
            if let Some(up) = folder.parent() {
                make_folder(up)?;
            }
            return make_folder(folder);
        }
        Err(source) => return Err(RepoError::Io { what: "create", path: folder.to_owned(), source }),
    }
    match folder.parent() {
        Some(up) if !up.as_os_str().is_empty() => sync_folder(up),
        _ => Ok(()),
    }
}

/// Writes `content` under another name, syncs it and renames it, unless there is such a file.
fn make_file(path: &Path, content: &[u8]) -> Result<(), RepoError> {
    if path.exists() {
        return Ok(());
    }
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| RepoError::Io { what: "write", path: path.to_owned(), source })
}

/// Makes the entries of `folder` durable.
fn sync_folder(folder: &Path) -> Result<(), RepoError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|source| RepoError::Io {
        what: "sync",
        path: folder.to_owned(),
        source,
    })
}
