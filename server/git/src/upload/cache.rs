//! Finished answers, kept in memory and then on disk, both bounded.
//!
//! A key names the state of the visible refs and the request, so an answer never grows stale: it is only forgotten.
//! Whoever looks one up has been allowed to read at that state; the cache knows nobody.

mod disk;

use std::path::PathBuf;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::lru::Lru;
use disk::DiskCache;
pub use disk::{Spool, Spooled};

/// Names one answer: a digest of repository, visible refs and request.
pub type Key = [u8; 32];

/// What one answer in memory costs besides its bytes.
const OVERHEAD_BYTES: usize = 256;

/// Bounds of a [`super::Fetcher`]'s caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// Bytes of answers in memory. 0: none are kept, nothing is shared.
    pub memory_bytes_max: usize,
    /// Answers up to this size are made whole in memory; larger ones are streamed, by way of the folder if there is one.
    pub whole_bytes_max: usize,
    /// A folder of their own for answers on disk. Its content may be deleted at any time.
    pub folder: Option<PathBuf>,
    /// Bytes of answers in that folder.
    pub folder_bytes_max: u64,
    /// Bytes of sets of reachable objects.
    pub reach_bytes_max: usize,
}

impl Default for CacheOptions {
    /// 64 MiB of answers and 32 MiB of sets in memory, nothing on disk.
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            whole_bytes_max: 4 << 20,
            folder: None,
            folder_bytes_max: 1 << 30,
            reach_bytes_max: 32 << 20,
        }
    }
}

/// A finished answer.
#[derive(Clone)]
pub enum Kept {
    /// In memory.
    Whole(Bytes),
    /// In a file.
    File(Spooled),
}

/// See the module.
pub struct AnswerCache {
    memory: Mutex<Lru<Key, Bytes>>,
    enabled: bool,
    disk: Option<DiskCache>,
    whole_bytes_max: usize,
}

impl AnswerCache {
    /// Opens the folder, if there is one; without a usable folder the cache works in memory alone.
    pub fn new(options: &CacheOptions) -> Self {
        let disk = options.folder.as_ref().and_then(|folder| match DiskCache::open(folder, options.folder_bytes_max) {
            Ok(disk) => Some(disk),
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "answers are not kept on disk");
                None
            }
        });
        Self {
            memory: Mutex::new(Lru::new(options.memory_bytes_max)),
            enabled: options.memory_bytes_max > 0,
            disk,
            whole_bytes_max: options.whole_bytes_max,
        }
    }

    /// False when nothing is kept.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// What memory holds. Cheap: never touches the disk.
    pub fn in_memory(&self, key: &Key) -> Option<Bytes> {
        self.memory.lock().get(key).cloned()
    }

    /// What memory or disk holds.
    pub fn get(&self, key: &Key) -> Option<Kept> {
        if let Some(bytes) = self.in_memory(key) {
            return Some(Kept::Whole(bytes));
        }
        let file = self.disk.as_ref()?.get(key)?;
        if file.length() <= self.whole_bytes_max as u64
            && let Ok(bytes) = file.read_all()
        {
            let bytes = Bytes::from(bytes);
            self.keep(*key, &bytes);
            return Some(Kept::Whole(bytes));
        }
        Some(Kept::File(file))
    }

    /// Keeps an answer in memory; what has to leave for it goes to disk.
    pub fn keep(&self, key: Key, bytes: &Bytes) {
        if !self.enabled {
            return;
        }
        let left = self.memory.lock().insert(key, bytes.clone(), bytes.len() + OVERHEAD_BYTES);
        if let Some(disk) = &self.disk {
            for (key, bytes) in left {
                disk.keep(&key, &bytes);
            }
        }
    }

    /// A file for an answer that is too large for memory. `None`: there is no folder, or it cannot be written.
    pub fn spool(&self, key: &Key) -> Option<Spool<'_>> {
        self.disk.as_ref().filter(|_| self.enabled)?.spool(key)
    }
}
