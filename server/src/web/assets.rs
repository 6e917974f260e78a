//! Style sheet, icon and the like, under names that change with their content: `/static/<name>.<digest>.<ending>`.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Response};

/// One file of `templates/static`.
struct StaticFile {
    name: &'static str,
    hashed: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

static FILES: &[StaticFile] = include!(concat!(env!("OUT_DIR"), "/static_files.rs"));

/// The address of the file called `name` in `templates/static`; empty when there is none, which a test rules out.
pub fn address(name: &str) -> String {
    FILES.iter().find(|file| file.name == name).map(|file| format!("/static/{}", file.hashed)).unwrap_or_default()
}

/// Answers `/static/<file>`; `None` when there is no such file.
pub fn serve(file: &str) -> Option<Response<Body>> {
    let file = FILES.iter().find(|known| known.hashed == file)?;
    let mut response = Response::new(Body::from(file.bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    // A drawing that is opened by itself is a document: it may not run anything.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_under_their_hashed_names_only() {
        for name in ["site.css", "favicon.svg"] {
            let address = address(name);
            let file = address.strip_prefix("/static/").expect("an address");
            assert!(serve(file).is_some() && serve(name).is_none(), "{file}");
        }
        assert!(address("nothing").is_empty() && serve("../site.css").is_none());
    }
}
