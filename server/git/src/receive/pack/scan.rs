//! The first pass over a pack, while it arrives: every entry is read, measured and, unless it is a delta, hashed.

use std::io::Read;
use std::path::Path;

use gix_hash::ObjectId;
use gix_object::Kind;

use super::delta;
use super::entry::{Form, HeaderError, read_header};
use super::error::ReceiveError;
use super::inflate::Inflater;
use super::source::{Deadline, Source};
use super::spool::Spool;
use crate::ids::IdMap;
use crate::limits::ReceiveLimits;
use crate::receive::fsck::Inspector;

const WINDOW_BYTES: usize = 16 << 10;
/// No entry; see [`Entry::base`].
pub(in crate::receive) const NONE: u32 = u32::MAX;

/// One entry of a pack.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The object's id; null until a delta is resolved.
    pub id: ObjectId,
    /// Where its header begins.
    pub offset: u64,
    /// Bytes of its header.
    pub header_bytes: u8,
    /// CRC-32 of header and stream.
    pub crc: u32,
    /// Inflated bytes of its stream: of the object or of the delta.
    pub stream_bytes: u64,
    /// Bytes of the object.
    pub size: u64,
    /// The object's kind; of a delta only once it is resolved.
    pub kind: Kind,
    /// The entry that a delta is of, or [`NONE`].
    pub base: u32,
    /// Deltas to be applied to get the object.
    pub depth: u32,
}

/// What the first pass found.
pub(super) struct Scanned {
    /// The pack without its checksum.
    pub spool: Spool,
    /// The entries in the order of the pack.
    pub entries: Vec<Entry>,
    /// Deltas by the id of their base.
    pub waiting: IdMap<Vec<u32>>,
    /// True when there are deltas.
    pub deltas: bool,
    /// The pack's checksum.
    pub checksum: [u8; 20],
}

/// Reads the pack from `reader` to its end.
pub(super) fn scan(
    reader: impl Read,
    limits: &ReceiveLimits,
    folder: &Path,
    deadline: Deadline,
    inspector: &mut Inspector<'_>,
) -> Result<Scanned, ReceiveError> {
    let mut source = Source::new(reader, limits.pack_bytes_max, deadline, Spool::new(folder));
    let objects = read_pack_header(&mut source, limits)?;
    let mut scanner = Scanner {
        limits,
        inspector,
        inflater: Inflater::new(),
        window: vec![0; WINDOW_BYTES],
        content: Vec::new(),
        budget_bytes: limits.inflated_bytes_max,
        // The header's count is a claim: the table grows with what is really there.
        entries: Vec::with_capacity(objects.min(1024) as usize),
        waiting: IdMap::default(),
        deltas: false,
    };
    for _ in 0..objects {
        scanner.entry(&mut source)?;
    }
    let (entries, waiting, deltas) = (scanner.entries, scanner.waiting, scanner.deltas);
    let (spool, checksum) = source.finish()?;
    Ok(Scanned { spool, entries, waiting, deltas, checksum })
}

fn read_pack_header(source: &mut Source<impl Read>, limits: &ReceiveLimits) -> Result<u32, ReceiveError> {
    for expected in *b"PACK" {
        if source.byte()? != expected {
            return Err(ReceiveError::Signature);
        }
    }
    let mut number = || {
        let mut bytes = [0; 4];
        for byte in &mut bytes {
            *byte = source.byte()?;
        }
        Ok(u32::from_be_bytes(bytes))
    };
    let (version, objects) = (number()?, number()?);
    if version != 2 {
        return Err(ReceiveError::Version { version });
    }
    if objects > limits.objects_max {
        return Err(ReceiveError::TooManyObjects { objects, limit: limits.objects_max });
    }
    source.take_crc();
    Ok(objects)
}

struct Scanner<'a, 'b> {
    limits: &'a ReceiveLimits,
    inspector: &'a mut Inspector<'b>,
    inflater: Inflater,
    window: Vec<u8>,
    content: Vec<u8>,
    budget_bytes: u64,
    entries: Vec<Entry>,
    waiting: IdMap<Vec<u32>>,
    deltas: bool,
}

/// Lets header bytes come from the source and still say where the entry began.
enum HeaderFault {
    Header(HeaderError),
    Receive(ReceiveError),
}

