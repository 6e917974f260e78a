//! Signatures by gpg, with keys in every state of their lives.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::{collection, test_runner::TestRunner};
use skill_pool_domain::certificate::openpgp::{KeyFault, OpenPgpKey, OpenPgpSigError};
use skill_pool_domain::certificate::{Signature, SignatureFault, verify};
use skill_pool_domain::registry::{SignerFault, Signers};
use skill_pool_domain::timestamp::Timestamp;

use crate::world::{NOW, World, ann, certificate, signers, text};

/// When keys are made, and the day of [`NOW`].
const MADE: &str = "20260101T000000";
const TODAY: &str = "20261121T040000";
const ANN: &str = "Ann <ann@example.org>";

/// Makes a key and answers its fingerprint.
fn make(world: &World, algorithm: &str, usage: &str, expires: &str) -> String {
    world.gpg(MADE, &["--quick-generate-key", ANN, algorithm, usage, expires]);
    fingerprints(world)[0].clone()
}

/// The fingerprints of the primary key and its subkeys.
fn fingerprints(world: &World) -> Vec<String> {
    let listed = world.gpg(MADE, &["--with-colons", "--list-keys", ANN]);
    listed.lines().filter_map(|line| Some(line.strip_prefix("fpr:")?.trim_matches(':').to_lowercase())).collect()
}

fn export(world: &World) -> String {
    world.gpg(TODAY, &["--armor", "--export", ANN])
}

fn registered(world: &World) -> Signers {
    signers(&[("signers/ann/key.asc", &export(world))])
}

/// What becomes of a good signature of today by the key `who`, judged at [`NOW`] with the keys as they are exported.
fn check(world: &World, signers: &Signers, who: &str) -> Result<Signature, SignatureFault> {
    let signature = world.gpg_sign(TODAY, who, &text(), &[]);
    verify(&certificate(&text(), &signature), signers, NOW)
}

