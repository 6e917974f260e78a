//! The pack that is kept, and its index.
//!
//! Source: gitformat-pack(5), "Version 2 pack-*.idx files".

use std::io;
use std::path::Path;

use super::entry::{Form, HEADER_BYTES_MAX, Header, write_header};
use super::error::ReceiveError;
use super::resolve::append_whole;
use super::scan::{Entry, NONE};
use super::spool::Spool;

/// A complete pack: its spool ends in its checksum.
pub(in crate::receive) struct Sealed {
    /// The pack's bytes.
    pub spool: Spool,
    /// The pack's checksum.
    pub checksum: [u8; 20],
    /// The index.
    pub index: Vec<u8>,
}

/// Makes a complete pack of the entries for which `keep` holds, in their order.
///
/// `stands_for` gives the entry that is kept in place of one with the same id. `content` reads an object; it is asked only for
/// deltas whose base is not kept.
pub(in crate::receive) fn seal(
    folder: &Path,
    from: &Spool,
    entries: &[Entry],
    keep: &[bool],
    stands_for: impl Fn(u32) -> u32,
    mut content: impl FnMut(u32) -> Result<Vec<u8>, ReceiveError>,
) -> Result<Sealed, ReceiveError> {
    let disk = |source| ReceiveError::Spool { source };
    let mut out = Spool::new(folder);
    let kept = keep.iter().filter(|kept| **kept).count();
    let mut table: Vec<Entry> = Vec::with_capacity(kept);
    let mut offsets = vec![0u64; entries.len()];
    out.append(b"PACK\0\0\0\x02").map_err(disk)?;
    out.append(&(kept as u32).to_be_bytes()).map_err(disk)?;
    let mut buffer = vec![0; 16 << 10];
    for (number, entry) in entries.iter().enumerate().filter(|(number, _)| keep[*number]) {
        let offset = out.len();
        offsets[number] = offset;
        let form = match entry.base {
            NONE => Form::Whole(entry.kind),
            base => {
                let base = stands_for(base) as usize;
                match (keep[base], offsets[base]) {
                    (false, _) => {
                        let whole = append_whole(&mut out, entry.id, entry.kind, &content(number as u32)?);
                        table.push(whole.map_err(disk)?);
                        continue;
                    }
                    (true, 0) => Form::RefDelta(entries[base].id),
                    (true, at) => Form::OfsDelta(offset - at),
                }
            }
        };
        let mut header = Vec::with_capacity(HEADER_BYTES_MAX);
        write_header(&mut header, &Header { form, size: entry.stream_bytes });
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header);
        out.append(&header).map_err(disk)?;
        let mut at = entry.offset + u64::from(entry.header_bytes);
        let end = entries.get(number + 1).map_or(from.len(), |next| next.offset);
        while at < end {
            let chunk = from.chunk(at, end, &mut buffer).map_err(disk)?;
            crc.update(chunk);
            out.append(chunk).map_err(disk)?;
            at += chunk.len() as u64;
        }
        table.push(Entry { offset, crc: crc.finalize(), ..entry.clone() });
    }
    let checksum = checksum(&mut out).map_err(disk)?;
    finish(out, checksum, &table).map_err(disk)
}

/// Completes a spool whose bytes are the pack already.
pub(in crate::receive) fn finish(mut spool: Spool, checksum: [u8; 20], entries: &[Entry]) -> io::Result<Sealed> {
    spool.append(&checksum)?;
    spool.flush()?;
    let mut order: Vec<u32> = (0..entries.len() as u32).collect();
    order.sort_unstable_by_key(|number| entries[*number as usize].id);
    let index = index_bytes(order.iter().map(|number| &entries[*number as usize]), &checksum);
    Ok(Sealed { spool, checksum, index })
}

fn checksum(spool: &mut Spool) -> io::Result<[u8; 20]> {
    spool.flush()?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    while at < spool.len() {
        let chunk = spool.chunk(at, spool.len(), &mut buffer)?;
        context.update(chunk);
        at += chunk.len() as u64;
    }
    Ok(sha1(context))
}

fn sha1(context: ring::digest::Context) -> [u8; 20] {
    let mut out = [0; 20];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// The index, version 2, of a pack with this checksum. `entries` come sorted by id, each id once.
pub(super) fn index_bytes<'a>(
    entries: impl ExactSizeIterator<Item = &'a Entry> + Clone,
    pack_checksum: &[u8; 20],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + 1024 + entries.len() * 28 + 40);
    out.extend_from_slice(b"\xfftOc\0\0\0\x02");
    let mut fan = [0u32; 256];
    for entry in entries.clone() {
        fan[usize::from(entry.id.first_byte())] += 1;
    }
    let mut sum = 0;
    for count in fan {
        sum += count;
        out.extend_from_slice(&sum.to_be_bytes());
    }
    for entry in entries.clone() {
        out.extend_from_slice(entry.id.as_bytes());
    }
    for entry in entries.clone() {
        out.extend_from_slice(&entry.crc.to_be_bytes());
    }
    // Offsets of 31 bits stand in the table itself, larger ones in a second table.
    let mut large: Vec<u64> = Vec::new();
    for entry in entries {
        let short = u32::try_from(entry.offset).ok().filter(|offset| offset >> 31 == 0);
        let word = short.unwrap_or_else(|| {
            large.push(entry.offset);
            1 << 31 | (large.len() - 1) as u32
        });
        out.extend_from_slice(&word.to_be_bytes());
    }
    for offset in large {
        out.extend_from_slice(&offset.to_be_bytes());
    }
    out.extend_from_slice(pack_checksum);
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &out);
    out.extend_from_slice(digest.as_ref());
    out
}