impl From<HeaderError> for HeaderFault {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

impl Scanner<'_, '_> {
    fn entry(&mut self, source: &mut Source<impl Read>) -> Result<(), ReceiveError> {
        let offset = source.offset();
        let header = read_header(|| source.byte().map_err(HeaderFault::Receive)).map_err(|fault| match fault {
            HeaderFault::Header(source) => ReceiveError::Header { offset, source },
            HeaderFault::Receive(error) => error,
        })?;
        let header_bytes = (source.offset() - offset) as u8;
        let number = self.entries.len() as u32;
        let (what, kind) = match header.form {
            Form::Whole(kind) => (name(kind), Some(kind)),
            Form::OfsDelta(_) | Form::RefDelta(_) => ("delta", None),
        };
        check_size(self.limits, offset, what, kind, header.size)?;
        self.spend(header.size)?;
        let mut entry = Entry {
            id: ObjectId::null(gix_hash::Kind::Sha1),
            offset,
            header_bytes,
            crc: 0,
            stream_bytes: header.size,
            size: header.size,
            kind: kind.unwrap_or(Kind::Blob),
            base: NONE,
            depth: 0,
        };
        match header.form {
            Form::Whole(kind) => entry.id = self.whole(source, offset, kind, header.size)?,
            Form::OfsDelta(distance) => {
                let base = offset.checked_sub(distance).filter(|_| distance != 0);
                let base = base.and_then(|at| self.entries.binary_search_by_key(&at, |entry| entry.offset).ok());
                entry.base = base.ok_or(ReceiveError::NoEntry { offset })? as u32;
                entry.size = self.delta(source, offset, header.size)?;
            }
            Form::RefDelta(id) => {
                self.waiting.entry(id).or_default().push(number);
                entry.size = self.delta(source, offset, header.size)?;
            }
        }
        entry.crc = source.take_crc();
        self.entries.push(entry);
        Ok(())
    }

    fn spend(&mut self, bytes: u64) -> Result<(), ReceiveError> {
        let limit_bytes = self.limits.inflated_bytes_max;
        self.budget_bytes =
            self.budget_bytes.checked_sub(bytes).ok_or(ReceiveError::InflatedTooLarge { limit_bytes })?;
        Ok(())
    }

    fn whole(
        &mut self,
        source: &mut Source<impl Read>,
        offset: u64,
        kind: Kind,
        size: u64,
    ) -> Result<ObjectId, ReceiveError> {
        // A blob is hashed piece by piece; the others are looked at whole, and have a lower limit.
        let collect = kind != Kind::Blob;
        let mut hasher = super::object_hasher(kind, size);
        let mut content = std::mem::take(&mut self.content);
        content.clear();
        self.inflate(source, offset, size, |piece| {
            hasher.update(piece);
            if collect {
                content.extend_from_slice(piece);
            }
        })?;
        let id = hasher.try_finalize().map_err(|_| ReceiveError::Collision)?;
        if collect {
            self.inspector.inspect(&id, kind, &content);
        }
        self.content = content;
        Ok(id)
    }

    /// Reads a delta's stream and gives the size of its result, checked against the limits.
    fn delta(&mut self, source: &mut Source<impl Read>, offset: u64, size: u64) -> Result<u64, ReceiveError> {
        self.deltas = true;
        let fault = |source| ReceiveError::Delta { offset, source };
        if size < delta::DELTA_BYTES_MIN {
            return Err(fault(delta::DeltaError::TooShort));
        }
        let mut start = Vec::with_capacity(delta::SIZES_BYTES_MAX);
        self.inflate(source, offset, size, |piece| {
            let room = delta::SIZES_BYTES_MAX - start.len();
            start.extend_from_slice(&piece[..piece.len().min(room)]);
        })?;
        let sizes = delta::sizes(&start).map_err(fault)?;
        check_size(self.limits, offset, "result of the delta", Some(Kind::Blob), sizes.result)?;
        self.spend(sizes.result)?;
        Ok(sizes.result)
    }

    fn inflate(
        &mut self,
        source: &mut Source<impl Read>,
        offset: u64,
        size: u64,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), ReceiveError> {
        self.inflater.start(size);
        loop {
            let input = source.peek()?;
            if input.is_empty() {
                return Err(ReceiveError::Truncated);
            }
            let step = self
                .inflater
                .step(input, &mut self.window)
                .map_err(|source| ReceiveError::Inflate { offset, source })?;
            sink(&self.window[..step.produced]);
            source.consume(step.consumed)?;
            if step.done {
                return Ok(());
            }
        }
    }
}

/// The limit for one object; `kind` is `None` for a delta's own stream.
pub(super) fn check_size(
    limits: &ReceiveLimits,
    offset: u64,
    what: &'static str,
    kind: Option<Kind>,
    size_bytes: u64,
) -> Result<(), ReceiveError> {
    let limit_bytes = match kind {
        None | Some(Kind::Blob) => limits.object_bytes_max,
        Some(_) => limits.object_bytes_max.min(super::meta_bytes_max(limits)),
    };
    if size_bytes > limit_bytes {
        return Err(ReceiveError::ObjectTooLarge { offset, what, size_bytes, limit_bytes });
    }
    Ok(())
}

pub(super) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Tree => "tree",
        Kind::Blob => "file",
        Kind::Commit => "commit",
        Kind::Tag => "tag",
    }
}
