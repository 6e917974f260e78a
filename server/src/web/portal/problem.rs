//! The page of a problem. Who needs a token gets the sign-in form itself.

use axum::body::Body;
use http::{Response, StatusCode};
use serde::Serialize;
use skill_pool_domain::access::{Denied, ReadTenant};

use super::render::{Frame, page};
use super::sign_in;
use super::words::sentence;
use crate::web::call::Call;
use crate::web::problem::{Family, Problem};
use crate::web::site::Site;

/// What remains known of a call after its handler has taken it.
pub struct Place {
    /// The name in the address.
    pub name: Box<str>,
    /// What stands before the path in links.
    pub prefix: Box<str>,
    /// The path within the tenant.
    pub path: Box<str>,
    /// Whether the person reads this tenant, so that its catalog is a place to go on.
    pub is_inside: bool,
}

impl Place {
    /// Of a request within a tenant's addresses.
    pub fn of(call: &Call) -> Self {
        let is_inside = call.grant(ReadTenant).is_ok();
        Self { name: call.name.clone(), prefix: call.prefix.clone(), path: call.path.clone(), is_inside }
    }

    /// Of a request outside of them.
    pub fn of_server(path: &str) -> Self {
        Self { name: "".into(), prefix: "".into(), path: path.into(), is_inside: false }
    }
}

#[derive(Serialize)]
struct View {
    frame: Frame,
    status: u16,
    heading: String,
    place: String,
    remedy: String,
    code: &'static str,
    request_id: String,
}

/// Lays out `problem`. If that fails as well, the words come as text.
pub fn respond(site: &Site, place: &Place, problem: Problem, request_id: &str) -> Response<Body> {
    let rendered = match &problem {
        Problem::Denied(Denied::Unauthenticated) => {
            let reason = "This page needs a token. What is here is shown to members only.";
            sign_in::form(site, place, Some(reason), None, &format!("{}{}", place.prefix, place.path))
        }
        other => {
            let parts = other.parts(request_id);
            let view = View {
                frame: Frame::of_problem(parts.status.canonical_reason().unwrap_or("Problem"), place),
                status: parts.status.as_u16(),
                heading: sentence(&parts.message),
                place: parts.place,
                remedy: sentence(&parts.remedy),
                code: parts.code,
                request_id: request_id.to_owned(),
            };
            site.templates.render("pages/problem.html", &view)
        }
    };
    match rendered {
        Ok(html) => {
            let mut response = page(problem.status(), html);
            problem.headers(Family::Page, response.headers_mut());
            response
        }
        Err(error) => {
            tracing::error!(request.id = %request_id, "the page of a problem cannot be rendered: {error:?}");
            let mut response = problem.into_response(Family::Page, request_id);
            if response.status() == StatusCode::OK {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            response
        }
    }
}
