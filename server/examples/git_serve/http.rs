//! Routes, headers, bodies.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Full, Limited, combinators::BoxBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, EXPIRES, HeaderMap, HeaderValue, PRAGMA,
    WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use skill_pool_git::upload::{Service, Version, advertise};
use tokio::sync::mpsc;

use crate::site::{Opened, Site};
use crate::{fetch, push};

pub type Reply = Response<BoxBody<Bytes, io::Error>>;

/// Bytes of a request's body as sent.
const BODY_BYTES_MAX: usize = 1 << 30;

/// Answers one request.
pub async fn answer(site: Arc<Site>, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    if let Some(name) = path.strip_prefix("/static/") {
        return match site.file(name) {
            Some(bytes) => reply(StatusCode::OK, "application/octet-stream", full(bytes)),
            None => refuse(StatusCode::NOT_FOUND, "no such file"),
        };
    }
    let mut user = request.headers().get("x-suite-user").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let path = match path.strip_prefix("/auth") {
        Some(rest) => {
            // `user@host` and `pass@host`, as git's own test server knows them.
            let known = HeaderValue::from_static("Basic dXNlckBob3N0OnBhc3NAaG9zdA==");
            if user.is_none() && request.headers().get(AUTHORIZATION) != Some(&known) {
                let mut reply = refuse(StatusCode::UNAUTHORIZED, "this path needs a name and a password");
                reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"git-auth\""));
                return reply;
            }
            user.get_or_insert_with(|| "user@host".to_owned());
            rest.to_owned()
        }
        None => path,
    };
    let Some(path) = path.strip_prefix("/smart/").and_then(percent_decode) else {
        return refuse(StatusCode::NOT_FOUND, "not found");
    };
    let (repository, route) = if let Some(repository) = path.strip_suffix("/info/refs") {
        (repository, Route::Advertise)
    } else if let Some(repository) = path.strip_suffix("/git-upload-pack") {
        (repository, Route::Call(Service::UploadPack))
    } else if let Some(repository) = path.strip_suffix("/git-receive-pack") {
        (repository, Route::Call(Service::ReceivePack))
    } else {
        return refuse(StatusCode::NOT_FOUND, "not found");
    };
    let Some(opened) = site.open(repository) else {
        return refuse(StatusCode::NOT_FOUND, "repository not found");
    };
    let service = match route {
        Route::Call(service) => service,
        Route::Advertise => {
            let name = request.uri().query().unwrap_or_default().strip_prefix("service=").unwrap_or_default();
            let name = name.split('&').next().unwrap_or_default();
            match Service::from_name(name) {
                Some(service) => service,
                None => return refuse(StatusCode::FORBIDDEN, "only git's smart protocol is spoken here"),
            }
        }
    };
    let config = &opened.settings.config;
    let allowed = match service {
        Service::UploadPack => config.flag("http.uploadpack").unwrap_or(true),
        Service::ReceivePack => config.flag("http.receivepack").unwrap_or(user.is_some()),
    };
    if !allowed {
        return refuse(StatusCode::FORBIDDEN, "this repository does not allow that");
    }
    let version = Version::from_header(request.headers().get("git-protocol").and_then(|value| value.to_str().ok()));
    match (route, request.method()) {
        (Route::Advertise, &Method::GET) => advertisement(&site, &opened, service, version),
        (Route::Call(Service::UploadPack), &Method::POST) => {
            if !has_type(request.headers(), service) {
                return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported media type");
            }
            fetch::answer(site, opened, version, request).await
        }
        (Route::Call(Service::ReceivePack), &Method::POST) => {
            if !has_type(request.headers(), service) {
                return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported media type");
            }
            push::answer(site, opened, request).await
        }
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"),
    }
}

#[derive(Clone, Copy)]
enum Route {
    Advertise,
    Call(Service),
}

fn advertisement(site: &Site, opened: &Opened, service: Service, version: Version) -> Reply {
    let (section, nonce) = match service {
        Service::UploadPack => ("uploadpack", None),
        Service::ReceivePack => ("receive", push::nonce(opened)),
    };
    let (visible, _) = match site.snapshot(opened, section) {
        Ok(refs) => refs,
        Err(error) => return broken(error.as_ref()),
    };
    let body = advertise(service, version, &visible, &opened.advertise_options(nonce));
    let content_type = match service {
        Service::UploadPack => "application/x-git-upload-pack-advertisement",
        Service::ReceivePack => "application/x-git-receive-pack-advertisement",
    };
    reply(StatusCode::OK, content_type, full(body.into()))
}

fn has_type(headers: &HeaderMap, service: Service) -> bool {
    let expected = format!("application/x-{}-request", service.name());
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes() == expected.as_bytes())
}

/// The whole body, inflated, up to `bytes_max`.
pub async fn read_body(request: Request<Incoming>, bytes_max: usize) -> Result<Bytes, Reply> {
    let zipped = request.headers().get(CONTENT_ENCODING).cloned();
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|_| refuse(StatusCode::BAD_REQUEST, "the request ended too early"))?.to_bytes();
    match zipped.as_ref().map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(body),
        Some(b"gzip" | b"x-gzip") => {
            let mut out = Vec::new();
            let read =
                flate2::read::MultiGzDecoder::new(body.reader()).take(bytes_max as u64 + 1).read_to_end(&mut out);
            match read {
                Ok(_) if out.len() <= bytes_max => Ok(out.into()),
                Ok(_) => Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large")),
                Err(_) => Err(refuse(StatusCode::BAD_REQUEST, "the request is not gzip")),
            }
        }
        Some(_) => Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported content encoding")),
    }
}

/// A body whose chunks come through a channel.
struct Chunks(mpsc::Receiver<Result<Bytes, io::Error>>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

/// A body made by `chunks` on a thread that may block; a slow reader slows it down.
pub fn stream(
    chunks: impl Iterator<Item = Result<Bytes, skill_pool_git::upload::FetchError>> + Send + 'static,
) -> BoxBody<Bytes, io::Error> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        for chunk in chunks {
            let chunk = chunk.map_err(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "an answer broke off");
                io::Error::other(error)
            });
            if sender.blocking_send(chunk).is_err() {
                return;
            }
        }
    });
    Chunks(receiver).boxed()
}

pub fn full(bytes: Bytes) -> BoxBody<Bytes, io::Error> {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

pub fn reply(status: StatusCode, content_type: &'static str, body: BoxBody<Bytes, io::Error>) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(EXPIRES, HeaderValue::from_static("Fri, 01 Jan 1980 00:00:00 GMT"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0, must-revalidate"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub fn refuse(status: StatusCode, why: &str) -> Reply {
    reply(status, "text/plain; charset=utf-8", full(format!("{why}\n").into()))
}

/// The repository's own trouble: told to the log, not to the client.
pub fn broken(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Reply {
    let error: &(dyn std::error::Error + 'static) = error;
    tracing::error!(error, "a request failed");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}
