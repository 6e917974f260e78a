//! The second pass: deltas are applied, bases first, with little memory whatever their shape.
//!
//! The deltas of one base form a tree. It is walked depth first, smaller branches before the largest one, and a base's
//! bytes are dropped before its last branch is entered: so a plain chain holds two objects, and any tree few. Where that
//! is still too much, the outermost bytes are dropped and made again when the walk comes back to them.

use gix_hash::{ObjectId, oid};
use gix_object::Kind;

use super::delta;
use super::entry::{Form, Header, write_header};
use super::error::ReceiveError;
use super::inflate::Inflater;
use super::scan::{Entry, NONE, Scanned, check_size, name};
use super::source::Deadline;
use super::spool::Spool;
use crate::ids::IdMap;
use crate::limits::ReceiveLimits;
use crate::objects::Objects;
use crate::receive::fsck::Inspector;

/// Bytes of bases that are held while their deltas are resolved, besides the two objects at work; fewer where objects are
/// small.
const HELD_BYTES_MAX: u64 = 16 << 20;
/// How many times the limit of inflated bytes the work of making dropped bases again may cost.
const WORK_FACTOR: u64 = 4;

/// Objects of the repository that thin packs may build upon.
pub struct Bases<'a> {
    /// The repository.
    pub objects: &'a dyn Objects,
    /// True for what this pusher may read. Asked only for bases that are not in the pack.
    pub may_read: &'a mut dyn FnMut(&oid) -> bool,
}

/// Resolves all deltas of `scanned` in place. Bases from outside are appended; their count is returned.
pub(super) fn resolve(
    scanned: &mut Scanned,
    limits: &ReceiveLimits,
    deadline: Deadline,
    bases: &mut Bases<'_>,
    inspector: &mut Inspector<'_>,
) -> Result<usize, ReceiveError> {
    if !scanned.deltas {
        return Ok(0);
    }
    let children = Children::of(&scanned.entries);
    let inside = scanned.entries.len();
    let mut resolver = Resolver {
        limits,
        deadline,
        inspector,
        children,
        spool: &mut scanned.spool,
        entries: &mut scanned.entries,
        waiting: std::mem::take(&mut scanned.waiting),
        reader: StreamReader::new(),
        delta: Vec::new(),
        work_bytes: limits.inflated_bytes_max.saturating_mul(WORK_FACTOR),
    };
    for number in 0..inside as u32 {
        if resolver.is_whole(number) {
            resolver.subtree(number)?;
        }
    }
    let outside = resolver.thin(bases)?;
    if let Some(id) = resolver.waiting.keys().min() {
        return Err(ReceiveError::MissingBase { id: *id });
    }
    Ok(outside)
}

/// Which entries are OFS deltas of which.
struct Children {
    first: Vec<u32>,
    next: Vec<u32>,
    /// Bytes of all results in the branch that an entry begins.
    weight: Vec<u64>,
}

impl Children {
    fn of(entries: &[Entry]) -> Self {
        let mut first = vec![NONE; entries.len()];
        let mut next = vec![NONE; entries.len()];
        let mut weight: Vec<u64> = entries.iter().map(|entry| entry.size).collect();
        // Backwards: an entry stands behind its base, so its own branch is complete when its base is reached.
        for (number, entry) in entries.iter().enumerate().rev() {
            if entry.base != NONE {
                let base = entry.base as usize;
                next[number] = first[base];
                first[base] = number as u32;
                weight[base] = weight[base].saturating_add(weight[number]);
            }
        }
        Self { first, next, weight }
    }

    fn list(&self, number: u32, out: &mut Vec<u32>) {
        let mut child = self.first.get(number as usize).copied().unwrap_or(NONE);
        while child != NONE {
            out.push(child);
            child = self.next[child as usize];
        }
    }
}

struct Frame {
    entry: u32,
    /// The object's bytes, unless they were dropped.
    content: Option<Vec<u8>>,
    /// Its deltas, the last one first to be taken.
    children: Vec<u32>,
}

struct Resolver<'a, 'b> {
    limits: &'a ReceiveLimits,
    deadline: Deadline,
    inspector: &'a mut Inspector<'b>,
    children: Children,
    spool: &'a mut Spool,
    entries: &'a mut Vec<Entry>,
    waiting: IdMap<Vec<u32>>,
    reader: StreamReader,
    delta: Vec<u8>,
    work_bytes: u64,
}

