//! Who gets which status where, as nobody, as a stranger, and as a member of another tenant.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use base64::Engine as _;
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::world::{World, tenant, text, token_hash};
use crate::services::sessions::SessionId;
use crate::web::cookie::set_cookie;
use crate::web::router::router;
use crate::web::site::Site;

fn site() -> Arc<Site> {
    World::new().site
}

async fn send(site: &Arc<Site>, request: Request<Body>) -> Response<Body> {
    router(site.clone()).oneshot(request).await.expect("the router does not fail")
}

fn get(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).expect("a request")
}

async fn status(site: &Arc<Site>, path: &str, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("authorization", &bearer)] };
    send(site, get(path, headers)).await.status().as_u16()
}

#[tokio::test]
async fn strangers_see_one_answer_whether_a_thing_exists_or_not() {
    let site = site();
    let mut seen = Vec::new();
    for name in ["acme", "nobody", "No_Name"] {
        for (path, challenge) in [
            ("", "Bearer"),
            ("/", "Bearer"),
            ("/api/v1/whoami", "Bearer"),
            ("/api/v1/nothing", "Bearer"),
            ("/git/plugins/lint.git/info/refs?service=git-upload-pack", "Basic"),
            ("/archives/lint/1.0.0.zip", "Basic"),
            ("/.claude-plugin/marketplace.json", "Basic"),
            ("/plugins/lint", "Bearer"),
        ] {
            for token in ["", "wrong"] {
                let bearer = format!("Bearer {token}");
                let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("authorization", &bearer)] };
                let response = send(&site, get(&format!("/t/{name}{path}"), headers)).await;
                assert_eq!(response.status(), 401, "{name}{path} {token}");
                let found = response.headers()["www-authenticate"].to_str().expect("text").to_owned();
                assert!(found.starts_with(challenge), "{name}{path}: {found}");
                let body = response.into_body().collect().await.expect("a body").to_bytes();
                // The id of the request is the only thing that may differ.
                let body = String::from_utf8(body.to_vec()).expect("text");
                let body = body.split("\"request_id\"").next().unwrap_or("").replace(name, "NAME");
                seen.push((path, body));
            }
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 8, "one answer for each path, whatever the tenant: {seen:#?}");
}

#[tokio::test]
async fn each_caller_gets_the_decided_status() {
    let site = site();
    for (path, token, expected) in [
        ("/t/acme/api/v1/whoami", "acme-reader", 200),
        ("/t/acme/api/v1/nothing", "acme-reader", 404),
        ("/t/acme/api/v1/whoami", "globex-admin", 404),
        ("/t/nobody/api/v1/whoami", "acme-reader", 404),
        ("/t/agora/api/v1/whoami", "", 401),
        ("/t/acme/api/v1/signing-key", "acme-reader", 200),
        ("/t/acme/api/v1/signing-key", "globex-admin", 404),
        ("/t/agora/api/v1/signing-key", "", 200),
        ("/t/agora/api/v1/nothing", "", 404),
        ("/t/agora/api/v1/nothing", "acme-reader", 404),
        ("/t/agora/api/v1/nothing", "wrong", 401),
        ("/healthz", "", 200),
        ("/readyz", "", 200),
        ("/.well-known/oauth-authorization-server", "", 404),
        ("/register", "", 404),
        ("/", "", 200),
        ("/nothing", "", 404),
        ("/t/nobody/sign-in", "", 200),
    ] {
        assert_eq!(status(&site, path, token).await, expected, "{path} {token}");
    }
}

#[tokio::test]
async fn a_token_works_in_every_form_on_every_address_of_its_tenant() {
    let site = site();
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("anyone:globex-admin"));
    for headers in [
        [("authorization", "Bearer globex-admin"), ("host", "pool.example.com")],
        [("authorization", basic.as_str()), ("host", "evil.example")],
    ] {
        assert_eq!(send(&site, get("/t/globex/api/v1/whoami", &headers)).await.status(), 200);
    }
    for (host, url) in [
        ("skills.globex.example", "https://skills.globex.example"),
        ("globex.pool.example.com", "https://globex.pool.example.com"),
    ] {
        let headers = [("authorization", basic.as_str()), ("host", host)];
        let response = send(&site, get("/api/v1/whoami", &headers)).await;
        assert_eq!(response.status(), 200, "{host}");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        let who: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((&who["url"], &who["role"]), (&url.into(), &"admin".into()));
    }
    // The host decides, never a header of the client's own; a token of another tenant stays outside.
    for headers in [
        [
            ("authorization", "Bearer acme-admin"),
            ("host", "skills.globex.example"),
            ("x-forwarded-host", "acme.pool.example.com"),
        ],
        [("authorization", "Bearer acme-admin"), ("host", "globex.pool.example.com"), ("x-tenant", "acme")],
    ] {
        assert_eq!(send(&site, get("/api/v1/whoami", &headers)).await.status(), 404);
    }
    let twice = [("authorization", "Bearer globex-admin"), ("host", "skills.globex.example"), ("host", "x.example")];
    assert_eq!(send(&site, get("/api/v1/whoami", &twice)).await.status(), 400);
}

