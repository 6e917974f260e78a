//! Packs made by hand, sound and unsound.

use std::io::Write;

use skill_pool_git::objects::{Kind, ObjectId};

/// A pack under construction.
#[derive(Clone)]
pub struct Pack {
    pub bytes: Vec<u8>,
    pub count: u32,
}

impl Pack {
    pub fn new() -> Self {
        Self { bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), count: 0 }
    }

    /// Where the next entry begins.
    pub fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub fn object(&mut self, kind: Kind, content: &[u8]) -> ObjectId {
        let number = match kind {
            Kind::Commit => 1,
            Kind::Tree => 2,
            Kind::Blob => 3,
            Kind::Tag => 4,
        };
        self.raw(&header(number, content.len() as u64), &deflate(content));
        id(kind, content)
    }

    pub fn blob(&mut self, content: &[u8]) -> ObjectId {
        self.object(Kind::Blob, content)
    }

    /// A delta of the entry that begins at `base`.
    pub fn ofs_delta(&mut self, base: u64, delta: &[u8]) {
        let distance = distance(self.offset() - base);
        self.raw(&[header(6, delta.len() as u64), distance].concat(), &deflate(delta));
    }

    pub fn ref_delta(&mut self, base: &ObjectId, delta: &[u8]) {
        self.raw(&[header(7, delta.len() as u64), base.as_bytes().to_vec()].concat(), &deflate(delta));
    }

    /// An entry of any bytes.
    pub fn raw(&mut self, header: &[u8], stream: &[u8]) {
        self.bytes.extend_from_slice(header);
        self.bytes.extend_from_slice(stream);
        self.count += 1;
    }

    /// The pack with its count and checksum.
    pub fn finish(&self) -> Vec<u8> {
        self.finish_as(2, self.count)
    }

    pub fn finish_as(&self, version: u32, count: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[4..8].copy_from_slice(&version.to_be_bytes());
        bytes[8..12].copy_from_slice(&count.to_be_bytes());
        seal(bytes)
    }
}

/// `bytes` with their checksum.
pub fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    bytes.extend_from_slice(digest.as_ref());
    bytes
}

/// The id of an object.
pub fn id(kind: Kind, content: &[u8]) -> ObjectId {
    gix_object::compute_hash(gix_hash::Kind::Sha1, kind, content).expect("no collision")
}

/// An entry's header.
pub fn header(number: u8, size: u64) -> Vec<u8> {
    let mut out = vec![number << 4 | (size & 15) as u8];
    let mut rest = size >> 4;
    while rest != 0 {
        *out.last_mut().expect("one") |= 0x80;
        out.push((rest & 0x7f) as u8);
        rest >>= 7;
    }
    out
}

/// The distance of an OFS delta.
pub fn distance(mut value: u64) -> Vec<u8> {
    let mut out = vec![(value & 0x7f) as u8];
    value >>= 7;
    while value != 0 {
        value -= 1;
        out.insert(0, 0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    out
}

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

pub fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// A delta's copy instruction with all its arguments.
pub fn copy(offset: u32, size: u32) -> Vec<u8> {
    let (o, s) = (offset.to_le_bytes(), size.to_le_bytes());
    vec![0xff, o[0], o[1], o[2], o[3], s[0], s[1], s[2]]
}

/// A delta's insert instructions.
pub fn insert(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(127).flat_map(|chunk| [&[chunk.len() as u8][..], chunk].concat()).collect()
}

pub fn delta(base: usize, result: usize, instructions: &[Vec<u8>]) -> Vec<u8> {
    [varint(base as u64), varint(result as u64), instructions.concat()].concat()
}

/// A delta from `base` to `base` + `more`.
pub fn append(base: &[u8], more: &[u8]) -> Vec<u8> {
    let mut instructions: Vec<Vec<u8>> = Vec::new();
    let mut at = 0;
    while at < base.len() {
        let size = (base.len() - at).min(0xff_ffff);
        instructions.push(copy(at as u32, size as u32));
        at += size;
    }
    instructions.push(insert(more));
    delta(base.len(), base.len() + more.len(), &instructions)
}

/// A tree of these entries, in the order given.
pub fn tree(entries: &[(&str, &str, ObjectId)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (mode, name, id) in entries {
        out.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        out.extend_from_slice(id.as_bytes());
    }
    out
}

/// A commit.
pub fn commit(tree: &ObjectId, parents: &[ObjectId], message: &str) -> Vec<u8> {
    let parents: String = parents.iter().map(|parent| format!("parent {parent}\n")).collect();
    let who = "A U Thor <author@example.com> 1700000000 +0000";
    format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\n{message}\n").into_bytes()
}
