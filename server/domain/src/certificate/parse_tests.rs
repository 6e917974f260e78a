//! Every looseness of stock git's reading that is visible in the text, each refused with its own error.

use proptest::prelude::*;

use super::*;

const A: &str = "1111111111111111111111111111111111111111";
const B: &str = "2222222222222222222222222222222222222222";
const ZERO: &str = "0000000000000000000000000000000000000000";
const SIGNATURE: &str = "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n";

fn text() -> String {
    format!(
        "certificate version 0.1\npusher SHA256:abc 1790000000 +0200\npushee https://pool.example/t/a/git/plugins/x.git/\n\
         nonce v1.x\npush-option topic=a b\npush-option draft\n\n{A} {B} refs/heads/main\n{ZERO} {A} refs/tags/x\n\
         {A} {ZERO} refs/heads/old\n{SIGNATURE}"
    )
}

/// The error for the good text with `from` replaced, once, by `to`.
#[track_caller]
fn check(from: &str, to: &str, expected: CertificateError) {
    let good = text();
    assert!(good.contains(from), "{from}");
    let error = parse(good.replacen(from, to, 1).as_bytes()).expect_err(to);
    assert_eq!(error, expected);
    let refusal = error.refusal();
    assert_eq!(refusal.code, "certificate-malformed");
    assert!(!refusal.remedy.is_empty());
}

#[test]
fn a_certificate_as_git_writes_it_is_read_whole() {
    let text = text();
    let certificate = parse(text.as_bytes()).expect("good");
    assert_eq!(certificate.pusher, "SHA256:abc");
    assert_eq!(certificate.pushee.as_deref(), Some("https://pool.example/t/a/git/plugins/x.git/"));
    assert_eq!(certificate.nonce.as_deref(), Some("v1.x"));
    assert_eq!(certificate.push_options, ["topic=a b", "draft"]);
    let shown: Vec<_> = certificate
        .commands
        .iter()
        .map(|c| format!("{:?} {:?} {}", c.old.map(|id| id.to_hex_with_len(2).to_string()), c.new.is_some(), c.name))
        .collect();
    assert_eq!(
        shown,
        ["Some(\"11\") true refs/heads/main", "None true refs/tags/x", "Some(\"11\") false refs/heads/old"]
    );
    assert_eq!(certificate.kind, SignatureKind::Ssh);
    assert_eq!(certificate.bytes(), text.as_bytes());
    assert_eq!(certificate.signature(), SIGNATURE.as_bytes());
    assert_eq!(certificate.signed_text(), text.strip_suffix(SIGNATURE).expect("ends so").as_bytes());
    assert_eq!(certificate.digest, Sha256::of(certificate.signed_text()));
}

#[test]
fn pushee_nonce_and_options_may_be_absent_and_a_name_may_be_long() {
    let text = format!(
        "certificate version 0.1\npusher Ann Ängström <ann@example.org> 0 -0330\n\n{A} {B} refs/heads/main\n{SIGNATURE}"
    );
    let certificate = parse(text.as_bytes()).expect("good");
    assert_eq!(certificate.pusher, "Ann Ängström <ann@example.org>");
    assert_eq!((certificate.pushee, certificate.nonce), (None, None));
}

#[test]
fn the_signature_has_no_part_in_the_digest() {
    let other = text().replace("U1NI", "U1NI\nU1NI");
    assert_eq!(parse(other.as_bytes()).expect("good").digest, parse(text().as_bytes()).expect("good").digest);
}

#[test]
fn other_versions_are_refused() {
    check("version 0.1", "version 9.9", CertificateError::Version);
    check("version 0.1", "version 0.1 ", CertificateError::Version);
    check("certificate version", "tree", CertificateError::Version);
}

