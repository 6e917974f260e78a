//! Writing the pack of an answer: entries are copied as they lie in the repository's packs wherever they can be.
//!
//! Source: gitformat-pack(5).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};
use gix_hash::ObjectId;
use gix_object::Kind;
use ring::digest;

use super::commits::{damaged, missing};
use super::deadline::Deadline;
use super::fetch::FetchError;
use super::frame::Frame;
use super::request::FetchRequest;
use super::select::Selection;
use crate::ids::{IdMap, IdSet};
use crate::objects::{ObjectError, Objects};
use crate::repo::{RawKind, Repo, Snapshot};

/// Bytes of one chunk of a stream, about.
const CHUNK_BYTES: usize = 64 << 10;
/// Longer chains of deltas are cut by a whole object: copied chains of several packs may add up, and clients walk them.
const CHAIN_MAX: u16 = 250;
/// The number of a pack that stands for "in none".
const NOWHERE: u32 = u32::MAX;

/// One object on its way into the pack.
struct Planned {
    id: ObjectId,
    pack: u32,
    position: u32,
    /// Where its entry begins in the new pack; 0: not written yet.
    offset: u64,
    /// Deltas between it and a whole object.
    depth: u16,
    /// Waits for its base to be written.
    waits: bool,
}

/// An entry that is being written.
enum Body {
    Copied { pack: u32, range: Range<usize> },
    Made(Vec<u8>),
}

/// The answer to a fetch as chunks of bytes, made as they are taken.
///
/// Memory does not grow with the pack: besides the list of its objects there is one chunk and at most one object. The
/// files that it reads may be unlinked meanwhile. After an error the stream is at its end, and so must the answer be:
/// what was sent is no whole pack.
pub struct PackStream {
    repo: Arc<Repo>,
    snapshot: Arc<Snapshot>,
    planned: Vec<Planned>,
    places: IdMap<u32>,
    /// Bases that a thin pack may leave out.
    at_client: IdSet,
    ofs_delta: bool,
    progress: bool,
    deadline: Deadline,
    next: usize,
    stack: Vec<u32>,
    body: Option<(Body, usize)>,
    frame: Frame,
    hasher: digest::Context,
    /// Bytes of the pack so far.
    written: u64,
    deltas: usize,
    deflater: Option<Compress>,
    stored_bytes: u64,
    ended: bool,
}

impl PackStream {
    /// Plans the pack of `selection`; `frame` holds what comes before it. All files are opened here.
    ///
    /// # Errors
    /// [`FetchError::Store`] and [`FetchError::Missing`].
    pub(super) fn new(
        repo: Arc<Repo>,
        selection: Selection,
        request: &FetchRequest,
        mut frame: Frame,
        deadline: Deadline,
    ) -> Result<Self, FetchError> {
        let (snapshot, planned, stored_bytes) = plan(&repo, &selection.objects)?;
        let places = planned.iter().enumerate().map(|(at, object)| (object.id, at as u32)).collect();
        // A client that filters may lack blobs of commits that it has.
        let thin = request.thin_pack && request.filter.is_none();
        let progress = !request.no_progress;
        if progress {
            frame.progress(&format!("Enumerating objects: {}, done.\n", planned.len()));
        }
        let mut stream = Self {
            repo,
            snapshot,
            places,
            at_client: if thin { selection.at_client } else { IdSet::default() },
            ofs_delta: request.ofs_delta,
            progress,
            deadline,
            next: 0,
            stack: Vec::new(),
            body: None,
            frame,
            hasher: digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            written: 0,
            deltas: 0,
            deflater: None,
            stored_bytes,
            ended: false,
            planned,
        };
        let mut header = *b"PACK\0\0\0\x02\0\0\0\0";
        header[8..].copy_from_slice(&(stream.planned.len() as u32).to_be_bytes());
        stream.put(&header);
        Ok(stream)
    }

    /// How many bytes the answer will have, about: what its objects take on disk.
    pub fn bytes_expected(&self) -> u64 {
        self.stored_bytes + self.frame.len() as u64 + 64
    }

    /// How many objects the pack has.
    pub fn objects(&self) -> usize {
        self.planned.len()
    }

    /// Makes the whole answer at once.
    pub(super) fn into_bytes(mut self) -> Result<Bytes, FetchError> {
        self.frame.reserve(self.stored_bytes as usize + 256);
        self.fill(usize::MAX)?;
        Ok(self.frame.take().into())
    }

