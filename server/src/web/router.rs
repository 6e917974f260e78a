//! Every route in one list, and the way of a request to it.
//!
//! A request is resolved (host and path to a tenant, credential to a caller), then access is decided, and only then its
//! path is looked up: a stranger on a private tenant gets the same 401 for every path of every tenant, existing or not.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use http::header::{ACCEPT, CONTENT_LENGTH, HeaderName, ORIGIN, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use skill_pool_domain::access::{Caller, ReadTenant, Tenant, decide};
use skill_pool_domain::address::{Place, TenantPlace, decode_path};
use skill_pool_domain::names::TenantName;
use skill_pool_domain::token::TokenHash;
use tower_http::catch_panic::CatchPanicLayer;

use super::call::{Call, Params, RequestId};
use super::cookie::cookie_name;
use super::credential::{Presented, cookie};
use super::portal::{self, sign_in};
use super::problem::{Family, Problem};
use super::site::Site;
use super::{api, archives, assets, catalog, health};
use crate::services::limits::TooMany;
use crate::services::sessions::SessionId;

/// The answer to come.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Problem>> + Send>>;

/// One line of the list.
pub struct Route {
    /// `GET` answers HEAD as well.
    pub method: Method,
    /// The path within a tenant, such as `plugins/{plugin}`; see [`Params::matching`].
    pub pattern: &'static str,
    /// Who may come.
    pub entry: Entry,
    /// For how long the answer is waited for.
    pub pace: Pace,
    /// What answers.
    pub handler: fn(Call) -> Answer,
}

impl Route {
    fn takes(&self, method: &Method) -> bool {
        self.method == *method || (self.method == Method::GET && method == Method::HEAD)
    }

    fn shown_methods(&self) -> &str {
        if self.method == Method::GET { "GET, HEAD" } else { self.method.as_str() }
    }
}

/// Who may come to a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Those who may read the tenant; the handler may ask for more.
    Readers,
    /// Everybody, whether or not the tenant exists. Says nothing of a tenant that its reader may not see.
    Anybody,
    /// The handler decides, before it looks at anything.
    Handler,
}

/// How long an answer may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// Until the request's time is up.
    Short,
    /// The handler bounds it.
    Own,
}

