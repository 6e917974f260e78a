//! OpenPGP certificates that no gpg makes: other people's subkeys, revocations in odd places, weak statements.

use pgp::composed::{ArmorOptions, Deserializable, SignedPublicKey, SignedPublicSubKey, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, RevocationCode, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, Password, Tag, Timestamp as Seconds};
use skill_pool_domain::certificate::openpgp::{KeyFault, OpenPgpError, OpenPgpKey, OpenPgpSigError};
use skill_pool_domain::certificate::{SignatureFault, SignerId, verify};
use skill_pool_domain::timestamp::Timestamp;

use crate::world::{NOW, World, certificate, signers, text};

const MADE: &str = "20260101T000000";
const TODAY: &str = "20261121T040000";
/// Between the two.
const REVOKED_AT: Timestamp = Timestamp(1_780_000_000_000);

/// Makes a key with gpg and takes it out of there, secret part included.
fn make(world: &World, name: &str) -> SignedSecretKey {
    let user = format!("{name} <{name}@example.org>");
    world.gpg(MADE, &["--quick-generate-key", &user, "ed25519", "sign", "never"]);
    let armored = world.gpg(TODAY, &["--armor", "--export-secret-keys", &user]);
    SignedSecretKey::from_string(&armored).expect("a key").0
}

fn config(kind: SignatureType, key: &SignedSecretKey, more: Vec<SubpacketData>) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), HashAlgorithm::Sha256);
    let made_at = SubpacketData::SignatureCreationTime(Seconds::from_secs((REVOKED_AT.seconds()) as u32));
    let issuer = SubpacketData::IssuerFingerprint(key.fingerprint());
    let all = [made_at, issuer].into_iter().chain(more);
    config.hashed_subpackets = all.map(|data| Subpacket::regular(data).expect("a subpacket")).collect();
    config
}

fn parse(key: &SignedPublicKey) -> Result<OpenPgpKey, OpenPgpError> {
    OpenPgpKey::parse(&key.to_armored_string(ArmorOptions::default()).expect("armour"))
}

fn signing(flags: bool) -> SubpacketData {
    let mut key_flags = KeyFlags::default();
    key_flags.set_sign(flags);
    SubpacketData::KeyFlags(key_flags)
}

fn ids(key: &OpenPgpKey) -> Vec<String> {
    key.signing_keys().into_iter().map(SignerId::to_string).collect()
}

#[test]
fn a_subkey_belongs_to_whom_it_says_itself() {
    let world = World::new();
    let ann = make(&world, "ann");
    let ben = make(&world, "ben");
    world.gpg(MADE, &["--quick-add-key", &ben.fingerprint().to_string(), "ed25519", "sign", "never"]);
    let armored = world.gpg(TODAY, &["--armor", "--export", "ben@example.org"]);
    let theirs = SignedPublicKey::from_string(&armored).expect("a key").0.public_subkeys.remove(0);
    assert_eq!(ids(&OpenPgpKey::parse(&armored).expect("ben's own")).len(), 2);

    // Ann claims ben's subkey: alone, and with what it said of ben's primary key.
    let back = theirs.signatures[0].embedded_signature().expect("a back signature").clone();
    for more in [vec![], vec![SubpacketData::EmbeddedSignature(Box::new(back))]] {
        let statement = config(SignatureType::SubkeyBinding, &ann, [vec![signing(true)], more].concat());
        let primary = ann.primary_key.public_key();
        let binding = statement.sign_subkey_binding(&ann.primary_key, &primary, &Password::empty(), &theirs.key);
        let mut public = ann.to_public_key();
        public
            .public_subkeys
            .push(SignedPublicSubKey { key: theirs.key.clone(), signatures: vec![binding.expect("signed")] });
        let key = parse(&public).expect("a key");
        assert_eq!(ids(&key), [format!("pgp:v4:{}", ann.fingerprint())]);
        let stolen = format!("pgp:v4:{}", theirs.fingerprint()).parse().expect("an id");
        assert_eq!(key.may_sign(&stolen, NOW), Err(KeyFault::MayNotSign));
    }
}

#[test]
fn a_name_that_was_revoked_vouches_for_nothing_whatever_the_order() {
    let world = World::new();
    let ann = make(&world, "ann");
    for first in [true, false] {
        let mut public = ann.to_public_key();
        let name = &mut public.details.users[0];
        let statement = config(SignatureType::CertRevocation, &ann, vec![]);
        let primary = ann.primary_key.public_key();
        let revocation =
            statement.sign_certification(&ann.primary_key, &primary, &Password::empty(), Tag::UserId, &name.id);
        name.signatures.insert(if first { 0 } else { 1 }, revocation.expect("signed"));
        let key = parse(&public).expect("a key");
        assert_eq!(key.may_sign(key.id(), REVOKED_AT.plus_ms(-1000)), Ok(()));
        assert_eq!(key.may_sign(key.id(), REVOKED_AT), Err(KeyFault::Unbound));
    }
}

