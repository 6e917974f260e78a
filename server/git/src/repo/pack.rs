//! One pack: an index and its data, both immutable once they have their name.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use gix_pack::index;

use super::bytes::FileBytes;
use super::inflate;
use crate::objects::ObjectError;

/// Bytes of the checksum at the end of a pack.
const TRAILER_BYTES: usize = 20;
/// Bytes before the first entry.
const HEADER_BYTES: u64 = 12;

/// How an entry of a pack holds its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Whole.
    Whole(Kind),
    /// As a delta against the entry at this offset of the same pack, which is smaller than the entry's own.
    OffsetDelta(u64),
    /// As a delta against this object.
    RefDelta(ObjectId),
}

/// The start of one entry of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// How it holds its object.
    pub kind: EntryKind,
    /// Inflated bytes: of the object, or of the delta.
    pub size_bytes: u64,
    /// Where the compressed bytes begin, from the start of the pack.
    pub data_at: u64,
}

/// An entry as it lies in its pack, to be copied into another without being inflated.
#[derive(Clone, Copy, Debug)]
pub struct RawEntry<'a> {
    /// How it holds its object; the base of a delta is always given by id.
    pub kind: RawKind,
    /// Inflated bytes: of the object, or of the delta.
    pub size_bytes: u64,
    /// The zlib stream, whose checksum in the index was found right where the index has one.
    pub compressed: &'a [u8],
    /// Where it begins, from the start of the pack.
    pub data_at: usize,
}

/// See [`RawEntry::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawKind {
    /// Whole.
    Whole(Kind),
    /// As a delta against this object.
    Delta(ObjectId),
}

/// An opened pack. Its files may be unlinked while it is held.
///
/// Opening the data is put off until an object is read: most packs of a repository are only ever asked whether they
/// have an object.
pub struct Pack {
    /// Differs for every pack opened by this process: the key of caches.
    pub(super) serial: u64,
    pub(super) index: index::File<FileBytes>,
    pub(super) modified: SystemTime,
    data_path: PathBuf,
    data: OnceLock<FileBytes>,
    /// Offset and position in the index of each entry, by offset.
    by_offset: OnceLock<Box<[(u64, u32)]>>,
}

