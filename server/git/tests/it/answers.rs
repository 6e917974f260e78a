//! Answers byte by byte, kept, shared and bounded.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use skill_pool_domain::names::RefName;
use skill_pool_git::limits::UploadLimits;
use skill_pool_git::objects::ObjectId;
use skill_pool_git::pkt;
use skill_pool_git::refs::{Head, RefEntry, RefSnapshot};
use skill_pool_git::upload::{
    AdvertiseOptions, Answer, AnswerStream, Ask, CacheOptions, Fetcher, PushOptions, Service, UploadOptions, Version,
    advertise,
};

use crate::clones::origin;
use crate::serve::Shared;
use crate::support::World;

fn id(digit: char) -> ObjectId {
    ObjectId::from_hex(digit.to_string().repeat(40).as_bytes()).expect("an id")
}

fn name(text: &str) -> RefName {
    RefName::parse(text.as_bytes()).expect("a name")
}

fn refs() -> RefSnapshot {
    let entry =
        |text: &str, digit, peeled: Option<char>| RefEntry { name: name(text), id: id(digit), peeled: peeled.map(id) };
    let list = vec![
        entry("refs/tags/p--v1.0.0", 'c', Some('a')),
        entry("refs/heads/main", 'a', None),
        entry("refs/heads/feature/x", 'b', None),
    ];
    RefSnapshot::new(b"x", Head::Symbolic(name("refs/heads/main")), list)
}

fn options() -> AdvertiseOptions {
    AdvertiseOptions { agent: "skill-pool/0".to_owned(), ..AdvertiseOptions::default() }
}

/// Packets one a line, so that a snapshot can be read.
fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = bytes;
    while rest.len() >= 4 {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..4]).expect("text"), 16).expect("a length");
        let (packet, after) = rest.split_at(length.max(4));
        out.push_str(&String::from_utf8_lossy(packet).replace('\n', "\\n").replace('\0', "\\0"));
        out.push('\n');
        rest = after;
    }
    assert!(rest.is_empty());
    out
}

#[test]
fn advertisements_are_exact() {
    let upload = |version| shown(&advertise(Service::UploadPack, version, &refs(), &options()));
    insta::assert_snapshot!("upload_v0", upload(Version::V0));
    insta::assert_snapshot!("upload_v1", upload(Version::V1));
    insta::assert_snapshot!("upload_v2", upload(Version::V2));
    let push = AdvertiseOptions {
        push: PushOptions {
            certificate_nonce: Some("n.1".to_owned()),
            push_options: true,
            atomic: true,
            extra_haves: Vec::new(),
        },
        ..options()
    };
    let receive = |version, refs: &RefSnapshot| shown(&advertise(Service::ReceivePack, version, refs, &push));
    insta::assert_snapshot!("receive", receive(Version::V0, &refs()));
    assert_eq!(receive(Version::V2, &refs()), receive(Version::V0, &refs()), "pushing has no version 2");
    let empty = RefSnapshot::new(b"x", Head::Symbolic(name("refs/heads/main")), Vec::new());
    insta::assert_snapshot!("receive_empty", receive(Version::V0, &empty));
    insta::assert_snapshot!("upload_empty", shown(&advertise(Service::UploadPack, Version::V0, &empty, &options())));
}

fn ask_refs(refs: RefSnapshot, lines: &[&str]) -> String {
    let world = World::new();
    let folder = world.path("x.git");
    skill_pool_git::repo::Repo::init(&folder).expect("init");
    let repo = Arc::new(skill_pool_git::repo::Repo::open(&folder, &Default::default()).expect("opens"));
    let mut body = Vec::new();
    pkt::write_line(&mut body, "command=ls-refs");
    body.extend_from_slice(pkt::DELIM);
    lines.iter().for_each(|line| pkt::write_line(&mut body, line));
    body.extend_from_slice(pkt::FLUSH);
    let (options, limits) = (UploadOptions::default(), UploadLimits::default());
    let refs = Arc::new(refs);
    let ask = Ask { repo: &repo, refs: &refs, version: Version::V2, body: &body, options: &options, limits: &limits };
    let fetcher = Fetcher::new(&CacheOptions::default());
    let Answer::Full(bytes) = fetcher.fetch(&ask).expect("answered") else { panic!("refs are one piece") };
    assert_eq!(fetcher.cached(&ask), Some(bytes.clone()));
    shown(&bytes)
}

