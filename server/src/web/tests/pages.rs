//! Pages.

use super::world::{World, header, text};

/// What no page may hold, whatever a stranger wrote into a plugin.
fn assert_harmless(page: &str) {
    for bad in ["<script", " style=", "javascript:", " onclick", " onload", "<iframe", "<img"] {
        assert!(!page.contains(bad), "{bad}: {page}");
    }
    assert_eq!(page.matches("<h1").count(), 1, "one heading tells what a page is");
    assert!(page.contains("<html lang=\"en\">") && page.contains("<main id=\"main\""));
}

#[tokio::test]
async fn the_catalog_page_lists_finds_and_tells_how_to_connect() {
    let world = World::new();
    let empty = text(world.get("/t/acme/", "acme-reader", &[]).await).await;
    assert!(
        empty.contains("Nothing is published yet") && empty.contains("git push https:&#x2f;&#x2f;pool.example.com"),
        "{empty}"
    );
    world.publish("acme", "lint", "1.0.0");
    world.publish("acme", "sql", "2.0.0");
    let response = world.get("/t/acme/", "acme-reader", &[]).await;
    assert_eq!(header(&response, "cache-control"), "private, no-store");
    let page = text(response).await;
    assert_harmless(&page);
    for words in [
        "The acme team",
        "Does lint things",
        "1 skill",
        "git credential approve",
        "git&#x2f;marketplace.git",
        "claude plugin install lint@acme",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let found = text(world.get("/t/acme/?q=SQL+thing", "acme-reader", &[]).await).await;
    assert!(
        found.contains("1 plugin found")
            && found.contains("plugins&#x2f;sql")
            && !found.contains("plugins&#x2f;lint\""),
        "{found}"
    );
    let none = text(world.get("/t/acme/?q=%3Cscript%3E", "acme-reader", &[]).await).await;
    assert_harmless(&none);
    assert!(none.contains("No plugin has"), "{none}");
    world.publish("agora", "lint", "1.0.0");
    let public = text(world.get("/t/agora", "", &[]).await).await;
    assert!(!public.contains("git credential") && public.contains("Sign in"), "{public}");
    assert!(public.contains("marketplace add https:&#x2f;&#x2f;pool.example.com&#x2f;t&#x2f;agora<"), "{public}");
}

#[tokio::test]
async fn many_plugins_come_in_pages() {
    let world = World::new();
    for n in 0..61 {
        world.publish("acme", &format!("plugin-{n:02}"), "1.0.0");
    }
    let first = text(world.get("/t/acme/", "acme-reader", &[]).await).await;
    assert!(first.contains("plugin-59") && !first.contains("plugins&#x2f;plugin-60"));
    assert!(first.contains("after=plugin-59"), "the next page can be reached");
    let second = text(world.get("/t/acme/?q=&after=plugin-59", "acme-reader", &[]).await).await;
    assert!(second.contains("plugins&#x2f;plugin-60") && !second.contains("plugins&#x2f;plugin-59"));
}

#[tokio::test]
async fn a_plugins_page_tells_what_it_is_and_what_it_can_do() {
    let world = World::new();
    world.publish("acme", "lint", "1.0.0");
    world.publish("acme", "lint", "1.1.0");
    let page = text(world.get("/t/acme/plugins/lint", "acme-reader", &[]).await).await;
    assert_harmless(&page);
    for words in [
        "1.1.0",
        "1.0.0",
        "Does lint things",
        "MIT",
        "Mia",
        "git clone https",
        "&#x2f;t&#x2f;acme&#x2f;archives&#x2f;lint&#x2f;1.0.0.zip",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    world.edit("acme", "registry", &[("status/lint/1.1.0.toml", "yanked = \"it <leaks>\"\n")]);
    let yanked = text(world.get("/t/acme/plugins/lint/releases/1.1.0", "acme-reader", &[]).await).await;
    assert!(yanked.contains("was withdrawn") && yanked.contains("it &lt;leaks&gt;"), "{yanked}");
    for (path, token, expected) in [
        ("/t/acme/plugins/lint", "", 401),
        ("/t/acme/plugins/lint", "globex-reader", 404),
        ("/t/acme/plugins/none", "acme-reader", 404),
        ("/t/acme/plugins/No%20Name", "acme-reader", 404),
        ("/t/acme/plugins/lint/releases/9.0.0", "acme-reader", 404),
        ("/t/acme/plugins/lint/releases/x", "acme-reader", 404),
    ] {
        assert_eq!(world.get(path, token, &[]).await.status(), expected, "{path} {token}");
    }
}
