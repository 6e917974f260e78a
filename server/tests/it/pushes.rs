//! What people see when they push: the thread from a folder on a laptop to a release that stock git clones.

use std::path::Path;
use std::process::Output;

use super::world::{World, borrowed, plugin, said};

const MAIN: &str = "HEAD:refs/heads/main";

/// A repository with a plugin, and the address where its publisher pushes.
fn published(world: &World, name: &str) -> (std::path::PathBuf, String) {
    let files = plugin(name, "1.0.0");
    let folder = world.repository(name, &borrowed(&files));
    let address = world.with_token(&world.printed.tokens.publisher, &format!("git/plugins/{name}.git"));
    world.git(&folder, &["push", &address, MAIN]);
    (folder, address)
}

fn push(world: &World, folder: &Path, address: &str, refs: &[&str]) -> Output {
    // Without a terminal git asks for quiet; `--progress` asks for what a person sees.
    let mut arguments = vec!["push", "--progress", address];
    arguments.extend_from_slice(refs);
    world.try_git(folder, &arguments)
}

/// What a refused push says, which must name every one of `words`.
#[track_caller]
fn refused(output: &Output, words: &[&str]) -> String {
    let text = said(output);
    assert!(!output.status.success(), "this push was to be refused:\n{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in:\n{text}");
    }
    text
}

#[test]
fn a_first_push_makes_repository_release_and_tag_and_keeps_executable_bits() {
    let world = World::private();
    let files = plugin("greeter", "1.0.0");
    let folder = world.repository("greeter", &borrowed(&files));
    let address = world.with_token(&world.printed.tokens.publisher, "git/plugins/greeter.git");
    let output = push(&world, &folder, &address, &[MAIN]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("released greeter 1.0.0 (1 item)"), "{}", said(&output));

    let read = world.with_token(&world.printed.tokens.reader, "git/plugins/greeter");
    let clone = world.path("clone");
    world.git(&folder, &["clone", "--quiet", &read, clone.to_str().unwrap()]);
    let modes = world.git(&clone, &["ls-tree", "-r", "HEAD"]);
    assert!(modes.contains("100755 blob") && modes.contains("skills/greet/scripts/greet"), "{modes}");
    assert_eq!(world.git(&clone, &["rev-parse", "HEAD"]), world.git(&folder, &["rev-parse", "HEAD"]));
    assert_eq!(world.git(&clone, &["rev-parse", "greeter--v1.0.0^{}"]), world.git(&folder, &["rev-parse", "HEAD"]));
    assert_eq!(world.git(&clone, &["cat-file", "-t", "greeter--v1.0.0"]), "tag");
    world.git(&clone, &["fsck", "--full", "--strict"]);
}

#[test]
fn content_that_changed_needs_a_new_version_and_the_refusal_says_which_line_to_write() {
    let world = World::private();
    let (folder, address) = published(&world, "greeter");
    world.commit(&folder, &[("README.md", "Changed.\n")], "change");
    let text = refused(
        &push(&world, &folder, &address, &[MAIN]),
        &["version-not-bumped", ".claude-plugin/plugin.json:3", "\"version\": \"1.0.1\""],
    );
    assert!(text.contains("[remote rejected]"), "{text}");
    // Nothing of the refused push is there.
    let refs = world.git(&folder, &["ls-remote", &address]);
    assert!(!refs.contains(&world.git(&folder, &["rev-parse", "HEAD"])), "{refs}");

    world.commit(&folder, &borrowed(&plugin("greeter", "1.0.1")), "1.0.1");
    let output = push(&world, &folder, &address, &[MAIN]);
    assert!(said(&output).contains("released greeter 1.0.1"), "{}", said(&output));
}

