//! `marketplace.json`: bytes from memory, at its own address and at the tenant's bare one.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderValue, Response, StatusCode};
use skill_pool_domain::access::ReadTenant;
use skill_pool_domain::registry::Visibility;

use super::call::Call;
use super::conditional::{none_match_names, takes_gzip};
use super::portal;
use super::problem::{Family, Problem};
use crate::services::catalog;

/// What the compressed form's tag ends in: another representation has another strong tag.
const GZIP_SUFFIX: &str = "-gz";
/// Smaller catalogs are compressed where they are asked for, larger ones off the threads that serve.
const COMPRESS_INLINE_BYTES_MAX: usize = 64 * 1024;

/// `GET …/.claude-plugin/marketplace.json`.
///
/// # Errors
/// As access decides.
pub async fn serve(call: Call) -> Result<Response<Body>, Problem> {
    let proof = call.grant(ReadTenant)?;
    let file = catalog::file(&call.site.catalogs, &proof, call.base).await.map_err(Problem::internal)?;
    let headers = call.headers();
    let gzip = takes_gzip(headers);
    let suffix = if gzip { GZIP_SUFFIX } else { "" };
    let tag = HeaderValue::try_from(format!("\"{}{suffix}\"", file.tag())).map_err(Problem::internal)?;
    let is_public = call.tenant.as_ref().is_some_and(|tenant| tenant.visibility == Visibility::Public);
    let is_known = none_match_names(headers, file.tag(), &[GZIP_SUFFIX]);
    let mut response = Response::new(Body::empty());
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        let bytes: Bytes = match (gzip, file.compressed()) {
            (false, _) => file.bytes().clone(),
            (true, Some(bytes)) => bytes.clone(),
            (true, None) if file.bytes().len() <= COMPRESS_INLINE_BYTES_MAX => file.compress().clone(),
            (true, None) => {
                let made = tokio::task::spawn_blocking(move || file.compress().clone()).await;
                made.map_err(Problem::internal)?
            }
        };
        *response.body_mut() = Body::from(bytes);
    }
    let headers = response.headers_mut();
    headers.insert(ETAG, tag);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(if is_public { "no-cache" } else { "private, no-cache" }));
    // The bare address answers browsers with a page; what is private is nobody else's.
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding, Authorization, Accept, User-Agent"));
    if !is_known {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    Ok(response)
}

/// `GET …` and `GET …/`: the catalog for the client, the page of the catalog for people. Never a redirect: the client
/// remembers the address that it was given.
///
/// # Errors
/// As access decides.
pub async fn bare(call: Call) -> Result<Response<Body>, Problem> {
    if call.family == Family::Client { serve(call).await } else { portal::home::show(call).await }
}
