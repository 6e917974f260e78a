//! What a client asks: requests of all versions read into one form. No I/O here.
//!
//! Source: gitprotocol-pack(5), "Packfile Negotiation"; gitprotocol-v2(5).

use gix_hash::ObjectId;
use skill_pool_domain::digest::Sha256Hasher;

use super::filter::Filter;
use super::options::{UploadOptions, Version};
use crate::limits::UploadLimits;
use crate::pkt::{self, Packet, PacketError, Reader};
use crate::request_text::shown;

mod v0;
mod v2;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Nothing: a probe, or a client that changed its mind.
    Empty,
    /// Refs.
    LsRefs(LsRefs),
    /// Objects.
    Fetch(Box<FetchRequest>),
    /// Sizes of objects.
    ObjectInfo(ObjectInfo),
}

/// The command `ls-refs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LsRefs {
    /// Tell what annotated tags point at.
    pub peel: bool,
    /// Tell where symbolic refs point.
    pub symrefs: bool,
    /// Tell of a HEAD whose branch does not exist yet.
    pub unborn: bool,
    /// Refs that begin with one of these; `None`: all.
    pub prefixes: Option<Vec<Vec<u8>>>,
}

/// The command `object-info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Tell sizes.
    pub size: bool,
    /// Of these objects, as asked.
    pub ids: Vec<ObjectId>,
}

/// A fetch, in whichever version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchRequest {
    /// Distinct, in the order of the request.
    pub wants: Vec<ObjectId>,
    /// Refs wanted by name.
    pub want_refs: Vec<Vec<u8>>,
    /// What the client has, in the order of the request.
    pub haves: Vec<ObjectId>,
    /// No more rounds: the pack comes now.
    pub done: bool,
    /// The request ended with its wants: only the cut of history is asked for (versions 0 and 1).
    pub wants_only: bool,
    /// Commits whose parents the client lacks.
    pub shallow: Vec<ObjectId>,
    /// How the client's history shall be cut.
    pub deepen: Deepen,
    /// What is left out.
    pub filter: Option<Filter>,
    /// Deltas may have bases that the client has.
    pub thin_pack: bool,
    /// Deltas may name their base by its place in the pack.
    pub ofs_delta: bool,
    /// Annotated tags go along with what they point at.
    pub include_tag: bool,
    /// No words about progress.
    pub no_progress: bool,
    /// How the pack is framed.
    pub band: SideBand,
    /// Every packet of the answer is on a band (version 2).
    pub sideband_all: bool,
    /// Never say `ready` (version 2).
    pub wait_for_done: bool,
    /// Protocols by which the client could fetch parts of the pack (version 2).
    pub packfile_uris: Vec<Vec<u8>>,
    /// How commons are acknowledged (versions 0 and 1).
    pub multi_ack: MultiAck,
    /// The pack may follow `ready` at once (versions 0 and 1).
    pub no_done: bool,
}

/// See [`FetchRequest::deepen`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Deepen {
    /// Not at all.
    #[default]
    No,
    /// After so many commits from the wants, or from the client's present boundary.
    Depth {
        /// At least 1; [`DEPTH_INFINITE`] asks for all.
        commits: u32,
        /// Counted from the client's boundary.
        relative: bool,
    },
    /// Where a time or a ref says so.
    Bounds {
        /// Commits before this time are left out, and what lies behind them.
        since: Option<i64>,
        /// What these refs reach is left out.
        not: Vec<Vec<u8>>,
    },
}

/// The depth by which `git fetch --unshallow` asks for all.
pub const DEPTH_INFINITE: u32 = 0x7fff_ffff;

/// See [`FetchRequest::band`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SideBand {
    /// The bytes of the pack as they are.
    #[default]
    None,
    /// Packets of at most 1000 bytes.
    Small,
    /// Packets of at most 65520 bytes.
    Large,
}

/// See [`FetchRequest::multi_ack`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MultiAck {
    /// Only the first common is acknowledged.
    #[default]
    None,
    /// All are, with `continue`.
    Basic,
    /// All are, with `common` or `ready`.
    Detailed,
}

/// Why a request cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// Its bytes are not packets.
    Packets(PacketError),
    /// It asks for what is not given; the sentence for the client.
    Refused(String),
}

impl From<PacketError> for RequestError {
    fn from(error: PacketError) -> Self {
        Self::Packets(error)
    }
}

/// Reads a whole request.
///
/// # Errors
/// [`RequestError`], before memory is taken beyond `limits`.
pub fn parse(
    version: Version,
    body: &[u8],
    options: &UploadOptions,
    limits: &UploadLimits,
) -> Result<Request, RequestError> {
    if body.len() > limits.request_bytes_max {
        return Err(refused(format!("a request may have at most {} bytes", limits.request_bytes_max)));
    }
    let request = match version {
        Version::V0 | Version::V1 => v0::parse(body, options, limits)?,
        Version::V2 => v2::parse(body, options, limits)?,
    };
    Ok(request)
}

