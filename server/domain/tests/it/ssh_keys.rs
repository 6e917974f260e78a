//! Signatures by ssh-keygen, with every kind of key that it makes without hardware.

use skill_pool_domain::certificate::ssh::{SshKeyError, SshPublicKey, SshSigError};
use skill_pool_domain::certificate::{Signature, SignatureFault, SignerId, verify};
use skill_pool_domain::registry::SignerFault;

use crate::world::{NOW, World, ann, certificate, signers, text};

const KINDS: [&[&str]; 4] = [&["ed25519"], &["ecdsa", "-b", "256"], &["ecdsa", "-b", "384"], &["rsa", "-b", "2048"]];

#[test]
fn every_accepted_kind_verifies_and_a_changed_byte_does_not() {
    let world = World::new();
    for (index, kind) in KINDS.into_iter().enumerate() {
        let name = format!("key{index}");
        let line = world.ssh_key(&name, kind);
        let signers = signers(&[("signers/ann/laptop.pub", &line)]);
        let id = SignerId::ssh(&SshPublicKey::from_openssh(&line).expect("a key"));
        // ssh-keygen's own words for the fingerprint: `256 SHA256:… comment (TYPE)`.
        let listed = world.run("ssh-keygen", &["-l", "-f", &format!("{name}.pub")]);
        assert_eq!(format!("ssh:{}", listed.split(' ').nth(1).expect("a word")), id.to_string());
        for hash in ["sha256", "sha512"] {
            let hash = format!("hashalg={hash}");
            let signature = world.ssh_sign(&name, &text(), &["-n", "git", "-O", &hash]);
            let good = certificate(&text(), &signature);
            let expected = Signature::Registered { signer: id.clone(), member: ann() };
            assert_eq!(verify(&good, &signers, NOW), Ok(expected), "{kind:?}");
            assert_eq!(verify(&good, &Default::default(), NOW), Ok(Signature::Unknown { signer: id.clone() }));
            let changed = certificate(&text().replace("refs/heads/main", "refs/heads/mean"), &signature);
            assert_eq!(verify(&changed, &signers, NOW), Err(SignatureFault::Ssh(SshSigError::Wrong)), "{kind:?}");
            // An unknown key does not make a wrong signature a harmless one.
            let wrong = verify(&changed, &Default::default(), NOW);
            assert_eq!(wrong, Err(SignatureFault::Ssh(SshSigError::Wrong)));
        }
    }
}

#[test]
fn signatures_for_other_purposes_are_refused() {
    let world = World::new();
    let line = world.ssh_key("key", KINDS[0]);
    let signers = signers(&[("signers/ann/laptop.pub", &line)]);
    for namespace in ["file", "skill-pool-review@v1", "Git", "git2"] {
        let other = certificate(&text(), &world.ssh_sign("key", &text(), &["-n", namespace]));
        let expected = SignatureFault::Ssh(SshSigError::Namespace { namespace: namespace.into() });
        assert_eq!(verify(&other, &signers, NOW), Err(expected));
    }
}

#[test]
fn kinds_that_are_not_accepted_are_refused_by_name() {
    let world = World::new();
    world.ssh_key("p521", &["ecdsa", "-b", "521"]);
    let signed = certificate(&text(), &world.ssh_sign("p521", &text(), &["-n", "git"]));
    let Err(SignatureFault::Ssh(SshSigError::Key(error))) = verify(&signed, &Default::default(), NOW) else {
        panic!("P-521 was taken")
    };
    assert!(error.to_string().contains("`ecdsa-sha2-nistp521`"), "{error}");

    world.ssh_key("small", &["rsa", "-b", "1024"]);
    let signed = certificate(&text(), &world.ssh_sign("small", &text(), &["-n", "git"]));
    let error = verify(&signed, &Default::default(), NOW);
    assert_eq!(error, Err(SignatureFault::Ssh(SshSigError::Key(SshKeyError::RsaSize { bits: 1024 }))));

    // A certificate for a key, signed by an authority, in place of the key.
    world.ssh_key("authority", KINDS[0]);
    world.ssh_key("key", KINDS[0]);
    world.run("ssh-keygen", &["-q", "-s", "authority", "-I", "ann", "-n", "ann", "key.pub"]);
    let line = std::fs::read_to_string(world.path("key-cert.pub")).expect("a certificate");
    let error = SshPublicKey::from_openssh(&line).expect_err("refused").to_string();
    assert!(error.contains("`ssh-ed25519-cert-v01@openssh.com`"), "{error}");
}

#[test]
fn a_key_outside_its_time_does_not_count() {
    let world = World::new();
    let line = world.ssh_key("key", KINDS[0]);
    let signed = certificate(&text(), &world.ssh_sign("key", &text(), &["-n", "git"]));
    for (options, words) in [
        ("valid-before=\"20261121Z\"", "the key counted until 2026-11-21T00:00:00Z"),
        ("valid-after=\"202611210500Z\"", "the key counts from 2026-11-21T05:00:00Z on"),
        ("namespaces=\"file\"", "the key is registered for other purposes than git"),
    ] {
        let signers = signers(&[("signers/ann/laptop.pub", &format!("{options} {line}"))]);
        let Err(SignatureFault::Signer { place, source, .. }) = verify(&signed, &signers, NOW) else {
            panic!("{options} was taken")
        };
        assert_eq!((place.as_str(), source.to_string().as_str()), ("signers/ann/laptop.pub:1", words));
        assert!(!matches!(source, SignerFault::OpenPgp(_)));
    }
}
