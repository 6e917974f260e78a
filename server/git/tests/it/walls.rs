//! What a reader may not see it cannot get, whichever way it asks: by want, by have, by size, by name.

use std::path::PathBuf;

use skill_pool_git::objects::ObjectId;
use skill_pool_git::pkt::{self, Packet, Reader};
use skill_pool_git::upload::{CacheOptions, Service, UploadOptions, Version, WantRule, advertise};

use crate::serve::Shared;
use crate::support::World;

/// Versions in which requests are made.
const VERSIONS: [Version; 3] = [Version::V0, Version::V1, Version::V2];

/// Objects of each kind on each side of the wall.
struct Wall {
    world: World,
    shared: Shared,
    visible: Vec<ObjectId>,
    hidden: Vec<ObjectId>,
    main: ObjectId,
}

fn wall() -> Wall {
    let world = World::new();
    let work = world.work_tree("work");
    world.commit(&work, 1_700_000_000, &[("a/x.txt", "seen\n"), ("both.txt", "both\n")]);
    let main = world.commit(&work, 1_700_000_100, &[("a/y.txt", "seen too\n")]);
    world.git(&work, &["tag", "-a", "-m", "t", "seen"]);
    world.git(&work, &["checkout", "-q", "-b", "secret"]);
    world.commit(&work, 1_700_000_200, &[("s/secret.txt", "not for you\n")]);
    world.git(&work, &["tag", "-a", "-m", "t", "secret-tag"]);
    let bare = world.path("x.git");
    world.git(&work, &["clone", "-q", "--bare", ".", &bare.display().to_string()]);
    world.git(&bare, &["update-ref", "refs/hidden/one", "refs/heads/secret"]);
    world.git(&bare, &["update-ref", "refs/hidden/tag", "refs/tags/secret-tag"]);
    world.git(&bare, &["update-ref", "-d", "refs/heads/secret"]);
    world.git(&bare, &["update-ref", "-d", "refs/tags/secret-tag"]);
    world.git(&bare, &["symbolic-ref", "HEAD", "refs/heads/main"]);
    world.git(&bare, &["repack", "-adq"]);
    let id = |name: &str| world.id(&bare, name);
    // Reached by nothing at all: pushed once, its branch deleted since.
    let forgotten = {
        let tree = id("main^{tree}").to_string();
        let hex = world.git(&bare, &["commit-tree", "-m", "forgotten", &tree]);
        ObjectId::from_hex(hex.as_bytes()).expect("an id")
    };
    let visible = ["main", "main~1", "main:a", "main:both.txt", "main^{tree}", "seen"].map(id).to_vec();
    let mut hidden = [
        "refs/hidden/one",
        "refs/hidden/one:s",
        "refs/hidden/one:s/secret.txt",
        "refs/hidden/one^{tree}",
        "refs/hidden/tag",
    ]
    .map(id)
    .to_vec();
    hidden.push(forgotten);
    let mut shared = Shared::new(&bare, &CacheOptions::default());
    shared.hidden = Some("refs/hidden/");
    Wall { main, world, shared, visible, hidden }
}

/// A fetch of `wants` with `haves` in `version`, ended by `done` or not.
fn request(version: Version, wants: &[ObjectId], haves: &[ObjectId], done: bool, more: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    if version == Version::V2 {
        pkt::write_line(&mut out, "command=fetch");
        out.extend_from_slice(pkt::DELIM);
        pkt::write_line(&mut out, "ofs-delta");
        pkt::write_line(&mut out, "thin-pack");
    }
    for (at, want) in wants.iter().enumerate() {
        let capabilities = if version == Version::V2 || at > 0 {
            ""
        } else {
            " multi_ack_detailed no-done side-band-64k ofs-delta thin-pack"
        };
        pkt::write_line(&mut out, &format!("want {want}{capabilities}"));
    }
    more.iter().for_each(|line| pkt::write_line(&mut out, line));
    if version != Version::V2 {
        out.extend_from_slice(pkt::FLUSH);
    }
    haves.iter().for_each(|have| pkt::write_line(&mut out, &format!("have {have}")));
    if done {
        pkt::write_line(&mut out, "done");
    }
    if version == Version::V2 || !done {
        out.extend_from_slice(pkt::FLUSH);
    }
    out
}

/// The id of nothing.
fn absent() -> ObjectId {
    ObjectId::from_hex(b"0123456789012345678901234567890123456789").expect("an id")
}

/// The lines of an answer before its pack.
fn lines(answer: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(answer);
    let mut lines = Vec::new();
    while let Ok(Some(packet)) = reader.next_packet() {
        match packet {
            Packet::Data(data) if data.first().is_some_and(|byte| *byte < 4) => break,
            Packet::Data(data) => lines.push(String::from_utf8_lossy(pkt::line(data)).into_owned()),
            _ => {}
        }
    }
    lines
}

