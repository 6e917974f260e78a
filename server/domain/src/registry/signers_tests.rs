use proptest::prelude::*;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC";

fn read(files: &[(&str, &str)]) -> Result<Signers, Vec<Refusal>> {
    Signers::read(files.iter().map(|(path, text)| (*path, text.as_bytes())), |member| member.as_str() != "nobody")
}

/// The one refusal of a file `signers/ann/laptop.pub` that holds `text`.
#[track_caller]
fn refused(text: &str) -> String {
    let refusals = read(&[("signers/ann/laptop.pub", text)]).expect_err(text);
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(refusals[0].code, "signers");
    assert!(!refusals[0].remedy.is_empty());
    format!("{}: {}", refusals[0].place, refusals[0].message)
}

#[track_caller]
fn only(signers: &Signers) -> (&SignerId, &Signer) {
    let mut keys = signers.iter();
    let first = keys.next().expect("one key");
    assert!(keys.next().is_none());
    first
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect(text)
}

#[test]
fn a_file_may_hold_comments_and_several_keys() {
    let text = format!("# ann's keys\n\n{KEY} ann@laptop with words\r\n  namespaces=\"git,file\"\t{OTHER}\n");
    let signers = read(&[("signers/ann/laptop.pub", &text), ("members/ann.toml", "role = \"admin\"")]).expect("good");
    let ann = MemberId::parse("ann").expect("a name");
    let places: Vec<_> = signers.of(&ann).map(|(id, signer)| (signer.place.as_str(), id.to_string())).collect();
    assert_eq!(places.len(), 2);
    assert!(places.iter().any(|(place, _)| *place == "signers/ann/laptop.pub:3"));
    assert!(places.iter().all(|(_, id)| id.starts_with("ssh:SHA256:")));
    assert_eq!(signers.of(&MemberId::parse("ben").expect("a name")).count(), 0);
}

#[test]
fn it_comes_back_from_json() {
    let text = format!("valid-after=\"20260101Z\",valid-before=\"20270101Z\",namespaces=\"git\" {KEY}\n{OTHER}\n");
    let signers = read(&[("signers/ann/laptop.pub", &text)]).expect("good");
    let json = serde_json::to_string(&signers).expect("json");
    assert_eq!(serde_json::from_str::<Signers>(&json).expect("signers"), signers);
    assert!(serde_json::from_str::<Signers>(&json.replace("AAAAC3", "AAAAC4")).is_err());
}

#[test]
fn a_key_counts_in_its_time_only() {
    let text = format!("valid-after=\"20260101Z\",valid-before=\"202606301200Z\" {KEY}");
    let signers = read(&[("signers/ann/laptop.pub", &text)]).expect("good");
    let (id, signer) = only(&signers);
    let check = |time| signers.counts(id, signer, at(time));
    let valid_after = at("2026-01-01T00:00:00Z");
    assert_eq!(check("2025-12-31T23:59:59Z"), Err(SignerFault::NotYet { valid_after }));
    assert_eq!(check("2026-01-01T00:00:00Z"), Ok(()));
    assert_eq!(check("2026-06-30T12:00:00.900Z"), Ok(()));
    let valid_before = at("2026-06-30T12:00:00Z");
    assert_eq!(check("2026-06-30T12:00:01Z"), Err(SignerFault::Expired { valid_before }));
}

#[test]
fn a_key_for_other_purposes_does_not_count() {
    for (option, counts) in [("namespaces=\"file\"", false), ("namespaces=\"file,git\"", true)] {
        let signers = read(&[("signers/ann/laptop.pub", &format!("{option} {KEY}"))]).expect("good");
        let (id, signer) = only(&signers);
        let result = signers.counts(id, signer, Timestamp(0));
        assert_eq!(result, if counts { Ok(()) } else { Err(SignerFault::Namespaces) });
    }
}

