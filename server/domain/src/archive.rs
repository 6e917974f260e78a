//! The zip of a release: a function of its files, the same bytes for ever.
//!
//! Files are stored without compression, since the output of a compressor changes with its version. Paths stand in byte
//! order, all times are the format's first, modes are 644, 755 and links. Nothing else goes in.
//!
//! Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.4.

use crate::tree::{Mode, Shown, Tree};

/// The largest archive, in bytes. Claude Code 2.1.329 takes no larger one.
pub const ARCHIVE_BYTES_MAX: u64 = 256 << 20;

/// Why a tree has no archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// An entry is neither file, executable nor link.
    #[error("{} has mode {mode:o}, which no archive holds", Shown(path))]
    Mode {
        /// Its path.
        path: Vec<u8>,
        /// Its mode.
        mode: u32,
    },
    /// A content was not read because it is too large.
    #[error("{} is too large for an archive", Shown(path))]
    TooLarge {
        /// Its path.
        path: Vec<u8>,
    },
    /// Two entries have one path, or one is a folder of the other.
    #[error("{} stands in the way of another entry", Shown(path))]
    Clash {
        /// The path.
        path: Vec<u8>,
    },
    /// More files than the format counts, or more bytes than allowed.
    #[error("an archive holds at most 65,535 files and 256 MiB")]
    TooMuch,
}

/// Writes the archive of `tree` piece by piece into `out`.
///
/// # Errors
/// [`ArchiveError`], before anything is written.
pub fn write<E>(tree: &Tree, mut out: impl FnMut(&[u8]) -> Result<(), E>) -> Result<Result<(), E>, ArchiveError> {
    check(tree)?;
    Ok(write_checked(tree, &mut out))
}

fn check(tree: &Tree) -> Result<(), ArchiveError> {
    let files = tree.files();
    let mut bytes = 0_u64;
    for file in files {
        let path = || file.path.clone();
        if let Mode::Other(mode) = file.mode {
            return Err(ArchiveError::Mode { path: path(), mode });
        }
        let Some(content) = &file.content else { return Err(ArchiveError::TooLarge { path: path() }) };
        bytes += content.len() as u64 + 2 * file.path.len() as u64 + 96;
        if file.path.len() > usize::from(u16::MAX) {
            return Err(ArchiveError::TooLarge { path: path() });
        }
    }
    let is_file = |path: &[u8]| files.binary_search_by(|file| file.path.as_slice().cmp(path)).is_ok();
    for (index, file) in files.iter().enumerate() {
        let folders = file.path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &file.path[..at]);
        let twice = files.get(index + 1).is_some_and(|next| next.path == file.path);
        if let Some(path) = twice.then_some(file.path.as_slice()).or_else(|| folders.clone().find(|at| is_file(at))) {
            return Err(ArchiveError::Clash { path: path.to_owned() });
        }
    }
    if files.len() > usize::from(u16::MAX) || bytes > ARCHIVE_BYTES_MAX {
        return Err(ArchiveError::TooMuch);
    }
    Ok(())
}

/// What both headers of an entry say alike.
struct Entry<'a> {
    path: &'a [u8],
    mode: Mode,
    crc: u32,
    size: u32,
    offset: u32,
}

const VERSION_NEEDED: u16 = 10;
/// Unix, version 2.0: readers take the modes from the external attributes only if this says Unix.
const MADE_BY: u16 = 3 << 8 | 20;
/// 1 January 1980, 00:00.
const DOS_TIME: u16 = 0;
const DOS_DATE: u16 = 1 << 5 | 1;
/// Names are UTF-8.
const FLAG_UTF8: u16 = 1 << 11;

