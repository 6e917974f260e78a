//! The page at the root of a server where no tenant answers there. It names no tenant.

use axum::body::Body;
use http::{Response, StatusCode};
use serde::Serialize;

use super::render::{Frame, page};
use crate::web::problem::Problem;
use crate::web::site::Site;

#[derive(Serialize)]
struct View {
    frame: Frame,
    example: String,
}

/// The handler.
///
/// # Errors
/// When the template cannot be rendered.
pub fn show(site: &Site) -> Result<Response<Body>, Problem> {
    let example = format!("{}/t/your-team", site.addresses.canonical());
    let view = View { frame: Frame::of_server("Registry"), example };
    Ok(page(StatusCode::OK, site.templates.render("pages/server.html", &view)?))
}
