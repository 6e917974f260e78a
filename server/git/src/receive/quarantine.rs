//! Objects that were received or made, and are not part of a repository yet.

use std::io::Read;
use std::path::{Path, PathBuf};

use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use parking_lot::Mutex;

use super::fsck::Inspector;
use super::pack::{self, Bases, Deadline, Entry, NONE, ReceiveError, Sealed, Spool, StreamReader};
use crate::ids::IdSet;
use crate::limits::ReceiveLimits;
use crate::objects::{ObjectError, Objects};

/// Objects that nobody but its holder can see. Dropped, it leaves nothing.
///
/// Reading is [`Objects`]; it may be done from several threads.
pub struct Quarantine {
    folder: PathBuf,
    spool: Spool,
    entries: Vec<Entry>,
    /// Numbers of entries sorted by id, each id once.
    order: Vec<u32>,
    /// Entries from here on did not come in the pack: bases of a thin pack, objects that were added.
    received: usize,
    /// Entries from here on were added.
    added: usize,
    checksum: Option<[u8; 20]>,
    reader: Mutex<Scratch>,
}

struct Scratch {
    streams: StreamReader,
    delta: Vec<u8>,
    spare: Vec<u8>,
}

/// Which objects of a quarantine are to be kept: those that accepted refs reach. Only the connectivity check makes one.
#[derive(Clone, Debug, Default)]
pub struct Reached(pub(super) IdSet);

impl Reached {
    /// True when the object was reached.
    pub fn contains(&self, id: &oid) -> bool {
        self.0.contains(id)
    }
}

/// Receives one pack: reads `reader` to its end under `limits`, resolves deltas (thin ones upon `bases`), computes all
/// ids and inspects every commit, tree and tag. `folder` holds what is too large for memory meanwhile.
///
/// Blocking. Memory stays below about 40 MiB, whatever the pack says.
///
/// # Errors
/// [`ReceiveError`]; nothing is left in `folder`.
pub fn receive_pack(
    reader: impl Read,
    limits: &ReceiveLimits,
    deadline: Deadline,
    bases: &mut Bases<'_>,
    folder: &Path,
) -> Result<Quarantine, ReceiveError> {
    let received = pack::read(reader, limits, deadline, bases, Inspector::new(limits), folder)?;
    let (entries, added) = (received.entries, received.spool);
    let count = entries.len();
    let mut quarantine = Quarantine {
        folder: folder.to_owned(),
        spool: added,
        order: Vec::new(),
        received: count - received.bases,
        added: count,
        checksum: received.checksum,
        entries,
        reader: Mutex::new(Scratch::new()),
    };
    quarantine.sort();
    Ok(quarantine)
}

impl Scratch {
    fn new() -> Self {
        Self { streams: StreamReader::new(), delta: Vec::new(), spare: Vec::new() }
    }
}

impl Quarantine {
    /// Without objects: for what the server itself makes, and for pushes without a pack.
    pub fn empty(folder: &Path) -> Self {
        let mut spool = Spool::new(folder);
        spool.append(b"PACK\0\0\0\x02\0\0\0\0").expect("twelve bytes stay in memory");
        Self {
            folder: folder.to_owned(),
            spool,
            entries: Vec::new(),
            order: Vec::new(),
            received: 0,
            added: 0,
            checksum: None,
            reader: Mutex::new(Scratch::new()),
        }
    }

    /// Adds an object that the server made. It is kept whether a ref reaches it or not.
    ///
    /// # Errors
    /// When the spool cannot be written, or the bytes are a collision attack.
    pub fn add(&mut self, kind: Kind, content: &[u8]) -> Result<ObjectId, ReceiveError> {
        let mut hasher = pack::object_hasher(kind, content.len() as u64);
        hasher.update(content);
        let id = hasher.try_finalize().map_err(|_| ReceiveError::Collision)?;
        if self.find(&id).is_some_and(|number| number as usize >= self.added) {
            return Ok(id);
        }
        let disk = |source| ReceiveError::Spool { source };
        let entry = pack::append_whole(&mut self.spool, id, kind, content).map_err(disk)?;
        self.spool.flush().map_err(disk)?;
        let number = self.entries.len() as u32;
        self.entries.push(entry);
        self.checksum = None;
        match self.place(&id) {
            Ok(at) => self.order[at] = number,
            Err(at) => self.order.insert(at, number),
        }
        Ok(id)
    }

