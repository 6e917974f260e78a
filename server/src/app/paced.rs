//! Bounds in time on what a client reads and writes: a stream that gives up on clients which do not read, and a body
//! that gives up on clients which do not send.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The pace that a client has to keep once the first patience is over.
const BYTES_PER_SECOND_MIN: u64 = 1024;
/// How long a closing connection waits for what the client still sends. Closing at once would reset the connection, and
/// the client might lose an answer that it has not read yet.
const LINGER: Duration = Duration::from_secs(2);
/// How much it takes in meanwhile.
const LINGER_BYTES_MAX: usize = 4 << 20;

/// A stream whose peer must keep reading: while bytes wait to be written, at least 1 KiB/s must go out, measured over
/// windows of `patience`. At its end it takes in what the client still sends, for a moment.
pub(super) struct PacedStream<S> {
    inner: S,
    patience: Duration,
    /// Set while a write waits: when the window ends, and what was written in it.
    window: Option<Window>,
    lingering: Option<Lingering>,
}

struct Window {
    ends: Pin<Box<Sleep>>,
    written: u64,
}

struct Lingering {
    ends: Pin<Box<Sleep>>,
    taken: usize,
}

impl<S> PacedStream<S> {
    /// Wraps `inner`.
    pub(super) fn new(inner: S, patience: Duration) -> Self {
        Self { inner, patience, window: None, lingering: None }
    }

    /// Called when a write could not be done at once. An error when the window ended with too little in it.
    fn waiting(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let patience = self.patience;
        let window =
            self.window.get_or_insert_with(|| Window { ends: Box::pin(tokio::time::sleep(patience)), written: 0 });
        while window.ends.as_mut().poll(context).is_ready() {
            if u128::from(window.written) < u128::from(BYTES_PER_SECOND_MIN) * patience.as_millis() / 1000 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer"));
            }
            window.written = 0;
            window.ends.as_mut().reset(Instant::now() + patience);
        }
        Ok(())
    }

    fn wrote(&mut self, bytes: usize) {
        if let Some(window) = &mut self.window {
            window.written += bytes as u64;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, out)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_write(context, bytes) {
            Poll::Pending => {
                this.waiting(context)?;
                Poll::Pending
            }
            Poll::Ready(result) => {
                this.wrote(*result.as_ref().unwrap_or(&0));
                Poll::Ready(result)
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_write_vectored(context, slices) {
            Poll::Pending => {
                this.waiting(context)?;
                Poll::Pending
            }
            Poll::Ready(result) => {
                this.wrote(*result.as_ref().unwrap_or(&0));
                Poll::Ready(result)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_flush(context) {
            Poll::Pending => {
                this.waiting(context)?;
                Poll::Pending
            }
            Poll::Ready(result) => {
                // Everything is out: the next answer starts with fresh patience.
                this.window = None;
                Poll::Ready(result)
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            match Pin::new(&mut this.inner).poll_shutdown(context) {
                Poll::Pending => {
                    this.waiting(context)?;
                    return Poll::Pending;
                }
                Poll::Ready(result) => result?,
            }
        }
        let lingering =
            this.lingering.get_or_insert_with(|| Lingering { ends: Box::pin(tokio::time::sleep(LINGER)), taken: 0 });
        let mut scratch = [0; 16 << 10];
        loop {
            if lingering.taken >= LINGER_BYTES_MAX || lingering.ends.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.inner).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => lingering.taken += buffer.filled().len(),
                // The end, or a client that is gone: either way there is nobody left to lose an answer.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// A request's body that fails when it comes more slowly than 1 KiB/s after `patience`.
pub(super) struct PacedBody<B> {
    inner: B,
    started: Instant,
    patience: Duration,
    received: u64,
    deadline: Option<Pin<Box<Sleep>>>,
}

/// A body came too slowly, or broke off.
#[derive(Debug, thiserror::Error)]
pub enum PacedBodyError {
    /// Too slow.
    #[error("the request's body came more slowly than 1 KiB/s")]
    TooSlow,
    /// The connection broke, or the framing was wrong.
    #[error("the request's body broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl<B> PacedBody<B> {
    /// Wraps `inner`.
    pub(super) fn new(inner: B, patience: Duration) -> Self {
        Self { inner, started: Instant::now(), patience, received: 0, deadline: None }
    }
}

impl<B> Body for PacedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = PacedBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PacedBodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(PacedBodyError::Broken(error.into())))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let allowed = this.patience + Duration::from_secs(this.received / BYTES_PER_SECOND_MIN);
                let end = this.started + allowed;
                let deadline = this.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
                if deadline.deadline() != end {
                    deadline.as_mut().reset(end);
                }
                ready!(deadline.as_mut().poll(context));
                Poll::Ready(Some(Err(PacedBodyError::TooSlow)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// A body that gives one byte each `every`, for ever.
    struct Drip(Pin<Box<Sleep>>, Duration);

    impl Body for Drip {
        type Data = Bytes;
        type Error = io::Error;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            ready!(self.0.as_mut().poll(context));
            let next = Instant::now() + self.1;
            self.0.as_mut().reset(next);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    #[tokio::test]
    async fn a_body_that_drips_is_given_up_after_the_patience() {
        let (every, patience) = (Duration::from_millis(10), Duration::from_millis(200));
        let started = Instant::now();
        let mut body = PacedBody::new(Drip(Box::pin(tokio::time::sleep(every)), every), patience);
        let error = loop {
            match body.frame().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("the drip never ends"),
            }
        };
        assert!(matches!(error, PacedBodyError::TooSlow));
        assert!(started.elapsed() >= patience);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_given_up_and_a_slow_one_is_not() {
        let (client, server) = duplex(16);
        let mut stream = PacedStream::new(server, Duration::from_millis(100));
        let error = stream.write_all(&[0; 100]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);

        let (mut client, server) = duplex(64);
        let mut stream = PacedStream::new(server, Duration::from_millis(100));
        let writer = tokio::spawn(async move { stream.write_all(&[0; 2048]).await });
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        let mut read = 0;
        while read < 2048 {
            pace.tick().await;
            read += client.read(&mut [0; 64]).await.expect("reads");
        }
        writer.await.expect("joins").expect("6 KiB/s is enough");
    }

    #[tokio::test]
    async fn closing_takes_in_what_the_client_still_sends() {
        let (mut client, server) = duplex(1024);
        let mut stream = PacedStream::new(server, Duration::from_secs(30));
        let closing = tokio::spawn(async move { stream.shutdown().await });
        for _ in 0..100 {
            client.write_all(&[0; 1024]).await.expect("still taken in");
        }
        assert_eq!(client.read(&mut [0; 1]).await.expect("the end"), 0);
        drop(client);
        closing.await.expect("joins").expect("closes");
    }
}
