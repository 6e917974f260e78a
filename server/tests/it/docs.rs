//! Documentation that is made of the code, or held against it.

use std::fs;
use std::path::{Path, PathBuf};

use skill_pool_server::config::Config;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs"), root().join("deploy"), root().join("hooks")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

#[test]
fn the_configuration_page_is_what_the_server_prints() {
    let page = root().join("docs/configuration.md");
    let expected = format!(
        "# Configuration\n\n\
         One typed TOML file for `skill-pool-server serve --config FILE`, read once and refused whole: an unknown key names the nearest valid one, and \
         `config check` lists everything that is wrong. Defaults, then the file, then the environment, then flags; the later one wins.\n\n\
         Each key can come from the environment: `SKILL_POOL_SERVER__`, the table, `__`, the key, in capitals. `listen` is `SKILL_POOL_SERVER__LISTEN`, \
         `pack_bytes_max` under `[push]` is `SKILL_POOL_SERVER__PUSH__PACK_BYTES_MAX`.\n\n\
         What follows is what `skill-pool-server config print` shows with nothing configured; a test keeps this page so.\n\n\
         ```toml\n{}\n```\n",
        Config::default().print().trim_end()
    );
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&page, &expected).expect("the page can be written");
    }
    let found = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        found == expected,
        "docs/configuration.md is not current; run: UPDATE=1 cargo test -p skill-pool-server --test it docs"
    );
}

#[test]
fn links_between_pages_lead_somewhere() {
    let checker = root().join("registry-template/plugins/docs/skills/write-readme/scripts/check-links");
    let output =
        std::process::Command::new(&checker).args(pages()).output().expect("python3 is installed; see .ci/fetch");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_map_names_folders_and_files_that_exist() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the map");
    // The page shortens paths within the crate or room that it speaks of.
    let exists_somewhere = |word: &str| {
        let crates = [("domain/", "server/domain/src/"), ("git/", "server/git/src/")];
        let inside = crates.iter().filter_map(|(short, long)| Some(root().join(long).join(word.strip_prefix(short)?)));
        let starts = [
            "",
            "server/",
            "server/src/",
            "server/git/src/",
            "server/domain/src/",
            "cli/src/",
            "server/src/web/",
            "server/src/services/",
            "server/src/admin/",
            "server/domain/src/gate/",
            "server/tests/it/",
        ];
        starts.iter().map(|start| root().join(start).join(word)).chain(inside).any(|path| path.exists())
    };
    let mut missing = Vec::new();
    for word in text.split('`').skip(1).step_by(2) {
        // Paths have a slash or a known ending; patterns, routes and data paths are not of the source.
        let is_path = word.contains('/') || word.ends_with(".rs") || word.ends_with(".md");
        let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        let is_data = ["derived/", "marketplace.git", "tenants/", "refs/", "plugins/", ".claude-plugin/"]
            .iter()
            .any(|data| word.starts_with(data));
        if is_path && is_plain && !is_data && !exists_somewhere(word) {
            missing.push(word);
        }
    }
    assert!(missing.is_empty(), "docs/ARCHITECTURE.md names what is not there: {missing:#?}");
}