#[test]
fn refs_are_listed_as_asked() {
    insta::assert_snapshot!("refs_all", ask_refs(refs(), &["peel", "symrefs", "unborn"]));
    insta::assert_snapshot!(
        "refs_branches",
        ask_refs(
            refs(),
            &[
                "ref-prefix HEAD",
                "ref-prefix refs/heads/",
                "ref-prefix refs/heads/feature",
                "ref-prefix refs/tags/refs/heads/main"
            ]
        )
    );
    insta::assert_snapshot!("refs_prefix", ask_refs(refs(), &["ref-prefix refs/heads/ma"]));
    insta::assert_snapshot!("refs_none", ask_refs(refs(), &["ref-prefix refs/none"]));
    let unborn = || RefSnapshot::new(b"x", Head::Symbolic(name("refs/heads/new")), Vec::new());
    insta::assert_snapshot!("refs_unborn", ask_refs(unborn(), &["symrefs", "unborn"]));
    insta::assert_snapshot!("refs_unborn_unasked", ask_refs(unborn(), &["symrefs"]));
    let hidden = RefSnapshot::new(b"x", Head::Hidden, refs().refs);
    insta::assert_snapshot!("refs_hidden_head", ask_refs(hidden, &["symrefs", "unborn", "ref-prefix HEAD"]));
}

fn clone_request(shared: &Shared, more: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    pkt::write_line(&mut body, "command=fetch");
    body.extend_from_slice(pkt::DELIM);
    for line in ["ofs-delta", "no-progress"].iter().chain(more) {
        pkt::write_line(&mut body, line);
    }
    for entry in &shared.visible().refs {
        pkt::write_line(&mut body, &format!("want {}", entry.id));
    }
    pkt::write_line(&mut body, "done");
    body.extend_from_slice(pkt::FLUSH);
    body
}

#[test]
fn an_answer_is_made_once_and_handed_out_again() {
    let world = World::new();
    let mut shared = Shared::new(&origin(&world), &CacheOptions::default());
    shared.pinned = Some(shared.visible());
    let body = clone_request(&shared, &[]);
    assert!(!shared.is_cached(Version::V2, &body));
    let (first, _) = shared.ask(Version::V2, &body);
    assert!(shared.is_cached(Version::V2, &body));
    // Without any object on disk: nothing is built again.
    fs::rename(shared.folder.join("objects/pack"), world.path("away")).expect("rename");
    assert_eq!(shared.ask(Version::V2, &body).0, first);
    fs::rename(world.path("away"), shared.folder.join("objects/pack")).expect("rename");
    // The order of wants makes no other answer; another state of the refs does.
    let mut lines: Vec<&[u8]> = Vec::new();
    let mut rest = &body[..];
    while !rest.is_empty() {
        let length =
            usize::from_str_radix(std::str::from_utf8(&rest[..4]).expect("text"), 16).expect("a length").max(4);
        let (packet, after) = rest.split_at(length);
        lines.push(packet);
        rest = after;
    }
    let last = lines.len() - 2;
    lines[4..last].reverse();
    assert!(shared.is_cached(Version::V2, &lines.concat()));
    shared.pinned = None;
    world.git(&shared.folder, &["update-ref", "refs/heads/another", "refs/heads/main"]);
    assert!(!shared.is_cached(Version::V2, &body));
}

#[test]
fn answers_move_to_disk_and_outlive_the_process() {
    let world = World::new();
    let bare = origin(&world);
    let folder = world.path("derived");
    let options = CacheOptions { memory_bytes_max: 1_000, folder: Some(folder.clone()), ..CacheOptions::default() };
    let shared = Shared::new(&bare, &options);
    let bodies: Vec<Vec<u8>> =
        ["include-tag", "thin-pack", "deepen 2", "deepen 3"].map(|line| clone_request(&shared, &[line])).to_vec();
    let first: Vec<_> = bodies.iter().map(|body| shared.ask(Version::V2, body).0).collect();
    assert!(fs::read_dir(&folder).expect("list").count() > 0, "memory was too small for all");
    // Another process, and without any object on disk: nothing is built again.
    let mut later = Shared::new(&bare, &options);
    later.pinned = Some(shared.visible());
    fs::rename(bare.join("objects/pack"), world.path("away")).expect("rename");
    for (answer, body) in first.iter().zip(&bodies) {
        assert_eq!(&later.ask(Version::V2, body).0, answer);
    }
}

#[test]
fn a_large_answer_is_streamed_and_spooled() {
    let world = World::new();
    let bare = origin(&world);
    let folder = world.path("derived");
    let whole = Shared::new(&bare, &CacheOptions::default());
    let body = clone_request(&whole, &[]);
    let expect = whole.ask(Version::V2, &body).0;
    let spooled = CacheOptions { whole_bytes_max: 100, folder: Some(folder.clone()), ..CacheOptions::default() };
    let mut spooled = Shared::new(&bare, &spooled);
    spooled.pinned = Some(whole.visible());
    assert_eq!(spooled.ask(Version::V2, &body).0, expect);
    assert_eq!(fs::read_dir(&folder).expect("list").count(), 1);
    // The second time from the file, by anyone, while packs come and go.
    fs::rename(bare.join("objects/pack"), world.path("away")).expect("rename");
    assert_eq!(spooled.ask(Version::V2, &body).0, expect);
    fs::rename(world.path("away"), bare.join("objects/pack")).expect("rename");
    let streamed = Shared::new(&bare, &CacheOptions { whole_bytes_max: 100, ..CacheOptions::default() });
    assert_eq!(streamed.ask(Version::V2, &body).0, expect);
}

