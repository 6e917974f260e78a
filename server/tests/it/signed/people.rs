//! What people meet: who signs, who is told to, and what mends it.

use std::fs;

use super::{Scene, assert_accepted, assert_refused, clone_registry};
use crate::world::{said, wait_until};

#[test]
fn from_the_first_key_to_a_demand_for_signatures() {
    let scene = Scene::new();
    let line = scene.ssh_key("laptop", &["ed25519"]);

    // Nobody has a key: unsigned pushes are fine, and an unknown key is a warning.
    let output = scene.push_signed("laptop", &["main"]);
    assert_accepted(&output);
    let words = said(&output);
    assert!(words.contains("signer-unknown") && words.contains("it counts as unsigned"), "{words}");
    assert!(words.contains(&format!("signers/{}/<name>.pub", scene.publisher)), "{words}");

    // Registered, the same key counts, and main wants it from now on.
    scene.register(&[("laptop.pub", &line)]);
    scene.raise("1.0.1");
    let unsigned = scene.world.try_git(&scene.work, &["push", &scene.remote(), "main"]);
    assert_refused(
        &unsigned,
        &[
            "certificate-required",
            "git config gpg.format ssh",
            "git config user.signingKey ~/.ssh/id_ed25519.pub",
            "git push --signed",
            &format!("signers/{}/laptop.pub:1", scene.publisher),
        ],
    );
    assert_accepted(&scene.push_signed("laptop", &["main"]));
    // Other branches stay free.
    assert_accepted(&scene.world.try_git(&scene.work, &["push", &scene.remote(), "main:refs/heads/idea"]));

    // Another key is none: here one is demanded.
    let other = scene.ssh_key("other", &["ecdsa", "-b", "384"]);
    scene.raise("1.0.2");
    assert_refused(&scene.push_signed("other", &["main"]), &["signer-unknown", "is not registered here"]);
    // Beside the first, registered for a time that is over, it is refused by that.
    scene.register(&[("old.pub", &format!("valid-before=\"20200101Z\" {other}"))]);
    assert_refused(&scene.push_signed("other", &["main"]), &["signer-not-valid", "counted until 2020-01-01"]);
    assert_accepted(&scene.push_signed("laptop", &["main"]));

    // What is not accepted is refused by name.
    scene.ssh_key("p521", &["ecdsa", "-b", "521"]);
    scene.raise("1.0.3");
    assert_refused(&scene.push_signed("p521", &["main"]), &["certificate-signature", "ecdsa-sha2-nistp521"]);

    // A key that is taken away counts no more, also while it is in use.
    let registry = clone_registry(&scene.world, "registry-to-remove-from");
    scene.world.git(&registry, &["rm", "-r", "--quiet", "signers"]);
    scene.world.commit(&registry, &[], "no keys");
    scene.world.git(&registry, &["push", "--quiet", "origin", "HEAD:main"]);
    let output = scene.push_signed("laptop", &["main"]);
    assert_accepted(&output);
    assert!(said(&output).contains("it counts as unsigned"), "{}", said(&output));
}

#[test]
fn openpgp_keys_sign_and_stay_with_the_log() {
    let scene = Scene::new();
    let home = scene.world.folder("gnupg");
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("chmod");
    let gpg = |arguments: &[&str]| {
        let mut command = scene.world.command("gpg");
        command.env("GNUPGHOME", &home).args(["--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase="]);
        let output = command.args(arguments).output().expect("gnupg is installed");
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    gpg(&["--quick-generate-key", "Ana <ana@example.org>", "ed25519", "sign", "never"]);
    scene.register(&[("ana.asc", &gpg(&["--armor", "--export", "ana@example.org"]))]);
    let push = |options: &[&str], arguments: &[&str]| {
        let mut command = scene.world.command("git");
        command.env("GNUPGHOME", &home).current_dir(&scene.work).args(options).args(["push"]).args(arguments);
        command.args([scene.remote().as_str(), "main"]).output().expect("git is installed")
    };
    assert_refused(&push(&[], &[]), &["certificate-required", "git config gpg.format openpgp"]);
    assert_accepted(&push(&[], &["--signed"]));

    // The certificate is kept with its leaf, where a clone brings it to everybody, and no gc takes it.
    let log = scene.world.with_token(&scene.world.printed.tokens.reader, "git/log.git");
    let root = scene.world.folder(".");
    wait_until("the certificate in log.git", || {
        let _ = fs::remove_dir_all(scene.world.path("log"));
        scene.world.git(&root, &["clone", "--quiet", &log, "log"]);
        let here = scene.world.path("log");
        scene.world.git(&here, &["gc", "--quiet", "--prune=now"]);
        let found = scene.world.try_git(&here, &["grep", "--quiet", "-e", "-----BEGIN PGP SIGNATURE-----", "HEAD"]);
        found.status.success().then_some(())
    });
    let mut stop = scene.world.command("gpgconf");
    let _ = stop.env("GNUPGHOME", &home).args(["--kill", "all"]).output();
}

#[test]
fn anybody_can_check_who_made_a_release_tag() {
    let scene = Scene::new();
    let world = &scene.world;
    assert_accepted(&world.try_git(&scene.work, &["push", &scene.remote(), "main"]));
    world.git(&scene.work, &["fetch", "--quiet", "--tags", &scene.remote()]);
    let (status, shown) = world.get("api/v1/signing-key", Some(&world.printed.tokens.reader));
    assert_eq!(status, 200, "{shown}");
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let allowed = world.path("allowed-signers");
    fs::write(&allowed, format!("{}\n", shown["allowed_signers"].as_str().expect("a line"))).expect("written");
    let setting = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
    let output = world.try_git(&scene.work, &["-c", &setting, "verify-tag", "greeter--v1.0.0"]);
    assert!(output.status.success() && said(&output).contains("Good \"git\" signature"), "{}", said(&output));
    // The private part never left, and nobody else can read it.
    use std::os::unix::fs::PermissionsExt as _;
    for name in ["signing", "secret"] {
        let path = world.data().join("keys").join(name);
        assert_eq!(fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
    }
}