#[test]
fn a_retired_key_counted_until_then_and_a_stolen_one_never_did() {
    let world = World::new();
    let ann = make(&world, "ann");
    for (reason, before) in [
        (Some(RevocationCode::KeyRetired), Ok(())),
        (Some(RevocationCode::KeySuperseded), Ok(())),
        (Some(RevocationCode::KeyCompromised), Err(KeyFault::Revoked)),
        (None, Err(KeyFault::Revoked)),
    ] {
        let reason = reason.map(|code| SubpacketData::RevocationReason(code, "".into())).into_iter().collect();
        let statement = config(SignatureType::KeyRevocation, &ann, reason);
        let primary = ann.primary_key.public_key();
        let revocation = statement.sign_key(&ann.primary_key, &Password::empty(), &primary).expect("signed");
        let mut public = ann.to_public_key();
        public.details.revocation_signatures.push(revocation);
        let key = parse(&public).expect("a key");
        assert_eq!(key.may_sign(key.id(), REVOKED_AT.plus_ms(-1000)), before);
        assert_eq!(key.may_sign(key.id(), REVOKED_AT), Err(KeyFault::Revoked));
    }
}

#[test]
fn what_others_say_of_a_key_changes_nothing() {
    let world = World::new();
    let (ann, ben) = (make(&world, "ann"), make(&world, "ben"));
    let primary = ann.primary_key.public_key();
    let revocation = config(SignatureType::KeyRevocation, &ben, vec![]);
    let revocation = revocation.sign_key(&ben.primary_key, &Password::empty(), &primary).expect("signed");
    let no_signing = config(SignatureType::Key, &ben, vec![signing(false)]);
    let no_signing = no_signing.sign_key(&ben.primary_key, &Password::empty(), &primary).expect("signed");
    let mut public = ann.to_public_key();
    public.details.revocation_signatures.push(revocation);
    public.details.direct_signatures.push(no_signing);
    let key = parse(&public).expect("a key");
    assert_eq!(key.may_sign(key.id(), NOW), Ok(()));
    // Said by the key itself, the second one counts.
    let own = config(SignatureType::Key, &ann, vec![signing(false)]);
    public
        .details
        .direct_signatures
        .push(own.sign_key(&ann.primary_key, &Password::empty(), &primary).expect("signed"));
    let key = parse(&public).expect("a key");
    assert_eq!(key.may_sign(key.id(), NOW), Err(KeyFault::MayNotSign));
}

#[test]
fn weak_statements_and_weak_subkeys_do_not_count() {
    let world = World::new();
    // Of RSA, because with Ed25519 the library takes no short digest either.
    for (hash, counts) in [("SHA1", false), ("SHA224", false), ("SHA256", true)] {
        let (name, hash) = (format!("{hash}@example.org"), format!("--cert-digest-algo={hash}"));
        world.gpg(MADE, &[&hash, "--quick-generate-key", &name, "rsa2048", "sign", "never"]);
        let key = OpenPgpKey::parse(&world.gpg(TODAY, &["--armor", "--export", &name]));
        assert_eq!(key.is_ok(), counts, "{hash}: {key:?}");
    }
    let ann = make(&world, "ann");
    world.gpg(MADE, &["--quick-add-key", &ann.fingerprint().to_string(), "rsa1024", "sign", "never"]);
    let armored = world.gpg(TODAY, &["--armor", "--export", "ann@example.org"]);
    assert_eq!(ids(&OpenPgpKey::parse(&armored).expect("a key")), [format!("pgp:v4:{}", ann.fingerprint())]);
}

#[test]
fn nothing_was_signed_before_its_key_was_made() {
    let world = World::new();
    world.gpg("20261121T033000", &["--quick-generate-key", "ann@example.org", "ed25519", "sign", "never"]);
    let armored = world.gpg(TODAY, &["--armor", "--export", "ann@example.org"]);
    let signers = signers(&[("signers/ann/key.asc", &armored)]);
    let judge = |time| {
        let options = ["--ignore-time-conflict", "--ignore-valid-from"];
        let signature = world.gpg_sign(time, "ann@example.org", &text(), &options);
        verify(&certificate(&text(), &signature), &signers, NOW)
    };
    assert!(judge(TODAY).is_ok());
    let early = judge("20261121T030000");
    assert!(matches!(early, Err(SignatureFault::OpenPgp(OpenPgpSigError::Clock { .. }))), "{early:?}");
}
