//! The HTTP listener: an accept loop of our own, so that the bounds on connections, headers, bodies and stopping hold.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::paced::{PacedBody, PacedStream};
use super::tls::Tls;
use crate::observe::metrics::Metrics;

/// Connections that the kernel may hold for us.
const BACKLOG: u32 = 4096;
/// Bytes of a request's header.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Bytes that hyper holds of a connection in each direction.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// How long requests are still taken in after the signal to stop: clients between two requests of one push get through.
const LAME_DUCK: Duration = Duration::from_millis(300);
/// How long a connection without a request is kept after that.
const IDLE_AT_STOP: Duration = Duration::from_secs(1);

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    /// For a request's header, and for the next request on an open connection.
    pub header: Duration,
    /// Before a body has to keep a pace, and for a client that does not read.
    pub stalled: Duration,
    /// Open connections.
    pub connections_max: usize,
    /// Open connections of one address.
    pub connections_per_address_max: usize,
    /// Loopback is not counted per address.
    pub exempt_loopback: bool,
}

/// How far stopping has got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Serving,
    /// No new connections; open ones end with their request.
    Closing,
}

/// A bound socket that does not serve yet.
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<Tls>>,
    limits: ListenerLimits,
}

impl Listener {
    /// Takes the address.
    ///
    /// # Errors
    /// When it is taken or not ours.
    pub(super) fn bind(address: SocketAddr, tls: Option<Arc<Tls>>, limits: ListenerLimits) -> io::Result<Self> {
        let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
        // A restart must not wait for the connections of the process before it.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self { socket: socket.listen(BACKLOG)?, tls, limits })
    }

