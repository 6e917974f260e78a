//! `archives/<plugin>/<version>.zip`: a release as one file.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, VARY,
};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use skill_pool_domain::access::ReadRepository;
use skill_pool_domain::names::{PluginName, RepositoryName, Version};
use skill_pool_domain::registry::Visibility;
use tokio_util::io::ReaderStream;

use super::call::Call;
use super::conditional::none_match_names;
use super::problem::Problem;
use crate::services::archives::ArchiveError;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The handler.
///
/// # Errors
/// As access decides; 404 when there is no such release.
pub async fn serve(call: Call) -> Result<Response<Body>, Problem> {
    let plugin = PluginName::parse(call.param(0)).map_err(|_| Problem::NotFound)?;
    let text = call.param(1).strip_suffix(".zip").ok_or(Problem::NotFound)?;
    let version = Version::parse(text).map_err(|_| Problem::NotFound)?;
    let proof = call.grant(ReadRepository(RepositoryName::Plugin(plugin.clone())))?;
    let (archive, file) = match call.site.archives.open(&proof, &version).await {
        Ok(opened) => opened,
        Err(ArchiveError::Absent) => return Err(Problem::NotFound),
        Err(ArchiveError::Stopping) => return Err(Problem::Unavailable("the server is stopping")),
        Err(error) => return Err(Problem::internal(error)),
    };
    let digest = archive.digest.to_string();
    let is_known = none_match_names(call.headers(), &digest, &[]);
    let is_public = call.tenant.as_ref().is_some_and(|tenant| tenant.visibility == Visibility::Public);
    let mut response = Response::new(Body::empty());
    let value = |text: String| HeaderValue::try_from(text).map_err(Problem::internal);
    let headers = response.headers_mut();
    headers.insert(ETAG, value(format!("\"{digest}\""))?);
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static(if is_public { "public, max-age=3600" } else { "private, no-cache" }),
    );
    headers.insert(VARY, HeaderValue::from_static("Authorization"));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(archive.bytes));
    headers.insert(CONTENT_DISPOSITION, value(format!("attachment; filename=\"{plugin}-{version}.zip\""))?);
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    // Source: RFC 9530.
    headers.insert(
        HeaderName::from_static("repr-digest"),
        value(format!("sha-256=:{}:", STANDARD.encode(archive.digest.0)))?,
    );
    headers.insert(HeaderName::from_static("x-sha256"), value(digest)?);
    if call.method() != Method::HEAD {
        // No thread waits for a slow reader: each piece is read when the one before it is gone.
        *response.body_mut() =
            Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file), PIECE_BYTES));
    }
    Ok(response)
}
