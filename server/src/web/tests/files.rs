//! Catalog and archives.

use flate2::read::GzDecoder;
use std::io::Read;

use super::world::{World, bytes, header, json};

const CATALOG: &str = "/t/acme/.claude-plugin/marketplace.json";

#[tokio::test]
async fn a_release_is_in_the_catalog_as_soon_as_it_is_committed() {
    let world = World::new();
    assert_eq!(json(world.get(CATALOG, "acme-reader", &[]).await).await["plugins"], serde_json::json!([]));
    for version in ["1.0.0", "2.0.0", "1.0.1"] {
        let edited = world.publish("acme", "lint", version);
        let catalog = json(world.get(CATALOG, "acme-reader", &[]).await).await;
        let shown = if version == "1.0.0" { "1.0.0" } else { "2.0.0" };
        let entry = &catalog["plugins"][0];
        assert_eq!(entry["version"], shown, "a late 1.0.1 does not hide 2.0.0");
        assert_eq!(entry["source"]["ref"], format!("lint--v{shown}"));
        assert_eq!(entry["source"]["url"], "https://pool.example.com/t/acme/git/plugins/lint.git");
        if version == shown {
            assert_eq!(entry["source"]["sha"], edited.commit.to_string());
        }
    }
    world.publish("acme", "sql", "0.1.0-rc.1");
    world.publish("acme", "alpha", "0.1.0");
    let catalog = json(world.get(CATALOG, "acme-reader", &[]).await).await;
    let names: Vec<&str> =
        catalog["plugins"].as_array().expect("a list").iter().filter_map(|e| e["name"].as_str()).collect();
    assert_eq!(names, ["alpha", "lint"], "by name, without what has only a prerelease");
    assert_eq!((&catalog["name"], &catalog["owner"]["name"]), (&"acme".into(), &"The acme team".into()));
    assert_eq!(
        json(world.get("/t/globex/.claude-plugin/marketplace.json", "globex-reader", &[]).await).await["plugins"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn a_yank_brings_back_the_newest_good_release() {
    let world = World::new();
    world.publish("acme", "lint", "1.0.0");
    world.publish("acme", "lint", "1.1.0");
    let shown = async || json(world.get(CATALOG, "acme-reader", &[]).await).await["plugins"][0]["version"].clone();
    assert_eq!(shown().await, "1.1.0");
    world.edit("acme", "registry", &[("status/lint/1.1.0.toml", "yanked = \"it leaks\"\n")]);
    assert_eq!(shown().await, "1.0.0");
    world.edit("acme", "registry", &[("status/lint/1.0.0.toml", "yanked = \"as well\"\n")]);
    assert!(shown().await.is_null());
    let renamed = format!(
        "tenant = \"{}\"\ntitle = \"New title\"\ndescription = \"\"\nvisibility = \"private\"\n",
        super::world::tenant("acme").expect("a tenant").id
    );
    world.edit("acme", "registry", &[("registry.toml", &renamed)]);
    assert_eq!(json(world.get(CATALOG, "acme-reader", &[]).await).await["owner"]["name"], "New title");
}

#[tokio::test]
async fn the_catalog_answers_conditions_compression_and_the_bare_address() {
    let world = World::new();
    world.publish("acme", "lint", "1.0.0");
    let plain = world.get(CATALOG, "acme-reader", &[]).await;
    let tag = header(&plain, "etag").to_owned();
    assert_eq!(header(&plain, "content-type"), "application/json");
    assert_eq!(header(&plain, "cache-control"), "private, no-cache");
    assert!(header(&plain, "vary").contains("Authorization"));
    let body = bytes(plain).await;
    let zipped = world.get(CATALOG, "acme-reader", &[("accept-encoding", "gzip, compress, deflate, br")]).await;
    let zipped_tag = header(&zipped, "etag").to_owned();
    assert_ne!(zipped_tag, tag);
    assert_eq!(header(&zipped, "content-encoding"), "gzip");
    let mut inflated = Vec::new();
    GzDecoder::new(&*bytes(zipped).await).read_to_end(&mut inflated).expect("gzip");
    assert_eq!(inflated, body);
    for known in [&*tag, &format!("W/{tag}"), &format!("\"x\", {tag}"), "*", &zipped_tag] {
        let response = world.get(CATALOG, "acme-reader", &[("if-none-match", known)]).await;
        assert_eq!(response.status(), 304, "{known}");
        assert_eq!(header(&response, "etag"), tag);
        assert!(bytes(response).await.is_empty());
    }
    assert_eq!(world.get(CATALOG, "acme-reader", &[("if-none-match", "\"other\"")]).await.status(), 200);
    // Access is decided before a condition is looked at.
    for token in ["", "globex-reader"] {
        let status = world.get(CATALOG, token, &[("if-none-match", &tag)]).await.status().as_u16();
        assert_eq!(status, if token.is_empty() { 401 } else { 404 });
    }
    for (path, headers) in [
        ("/t/acme", [("accept", "application/json, text/plain, */*")]),
        ("/t/acme/", [("accept", "application/json, text/plain, */*")]),
        ("/t/acme", [("user-agent", "Claude-Code-Plugin-Manager")]),
    ] {
        let response = world.get(path, "acme-reader", &headers).await;
        assert_eq!((response.status().as_u16(), header(&response, "etag")), (200, &*tag), "{path}");
        assert_eq!(bytes(response).await, body);
        let stranger = world.get(path, "", &headers).await;
        assert!(header(&stranger, "www-authenticate").starts_with("Basic"), "{path}");
    }
    let page = world.get("/t/acme", "acme-reader", &[("accept", "text/html")]).await;
    assert!(header(&page, "content-type").starts_with("text/html"));
    world.publish("acme", "lint", "1.0.1");
    assert_eq!(
        world.get(CATALOG, "acme-reader", &[("if-none-match", &tag)]).await.status(),
        200,
        "the tag follows the content"
    );
}

#[tokio::test]
async fn addresses_in_the_catalog_follow_the_address_that_was_asked() {
    let world = World::new();
    world.publish("globex", "lint", "1.0.0");
    for (host, path, base) in [
        ("pool.example.com", "/t/globex", "https://pool.example.com/t/globex"),
        ("10.0.0.5:8080", "/t/globex", "http://10.0.0.5:8080/t/globex"),
        ("evil.example", "/t/globex", "https://pool.example.com/t/globex"),
        ("skills.globex.example", "", "https://skills.globex.example"),
        ("globex.pool.example.com", "", "https://globex.pool.example.com"),
    ] {
        let path = format!("{path}/.claude-plugin/marketplace.json");
        let catalog = json(world.get(&path, "globex-reader", &[("host", host)]).await).await;
        assert_eq!(catalog["plugins"][0]["source"]["url"], format!("{base}/git/plugins/lint.git"), "{host}");
    }
}

#[tokio::test]
async fn a_public_catalog_is_everybodys() {
    let world = World::new();
    world.publish("agora", "lint", "1.0.0");
    let path = "/t/agora/.claude-plugin/marketplace.json";
    for (token, expected) in [("", 200), ("agora-reader", 200), ("acme-admin", 200), ("wrong", 401)] {
        let response = world.get(path, token, &[]).await;
        assert_eq!(response.status(), expected, "{token}");
        if expected == 200 {
            assert_eq!(header(&response, "cache-control"), "no-cache");
        }
    }
}

#[tokio::test]
async fn an_archive_has_the_same_bytes_whenever_it_is_made() {
    let world = World::new();
    world.publish("acme", "lint", "1.0.0");
    let path = "/t/acme/archives/lint/1.0.0.zip";
    let response = world.get(path, "acme-reader", &[]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "application/zip");
    let digest = header(&response, "x-sha256").to_owned();
    let tag = header(&response, "etag").to_owned();
    let length: usize = header(&response, "content-length").parse().expect("a length");
    let archive = bytes(response).await;
    assert_eq!((archive.len(), tag), (length, format!("\"{digest}\"")));
    assert_eq!(skill_pool_domain::digest::Sha256::of(&archive).to_string(), digest);

    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(archive.clone())).expect("a zip");
    assert_eq!(zip.len(), 4);
    for (name, mode) in [("skills/lint/scripts/run.sh", 0o100_755), ("skills/lint/SKILL.md", 0o100_644)] {
        let mut entry = zip.by_name(name).expect(name);
        assert_eq!(entry.unix_mode(), Some(mode), "{name}");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("a sound entry");
        assert!(!content.is_empty());
    }
    // Deleted, it is made again, the same.
    std::fs::remove_dir_all(world.folder.path().join("derived/archives")).expect("the folder was there");
    assert_eq!(bytes(world.get(path, "acme-reader", &[]).await).await, archive);
    let head = http::Request::head(path).header("authorization", "Bearer acme-reader").body(axum::body::Body::empty());
    let head = world.send(head.expect("a request")).await;
    assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, length.to_string().as_str()));
    let known = world.get(path, "acme-reader", &[("if-none-match", &format!("\"{digest}\""))]).await;
    assert_eq!(known.status(), 304);
    for (path, token, expected) in [
        (path, "", 401),
        (path, "globex-reader", 404),
        ("/t/acme/archives/lint/1.0.1.zip", "acme-reader", 404),
        ("/t/acme/archives/lint/1.0.0", "acme-reader", 404),
        ("/t/acme/archives/lint/1.0.0.tar", "acme-reader", 404),
        ("/t/acme/archives/none/1.0.0.zip", "acme-reader", 404),
        ("/t/acme/archives/Lint/1.0.0.zip", "acme-reader", 404),
        ("/t/globex/archives/lint/1.0.0.zip", "globex-reader", 404),
    ] {
        assert_eq!(world.get(path, token, &[]).await.status(), expected, "{path} {token}");
    }
}
