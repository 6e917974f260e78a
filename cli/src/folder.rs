//! A folder on disk as a tree, the way a commit of it would be: without following links, without running anything, under bounds.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use skill_pool_domain::tree::{Mode, Tree, TreeFile};

/// Bounds on what is read.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Entries in all.
    pub entries_max: usize,
    /// Folders in each other.
    pub depth_max: usize,
    /// Larger files are counted and not read, in bytes.
    pub file_bytes_max: u64,
    /// After so many bytes in all further files are not read.
    pub total_bytes_max: u64,
}

impl Default for ReadLimits {
    /// Well above what any policy may allow, so that the rules speak and not the reader.
    fn default() -> Self {
        Self { entries_max: 100_000, depth_max: 64, file_bytes_max: 50 << 20, total_bytes_max: 400 << 20 }
    }
}

/// Why a folder was not read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The path is no folder.
    #[error("{path} is no folder")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Too many entries.
    #[error("{path} has more than {entries_max} entries")]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The bound.
        entries_max: usize,
    },
    /// The file system did not answer.
    #[error("could not read {path}")]
    Read {
        /// What was read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Reads `root`. A repository's own `.git` at the root is left out, as is everything in `skipped` (paths from the root,
/// folders with a final `/`).
///
/// # Errors
/// [`FolderError`] names the path.
pub fn read(root: &Path, limits: &ReadLimits, skipped: &[Vec<u8>]) -> Result<Tree, FolderError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Read { path, source }
    };
    let metadata = fs::metadata(root).map_err(failed(root))?;
    if !metadata.is_dir() {
        return Err(FolderError::NotAFolder { path: root.to_owned() });
    }
    let mut files = Vec::new();
    let mut total = 0u64;
    let mut entries = 0;
    // Path from the root in bytes, and on disk, of folders still to read.
    let mut ahead: Vec<(Vec<u8>, PathBuf, usize)> = vec![(Vec::new(), root.to_owned(), 0)];
    while let Some((prefix, folder, depth)) = ahead.pop() {
        let mut empty = true;
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let entry = entry.map_err(failed(&folder))?;
            let name = entry.file_name();
            let on_disk = entry.path();
            if depth == 0 && name.as_bytes() == b".git" && is_repository(&on_disk) {
                continue;
            }
            let mut path = prefix.clone();
            path.extend_from_slice(name.as_bytes());
            let metadata = fs::symlink_metadata(&on_disk).map_err(failed(&on_disk))?;
            if is_skipped(&path, metadata.is_dir(), skipped) {
                continue;
            }
            empty = false;
            entries += 1;
            if entries > limits.entries_max {
                return Err(FolderError::TooMany { path: root.to_owned(), entries_max: limits.entries_max });
            }
            if metadata.is_dir() && depth < limits.depth_max {
                path.push(b'/');
                ahead.push((path, on_disk, depth + 1));
            } else {
                let left = limits.total_bytes_max.saturating_sub(total);
                let file = one(path, &on_disk, &metadata, limits.file_bytes_max.min(left)).map_err(failed(&on_disk))?;
                total += file.content.as_ref().map_or(0, |content| content.len() as u64);
                files.push(file);
            }
        }
        if empty && depth > 0 {
            let path = prefix[..prefix.len() - 1].to_vec();
            files.push(TreeFile { path, mode: Mode::Other(0o40000), size_bytes: 0, content: None });
        }
    }
    Ok(Tree::new(files))
}

fn one(path: Vec<u8>, on_disk: &Path, metadata: &Metadata, bytes_max: u64) -> io::Result<TreeFile> {
    if metadata.is_symlink() {
        let target = fs::read_link(on_disk)?.into_os_string().into_vec();
        return Ok(TreeFile { path, mode: Mode::Link, size_bytes: target.len() as u64, content: Some(target) });
    }
    if !metadata.is_file() {
        let mode = Mode::Other(metadata.mode() & 0o170_000);
        return Ok(TreeFile { path, mode, size_bytes: 0, content: None });
    }
    let mode = if metadata.mode() & 0o100 != 0 { Mode::Executable } else { Mode::File };
    let size_bytes = metadata.len();
    let content = if size_bytes <= bytes_max { Some(content(on_disk, bytes_max)?) } else { None };
    let size_bytes = content.as_ref().map_or(size_bytes, |content| content.len() as u64);
    Ok(TreeFile { path, mode, size_bytes, content })
}

