//! What README and docs promise to a publisher, as one story with stock git: release, refusal, next version, signed push, signed tag.

use std::fs;
use std::path::Path;

use crate::world::{World, borrowed, plugin, said, wait_until};

/// Pushes main and returns whether git was content, and what it said.
fn push(world: &World, folder: &Path, address: &str, options: &[&str]) -> (bool, String) {
    let words = [options, &["push", "--progress", address, "HEAD:main"]].concat();
    let output = world.try_git(folder, &words);
    // git fills its lines with blanks where they come from the server.
    let said = said(&output).lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    (output.status.success(), said)
}

#[test]
fn a_publisher_is_told_each_step() {
    let world = World::private();
    let address = world.with_token(&world.printed.tokens.publisher, "git/plugins/greeter.git");
    let folder = world.repository("greeter", &borrowed(&plugin("greeter", "1.0.0")));
    let (done, said) = push(&world, &folder, &address, &[]);
    assert!(done, "{said}");
    let expected = "remote: released greeter 1.0.0 (1 item)\nremote:   in Claude Code:  /plugin install greeter@demo\n";
    assert!(said.contains(expected), "{said}");

    world.commit(&folder, &[("skills/greet/references/names.md", "# Names\n")], "more");
    let (done, said) = push(&world, &folder, &address, &[]);
    assert!(!done);
    for line in [
        "remote: refused: version-not-bumped   .claude-plugin/plugin.json:3\n",
        "remote:   content changed, but version 1.0.0 of greeter was already released on ",
        "remote:   write \"version\": \"1.0.1\" in .claude-plugin/plugin.json, then:  git commit -am \"greeter 1.0.1\" && git push\n",
    ] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }

    world.commit(&folder, &borrowed(&plugin("greeter", "1.0.1")), "greeter 1.0.1");
    let (done, said) = push(&world, &folder, &address, &[]);
    assert!(done && said.contains("remote: released greeter 1.0.1 (1 item)\n"), "{said}");

    let reader = world.with_token(&world.printed.tokens.reader, "git/plugins/greeter.git");
    let (done, said) = push(&world, &folder, &reader, &[]);
    assert!(!done && said.contains("remote: "), "a reader is told why not: {said}");
}

#[test]
fn a_registered_key_must_sign_and_the_registry_signs_back() {
    let world = World::private();
    let key = world.path("key");
    let made = world.command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).output();
    assert!(made.expect("ssh-keygen is installed; see .ci/fetch").status.success());

    // An admin registers the publisher's key by a push to registry.git.
    let registry = world.path("registry");
    let address = world.with_token(&world.printed.tokens.admin, "git/registry.git");
    world.git(&world.folder("."), &["clone", "--quiet", &address, registry.to_str().expect("text")]);
    let public = fs::read_to_string(world.path("key.pub")).expect("a public key");
    world.commit(&registry, &[("signers/publisher/laptop.pub", &public)], "a key");
    world.git(&registry, &["push", "--quiet", "origin", "HEAD:main"]);

    let address = world.with_token(&world.printed.tokens.publisher, "git/plugins/greeter.git");
    let folder = world.repository("greeter", &borrowed(&plugin("greeter", "1.0.0")));
    let (done, said) = push(&world, &folder, &address, &[]);
    assert!(!done && said.contains("remote: refused: certificate-required"), "{said}");
    assert!(
        said.contains("signers/publisher/laptop.pub:1") && said.contains("remote:   git push --signed\n"),
        "{said}"
    );

    let signing = format!("user.signingKey={}", key.display());
    let options = ["-c", "gpg.format=ssh", "-c", &signing, "-c", "push.gpgSign=if-asked"];
    let (done, said) = push(&world, &folder, &address, &options);
    assert!(done && said.contains("remote: released greeter 1.0.0"), "{said}");

    // The tag carries the registry's signature, and stock git verifies it with what the API serves.
    let (status, body) = world.get("api/v1/signing-key", Some(&world.printed.tokens.reader));
    assert_eq!(status, 200, "{body}");
    let shown: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let signers = world.path("allowed-signers");
    fs::write(&signers, format!("{}\n", shown["allowed_signers"].as_str().expect("a line"))).expect("a file");
    let reader = world.with_token(&world.printed.tokens.reader, "git/plugins/greeter.git");
    world.git(&folder, &["fetch", "--quiet", &reader, "refs/tags/*:refs/tags/*"]);
    let allowed = format!("gpg.ssh.allowedSignersFile={}", signers.display());
    world.git(&folder, &["-c", &allowed, "tag", "--verify", "greeter--v1.0.0"]);

    // The certificate is kept with its leaf, where every member can fetch it.
    let log = world.with_token(&world.printed.tokens.reader, "git/log.git");
    let certificate = wait_until("the evidence to be written", || {
        let copy = world.path("log");
        let _ = fs::remove_dir_all(&copy);
        world.git(&world.folder("."), &["clone", "--quiet", &log, copy.to_str().expect("text")]);
        let names = world.git(&copy, &["ls-files", "*.cert*"]);
        names.lines().last().map(|name| fs::read_to_string(copy.join(name)).expect("a text"))
    });
    assert!(
        certificate.contains("certificate version 0.1") && certificate.contains("refs/heads/main"),
        "{certificate}"
    );
}

#[test]
fn a_demo_started_again_is_the_same() {
    let mut world = World::private();
    let before = world.printed.clone();
    let folder = world.repository("greeter", &borrowed(&plugin("greeter", "1.0.0")));
    let address = world.with_token(&world.printed.tokens.publisher, "git/plugins/greeter.git");
    world.git(&folder, &["push", "--quiet", &address, "HEAD:main"]);
    assert!(world.stop().success(), "SIGTERM ends with exit code 0");
    world.start_again();
    assert_eq!((&world.printed.url, &world.printed.marketplace_url), (&before.url, &before.marketplace_url));
    assert_eq!(world.printed.tokens.publisher, before.tokens.publisher);
    world.kill();
    world.start_again();
    let refs = world.git(&folder, &["ls-remote", &address, "refs/tags/greeter--v1.0.0^{}"]);
    assert!(refs.starts_with(&world.git(&folder, &["rev-parse", "HEAD"])), "{refs}");
    let stored = world.data().join("tenants/demo/plugins/greeter.git");
    world.git(&stored, &["fsck", "--full", "--strict"]);
}
