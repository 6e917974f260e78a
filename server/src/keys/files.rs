//! Small secret files: written whole or not at all, read only when nobody else can read them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::KeysError;

/// The longest key file that is read.
const BYTES_MAX: u64 = 16 * 1024;

/// Makes the folder for its owner alone, and syncs the folder above, unless it is there.
pub(super) fn make_folder(folder: &Path) -> Result<(), KeysError> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error("make folder", folder))?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}

/// Reads a file that only its owner may read, in a folder that only its owner may change. `None` when it is not there.
pub(super) fn read_private(path: &Path) -> Result<Option<Vec<u8>>, KeysError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error("read", path)(source)),
    };
    // Ask the open file, not the path: nobody can exchange it between the two questions.
    let mode = file.metadata().map_err(io_error("read", path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeysError::Permissions { path: path.to_owned(), mode, wanted: 0o600 });
    }
    if let Some(folder) = path.parent() {
        let mode = fs::metadata(folder).map_err(io_error("read", folder))?.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(KeysError::Permissions { path: folder.to_owned(), mode, wanted: 0o700 });
        }
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io_error("read", path))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(KeysError::Damaged { path: path.to_owned(), reason: "it is far too long" });
    }
    Ok(Some(bytes))
}

/// Writes `bytes` to `path` with mode 0600: after a power cut the file is there whole, or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    write(path, bytes, 0o600)
}

/// As [`write_private`], with mode 0644.
pub(super) fn write_public(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    write(path, bytes, 0o644)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeysError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    // One process owns the data folder, so what lies here is left from a start that was killed.
    match fs::remove_file(temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", temporary)(e)),
        _ => {}
    }
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temporary)?;
        file.write_all(bytes)?;
        // Sync before the rename: a name must never stand for a file whose bytes a power cut can take back.
        file.sync_all()?;
        fs::rename(temporary, path)
    })();
    written.map_err(|source| {
        let _ = fs::remove_file(temporary);
        io_error("write", path)(source)
    })?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> Result<(), KeysError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(io_error("sync folder", folder))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeysError {
    let path = path.to_owned();
    move |source| KeysError::Io { action, path, source }
}
