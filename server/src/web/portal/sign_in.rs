//! Signing in with a token, and signing out. The form is the same for every address, whether or not a tenant is there.

use std::time::Instant;

use axum::body::Body;
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use skill_pool_domain::access::{Caller, Denied, ReadTenant, decide};

use super::problem::Place;
use super::render::{Frame, page};
use crate::services::sessions::SessionId;
use crate::web::call::Call;
use crate::web::cookie::set_cookie;
use crate::web::problem::Problem;
use crate::web::site::Site;

#[derive(Serialize)]
struct View<'a> {
    frame: Frame,
    name: &'a str,
    reason: Option<&'a str>,
    error: Option<&'a str>,
    action: String,
    next: &'a str,
}

/// The form as a page. `next` is where a person goes on afterwards.
///
/// # Errors
/// When the template cannot be rendered.
pub fn form(
    site: &Site,
    place: &Place,
    reason: Option<&str>,
    error: Option<&str>,
    next: &str,
) -> Result<String, Problem> {
    let view = View {
        frame: Frame::of_outside("Sign in"),
        name: &place.name,
        reason,
        error,
        action: format!("{}/sign-in", place.prefix),
        next,
    };
    site.templates.render("pages/sign_in.html", &view)
}

/// `GET …/sign-in`.
///
/// # Errors
/// When the template cannot be rendered.
pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let next = call.query_value("next").unwrap_or_default();
    Ok(page(StatusCode::OK, form(&call.site, &Place::of(&call), None, None, &next)?))
}

/// `POST …/sign-in`: a token that opens this tenant begins a session.
///
/// # Errors
/// When the body is no form. A token that does not fit shows the form again, with 401 and the same words whether it is
/// unknown, another tenant's, or there is no tenant here.
pub async fn submit(mut call: Call) -> Result<Response<Body>, Problem> {
    let fields = call.form().await?;
    let token = fields.value("token").unwrap_or_default();
    let next = fields.value("next").unwrap_or_default();
    let token = token.trim();
    let caller = call.site.directory.caller(token);
    let opens = matches!(caller, Caller::Member(_)) && decide(ReadTenant, call.tenant.as_deref(), &caller).is_ok();
    let fits = match (&call.tenant, &caller) {
        (Some(tenant), Caller::Member(credential)) if opens && credential.tenant == tenant.id => {
            call.site.directory.token_hash(token).map(|hash| (tenant, hash))
        }
        _ => None,
    };
    let Some((tenant, hash)) = fits else {
        let error = "This token opens nothing here. Check that it is whole, not expired, and for this team.";
        let html = form(&call.site, &Place::of(&call), None, Some(error), &next)?;
        let mut response = page(StatusCode::UNAUTHORIZED, html);
        Problem::Denied(Denied::Unauthenticated).headers(call.family, response.headers_mut());
        return Ok(response);
    };
    let id = SessionId::random().map_err(Problem::internal)?;
    if let Some(old) = &call.session {
        call.site.sessions.end(old);
    }
    call.site.sessions.begin(&id, tenant.id, hash, Instant::now());
    let cookie = set_cookie(&tenant.name, call.site.addresses.is_https(call.base), Some(&id));
    redirect(&local(&next, &call.prefix), &cookie)
}

/// `POST …/sign-out`.
///
/// # Errors
/// None that a request can cause.
pub async fn sign_out(call: Call) -> Result<Response<Body>, Problem> {
    if let Some(id) = &call.session {
        call.site.sessions.end(id);
    }
    let Some(tenant) = &call.tenant else { return Err(Problem::Denied(Denied::Unauthenticated)) };
    let cookie = set_cookie(&tenant.name, call.site.addresses.is_https(call.base), None);
    redirect(&format!("{}/", call.prefix), &cookie)
}

fn redirect(to: &str, cookie: &str) -> Result<Response<Body>, Problem> {
    let mut response = page(StatusCode::SEE_OTHER, String::new());
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(to).map_err(Problem::internal)?);
    response.headers_mut().insert(SET_COOKIE, HeaderValue::try_from(cookie).map_err(Problem::internal)?);
    Ok(response)
}

/// `next` if it is a path within this tenant's pages, else the catalog: nobody is sent elsewhere from here.
fn local(next: &str, prefix: &str) -> String {
    let inside = next.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/') && !rest.starts_with("//"));
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if inside && plain && next.len() <= 1024 { next.to_owned() } else { format!("{prefix}/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for (next, prefix, expected) in [
            ("/t/acme/plugins/lint", "/t/acme", "/t/acme/plugins/lint"),
            ("/t/acme", "/t/acme", "/t/acme/"),
            ("/t/acmex/a", "/t/acme", "/t/acme/"),
            ("//evil.example/", "", "/"),
            ("/plugins/a?b=c", "", "/plugins/a?b=c"),
            ("https://evil.example", "/t/acme", "/t/acme/"),
            ("/\\evil.example", "", "/"),
            ("/t/acme/a\nb", "/t/acme", "/t/acme/"),
            ("", "/t/acme", "/t/acme/"),
        ] {
            assert_eq!(local(next, prefix), expected, "{next}");
        }
    }
}