    /// Goes on until the frame has `enough` bytes or all is written.
    fn fill(&mut self, enough: usize) -> Result<(), FetchError> {
        while !self.ended && self.frame.len() < enough {
            if let Some((body, at)) = self.body.take() {
                self.put_body(body, at)?;
            } else if self.next < self.planned.len() || !self.stack.is_empty() {
                self.deadline.step()?;
                self.begin_entry()?;
            } else {
                let checksum = self.hasher.clone().finish();
                self.frame.data(checksum.as_ref());
                if self.progress {
                    let (total, deltas) = (self.planned.len(), self.deltas);
                    self.frame.progress(&format!("Total {total} (delta {deltas})\n"));
                }
                self.frame.end();
                self.ended = true;
            }
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.frame.data(bytes);
        self.written += bytes.len() as u64;
    }

    /// Writes a part of the body of an entry, from `at` on.
    fn put_body(&mut self, body: Body, at: usize) -> Result<(), FetchError> {
        let bytes = match &body {
            Body::Copied { pack, range } => {
                let data = self.snapshot.packs[*pack as usize].data()?;
                data.get(range.clone()).unwrap_or_default()
            }
            Body::Made(bytes) => bytes,
        };
        let end = bytes.len().min(at + CHUNK_BYTES);
        let part = &bytes[at..end];
        self.hasher.update(part);
        self.frame.data(part);
        self.written += part.len() as u64;
        if end < bytes.len() {
            self.body = Some((body, end));
        }
        Ok(())
    }

    /// Writes the header of the next entry and sets its body. Bases go before the deltas that rest on them.
    fn begin_entry(&mut self) -> Result<(), FetchError> {
        let at = match self.stack.last() {
            Some(at) => *at,
            None => {
                let at = self.next as u32;
                self.next += 1;
                self.stack.push(at);
                at
            }
        };
        let object = &self.planned[at as usize];
        if object.offset != 0 {
            self.stack.pop();
            return Ok(());
        }
        let (id, pack_number) = (object.id, object.pack);
        if pack_number != NOWHERE {
            let snapshot = Arc::clone(&self.snapshot);
            let raw = snapshot.packs[pack_number as usize].raw_entry(object.position)?;
            let range = raw.data_at..raw.data_at + raw.compressed.len();
            let body = Body::Copied { pack: pack_number, range };
            match raw.kind {
                RawKind::Whole(kind) => {
                    self.start(at, kind_code(kind), raw.size_bytes, &[], body);
                    return Ok(());
                }
                RawKind::Delta(base) => match self.places.get(&base).copied() {
                    Some(base_at) => {
                        let base_object = &self.planned[base_at as usize];
                        let (offset, depth) = (base_object.offset, base_object.depth);
                        // Deltas of different packs may rest on each other in a circle.
                        if offset == 0 && !base_object.waits && base_at != at {
                            self.planned[at as usize].waits = true;
                            self.stack.push(base_at);
                            return Ok(());
                        }
                        if offset != 0 && depth < CHAIN_MAX {
                            self.planned[at as usize].depth = depth + 1;
                            self.deltas += 1;
                            if self.ofs_delta {
                                let distance = encode_distance(self.written - offset);
                                self.start(at, 6, raw.size_bytes, &distance, body);
                            } else {
                                self.start(at, 7, raw.size_bytes, base.as_bytes(), body);
                            }
                            return Ok(());
                        }
                    }
                    None if self.at_client.contains(&base) => {
                        self.planned[at as usize].depth = 1;
                        self.deltas += 1;
                        self.start(at, 7, raw.size_bytes, base.as_bytes(), body);
                        return Ok(());
                    }
                    None => {}
                },
            }
        }
        let mut content = Vec::new();
        let kind = self.repo.read(&id, &mut content)?.ok_or_else(|| missing(&self.repo, &id))?;
        let size = content.len() as u64;
        let compressed = self.deflate(&id, &content)?;
        self.start(at, kind_code(kind), size, &[], Body::Made(compressed));
        Ok(())
    }

    fn start(&mut self, at: u32, code: u8, size_bytes: u64, base: &[u8], body: Body) {
        self.stack.pop();
        let object = &mut self.planned[at as usize];
        object.offset = self.written;
        object.waits = false;
        let mut header = [0; 32];
        let length = encode_header(code, size_bytes, &mut header);
        header[length..length + base.len()].copy_from_slice(base);
        self.put(&header[..length + base.len()]);
        self.body = Some((body, 0));
    }

    fn deflate(&mut self, id: &ObjectId, content: &[u8]) -> Result<Vec<u8>, FetchError> {
        let deflater = self.deflater.get_or_insert_with(|| Compress::new(Compression::default(), true));
        deflater.reset();
        let mut out = Vec::with_capacity(content.len() / 2 + 64);
        loop {
            let taken = deflater.total_in() as usize;
            let status = deflater.compress_vec(&content[taken..], &mut out, FlushCompress::Finish);
            match status {
                Ok(Status::StreamEnd) => return Ok(out),
                Ok(_) => out.reserve(out.capacity().max(64)),
                Err(_) => return Err(damaged(&self.repo, id, "it could not be compressed")),
            }
        }
    }
}

impl Iterator for PackStream {
    type Item = Result<Bytes, FetchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended && self.frame.len() == 0 {
            return None;
        }
        match self.fill(CHUNK_BYTES) {
            Ok(()) => Some(Ok(self.frame.take().into())),
            Err(error) => {
                self.ended = true;
                self.frame.take();
                Some(Err(error))
            }
        }
    }
}

