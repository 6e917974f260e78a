//! Bodies of git requests: small ones in memory, large ones in a file without a name, slow ones given up. Either way a
//! body is whole before anything is done with it, so that a slow sender never holds a working thread.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

/// Bodies up to this many bytes are held in memory.
pub const WHOLE_BYTES_MAX: usize = 1 << 20;

/// A body may be slower than this many bytes a second for the first [`PATIENCE`] only.
const BYTES_PER_SECOND_MIN: u64 = 1024;
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed.
    #[error("the request has more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The sender was too slow.
    #[error("the request came slower than 1 KiB a second")]
    TooSlow,
    /// The sender broke off, or broke HTTP's framing.
    #[error("the request broke off")]
    Broken,
    /// Not gzip although the header says so.
    #[error("the request's body is not gzip although its header says so")]
    NotGzip,
    /// Our own disk failed.
    #[error("could not hold the request")]
    Disk(#[source] io::Error),
    /// An encoding that is not known.
    #[error("the request's body has an encoding that is not supported; use gzip or none")]
    UnknownEncoding,
}

/// A body as taken from the socket.
pub enum Taken {
    /// In memory.
    Whole(Bytes),
    /// In a file that nobody else can open, read from its beginning.
    File(File),
}

/// How a body is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// `Content-Encoding: gzip` or `x-gzip`.
    Gzip,
}

impl Encoding {
    /// Reads the header.
    ///
    /// # Errors
    /// [`BodyError::UnknownEncoding`].
    pub fn of(headers: &http::HeaderMap) -> Result<Self, BodyError> {
        let mut values = headers.get_all(http::header::CONTENT_ENCODING).iter();
        match (values.next().map(http::HeaderValue::as_bytes), values.next()) {
            (None, _) => Ok(Self::Identity),
            (Some(value), None) if value.eq_ignore_ascii_case(b"identity") => Ok(Self::Identity),
            (Some(value), None) if value.eq_ignore_ascii_case(b"gzip") || value.eq_ignore_ascii_case(b"x-gzip") => {
                Ok(Self::Gzip)
            }
            _ => Err(BodyError::UnknownEncoding),
        }
    }
}

/// Takes a body of at most `bytes_max` bytes: in memory up to [`WHOLE_BYTES_MAX`], else in a file below `folder`, which is
/// made if need be.
///
/// # Errors
/// [`BodyError`].
pub async fn take(body: Body, bytes_max: u64, folder: &Path) -> Result<Taken, BodyError> {
    let announced = http_body::Body::size_hint(&body).exact();
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(BodyError::TooLarge { limit_bytes: bytes_max });
    }
    let mut chunks = Chunks { stream: body.into_data_stream(), started: Instant::now(), received: 0, bytes_max };
    let Some(first) = chunks.next().await? else {
        return Ok(Taken::Whole(Bytes::new()));
    };
    let mut held = match chunks.next().await? {
        None => return Ok(Taken::Whole(first)),
        Some(second) => {
            let room = announced.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(0).min(WHOLE_BYTES_MAX));
            let mut held = BytesMut::with_capacity(room.max(first.len() + second.len()));
            held.extend_from_slice(&first);
            held.extend_from_slice(&second);
            held
        }
    };
    while held.len() <= WHOLE_BYTES_MAX {
        match chunks.next().await? {
            Some(chunk) => held.extend_from_slice(&chunk),
            None => return Ok(Taken::Whole(held.freeze())),
        }
    }
    let folder = folder.to_owned();
    let file = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        tempfile::tempfile_in(&folder)
    });
    let file = file.await.map_err(|error| BodyError::Disk(io::Error::other(error)))?.map_err(BodyError::Disk)?;
    let mut file = tokio::fs::File::from_std(file);
    file.write_all(&held).await.map_err(BodyError::Disk)?;
    drop(held);
    while let Some(chunk) = chunks.next().await? {
        file.write_all(&chunk).await.map_err(BodyError::Disk)?;
    }
    file.flush().await.map_err(BodyError::Disk)?;
    file.rewind().await.map_err(BodyError::Disk)?;
    Ok(Taken::File(file.into_std().await))
}

/// The chunks of a body under limits of size and speed.
struct Chunks {
    stream: BodyDataStream,
    started: Instant,
    received: u64,
    bytes_max: u64,
}

