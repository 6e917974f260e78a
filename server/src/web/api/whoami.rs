//! `GET …/api/v1/whoami`: whose token this is and what it can do here.

use axum::body::Body;
use http::{Response, StatusCode};
use serde::Serialize;
use skill_pool_domain::access::{Caller, OwnTokens, Role, Scopes};

use crate::web::call::Call;
use crate::web::problem::Problem;

#[derive(Serialize)]
struct WhoAmI<'a> {
    tenant: &'a str,
    member: &'a str,
    role: Role,
    scopes: Scopes,
    /// Scopes within the role: what the token can do now.
    power: Scopes,
    url: String,
}

/// The handler.
///
/// # Errors
/// Strangers are asked for a token, also where the tenant is public.
pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let granted = call.grant(OwnTokens)?;
    let Caller::Member(credential) = &call.caller else { return Err(Problem::NotFound) };
    let who = WhoAmI {
        tenant: granted.tenant_name().as_str(),
        member: credential.member.as_str(),
        role: credential.role,
        scopes: credential.scopes,
        power: credential.power(),
        url: call.site.addresses.base(call.base, granted.tenant_name()),
    };
    super::json(StatusCode::OK, &who)
}
