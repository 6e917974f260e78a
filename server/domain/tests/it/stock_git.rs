//! Certificates made by `git push --signed`, as a stock receive-pack hands them to its hook.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use skill_pool_domain::certificate::{PushCertificate, Signature, SignatureKind, parse, verify};
use skill_pool_domain::timestamp::Timestamp;

use crate::world::{World, ann, path_str, signers};

/// Pushes with `options` and `arguments`, and reads the certificate that arrives.
fn push(world: &World, options: &[&str], arguments: &[&str]) -> PushCertificate {
    let (work, bare) = (world.path("work"), world.path("bare.git"));
    if !bare.exists() {
        world.run("git", &["init", "-q", "--bare", path_str(&bare)]);
        for (key, value) in [("receive.certNonceSeed", "seed"), ("receive.advertisePushOptions", "true")] {
            world.run("git", &["-C", path_str(&bare), "config", key, value]);
        }
        let hook = bare.join("hooks/pre-receive");
        fs::write(&hook, "#!/bin/sh\ngit cat-file blob \"$GIT_PUSH_CERT\" > certificate\n").expect("written");
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("chmod");
        world.run("git", &["init", "-q", "-b", "main", path_str(&work)]);
        for (key, value) in [("user.name", "Ann"), ("user.email", "ann@example.org")] {
            world.run("git", &["-C", path_str(&work), "config", key, value]);
        }
    }
    world.run("git", &["-C", path_str(&work), "commit", "-q", "--allow-empty", "-m", "x"]);
    let fixed = ["-C", path_str(&work)];
    world.run("git", &[&fixed, options, &["push", "--signed"], arguments].concat());
    parse(&fs::read(bare.join("certificate")).expect("a certificate")).expect("well-formed")
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    Timestamp(since.as_millis().try_into().expect("a time"))
}

#[test]
fn a_push_signed_with_an_ssh_key() {
    let world = World::new();
    let line = world.ssh_key("key", &["ed25519"]);
    let signing = format!("user.signingKey={}", path_str(&world.path("key.pub")));
    let bare = world.path("bare.git");
    let options = ["-c", "gpg.format=ssh", "-c", &signing];
    let arguments = ["-o", "topic=a b", "-o", "draft", path_str(&bare), "main", "main:refs/heads/other"];
    let certificate = push(&world, &options, &arguments);
    assert_eq!(certificate.kind, SignatureKind::Ssh);
    assert_eq!(certificate.pushee.as_deref(), Some(path_str(&bare)));
    assert_eq!(certificate.push_options, ["topic=a b", "draft"]);
    assert!(certificate.nonce.is_some());
    let names: Vec<_> = certificate.commands.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["refs/heads/main", "refs/heads/other"]);
    assert!(certificate.commands.iter().all(|c| c.old.is_none() && c.new.is_some()));
    let verified = verify(&certificate, &signers(&[("signers/ann/laptop.pub", &line)]), now());
    assert!(matches!(verified, Ok(Signature::Registered { member, .. }) if member == ann()));

    // A second push moves and deletes.
    let certificate = push(&world, &options, &[path_str(&bare), "main", ":refs/heads/other"]);
    let shapes: Vec<_> = certificate.commands.iter().map(|c| (c.old.is_some(), c.new.is_some())).collect();
    assert_eq!(shapes, [(true, true), (true, false)]);
}

#[test]
fn a_push_signed_with_gpg() {
    let world = World::new();
    let fixed = ["--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase="];
    let ann_key = ["--quick-generate-key", "Ann <ann@example.org>", "ed25519", "sign", "never"];
    world.run("gpg", &[&fixed[..], &ann_key].concat());
    let exported = world.run("gpg", &["--armor", "--export", "ann@example.org"]);
    let bare = world.path("bare.git");
    // Without a configured key git hands gpg the committer's name and address.
    let certificate = push(&world, &[], &[path_str(&bare), "main"]);
    assert_eq!(certificate.kind, SignatureKind::OpenPgp);
    assert_eq!(certificate.pusher, "Ann <ann@example.org>");
    let verified = verify(&certificate, &signers(&[("signers/ann/key.asc", &exported)]), now());
    assert!(matches!(verified, Ok(Signature::Registered { member, .. }) if member == ann()));
}
