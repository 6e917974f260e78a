//! Decoding objects: chains of deltas resolved step by step within bounds.

use std::sync::Arc;

use gix_hash::oid;
use gix_object::Kind;
use parking_lot::Mutex;

use super::pack::{EntryHeader, EntryKind, Pack};
use super::snapshot::Snapshot;
use super::{RepoOptions, delta, inflate, loose};
use crate::lru::Lru;
use crate::objects::ObjectError;

/// The longest chain of deltas that is followed. git writes at most 50, and cannot write more than 4095.
const CHAIN_MAX: usize = 4_096;
/// What one cached base costs besides its bytes.
const BASE_OVERHEAD_BYTES: usize = 128;

/// A decoded object that deltas build upon.
type Base = (Kind, Arc<[u8]>);

/// Objects that served as bases of deltas, kept because the next delta most often has the same one.
pub struct BaseCache {
    bases: Mutex<Lru<EntryKey, Base>>,
}

/// The serial number of a pack, and an offset in it.
type EntryKey = (u64, u64);

impl BaseCache {
    /// A cache of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bases: Mutex::new(Lru::new(bytes_max)) }
    }

    fn get(&self, pack: &Pack, offset: u64) -> Option<(Kind, Arc<[u8]>)> {
        self.bases.lock().get(&(pack.serial, offset)).cloned()
    }

    fn keep(&self, pack: &Pack, offset: u64, kind: Kind, bytes: &Arc<[u8]>) {
        let weight = bytes.len() + BASE_OVERHEAD_BYTES;
        self.bases.lock().insert((pack.serial, offset), (kind, Arc::clone(bytes)), weight);
    }
}

impl Snapshot {
    /// See [`crate::objects::Objects::read`].
    pub(super) fn read(&self, id: &oid, options: &RepoOptions, out: &mut Vec<u8>) -> Result<Option<Kind>, ObjectError> {
        out.clear();
        if let Some((pack, position)) = self.packed(id) {
            return read_packed(pack, pack.offset_at(position), id, options, out).map(Some);
        }
        for path in self.loose(id) {
            if let Some(kind) = loose::read(&path, id, options.object_bytes_max, out)? {
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }

    /// See [`crate::objects::Objects::header`].
    pub(super) fn header(&self, id: &oid, options: &RepoOptions) -> Result<Option<(Kind, u64)>, ObjectError> {
        if let Some((pack, position)) = self.packed(id) {
            return packed_header(pack, pack.offset_at(position), id, options).map(Some);
        }
        for path in self.loose(id) {
            if let Some(header) = loose::header(&path, id)? {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

/// One delta on the way from an object to the bottom of its chain.
struct Step {
    offset: u64,
    header: EntryHeader,
}

fn read_packed(
    pack: &Pack,
    offset: u64,
    id: &oid,
    options: &RepoOptions,
    out: &mut Vec<u8>,
) -> Result<Kind, ObjectError> {
    let bytes_max = options.object_bytes_max;
    let allowed = |size_bytes: u64| {
        if size_bytes <= bytes_max {
            return Ok(());
        }
        Err(ObjectError::TooLarge { id: id.to_owned(), size_bytes, limit_bytes: bytes_max })
    };

    // Down the chain to a whole object or a base that is still at hand.
    let mut steps: Vec<Step> = Vec::new();
    let mut at = offset;
    let (kind, mut base) = loop {
        if !steps.is_empty()
            && let Some(base) = options.bases.get(pack, at)
        {
            break base;
        }
        let header = pack.entry(id, at)?;
        allowed(header.size_bytes)?;
        match header.kind {
            EntryKind::Whole(kind) if steps.is_empty() => {
                pack.inflate(id, &header, out)?;
                return Ok(kind);
            }
            EntryKind::Whole(kind) => {
                let mut bytes = Vec::new();
                pack.inflate(id, &header, &mut bytes)?;
                let bytes: Arc<[u8]> = bytes.into();
                options.bases.keep(pack, at, kind, &bytes);
                break (kind, bytes);
            }
            EntryKind::OffsetDelta(_) | EntryKind::RefDelta(_) => {
                if steps.len() == CHAIN_MAX {
                    return Err(pack.damaged(id, "its chain of deltas has no end"));
                }
                let next = base_offset(pack, id, &header)?;
                steps.push(Step { offset: at, header });
                at = next;
            }
        }
    };

    // And up again.
    let mut instructions = Vec::new();
    while let Some(step) = steps.pop() {
        instructions.clear();
        pack.inflate(id, &step.header, &mut instructions)?;
        let sizes = delta::sizes(&instructions).map_err(|reason| pack.damaged(id, reason))?;
        allowed(sizes.result_bytes)?;
        if steps.is_empty() {
            delta::apply(&base, &instructions, out).map_err(|reason| pack.damaged(id, reason))?;
        } else {
            let mut bytes = Vec::new();
            delta::apply(&base, &instructions, &mut bytes).map_err(|reason| pack.damaged(id, reason))?;
            base = bytes.into();
            options.bases.keep(pack, step.offset, kind, &base);
        }
    }
    Ok(kind)
}

fn packed_header(pack: &Pack, offset: u64, id: &oid, options: &RepoOptions) -> Result<(Kind, u64), ObjectError> {
    let first = pack.entry(id, offset)?;
    let size_bytes = match first.kind {
        EntryKind::Whole(kind) => return Ok((kind, first.size_bytes)),
        EntryKind::OffsetDelta(_) | EntryKind::RefDelta(_) => {
            let mut start = [0; delta::SIZES_BYTES_MAX];
            let wanted = start.len().min(usize::try_from(first.size_bytes).unwrap_or(usize::MAX));
            let made = inflate::prefix(pack.compressed_from(first.data_at)?, &mut start[..wanted]);
            let sizes = made.and_then(|made| delta::sizes(&start[..made]));
            sizes.map_err(|reason| pack.damaged(id, reason))?.result_bytes
        }
    };
    let mut header = first;
    for _ in 0..CHAIN_MAX {
        let base = base_offset(pack, id, &header)?;
        if let Some((kind, _)) = options.bases.get(pack, base) {
            return Ok((kind, size_bytes));
        }
        header = pack.entry(id, base)?;
        if let EntryKind::Whole(kind) = header.kind {
            return Ok((kind, size_bytes));
        }
    }
    Err(pack.damaged(id, "its chain of deltas has no end"))
}

/// Where the base of the delta with this header begins. Packs on disk hold the bases of all their deltas.
fn base_offset(pack: &Pack, id: &oid, header: &EntryHeader) -> Result<u64, ObjectError> {
    match header.kind {
        EntryKind::OffsetDelta(base) => Ok(base),
        EntryKind::RefDelta(base) => {
            let position = pack.position_of(&base);
            Ok(pack.offset_at(position.ok_or_else(|| pack.damaged(id, "its delta base is not in the pack"))?))
        }
        EntryKind::Whole(_) => Err(pack.damaged(id, "a whole object has no base")),
    }
}
