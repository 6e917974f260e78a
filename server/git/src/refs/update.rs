//! Moving refs of a plain bare repository, as git does: lock, compare, write beside, rename.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gix_hash::ObjectId;
use skill_pool_domain::names::RefName;

use super::folder::packed_refs;

/// One ref that shall move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefChange {
    /// The ref.
    pub name: RefName,
    /// The value that it must have; `None`: it must not exist.
    pub old: Option<ObjectId>,
    /// The value that it gets; `None`: it is deleted.
    pub new: Option<ObjectId>,
}

/// Why a ref did not move.
#[derive(Debug, thiserror::Error)]
pub enum RefChangeError {
    /// It has another value than was expected.
    #[error("{name} has another value")]
    Stale {
        /// The ref.
        name: RefName,
        /// The value that it has.
        value: Option<ObjectId>,
    },
    /// A ref of this name cannot exist beside another (`a` and `a/b`).
    #[error("{name} cannot exist beside {other}")]
    NameTaken {
        /// The ref.
        name: RefName,
        /// The one that is in its way.
        other: String,
    },
    /// Someone else is moving it, or died while doing so.
    #[error("{path} exists: another process is writing this ref")]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// The disk failed.
    #[error("could not write {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Moves one ref of the repository in `folder`. When it returns, the change is on disk.
///
/// # Errors
/// [`RefChangeError`]; nothing has moved then.
pub fn change_ref(folder: &Path, change: &RefChange) -> Result<(), RefChangeError> {
    Prepared::new(folder, change)?.commit()
}

/// Moves several refs, none unless each can be moved. A crash in between leaves some moved and some not: files can do no
/// better.
///
/// # Errors
/// [`RefChangeError`] of the first that cannot be moved.
pub fn change_refs(folder: &Path, changes: &[RefChange]) -> Result<(), RefChangeError> {
    let prepared: Result<Vec<_>, _> = changes.iter().map(|change| Prepared::new(folder, change)).collect();
    prepared?.into_iter().try_for_each(Prepared::commit)
}

/// A ref that is locked and has the value it must have.
struct Prepared<'a> {
    folder: &'a Path,
    change: &'a RefChange,
    path: PathBuf,
    lock: Lock,
}

impl<'a> Prepared<'a> {
    fn new(folder: &'a Path, change: &'a RefChange) -> Result<Self, RefChangeError> {
        let path = folder.join(change.name.as_str());
        let packed = read_packed(folder)?;
        check_name(folder, &change.name, &packed, change.new.is_some())?;
        make_folders(&path)?;
        let lock = Lock::take(&path)?;
        let in_packed = || packed.iter().find(|(name, _)| *name == change.name).map(|(_, id)| *id);
        let present = read_loose(&path).or_else(in_packed);
        if present != change.old {
            return Err(RefChangeError::Stale { name: change.name.clone(), value: present });
        }
        Ok(Self { folder, change, path, lock })
    }

    fn commit(self) -> Result<(), RefChangeError> {
        let Self { folder, change, path, lock } = self;
        if let Some(id) = change.new {
            return lock.commit(format!("{id}\n").as_bytes());
        }
        // The packed value first: were the file gone before, the old value would show through it.
        if read_packed(folder)?.iter().any(|(name, _)| *name == change.name) {
            remove_packed(folder, &change.name)?;
        }
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(RefChangeError::Io { path, source }),
        }
        sync_parent(&path)?;
        drop(lock);
        remove_empty_folders(folder, &path);
        Ok(())
    }
}

/// Lets HEAD stand for `target`.
///
/// # Errors
/// [`RefChangeError`].
pub fn set_head(folder: &Path, target: &RefName) -> Result<(), RefChangeError> {
    Lock::take(&folder.join("HEAD"))?.commit(format!("ref: {target}\n").as_bytes())
}

/// A file beside the one that shall be written, which keeps others off. Removed unless committed.
struct Lock {
    path: PathBuf,
    lock: PathBuf,
    held: bool,
}