impl Pack {
    /// Opens the pack whose index is at `index_path`. Every pack that is ever read comes through here.
    ///
    /// # Errors
    /// [`ObjectError::Io`] when the index cannot be opened, [`ObjectError::Damaged`] when it is not one.
    pub fn open(index_path: &Path) -> Result<Self, ObjectError> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let io = |source| ObjectError::Io { path: index_path.to_owned(), source };
        let modified = std::fs::metadata(index_path).and_then(|meta| meta.modified()).map_err(io)?;
        let bytes = FileBytes::open(index_path).map_err(io)?;
        let index = index::File::from_data(bytes, index_path.to_owned(), gix_hash::Kind::Sha1)
            .map_err(|error| damaged(gix_hash::Kind::Sha1.null_ref(), index_path, error.to_string()))?;
        Ok(Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            index,
            modified,
            data_path: index_path.with_extension("pack"),
            data: OnceLock::new(),
            by_offset: OnceLock::new(),
        })
    }

    /// Where its data lies, or lay.
    pub fn path(&self) -> &Path {
        &self.data_path
    }

    /// When it was written, by its index.
    pub fn modified(&self) -> SystemTime {
        self.modified
    }

    /// How many objects it holds.
    pub fn objects(&self) -> u32 {
        self.index.num_objects()
    }

    /// The id of the object at `position` of the index. `position` is below [`Pack::objects`].
    pub fn id_at(&self, position: u32) -> ObjectId {
        self.index.oid_at_index(position).to_owned()
    }

    /// The place of `id` in the index.
    pub fn position_of(&self, id: &oid) -> Option<u32> {
        self.index.lookup(id)
    }

    /// Where the entry at `position` of the index begins in the data.
    pub fn offset_at(&self, position: u32) -> u64 {
        self.index.pack_offset_at_index(position)
    }

    /// The data, opened and checked against the index at first use.
    ///
    /// # Errors
    /// [`ObjectError::Io`] with `NotFound` when the pack went away before it was read for the first time.
    pub(crate) fn data(&self) -> Result<&[u8], ObjectError> {
        if let Some(data) = self.data.get() {
            return Ok(data);
        }
        let data = FileBytes::open(&self.data_path)
            .map_err(|source| ObjectError::Io { path: self.data_path.clone(), source })?;
        let objects = self.objects().to_be_bytes();
        let sound = data.len() >= HEADER_BYTES as usize + TRAILER_BYTES
            && data[..4] == *b"PACK"
            && matches!(data[4..8], [0, 0, 0, 2 | 3])
            && data[8..12] == objects
            && data[data.len() - TRAILER_BYTES..] == *self.index.pack_checksum().as_bytes();
        if !sound {
            return Err(self.damaged(gix_hash::Kind::Sha1.null_ref(), "the pack is not the one of its index"));
        }
        Ok(self.data.get_or_init(|| data))
    }

    /// Reads the start of the entry at `offset`.
    ///
    /// # Errors
    /// [`ObjectError`]; `id` is only for its words.
    pub(super) fn entry(&self, id: &oid, offset: u64) -> Result<EntryHeader, ObjectError> {
        parse(self.data()?, offset).map_err(|reason| self.damaged(id, reason))
    }

    /// Inflates the `size_bytes` of the entry whose compressed data begins at `data_at`.
    pub(super) fn inflate(&self, id: &oid, header: &EntryHeader, out: &mut Vec<u8>) -> Result<(), ObjectError> {
        let compressed = self.compressed_from(header.data_at)?;
        let start = out.len();
        out.resize(start + header.size_bytes as usize, 0);
        inflate::exact(compressed, &mut out[start..]).map_err(|reason| self.damaged(id, reason))?;
        Ok(())
    }

    /// The data from `data_at` on, without the checksum of the pack.
    pub(super) fn compressed_from(&self, data_at: u64) -> Result<&[u8], ObjectError> {
        let data = self.data()?;
        let end = data.len() - TRAILER_BYTES;
        Ok(data.get(data_at as usize..end).unwrap_or_default())
    }

    /// The entry at `position` of the index as it lies in the pack.
    ///
    /// # Errors
    /// [`ObjectError::Damaged`] when its bytes are not those that were indexed.
    pub fn raw_entry(&self, position: u32) -> Result<RawEntry<'_>, ObjectError> {
        let id = self.id_at(position);
        let offset = self.offset_at(position);
        let header = self.entry(&id, offset)?;
        let data = self.data()?;
        let table = self.by_offset();
        let end = self.end_of(offset)? as usize;
        let whole = data
            .get(offset as usize..end)
            .filter(|_| header.data_at as usize <= end)
            .ok_or_else(|| self.damaged(&id, "its entry overlaps the next one"))?;
        // A pack on disk may rot; what is copied unseen is checked here, where it costs a tenth of inflating it.
        if self.index.crc32_at_index(position).is_some_and(|crc| crc != crc32fast::hash(whole)) {
            return Err(self.damaged(&id, "its bytes do not have the checksum that the index holds"));
        }
        let kind = match header.kind {
            EntryKind::Whole(kind) => RawKind::Whole(kind),
            EntryKind::RefDelta(base) => RawKind::Delta(base),
            EntryKind::OffsetDelta(base) => {
                let at = table
                    .binary_search_by_key(&base, |(start, _)| *start)
                    .map_err(|_| self.damaged(&id, "its delta base is not an entry"))?;
                RawKind::Delta(self.id_at(table[at].1))
            }
        };
        let compressed = &whole[(header.data_at - offset) as usize..];
        Ok(RawEntry { kind, size_bytes: header.size_bytes, compressed, data_at: header.data_at as usize })
    }

    /// How many bytes the entry at `position` of the index takes.
    ///
    /// # Errors
    /// As [`Pack::raw_entry`], but nothing of the entry is read.
    pub fn entry_bytes(&self, position: u32) -> Result<u64, ObjectError> {
        let offset = self.offset_at(position);
        Ok(self.end_of(offset)?.saturating_sub(offset))
    }

    /// Where the entry after the one at `offset` begins.
    fn end_of(&self, offset: u64) -> Result<u64, ObjectError> {
        let table = self.by_offset();
        let next = table.partition_point(|(start, _)| *start <= offset);
        match table.get(next) {
            Some((start, _)) => Ok(*start),
            None => Ok((self.data()?.len() - TRAILER_BYTES) as u64),
        }
    }

    fn by_offset(&self) -> &[(u64, u32)] {
        self.by_offset.get_or_init(|| {
            let mut table: Vec<_> = (0..self.objects()).map(|at| (self.offset_at(at), at)).collect();
            table.sort_unstable();
            table.into_boxed_slice()
        })
    }

    pub(super) fn damaged(&self, id: &oid, reason: impl Into<String>) -> ObjectError {
        damaged(id, &self.data_path, reason.into())
    }
}

