//! Loose objects: one zlib stream in a file of its own.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::{Decompress, FlushDecompress, Status};
use gix_hash::oid;
use gix_object::Kind;

use super::inflate;
use crate::objects::ObjectError;

/// The longest start of a loose object: `commit `, 20 digits and a NUL.
const START_BYTES_MAX: usize = 32;

/// Where the object `id` lies below the folder `objects`, if it lies there.
pub fn path(objects: &Path, id: &oid) -> PathBuf {
    let hex = id.to_hex().to_string();
    let mut path = PathBuf::with_capacity(objects.as_os_str().len() + 43);
    path.push(objects);
    path.push(&hex[..2]);
    path.push(&hex[2..]);
    path
}

/// Reads kind and size of the object in the file at `path`; `None` when there is no such file.
///
/// # Errors
/// [`ObjectError::Io`] and [`ObjectError::Damaged`].
pub fn header(path: &Path, id: &oid) -> Result<Option<(Kind, u64)>, ObjectError> {
    let Some(file) = open(path)? else { return Ok(None) };
    let mut compressed = Vec::with_capacity(256);
    file.take(256).read_to_end(&mut compressed).map_err(|source| failed(path, source))?;
    let mut start = [0; START_BYTES_MAX];
    let made = inflate::prefix(&compressed, &mut start).map_err(|reason| damaged(id, path, reason))?;
    let (kind, size_bytes, _) = parse_start(&start[..made]).ok_or_else(|| damaged(id, path, "it has no header"))?;
    Ok(Some((kind, size_bytes)))
}

/// Reads the object in the file at `path` into `out`, which is emptied first; `None` when there is no such file.
///
/// # Errors
/// [`ObjectError`]; [`ObjectError::TooLarge`] before memory is taken for the object.
pub fn read(path: &Path, id: &oid, bytes_max: u64, out: &mut Vec<u8>) -> Result<Option<Kind>, ObjectError> {
    out.clear();
    let Some(mut file) = open(path)? else { return Ok(None) };
    let mut decoder = Decompress::new(true);
    let mut compressed = vec![0; 16 << 10];
    let mut start = Vec::with_capacity(START_BYTES_MAX);
    let mut expected: Option<(Kind, usize)> = None;
    loop {
        let read = file.read(&mut compressed).map_err(|source| failed(path, source))?;
        if read == 0 {
            return Err(damaged(id, path, "it is cut off"));
        }
        let mut rest = &compressed[..read];
        loop {
            let before = (decoder.total_in(), decoder.total_out());
            let mut spare = [0; START_BYTES_MAX];
            let made_before = out.len();
            let (target, whole) = match expected {
                // The header is read byte by byte so that nothing of the object is inflated before its size is known.
                None => (&mut spare[..1], 0),
                Some((_, size)) if out.len() < size => {
                    let step = (size - out.len()).min(1 << 20);
                    out.resize(made_before + step, 0);
                    (&mut out[made_before..], size)
                }
                Some((_, size)) => (&mut spare[..1], size),
            };
            let status = decoder
                .decompress(rest, target, FlushDecompress::None)
                .map_err(|_| damaged(id, path, "its compressed data is damaged"))?;
            let made = (decoder.total_out() - before.1) as usize;
            rest = &rest[(decoder.total_in() - before.0) as usize..];
            match expected {
                None if made == 1 => {
                    start.push(spare[0]);
                    if spare[0] == 0 {
                        let (kind, size_bytes, _) =
                            parse_start(&start).ok_or_else(|| damaged(id, path, "it has no header"))?;
                        if size_bytes > bytes_max {
                            return Err(ObjectError::TooLarge {
                                id: id.to_owned(),
                                size_bytes,
                                limit_bytes: bytes_max,
                            });
                        }
                        expected = Some((kind, size_bytes as usize));
                        out.reserve_exact(size_bytes as usize);
                    } else if start.len() >= START_BYTES_MAX {
                        return Err(damaged(id, path, "it has no header"));
                    }
                }
                None => {}
                Some(_) if made_before < whole => out.truncate(made_before + made),
                Some(_) if made > 0 => return Err(damaged(id, path, "it is longer than declared")),
                Some(_) => {}
            }
            if status == Status::StreamEnd {
                return match expected {
                    Some((kind, size)) if out.len() == size => Ok(Some(kind)),
                    _ => Err(damaged(id, path, "it is shorter than declared")),
                };
            }
            if made == 0 && rest.is_empty() {
                break;
            }
            if made == 0 && decoder.total_in() == before.0 {
                return Err(damaged(id, path, "its compressed data is damaged"));
            }
        }
    }
}

/// Kind, size and length of the header at the start of an inflated loose object.
fn parse_start(bytes: &[u8]) -> Option<(Kind, u64, usize)> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    let (kind, size) = text.split_once(' ')?;
    if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((Kind::from_bytes(kind.as_bytes()).ok()?, size.parse().ok()?, end + 1))
}

fn open(path: &Path) -> Result<Option<File>, ObjectError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(failed(path, source)),
    }
}

fn failed(path: &Path, source: io::Error) -> ObjectError {
    ObjectError::Io { path: path.to_owned(), source }
}

fn damaged(id: &oid, path: &Path, reason: &str) -> ObjectError {
    ObjectError::Damaged { id: id.to_owned(), path: path.to_owned(), reason: reason.to_owned() }
}
