//! Backup and restore of a whole data folder.
//!
//! In: an open store and its data folder, which may be served meanwhile. Out: a folder that is itself a data folder, whole
//! and synced, as of one moment. Must hold: the copy of the database is made first; every object that it names was synced
//! before its transaction, so it is there when the repositories are copied afterwards; refs on disk are written from the
//! copy. A restore opens a new epoch in every journal, since clients may have seen what came after the backup.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use skill_pool_domain::names::{RepositoryName, TenantName};
use skill_pool_domain::timestamp::Timestamp;
use skill_pool_git::repo::{RepoCache, RepoOptions};

use crate::followers::{DiskRefs, FollowerError, LogGit, catch_up};
use crate::store::{DataFolder, PAGE_ROWS_MAX, Store, StoreError, StoreOptions, TenantRecord, sync_folder};

/// Packs may be replaced by larger ones while they are copied; the copy then begins anew, so many times at most.
const ROUNDS_MAX: usize = 10;

/// What was copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Copied {
    /// Tenants.
    pub tenants: u64,
    /// Repositories.
    pub repositories: u64,
    /// Files, without those that a later round made superfluous.
    pub files: u64,
    /// Their sizes together, in bytes. Packs that are on one file system with their copy take no further space.
    pub bytes: u64,
}

/// Why a backup or a restore failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The place is in use.
    #[error("{path} is not empty; {hint}")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
    },
    /// The folder holds no backup.
    #[error("{path} holds no backup: there is no skill-pool.db in it")]
    NoBackup {
        /// The folder.
        path: PathBuf,
    },
    /// The disk failed.
    #[error("could not {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A repository changed faster than it could be copied.
    #[error("{path} changed while it was copied, ten times over; try again when less is pushed")]
    Restless {
        /// Its folder.
        path: PathBuf,
    },
    /// A database failed.
    #[error("could not copy the database")]
    Store(#[from] StoreError),
    /// Refs or `log.git` of the copy could not be written.
    #[error("could not bring the copy in line")]
    Follower(#[from] FollowerError),
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { what, path, source }
}

/// Copies everything into the folder `to`, which is made. It appears there whole or not at all: while it is being made it
/// is called `<to>.partial`.
///
/// # Errors
/// [`BackupError::NotEmpty`] when `to` exists and is not empty; others when the disk fails.
pub fn backup(store: &Store, data: &DataFolder, to: &Path, now: Timestamp) -> Result<Copied, BackupError> {
    let hint = "name a folder that does not exist yet";
    must_be_empty(to, hint)?;
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    if partial.exists() {
        // Left by a backup that was cut off: nobody else makes folders of this name.
        fs::remove_dir_all(&partial).map_err(failed("remove", &partial))?;
    }
    make_private(&partial)?;
    let copy = DataFolder::new(&partial);
    store.copy_to(&copy.database())?;
    copy_flat(&data.keys(), &copy.keys())?;
    let repositories = Arc::new(RepoCache::new(RepoOptions::default(), 64));
    // Read from the copy: what it names is what has to be in it.
    let copied_store = Store::open(&copy, StoreOptions::default(), now)?;
    let mut copied = copy_repositories(&copied_store, data, &copy)?;
    catch_up(&copied_store, &mut DiskRefs::new(copied_store.clone(), copy.clone()))?;
    catch_up(&copied_store, &mut LogGit::new(copied_store.clone(), copy.clone(), repositories))?;
    copied_store.close_into_one_file(&copy.database())?;
    let size = fs::metadata(copy.database()).map_err(failed("look at", &copy.database()))?.len();
    (copied.files, copied.bytes) = (copied.files + 1, copied.bytes + size);
    sync_tree(&partial)?;
    if to.exists() {
        fs::remove_dir(to).map_err(failed("replace", to))?;
    }
    fs::rename(&partial, to).map_err(failed("put in place", to))?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_folder(parent).map_err(failed("sync", parent))?;
    Ok(copied)
}

/// Makes the data folder `data` from the backup in `from`, and opens a new epoch in every journal. Lock files of this
/// process may be in it already.
///
/// # Errors
/// [`BackupError::NotEmpty`] when `data` holds anything; [`BackupError::NoBackup`]; [`StoreError::Newer`] for a backup of a
/// newer version; others when the disk fails. Nothing that was there is overwritten.
pub fn restore(from: &Path, data: &DataFolder, now: Timestamp) -> Result<Copied, BackupError> {
    let source = DataFolder::new(from);
    if !source.database().is_file() {
        return Err(BackupError::NoBackup { path: from.to_owned() });
    }
    let hint = "move it away first; a restore overwrites nothing";
    must_be_empty(data.root(), hint)?;
    make_private(data.root())?;
    // Last of all the database gets its name, so that a restore that was cut off leaves no data folder that starts.
    let database = data.database_beside();
    copy_file(&source.database(), &database)?;
    copy_flat(&source.keys(), &data.keys())?;
    let store = Store::open_beside(data, StoreOptions::default(), now)?;
    let mut copied = copy_repositories(&store, &source, data)?;
    each_tenant(&store, |tenant| {
        store.open_epoch(tenant.tenant, "restored", now)?;
        Ok(())
    })?;
    let repositories = Arc::new(RepoCache::new(RepoOptions::default(), 64));
    catch_up(&store, &mut DiskRefs::new(store.clone(), data.clone()))?;
    catch_up(&store, &mut LogGit::new(store.clone(), data.clone(), repositories))?;
    store.close_into_one_file(&database)?;
    let size = fs::metadata(&database).map_err(failed("look at", &database))?.len();
    (copied.files, copied.bytes) = (copied.files + 1, copied.bytes + size);
    sync_tree(data.root())?;
    fs::rename(&database, data.database()).map_err(failed("put in place", &database))?;
    sync_folder(data.root()).map_err(failed("sync", data.root()))?;
    Ok(copied)
}

/// Files of the process that works in a folder, which do not make it a used one.
fn is_own(name: &str) -> bool {
    name.ends_with(".lock") || name == "admin"
}

fn must_be_empty(folder: &Path, hint: &'static str) -> Result<(), BackupError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed("list", folder)(source)),
    };
    for entry in entries {
        let entry = entry.map_err(failed("list", folder))?;
        if !entry.file_name().to_str().is_some_and(is_own) {
            return Err(BackupError::NotEmpty { path: folder.to_owned(), hint });
        }
    }
    Ok(())
}