fn damaged(id: &oid, path: &Path, reason: String) -> ObjectError {
    ObjectError::Damaged { id: id.to_owned(), path: path.to_owned(), reason }
}

/// Reads the start of the entry at `offset` of `data`, a whole pack.
fn parse(data: &[u8], offset: u64) -> Result<EntryHeader, &'static str> {
    const CUT: &str = "its entry is cut off";
    let end = data.len() - TRAILER_BYTES;
    let start = usize::try_from(offset).ok().filter(|at| *at >= HEADER_BYTES as usize && *at < end);
    let start = start.ok_or("its offset is outside the pack")?;
    let entry = &data[start..end];
    let first = entry[0];
    let mut size_bytes = u64::from(first & 15);
    let mut at = 1;
    let mut more = first & 0x80 != 0;
    let mut shift = 4;
    while more {
        let byte = *entry.get(at).ok_or(CUT)?;
        let part = u64::from(byte & 0x7f);
        if shift > 63 || (part << shift) >> shift != part {
            return Err("its size does not fit 64 bits");
        }
        size_bytes |= part << shift;
        shift += 7;
        at += 1;
        more = byte & 0x80 != 0;
    }
    let kind = match (first >> 4) & 7 {
        1 => EntryKind::Whole(Kind::Commit),
        2 => EntryKind::Whole(Kind::Tree),
        3 => EntryKind::Whole(Kind::Blob),
        4 => EntryKind::Whole(Kind::Tag),
        6 => {
            let mut byte = *entry.get(at).ok_or(CUT)?;
            at += 1;
            let mut distance = u64::from(byte & 0x7f);
            while byte & 0x80 != 0 {
                byte = *entry.get(at).ok_or(CUT)?;
                at += 1;
                distance = distance
                    .checked_add(1)
                    .and_then(|value| value.checked_mul(128))
                    .ok_or("its base lies before the pack")?
                    | u64::from(byte & 0x7f);
            }
            let base = offset.checked_sub(distance).filter(|base| distance > 0 && *base >= HEADER_BYTES);
            EntryKind::OffsetDelta(base.ok_or("its base lies before the pack")?)
        }
        7 => {
            let bytes = entry.get(at..at + 20).ok_or(CUT)?;
            at += 20;
            EntryKind::RefDelta(ObjectId::from_bytes_or_panic(bytes))
        }
        _ => return Err("its entry has a type that does not exist"),
    };
    Ok(EntryHeader { kind, size_bytes, data_at: (start + at) as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_are_read_as_git_writes_them() {
        let mut pack = vec![0; 12];
        pack.extend_from_slice(&[0xb5, 0x0a, 0xe3, 0x01, 0x80, 0x00]);
        pack.extend_from_slice(&[0; 200]);
        assert_eq!(
            parse(&pack, 12),
            Ok(EntryHeader { kind: EntryKind::Whole(Kind::Blob), size_bytes: 0xa5, data_at: 14 })
        );
        assert_eq!(parse(&pack, 14), Err("its base lies before the pack"), "a distance of 128 from 14");
        assert_eq!(parse(&pack, 11), Err("its offset is outside the pack"));
        assert_eq!(parse(&pack, 4_000), Err("its offset is outside the pack"));
        assert_eq!(parse(&pack, 18), Err("its entry has a type that does not exist"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 32..80), offset in any::<u64>()) {
            let _ = parse(&bytes, offset);
            if let Ok(header) = parse(&bytes, 12) {
                prop_assert!(header.data_at as usize <= bytes.len() - TRAILER_BYTES);
            }
        }
    }
}
