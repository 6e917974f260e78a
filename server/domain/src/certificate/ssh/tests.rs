//! Keys and signatures made with `ring` in OpenSSH's framing. Those made by ssh-keygen are tested where files and
//! processes are allowed: in the server's tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};

use super::*;

const MESSAGE: &[u8] = b"certificate version 0.1\n";

fn strings(fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields {
        put_string(&mut out, field);
    }
    out
}

fn ed25519() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[3; 32]).expect("a seed")
}

fn ed25519_public(pair: &Ed25519KeyPair) -> SshPublicKey {
    SshPublicKey::from_blob(&strings(&[b"ssh-ed25519", pair.public_key().as_ref()])).expect("a key")
}

fn ed25519_signature(namespace: &str, message: &[u8]) -> SshSignature {
    let pair = ed25519();
    let raw = pair.sign(&signed_data(namespace, SshHash::Sha512, message));
    let signature = strings(&[b"ssh-ed25519", raw.as_ref()]);
    SshSignature::new(&ed25519_public(&pair), namespace, SshHash::Sha512, signature)
}

fn mpint(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|b| *b != 0).expect("not zero");
    let mut out = if bytes[start] >= 0x80 { vec![0] } else { vec![] };
    out.extend_from_slice(&bytes[start..]);
    out
}

fn ecdsa(width: usize) -> (EcdsaKeyPair, SshPublicKey, &'static [u8]) {
    let (algorithm, kind, curve): (_, &'static [u8], &[u8]) = match width {
        32 => (&ECDSA_P256_SHA256_FIXED_SIGNING, b"ecdsa-sha2-nistp256", b"nistp256"),
        _ => (&ECDSA_P384_SHA384_FIXED_SIGNING, b"ecdsa-sha2-nistp384", b"nistp384"),
    };
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("a key");
    let public = SshPublicKey::from_blob(&strings(&[kind, curve, pair.public_key().as_ref()])).expect("a key");
    (pair, public, kind)
}

#[test]
fn ed25519_signatures_verify_and_nothing_else_does() {
    let key = ed25519_public(&ed25519());
    let signature = ed25519_signature("git", MESSAGE);
    assert_eq!(signature.verify(&key, GIT_NAMESPACE, MESSAGE), Ok(()));
    assert_eq!(signature.verify(&key, GIT_NAMESPACE, b"certificate version 0.2\n"), Err(SshSigError::Wrong));
    assert_eq!(
        ed25519_signature("file", MESSAGE).verify(&key, GIT_NAMESPACE, MESSAGE),
        Err(SshSigError::Namespace { namespace: "file".into() })
    );
    // A signature for another purpose with the namespace field exchanged afterwards.
    let mut relabelled = ed25519_signature("file", MESSAGE);
    relabelled.namespace = b"git".to_vec();
    assert_eq!(relabelled.verify(&key, GIT_NAMESPACE, MESSAGE), Err(SshSigError::Wrong));
    let (_, other, _) = ecdsa(32);
    assert_eq!(signature.verify(&other, GIT_NAMESPACE, MESSAGE), Err(SshSigError::OtherKey));
}

#[test]
fn armour_is_read_in_one_form_only() {
    let armor = ed25519_signature("git", MESSAGE).to_armor();
    assert_eq!(SshSignature::parse(armor.as_bytes()), Ok(ed25519_signature("git", MESSAGE)));
    for (wrong, error) in [
        (armor.replace('\n', "\r\n"), SshSigError::Armor),
        (armor.trim_end().to_owned(), SshSigError::Armor),
        (format!("{armor}\n"), SshSigError::Armor),
        (format!("{armor}{armor}"), SshSigError::Armor),
        (armor.replacen("-----\n", "-----\n\n", 1), SshSigError::Armor),
        (armor.replace("U1NIU0lH", "U1NIU0lI"), SshSigError::Damaged),
        ("-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n".into(), SshSigError::Armor),
        (String::new(), SshSigError::Armor),
        ("x".repeat(20_000), SshSigError::Armor),
    ] {
        assert_eq!(SshSignature::parse(wrong.as_bytes()), Err(error), "{wrong:.90}");
    }
}

#[test]
fn blobs_with_anything_more_or_other_are_refused() {
    let fields = |hash: &[u8], reserved: &[u8], version: u32, tail: &[u8]| {
        let mut blob = b"SSHSIG".to_vec();
        blob.extend_from_slice(&version.to_be_bytes());
        blob.extend(strings(&[b"key", b"git", reserved, hash, b"sig"]));
        blob.extend_from_slice(tail);
        let text = format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", STANDARD.encode(blob));
        SshSignature::parse(text.as_bytes())
    };
    assert!(fields(b"sha256", b"", 1, b"").is_ok());
    assert_eq!(fields(b"sha1", b"", 1, b""), Err(SshSigError::Hash { name: "sha1".into() }));
    assert_eq!(fields(b"sha256", b"x", 1, b""), Err(SshSigError::Damaged));
    assert_eq!(fields(b"sha256", b"", 2, b""), Err(SshSigError::Damaged));
    assert_eq!(fields(b"sha256", b"", 1, b"x"), Err(SshSigError::Damaged));
}