#[test]
fn each_wrong_push_is_refused_with_its_remedy() {
    let world = World::private();
    let files = plugin("greeter", "1.0.0");
    let folder = world.repository("greeter", &borrowed(&files));
    let address = world.with_token(&world.printed.tokens.publisher, "git/plugins/greeter.git");
    refused(
        &push(&world, &folder, &address, &["HEAD:refs/heads/master"]),
        &["first-push-to-main", "git push origin HEAD:refs/heads/main"],
    );
    world.git(&folder, &["push", &address, MAIN]);

    refused(&push(&world, &folder, &address, &[":refs/heads/main"]), &["protected-ref", "git revert"]);
    refused(&push(&world, &folder, &address, &["HEAD:refs/tags/greeter--v9.9.9"]), &["release-tag"]);
    refused(&push(&world, &folder, &address, &["HEAD:refs/for/main"]), &["no-merge-requests"]);
    refused(&push(&world, &folder, &address, &["HEAD:refs/notes/x"]), &["ref-namespace"]);
    world.git(&folder, &["checkout", "-q", "--orphan", "other"]);
    world.commit(&folder, &borrowed(&plugin("greeter", "2.0.0")), "unrelated");
    refused(&push(&world, &folder, &address, &["+HEAD:refs/heads/main"]), &["non-fast-forward", "git pull --rebase"]);

    let other = world.with_token(&world.printed.tokens.publisher, "git/plugins/otherwise.git");
    refused(&push(&world, &folder, &other, &[MAIN]), &["manifest-name"]);
    let reader = world.with_token(&world.printed.tokens.reader, "git/plugins/greeter.git");
    refused(&push(&world, &folder, &reader, &[MAIN]), &["403", "publisher"]);
    let nobody = world.with_token("skp_u_nonsense", "git/plugins/greeter.git");
    refused(&push(&world, &folder, &nobody, &[MAIN]), &["Authentication failed"]);
    let generated = world.with_token(&world.printed.tokens.publisher, "git/marketplace.git");
    refused(&push(&world, &folder, &generated, &[MAIN]), &["403", "generated-repository"]);
}

#[test]
fn branches_and_tags_move_as_policy_says_and_atomic_pushes_are_whole() {
    let world = World::private();
    let (folder, address) = published(&world, "greeter");
    world.commit(&folder, &[("notes.txt", "one\n")], "topic");
    world.git(&folder, &["push", &address, "HEAD:refs/heads/topic", "HEAD:refs/tags/note"]);
    world.git(&folder, &["push", &address, "+HEAD~1:refs/heads/topic"]);
    refused(&push(&world, &folder, &address, &["+HEAD~1:refs/tags/note"]), &["tag-moves"]);
    refused(
        &push(&world, &folder, &address, &["--atomic", "HEAD:refs/heads/fresh", "HEAD:refs/notes/x"]),
        &["ref-namespace", "atomic push failure"],
    );
    let refs = world.git(&folder, &["ls-remote", &address]);
    assert!(!refs.contains("refs/heads/fresh"), "{refs}");
    world.git(&folder, &["push", &address, ":refs/heads/topic"]);
    let refs = world.git(&folder, &["ls-remote", &address]);
    assert!(!refs.contains("refs/heads/topic") && refs.contains("refs/tags/note"), "{refs}");
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_the_folders_are_plain_repositories() {
    let mut world = World::private();
    let (folder, address) = published(&world, "greeter");
    world.commit(&folder, &[("notes.txt", "one\n")], "topic");
    world.git(&folder, &["push", &address, "HEAD:refs/heads/topic"]);
    world.kill();
    world.start_again();
    let refs = world.git(&folder, &["ls-remote", &address]);
    assert!(refs.contains(&world.git(&folder, &["rev-parse", "HEAD"])), "{refs}");
    world.stop();
    let bare = world.data().join("tenants").join(&world.printed.tenant).join("plugins/greeter.git");
    world.git(&bare, &["fsck", "--full", "--strict"]);
    let on_disk = world.git(&bare, &["for-each-ref", "--format=%(objectname)\t%(refname)"]);
    let served: Vec<&str> = refs.lines().filter(|line| !line.ends_with("HEAD") && !line.ends_with("^{}")).collect();
    assert_eq!(on_disk.lines().collect::<Vec<_>>(), served);
}

#[test]
fn a_large_push_arrives_in_chunks_after_a_probe() {
    let world = World::private();
    let (folder, address) = published(&world, "greeter");
    // Text that does not compress, so that the pack is larger than the client's buffer.
    let mut state = 7u64;
    let noise: String = (0..3_000_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        })
        .collect();
    world.commit(&folder, &[("data.txt", &noise)], "large");
    world.git(&folder, &["-c", "http.postBuffer=65536", "push", &address, "HEAD:refs/heads/large"]);
    let refs = world.git(&folder, &["ls-remote", &address]);
    assert!(refs.contains("refs/heads/large"), "{refs}");
}