#[test]
fn the_pusher_line_is_well_formed() {
    let at_line_2 = CertificateError::Pusher { line: 2 };
    check("pusher SHA256:abc 1790000000 +0200\n", "", CertificateError::NoPusher);
    check("pusher SHA256:abc 1790000000 +0200", "pusher nobody in particular", at_line_2.clone());
    check("SHA256:abc ", "", at_line_2.clone());
    check("SHA256:abc ", " ", at_line_2.clone());
    check("1790000000", "-1", at_line_2.clone());
    check("+0200", "0200", at_line_2.clone());
    check("+0200", "+02:00", at_line_2);
}

#[test]
fn headers_stand_once_in_their_order_with_a_value() {
    let nonce_line = "nonce v1.x\n";
    let order = |line, header| CertificateError::HeaderOrder { line, header };
    check(nonce_line, "nonce v1.x\nnonce v1.y\n", order(5, "nonce"));
    check(nonce_line, "nonce v1.x\npushee https://other\n", order(5, "pushee"));
    check("pushee ", "pusher again 1 +0000\npushee ", order(3, "pusher"));
    check("push-option draft\n", "push-option draft\nnonce v1.x\n", order(7, "nonce"));
    check(nonce_line, "tree 1234\n", CertificateError::UnknownHeader { line: 4 });
    check(nonce_line, "Nonce v1.x\n", CertificateError::UnknownHeader { line: 4 });
    check(nonce_line, " nonce v1.x\n", CertificateError::UnknownHeader { line: 4 });
    check("push-option draft", "push-option ", CertificateError::EmptyHeader { line: 6, header: "push-option" });
    check("nonce v1.x", "nonce", CertificateError::EmptyHeader { line: 4, header: "nonce" });
    check("draft\n\n", "draft\n", CertificateError::UnknownHeader { line: 7 });
}

#[test]
fn only_line_feeds_and_text() {
    let control = |line, character| CertificateError::ControlCharacter { line, character };
    check("version 0.1\n", "version 0.1\r\n", control(1, b'\r'));
    check("nonce v1.x", "nonce v1.x\0nonce other", control(4, 0));
    check("refs/heads/main", "refs/heads/main\0 report-status", control(8, 0));
    check("draft", "dr\u{1b}[31maft", control(6, 0x1B));
    let mut bytes = text().into_bytes();
    let at = text().find("draft").expect("is there");
    bytes[at] = 0xFF;
    assert_eq!(parse(&bytes), Err(CertificateError::NotUtf8 { line: 6 }));
}

#[test]
fn commands_are_exact() {
    let command = CertificateError::Command { line: 8 };
    let main = &format!("{A} {B} refs/heads/main");
    check(main, &format!("{A} {B}"), command.clone());
    check(main, &format!("{A}  {B} refs/heads/main"), command.clone());
    check(main, &format!("{} {B} refs/heads/main", A.replace('1', "A")), command.clone());
    check(main, &format!("{} {B} refs/heads/main", &A[..39]), command.clone());
    check(main, &format!("{} {} refs/heads/main", A.repeat(2).split_at(64).0, B.repeat(2).split_at(64).0), command);
    check(main, &format!("{ZERO} {ZERO} refs/heads/main"), CertificateError::NoChange { line: 8 });
    check("refs/tags/x", "refs/heads/main", CertificateError::RefTwice { line: 9, name: RefName::main() });
    check(main, &format!("{A} {B} HEAD"), CertificateError::RefName { line: 8, source: RefNameError::NotBelowRefs });
    let empty = format!("certificate version 0.1\npusher a 1 +0000\n\n{SIGNATURE}");
    assert_eq!(parse(empty.as_bytes()), Err(CertificateError::NoCommands));
    check(main, &format!("{main}\n"), CertificateError::Command { line: 9 });
}

