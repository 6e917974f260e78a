//! `GET …/api/v1/signing-key`: the public part of the registry's own key, which signs release tags.

use axum::body::Body;
use http::{Response, StatusCode};
use serde::Serialize;

use crate::web::call::Call;
use crate::web::problem::Problem;

#[derive(Serialize)]
struct Shown {
    /// `ssh-ed25519 …`.
    public_key: String,
    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    fingerprint: String,
    /// One line for git's `gpg.ssh.allowedSignersFile`, without its line feed.
    allowed_signers: String,
}

/// The handler.
///
/// # Errors
/// None of its own.
pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let key = call.site.git.signing_key();
    let shown = Shown {
        public_key: key.public().to_openssh(),
        fingerprint: key.public().fingerprint(),
        allowed_signers: key.allowed_signers_line().trim_end().to_owned(),
    };
    super::json(StatusCode::OK, &shown)
}
