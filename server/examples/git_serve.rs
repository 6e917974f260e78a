//! Serves a folder of bare repositories over HTTP with the registry's own git room: `git_serve ROOT PORT [--no-cache]`.
//!
//! A thin server for git's own test suite and for measuring. It has no tenants, no gate and no journal: whoever may
//! speak to it may read, and push where the repository's configuration says so. It believes the header `X-Suite-User`,
//! which no product may. Nothing is served without a look at the disk, since others write to the folder.
//!
//! - `/smart/<path>/…`: git. `/static/<file>`: files of ROOT, from memory.

#[path = "git_serve/config.rs"]
mod config;
#[path = "git_serve/fetch.rs"]
mod fetch;
#[path = "git_serve/http.rs"]
mod http;
#[path = "git_serve/push.rs"]
mod push;
#[path = "git_serve/site.rs"]
mod site;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

const USAGE: &str = "usage: git_serve ROOT PORT [--no-cache]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let cached = !words.iter().any(|word| word == "--no-cache");
    words.retain(|word| word != "--no-cache");
    let [root, port] = words.as_slice() else { return Err(USAGE.into()) };
    let port: u16 = port.parse().map_err(|_| USAGE)?;
    let site = Arc::new(site::Site::new(PathBuf::from(root), cached));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(site, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

async fn serve(site: Arc<site::Site>, address: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            _ = terminate.recv() => return Ok(()),
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        stream.set_nodelay(true)?;
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let site = Arc::clone(&site);
                async move { Ok::<_, std::convert::Infallible>(http::answer(site, request).await) }
            });
            // A client that goes away is its own affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