#[test]
fn what_is_wrong_with_a_line_is_said_with_its_place() {
    let place = "signers/ann/laptop.pub";
    for (text, words) in [
        ("valid-before=\"20260101\" @@", "1: the time `20260101` needs a final `Z`, for UTC"),
        ("valid-before=\"20261301Z\" @@", "1: `20261301Z` is not a time of the form YYYYMMDD[HHMM[SS]]Z"),
        ("valid-before=\"2026Z\" @@", "1: `2026Z` is not a time of the form YYYYMMDD[HHMM[SS]]Z"),
        ("valid-before=20260101Z @@", "1: write the value of `valid-before` in quotes"),
        (
            "valid-after=\"20270101Z\",valid-before=\"20260101Z\" @@",
            "1: the key would never count: it begins at 2027-01-01T00:00:00Z and ends at 2026-01-01T00:00:00Z",
        ),
        ("namespaces=\"git\",namespaces=\"git\" @@", "1: the option `namespaces` stands twice"),
        (
            "namespaces=\"*\" @@",
            "1: namespaces are names such as `git`, separated by commas; patterns are not accepted",
        ),
        ("cert-authority @@", "1: certificate authorities are not accepted; register each key"),
        ("from=\"10.0.0.1\" @@", "1: the option `from` is unknown"),
        ("namespaces=\"git\",,valid-after=\"20260101Z\" @@", "1: the option `` is unknown"),
        ("namespaces=\"git\", @@", "1: options are separated by single commas, without blanks"),
        ("ann@example.org @@", "1: the option `ann@example.org` is unknown"),
        ("nonsense", "1: this is not an OpenSSH public key: expected `<type> <base64> [comment]`"),
        (
            "# a comment\n-----BEGIN OPENSSH PRIVATE KEY-----",
            "2: this is a PRIVATE key: treat it as leaked, make a new one, and commit only the `.pub` file",
        ),
        (
            "ssh-dss AAAAB3NzaC1kc3M=",
            "1: keys of type `ssh-dss` are not accepted; DSA is broken; make a new key with `ssh-keygen -t ed25519`",
        ),
        ("", " this file holds no key"),
        ("# only a comment\n", " this file holds no key"),
    ] {
        assert_eq!(refused(&text.replace("@@", KEY)), format!("{place}:{words}"), "{text}");
    }
}

#[test]
fn every_wrong_file_is_reported_at_once() {
    let refusals = read(&[
        ("signers/nobody/x.pub", KEY),
        ("signers/Ann/x.pub", KEY),
        ("signers/x.pub", KEY),
        ("signers/ann/notes.txt", "x"),
        ("signers/ann/.hidden.pub", KEY),
        ("signers/ann/deep/x.pub", KEY),
        ("signers/ann/x.asc", "nonsense"),
        ("signers/ann/README.md", "words"),
        ("signers/.gitkeep", ""),
        ("signers/ann/big.pub", &"x".repeat(70_000)),
    ])
    .expect_err("wrong");
    let shown: Vec<_> = refusals.iter().map(|r| format!("{}: {}", r.place, r.message)).collect();
    assert_eq!(
        shown,
        [
            "signers/Ann/x.pub: member name `Ann` has `A` at 1; use a-z, 0-9 and single `-` between them",
            "signers/ann/.hidden.pub: a file of keys is called <name>.pub (SSH) or <name>.asc (OpenPGP)",
            "signers/ann/big.pub: this file has 70000 bytes; at most 65536 are read",
            "signers/ann/deep/x.pub: a file of keys is called <name>.pub (SSH) or <name>.asc (OpenPGP)",
            "signers/ann/notes.txt: a file of keys is called <name>.pub (SSH) or <name>.asc (OpenPGP)",
            "signers/ann/x.asc: expected one `-----BEGIN PGP PUBLIC KEY BLOCK-----` block and nothing else",
            "signers/nobody/x.pub: there is no member `nobody`",
            "signers/x.pub: keys lie in a folder that is named like their member",
        ]
    );
    let binary = Signers::read([("signers/ann/x.pub", &[0xFF, 0xFE][..])], |_| true).expect_err("wrong");
    assert_eq!(binary[0].message, "this file is not text");
}

#[test]
fn a_key_has_one_owner_and_one_place() {
    let refusals = read(&[("signers/ann/a.pub", KEY), ("signers/ben/b.pub", KEY)]).expect_err("twice");
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].place, "signers/ben/b.pub:1");
    assert!(refusals[0].message.ends_with(" is registered at signers/ann/a.pub:1 already"), "{}", refusals[0].message);
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(options in "[a-z=\",0-9Z \\-é]{0,40}", tail in ".{0,20}") {
        let _ = ssh_line(&format!("{options} {KEY}{tail}"));
        let _ = ssh_line(&options);
    }
}
