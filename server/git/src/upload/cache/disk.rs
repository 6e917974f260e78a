//! Answers on disk: one file each, disposable.
//!
//! A file is 16 bytes of header (a mark, CRC-32 and length of what follows) and the answer. It is written under another
//! name and renamed, but not synced: after a power cut it may hold anything, so a file that this process did not write
//! is read through once before it is believed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use parking_lot::Mutex;

use super::Key;
use crate::lru::Lru;

const MARK: &[u8; 4] = b"spa1";
const HEADER_BYTES: u64 = 16;
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// The folder.
pub struct DiskCache {
    folder: PathBuf,
    /// Weights are KiB, so that they fit where a `usize` has 32 bits.
    files: Mutex<Lru<Key, ()>>,
    /// Files found at start that were not read through yet.
    doubted: Mutex<HashMap<Key, ()>>,
}

/// A finished answer in a file, which may be unlinked meanwhile.
#[derive(Clone)]
pub struct Spooled {
    file: Arc<File>,
    length: u64,
}

/// A file that an answer is being written to. Dropped unfinished, it is removed.
pub struct Spool<'a> {
    cache: &'a DiskCache,
    key: Key,
    path: PathBuf,
    out: BufWriter<File>,
    hasher: crc32fast::Hasher,
    length: u64,
    kept: bool,
}

impl DiskCache {
    /// Makes the folder or takes over what is in it.
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut found: Vec<(SystemTime, Key, u64)> = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            match entry.file_name().to_str().and_then(parse_key) {
                Some(key) if meta.is_file() => {
                    found.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), key, meta.len()));
                }
                // Left by a crash.
                _ if meta.is_file() => drop(fs::remove_file(entry.path())),
                _ => {}
            }
        }
        found.sort_unstable();
        let weight_max = usize::try_from(bytes_max >> 10).unwrap_or(usize::MAX);
        let cache = Self {
            folder: folder.to_owned(),
            files: Mutex::new(Lru::new(weight_max)),
            doubted: Mutex::new(found.iter().map(|(_, key, _)| (*key, ())).collect()),
        };
        for (_, key, length) in found {
            cache.register(&key, length);
        }
        Ok(cache)
    }

    pub fn get(&self, key: &Key) -> Option<Spooled> {
        self.files.lock().get(key)?;
        match self.open_file(key) {
            Ok(spooled) => Some(spooled),
            Err(_) => {
                // Gone or damaged: as if it had never been.
                self.forget(key);
                None
            }
        }
    }

    /// Writes an answer that memory has no room for. Failing is no loss.
    pub fn keep(&self, key: &Key, bytes: &Bytes) {
        if self.files.lock().peek(key).is_some() {
            return;
        }
        if let Some(mut spool) = self.spool(key)
            && spool.write(bytes).is_ok()
        {
            let _ = spool.finish();
        }
    }

    pub fn spool(&self, key: &Key) -> Option<Spool<'_>> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{}.{}.{number}.tmp", hex(key), std::process::id()));
        let begin = || {
            let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
            file.seek(SeekFrom::Start(HEADER_BYTES))?;
            Ok::<_, io::Error>(file)
        };
        match begin() {
            Ok(file) => Some(Spool {
                cache: self,
                key: *key,
                path,
                out: BufWriter::with_capacity(CHUNK_BYTES, file),
                hasher: crc32fast::Hasher::new(),
                length: 0,
                kept: false,
            }),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "could not keep an answer on disk");
                None
            }
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(hex(key))
    }

    fn register(&self, key: &Key, length: u64) {
        let weight = usize::try_from(length >> 10).unwrap_or(usize::MAX).saturating_add(1);
        let left = self.files.lock().insert(*key, (), weight);
        for (key, ()) in left {
            let _ = fs::remove_file(self.path(&key));
        }
    }

    fn forget(&self, key: &Key) {
        self.files.lock().remove(key);
        self.doubted.lock().remove(key);
        let _ = fs::remove_file(self.path(key));
    }

    fn open_file(&self, key: &Key) -> io::Result<Spooled> {
        let file = File::open(self.path(key))?;
        let mut header = [0; HEADER_BYTES as usize];
        file.read_exact_at(&mut header, 0)?;
        let wrong = || io::Error::from(io::ErrorKind::InvalidData);
        let (mark, rest) = header.split_at(4);
        let (crc, length) = rest.split_at(4);
        let crc = u32::from_le_bytes(crc.try_into().map_err(|_| wrong())?);
        let length = u64::from_le_bytes(length.try_into().map_err(|_| wrong())?);
        if mark != MARK || file.metadata()?.len() != length + HEADER_BYTES {
            return Err(wrong());
        }
        let spooled = Spooled { file: Arc::new(file), length };
        if self.doubted.lock().contains_key(key) {
            let mut hasher = crc32fast::Hasher::new();
            let mut at = 0;
            while let Some(chunk) = spooled.chunk(at)? {
                at += chunk.len() as u64;
                hasher.update(&chunk);
            }
            if hasher.finalize() != crc {
                return Err(wrong());
            }
            self.doubted.lock().remove(key);
        }
        Ok(spooled)
    }
}