#[test]
fn ecdsa_signatures_verify_with_s_and_with_n_minus_s() {
    const N_P256: [u8; 32] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6,
        0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];
    for width in [32, 48] {
        let (pair, key, kind) = ecdsa(width);
        let data = signed_data("git", SshHash::Sha256, MESSAGE);
        let raw = pair.sign(&SystemRandom::new(), &data).expect("signs");
        let (r, s) = raw.as_ref().split_at(width);
        let check = |r: &[u8], s: &[u8], tail: &[u8]| {
            let mut numbers = strings(&[r, s]);
            numbers.extend_from_slice(tail);
            let signature = strings(&[kind, &numbers]);
            SshSignature::new(&key, "git", SshHash::Sha256, signature).verify(&key, "git", MESSAGE)
        };
        assert_eq!(check(&mpint(r), &mpint(s), b""), Ok(()));
        if width == 32 {
            let mut negated = N_P256;
            let mut borrow = 0_i16;
            for at in (0..32).rev() {
                let difference = i16::from(negated[at]) - i16::from(s[at]) - borrow;
                borrow = i16::from(difference < 0);
                negated[at] = difference.rem_euclid(256) as u8;
            }
            assert_eq!(check(&mpint(r), &mpint(&negated), b""), Ok(()));
        }
        assert_eq!(check(&mpint(s), &mpint(r), b""), Err(SshSigError::Wrong));
        assert_eq!(check(&mpint(r), b"", b""), Err(SshSigError::Damaged));
        assert_eq!(check(&mpint(r), &[0; 3], b""), Err(SshSigError::Damaged));
        assert_eq!(check(&mpint(r), &[0x7F; 60], b""), Err(SshSigError::Damaged));
        assert_eq!(check(&mpint(r), &mpint(s), b"x"), Err(SshSigError::Damaged));
    }
}

/// What a hardware key does: it signs a digest of the application, flags, counter and a digest of the data.
fn device_signed(flags: u8, application: &[u8]) -> Vec<u8> {
    let data = signed_data("git", SshHash::Sha512, MESSAGE);
    let mut out = ring::digest::digest(&ring::digest::SHA256, application).as_ref().to_vec();
    out.push(flags);
    out.extend_from_slice(&7_u32.to_be_bytes());
    out.extend_from_slice(ring::digest::digest(&ring::digest::SHA256, &data).as_ref());
    out
}

#[test]
fn hardware_keys_must_be_touched() {
    let flags_and_counter = |flags: u8| [&[flags][..], &7_u32.to_be_bytes()].concat();

    let pair = ed25519();
    let kind = b"sk-ssh-ed25519@openssh.com";
    let key = SshPublicKey::from_blob(&strings(&[kind, pair.public_key().as_ref(), b"ssh:"])).expect("a key");
    let check = |flags: u8, shown_flags: u8, application: &[u8]| {
        let raw = pair.sign(&device_signed(flags, application));
        let mut signature = strings(&[kind, raw.as_ref()]);
        signature.extend(flags_and_counter(shown_flags));
        SshSignature::new(&key, "git", SshHash::Sha512, signature).verify(&key, "git", MESSAGE)
    };
    assert_eq!(check(1, 1, b"ssh:"), Ok(()));
    assert_eq!(check(5, 5, b"ssh:"), Ok(()));
    assert_eq!(check(0, 0, b"ssh:"), Err(SshSigError::NoUserPresence));
    assert_eq!(check(0, 1, b"ssh:"), Err(SshSigError::Wrong));
    assert_eq!(check(1, 1, b"ssh:other"), Err(SshSigError::Wrong));

    let (pair, plain, _) = ecdsa(32);
    let kind = b"sk-ecdsa-sha2-nistp256@openssh.com";
    let point = &plain.blob()[plain.blob().len() - 65..];
    let key = SshPublicKey::from_blob(&strings(&[kind, b"nistp256", point, b"ssh:"])).expect("a key");
    let raw = pair.sign(&SystemRandom::new(), &device_signed(1, b"ssh:")).expect("signs");
    let (r, s) = raw.as_ref().split_at(32);
    let mut signature = strings(&[kind, &strings(&[&mpint(r), &mpint(s)])]);
    signature.extend(flags_and_counter(1));
    let signature = SshSignature::new(&key, "git", SshHash::Sha512, signature);
    assert_eq!(signature.verify(&key, "git", MESSAGE), Ok(()));
}