#[test]
fn a_stream_is_not_disturbed_by_consolidation() {
    let world = World::new();
    let work = world.work_tree("work");
    let noise = |seed: u64| {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:016x}\n", state)
        };
        (0..8_000).map(|_| next()).collect::<String>()
    };
    for at in 0..6 {
        world.commit(&work, 1_700_000_000 + at, &[(&format!("f{at}"), &noise(at))]);
    }
    let bare = world.path("x.git");
    world.git(&work, &["clone", "-q", "--bare", ".", &bare.display().to_string()]);
    let shared =
        Shared::new(&bare, &CacheOptions { memory_bytes_max: 0, whole_bytes_max: 100, ..CacheOptions::default() });
    let body = clone_request(&shared, &[]);
    let (expect, chunks) = shared.ask(Version::V2, &body);
    assert!(chunks > 4, "{chunks}");
    let repo = shared.repos.get(&bare).expect("opens");
    let refs = shared.visible();
    let ask = Ask {
        repo: &repo,
        refs: &refs,
        version: Version::V2,
        body: &body,
        options: &shared.options,
        limits: &shared.limits,
    };
    let Ok(Answer::Stream(mut stream)) = shared.fetcher.fetch(&ask) else { panic!("a stream") };
    assert!(matches!(stream, AnswerStream::Pack(_)));
    let mut got = stream.next().expect("a chunk").expect("sound").to_vec();
    fs::remove_dir_all(bare.join("objects/pack")).expect("remove");
    repo.refresh().expect("refresh");
    stream.for_each(|chunk| got.extend_from_slice(&chunk.expect("sound")));
    assert_eq!(got, expect);
}

#[test]
fn bounds_are_told_in_words() {
    let world = World::new();
    let mut shared = Shared::new(&origin(&world), &CacheOptions { memory_bytes_max: 0, ..CacheOptions::default() });
    let body = clone_request(&shared, &[]);
    let told = |shared: &Shared| shown(&shared.ask(Version::V2, &body).0);
    shared.limits = UploadLimits { objects_max: 10, ..UploadLimits::default() };
    assert!(told(&shared).contains("ERR this fetch has more than 10 objects"), "{}", told(&shared));
    // The clock is looked at after some hundred steps, so the history has to be longer than that.
    let work = world.path("work");
    let import = (0..400u64).map(|at| format!("commit refs/heads/long\ncommitter C <c@example.com> {at} +0000\ndata 1\nx\nM 100644 inline f{at}\ndata 1\n{}\n", at % 10)).collect::<String>();
    let mut command = world.command(&work, &["fast-import", "--quiet"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().expect("git runs");
    std::io::Write::write_all(&mut child.stdin.take().expect("stdin"), import.as_bytes()).expect("written");
    assert!(child.wait().expect("ends").success());
    world.git(&work, &["push", "-q", "../origin.git", "long"]);
    shared.limits = UploadLimits { time_max: Duration::ZERO, ..UploadLimits::default() };
    let body = clone_request(&shared, &[]);
    let told = shown(&shared.ask(Version::V2, &body).0);
    assert!(told.contains("ERR this request took longer than 0 seconds; ask for less"), "{told}");
}

#[test]
fn a_damaged_repository_gives_no_answer_rather_than_a_wrong_one() {
    let world = World::new();
    let bare = origin(&world);
    let shared = Shared::new(&bare, &CacheOptions::default());
    let body = clone_request(&shared, &[]);
    let refs = shared.visible();
    let entries =
        fs::read_dir(bare.join("objects/pack")).expect("list").filter_map(Result::ok).map(|entry| entry.path());
    let pack = entries.into_iter().find(|path| path.extension().is_some_and(|end| end == "pack")).expect("a pack");
    let sound = fs::read(&pack).expect("read");
    for at in (20..sound.len() - 20).step_by(97) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        fs::remove_file(&pack).expect("unlink");
        fs::write(&pack, bytes).expect("write");
        let repo = Arc::new(skill_pool_git::repo::Repo::open(&bare, &Default::default()).expect("opens"));
        let fetcher = Fetcher::new(&CacheOptions::default());
        let ask = Ask {
            repo: &repo,
            refs: &refs,
            version: Version::V2,
            body: &body,
            options: &shared.options,
            limits: &shared.limits,
        };
        assert!(fetcher.fetch(&ask).is_err(), "a changed byte at {at} was sent");
        assert!(fetcher.cached(&ask).is_none());
    }
}
