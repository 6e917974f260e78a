//! What `deploy/` ships is accepted by the server that it deploys.

use std::fs;
use std::path::{Path, PathBuf};

use skill_pool_server::config::{Config, Sources, VARIABLE_PREFIX};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("deploy")
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn load(file: Option<&str>, variables: Vec<(String, String)>) -> Config {
    let file = file.map(|file| deploy().join(file));
    let sources = Sources { file, variables, ..Sources::default() };
    Config::load(&sources).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn configuration_files_are_accepted() {
    let team = load(Some("skill-pool.toml"), Vec::new());
    assert_eq!(team.origin().as_str(), "https://skills.example.org");
    let container = load(Some("container/skill-pool.toml"), Vec::new());
    assert_eq!(container.server.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(container.server.data, Path::new("/var/lib/skill-pool"));
}

#[test]
fn variables_are_keys() {
    let set_in = |path: &str, separator: &[char]| -> Vec<(String, String)> {
        let text = read(path);
        let lines = text.lines().filter_map(|line| line.split_once(VARIABLE_PREFIX));
        let pairs = lines.filter_map(|(_, rest)| rest.split_once(separator));
        pairs
            .filter(|(key, _)| key.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
            .map(|(key, value)| {
                (format!("{VARIABLE_PREFIX}{key}"), value.split_whitespace().next().unwrap_or("").to_owned())
            })
            .collect()
    };
    let compose = set_in("container/compose.yaml", &[':']);
    assert_eq!(compose.len(), 1);
    assert_eq!(load(None, compose).origin().as_str(), "http://localhost:8080");
    let container = set_in("container/README.md", &['=']);
    assert_eq!(load(None, container).origin().as_str(), "https://skills.example.org");
    // systemd expands %S to /var/lib before the server sees it.
    let unit = set_in("systemd/skill-pool.service", &['=']);
    assert_eq!(unit.len(), 1, "{unit:?}");
    assert_eq!(load(None, unit).server.data, Path::new("%S/skill-pool"));
    // Names that the texts mention are keys as well: the nearest key would be named if they were not.
    let named = [
        ("SKILL_POOL_SERVER__LISTEN", "127.0.0.1:1"),
        ("SKILL_POOL_SERVER__PUSH__PACK_BYTES_MAX", "1MiB"),
        ("SKILL_POOL_SERVER__PROXY__TRUSTED", "10.0.0.0/8"),
    ];
    for (name, _) in named {
        let texts = read("skill-pool.toml") + &read("container/README.md");
        assert!(texts.contains(name), "{name} is no longer mentioned");
    }
    load(None, named.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
}

#[test]
fn the_unit_is_a_fence() {
    let unit = read("systemd/skill-pool.service");
    let has = |line: &str| unit.lines().any(|other| other == line);
    for line in
        ["DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "CapabilityBoundingSet="]
    {
        assert!(has(line), "{line} is gone");
    }
    // What the server takes to finish must fit into what systemd waits.
    let drain = Config::default().timeouts.drain.0;
    assert!(has("TimeoutStopSec=30") && drain.as_secs() < 30, "drain is {drain:?}");
}
