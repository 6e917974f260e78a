//! Clones and fetches.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use skill_pool_git::upload::{Answer, Ask, FetchError, Version};

use crate::http::{self, Reply};
use crate::site::{Opened, Site};

const CONTENT_TYPE: &str = "application/x-git-upload-pack-result";

/// Answers `POST git-upload-pack`.
pub async fn answer(site: Arc<Site>, opened: Opened, version: Version, request: Request<Incoming>) -> Reply {
    let body = match http::read_body(request, site.upload_limits.request_bytes_max).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    // After the body: refs may move while a client is still sending.
    let (visible, all) = match site.snapshot(&opened, "uploadpack") {
        Ok(refs) => refs,
        Err(error) => return http::broken(error.as_ref()),
    };
    let options = opened.upload_options(version, &all);
    let ask = Ask {
        repo: &opened.repo,
        refs: &visible,
        version,
        body: &body,
        options: &options,
        limits: &site.upload_limits,
    };
    if let Some(bytes) = site.fetcher.cached(&ask) {
        return http::reply(StatusCode::OK, CONTENT_TYPE, http::full(bytes));
    }
    let repo = Arc::clone(&opened.repo);
    let shared = Arc::clone(&site);
    let made = tokio::task::spawn_blocking(move || {
        let limits = &shared.upload_limits;
        let ask = Ask { repo: &repo, refs: &visible, version, body: &body, options: &options, limits };
        shared.fetcher.fetch(&ask)
    });
    match made.await {
        Ok(Ok(Answer::Full(bytes) | Answer::Refused(bytes))) => {
            http::reply(StatusCode::OK, CONTENT_TYPE, http::full(bytes))
        }
        Ok(Ok(Answer::Stream(stream))) => http::reply(StatusCode::OK, CONTENT_TYPE, http::stream(stream)),
        Ok(Err(error @ FetchError::Packets(_))) => http::refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        Ok(Err(error)) => http::broken(&error),
        Err(error) => http::broken(&error),
    }
}