impl Spooled {
    /// Bytes of the answer.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes from `at` on, as many as are read at once; `None` at the end.
    ///
    /// # Errors
    /// What the disk says.
    pub fn chunk(&self, at: u64) -> io::Result<Option<Vec<u8>>> {
        let wanted = (self.length.saturating_sub(at)).min(CHUNK_BYTES as u64);
        if wanted == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; wanted as usize];
        self.file.read_exact_at(&mut bytes, HEADER_BYTES + at)?;
        Ok(Some(bytes))
    }

    /// The whole answer, which the caller knows to be small.
    pub(super) fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.length as usize];
        self.file.read_exact_at(&mut bytes, HEADER_BYTES)?;
        Ok(bytes)
    }
}

impl Spool<'_> {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// What the disk says, such as that it is full.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Keeps the file under its name.
    ///
    /// # Errors
    /// What the disk says; the file is then removed.
    pub fn finish(mut self) -> io::Result<Spooled> {
        let mut header = [0; HEADER_BYTES as usize];
        header[..4].copy_from_slice(MARK);
        header[4..8].copy_from_slice(&self.hasher.clone().finalize().to_le_bytes());
        header[8..].copy_from_slice(&self.length.to_le_bytes());
        self.out.flush()?;
        let file = self.out.get_ref().try_clone()?;
        file.write_all_at(&header, 0)?;
        fs::rename(&self.path, self.cache.path(&self.key))?;
        self.kept = true;
        self.cache.doubted.lock().remove(&self.key);
        self.cache.register(&self.key, self.length);
        Ok(Spooled { file: Arc::new(file), length: self.length })
    }
}

impl Drop for Spool<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn hex(key: &Key) -> String {
    skill_pool_domain::digest::Sha256(*key).to_string()
}

fn parse_key(name: &str) -> Option<Key> {
    name.parse::<skill_pool_domain::digest::Sha256>().ok().map(|digest| digest.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(cache: &DiskCache, key: u8, length: usize) {
        cache.keep(&[key; 32], &Bytes::from(vec![key; length]));
    }

    fn read(cache: &DiskCache, key: u8) -> Option<Vec<u8>> {
        let spooled = cache.get(&[key; 32])?;
        let mut all = Vec::new();
        while let Some(chunk) = spooled.chunk(all.len() as u64).expect("reads") {
            all.extend(chunk);
        }
        Some(all)
    }

    #[test]
    fn the_folder_stays_below_its_bound() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let cache = DiskCache::open(folder.path(), 1 << 20).expect("opens");
        for key in 0..40 {
            keep(&cache, key, 100_000);
        }
        let size: u64 = fs::read_dir(folder.path())
            .expect("list")
            .map(|entry| entry.expect("entry").metadata().expect("meta").len())
            .sum();
        assert!(size <= 1 << 20 && size > 900_000, "{size}");
        assert_eq!(read(&cache, 39), Some(vec![39; 100_000]));
        assert_eq!(read(&cache, 0), None);
    }

    #[test]
    fn a_later_process_takes_over_what_is_sound() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let cache = DiskCache::open(folder.path(), 1 << 20).expect("opens");
        for key in 0..4 {
            keep(&cache, key, 70_000);
        }
        let path = |key| folder.path().join(hex(&[key; 32]));
        let change =
            |key, at: u64| File::options().write(true).open(path(key)).and_then(|file| file.write_all_at(b"?", at));
        change(1, 50_000).expect("write");
        File::options().write(true).open(path(2)).and_then(|file| file.set_len(100)).expect("cut");
        fs::write(folder.path().join("left.tmp"), "x").expect("write");
        drop(cache.spool(&[9; 32]).expect("a file").path.clone());
        let cache = DiskCache::open(folder.path(), 1 << 20).expect("opens");
        assert_eq!(read(&cache, 0), Some(vec![0; 70_000]));
        assert_eq!(read(&cache, 1), None, "a changed byte");
        assert_eq!(read(&cache, 2), None, "cut off");
        let spooled = cache.get(&[3; 32]).expect("sound");
        fs::remove_file(path(3)).expect("unlink");
        assert!(spooled.chunk(0).expect("the file is still held").is_some());
        assert_eq!(read(&cache, 3), None, "deleted by someone");
        assert_eq!(fs::read_dir(folder.path()).expect("list").count(), 1);
    }
}