impl Chunks {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        use std::pin::Pin;
        loop {
            // At the slowest allowed pace the bytes received so far took this long; silence beyond it is the end.
            let allowed = PATIENCE + Duration::from_secs(self.received / BYTES_PER_SECOND_MIN);
            let deadline = tokio::time::Instant::from_std(self.started + allowed);
            let next = std::future::poll_fn(|context| {
                let frame = http_body::Body::poll_frame(Pin::new(&mut self.stream), context);
                frame.map(|frame| frame.map(|frame| frame.map(http_body::Frame::into_data)))
            });
            let frame = tokio::time::timeout_at(deadline, next).await.map_err(|_| BodyError::TooSlow)?;
            let data = match frame {
                None => return Ok(None),
                Some(Err(_)) => return Err(BodyError::Broken),
                Some(Ok(Err(_trailers))) => continue,
                Some(Ok(Ok(data))) => data,
            };
            self.received += data.len() as u64;
            if self.received > self.bytes_max {
                return Err(BodyError::TooLarge { limit_bytes: self.bytes_max });
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}

/// Inflates a whole body to at most `bytes_max` bytes.
///
/// # Errors
/// [`BodyError::NotGzip`] or [`BodyError::TooLarge`].
pub fn inflate(body: &[u8], bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut out = Vec::new();
    let mut limited = MultiGzDecoder::new(body).take(bytes_max as u64 + 1);
    limited.read_to_end(&mut out).map_err(|_| BodyError::NotGzip)?;
    if out.len() > bytes_max {
        return Err(BodyError::TooLarge { limit_bytes: bytes_max as u64 });
    }
    Ok(out.into())
}

/// Reads a body of either form into memory, inflated to at most `bytes_max` bytes. Blocking.
///
/// # Errors
/// [`BodyError`].
pub fn read_whole(taken: Taken, encoding: Encoding, bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut out = Vec::new();
    let mut reader = reader(taken, encoding, bytes_max as u64);
    reader.read_to_end(&mut out).map_err(|error| match error.downcast::<BodyError>() {
        Ok(error) => error,
        Err(_) if encoding == Encoding::Gzip => BodyError::NotGzip,
        Err(error) => BodyError::Disk(error),
    })?;
    Ok(out.into())
}

/// A reader over a body of either form, inflating if need be. Reading more than `bytes_max` inflated bytes is an error.
pub fn reader(taken: Taken, encoding: Encoding, bytes_max: u64) -> Box<dyn Read + Send> {
    let raw: Box<dyn Read + Send> = match taken {
        Taken::Whole(bytes) => Box::new(io::Cursor::new(bytes)),
        Taken::File(file) => Box::new(io::BufReader::with_capacity(64 << 10, file)),
    };
    match encoding {
        Encoding::Identity => raw,
        Encoding::Gzip => Box::new(Bounded { inner: MultiGzDecoder::new(raw), left: bytes_max, bytes_max }),
    }
}

struct Bounded<R> {
    inner: R,
    left: u64,
    bytes_max: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(BodyError::TooLarge { limit_bytes: self.bytes_max }))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn a_bomb_is_cut_at_the_limit() {
        let bomb = gzip(&vec![0; 1 << 20]);
        assert!(matches!(inflate(&bomb, 1000), Err(BodyError::TooLarge { limit_bytes: 1000 })));
        assert_eq!(inflate(&bomb, 1 << 20).expect("fits").len(), 1 << 20);
        let mut reader = reader(Taken::Whole(bomb.into()), Encoding::Gzip, 1000);
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
        assert!(matches!(inflate(b"plain", 10), Err(BodyError::NotGzip)));
    }

    #[tokio::test]
    async fn small_bodies_are_held_in_memory_and_large_ones_in_a_file_without_a_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let small = take(Body::from(vec![1; 1000]), 2000, folder.path()).await.expect("small");
        assert!(matches!(small, Taken::Whole(bytes) if bytes.len() == 1000));
        let large = take(Body::from(vec![1; 3000]), 2000, folder.path()).await;
        assert!(matches!(large, Err(BodyError::TooLarge { limit_bytes: 2000 })));

        let chunk = |byte| Ok::<_, std::io::Error>(Bytes::from(vec![byte; 700_000]));
        let body = Body::from_stream(futures_like(vec![chunk(1), chunk(2), chunk(3)]));
        let taken = take(body, 10 << 20, folder.path()).await.expect("large");
        assert!(matches!(taken, Taken::File(_)));
        let mut out = Vec::new();
        reader(taken, Encoding::Identity, 10 << 20).read_to_end(&mut out).expect("reads");
        assert_eq!((out.len(), out[0], out[2_099_999]), (2_100_000, 1, 3));
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0);
    }

    #[tokio::test]
    async fn a_body_that_breaks_or_grows_too_large_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![7; 700_000]));
        let broken = vec![chunk(), chunk(), Err(std::io::Error::other("gone"))];
        for (chunks, limit) in [(broken, 10 << 20), (vec![chunk(), chunk(), chunk()], 1_500_000)] {
            let body = Body::from_stream(futures_like(chunks));
            assert!(take(body, limit, folder.path()).await.is_err());
        }
    }

    fn futures_like<T: Unpin>(items: Vec<T>) -> impl futures_core::Stream<Item = T> {
        struct Items<T>(std::vec::IntoIter<T>);
        impl<T: Unpin> futures_core::Stream for Items<T> {
            type Item = T;
            fn poll_next(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<T>> {
                std::task::Poll::Ready(self.0.next())
            }
        }
        Items(items.into_iter())
    }
}