#[tokio::test]
async fn hostile_paths_reach_nothing() {
    let site = site();
    let bad =
        ["..", "%2e%2e", "%2e%2e%2f", "..%2f", "%252e", "%5c", "\\", "%00", "%0a", "%ff", "%c0%ae", "a%2fb", "%", "."];
    for part in bad {
        for pattern in [
            "/t/{}/api/v1/whoami",
            "/t/acme/{}",
            "/t/acme/{}/x",
            "/t/acme/git/plugins/{}/info/refs",
            "/t/acme/git/{}",
            "/t/acme/archives/{}/1.0.0.zip",
            "/t/acme/archives/lint/{}",
            "/t/acme/api/v1/plugins/{}",
            "/static/{}",
            "/{}",
        ] {
            let path = pattern.replace("{}", part);
            // What is no target at all never reaches the router.
            let Ok(request) = Request::get(&path).header("authorization", "Bearer acme-admin").body(Body::empty())
            else {
                continue;
            };
            let status = send(&site, request).await.status().as_u16();
            assert!(status == 400 || status == 404, "{path}: {status}");
        }
    }
}

#[tokio::test]
async fn a_browser_may_speak_git_from_another_origin() {
    let site = site();
    let request = |method: &str, path: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .header("origin", "https://editor.example")
            .body(Body::empty())
            .expect("a request")
    };
    for path in ["/t/acme/git/plugins/lint.git/info/refs?service=git-upload-pack", "/t/nobody/git/x"] {
        let response = send(&site, request("OPTIONS", path)).await;
        assert_eq!(response.status(), 204);
        assert!(response.headers()["access-control-allow-headers"].to_str().expect("text").contains("authorization"));
        let refused = send(&site, request("GET", path)).await;
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["access-control-allow-origin"]),
            (401, &"*".parse().expect("text"))
        );
    }
    let api = send(&site, request("GET", "/t/acme/api/v1/whoami")).await;
    assert!(!api.headers().contains_key("access-control-allow-origin"));
    assert_eq!(send(&site, request("OPTIONS", "/t/acme/api/v1/whoami")).await.status(), 401);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let site = site();
    let request =
        Request::post("/t/acme/api/v1/whoami").header("authorization", "Bearer acme-admin").body(Body::empty());
    let response = send(&site, request.expect("a request")).await;
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"GET, HEAD".parse().expect("text")));
    let head = Request::head("/t/acme/api/v1/whoami").header("authorization", "Bearer acme-admin").body(Body::empty());
    let response = send(&site, head.expect("a request")).await;
    assert_eq!(response.status(), 200);
    assert_ne!(response.headers()["content-length"], "0");
    assert!(response.into_body().collect().await.expect("a body").to_bytes().is_empty());
}

#[tokio::test]
async fn a_session_counts_on_the_pages_of_its_tenant_and_nowhere_else() {
    let site = site();
    let acme = tenant("acme").expect("a tenant");
    let id = SessionId::parse(&"09".repeat(32)).expect("an id");
    site.sessions.begin(&id, acme.id, token_hash("acme-reader").expect("a token"), Instant::now());
    let cookie = set_cookie(&acme.name, true, Some(&id));
    let cookie = cookie.split(';').next().expect("a pair");
    // A page that is not there: 404 says that the session was taken.
    for (path, expected) in [
        ("/t/acme/nothing-here", 404),
        ("/t/acme/api/v1/whoami", 401),
        ("/t/acme/git/plugins/lint.git/info/refs?service=git-upload-pack", 401),
        ("/t/acme/archives/lint/1.0.0.zip", 401),
        ("/t/globex/nothing-here", 401),
    ] {
        assert_eq!(send(&site, get(path, &[("cookie", cookie)])).await.status().as_u16(), expected, "{path}");
    }
    let renamed = cookie.replace("acme", "globex");
    assert_eq!(send(&site, get("/t/globex/nothing-here", &[("cookie", &renamed)])).await.status(), 401);
    // A page of another origin that makes the browser post is refused.
    for (header, value, expected) in [
        ("sec-fetch-site", "cross-site", 400),
        ("sec-fetch-site", "same-site", 400),
        ("sec-fetch-site", "same-origin", 404),
        ("origin", "https://evil.example", 400),
        ("origin", "null", 400),
        ("origin", "https://pool.example.com", 404),
    ] {
        let request = Request::post("/t/acme/nothing-here")
            .header("cookie", cookie)
            .header("host", "pool.example.com")
            .header(header, value)
            .body(Body::empty());
        let status = send(&site, request.expect("a request")).await.status().as_u16();
        assert_eq!(status, expected, "{header}: {value}");
    }
    site.sessions.end(&id);
    assert_eq!(send(&site, get("/t/acme/nothing-here", &[("cookie", cookie)])).await.status(), 401);
    // Once its token is revoked, a session shows nobody.
    let id = SessionId::parse(&"08".repeat(32)).expect("an id");
    site.sessions.begin(&id, acme.id, token_hash("gone").expect("a token"), Instant::now());
    let cookie = set_cookie(&acme.name, true, Some(&id));
    let cookie = cookie.split(';').next().expect("a pair");
    assert_eq!(send(&site, get("/t/acme/nothing-here", &[("cookie", cookie)])).await.status(), 401);
}

