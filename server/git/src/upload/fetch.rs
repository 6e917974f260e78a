//! [`Fetcher`]: one request in, one answer out.

mod build;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gix_hash::ObjectId;
use skill_pool_domain::digest::Sha256Hasher;

use super::cache::{AnswerCache, CacheOptions, Kept, Key, Spooled};
use super::flight::{Flights, Join};
use super::options::{UploadOptions, Version, WantRule};
use super::pack::PackStream;
use super::reach::ReachCache;
use super::request::{self, FetchRequest, Request, RequestError};
use super::{ls_refs, object_info};
use crate::limits::UploadLimits;
use crate::objects::{ObjectError, Objects};
use crate::pkt::{self, Band, PacketError};
use crate::refs::RefSnapshot;
use crate::repo::Repo;
use build::{Built, build};

/// Requests longer than this are not looked at by [`Fetcher::cached`].
const CACHED_REQUEST_BYTES_MAX: usize = 4 << 10;
/// Repositories with more refs are not listed by [`Fetcher::cached`].
const CACHED_REFS_MAX: usize = 256;

/// One request to git-upload-pack. Its sender may read the repository as far as `refs` goes: that was decided before.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The repository.
    pub repo: &'a Arc<Repo>,
    /// The refs that the reader may see.
    pub refs: &'a Arc<RefSnapshot>,
    /// By the `Git-Protocol` header of this very request.
    pub version: Version,
    /// The whole body, inflated.
    pub body: &'a [u8],
    /// What may be asked for.
    pub options: &'a UploadOptions,
    /// Bounds.
    pub limits: &'a UploadLimits,
}

/// The answer to a request, always to be sent with status 200.
pub enum Answer {
    /// The whole body.
    Full(Bytes),
    /// The whole body, which says in words why there is nothing else.
    Refused(Bytes),
    /// The body in chunks.
    Stream(AnswerStream),
}

/// A body in chunks: blocking, made as it is read. Dropping it ends the work.
pub enum AnswerStream {
    /// From a file.
    File {
        /// The file.
        file: Spooled,
        /// Bytes read so far.
        at: u64,
    },
    /// From the repository.
    Pack(Box<PackStream>),
}

impl AnswerStream {
    /// The bytes of the whole body, where they are known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::File { file, .. } => Some(file.length()),
            Self::Pack(_) => None,
        }
    }
}

impl Iterator for AnswerStream {
    type Item = Result<Bytes, FetchError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::File { file, at } => match file.chunk(*at) {
                Ok(chunk) => chunk.map(|bytes| {
                    *at += bytes.len() as u64;
                    Ok(bytes.into())
                }),
                Err(source) => {
                    *at = u64::MAX;
                    Some(Err(FetchError::Spool { source }))
                }
            },
            Self::Pack(pack) => pack.next(),
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The body is not packets: a broken request, to be answered with status 400.
    #[error("the request is not in git's packet format")]
    Packets(#[from] PacketError),
    /// What is asked is not given. [`Fetcher::fetch`] turns it into [`Answer::Refused`].
    #[error("{0}")]
    Refused(String),
    /// An object that refs reach is not there.
    #[error("{path} lacks object {id}, which its refs reach")]
    Missing {
        /// The object.
        id: ObjectId,
        /// The repository.
        path: std::path::PathBuf,
    },
    /// An object could not be read.
    #[error("could not read an object")]
    Store(#[from] ObjectError),
    /// An answer that was kept on disk could not be read any more.
    #[error("could not read a kept answer")]
    Spool {
        /// The cause.
        source: std::io::Error,
    },
}

impl From<RequestError> for FetchError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Packets(error) => Self::Packets(error),
            RequestError::Refused(text) => Self::Refused(text),
        }
    }
}

/// `text` as a git client shows it: `fatal: remote error: …`. Control characters in it were escaped by its maker.
pub fn error_packet(text: &str) -> Bytes {
    let mut out = Vec::new();
    pkt::write(&mut out, format!("ERR {text}").as_bytes());
    out.into()
}

/// Answers requests for any number of repositories, keeping what it made. Shared by all threads.
pub struct Fetcher {
    cache: AnswerCache,
    flights: Flights<Kept>,
    reach: ReachCache,
    whole_bytes_max: usize,
}

impl Fetcher {
    /// Starts with empty memory, and with what `options.folder` holds.
    pub fn new(options: &CacheOptions) -> Self {
        Self {
            cache: AnswerCache::new(options),
            flights: Flights::new(),
            reach: ReachCache::new(options.reach_bytes_max),
            whole_bytes_max: options.whole_bytes_max,
        }
    }

    /// The answer, if it is at hand: never blocks, never reads the disk, and looks at small requests only. `None` says
    /// nothing but that [`Fetcher::fetch`] has to be asked.
    pub fn cached(&self, ask: &Ask<'_>) -> Option<Bytes> {
        if ask.body.len() > CACHED_REQUEST_BYTES_MAX {
            return None;
        }
        match request::parse(ask.version, ask.body, ask.options, ask.limits).ok()? {
            Request::Empty => Some(Bytes::new()),
            Request::LsRefs(request) if ask.refs.refs.len() <= CACHED_REFS_MAX => {
                Some(ls_refs::answer(&request, ask.refs).into())
            }
            Request::Fetch(request) if self.keeps(ask) => self.cache.in_memory(&key(ask, &request)),
            _ => None,
        }
    }

