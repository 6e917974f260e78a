//! Requests as clients send them, and as nobody should.

use super::*;
use proptest::prelude::*;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// `lines` as packets; `0000` and `0001` stand for themselves.
fn packets(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        match *line {
            "0000" | "0001" | "0002" => out.extend_from_slice(line.as_bytes()),
            line => pkt::write(&mut out, line.as_bytes()),
        }
    }
    out
}

fn read(version: Version, lines: &[&str]) -> Result<Request, RequestError> {
    let options = UploadOptions { ref_in_want: true, ..UploadOptions::default() };
    parse(version, &packets(lines), &options, &UploadLimits::default())
}

#[track_caller]
fn fetch(version: Version, lines: &[&str]) -> FetchRequest {
    match read(version, lines) {
        Ok(Request::Fetch(request)) => *request,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_refused(version: Version, lines: &[&str], words: &str) {
    assert_eq!(read(version, lines), Err(RequestError::Refused(words.to_owned())));
}

fn id(hex: &str) -> ObjectId {
    parse_id(hex.as_bytes()).expect("an id")
}

#[test]
fn a_clone_of_stock_git_is_read_with_and_without_line_ends() {
    let want = format!("want {A}\n");
    let lines = ["command=fetch", "agent=git/2.47.3", "object-format=sha1", "0001", "thin-pack", "no-progress"];
    let mut lines = lines.to_vec();
    lines.extend(["include-tag\n", "ofs-delta\n", &want, &want, "done\n", "0000"]);
    let request = fetch(Version::V2, &lines);
    let expect = FetchRequest {
        wants: vec![id(A)],
        done: true,
        thin_pack: true,
        no_progress: true,
        include_tag: true,
        ofs_delta: true,
        band: SideBand::Large,
        ..FetchRequest::default()
    };
    assert_eq!(request, expect);
}

#[test]
fn a_clone_of_libgit2_is_read() {
    let first = format!("want {A} multi_ack_detailed side-band-64k include-tag thin-pack ofs-delta \n");
    let request = fetch(Version::V0, &[&first, &format!("want {B}\n"), "0000", "0009done\n"[4..].as_ref()]);
    assert_eq!(request.wants, [id(A), id(B)]);
    assert_eq!((request.multi_ack, request.band, request.done), (MultiAck::Detailed, SideBand::Large, true));
    let request = fetch(Version::V0, &[&first, "deepen 1\n", "0000"]);
    assert_eq!(request.deepen, Deepen::Depth { commits: 1, relative: false });
    assert!(!request.done && request.haves.is_empty() && request.wants_only);
}

#[test]
fn a_round_ends_at_its_flush() {
    let want = format!("want {A} multi_ack side-band deepen-relative object-format=sha1\n");
    let have = format!("have {B}\n");
    let request = fetch(Version::V1, &[&want, &format!("shallow {B}"), "deepen 3", "0000", &have, "0000", &have]);
    assert_eq!(request.haves, [id(B)]);
    assert_eq!(request.shallow, [id(B)]);
    assert_eq!(request.deepen, Deepen::Depth { commits: 3, relative: true });
    assert_eq!((request.multi_ack, request.band, request.done), (MultiAck::Basic, SideBand::Small, false));
}

#[test]
fn nothing_is_nothing() {
    for version in [Version::V0, Version::V1, Version::V2] {
        assert_eq!(read(version, &[]), Ok(Request::Empty));
        assert_eq!(read(version, &["0000"]), Ok(Request::Empty));
    }
}

#[test]
fn wrong_requests_of_version_2_are_refused_in_words() {
    let v2 = Version::V2;
    check_refused(v2, &["foobar", "0000"], "unknown capability 'foobar'");
    check_refused(v2, &["agent=git/test", "0000"], "no command requested");
    check_refused(v2, &["0001", "0000"], "no command requested");
    check_refused(v2, &["command=foo", "0000"], "invalid command 'foo'");
    check_refused(v2, &["command=agent", "0000"], "invalid command 'agent'");
    check_refused(v2, &["command=ls-refs=x", "0000"], "invalid command 'ls-refs=x'");
    check_refused(v2, &["command=ls-refs", "fetch", "0000"], "unknown capability 'fetch'");
    check_refused(
        v2,
        &["command=fetch", "object-format=sha256", "0000"],
        "mismatched object format: server sha1; client sha256",
    );
    check_refused(
        v2,
        &["command=fetch", "command=ls-refs", "0000"],
        "command 'ls-refs' requested after already requesting command 'fetch'",
    );
    check_refused(v2, &["command=ls-refs", "0001", "x", "0000"], "unexpected line: 'x'");
    check_refused(v2, &["command=ls-refs", "0001", "0001"], "expected flush after ls-refs arguments");
    check_refused(v2, &["command=fetch", "0001", "done", "0000"], "fetch: the request wants nothing");
    check_refused(v2, &["command=fetch", "0000"], "fetch: the request wants nothing");
    check_refused(v2, &["command=fetch", "0001", "deepen 0", "0000"], "Invalid deepen: deepen 0");
    check_refused(v2, &["command=fetch", "0001", "deepen 1000001", "0000"], "the depth may be at most 1000000");
    check_refused(
        v2,
        &["command=fetch", "0001", "deepen 1", "deepen-not x", "0000"],
        "deepen and deepen-since (or deepen-not) cannot be used together",
    );
    check_refused(v2, &["command=fetch", "0001", "sideband-all", "0000"], "unexpected line: 'sideband-all'");
    check_refused(
        v2,
        &["command=fetch", "0001", "want \u{1b}[2J", "0000"],
        "upload-pack: protocol error, expected to get oid, not 'want \\u{1b}[2J'",
    );
    check_refused(
        v2,
        &["command=object-info", "0001", "oid x", "0000"],
        "object-info: protocol error, expected to get oid, not 'x'",
    );
    let twice = ["command=fetch", "0001", "want-ref refs/heads/x", "want-ref refs/heads/x", "0000"];
    check_refused(v2, &twice, "duplicate want-ref refs/heads/x");
}

#[test]
fn wrong_requests_of_version_0_are_refused_in_words() {
    let v0 = Version::V0;
    check_refused(v0, &["hello", "0000"], "upload-pack: protocol error, expected to get object ID, not 'hello'");
    check_refused(
        v0,
        &[&format!("want {A}x"), "0000"],
        &format!("upload-pack: protocol error, expected to get object ID, not 'want {A}x'"),
    );
    check_refused(v0, &[&format!("want {A}"), "filter blob:none", "0000"], "filtering capability not negotiated");
    check_refused(v0, &[&format!("want {A}"), "0000", "what"], "upload-pack: expected SHA1 list, got 'what'");
    check_refused(v0, &["deepen 1", "0000"], "upload-pack: the request wants nothing");
    check_refused(
        v0,
        &[&format!("want {A} object-format=sha256"), "0000"],
        "mismatched object format: server sha1; client sha256",
    );
}

#[test]
fn a_request_that_is_cut_off_is_no_request() {
    let cut = Err(RequestError::Packets(PacketError::Truncated));
    assert_eq!(read(Version::V2, &["command=fetch"]), cut);
    assert_eq!(read(Version::V2, &["command=fetch", "0001", "done"]), cut);
    assert_eq!(read(Version::V0, &[&format!("want {A}")]), cut);
    let options = UploadOptions::default();
    for version in [Version::V0, Version::V2] {
        let wrong = parse(version, b"what is this", &options, &UploadLimits::default());
        assert_eq!(wrong, Err(RequestError::Packets(PacketError::Length)));
    }
}

#[test]
fn counts_are_bounded_and_prefixes_beyond_them_are_all_refs() {
    let limits = UploadLimits {
        wants_max: 2,
        haves_max: 2,
        ref_prefixes_max: 3,
        request_bytes_max: 2_000,
        ..UploadLimits::default()
    };
    let read = |version, lines: &[String]| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        parse(version, &packets(&lines), &UploadOptions::default(), &limits)
    };
    let many = |word: &str| (0..3).map(|at| format!("{word} {at:040}")).collect::<Vec<_>>();
    let v2 = |rest: Vec<String>| {
        [vec!["command=fetch".to_owned(), "0001".to_owned()], rest, vec!["0000".to_owned()]].concat()
    };
    let refused = |text: &str| Err(RequestError::Refused(text.to_owned()));
    assert_eq!(read(Version::V2, &v2(many("want"))), refused("a request may have at most 2 wants"));
    assert_eq!(read(Version::V2, &v2(many("have"))), refused("a request may have at most 2 haves"));
    assert_eq!(read(Version::V2, &v2(many("shallow"))), refused("a request may have at most 2 shallow lines"));
    assert_eq!(read(Version::V0, &many("want")), refused("a request may have at most 2 wants"));
    let long = vec![format!("agent={}", "x".repeat(2_000))];
    assert_eq!(read(Version::V2, &long), refused("a request may have at most 2000 bytes"));
    for (count, expect) in [(2, Some(2)), (3, None)] {
        let mut lines = vec!["command=ls-refs".to_owned(), "0001".to_owned()];
        lines.extend((0..count).map(|at| format!("ref-prefix refs/{at}")));
        lines.push("0000".to_owned());
        match read(Version::V2, &lines) {
            Ok(Request::LsRefs(request)) => assert_eq!(request.prefixes.map(|list| list.len()), expect),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_digest_knows_what_the_answer_depends_on() {
    let base = ["command=fetch", "0001", "ofs-delta", &format!("want {A}"), &format!("want {B}"), "done", "0000"];
    let digest = |lines: &[&str]| fetch(Version::V2, lines).digest(Version::V2);
    let expect = digest(&base);
    let other_order = [
        "command=fetch",
        "agent=x",
        "0001",
        &format!("want {B}"),
        "ofs-delta\n",
        &format!("want {A}"),
        &format!("want {B}"),
        "done",
        "0000",
    ];
    assert_eq!(digest(&other_order), expect);
    for extra in [
        &format!("have {A}"),
        "thin-pack",
        "deepen 1",
        "filter blob:none",
        "include-tag",
        "no-progress",
        &format!("shallow {A}"),
    ] {
        let mut lines = base.to_vec();
        lines.insert(2, extra);
        assert_ne!(digest(&lines), expect, "{extra}");
    }
    assert_ne!(fetch(Version::V2, &base).digest(Version::V0), expect);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), version in 0..3) {
        let version = [Version::V0, Version::V1, Version::V2][version as usize];
        let _ = parse(version, &bytes, &UploadOptions::default(), &UploadLimits::default());
    }

    #[test]
    fn no_lines_make_it_panic(
        lines in proptest::collection::vec(
            "(0000|0001|command=(fetch|ls-refs|object-info)|want a{40}( multi_ack)?|have a{38,41}|done|deepen(-since|-not)? [0-9x]{1,11}|shallow b{40}|filter [a-z:=0-9]{0,12}|.{0,9})\n?",
            0..12,
        ),
        version in 0..3,
    ) {
        let version = [Version::V0, Version::V1, Version::V2][version as usize];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let _ = read(version, &lines);
    }
}
