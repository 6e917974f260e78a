//! Refs of a bare repository as files: one `packed-refs` and a symbolic HEAD, written so that no power cut tears them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use gix::ObjectId;
use skill_pool_domain::names::RefName;
use skill_pool_git::refs::{RefEntry, RefSnapshot};

use crate::store::sync_folder;

const HEADER: &str = "# pack-refs with: peeled fully-peeled sorted \n";
const HEAD: &str = "ref: refs/heads/main\n";
/// The largest `packed-refs` that is read: the most refs that a repository may have, with names of full length.
const PACKED_REFS_BYTES_MAX: u64 = 16 << 20;
/// Files and folders below `refs/` that are looked at.
const LOOSE_ENTRIES_MAX: usize = 10_000;

/// Refs on disk could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("could not {what} {path}")]
pub struct DiskRefsError {
    /// What was tried.
    pub what: &'static str,
    /// On what.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskRefsError {
    let path = path.to_owned();
    move |source| DiskRefsError { what, path, source }
}

/// How the files differ from the refs that they should hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deviation {
    /// They hold older or other values, or none, in the form that this server writes.
    Packed,
    /// Somebody else wrote refs into the folder: files below `refs/`, or another HEAD.
    Foreign,
}

/// The text of `packed-refs`. Source: git's `refs/packed-backend.c`.
fn text_of(refs: &[RefEntry]) -> String {
    let mut text = String::with_capacity(HEADER.len() + refs.len() * 80);
    text.push_str(HEADER);
    for entry in refs {
        text.push_str(&format!("{} {}\n", entry.id, entry.name));
        if let Some(peeled) = entry.peeled {
            text.push_str(&format!("^{peeled}\n"));
        }
    }
    text
}

/// Brings the files of the bare repository `folder` in line with `refs`; what was there otherwise is returned. Files that
/// are right already are not touched.
///
/// # Errors
/// When the disk fails; the old files are then whole.
pub(super) fn bring_in_line(folder: &Path, refs: &RefSnapshot) -> Result<Option<Deviation>, DiskRefsError> {
    let text = text_of(&refs.refs);
    let packed = folder.join("packed-refs");
    let mut deviation = None;
    if read_bounded(&packed)?.as_deref() != Some(text.as_bytes()) {
        write_synced(folder, "packed-refs", text.as_bytes())?;
        deviation = Some(Deviation::Packed);
    }
    let head = folder.join("HEAD");
    if read_bounded(&head)?.as_deref() != Some(HEAD.as_bytes()) {
        write_synced(folder, "HEAD", HEAD.as_bytes())?;
        deviation = Some(Deviation::Foreign);
    }
    // Files below `refs/` would hide what `packed-refs` says.
    let loose = loose_files(&folder.join("refs"))?;
    for file in &loose {
        fs::remove_file(file).map_err(failed("remove", file))?;
        if let Some(inside) = file.parent() {
            sync_folder(inside).map_err(failed("sync", inside))?;
        }
        deviation = Some(Deviation::Foreign);
    }
    remove_leftover(&folder.join("packed-refs.new"))?;
    Ok(deviation)
}

/// Refs as the files of a bare repository say, loose ones over packed ones; what is no ref is left out. `None` when the
/// folder has no `packed-refs` and no loose ref.
///
/// # Errors
/// When the disk fails.
pub fn read_disk_refs(folder: &Path) -> Result<Option<Vec<RefEntry>>, DiskRefsError> {
    let mut refs = std::collections::BTreeMap::new();
    let packed = read_bounded(&folder.join("packed-refs"))?;
    let mut last: Option<RefName> = None;
    for line in packed.iter().flat_map(|bytes| bytes.split(|b| *b == b'\n')) {
        if let Some(peeled) = line.strip_prefix(b"^") {
            let entry: Option<&mut RefEntry> = last.as_ref().and_then(|name| refs.get_mut(name));
            if let (Some(entry), Ok(id)) = (entry, ObjectId::from_hex(peeled)) {
                entry.peeled = Some(id);
            }
            continue;
        }
        last = None;
        let Some((id, name)) = line.split_at_checked(40) else { continue };
        if let (Ok(id), Some(Ok(name))) = (ObjectId::from_hex(id), name.strip_prefix(b" ").map(RefName::parse)) {
            refs.insert(name.clone(), RefEntry { name: name.clone(), id, peeled: None });
            last = Some(name);
        }
    }
    let loose = loose_files(&folder.join("refs"))?;
    for file in &loose {
        let name = file.strip_prefix(folder).ok().and_then(|path| RefName::parse(path.to_str()?.as_bytes()).ok());
        let content = read_bounded(file)?.unwrap_or_default();
        let id = content.get(..40).and_then(|hex| ObjectId::from_hex(hex).ok());
        if let (Some(name), Some(id)) = (name, id) {
            refs.insert(name.clone(), RefEntry { name, id, peeled: None });
        }
    }
    let found = packed.is_some() || !loose.is_empty();
    Ok(found.then(|| refs.into_values().collect()))
}

