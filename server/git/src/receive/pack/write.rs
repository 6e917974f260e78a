//! The pack that is kept, and its index.
//!
//! Source: gitformat-pack(5), "Version 2 pack-*.idx files".

use std::io;
use std::path::Path;

use gix_hash::ObjectId;

use super::entry::{Form, HEADER_BYTES_MAX, Header, write_header};
use super::error::ReceiveError;
use super::scan::{Entry, NONE};
use super::spool::Spool;

/// A complete pack: its spool ends in its checksum.
pub(crate) struct Sealed {
    /// The pack's bytes.
    pub spool: Spool,
    /// The pack's checksum.
    pub checksum: [u8; 20],
    /// The index.
    pub index: Vec<u8>,
}

/// What the index says of one entry.
#[derive(Clone, Copy)]
struct Row {
    id: ObjectId,
    crc: u32,
    offset: u64,
}

/// Writes a pack, entry by entry.
pub(crate) struct PackWriter {
    out: Spool,
    rows: Vec<Row>,
    header: Vec<u8>,
    crc: crc32fast::Hasher,
}

impl PackWriter {
    /// Begins a pack of `objects` entries, which waits in `folder` should it grow large.
    ///
    /// # Errors
    /// When the spool cannot be written; so for the other functions.
    pub fn new(folder: &Path, objects: usize) -> io::Result<Self> {
        let mut out = Spool::new(folder);
        out.append(b"PACK\0\0\0\x02")?;
        out.append(&(objects as u32).to_be_bytes())?;
        let (rows, header) = (Vec::with_capacity(objects), Vec::with_capacity(HEADER_BYTES_MAX));
        Ok(Self { out, rows, header, crc: crc32fast::Hasher::new() })
    }

    /// Where the next entry begins.
    pub fn offset(&self) -> u64 {
        self.out.len()
    }

    /// Begins the entry of `id`, whose stream has `size` bytes when inflated.
    pub fn begin(&mut self, id: ObjectId, form: Form, size: u64) -> io::Result<()> {
        self.rows.push(Row { id, crc: 0, offset: self.out.len() });
        self.header.clear();
        write_header(&mut self.header, &Header { form, size });
        self.crc.update(&self.header);
        self.out.append(&self.header)
    }

    /// Appends bytes of the entry's zlib stream.
    pub fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.out.append(bytes)
    }

    /// Ends the entry.
    pub fn end(&mut self) {
        let crc = std::mem::take(&mut self.crc).finalize();
        if let Some(row) = self.rows.last_mut() {
            row.crc = crc;
        }
    }

    /// Completes the pack. As many entries were written as announced.
    pub fn finish(mut self) -> io::Result<Sealed> {
        let checksum = checksum(&mut self.out)?;
        complete(self.out, checksum, self.rows)
    }
}

/// Makes a complete pack of the entries for which `keep` holds, in their order.
///
/// `stands_for` gives the entry that is kept in place of one with the same id. `content` reads an object; it is asked
/// only for deltas whose base is not kept.
pub(crate) fn seal(
    folder: &Path,
    from: &Spool,
    entries: &[Entry],
    keep: &[bool],
    stands_for: impl Fn(u32) -> u32,
    mut content: impl FnMut(u32) -> Result<Vec<u8>, ReceiveError>,
) -> Result<Sealed, ReceiveError> {
    let disk = |source| ReceiveError::Spool { source };
    let kept = keep.iter().filter(|kept| **kept).count();
    let mut out = PackWriter::new(folder, kept).map_err(disk)?;
    let mut offsets = vec![0u64; entries.len()];
    let mut buffer = vec![0; 16 << 10];
    for (number, entry) in entries.iter().enumerate().filter(|(number, _)| keep[*number]) {
        let offset = out.offset();
        offsets[number] = offset;
        let form = match entry.base {
            NONE => Form::Whole(entry.kind),
            base => {
                let base = stands_for(base) as usize;
                match (keep[base], offsets[base]) {
                    (false, _) => {
                        let bytes = content(number as u32)?;
                        let mut stream = Vec::new();
                        super::deflate(&bytes, &mut stream);
                        out.begin(entry.id, Form::Whole(entry.kind), bytes.len() as u64).map_err(disk)?;
                        out.data(&stream).map_err(disk)?;
                        out.end();
                        continue;
                    }
                    (true, 0) => Form::RefDelta(entries[base].id),
                    (true, at) => Form::OfsDelta(offset - at),
                }
            }
        };
        out.begin(entry.id, form, entry.stream_bytes).map_err(disk)?;
        let mut at = entry.offset + u64::from(entry.header_bytes);
        let end = entries.get(number + 1).map_or(from.len(), |next| next.offset);
        while at < end {
            let chunk = from.chunk(at, end, &mut buffer).map_err(disk)?;
            out.data(chunk).map_err(disk)?;
            at += chunk.len() as u64;
        }
        out.end();
    }
    out.finish().map_err(disk)
}

/// Completes a spool whose bytes are the pack already.
pub(in crate::receive) fn finish(spool: Spool, checksum: [u8; 20], entries: &[Entry]) -> io::Result<Sealed> {
    let rows = entries.iter().map(|entry| Row { id: entry.id, crc: entry.crc, offset: entry.offset }).collect();
    complete(spool, checksum, rows)
}

fn complete(mut spool: Spool, checksum: [u8; 20], mut rows: Vec<Row>) -> io::Result<Sealed> {
    spool.append(&checksum)?;
    spool.flush()?;
    rows.sort_unstable_by_key(|row| row.id);
    let index = index_bytes(&rows, &checksum);
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
    let mut out = [0; 20];
    out.copy_from_slice(context.finish().as_ref());
    Ok(out)
}

/// The index, version 2, of a pack with this checksum. `rows` are sorted by id, each id once.
fn index_bytes(rows: &[Row], pack_checksum: &[u8; 20]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + 1024 + rows.len() * 28 + 40);
    out.extend_from_slice(b"\xfftOc\0\0\0\x02");
    let mut fan = [0u32; 256];
    for row in rows {
        fan[usize::from(row.id.first_byte())] += 1;
    }
    let mut sum = 0;
    for count in fan {
        sum += count;
        out.extend_from_slice(&sum.to_be_bytes());
    }
    for row in rows {
        out.extend_from_slice(row.id.as_bytes());
    }
    for row in rows {
        out.extend_from_slice(&row.crc.to_be_bytes());
    }
    // Offsets of 31 bits stand in the table itself, larger ones in a second table.
    let mut large: Vec<u64> = Vec::new();
    for row in rows {
        let short = u32::try_from(row.offset).ok().filter(|offset| offset >> 31 == 0);
        let word = short.unwrap_or_else(|| {
            large.push(row.offset);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_offsets_stand_in_a_table_of_their_own() {
        let row = |byte: u8, offset| Row { id: ObjectId::Sha1([byte; 20]), crc: u32::from(byte), offset };
        let rows = [row(1, 12), row(2, (1 << 31) - 1), row(3, 1 << 31), row(4, 1 << 40)];
        let bytes = index_bytes(&rows, &[9; 20]);
        let index = gix_pack::index::File::from_data(bytes, "x.idx".into(), gix_hash::Kind::Sha1).expect("an index");
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(index.pack_offset_at_index(at as u32), row.offset);
            assert_eq!(index.crc32_at_index(at as u32), Some(row.crc));
            assert_eq!(index.lookup(row.id), Some(at as u32));
        }
        assert_eq!(index.pack_checksum(), ObjectId::Sha1([9; 20]));
    }
}