#[test]
fn an_algorithm_must_belong_to_the_key() {
    let key = ed25519_public(&ed25519());
    let raw = ed25519().sign(&signed_data("git", SshHash::Sha512, MESSAGE));
    let signature = SshSignature::new(&key, "git", SshHash::Sha512, strings(&[b"rsa-sha2-512", raw.as_ref()]));
    assert_eq!(
        signature.verify(&key, "git", MESSAGE),
        Err(SshSigError::Algorithm { name: "rsa-sha2-512".into(), kind: "ssh-ed25519".into() })
    );
    let rsa = SshPublicKey::from_blob(&strings(&[b"ssh-rsa", &[1, 0, 1], &mpint(&[0xFF; 256])])).expect("a key");
    let signature = SshSignature::new(&rsa, "git", SshHash::Sha512, strings(&[b"ssh-rsa", &[1; 256]]));
    assert_eq!(
        signature.verify(&rsa, "git", MESSAGE),
        Err(SshSigError::Algorithm { name: "ssh-rsa".into(), kind: "ssh-rsa".into() })
    );
}

#[test]
fn other_kinds_of_keys_are_refused_by_name() {
    let refused = |blob: &[u8]| SshPublicKey::from_blob(blob).expect_err("refused").to_string();
    for kind in [
        "ssh-dss",
        "ecdsa-sha2-nistp521",
        "ssh-ed25519-cert-v01@openssh.com",
        "ssh-rsa-cert-v01@openssh.com",
        "ssh-ed448",
        "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
    ] {
        let text = refused(&strings(&[kind.as_bytes(), &[1; 40]]));
        assert!(text.starts_with(&format!("keys of type `{kind}` are not accepted; ")), "{text}");
    }
    let rsa = |bits: usize| strings(&[b"ssh-rsa", &[1, 0, 1], &mpint(&vec![0xFF; bits / 8])]);
    assert_eq!(refused(&rsa(1024)), "RSA keys have 2048 to 8192 bits; this one has 1024");
    assert_eq!(refused(&rsa(16_384)), "RSA keys have 2048 to 8192 bits; this one has 16384");
    for damaged in [
        vec![],
        strings(&[b"ssh-ed25519"]),
        strings(&[b"ssh-ed25519", &[1; 31]]),
        strings(&[b"ssh-ed25519", &[1; 32], b"x"]),
        strings(&[b"ecdsa-sha2-nistp256", b"nistp384", &[4; 65]]),
        strings(&[b"ecdsa-sha2-nistp256", b"nistp256", &[2; 65]]),
        strings(&[b"ssh-rsa", &[0, 1, 0, 1], &mpint(&[0xFF; 256])]),
        strings(&[b"ssh-rsa", &[1, 0, 1], &[0xFF; 256]]),
    ] {
        assert_eq!(SshPublicKey::from_blob(&damaged), Err(SshKeyError::Damaged));
    }
}

#[test]
fn key_lines_are_read_and_shown() {
    let key = ed25519_public(&ed25519());
    let line = key.to_openssh();
    assert_eq!(SshPublicKey::from_openssh(&format!("{line} ann@laptop with words")), Ok(key.clone()));
    assert_eq!(serde_json::from_str::<SshPublicKey>(&serde_json::to_string(&key).expect("json")).expect("key"), key);
    assert_eq!(
        SshPublicKey::from_openssh(&line.replacen("ssh-ed25519", "ssh-rsa", 1)),
        Err(SshKeyError::TypeDiffers { kind: "ssh-rsa".into() })
    );
    assert_eq!(SshPublicKey::from_openssh("ssh-ed25519"), Err(SshKeyError::NotAKeyLine));
    assert_eq!(SshPublicKey::from_openssh("ssh-ed25519 !!"), Err(SshKeyError::NotAKeyLine));
    assert_eq!(SshPublicKey::from_openssh("-----BEGIN OPENSSH PRIVATE KEY-----"), Err(SshKeyError::Private));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..300) {
        let _ = SshPublicKey::from_blob(&bytes);
        let _ = SshSignature::from_blob(&bytes);
        let mut armor = ed25519_signature("git", MESSAGE).to_armor().into_bytes();
        let at = at % armor.len();
        armor.splice(at..at, bytes);
        if let Ok(signature) = SshSignature::parse(&armor) {
            let _ = signature.verify(&ed25519_public(&ed25519()), "git", MESSAGE);
        }
    }

    #[test]
    fn a_changed_bit_is_found(at: proptest::sample::Index, bit in 0_u32..8) {
        let mut signature = ed25519_signature("git", MESSAGE);
        let at = at.index(signature.signature.len());
        signature.signature[at] ^= 1 << bit;
        prop_assert!(signature.verify(&ed25519_public(&ed25519()), "git", MESSAGE).is_err());
    }
}
