//! View and template in, page out.

use std::path::PathBuf;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde::Serialize;
use skill_pool_domain::access::{Caller, Role};
use skill_pool_domain::registry::Visibility;

use super::problem::Place;
use crate::web::assets;
use crate::web::call::Call;
use crate::web::problem::Problem;

/// Nothing runs, nothing comes from elsewhere, nobody frames a page, forms stay here.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The templates: embedded ones, or those of a folder.
pub struct Templates {
    embedded: Environment<'static>,
    folder: Option<PathBuf>,
}

impl Templates {
    /// The embedded templates. Files in `folder` take the place of those of the same name, and are read anew for each page.
    pub fn new(folder: Option<PathBuf>) -> Self {
        let mut embedded = Environment::new();
        embedded.set_undefined_behavior(UndefinedBehavior::Strict);
        load(&mut embedded);
        Self { embedded, folder }
    }

    /// Renders the template `name`.
    ///
    /// # Errors
    /// When a template of the folder is not sound.
    pub fn render(&self, name: &str, view: &impl Serialize) -> Result<String, Problem> {
        let Some(folder) = &self.folder else {
            return self
                .embedded
                .get_template(name)
                .and_then(|page| page.render(Serde(view)))
                .map_err(Problem::internal);
        };
        let mut fresh = Environment::new();
        fresh.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, template) in self.embedded.templates() {
            fresh.add_template_owned(name.to_owned(), template.source().to_owned()).map_err(Problem::internal)?;
        }
        // Names are the embedded ones: a file of another name is never read.
        for (name, _) in self.embedded.templates() {
            match std::fs::read_to_string(folder.join(name)) {
                Ok(source) => fresh.add_template_owned(name.to_owned(), source).map_err(Problem::internal)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let words = format!("could not read the template {}: {error}", folder.join(name).display());
                    return Err(Problem::internal(minijinja::Error::new(ErrorKind::InvalidOperation, words)));
                }
            }
        }
        fresh.get_template(name).and_then(|page| page.render(Serde(view))).map_err(Problem::internal)
    }
}

/// The generated code leaves out a lifetime.
#[allow(elided_lifetimes_in_paths)]
fn load(environment: &mut Environment<'static>) {
    minijinja_embed::load_templates!(*environment);
}

/// What stands around every page.
#[derive(Clone, Serialize)]
pub struct Frame {
    title: String,
    brand: String,
    stylesheet: String,
    favicon: String,
    version: &'static str,
    home: Option<String>,
    visibility: Option<Visibility>,
    member: Option<MemberView>,
    sign_in: Option<String>,
    sign_out: Option<String>,
}

#[derive(Clone, Serialize)]
struct MemberView {
    id: String,
    role: Role,
}

impl Frame {
    /// The frame of a page outside all tenants.
    pub fn of_server(title: &str) -> Self {
        Self {
            title: format!("{title} · skill-pool"),
            brand: "skill-pool".to_owned(),
            stylesheet: assets::address("site.css"),
            favicon: assets::address("favicon.svg"),
            version: env!("CARGO_PKG_VERSION"),
            home: None,
            visibility: None,
            member: None,
            sign_in: None,
            sign_out: None,
        }
    }

    /// The frame of a tenant's page for a caller who may not read it: the same whether or not the tenant exists.
    pub fn of_outside(title: &str) -> Self {
        Self::of_server(title)
    }

    /// The frame of the page of a problem.
    pub fn of_problem(title: &str, place: &Place) -> Self {
        let home = place.is_inside.then(|| format!("{}/", place.prefix));
        let brand = if place.is_inside { place.name.to_string() } else { "skill-pool".to_owned() };
        Self { home, brand, ..Self::of_server(title) }
    }

    /// The frame of a tenant's page for somebody who may read it. `brand` is the tenant's title.
    pub fn of_tenant(call: &Call, title: &str, brand: &str) -> Self {
        let prefix = &call.prefix;
        let member = match &call.caller {
            Caller::Member(credential) if call.tenant.as_ref().is_some_and(|t| t.id == credential.tenant) => {
                Some(MemberView { id: credential.member.to_string(), role: credential.role })
            }
            _ => None,
        };
        let is_stranger = member.is_none();
        Self {
            title: format!("{title} · {brand}"),
            brand: brand.to_owned(),
            home: Some(format!("{prefix}/")),
            visibility: call.tenant.as_ref().map(|tenant| tenant.visibility),
            member,
            sign_in: is_stranger.then(|| format!("{prefix}/sign-in")),
            sign_out: call.session.is_some().then(|| format!("{prefix}/sign-out")),
            ..Self::of_server(title)
        }
    }
}

/// A page as an answer, with the headers that keep it harmless and to its reader.
pub fn page(status: StatusCode, html: String) -> Response<Body> {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(VARY, HeaderValue::from_static("Authorization, Cookie, Accept"));
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
