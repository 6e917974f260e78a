//! Pushes.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use skill_pool_git::upload::Version;

use crate::http::{self, Reply};
use crate::site::{Opened, Site};

/// The nonce for a signed push, where the repository has a seed for it.
pub fn nonce(_opened: &Opened) -> Option<String> {
    None
}

/// Answers `POST git-receive-pack`.
pub async fn answer(_site: Arc<Site>, _opened: Opened, _version: Version, _request: Request<Incoming>) -> Reply {
    http::refuse(StatusCode::FORBIDDEN, "pushing is not possible here yet")
}
