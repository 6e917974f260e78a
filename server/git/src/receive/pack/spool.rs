//! Where the bytes of a pack wait: in memory while it is small, else in a file that vanishes with its owner.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Packs up to this many bytes stay in memory.
pub const MEMORY_BYTES_MAX: usize = 1 << 20;
/// The beginning of the names of files that did not get their final name. Stock git's own housekeeping knows it too.
pub const TEMPORARY_PREFIX: &str = "tmp_pack_";

const WRITE_BYTES: usize = 64 << 10;

/// Bytes that were appended and can be read at any place.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    length: u64,
    /// All bytes, or those behind the file's end that were not written yet.
    memory: Vec<u8>,
    file: Option<TemporaryFile>,
}

impl Spool {
    /// An empty spool whose file, should it need one, lies in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), length: 0, memory: Vec::new(), file: None }
    }

    /// Bytes appended so far.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.memory.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
        match &self.file {
            None if self.memory.len() > MEMORY_BYTES_MAX => {
                self.file = Some(TemporaryFile::create(&self.folder, TEMPORARY_PREFIX)?);
                self.flush()
            }
            Some(_) if self.memory.len() >= WRITE_BYTES => self.flush(),
            _ => Ok(()),
        }
    }

    /// Writes what is still in memory, if there is a file. Reading comes after it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.file.write_all(&self.memory)?;
            self.memory.clear();
            self.memory.shrink_to(WRITE_BYTES);
        }
        Ok(())
    }

    /// The bytes from `start` to `end`, borrowed or read into `buffer`. At most as many as `buffer` was made for are
    /// read from a file at once: call again with a later `start` for more.
    ///
    /// # Errors
    /// When the file cannot be read, or the range lies outside.
    pub fn chunk<'a>(&'a self, start: u64, end: u64, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let outside = || io::Error::new(io::ErrorKind::UnexpectedEof, "a range behind the spool's end");
        let Some(file) = &self.file else {
            let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) else { return Err(outside()) };
            return self.memory.get(start..end).ok_or_else(outside);
        };
        let wanted = end.checked_sub(start).ok_or_else(outside)?;
        let wanted = buffer.len().min(usize::try_from(wanted).unwrap_or(usize::MAX));
        file.file.read_exact_at(&mut buffer[..wanted], start)?;
        Ok(&buffer[..wanted])
    }

    /// Makes a file of it in `folder`, which the caller syncs and renames. A spool that is a file in that folder already
    /// becomes that file.
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn into_file(mut self, folder: &Path) -> io::Result<TemporaryFile> {
        self.flush()?;
        let same_folder = self.folder == folder;
        match self.file.take() {
            Some(file) if same_folder => Ok(file),
            Some(mut file) => {
                let mut copy = TemporaryFile::create(folder, TEMPORARY_PREFIX)?;
                file.file.rewind()?;
                io::copy(&mut file.file, &mut copy.file)?;
                Ok(copy)
            }
            None => TemporaryFile::write(folder, TEMPORARY_PREFIX, &self.memory),
        }
    }
}

/// Reads a spool from its beginning. It must have been flushed.
pub struct SpoolReader<'a> {
    spool: &'a Spool,
    at: u64,
}

impl<'a> SpoolReader<'a> {
    /// Starts at the first byte.
    pub fn new(spool: &'a Spool) -> Self {
        Self { spool, at: 0 }
    }
}

impl Read for SpoolReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let end = self.spool.len().min(self.at + out.len() as u64);
        let mut buffer = [0; 8 << 10];
        let chunk = self.spool.chunk(self.at, end, &mut buffer)?;
        out[..chunk.len()].copy_from_slice(chunk);
        self.at += chunk.len() as u64;
        Ok(chunk.len())
    }
}

/// Tells the temporary files of this process from those of another one, and of one before it that had the same id.
pub fn process_mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| {
        let random = RandomState::new().hash_one(std::process::id());
        format!("{:x}-{random:016x}", std::process::id())
    })
}

/// A file that is removed when this value is dropped, unless it was given its final name.
#[derive(Debug)]
pub struct TemporaryFile {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl TemporaryFile {
    fn create(folder: &Path, prefix: &str) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{prefix}{}_{count:x}", process_mark()));
            match OpenOptions::new().read(true).write(true).create_new(true).mode(0o444).open(&path) {
                Ok(file) => return Ok(Self { path, file, kept: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes `bytes` to a new file in `folder` whose name begins with `prefix`.
    ///
    /// # Errors
    /// When the file cannot be made or written; nothing is left then.
    pub fn write(folder: &Path, prefix: &str, bytes: &[u8]) -> io::Result<Self> {
        let mut file = Self::create(folder, prefix)?;
        file.file.write_all(bytes)?;
        Ok(file)
    }

    /// Sets the time of its last change.
    ///
    /// # Errors
    /// When it cannot be set.
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.file.set_modified(time)
    }

    /// Makes the content survive a power cut.
    ///
    /// # Errors
    /// When it cannot be synced.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives the file its final name.
    ///
    /// # Errors
    /// When it cannot be renamed; it is removed then.
    pub fn rename_to(mut self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, path)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is swept at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_stays_in_memory_and_large_goes_to_a_file_that_vanishes() {
        let folder = tempfile::tempdir().expect("folder");
        let mut spool = Spool::new(folder.path());
        spool.append(&[1; 1000]).expect("append");
        assert_eq!(spool.chunk(10, 20, &mut [0; 4]).expect("chunk"), &[1; 10]);
        assert!(spool.chunk(990, 1001, &mut [0; 4]).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 0);
        for round in 0..40u8 {
            spool.append(&vec![round; 50_000]).expect("append");
        }
        spool.flush().expect("flush");
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1);
        let mut buffer = [0; 64];
        assert_eq!(spool.chunk(1000 + 39 * 50_000, spool.len(), &mut buffer).expect("chunk"), &[39; 64]);
        assert!(spool.chunk(spool.len() - 1, spool.len() + 1, &mut buffer).is_err());
        drop(spool);
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 0);
    }

    #[test]
    fn a_file_keeps_its_bytes_under_its_final_name() {
        let (from, to) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
        for (size, target) in [(10, from.path()), (3 << 20, from.path()), (3 << 20, to.path()), (10, to.path())] {
            let mut spool = Spool::new(from.path());
            spool.append(&vec![7; size]).expect("append");
            let file = spool.into_file(target).expect("file");
            file.sync().expect("sync");
            file.rename_to(&target.join("kept")).expect("rename");
            assert_eq!(std::fs::read(target.join("kept")).expect("read"), vec![7; size]);
            assert_eq!(std::fs::read_dir(target).expect("list").count(), 1);
        }
    }
}
