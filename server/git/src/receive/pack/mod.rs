//! Reads packs of strangers: one pass while they arrive, one over their deltas.
//!
//! In: bytes. Out: a spool with the pack and a table of its objects. Holds: every size is checked before memory is
//! taken for it, every object's id was computed by us, nothing takes longer than the deadline.
//!
//! - `source`, `entry`, `inflate`, `delta`: bytes, numbers, streams, instructions.
//! - `scan`: the first pass. `resolve`: the second. `spool`: where the bytes wait.
//! - `write`: the pack that is kept, and its index.

mod delta;
mod entry;
mod error;
mod inflate;
mod resolve;
mod scan;
mod source;
mod spool;
mod write;

use std::io::Read;
use std::path::Path;

use gix_object::Kind;

pub(crate) use entry::Form;
pub use error::ReceiveError;
pub use resolve::Bases;
pub use source::Deadline;

pub(super) use delta::apply as apply_delta;
pub(super) use resolve::{StreamReader, append_whole};
pub(crate) use scan::Entry;
pub(super) use scan::NONE;
pub(crate) use spool::{Spool, SpoolReader};
pub(super) use spool::{TEMPORARY_PREFIX, TemporaryFile, process_mark};
pub(super) use write::finish;
pub(crate) use write::{PackWriter, Sealed, seal};

use crate::limits::ReceiveLimits;
use crate::receive::fsck::Inspector;

/// A pack that was read and checked to its end.
pub(crate) struct Received {
    pub spool: Spool,
    pub entries: Vec<Entry>,
    /// How many of the last entries are bases of a thin pack.
    pub bases: usize,
    /// The pack's own checksum, when nothing was appended to it.
    pub checksum: Option<[u8; 20]>,
}

/// Reads and resolves the pack that `reader` gives to its end, and shows its objects to `inspector`.
///
/// # Errors
/// [`ReceiveError`].
pub(crate) fn read(
    reader: impl Read,
    limits: &ReceiveLimits,
    deadline: Deadline,
    bases: &mut Bases<'_>,
    mut inspector: Inspector<'_>,
    folder: &Path,
) -> Result<Received, ReceiveError> {
    let mut scanned = scan::scan(reader, limits, folder, deadline, &mut inspector)?;
    let bases = resolve::resolve(&mut scanned, limits, deadline, bases, &mut inspector)?;
    let faults = inspector.finish();
    if !faults.is_empty() {
        return Err(ReceiveError::Objects(faults));
    }
    let checksum = Some(scanned.checksum).filter(|_| bases == 0);
    Ok(Received { spool: scanned.spool, entries: scanned.entries, bases, checksum })
}

/// The limit for commits, trees and tags, which are looked at whole: 1 MiB, or what the largest tree may need.
pub(super) fn meta_bytes_max(limits: &ReceiveLimits) -> u64 {
    let entry_bytes = limits.path_bytes_max as u64 + 32;
    (limits.tree_entries_max as u64).saturating_mul(entry_bytes).max(1 << 20)
}

/// A hasher, collision-detecting as git's own, that has seen an object's header.
pub(super) fn object_hasher(kind: Kind, size: u64) -> gix_hash::Hasher {
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    hasher.update(&gix_object::encode::loose_header(kind, size));
    hasher
}

/// Appends `content` as a zlib stream.
pub(super) fn deflate(content: &[u8], out: &mut Vec<u8>) {
    use flate2::{Compress, Compression, FlushCompress, Status};
    let mut state = Compress::new(Compression::default(), true);
    loop {
        out.reserve(content.len() / 2 + 64);
        let rest = &content[state.total_in() as usize..];
        match state.compress_vec(rest, out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => return,
            Ok(_) => {}
            Err(_) => unreachable!("deflating from memory to memory does not fail"),
        }
    }
}