macro_rules! route {
    ($method:ident $pattern:literal, $entry:ident, $pace:ident, $handler:path) => {
        Route {
            method: Method::$method,
            pattern: $pattern,
            entry: Entry::$entry,
            pace: Pace::$pace,
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// All routes of a tenant.
pub static ROUTES: &[Route] = &[
    route!(GET "", Readers, Short, catalog::bare),
    route!(GET ".claude-plugin/marketplace.json", Readers, Short, catalog::serve),
    route!(GET "archives/{plugin}/{file}", Readers, Own, archives::serve),
    route!(GET "plugins/{plugin}", Readers, Short, portal::plugin::show),
    route!(GET "plugins/{plugin}/releases/{version}", Readers, Short, portal::plugin::show_release),
    route!(GET "sign-in", Anybody, Short, sign_in::show),
    route!(POST "sign-in", Anybody, Short, sign_in::submit),
    route!(POST "sign-out", Anybody, Short, sign_in::sign_out),
    route!(GET "api/v1/signing-key", Readers, Short, api::signing_key::show),
    route!(GET "api/v1/whoami", Readers, Short, api::whoami::show),
    route!(GET "git/{*path}", Handler, Own, super::git::handle),
    route!(POST "git/{*path}", Handler, Own, super::git::handle),
];

/// The web application: what the listener, or a test, drives.
pub fn router(site: Arc<Site>) -> Router {
    Router::new().fallback(answer).layer(CatchPanicLayer::custom(panicked)).with_state(site)
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response<Body> {
    let words = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let id = RequestId::next().to_string();
    tracing::error!(request.id = %id, "a request handler panicked: {}", words.unwrap_or("no words"));
    Problem::internal("a request handler panicked").into_response(Family::Client, &id)
}

async fn answer(State(site): State<Arc<Site>>, request: Request<Body>) -> Response<Body> {
    let id = RequestId::next();
    let started = Instant::now();
    let method = request.method().clone();
    let (family, result) = match resolve(&site, request, id) {
        Ok(Resolved::Server(response)) => (Family::Client, Ok(response)),
        Ok(Resolved::Tenant(call)) => match call.family {
            Family::Git if method == Method::OPTIONS => (Family::Git, Ok(preflight())),
            // Only pages need to know where they stood when something went wrong.
            Family::Page => (Family::Page, Ok(serve_page(&site, *call).await)),
            family => (family, serve(*call).await),
        },
        Err((family, problem)) => (family, Err(problem)),
    };
    let is_head = method == Method::HEAD;
    let git = family == Family::Git;
    let mut response = result.unwrap_or_else(|problem| {
        note(&problem, id);
        problem.into_response(family, &id.to_string())
    });
    let headers = response.headers_mut();
    if git {
        open_to_browsers(headers);
    }
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    tracing::debug!(
        request.id = %id,
        request.method = %method,
        response.status = response.status().as_u16(),
        duration_us = started.elapsed().as_micros(),
        "answered a request"
    );
    if is_head { without_body(response) } else { response }
}

/// The body stays behind, its length is still told.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = http_body::Body::size_hint(&body).exact()
        && !head.headers.contains_key(CONTENT_LENGTH)
    {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(head, Body::empty())
}

/// Logs what nobody foresaw, with its chain, under the id that the person gets.
fn note(problem: &Problem, id: RequestId) {
    let Problem::Internal(error) = problem else { return };
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!(request.id = %id, "a request failed: {chain}");
}

async fn serve_page(site: &Site, call: Call) -> Response<Body> {
    let id = call.id;
    let place = portal::problem::Place::of(&call);
    match serve(call).await {
        Ok(response) => response,
        Err(problem) => {
            note(&problem, id);
            portal::problem::respond(site, &place, problem, &id.to_string())
        }
    }
}

enum Resolved {
    Server(Response<Body>),
    Tenant(Box<Call>),
}

fn resolve(site: &Arc<Site>, request: Request<Body>, id: RequestId) -> Result<Resolved, (Family, Problem)> {
    let (head, body) = request.into_parts();
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let path = decode_path(head.uri.path()).map_err(|error| (Family::Client, error.into()))?;
    let host = site.proxies.host(peer, &head.uri, &head.headers).map_err(|problem| (Family::Client, problem))?;
    let place = match site.addresses.resolve(host, &path) {
        Place::Server { path } => return Ok(Resolved::Server(serve_server(site, &head.method, path, id))),
        Place::Tenant(place) => place,
    };
    let family = family_of(&place, &head.headers);
    let client = peer.map(|peer| site.proxies.client(peer, &head.headers));
    let tenant = TenantName::parse(place.name).ok().and_then(|name| site.directory.tenant(&name));
    if let Some(client) = client {
        site.limits.request(client).map_err(|many| (family, many.into()))?;
    }
    let (caller, session, token) = caller(site, tenant.as_deref(), &place, family, &head.headers);
    if let Some(client) = client {
        charge(site, client, &caller, token.as_ref()).map_err(|many| (family, many.into()))?;
    }
    if family == Family::Page && !is_same_origin(&head.method, &head.headers, host, site) {
        return Err((family, Problem::Malformed("this form was sent by a page of another site".to_owned())));
    }
    let (base, path, prefix, name) = (place.base, place.path.into(), place.prefix.into(), place.name.into());
    Ok(Resolved::Tenant(Box::new(Call {
        site: site.clone(),
        tenant,
        caller,
        session,
        family,
        path,
        prefix,
        name,
        base,
        client,
        id,
        head,
        body,
        params: Params::default(),
    })))
}

/// Who reads the answer, by the first part of the path.
fn family_of(place: &TenantPlace<'_>, headers: &HeaderMap) -> Family {
    let path = place.path.strip_prefix('/').unwrap_or(place.path);
    match path.split('/').next().unwrap_or("") {
        "git" => Family::Git,
        ".claude-plugin" | "archives" => Family::Client,
        "api" | "mcp" | "log" => Family::Api,
        "" if wants_catalog(headers) => Family::Client,
        _ => Family::Page,
    }
}

/// Whether who asks at a tenant's bare address is the client that wants the catalog, and not a browser.
///
/// Source: Claude Code 2.1.197 and 2.1.329 send exactly this `User-Agent`, and an `Accept` that begins so.
pub fn wants_catalog(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes() == b"Claude-Code-Plugin-Manager")
        || headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"))
}

/// A token counts everywhere, the cookie of a session on pages only: git, API and catalog never act on what a browser sends
/// by itself.
fn caller(
    site: &Site,
    tenant: Option<&Tenant>,
    place: &TenantPlace<'_>,
    family: Family,
    headers: &HeaderMap,
) -> (Caller, Option<SessionId>, Option<TokenHash>) {
    let stranger = (Caller::Stranger, None, None);
    match Presented::read(headers) {
        Presented::Token(token) => match site.directory.token_hash(&token) {
            Some(hash) => (site.directory.caller_by_hash(&hash), None, Some(hash)),
            None => (Caller::Unknown, None, None),
        },
        Presented::Unreadable => (Caller::Unknown, None, None),
        Presented::Nothing if family == Family::Page => {
            let Some(tenant) = tenant else { return stranger };
            let name = cookie_name(&tenant.name, site.addresses.is_https(place.base));
            let Some(id) = cookie(headers, &name).and_then(SessionId::parse) else { return stranger };
            match site.sessions.token(&id, tenant.id, Instant::now()) {
                // A token that was revoked leaves a session that shows nobody; on a public tenant its page still reads.
                Some(token) => match site.directory.caller_by_hash(&token) {
                    Caller::Member(credential) => (Caller::Member(credential), Some(id), Some(token)),
                    _ => stranger,
                },
                None => stranger,
            }
        }
        Presented::Nothing => stranger,
    }
}

/// Charges a request to its token, or a wrong credential to the address that it came from.
fn charge(site: &Site, client: IpAddr, caller: &Caller, token: Option<&TokenHash>) -> Result<(), TooMany> {
    match (caller, token) {
        (Caller::Member(_), Some(token)) => site.limits.token(token, client),
        (Caller::Unknown, _) => site.limits.failure(client),
        _ => Ok(()),
    }
}

/// False when a browser says that a page of another origin made it send a request that changes something. Who sends neither
/// header is no browser.
fn is_same_origin(method: &Method, headers: &HeaderMap, host: Option<&str>, site: &Site) -> bool {
    if method.is_safe() {
        return true;
    }
    if let Some(from) = headers.get("sec-fetch-site") {
        return from == "same-origin" || from == "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Some((_, authority)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else { return false };
    // Behind a proxy that keeps the host to itself the request names another one than the browser does.
    Some(authority) == host || site.addresses.canonical().answers_to(authority)
}

/// Answers what lies outside all tenants.
fn serve_server(site: &Site, method: &Method, path: &str, id: RequestId) -> Response<Body> {
    let problem = |problem: Problem, family| problem.into_response(family, &id.to_string());
    if path == "/register" || path.starts_with("/.well-known/") {
        let hint = "this registry has no OAuth; send a token as the header `Authorization: Bearer <token>`\n";
        return health::text(StatusCode::NOT_FOUND, hint);
    }
    if method != Method::GET && method != Method::HEAD {
        return problem(Problem::Method("GET, HEAD".to_owned()), Family::Client);
    }
    match path {
        "/healthz" => health::alive(),
        "/readyz" => health::ready(site.is_serving()),
        "/" => portal::root::show(site).unwrap_or_else(|error| problem(error, Family::Page)),
        _ => match path.strip_prefix("/static/").and_then(assets::serve) {
            Some(response) => response,
            None => {
                let place = portal::problem::Place::of_server(path);
                portal::problem::respond(site, &place, Problem::NotFound, &id.to_string())
            }
        },
    }
}

async fn serve(mut call: Call) -> Result<Response<Body>, Problem> {
    let matching = || ROUTES.iter().filter_map(|route| Some((route, Params::matching(route.pattern, &call.path)?)));
    let found = matching().find(|(route, _)| route.takes(call.method()));
    if found.as_ref().is_none_or(|(route, _)| route.entry == Entry::Readers) {
        decide(ReadTenant, call.tenant.as_deref(), &call.caller)?;
    }
    let Some((route, params)) = found else {
        let methods: Vec<&str> = matching().map(|(route, _)| route.shown_methods()).collect();
        return Err(if methods.is_empty() { Problem::NotFound } else { Problem::Method(methods.join(", ")) });
    };
    call.params = params;
    match route.pace {
        Pace::Own => (route.handler)(call).await,
        Pace::Short => {
            let time_max = call.site.request_time_max;
            tokio::time::timeout(time_max, (route.handler)(call)).await.unwrap_or(Err(Problem::TimedOut))
        }
    }
}

/// What a browser asks before it speaks git: allowed for every address, so that it says nothing of any.
fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Lets pages of other origins speak git with a token of their own. No cookie counts on these routes, so nothing is opened
/// that the page did not bring.
fn open_to_browsers(headers: &mut HeaderMap) {
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, HEAD, POST, OPTIONS"),
        ("access-control-allow-headers", "authorization, content-type, content-encoding, git-protocol, accept"),
        ("access-control-expose-headers", "www-authenticate, x-request-id"),
        ("access-control-max-age", "86400"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}