impl Resolver<'_, '_> {
    fn is_whole(&self, number: u32) -> bool {
        let entry = &self.entries[number as usize];
        entry.base == NONE && !entry.id.is_null()
    }

    /// All deltas of the resolved entry `number`, lightest last.
    fn deltas_of(&mut self, number: u32) -> Vec<u32> {
        let mut list = Vec::new();
        self.children.list(number, &mut list);
        if let Some(waiting) = self.waiting.remove(&self.entries[number as usize].id) {
            for child in waiting {
                self.entries[child as usize].base = number;
                list.push(child);
            }
        }
        list.sort_by_key(|child| std::cmp::Reverse(self.children.weight[*child as usize]));
        list
    }

    /// Resolves everything that builds upon `root`, which is whole.
    fn subtree(&mut self, root: u32) -> Result<(), ReceiveError> {
        let children = self.deltas_of(root);
        if children.is_empty() {
            return Ok(());
        }
        let held_bytes_max = (self.limits.object_bytes_max / 2 * 3).min(HELD_BYTES_MAX) as usize;
        let mut stack = vec![Frame { entry: root, content: None, children }];
        while let Some(frame) = stack.last_mut() {
            let Some(child) = frame.children.pop() else {
                stack.pop();
                continue;
            };
            self.deadline.check()?;
            let entry = frame.entry;
            let base = match frame.content.take() {
                Some(content) => content,
                None => self.make(entry)?,
            };
            let content = self.apply(child, entry, &base)?;
            let frame = stack.last_mut().expect("it was there before");
            if !frame.children.is_empty() {
                frame.content = Some(base);
            }
            let children = self.deltas_of(child);
            if !children.is_empty() {
                stack.push(Frame { entry: child, content: Some(content), children });
                drop_outermost(&mut stack, held_bytes_max);
            }
        }
        Ok(())
    }

    /// Resolves the delta `number` of the resolved entry `base`, whose bytes are `bytes`.
    fn apply(&mut self, number: u32, base: u32, bytes: &[u8]) -> Result<Vec<u8>, ReceiveError> {
        let (kind, depth) = (self.entries[base as usize].kind, self.entries[base as usize].depth + 1);
        if depth > self.limits.delta_depth_max {
            return Err(ReceiveError::TooDeep { limit: self.limits.delta_depth_max });
        }
        let entry = &self.entries[number as usize];
        check_size(self.limits, entry.offset, name(kind), Some(kind), entry.size)?;
        let content = self.patch(number, bytes)?;
        let mut hasher = super::object_hasher(kind, content.len() as u64);
        hasher.update(&content);
        let id = hasher.try_finalize().map_err(|_| ReceiveError::Collision)?;
        let entry = &mut self.entries[number as usize];
        (entry.id, entry.kind, entry.base, entry.depth) = (id, kind, base, depth);
        if kind != Kind::Blob {
            self.inspector.inspect(&id, kind, &content);
        }
        Ok(content)
    }

    fn patch(&mut self, number: u32, base: &[u8]) -> Result<Vec<u8>, ReceiveError> {
        let entry = &self.entries[number as usize];
        let (offset, size) = (entry.offset, entry.size);
        self.work_bytes = self
            .work_bytes
            .checked_sub(size)
            .ok_or(ReceiveError::InflatedTooLarge { limit_bytes: self.limits.inflated_bytes_max })?;
        self.reader.read(self.spool, self.entries, number, &mut self.delta)?;
        let mut content = Vec::new();
        delta::apply(base, &self.delta, &mut content).map_err(|source| ReceiveError::Delta { offset, source })?;
        Ok(content)
    }

    /// Makes the bytes of a resolved entry, along its chain.
    fn make(&mut self, number: u32) -> Result<Vec<u8>, ReceiveError> {
        let mut chain = vec![number];
        while let Some(&last) = chain.last() {
            match self.entries[last as usize].base {
                NONE => break,
                base => chain.push(base),
            }
        }
        let mut content = Vec::new();
        let root = chain.pop().expect("it has at least the entry itself");
        self.reader.read(self.spool, self.entries, root, &mut content)?;
        while let Some(next) = chain.pop() {
            self.deadline.check()?;
            content = self.patch(next, &content)?;
        }
        Ok(content)
    }