/// How the files of `folder` differ from `refs`, without changing them.
pub(crate) fn deviation(folder: &Path, refs: &RefSnapshot) -> Result<Option<Deviation>, DiskRefsError> {
    let head = read_bounded(&folder.join("HEAD"))?;
    if !loose_files(&folder.join("refs"))?.is_empty() || head.as_deref() != Some(HEAD.as_bytes()) {
        return Ok(Some(Deviation::Foreign));
    }
    let packed = read_bounded(&folder.join("packed-refs"))?;
    let same = match &packed {
        Some(bytes) => bytes == text_of(&refs.refs).as_bytes(),
        None => refs.refs.is_empty(),
    };
    Ok((!same).then_some(Deviation::Packed))
}

fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, DiskRefsError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(failed("open", path)(source)),
    };
    let mut bytes = Vec::new();
    file.take(PACKED_REFS_BYTES_MAX).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(Some(bytes))
}

/// Files below `refs/`, which hold loose refs.
fn loose_files(refs: &Path) -> Result<Vec<PathBuf>, DiskRefsError> {
    let mut files = Vec::new();
    let mut folders = vec![refs.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(failed("list", &folder)(source)),
        };
        for entry in entries {
            let entry = entry.map_err(failed("list", &folder))?;
            seen += 1;
            if seen > LOOSE_ENTRIES_MAX {
                return Ok(files);
            }
            let kind = entry.file_type().map_err(failed("look at", &entry.path()))?;
            if kind.is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    Ok(files)
}

/// Puts `bytes` in the place of the file `name`: whole and durable, or the old file stays.
fn write_synced(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), DiskRefsError> {
    let path = folder.join(name);
    let temporary = folder.join(format!("{name}.new"));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
        file.write_all(bytes)?;
        // Synced before it gets its name: a power cut may not leave an empty file under it.
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        sync_folder(folder)
    };
    write().map_err(failed("write", &path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

fn remove_leftover(path: &Path) -> Result<(), DiskRefsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skill_pool_domain::names::RefName;
    use skill_pool_git::refs::Head;

    fn snapshot(refs: &[(&str, u8, Option<u8>)]) -> RefSnapshot {
        let entries = refs.iter().map(|(name, id, peeled)| RefEntry {
            name: RefName::parse(name.as_bytes()).expect("a ref"),
            id: ObjectId::from([*id; 20]),
            peeled: peeled.map(|id| ObjectId::from([id; 20])),
        });
        RefSnapshot::new(b"x", Head::Symbolic(RefName::main()), entries.collect())
    }

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        skill_pool_git::repo::Repo::init(folder.path()).expect("a repository");
        folder
    }

    #[test]
    fn what_is_written_is_read_again_and_stays_untouched() {
        let folder = repository();
        let refs = snapshot(&[("refs/heads/main", 1, None), ("refs/tags/a--v1.0.0", 2, Some(1))]);
        assert_eq!(deviation(folder.path(), &refs).expect("reads"), Some(Deviation::Packed));
        assert_eq!(bring_in_line(folder.path(), &refs).expect("writes"), Some(Deviation::Packed));
        assert_eq!(read_disk_refs(folder.path()).expect("reads").as_ref(), Some(&refs.refs));
        assert_eq!(bring_in_line(folder.path(), &refs).expect("writes"), None);
        assert_eq!(deviation(folder.path(), &refs).expect("reads"), None);
    }

    #[test]
    fn emptied_and_foreign_files_are_brought_in_line() {
        let folder = repository();
        let refs = snapshot(&[("refs/heads/main", 1, None)]);
        bring_in_line(folder.path(), &refs).expect("writes");
        fs::write(folder.path().join("packed-refs"), b"").expect("emptied");
        assert_eq!(bring_in_line(folder.path(), &refs).expect("writes"), Some(Deviation::Packed));
        fs::write(folder.path().join("refs/heads/main"), format!("{}\n", ObjectId::from([9; 20])))
            .expect("a loose ref");
        fs::write(folder.path().join("HEAD"), b"").expect("emptied");
        assert_eq!(deviation(folder.path(), &refs).expect("reads"), Some(Deviation::Foreign));
        let loose = read_disk_refs(folder.path()).expect("reads").expect("refs");
        assert_eq!(loose[0].id, ObjectId::from([9; 20]), "git would see the loose one");
        assert_eq!(bring_in_line(folder.path(), &refs).expect("writes"), Some(Deviation::Foreign));
        assert_eq!(read_disk_refs(folder.path()).expect("reads"), Some(refs.refs));
        assert!(!folder.path().join("refs/heads/main").exists());
    }

    #[test]
    fn hostile_files_are_no_refs() {
        let folder = repository();
        fs::write(folder.path().join("packed-refs"), b"^zz\nxyz refs/heads/a\n\xff\n0123 refs/heads/b\n")
            .expect("written");
        assert_eq!(read_disk_refs(folder.path()).expect("reads"), Some(Vec::new()));
    }
}