    /// The address, with the port that the system chose for port 0.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Reads the certificate again at each SIGHUP, for ever. A listener without TLS only takes the signal, which would
    /// end the process otherwise.
    pub fn reload_certificates(&self) -> impl Future<Output = ()> + Send + 'static {
        let tls = self.tls.clone();
        async move {
            let Ok(mut hangups) = signal(SignalKind::hangup()) else { return };
            while hangups.recv().await.is_some() {
                match tls.as_ref().map(|tls| tls.reload()) {
                    Some(Ok(())) => tracing::info!("read the certificate again"),
                    Some(Err(error)) => tracing::error!(error = %error, "the old certificate stays in use"),
                    None => {}
                }
            }
        }
    }

    /// Serves `router` until `stop`, then empties the queue of connections, ends open ones with their request, and
    /// returns when all are done or `drain` is over.
    pub async fn serve(self, router: Router, metrics: Arc<Metrics>, stop: impl Future<Output = ()>, drain: Duration) {
        let (stage, stages) = watch::channel(Stage::Serving);
        let server = Arc::new(Server {
            router,
            metrics,
            limits: self.limits,
            slots: Arc::new(Semaphore::new(self.limits.connections_max)),
            by_address: Mutex::new(HashMap::new()),
            tracker: TaskTracker::new(),
            stages,
        });
        let lame = async {
            stop.await;
            tokio::time::sleep(LAME_DUCK).await;
        };
        tokio::pin!(lame);
        loop {
            tokio::select! {
                () = &mut lame => break,
                accepted = accept(&self.socket, &server.slots) => {
                    if let Some((stream, address, slot)) = accepted {
                        server.clone().start(stream, address, slot, self.tls.clone());
                    }
                }
            }
        }
        self.empty_queue(&server);
        stage.send_replace(Stage::Closing);
        server.tracker.close();
        if tokio::time::timeout(drain, server.tracker.wait()).await.is_err() {
            tracing::warn!(connections = server.tracker.len(), "gave up connections that did not end in time");
        }
    }

    /// Takes what the kernel already accepted for us; closing the socket would reset it.
    fn empty_queue(self, server: &Arc<Server>) {
        let Ok(socket) = self.socket.into_std() else { return };
        loop {
            match socket.accept() {
                Ok((stream, address)) => {
                    let Ok(slot) = server.slots.clone().try_acquire_owned() else { return };
                    if stream.set_nonblocking(true).is_ok()
                        && let Ok(stream) = TcpStream::from_std(stream)
                    {
                        server.clone().start(stream, address, slot, self.tls.clone());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// One connection, once there is room for it. `None` after an error that concerns one connection only.
async fn accept(socket: &TcpListener, slots: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, address)) => Some((stream, address, slot)),
        Err(error) => {
            let one_only = [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset];
            if !one_only.contains(&error.kind()) {
                tracing::error!(error = %error, "cannot accept connections");
                // Out of files or memory: trying again at once would only burn the processor.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None
        }
    }
}

struct Server {
    router: Router,
    metrics: Arc<Metrics>,
    limits: ListenerLimits,
    slots: Arc<Semaphore>,
    /// Open connections by address; an address without any has no entry.
    by_address: Mutex<HashMap<IpAddr, usize>>,
    tracker: TaskTracker,
    stages: watch::Receiver<Stage>,
}

impl Server {
    fn start(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        slot: OwnedSemaphorePermit,
        tls: Option<Arc<Tls>>,
    ) {
        let Some(counted) = Counted::enter(self.clone(), address.ip().to_canonical()) else {
            self.metrics.connection_refused();
            return;
        };
        // Small answers must not wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let tracker = self.tracker.clone();
        tracker.spawn(async move {
            let _held = (slot, counted);
            let stream = PacedStream::new(stream, self.limits.stalled);
            match tls {
                None => self.connection(stream, address).await,
                Some(tls) => {
                    let handshake = tls.acceptor().accept(stream);
                    if let Ok(Ok(stream)) = tokio::time::timeout(self.limits.header, handshake).await {
                        self.connection(stream, address).await;
                    }
                }
            }
        });
    }

    async fn connection<S>(&self, stream: S, address: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let under_way = Arc::new(AtomicUsize::new(0));
        let service = service_fn(|request: http::Request<Incoming>| {
            let router = self.router.clone();
            let running = Running::new(&under_way, &self.metrics);
            let stalled = self.limits.stalled;
            async move {
                let begun = Instant::now();
                let (method, path) = (request.method().clone(), request.uri().path().to_owned());
                let mut request = request.map(|body| match body.is_end_stream() {
                    true => Body::empty(),
                    false => Body::new(PacedBody::new(body, stalled)),
                });
                request.extensions_mut().insert(ConnectInfo(address));
                let answer = router.oneshot(request).await?;
                running.metrics.request_answered(&method, &path, answer.status().as_u16(), begun.elapsed());
                Ok::<_, Infallible>(answer.map(|body| CountedBody { body, _running: running }))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_header_size(HEADER_BYTES_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            // A client may close its side of the connection and still wait for the answer.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let mut stages = self.stages.clone();
        tokio::select! {
            // What goes wrong on a connection is the client's doing or its network's; it concerns nobody here.
            _ = &mut connection => return,
            _ = stages.wait_for(|stage| *stage == Stage::Closing) => {}
        }
        connection.as_mut().graceful_shutdown();
        loop {
            tokio::select! {
                _ = &mut connection => return,
                () = tokio::time::sleep(IDLE_AT_STOP) => {
                    if under_way.load(Ordering::Relaxed) == 0 {
                        return;
                    }
                }
            }
        }
    }
}

/// Counts a request as under way until its answer is written or given up.
struct Running {
    count: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

impl Running {
    fn new(count: &Arc<AtomicUsize>, metrics: &Arc<Metrics>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        metrics.request_began();
        Self { count: count.clone(), metrics: metrics.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.metrics.request_ended();
    }
}

/// The body of an answer that is under way.
struct CountedBody {
    body: Body,
    _running: Running,
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Counts a connection of an address.
struct Counted {
    server: Arc<Server>,
    address: IpAddr,
}

impl Counted {
    /// `None` when the address has as many connections as it may.
    fn enter(server: Arc<Server>, address: IpAddr) -> Option<Self> {
        let exempt = server.limits.exempt_loopback && address.is_loopback();
        {
            let mut counts = server.by_address.lock();
            let count = counts.entry(address).or_insert(0);
            if *count >= server.limits.connections_per_address_max && !exempt {
                return None;
            }
            *count += 1;
        }
        server.metrics.connection_opened();
        Some(Self { server, address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.server.metrics.connection_closed();
        let mut counts = self.server.by_address.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::{Notify, oneshot};
    use tokio::task::JoinHandle;

    use super::*;

    const LIMITS: ListenerLimits = ListenerLimits {
        header: Duration::from_millis(300),
        stalled: Duration::from_secs(30),
        connections_max: 600,
        connections_per_address_max: 550,
        exempt_loopback: false,
    };

    struct Started {
        address: SocketAddr,
        stop: Option<oneshot::Sender<()>>,
        serving: JoinHandle<()>,
        /// Lets the request to `/wait` be answered.
        go: Arc<Notify>,
        /// Tells that a request to `/wait` has come in.
        came: Arc<Notify>,
    }

    fn start(limits: ListenerLimits) -> Started {
        let listener = Listener::bind("127.0.0.1:0".parse().expect("an address"), None, limits).expect("binds");
        let address = listener.address().expect("bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let (go, came) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let wait = {
            let (go, came) = (go.clone(), came.clone());
            move || async move {
                came.notify_one();
                go.notified().await;
                "waited"
            }
        };
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/wait", get(wait))
            .route("/echo", post(|body: String| async move { body }))
            .route("/deaf", post(|| async { "no" }));
        let serving = tokio::spawn(listener.serve(
            router,
            Arc::default(),
            async move {
                let _ = stopped.await;
            },
            Duration::from_secs(20),
        ));
        Started { address, stop: Some(stop), serving, go, came }
    }

    async fn connect(started: &Started) -> TcpStream {
        TcpStream::connect(started.address).await.expect("connects")
    }

    async fn to_end(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8_lossy(&text).into_owned()
    }

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn idle_connections_and_slow_headers_are_given_up_and_hurt_nobody() {
        let started = start(LIMITS);
        let begun = Instant::now();
        let mut idle = Vec::new();
        for number in 0..500 {
            let mut stream = connect(&started).await;
            if number % 2 == 0 {
                stream.write_all(b"GET / HT").await.expect("writes");
            }
            idle.push(stream);
        }
        let mut client = connect(&started).await;
        client.write_all(GET).await.expect("writes");
        assert!(to_end(&mut client).await.ends_with("hello"));
        for stream in &mut idle {
            to_end(stream).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn one_address_has_no_more_connections_than_it_may() {
        let started =
            start(ListenerLimits { connections_per_address_max: 2, header: Duration::from_secs(10), ..LIMITS });
        let (mut first, _second) = (connect(&started).await, connect(&started).await);
        // The third is taken and closed at once, while the first two go on.
        assert_eq!(to_end(&mut connect(&started).await).await, "");
        first.write_all(GET).await.expect("writes");
        assert!(to_end(&mut first).await.ends_with("hello"));
        let exempt = start(ListenerLimits { connections_per_address_max: 0, exempt_loopback: true, ..LIMITS });
        let mut client = connect(&exempt).await;
        client.write_all(GET).await.expect("writes");
        assert!(to_end(&mut client).await.ends_with("hello"));
    }

    #[tokio::test]
    async fn stopping_answers_what_is_under_way_and_ends_what_is_idle() {
        let mut started = start(ListenerLimits { header: Duration::from_secs(10), ..LIMITS });
        let _idle = connect(&started).await;
        let mut waiting = connect(&started).await;
        waiting.write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("writes");
        started.came.notified().await;
        started.stop.take().expect("not stopped yet").send(()).expect("serves");
        // A client that comes between the signal and the end of the grace is served too.
        let mut late = connect(&started).await;
        late.write_all(GET).await.expect("writes");
        assert!(to_end(&mut late).await.ends_with("hello"));
        started.go.notify_one();
        let answer = to_end(&mut waiting).await;
        assert!(answer.ends_with("waited"), "{answer}");
        tokio::time::timeout(Duration::from_secs(8), started.serving).await.expect("in time").expect("joins");
        assert!(TcpStream::connect(started.address).await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn an_answer_given_before_the_body_was_read_reaches_the_client() {
        let started = start(LIMITS);
        let mut client = connect(&started).await;
        let head = "POST /deaf HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n";
        client.write_all(head.as_bytes()).await.expect("writes");
        client.write_all(&vec![0; 3_000_000]).await.expect("the server takes it in");
        assert!(to_end(&mut client).await.ends_with("no"));
    }

    #[tokio::test]
    async fn headers_have_a_bound() {
        let started = start(LIMITS);
        let mut client = connect(&started).await;
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(20_000));
        client.write_all(head.as_bytes()).await.expect("writes");
        assert!(to_end(&mut client).await.starts_with("HTTP/1.1 431 "));
    }
}