    /// Takes bases from outside the pack, as far as this pusher may read them. Gives how many were appended.
    fn thin(&mut self, bases: &mut Bases<'_>) -> Result<usize, ReceiveError> {
        let mut ids: Vec<(u32, ObjectId)> =
            self.waiting.iter().map(|(id, deltas)| (deltas.first().copied().unwrap_or(NONE), *id)).collect();
        ids.sort_unstable_by_key(|(first, _)| *first);
        let before = self.entries.len();
        let mut content = Vec::new();
        for (_, id) in ids {
            self.deadline.check()?;
            // Made meanwhile by a delta upon another base.
            if !self.waiting.contains_key(&id) {
                continue;
            }
            let store = |source| ReceiveError::Store { source };
            // Size before bytes, existence before permission: finding out whether it may be read can be a long walk.
            let Some((kind, size)) = bases.objects.header(&id).map_err(store)? else { continue };
            check_size(self.limits, 0, name(kind), Some(kind), size)?;
            if !(bases.may_read)(&id) || bases.objects.read(&id, &mut content).map_err(store)?.is_none() {
                continue;
            }
            let number = self.append(id, kind, &content)?;
            self.subtree(number)?;
        }
        Ok(self.entries.len() - before)
    }

    fn append(&mut self, id: ObjectId, kind: Kind, content: &[u8]) -> Result<u32, ReceiveError> {
        let number = self.entries.len() as u32;
        let entry = append_whole(self.spool, id, kind, content).map_err(|source| ReceiveError::Spool { source })?;
        self.spool.flush().map_err(|source| ReceiveError::Spool { source })?;
        self.entries.push(entry);
        Ok(number)
    }
}

/// Drops the outermost bytes that are held while they are too many; the innermost frame keeps its own.
fn drop_outermost(stack: &mut [Frame], held_bytes_max: usize) {
    let (_, outer) = stack.split_last_mut().expect("one was pushed");
    let mut held: usize = outer.iter().filter_map(|frame| frame.content.as_ref()).map(Vec::len).sum();
    for frame in outer {
        if held <= held_bytes_max {
            return;
        }
        held -= frame.content.take().map_or(0, |content| content.len());
    }
}

/// Appends an object as an entry of its own.
pub(in crate::receive) fn append_whole(
    spool: &mut Spool,
    id: ObjectId,
    kind: Kind,
    content: &[u8],
) -> std::io::Result<Entry> {
    let offset = spool.len();
    let size = content.len() as u64;
    let mut bytes = Vec::with_capacity(content.len() / 2 + 32);
    write_header(&mut bytes, &Header { form: Form::Whole(kind), size });
    let header_bytes = bytes.len() as u8;
    super::deflate(content, &mut bytes);
    spool.append(&bytes)?;
    Ok(Entry {
        id,
        offset,
        header_bytes,
        crc: crc32fast::hash(&bytes),
        stream_bytes: size,
        size,
        kind,
        base: NONE,
        depth: 0,
    })
}

/// Inflates entries out of a spool.
pub(in crate::receive) struct StreamReader {
    inflater: Inflater,
    buffer: Vec<u8>,
}

impl StreamReader {
    pub fn new() -> Self {
        Self { inflater: Inflater::new(), buffer: Vec::new() }
    }

    /// Inflates the stream of entry `number` into `out`: the object itself or its delta.
    pub fn read(
        &mut self,
        spool: &Spool,
        entries: &[Entry],
        number: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), ReceiveError> {
        let entry = &entries[number as usize];
        let offset = entry.offset;
        let end = entries.get(number as usize + 1).map_or(spool.len(), |next| next.offset);
        let mut at = offset + u64::from(entry.header_bytes);
        self.buffer.resize(16 << 10, 0);
        // One more byte than declared is room enough for the inflater to notice what is too long.
        out.clear();
        out.resize(entry.stream_bytes as usize + 1, 0);
        let mut made = 0;
        self.inflater.start(entry.stream_bytes);
        loop {
            let input = spool.chunk(at, end, &mut self.buffer).map_err(|source| ReceiveError::Spool { source })?;
            let step = self
                .inflater
                .step(input, &mut out[made..])
                .map_err(|source| ReceiveError::Inflate { offset, source })?;
            at += step.consumed as u64;
            made += step.produced;
            if step.done {
                out.truncate(made);
                return Ok(());
            }
            if at == end && step.produced == 0 {
                return Err(ReceiveError::Truncated);
            }
        }
    }
}