impl FetchRequest {
    /// A digest of everything that the answer depends on besides repository and refs: requests that ask for the same
    /// in another order of wants, or by another client, have the same.
    pub fn digest(&self, version: Version) -> [u8; 32] {
        let mut hasher = Sha256Hasher::new();
        let mut sorted = self.wants.clone();
        sorted.sort_unstable();
        for (list, tag) in [(&sorted, b'w'), (&self.haves, b'h')] {
            hasher.update(&[tag]);
            hasher.update(&(list.len() as u64).to_be_bytes());
            list.iter().for_each(|id| hasher.update(id.as_bytes()));
        }
        sorted.clone_from(&self.shallow);
        sorted.sort_unstable();
        hasher.update(&(sorted.len() as u64).to_be_bytes());
        sorted.iter().for_each(|id| hasher.update(id.as_bytes()));
        let rest = (
            version == Version::V2,
            (&self.want_refs, self.done, self.wants_only, &self.deepen, &self.filter, self.thin_pack, self.ofs_delta),
            (self.include_tag, self.no_progress, self.band, self.sideband_all, self.wait_for_done),
            (&self.packfile_uris, self.multi_ack, self.no_done),
        );
        hasher.update(format!("{rest:?}").as_bytes());
        hasher.finish().0
    }

    /// Takes one line that versions share: `shallow`, `deepen…`. False when it is none of these.
    fn take_shallow_line(&mut self, line: &[u8], limits: &UploadLimits) -> Result<bool, RequestError> {
        if let Some(hex) = line.strip_prefix(b"shallow ") {
            let id = parse_id(hex).ok_or_else(|| refused(format!("invalid shallow line: {}", shown(line))))?;
            bounded(self.shallow.len(), limits.haves_max, "shallow lines")?;
            self.shallow.push(id);
        } else if let Some(depth) = line.strip_prefix(b"deepen ") {
            let wrong = || refused(format!("Invalid deepen: {}", shown(line)));
            let depth: u32 = parse_number(depth).and_then(|depth| u32::try_from(depth).ok()).ok_or_else(wrong)?;
            if depth == 0 || depth > DEPTH_INFINITE {
                return Err(wrong());
            }
            if depth != DEPTH_INFINITE && depth > limits.depth_max {
                return Err(refused(format!("the depth may be at most {}", limits.depth_max)));
            }
            match &mut self.deepen {
                Deepen::Bounds { .. } => return Err(both_cuts()),
                Deepen::Depth { commits, .. } => *commits = depth,
                Deepen::No => self.deepen = Deepen::Depth { commits: depth, relative: false },
            }
        } else if let Some(time) = line.strip_prefix(b"deepen-since ") {
            let time = parse_number(time).and_then(|time| i64::try_from(time).ok()).filter(|time| *time > 0);
            let time = time.ok_or_else(|| refused(format!("Invalid deepen-since: {}", shown(line))))?;
            let (since, _) = self.bounds()?;
            *since = Some(time);
        } else if let Some(name) = line.strip_prefix(b"deepen-not ") {
            let (_, not) = self.bounds()?;
            bounded(not.len(), 256, "deepen-not lines")?;
            not.push(name.to_vec());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn bounds(&mut self) -> Result<(&mut Option<i64>, &mut Vec<Vec<u8>>), RequestError> {
        if self.deepen == Deepen::No {
            self.deepen = Deepen::Bounds { since: None, not: Vec::new() };
        }
        match &mut self.deepen {
            Deepen::Bounds { since, not } => Ok((since, not)),
            _ => Err(both_cuts()),
        }
    }

    /// Ends the reading: makes shallow lines distinct, and the depth relative if that was asked.
    fn finish(&mut self, relative: bool) {
        self.shallow.sort_unstable();
        self.shallow.dedup();
        if relative && let Deepen::Depth { relative, .. } = &mut self.deepen {
            *relative = true;
        }
    }
}

fn both_cuts() -> RequestError {
    refused("deepen and deepen-since (or deepen-not) cannot be used together".to_owned())
}

fn refused(text: String) -> RequestError {
    RequestError::Refused(text)
}

fn bounded(count: usize, max: usize, what: &str) -> Result<(), RequestError> {
    if count >= max {
        return Err(refused(format!("a request may have at most {max} {what}")));
    }
    Ok(())
}

fn parse_id(hex: &[u8]) -> Option<ObjectId> {
    (hex.len() == 40).then(|| ObjectId::from_hex(hex).ok()).flatten()
}

fn parse_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