/// Finds every object in the packs and opens these, so that nothing that happens on disk later can take them away.
fn plan(repo: &Repo, objects: &[ObjectId]) -> Result<(Arc<Snapshot>, Vec<Planned>, u64), FetchError> {
    for _ in 0..4 {
        let snapshot = repo.snapshot();
        match plan_with(&snapshot, objects) {
            Ok((planned, bytes)) => return Ok((snapshot, planned, bytes)),
            Err(ObjectError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                // Consolidated away before it was read for the first time.
                repo.refresh()?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let snapshot = repo.snapshot();
    let (planned, bytes) = plan_with(&snapshot, objects)?;
    Ok((snapshot, planned, bytes))
}

fn plan_with(snapshot: &Snapshot, objects: &[ObjectId]) -> Result<(Vec<Planned>, u64), ObjectError> {
    let mut planned = Vec::with_capacity(objects.len());
    let mut bytes = 0;
    for id in objects {
        let (pack, position) = match snapshot.packed_at(id) {
            Some((pack, position)) => {
                snapshot.packs[pack as usize].data()?;
                bytes += snapshot.packs[pack as usize].entry_bytes(position)?;
                (pack, position)
            }
            // Loose, or missing: seen when it is read.
            None => {
                bytes += 1_024;
                (NOWHERE, 0)
            }
        };
        planned.push(Planned { id: *id, pack, position, offset: 0, depth: 0, waits: false });
    }
    Ok((planned, bytes))
}

fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    }
}

/// Writes type and size; at most 10 bytes.
fn encode_header(code: u8, size_bytes: u64, out: &mut [u8]) -> usize {
    let mut byte = (code << 4) | (size_bytes & 15) as u8;
    let mut rest = size_bytes >> 4;
    let mut at = 0;
    while rest != 0 {
        out[at] = byte | 0x80;
        at += 1;
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    out[at] = byte;
    at + 1
}

/// The distance back to a base.
fn encode_distance(mut distance: u64) -> Vec<u8> {
    let mut bytes = vec![(distance & 0x7f) as u8];
    distance >>= 7;
    while distance != 0 {
        distance -= 1;
        bytes.push(0x80 | (distance & 0x7f) as u8);
        distance >>= 7;
    }
    bytes.reverse();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_git_reads_them() {
        let mut out = [0; 32];
        for (code, size, expect) in [
            (3, 5, &[0x35][..]),
            (1, 16, &[0x90, 0x01]),
            (2, 0xa5, &[0xa5, 0x0a]),
            (6, 1 << 20, &[0xe0, 0x80, 0x80, 0x04]),
        ] {
            let length = encode_header(code, size, &mut out);
            assert_eq!(&out[..length], expect);
        }
        assert_eq!(encode_header(7, u64::MAX, &mut out), 10);
        assert_eq!(encode_distance(1), [1]);
        assert_eq!(encode_distance(127), [127]);
        assert_eq!(encode_distance(128), [0x80, 0]);
        assert_eq!(encode_distance(16_511), [0xff, 0x7f]);
        assert_eq!(encode_distance(16_512), [0x80, 0x80, 0]);
    }
}