#[test]
fn only_what_visible_refs_reach_can_be_wanted() {
    let wall = wall();
    for version in VERSIONS {
        for want in &wall.visible {
            let (answer, _) = wall.shared.ask(version, &request(version, &[*want], &[], true, &[]));
            assert!(!answer.starts_with(b"0000") && lines(&answer)[0] != "ERR", "{version:?} {want}");
            assert!(answer.windows(4).any(|four| four == b"PACK"), "{version:?} {want}: {:?}", lines(&answer));
        }
        for want in wall.hidden.iter().chain([&absent()]) {
            let expect = format!("ERR upload-pack: not our ref {want}");
            for wants in [&[*want][..], &[wall.main, *want]] {
                let (answer, _) = wall.shared.ask(version, &request(version, wants, &[], true, &[]));
                assert_eq!(lines(&answer), std::slice::from_ref(&expect), "{version:?}: hidden and absent sound alike");
            }
        }
    }
}

#[test]
fn what_is_hidden_is_never_acknowledged() {
    let wall = wall();
    for version in VERSIONS {
        for have in &wall.hidden {
            let (answer, _) = wall.shared.ask(version, &request(version, &[wall.main], &[*have], false, &[]));
            let expect = if version == Version::V2 { &["acknowledgments", "NAK"][..] } else { &["NAK"] };
            assert_eq!(lines(&answer), expect, "{version:?}");
        }
        // Beside something that both have, it makes no difference.
        let common = wall.visible[1];
        for have in &wall.hidden {
            let ask = |have| wall.shared.ask(version, &request(version, &[wall.main], &[common, have], true, &[])).0;
            let answer = ask(*have);
            assert!(answer == ask(absent()), "{version:?}");
            assert!(!lines(&answer).iter().any(|line| line.contains(&have.to_string())), "{version:?}");
        }
    }
}

#[test]
fn a_hidden_boundary_is_not_told_apart_from_none() {
    let wall = wall();
    for have in &wall.hidden {
        for deepen in ["deepen 1", "deepen 2147483647"] {
            let shallow = format!("shallow {have}");
            for version in VERSIONS {
                let with = wall.shared.ask(version, &request(version, &[wall.main], &[], true, &[&shallow, deepen])).0;
                let without = wall.shared.ask(version, &request(version, &[wall.main], &[], true, &[deepen])).0;
                assert_eq!(with, without, "{version:?} {deepen}");
            }
        }
    }
}

#[test]
fn sizes_of_hidden_objects_are_those_of_absent_ones() {
    let wall = wall();
    let ask = |id: &ObjectId| {
        let mut out = Vec::new();
        pkt::write_line(&mut out, "command=object-info");
        out.extend_from_slice(pkt::DELIM);
        pkt::write_line(&mut out, "size");
        pkt::write_line(&mut out, &format!("oid {id}"));
        out.extend_from_slice(pkt::FLUSH);
        lines(&wall.shared.ask(Version::V2, &out).0)
    };
    for id in &wall.visible {
        let size = wall.world.git(&wall.shared.folder, &["cat-file", "-s", &id.to_string()]);
        assert_eq!(ask(id), ["size".to_owned(), format!("{id} {size}")]);
    }
    for id in &wall.hidden {
        assert_eq!(ask(id), ["size".to_owned(), format!("{id} ")]);
    }
}

#[test]
fn hidden_names_are_nowhere() {
    let wall = wall();
    let refs = wall.shared.visible();
    for version in VERSIONS {
        for service in [Service::UploadPack, Service::ReceivePack] {
            let text = String::from_utf8_lossy(&advertise(service, version, &refs, &Default::default())).into_owned();
            assert!(!text.contains("hidden") && wall.hidden.iter().all(|id| !text.contains(&id.to_string())));
        }
    }
    let fetch =
        |line: &str| lines(&wall.shared.ask(Version::V2, &request(Version::V2, &[wall.main], &[], true, &[line])).0);
    for line in ["want-ref refs/hidden/one", "want-ref refs/hidden/none"] {
        assert_eq!(fetch(line), [format!("ERR unknown ref {}", &line[9..])]);
    }
    assert_eq!(fetch("deepen-not hidden/one"), ["ERR deepen-not is not a ref: hidden/one"]);
    assert_eq!(fetch("deepen-not nothing"), ["ERR deepen-not is not a ref: nothing"]);
}