/// The content, from the very file that was looked at: a link or pipe put in its place meanwhile is not opened.
fn content(on_disk: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(on_disk)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("changed while it was read"));
    }
    let mut content = Vec::new();
    file.take(bytes_max).read_to_end(&mut content)?;
    Ok(content)
}

/// True for what git itself keeps in a checkout: a repository, or the file that points to one.
fn is_repository(path: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    if metadata.is_dir() {
        return path.join("HEAD").is_file() && path.join("objects").is_dir();
    }
    metadata.is_file() && metadata.len() < 4096 && fs::read(path).is_ok_and(|text| text.starts_with(b"gitdir: "))
}

fn is_skipped(path: &[u8], folder: bool, skipped: &[Vec<u8>]) -> bool {
    skipped.iter().any(|skip| match skip.strip_suffix(b"/") {
        Some(skip) => folder && skip == path,
        None => skip == path,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn modes(root: &Path) -> Vec<(String, Mode)> {
        let tree = read(root, &ReadLimits::default(), &[]).expect("a folder");
        tree.files().iter().map(|file| (String::from_utf8_lossy(&file.path).into_owned(), file.mode)).collect()
    }

    #[test]
    fn a_folder_is_read_as_a_commit_of_it_would_be() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path();
        fs::create_dir_all(path.join("a/empty")).expect("made");
        fs::create_dir_all(path.join(".git/objects")).expect("made");
        fs::write(path.join(".git/HEAD"), "ref: refs/heads/main\n").expect("written");
        fs::write(path.join("a/run"), "x").expect("written");
        fs::set_permissions(path.join("a/run"), fs::Permissions::from_mode(0o755)).expect("set");
        fs::write(path.join("a/text.md"), "hello").expect("written");
        symlink("/etc/passwd", path.join("link")).expect("linked");
        symlink("a", path.join("folder-link")).expect("linked");
        let expected = [
            ("a/empty", Mode::Other(0o40000)),
            ("a/run", Mode::Executable),
            ("a/text.md", Mode::File),
            ("folder-link", Mode::Link),
            ("link", Mode::Link),
        ];
        assert_eq!(modes(path), expected.map(|(path, mode)| (path.to_owned(), mode)));
        let skipped = [b"a/empty/".to_vec(), b"a/run".to_vec()];
        assert_eq!(read(path, &ReadLimits::default(), &skipped).expect("read").files().len(), 3);
    }

    #[test]
    fn a_false_repository_is_not_left_out() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join(".git")).expect("made");
        fs::write(root.path().join(".git/config"), "x").expect("written");
        assert_eq!(modes(root.path()), [(".git/config".to_owned(), Mode::File)]);
    }

    #[test]
    fn bounds_hold() {
        let root = tempfile::tempdir().expect("a folder");
        for name in ["a", "b", "c"] {
            fs::write(root.path().join(name), "12345").expect("written");
        }
        let limits = ReadLimits { entries_max: 2, ..ReadLimits::default() };
        assert!(matches!(read(root.path(), &limits, &[]), Err(FolderError::TooMany { .. })));
        let limits = ReadLimits { file_bytes_max: 4, ..ReadLimits::default() };
        let tree = read(root.path(), &limits, &[]).expect("read");
        assert!(tree.files().iter().all(|file| file.content.is_none() && file.size_bytes == 5));
        let limits = ReadLimits { total_bytes_max: 11, ..ReadLimits::default() };
        let tree = read(root.path(), &limits, &[]).expect("read");
        assert_eq!(tree.files().iter().filter(|file| file.content.is_some()).count(), 2);
        assert!(matches!(read(&root.path().join("a"), &limits, &[]), Err(FolderError::NotAFolder { .. })));
    }
}