fn key_fault(result: Result<Signature, SignatureFault>) -> KeyFault {
    match result {
        Err(SignatureFault::Signer { source: SignerFault::OpenPgp(fault), place, .. }) => {
            assert_eq!(place, "signers/ann/key.asc");
            fault
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_accepted_kind_verifies_and_a_changed_byte_does_not() {
    for algorithm in ["ed25519", "rsa2048", "nistp256", "nistp384"] {
        let world = World::new();
        let fingerprint = make(&world, algorithm, "sign", "never");
        let signers = registered(&world);
        let signer = format!("pgp:v4:{fingerprint}").parse().expect("an id");
        let good = check(&world, &signers, &fingerprint);
        assert_eq!(good, Ok(Signature::Registered { signer, member: ann() }), "{algorithm}");
        let signature = world.gpg_sign(TODAY, &fingerprint, &text(), &[]);
        let changed = certificate(&text().replace("refs/heads/main", "refs/heads/mean"), &signature);
        let result = verify(&changed, &signers, NOW);
        assert_eq!(result, Err(SignatureFault::OpenPgp(OpenPgpSigError::Wrong)), "{algorithm}");
    }
}

#[test]
fn a_signing_subkey_signs_for_its_primary_key() {
    let world = World::new();
    let primary = make(&world, "ed25519", "cert", "never");
    world.gpg(MADE, &["--quick-add-key", &primary, "ed25519", "sign", "never"]);
    let subkey = fingerprints(&world)[1].clone();
    let signers = registered(&world);
    let signer = format!("pgp:v4:{subkey}").parse().expect("an id");
    // The primary key certifies only, so it is not even listed.
    assert_eq!(signers.iter().map(|(id, _)| id).collect::<Vec<_>>(), [&signer]);
    assert_eq!(check(&world, &signers, &primary), Ok(Signature::Registered { signer, member: ann() }));
    // Its life ends before that of the primary key.
    let signature = world.gpg_sign(TODAY, &primary, &text(), &[]);
    world.gpg("20261119T000000", &["--quick-set-expire", &primary, "2026-11-20", &subkey]);
    let expired = registered(&world);
    let result = verify(&certificate(&text(), &signature), &expired, NOW);
    assert!(matches!(key_fault(result), KeyFault::Expired { .. }));
}

#[test]
fn expired_keys_do_not_count_and_a_longer_life_counts_again() {
    let world = World::new();
    let fingerprint = make(&world, "ed25519", "sign", "2026-11-20");
    let short = registered(&world);
    // gpg itself refuses to sign with an expired key, so the signature was made while it lived.
    world.gpg("20261120T000000", &["--quick-set-expire", &fingerprint, "2027-06-01"]);
    let long = registered(&world);
    assert!(check(&world, &long, &fingerprint).is_ok());
    let fault = key_fault(check(&world, &short, &fingerprint));
    let KeyFault::Expired { expired_at } = fault else { panic!("{fault}") };
    assert_eq!(expired_at.date(), "2026-11-20");
    let key = OpenPgpKey::parse(&export(&world)).expect("a key");
    let at = |text: &str| key.may_sign(key.id(), Timestamp::parse(text).expect(text));
    assert_eq!(at("2027-05-31T00:00:00Z"), Ok(()));
    assert!(matches!(at("2027-06-02T00:00:00Z"), Err(KeyFault::Expired { .. })));
    assert!(matches!(at("2025-12-31T00:00:00Z"), Err(KeyFault::NotYet { .. })));
    // gpg put the new self-signature in the place of the old one, so nothing vouches for the time before it.
    assert_eq!(at("2026-11-19T00:00:00Z"), Err(KeyFault::Unbound));
}

#[test]
fn revoked_keys_do_not_count() {
    let world = World::new();
    let fingerprint = make(&world, "ed25519", "sign", "never");
    let signature = world.gpg_sign(TODAY, &fingerprint, &text(), &[]);
    let before = registered(&world);
    // gpg prepares a revocation with every key and keeps it defused by a colon.
    let file = format!("gnupg/openpgp-revocs.d/{}.rev", fingerprint.to_uppercase());
    let prepared = std::fs::read_to_string(world.path(&file)).expect("a revocation");
    let revocation = world.write("revocation", prepared.replace(":-----BEGIN", "-----BEGIN"));
    world.gpg(TODAY, &["--import", crate::world::path_str(&revocation)]);
    let after = registered(&world);
    let judge = |signers: &Signers| verify(&certificate(&text(), &signature), signers, NOW);
    assert!(judge(&before).is_ok());
    assert_eq!(key_fault(judge(&after)), KeyFault::Revoked);
}

#[test]
fn weak_hashes_and_odd_signatures_are_refused() {
    let world = World::new();
    let fingerprint = make(&world, "rsa2048", "sign", "never");
    let signers = registered(&world);
    let judge = |time: &str, options: &[&str]| {
        let signature = world.gpg_sign(time, &fingerprint, &text(), options);
        verify(&certificate(&text(), &signature), &signers, NOW)
    };
    let hash = |name: &str| Err(SignatureFault::OpenPgp(OpenPgpSigError::Hash { name: name.into() }));
    assert_eq!(judge(TODAY, &["--digest-algo=SHA1"]), hash("SHA1"));
    assert_eq!(judge(TODAY, &["--digest-algo=SHA224"]), hash("SHA224"));
    assert!(judge(TODAY, &["--digest-algo=SHA512"]).is_ok());
    assert!(judge(TODAY, &["--digest-algo=SHA256", "--textmode"]).is_ok());
    // A clock that is days off, and a signature with an end of its own.
    let clock = judge("20261118T000000", &[]);
    assert!(matches!(clock, Err(SignatureFault::OpenPgp(OpenPgpSigError::Clock { .. }))), "{clock:?}");
    let clock = judge("20261123T000000", &[]);
    assert!(matches!(clock, Err(SignatureFault::OpenPgp(OpenPgpSigError::Clock { .. }))), "{clock:?}");
    let ended = judge("20261120T120000", &["--default-sig-expire=seconds=60"]);
    assert!(matches!(ended, Err(SignatureFault::OpenPgp(OpenPgpSigError::Expired { .. }))), "{ended:?}");
    // A condition that only its maker understands.
    let critical = judge(TODAY, &["--sig-notation=!condition@example.org=none"]);
    assert_eq!(critical, Err(SignatureFault::OpenPgp(OpenPgpSigError::Critical)));
    // Two signatures in one armour.
    world.gpg(MADE, &["--quick-generate-key", "Ben <ben@example.org>", "ed25519", "sign", "never"]);
    let two = judge(TODAY, &["-u", "ben@example.org"]);
    assert_eq!(two, Err(SignatureFault::OpenPgp(OpenPgpSigError::NotOnePacket)));
}

#[test]
fn unknown_keys_are_unknown_whatever_they_sign() {
    let world = World::new();
    let fingerprint = make(&world, "ed25519", "sign", "never");
    let signature = world.gpg_sign(TODAY, &fingerprint, &text(), &[]);
    let result = verify(&certificate(&text(), &signature), &Signers::default(), NOW);
    let signer = format!("pgp:v4:{fingerprint}").parse().expect("an id");
    assert_eq!(result, Ok(Signature::Unknown { signer }));
}

#[test]
fn files_that_are_no_signers_certificate_are_refused_in_words() {
    let world = World::new();
    let refused = |text: &str| OpenPgpKey::parse(text).expect_err("refused").to_string();
    make(&world, "ed25519", "cert", "never");
    assert!(refused(&export(&world)).starts_with("no key of this OpenPGP certificate may sign"));
    world.gpg(MADE, &["--quick-generate-key", "Ben <ben@example.org>", "rsa1024", "sign", "never"]);
    assert!(refused(&world.gpg(TODAY, &["--armor", "--export", "ben@example.org"])).contains("2048 to 8192 bits"));
    assert!(refused(&world.gpg(TODAY, &["--armor", "--export"])).contains("more than one"));
    assert!(refused(&world.gpg(TODAY, &["--armor", "--export-secret-keys", ANN])).contains("PRIVATE"));
    world.gpg(MADE, &["--quick-generate-key", "Dan <dan@example.org>", "dsa2048", "sign", "never"]);
    assert!(refused(&world.gpg(TODAY, &["--armor", "--export", "dan@example.org"])).contains("DSA is broken"));
    let signature = world.gpg_sign(TODAY, "ben@example.org", &text(), &[]);
    assert!(refused(&signature).contains("PGP PUBLIC KEY BLOCK"));
}

/// The bytes of an armour, changed by `change`, in armour again.
fn rearmoured(armor: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    use base64::Engine as _;
    let (head, rest) = armor.split_once("\n\n").expect("an armour");
    let (body, end) = rest.split_once("\n-----END").expect("an armour");
    let data: String = body.lines().filter(|line| !line.starts_with('=')).collect();
    let mut bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
    change(&mut bytes);
    format!("{head}\n\n{}\n-----END{end}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

#[test]
fn no_damage_makes_it_panic() {
    let world = World::new();
    let primary = make(&world, "rsa2048", "cert,sign", "never");
    world.gpg(MADE, &["--quick-add-key", &primary, "ed25519", "sign", "2027-01-01"]);
    let armored = export(&world);
    let signature = world.gpg_sign(TODAY, &primary, &text(), &[]);
    let good = registered(&world);
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..Default::default() });
    let changes = collection::vec((any::<Index>(), any::<u8>(), 0..4_u8), 1..4);
    let apply = |bytes: &mut Vec<u8>, changes: &[(Index, u8, u8)]| {
        for (at, byte, how) in changes {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match how {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, *byte),
                _ => bytes[at] = *byte,
            }
            if bytes.is_empty() {
                bytes.push(*byte);
            }
        }
    };
    let outcome = runner.run(&changes, |changes| {
        let _ = OpenPgpKey::parse(&rearmoured(&armored, |bytes| apply(bytes, &changes))).map(|key| {
            let _ = key.may_sign(key.id(), NOW);
        });
        let damaged = rearmoured(&signature, |bytes| apply(bytes, &changes));
        if damaged != signature {
            let _ = verify(&certificate(&text(), &damaged), &good, NOW);
        }
        Ok(())
    });
    outcome.expect("no panic");
}