/// A pack for a reader has no object beyond its refs, and no delta against one, though the repository keeps visible
/// objects as deltas against hidden ones.
#[test]
fn no_delta_rests_on_a_hidden_object() {
    let world = World::new();
    let work = world.work_tree("work");
    let text =
        |at: u64| (0..300).map(|line| format!("line {line} {}\n", if line == at { at } else { 0 })).collect::<String>();
    world.commit(&work, 1_700_000_000, &[("long.txt", &text(1))]);
    world.git(&work, &["branch", "base"]);
    world.commit(&work, 1_700_000_100, &[("long.txt", &text(2))]);
    let bare = world.path("x.git");
    world.git(&work, &["clone", "-q", "--bare", ".", &bare.display().to_string()]);
    // git makes the older version a delta against the newer one, which is then hidden.
    world.git(&bare, &["repack", "-adfq"]);
    world.git(&bare, &["update-ref", "refs/hidden/new", "refs/heads/main"]);
    world.git(&bare, &["update-ref", "refs/heads/main", "refs/heads/base"]);
    let old = world.id(&bare, "base:long.txt");
    let listing = world.git(&bare, &["verify-pack", "-v", &index_of(&bare).display().to_string()]);
    let entry = listing.lines().find(|line| line.starts_with(&old.to_string())).expect("listed").to_owned();
    assert_eq!(entry.split_whitespace().count(), 7, "the set-up makes a delta: {entry}");

    let mut shared = Shared::new(&bare, &CacheOptions::default());
    shared.hidden = Some("refs/hidden/");
    let main = world.id(&bare, "refs/heads/main");
    let served = crate::serve::Served::new(shared);
    world.git(&world.path(""), &["clone", "-q", "--mirror", &served.url, "c.git"]);
    let got = world.all_objects(&world.path("c.git"));
    assert_eq!(got.len(), 3);
    // Nor does a client get a thin delta against it by claiming to have it.
    let hidden = world.id(&bare, "refs/hidden/new");
    for version in VERSIONS {
        let ask = |haves: &[ObjectId]| served.shared.ask(version, &request(version, &[main], haves, true, &[])).0;
        assert_eq!(ask(&[hidden]), ask(&[]));
    }
}

fn index_of(bare: &std::path::Path) -> PathBuf {
    let entries = std::fs::read_dir(bare.join("objects/pack")).expect("list").filter_map(Result::ok);
    let index = entries.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "idx"));
    index.expect("an index")
}

#[test]
fn what_is_reachable_follows_the_refs_forward_and_back() {
    let world = World::new();
    let work = world.work_tree("work");
    let mut ids = Vec::new();
    for at in 0..12u64 {
        ids.push(world.commit(
            &work,
            1_700_000_000 + at,
            &[("f", &format!("{at}")), (&format!("d{at}/g"), &format!("{at}"))],
        ));
    }
    let bare = world.path("x.git");
    world.git(&work, &["clone", "-q", "--bare", ".", &bare.display().to_string()]);
    let shared = Shared::new(&bare, &CacheOptions::default());
    let blobs: Vec<ObjectId> = ids.iter().map(|id| world.id(&bare, &format!("{id}:f"))).collect();
    let is_served =
        |id: ObjectId| lines(&shared.ask(Version::V2, &request(Version::V2, &[id], &[], true, &[])).0) == ["packfile"];
    // Forward commit by commit, then back in jumps, then sideways: the sets grow from earlier ones or are made anew.
    let mut states: Vec<(usize, Option<usize>)> = (0..12).map(|at| (at, None)).collect();
    states.extend([(3, None), (7, Some(2)), (2, Some(7)), (0, Some(9)), (9, None), (11, Some(0)), (1, None)]);
    for (main, other) in states {
        world.git(&bare, &["update-ref", "refs/heads/main", &ids[main].to_string()]);
        match other {
            Some(other) => world.git(&bare, &["update-ref", "refs/heads/other", &ids[other].to_string()]),
            None => world.git(&bare, &["update-ref", "-d", "refs/heads/other"]),
        };
        let top = main.max(other.unwrap_or(0));
        for at in 0..12 {
            assert_eq!(is_served(blobs[at]), at <= top, "blob {at} of main {main}, other {other:?}");
            assert_eq!(is_served(ids[at]), at <= top, "commit {at} of main {main}, other {other:?}");
        }
    }
}

#[test]
fn the_rule_can_be_widened_only_by_the_caller() {
    let mut wall = wall();
    let want = wall.hidden[2];
    let ask = |wall: &Wall| lines(&wall.shared.ask(Version::V2, &request(Version::V2, &[want], &[], true, &[])).0);
    assert_eq!(ask(&wall), [format!("ERR upload-pack: not our ref {want}")]);
    wall.shared.options = UploadOptions { wants: WantRule::Any, ..UploadOptions::default() };
    assert_eq!(ask(&wall), ["packfile"]);
    wall.shared.options = UploadOptions::default();
    assert_eq!(ask(&wall), [format!("ERR upload-pack: not our ref {want}")], "what was served once is not remembered");
}