fn post(path: &str, form: &'static str) -> Request<Body> {
    Request::post(path)
        .header("host", "pool.example.com")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form))
        .expect("a request")
}

#[tokio::test]
async fn signing_in_takes_a_token_of_this_tenant_and_says_nothing_otherwise() {
    let site = site();
    let response = send(&site, post("/t/acme/sign-in", "token=acme-reader&next=%2Ft%2Facme%2Fplugins%2Flint")).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (303, &"/t/acme/plugins/lint".parse().expect("text"))
    );
    let cookie = response.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.starts_with("__Host-skill-pool-acme=") && cookie.contains("HttpOnly"), "{cookie}");
    let pair = cookie.split(';').next().expect("a pair").to_owned();
    assert_eq!(send(&site, get("/t/acme/nothing-here", &[("cookie", &pair)])).await.status(), 404);
    let out = Request::post("/t/acme/sign-out").header("cookie", &pair).body(Body::empty()).expect("a request");
    assert_eq!(send(&site, out).await.status(), 303);
    assert_eq!(send(&site, get("/t/acme/nothing-here", &[("cookie", &pair)])).await.status(), 401);

    let mut answers = Vec::new();
    for (path, form) in [
        ("/t/acme/sign-in", "token=globex-admin"),
        ("/t/acme/sign-in", "token=wrong"),
        ("/t/acme/sign-in", "token="),
        ("/t/agora/sign-in", "token=acme-admin"),
        ("/t/nobody/sign-in", "token=acme-reader"),
    ] {
        let response = send(&site, post(path, form)).await;
        assert_eq!(response.status(), 401, "{path} {form}");
        assert!(!response.headers().contains_key("set-cookie"));
        let name = path.split('/').nth(2).expect("a name");
        answers.push(text(response).await.replace(name, "NAME"));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert_eq!(
        send(&site, Request::post("/t/acme/sign-in").body(Body::empty()).expect("a request")).await.status(),
        415
    );
    let foreign = Request::post("/t/acme/sign-in").header("origin", "https://evil.example").body(Body::empty());
    assert_eq!(send(&site, foreign.expect("a request")).await.status(), 400);
    let huge = Request::post("/t/acme/sign-in").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(send(&site, huge.body(Body::from(vec![b'a'; 2 << 20])).expect("a request")).await.status(), 413);
}

#[tokio::test]
async fn pages_of_problems_are_pages_that_run_and_load_nothing() {
    let site = site();
    for (path, token, words) in [
        ("/t/acme/plugins/lint", "", "Sign in to acme"),
        ("/t/acme/nothing", "acme-reader", "There is nothing here"),
        ("/", "", "your-team"),
        ("/nothing", "", "There is nothing here"),
        ("/t/acme/sign-in", "", "Token"),
    ] {
        let bearer = format!("Bearer {token}");
        let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("authorization", &bearer)] };
        let response = send(&site, get(path, headers)).await;
        let policy = response.headers()["content-security-policy"].to_str().expect("text").to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert_eq!(
            response.headers()["cache-control"],
            if response.status() == 200 { "private, no-store" } else { "no-store" }
        );
        let html = text(response).await;
        assert!(html.starts_with("<!doctype html>") && html.contains(words), "{path}: {html}");
        for bad in ["<script", " style=", " onclick=", "http:"] {
            assert!(!html.contains(bad), "{path}: {bad}");
        }
    }
}
