//! A web server of one page, so that stock git can clone from the crate: one thread a connection, one request each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use skill_pool_git::limits::UploadLimits;
use skill_pool_git::refs::{FolderRefs, RefSnapshot, RefStore};
use skill_pool_git::repo::{RepoCache, RepoOptions};
use skill_pool_git::upload::{
    AdvertiseOptions, Answer, Ask, CacheOptions, Fetcher, Service, UploadOptions, Version, advertise,
};

/// A repository on the loopback.
pub struct Served {
    pub url: String,
    pub shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What the connections share.
pub struct Shared {
    pub repos: Arc<RepoCache>,
    pub refs: FolderRefs,
    pub fetcher: Fetcher,
    pub options: UploadOptions,
    pub limits: UploadLimits,
    /// Names that begin so are hidden.
    pub hidden: Option<&'static str>,
    /// Refs that are taken in place of those on disk.
    pub pinned: Option<Arc<RefSnapshot>>,
    pub folder: PathBuf,
    pub requests: AtomicUsize,
    stop: AtomicBool,
}

impl Shared {
    pub fn new(folder: &Path, cache: &CacheOptions) -> Self {
        let repos = Arc::new(RepoCache::new(RepoOptions::default(), 8));
        Self {
            refs: FolderRefs::new(Arc::clone(&repos)),
            repos,
            fetcher: Fetcher::new(cache),
            options: UploadOptions { ref_in_want: true, sideband_all: true, ..UploadOptions::default() },
            limits: UploadLimits::default(),
            hidden: None,
            pinned: None,
            folder: folder.to_owned(),
            requests: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        }
    }

    pub fn visible(&self) -> Arc<RefSnapshot> {
        if let Some(pinned) = &self.pinned {
            return Arc::clone(pinned);
        }
        let all = self.refs.snapshot(&self.folder).expect("refs");
        match self.hidden {
            Some(hidden) => Arc::new(all.filtered(b"test", |name| !name.as_str().starts_with(hidden))),
            None => all,
        }
    }

    /// The body of the answer to one request, and the chunks that it came in.
    pub fn ask(&self, version: Version, body: &[u8]) -> (Vec<u8>, usize) {
        let repo = self.repos.get(&self.folder).expect("opens");
        let refs = self.visible();
        let (options, limits) = (&self.options, &self.limits);
        let ask = Ask { repo: &repo, refs: &refs, version, body, options, limits };
        match self.fetcher.fetch(&ask).expect("answered") {
            Answer::Full(bytes) | Answer::Refused(bytes) => (bytes.to_vec(), 1),
            Answer::Stream(stream) => {
                let chunks: Vec<_> = stream.map(|chunk| chunk.expect("whole")).collect();
                (chunks.concat(), chunks.len())
            }
        }
    }

    /// True when the answer is at hand.
    pub fn is_cached(&self, version: Version, body: &[u8]) -> bool {
        let repo = self.repos.get(&self.folder).expect("opens");
        let refs = self.visible();
        let (options, limits) = (&self.options, &self.limits);
        self.fetcher.cached(&Ask { repo: &repo, refs: &refs, version, body, options, limits }).is_some()
    }

    fn connection(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let (mut length, mut chunked, mut zipped, mut protocol) = (0, false, false, None);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? <= 2 {
                break;
            }
            let (name, value) = line.trim().split_once(": ").unwrap_or((line.trim(), ""));
            match name.to_lowercase().as_str() {
                "content-length" => length = value.parse().expect("a length"),
                "transfer-encoding" => chunked = value == "chunked",
                "content-encoding" => zipped = value == "gzip",
                "git-protocol" => protocol = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        while chunked {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16).expect("a size");
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            body.extend_from_slice(&chunk[..size]);
            chunked = size > 0;
        }
        if zipped {
            let mut inflated = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut inflated)?;
            body = inflated;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let version = Version::from_header(protocol.as_deref());
        let (kind, answer) = if first.starts_with("GET") {
            let options = AdvertiseOptions { upload: self.options.clone(), ..AdvertiseOptions::default() };
            ("advertisement", advertise(Service::UploadPack, version, &self.visible(), &options))
        } else {
            ("result", self.ask(version, &body).0)
        };
        let length = answer.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-{kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )?;
        stream.write_all(&answer)
    }
}

impl Served {
    pub fn new(shared: Shared) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/x.git", listener.local_addr().expect("an address"));
        let shared = Arc::new(shared);
        let inside = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if inside.stop.load(Ordering::Relaxed) {
                    return;
                }
                let inside = Arc::clone(&inside);
                std::thread::spawn(move || stream.and_then(|stream| inside.connection(stream)));
            }
        });
        Self { url, shared, thread: Some(thread) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let address = self.url.trim_start_matches("http://").trim_end_matches("/x.git");
        drop(TcpStream::connect(address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