    /// The objects that came in the pack or were added, each once, with their kinds, sorted by id. Bases that a thin
    /// pack was completed with are not among them.
    pub fn objects(&self) -> impl Iterator<Item = (ObjectId, Kind)> + '_ {
        self.order.iter().filter_map(|number| {
            let outside = (self.received..self.added).contains(&(*number as usize));
            let entry = &self.entries[*number as usize];
            (!outside).then_some((entry.id, entry.kind))
        })
    }

    /// The kind of an object that came in the pack or was added.
    pub fn kind(&self, id: &oid) -> Option<Kind> {
        let number = self.find(id)? as usize;
        (!(self.received..self.added).contains(&number)).then(|| self.entries[number].kind)
    }

    /// True when no object came or was added.
    pub fn is_empty(&self) -> bool {
        self.objects().next().is_none()
    }

    /// Bytes of the pack.
    pub fn pack_bytes(&self) -> u64 {
        self.spool.len()
    }

    fn find(&self, id: &oid) -> Option<u32> {
        Some(self.order[self.place(id).ok()?])
    }

    fn place(&self, id: &oid) -> Result<usize, usize> {
        self.order.binary_search_by(|number| self.entries[*number as usize].id.as_ref().cmp(id))
    }

    /// Of entries with one id the least deep is found: a delta's base then always is less deep than the delta itself,
    /// and putting one for the other makes no circle. What was added comes before all.
    fn sort(&mut self) {
        let entries = &self.entries;
        let key = |number: &u32| {
            let entry = &entries[*number as usize];
            (entry.id, (*number as usize) < self.added, entry.depth, *number)
        };
        self.order = (0..entries.len() as u32).collect();
        self.order.sort_unstable_by_key(key);
        self.order.dedup_by_key(|number| entries[*number as usize].id);
    }

    /// Makes the pack that is kept: what `reached` names and what was added. `None` when that is nothing.
    pub(super) fn seal(self, reached: &Reached) -> Result<Option<Sealed>, ReceiveError> {
        let mut keep = vec![false; self.entries.len()];
        for number in &self.order {
            let at = *number as usize;
            keep[at] = at >= self.added || (at < self.received && reached.contains(&self.entries[at].id));
        }
        if !keep.contains(&true) {
            return Ok(None);
        }
        if let (Some(checksum), true) = (self.checksum, !keep.contains(&false)) {
            let disk = |source| ReceiveError::Spool { source };
            return pack::finish(self.spool, checksum, &self.entries).map(Some).map_err(disk);
        }
        self.keep_bases(&mut keep);
        let stands_for = |number: u32| self.find(&self.entries[number as usize].id).unwrap_or(number);
        let content = |number: u32| {
            let mut out = Vec::new();
            self.make(number, &mut out)?;
            Ok(out)
        };
        pack::seal(&self.folder, &self.spool, &self.entries, &keep, stands_for, content).map(Some)
    }

    /// Keeps of the bases from outside those that a kept delta needs.
    fn keep_bases(&self, keep: &mut [bool]) {
        for number in 0..self.entries.len() {
            let base = self.entries[number].base;
            if !keep[number] || base == NONE {
                continue;
            }
            let stands = self.find(&self.entries[base as usize].id).unwrap_or(base) as usize;
            if (self.received..self.added).contains(&stands) {
                keep[stands] = true;
            }
        }
    }

    /// Makes the bytes of entry `number`.
    fn make(&self, number: u32, out: &mut Vec<u8>) -> Result<(), ReceiveError> {
        let mut chain = vec![number];
        let mut base = self.entries[number as usize].base;
        while base != NONE {
            chain.push(base);
            base = self.entries[base as usize].base;
        }
        let scratch = &mut *self.reader.lock();
        let root = chain.pop().expect("it has at least the entry itself");
        scratch.streams.read(&self.spool, &self.entries, root, out)?;
        while let Some(next) = chain.pop() {
            scratch.streams.read(&self.spool, &self.entries, next, &mut scratch.delta)?;
            let offset = self.entries[next as usize].offset;
            pack::apply_delta(out, &scratch.delta, &mut scratch.spare)
                .map_err(|source| ReceiveError::Delta { offset, source })?;
            std::mem::swap(out, &mut scratch.spare);
        }
        Ok(())
    }
}

impl Objects for Quarantine {
    fn read(&self, id: &oid, out: &mut Vec<u8>) -> Result<Option<Kind>, ObjectError> {
        out.clear();
        let Some(number) = self.find(id) else { return Ok(None) };
        let path = || self.folder.clone();
        self.make(number, out).map_err(|error| match error {
            ReceiveError::Spool { source } => ObjectError::Io { path: path(), source },
            other => ObjectError::Damaged { id: id.to_owned(), path: path(), reason: other.to_string() },
        })?;
        Ok(Some(self.entries[number as usize].kind))
    }

    fn header(&self, id: &oid) -> Result<Option<(Kind, u64)>, ObjectError> {
        Ok(self.find(id).map(|number| {
            let entry = &self.entries[number as usize];
            (entry.kind, entry.size)
        }))
    }
}