fn make_private(folder: &Path) -> Result<(), BackupError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make", folder))
}

fn each_tenant(
    store: &Store,
    mut each: impl FnMut(&TenantRecord) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let mut after: Option<TenantName> = None;
    loop {
        let page = store.tenants_by_name(after.as_ref(), PAGE_ROWS_MAX)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.name.clone());
        page.iter().try_for_each(&mut each)?;
    }
}

/// Copies every repository that `store` names and that is no derived one.
fn copy_repositories(store: &Store, from: &DataFolder, to: &DataFolder) -> Result<Copied, BackupError> {
    let mut copied = Copied::default();
    each_tenant(store, |tenant| {
        copied.tenants += 1;
        let mut after: Option<RepositoryName> = None;
        loop {
            let page = store.repositories_by_name(tenant.tenant, after.as_ref(), PAGE_ROWS_MAX)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.name.clone());
            for record in page.iter().filter(|record| record.name != RepositoryName::Marketplace) {
                let source = from.repository(&tenant.name, &record.name);
                // What is gone already is fsck's to tell; the rest is still worth having.
                if source.join("objects").is_dir() {
                    copied.repositories += 1;
                    copy_repository(&source, &to.repository(&tenant.name, &record.name), &mut copied)?;
                }
            }
        }
    })?;
    Ok(copied)
}

/// Copies a bare repository: objects until a whole round finds nothing new or gone, then the files that make it one.
fn copy_repository(from: &Path, to: &Path, copied: &mut Copied) -> Result<(), BackupError> {
    for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
        make_private(&to.join(folder))?;
    }
    let mut calm = false;
    for _ in 0..ROUNDS_MAX {
        if copy_objects(&from.join("objects"), &to.join("objects"), copied)? {
            calm = true;
            break;
        }
    }
    if !calm {
        return Err(BackupError::Restless { path: from.to_owned() });
    }
    for file in ["config", "HEAD"] {
        copied.bytes += copy_file(&from.join(file), &to.join(file))?;
        copied.files += 1;
    }
    Ok(())
}

/// One round over the folders of objects. False when a file vanished meanwhile: what replaces it is there now.
fn copy_objects(from: &Path, to: &Path, copied: &mut Copied) -> Result<bool, BackupError> {
    let mut whole = true;
    for entry in fs::read_dir(from).map_err(failed("list", from))? {
        let entry = entry.map_err(failed("list", from))?;
        let name = entry.file_name();
        let is_folder = entry.file_type().map_err(failed("look at", &entry.path()))?.is_dir();
        let text = name.to_string_lossy();
        if is_folder {
            if text == "pack" || (text.len() == 2 && text.bytes().all(|b| b.is_ascii_hexdigit())) {
                make_private(&to.join(&name))?;
                whole &= copy_objects(&entry.path(), &to.join(&name), copied)?;
            }
            continue;
        }
        // Temporary files belong to pushes under way, which the copied database knows nothing of.
        if text.starts_with("tmp_") || to.join(&name).exists() {
            continue;
        }
        match link_or_copy(&entry.path(), &to.join(&name)) {
            Ok(bytes) => {
                copied.files += 1;
                copied.bytes += bytes;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => whole = false,
            Err(source) => return Err(failed("copy", &entry.path())(source)),
        }
    }
    Ok(whole)
}

/// Objects never change, so that a second name for the same file is a copy; on another file system their bytes are copied.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<u64> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(fs::metadata(to)?.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(_) => {
            let bytes = fs::copy(from, to).inspect_err(|_| {
                let _ = fs::remove_file(to);
            })?;
            File::open(to)?.sync_all()?;
            Ok(bytes)
        }
    }
}

fn copy_file(from: &Path, to: &Path) -> Result<u64, BackupError> {
    let bytes = fs::copy(from, to).map_err(failed("copy", from))?;
    File::open(to).and_then(|file| file.sync_all()).map_err(failed("sync", to))?;
    Ok(bytes)
}

/// Copies the files of one folder, with their permissions: the keys.
fn copy_flat(from: &Path, to: &Path) -> Result<(), BackupError> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed("list", from)(source)),
    };
    make_private(to)?;
    for entry in entries {
        let entry = entry.map_err(failed("list", from))?;
        let meta = entry.metadata().map_err(failed("look at", &entry.path()))?;
        if meta.is_file() {
            let path = to.join(entry.file_name());
            copy_file(&entry.path(), &path)?;
            let mode = fs::Permissions::from_mode(meta.permissions().mode() & 0o777);
            fs::set_permissions(&path, mode).map_err(failed("set the mode of", &path))?;
        }
    }
    Ok(())
}

/// Syncs every folder below `root`: names of copies are as durable as their bytes.
fn sync_tree(root: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(root).map_err(failed("list", root))? {
        let entry = entry.map_err(failed("list", root))?;
        if entry.file_type().map_err(failed("look at", &entry.path()))?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_folder(root).map_err(failed("sync", root))
}

#[cfg(test)]
mod tests;