impl Lock {
    fn take(path: &Path) -> Result<Self, RefChangeError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).open(&lock) {
            Ok(_) => Ok(Self { path: path.to_owned(), lock, held: true }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(RefChangeError::Locked { path: lock }),
            Err(source) => Err(RefChangeError::Io { path: lock, source }),
        }
    }

    fn commit(mut self, content: &[u8]) -> Result<(), RefChangeError> {
        let write = || {
            let mut file = OpenOptions::new().write(true).open(&self.lock)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&self.lock, &self.path)
        };
        write().map_err(|source| RefChangeError::Io { path: self.path.clone(), source })?;
        self.held = false;
        sync_parent(&self.path)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.held {
            let _ = fs::remove_file(&self.lock);
        }
    }
}

fn read_packed(folder: &Path) -> Result<Vec<(RefName, ObjectId)>, RefChangeError> {
    let path = folder.join("packed-refs");
    match fs::read(&path) {
        Ok(text) => Ok(packed_refs(&text).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(RefChangeError::Io { path, source }),
    }
}

fn read_loose(path: &Path) -> Option<ObjectId> {
    let content = fs::read(path).ok()?;
    ObjectId::from_hex(content.get(..40)?).ok()
}

/// A new ref must not be a folder of another ref, nor lie below one.
fn check_name(
    folder: &Path,
    name: &RefName,
    packed: &[(RefName, ObjectId)],
    is_written: bool,
) -> Result<(), RefChangeError> {
    if !is_written {
        return Ok(());
    }
    let taken = |other: &str| Err(RefChangeError::NameTaken { name: name.clone(), other: other.to_owned() });
    let below = format!("{name}/");
    for (other, _) in packed {
        if other.as_str().starts_with(&below) || name.as_str().starts_with(&format!("{other}/")) {
            return taken(other.as_str());
        }
    }
    let mut up = Path::new(name.as_str()).parent();
    while let Some(part) = up.filter(|part| part.components().count() > 1) {
        if folder.join(part).is_file() {
            return taken(&part.display().to_string());
        }
        up = part.parent();
    }
    // An empty folder is in nobody's way; one that holds refs cannot be removed.
    let path = folder.join(name.as_str());
    if path.is_dir() && remove_empty_tree(&path).is_err() {
        return taken(&below);
    }
    Ok(())
}

fn remove_empty_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        remove_empty_tree(&entry?.path())?;
    }
    fs::remove_dir(path)
}

fn make_folders(path: &Path) -> Result<(), RefChangeError> {
    let Some(up) = path.parent() else { return Ok(()) };
    fs::create_dir_all(up).map_err(|source| RefChangeError::Io { path: up.to_owned(), source })
}

fn remove_packed(folder: &Path, gone: &RefName) -> Result<(), RefChangeError> {
    let path = folder.join("packed-refs");
    let lock = Lock::take(&path)?;
    let text = fs::read(&path).map_err(|source| RefChangeError::Io { path: path.clone(), source })?;
    let mut out = Vec::with_capacity(text.len());
    let mut skip = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        // A line that begins with `^` belongs to the one before it.
        skip = match line.first() {
            Some(b'^') => skip,
            _ => line.get(41..).is_some_and(|name| name.trim_ascii_end() == gone.as_str().as_bytes()),
        };
        if !skip {
            out.extend_from_slice(line);
        }
    }
    lock.commit(&out)
}

fn sync_parent(path: &Path) -> Result<(), RefChangeError> {
    let Some(up) = path.parent() else { return Ok(()) };
    File::open(up)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| RefChangeError::Io { path: up.to_owned(), source })
}

/// Folders that a deleted ref leaves empty, but for the first two levels.
fn remove_empty_folders(folder: &Path, path: &Path) {
    let mut up = path.parent();
    while let Some(part) = up {
        let depth = part.strip_prefix(folder).map(|rest| rest.components().count()).unwrap_or(0);
        if depth <= 2 || fs::remove_dir(part).is_err() {
            return;
        }
        up = part.parent();
    }
}