    /// Answers one request. Blocks: disk, processor, and the build of someone who asked the same a moment ago.
    ///
    /// # Errors
    /// [`FetchError::Packets`] for a broken request; the others are the repository's trouble.
    pub fn fetch(&self, ask: &Ask<'_>) -> Result<Answer, FetchError> {
        match self.answer(ask) {
            Err(FetchError::Refused(text)) => Ok(Answer::Refused(error_packet(&text))),
            other => other,
        }
    }

    fn answer(&self, ask: &Ask<'_>) -> Result<Answer, FetchError> {
        match request::parse(ask.version, ask.body, ask.options, ask.limits)? {
            Request::Empty => Ok(Answer::Full(Bytes::new())),
            Request::LsRefs(request) => Ok(Answer::Full(ls_refs::answer(&request, ask.refs).into())),
            Request::ObjectInfo(request) => {
                let mut session = build::Session::new(ask, &self.reach);
                let answer = object_info::answer(&request, |id| {
                    if !session.is_visible(id)? {
                        return Ok(None);
                    }
                    Ok(ask.repo.header(id)?.map(|(_, size_bytes)| size_bytes))
                })?;
                Ok(Answer::Full(answer.into()))
            }
            Request::Fetch(request) => match self.objects(ask, &request) {
                // Where every packet is on a band, so is this one.
                Err(FetchError::Refused(text)) if request.sideband_all => {
                    let mut out = Vec::new();
                    pkt::write_band(&mut out, Band::Error, text.as_bytes());
                    Ok(Answer::Refused(out.into()))
                }
                other => other,
            },
        }
    }

    fn objects(&self, ask: &Ask<'_>, request: &FetchRequest) -> Result<Answer, FetchError> {
        if !self.keeps(ask) {
            return match build(ask, request, &self.reach)? {
                Built::Lines(bytes) => Ok(Answer::Full(bytes)),
                Built::Pack(pack) if pack.bytes_expected() <= self.whole_bytes_max as u64 => {
                    Ok(Answer::Full(pack.into_bytes()?))
                }
                Built::Pack(pack) => Ok(Answer::Stream(AnswerStream::Pack(pack))),
            };
        }
        let key = key(ask, request);
        if let Some(kept) = self.cache.get(&key) {
            return Ok(kept.into());
        }
        let end = std::time::Instant::now().checked_add(ask.limits.time_max.min(Duration::from_secs(3_600)));
        let turn = match self.flights.join(key, end) {
            Join::Built(kept) => return Ok(kept.into()),
            Join::Build(turn) => Some(turn),
            Join::Alone => None,
        };
        // Made by someone else between the look and the turn.
        if let Some(bytes) = self.cache.in_memory(&key) {
            return Ok(Answer::Full(bytes));
        }
        let (answer, shared) = match build(ask, request, &self.reach)? {
            Built::Lines(bytes) => (Answer::Full(bytes), None),
            Built::Pack(pack) if pack.bytes_expected() <= self.whole_bytes_max as u64 => {
                let bytes = pack.into_bytes()?;
                self.cache.keep(key, &bytes);
                (Answer::Full(bytes.clone()), Some(Kept::Whole(bytes)))
            }
            Built::Pack(pack) => match self.spool(&key, ask, request, pack)? {
                Spooling::Kept(file) => {
                    (Answer::Stream(AnswerStream::File { file: file.clone(), at: 0 }), Some(Kept::File(file)))
                }
                Spooling::Not(pack) => (Answer::Stream(AnswerStream::Pack(pack)), None),
            },
        };
        if let Some(turn) = turn {
            turn.finish(shared);
        }
        Ok(answer)
    }

    /// Writes a large answer to disk at the disk's pace, so that a slow reader holds neither the pack nor those who wait
    /// for the same.
    fn spool(
        &self,
        key: &Key,
        ask: &Ask<'_>,
        request: &FetchRequest,
        pack: Box<PackStream>,
    ) -> Result<Spooling, FetchError> {
        let Some(mut spool) = self.cache.spool(key) else { return Ok(Spooling::Not(pack)) };
        for chunk in pack {
            if let Err(error) = spool.write(&chunk?) {
                // The disk is full: the reader shall have its answer all the same.
                tracing::warn!(%error, "could not keep a large answer on disk");
                return match build(ask, request, &self.reach)? {
                    Built::Pack(pack) => Ok(Spooling::Not(pack)),
                    Built::Lines(_) => Err(FetchError::Spool { source: error }),
                };
            }
        }
        let file = spool.finish().map_err(|source| FetchError::Spool { source })?;
        Ok(Spooling::Kept(file))
    }

    /// What is served against the rule of reachability is not shared: the key does not know the rule.
    fn keeps(&self, ask: &Ask<'_>) -> bool {
        self.cache.is_enabled() && matches!(ask.options.wants, WantRule::Reachable) && ask.options.shallow.is_empty()
    }
}

enum Spooling {
    Kept(Spooled),
    Not(Box<PackStream>),
}

impl From<Kept> for Answer {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Whole(bytes) => Self::Full(bytes),
            Kept::File(file) => Self::Stream(AnswerStream::File { file, at: 0 }),
        }
    }
}

fn key(ask: &Ask<'_>, request: &FetchRequest) -> Key {
    let mut hasher = Sha256Hasher::new();
    hasher.update(b"answer/1");
    hasher.update(&ask.refs.state.0);
    hasher.update(&request.digest(ask.version));
    for uri in ask.options.packfile_uris.iter() {
        hasher.update(uri.blob.as_bytes());
        hasher.update(uri.pack.as_bytes());
        hasher.update(uri.uri.as_bytes());
        hasher.update(b"\0");
    }
    hasher.finish().0
}
