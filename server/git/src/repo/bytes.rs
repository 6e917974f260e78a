//! The content of an immutable file: read when small, mapped when large.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

/// Files up to this size are read: a map costs a page table, a place in the process's limited number of maps and at
/// least one page, and the packs of a push are smaller than that.
const HEAP_BYTES_MAX: u64 = 32 << 10;

/// All bytes of a file that nobody changes in place.
pub enum FileBytes {
    /// Read into memory.
    Heap(Box<[u8]>),
    /// Mapped; the file may be unlinked meanwhile.
    Mapped(memmap2::Mmap),
}

impl FileBytes {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// What the disk says; `NotFound` when the file is not there (any more).
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        if bytes <= HEAP_BYTES_MAX {
            let mut content = Vec::with_capacity(bytes as usize);
            file.by_ref().take(HEAP_BYTES_MAX + 1).read_to_end(&mut content)?;
            return Ok(Self::Heap(content.into_boxed_slice()));
        }
        // The one map in this crate. A mapped slice is sound as long as nobody changes or truncates the file. Packs and
        // their indexes are immutable: they are written under another name, synced and renamed into place, and they go
        // only by being unlinked, after which the map still holds their bytes. Nothing in this workspace opens one for
        // writing, and no client's bytes are ever written to an existing file of that name.
        #[allow(unsafe_code)]
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Self::Mapped(map))
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}
