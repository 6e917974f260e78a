//! Other people's git: each clones a plugin from the product, releases a version of it and pushes; stock git is the judge.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{World, borrowed, plugin, said};

/// Where `.ci/fetch` puts the pinned clients.
pub fn clients_folder() -> PathBuf {
    let cache = || {
        let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME says where the clients are")).join(".cache");
        std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("skill-pool-test-clients")
    };
    let folder = std::env::var_os("SKILL_POOL_TEST_CLIENTS").map_or_else(cache, PathBuf::from);
    assert!(folder.join("pins").is_file(), "the pinned clients are not in {}; run .ci/fetch", folder.display());
    folder
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Publishes version 1.0.0 of a plugin with stock git and returns its address without a credential.
fn published(world: &World, name: &str) -> String {
    let folder = world.repository(&format!("first-{name}"), &borrowed(&plugin(name, "1.0.0")));
    let path = format!("git/plugins/{name}.git");
    world.git(&folder, &["push", "--quiet", &world.with_token(&world.printed.tokens.publisher, &path), "HEAD:main"]);
    world.address(&path)
}

/// Stock git's verdict on what a client pushed: main is its commit, the release is tagged, the file is executable, all is sound.
fn judge(world: &World, name: &str, commit_id: &str, executable: &str) {
    let folder = world.path(&format!("judge-{name}"));
    let address = world.with_token(&world.printed.tokens.reader, &format!("git/plugins/{name}.git"));
    world.git(&world.folder("."), &["clone", "--quiet", &address, folder.to_str().expect("text")]);
    assert_eq!(world.git(&folder, &["rev-parse", "HEAD"]), commit_id);
    let tag = format!("refs/tags/{name}--v1.1.0^{{commit}}");
    assert_eq!(world.git(&folder, &["rev-parse", &tag]), commit_id);
    let entry = world.git(&folder, &["ls-tree", "HEAD", executable]);
    assert!(entry.starts_with("100755 "), "{entry}");
    world.git(&folder, &["fsck", "--full", "--strict"]);
}

fn output_of(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; .ci/fetch installs it"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[test]
fn libgit2_clones_and_pushes() {
    let world = World::private();
    let url = published(&world, "by-libgit2");
    let folder = world.path("libgit2");
    let options = || {
        let token = world.printed.tokens.publisher.clone();
        let mut callbacks = git2::RemoteCallbacks::new();
        callbacks.credentials(move |_, _, _| git2::Cred::userpass_plaintext("x", &token));
        callbacks.push_update_reference(|name, refusal| match refusal {
            None => Ok(()),
            Some(text) => Err(git2::Error::from_str(&format!("{name}: {text}"))),
        });
        callbacks
    };
    let mut fetch = git2::FetchOptions::new();
    fetch.remote_callbacks(options());
    let repository = git2::build::RepoBuilder::new().fetch_options(fetch).clone(&url, &folder).expect("a clone");

    world.commit(&folder, &[("tools/libgit2.sh*", "#!/bin/sh\n")], "a tool");
    let commit_id = world.commit(&folder, &borrowed(&plugin("by-libgit2", "1.1.0")), "release by libgit2");
    let mut push = git2::PushOptions::new();
    push.remote_callbacks(options());
    let mut remote = repository.find_remote("origin").expect("the clone's remote");
    remote.push(&["refs/heads/main:refs/heads/main"], Some(&mut push)).expect("a push");
    judge(&world, "by-libgit2", &commit_id, "tools/libgit2.sh");
}

#[test]
fn dulwich_clones_and_pushes() {
    let world = World::private();
    let url = published(&world, "by-dulwich");
    let mut command = world.command("python3");
    command.env("PYTHONPATH", clients_folder().join("python")).arg(script("dulwich_roundtrip.py"));
    command.arg(url).arg(world.path("dulwich")).args(["x", &world.printed.tokens.publisher, "1.1.0"]);
    judge(&world, "by-dulwich", &output_of(command), "tools/dulwich.sh");
}

#[test]
fn isomorphic_git_clones_and_pushes() {
    let world = World::private();
    let url = published(&world, "by-isomorphic");
    let mut command = world.command("node");
    command.env("NODE_PATH", clients_folder().join("node_modules")).arg(script("isomorphic_roundtrip.cjs"));
    command.arg(url).arg(world.path("isomorphic")).args(["x", &world.printed.tokens.publisher, "1.1.0"]);
    judge(&world, "by-isomorphic", &output_of(command), "tools/isomorphic.sh");
}