#[test]
fn one_signature_and_nothing_after_it() {
    check(SIGNATURE, "", CertificateError::NoSignature);
    check(SIGNATURE, &SIGNATURE.repeat(2), CertificateError::TwoSignatures);
    check(SIGNATURE, &format!("{SIGNATURE}\n"), CertificateError::SignatureEnd);
    check(SIGNATURE, &format!("{SIGNATURE}{A} {B} refs/heads/evil\n"), CertificateError::SignatureEnd);
    check(SIGNATURE, SIGNATURE.trim_end(), CertificateError::SignatureEnd);
    check("-----END SSH", "-----END PGP", CertificateError::SignatureEnd);
    check(SIGNATURE, "-----BEGIN SSH SIGNATURE-----\nU1NI\n", CertificateError::SignatureEnd);
    for (begin, label) in
        [("PGP MESSAGE", "PGP MESSAGE"), ("SIGNED MESSAGE", "SIGNED MESSAGE"), ("CERTIFICATE", "unknown")]
    {
        let other = SIGNATURE.replace("SSH SIGNATURE", begin);
        check(SIGNATURE, &other, CertificateError::SignatureKind { label });
    }
    // A whole second certificate behind the first, which stock git reads as one.
    let twice = text().repeat(2);
    assert_eq!(parse(twice.as_bytes()), Err(CertificateError::TwoSignatures));
    // A signature in the middle: what stands before it is not what stock git verifies.
    let inside = text().replacen(A, &format!("{SIGNATURE}{A}"), 1);
    assert_eq!(parse(inside.as_bytes()), Err(CertificateError::NoCommands));
}

#[test]
fn nothing_and_too_much_are_refused() {
    assert_eq!(parse(b""), Err(CertificateError::Empty));
    assert_eq!(parse(b"certificate version 0.1"), Err(CertificateError::CutOff));
    assert_eq!(parse(&vec![b'a'; 65_537]), Err(CertificateError::TooLong { bytes: 65_537 }));
}

proptest! {
    #[test]
    fn what_is_written_by_the_grammar_is_read_back(
        pusher in "[A-Za-z<>@.:é]{1,12}( [A-Za-z]{1,8})?",
        seconds in 0_u64..4_000_000_000,
        pushee in proptest::option::of("https?://[a-z.]{1,20}/[a-z/.]{0,20}"),
        nonce in proptest::option::of("[A-Za-z0-9./+=_-]{1,60}"),
        options in proptest::collection::vec("[ -~é\t]{1,20}", 0..4),
        refs in proptest::collection::hash_set("refs/heads/[a-z]{1,8}", 1..5),
        ids in proptest::collection::vec((any::<[u8; 20]>(), any::<[u8; 20]>()), 5),
    ) {
        let mut text = format!("certificate version 0.1\npusher {pusher} {seconds} +0000\n");
        text.extend(pushee.iter().map(|p| format!("pushee {p}\n")));
        text.extend(nonce.iter().map(|n| format!("nonce {n}\n")));
        text.extend(options.iter().map(|o| format!("push-option {o}\n")));
        text.push('\n');
        for (name, (old, new)) in refs.iter().zip(&ids) {
            text.push_str(&format!("{} {} {name}\n", ObjectId::from(*old), ObjectId::from(*new)));
        }
        let signed = text.clone();
        text.push_str(SIGNATURE);
        let certificate = parse(text.as_bytes()).expect("by the grammar");
        prop_assert_eq!(certificate.signed_text(), signed.as_bytes());
        prop_assert_eq!(certificate.pusher, pusher);
        prop_assert_eq!(certificate.pushee, pushee);
        prop_assert_eq!(certificate.nonce, nonce);
        prop_assert_eq!(certificate.push_options, options);
        let read: Vec<_> = certificate.commands.iter().map(|c| c.name.as_str()).collect();
        prop_assert_eq!(read, refs.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_make_it_panic(at: proptest::sample::Index, cut: proptest::sample::Index, put in proptest::collection::vec(any::<u8>(), 0..20)) {
        let mut bytes = text().into_bytes();
        let at = at.index(bytes.len());
        let end = at + cut.index(bytes.len() - at + 1);
        bytes.splice(at..end, put);
        if let Ok(certificate) = parse(&bytes) {
            prop_assert_eq!(certificate.bytes(), &bytes[..]);
        }
    }
}