fn write_checked<E>(tree: &Tree, out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut entries = Vec::with_capacity(tree.files().len());
    let mut offset = 0_u32;
    let mut header = Vec::new();
    for file in tree.files() {
        let content = file.content.as_deref().unwrap_or_default();
        // Bounded by `check`: all sizes together are below 256 MiB.
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let entry = Entry { path: &file.path, mode: file.mode, crc: crc32(content), size, offset };
        header.clear();
        header.extend_from_slice(b"PK\x03\x04");
        common(&mut header, &entry);
        header.extend_from_slice(&[0, 0]);
        header.extend_from_slice(entry.path);
        out(&header)?;
        out(content)?;
        offset += u32::try_from(header.len()).unwrap_or(u32::MAX) + size;
        entries.push(entry);
    }
    let directory_at = offset;
    let mut directory = Vec::new();
    for entry in &entries {
        directory.extend_from_slice(b"PK\x01\x02");
        directory.extend_from_slice(&MADE_BY.to_le_bytes());
        common(&mut directory, entry);
        // No extra field, no comment, first disk, no internal attributes.
        directory.extend_from_slice(&[0; 8]);
        let mode: u32 = match entry.mode {
            Mode::Executable => 0o100_755,
            Mode::Link => 0o120_777,
            Mode::File | Mode::Other(_) => 0o100_644,
        };
        directory.extend_from_slice(&(mode << 16).to_le_bytes());
        directory.extend_from_slice(&entry.offset.to_le_bytes());
        directory.extend_from_slice(entry.path);
    }
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX).to_le_bytes();
    let directory_size = u32::try_from(directory.len()).unwrap_or(u32::MAX);
    directory.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    directory.extend_from_slice(&count);
    directory.extend_from_slice(&count);
    directory.extend_from_slice(&directory_size.to_le_bytes());
    directory.extend_from_slice(&directory_at.to_le_bytes());
    directory.extend_from_slice(&[0, 0]);
    out(&directory)
}

fn common(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let flags = if std::str::from_utf8(entry.path).is_ok() { FLAG_UTF8 } else { 0 };
    for value in [VERSION_NEEDED, flags, 0, DOS_TIME, DOS_DATE] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    for value in [entry.crc, entry.size, entry.size] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    // Paths are at most 65,535 bytes long: `check` has looked.
    out.extend_from_slice(&u16::try_from(entry.path.len()).unwrap_or(u16::MAX).to_le_bytes());
}

/// CRC-32 as zip has it (reflected, polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| crc >> 8 ^ TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::tree::TreeFile;
    use std::convert::Infallible;

    fn file(path: &str, mode: Mode, content: &str) -> TreeFile {
        TreeFile { path: path.into(), mode, size_bytes: content.len() as u64, content: Some(content.into()) }
    }

    fn zip(files: Vec<TreeFile>) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        let written = write(&Tree::new(files), |piece| {
            bytes.extend_from_slice(piece);
            Ok::<_, Infallible>(())
        })?;
        written.expect("memory");
        Ok(bytes)
    }

    fn sample() -> Vec<TreeFile> {
        vec![
            file("skills/ü/SKILL.md", Mode::File, "text\n"),
            file("bin/run", Mode::Executable, "#!/bin/sh\n"),
            file("README.md", Mode::File, ""),
            file("link", Mode::Link, "README.md"),
        ]
    }

    #[test]
    fn the_bytes_of_an_archive_never_change() {
        let bytes = zip(sample()).expect("an archive");
        assert_eq!(Sha256::of(&bytes).to_string(), "f7d437ee123e85cc6ddd78c75d93ea988ea5a57e3bb08838a6fe087fe04b7d86");
        let mut reversed = sample();
        reversed.reverse();
        assert_eq!(zip(reversed), Ok(bytes), "whatever order the files come in");
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_tree_that_no_archive_can_hold_is_refused() {
        let submodule = TreeFile { path: b"m".to_vec(), mode: Mode::Other(0o160_000), size_bytes: 0, content: None };
        let large = TreeFile { path: b"l".to_vec(), mode: Mode::File, size_bytes: 9, content: None };
        assert!(matches!(zip(vec![submodule]), Err(ArchiveError::Mode { .. })));
        assert!(matches!(zip(vec![large]), Err(ArchiveError::TooLarge { .. })));
        let twice = vec![file("a", Mode::File, ""), file("a", Mode::File, "")];
        assert!(matches!(zip(twice), Err(ArchiveError::Clash { .. })));
        let clash = vec![file("a", Mode::Link, "/etc"), file("a-b", Mode::File, ""), file("a/b/c", Mode::File, "")];
        assert!(matches!(zip(clash), Err(ArchiveError::Clash { .. })));
        let many = (0..65_536).map(|n| file(&n.to_string(), Mode::File, "")).collect();
        assert_eq!(zip(many), Err(ArchiveError::TooMuch));
    }
}
