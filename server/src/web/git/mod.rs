//! Git's four requests: parsed into one value, authorised as that value, served as that value.
//!
//! - `request`: what is asked; `body`: the bytes that follow, whole or as a stream
//! - `fetch`: reading; `push`: writing

pub mod body;
mod fetch;
mod push;
pub mod request;

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, EXPIRES, PRAGMA, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use skill_pool_domain::access::{Push, ReadRepository, ReadTenant};
use skill_pool_git::upload::{Service, Version};

use super::call::Call;
use super::problem::Problem;
use crate::services::git::GitError;
use body::BodyError;
use request::{GitRequest, NotGit, Phase};

/// Answers everything below `git/`.
///
/// # Errors
/// [`Problem`], laid out as text/plain, which git shows behind `remote:`.
pub async fn handle(call: Call) -> Result<Response<Body>, Problem> {
    let request = match GitRequest::parse(call.method(), call.param(0), call.query()) {
        Ok(request) => request,
        Err(not_git) => {
            // Who may not read here learns nothing, not even that a path is no repository's.
            call.grant(ReadTenant)?;
            return Err(not_git_problem(not_git));
        }
    };
    match (request.service, request.phase) {
        (Service::UploadPack, phase) => {
            let proof = call.grant(ReadRepository(request.repository))?;
            fetch::make_ready(Arc::clone(&call.site.git), &proof).await?;
            match phase {
                Phase::Advertise => fetch::advertise(&call, &proof),
                Phase::Exchange => fetch::exchange(call, &proof).await,
            }
        }
        (Service::ReceivePack, phase) => {
            let proof = call.grant(Push(request.repository))?;
            match phase {
                Phase::Advertise => push::advertise(&call, &proof),
                Phase::Exchange => push::exchange(call, proof).await,
            }
        }
    }
}

fn not_git_problem(not_git: NotGit) -> Problem {
    match not_git {
        NotGit::NotFound => Problem::NotFound,
        NotGit::Dumb => Problem::Forbidden(skill_pool_domain::refusal::Refusal::new(
            "dumb-protocol",
            "this registry speaks git's smart protocol only",
            "use git 1.6.6 or newer, or any client that asks for `info/refs?service=git-upload-pack`",
        )),
        NotGit::UnknownService => Problem::Forbidden(skill_pool_domain::refusal::Refusal::new(
            "unknown-service",
            "there is no such service here",
            "ask for git-upload-pack or git-receive-pack",
        )),
        NotGit::Method(allowed) => Problem::Method(allowed.to_owned()),
    }
}

impl From<GitError> for Problem {
    fn from(error: GitError) -> Self {
        match error {
            GitError::Absent => Self::NotFound,
            GitError::Fetch(skill_pool_git::upload::FetchError::Packets(error)) => Self::Malformed(error.to_string()),
            other => Self::internal(other),
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit_bytes } => Self::TooLarge { limit_bytes },
            BodyError::TooSlow => Self::TooSlow,
            BodyError::UnknownEncoding => Self::MediaType("gzip, or no content encoding"),
            BodyError::Disk(source) => Self::internal(source),
            BodyError::Broken | BodyError::NotGzip => Self::Malformed(error.to_string()),
        }
    }
}

/// The protocol version that a request asks for by its header.
fn version(headers: &HeaderMap) -> Version {
    Version::from_header(headers.get("git-protocol").and_then(|value| value.to_str().ok()))
}

/// The `Content-Type` must be the service's own: what a browser's form can send is none of them.
fn expect_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Problem> {
    let sent = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if sent == expected.as_bytes() { Ok(()) } else { Err(Problem::MediaType(expected)) }
}

/// A 200 that no cache may keep.
fn answer(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(CONTENT_TYPE, content_type);
    set(EXPIRES, "Fri, 01 Jan 1980 00:00:00 GMT");
    set(PRAGMA, "no-cache");
    set(CACHE_CONTROL, "no-cache, max-age=0, must-revalidate");
    set(VARY, "Git-Protocol, Authorization");
    response
}

fn whole(content_type: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    let bytes = bytes.into();
    let length = bytes.len();
    let mut response = answer(content_type, Body::from(bytes));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}
