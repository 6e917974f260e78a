//! Random histories, random clients: whatever a client has and wants, it ends up with all of what it wants, and stock
//! git takes every pack.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use skill_pool_git::objects::ObjectId;
use skill_pool_git::pkt::{self, Packet, Reader};
use skill_pool_git::upload::{CacheOptions, Version};

use crate::serve::Shared;
use crate::support::World;

/// One commit: how far back its parents lie, which file it changes, and its clock's fault.
#[derive(Clone, Debug)]
struct Step {
    parents: Vec<usize>,
    file: u8,
    skew: i64,
}

/// A case: a history, how it is packed, what the client has and wants (as numbers of commits).
#[derive(Clone, Debug)]
struct Case {
    steps: Vec<Step>,
    packs: u8,
    has: Vec<usize>,
    wants: Vec<usize>,
    depth: Option<u8>,
}

fn case() -> impl Strategy<Value = Case> {
    let step = (proptest::collection::vec(1usize..4, 0..3), 0u8..6, -300i64..300)
        .prop_map(|(parents, file, skew)| Step { parents, file, skew });
    let numbers = || proptest::collection::vec(0usize..100, 1..4);
    (proptest::collection::vec(step, 1..25), 0u8..4, numbers(), numbers(), proptest::option::of(1u8..6))
        .prop_map(|(steps, packs, has, wants, depth)| Case { steps, packs, has, wants, depth })
}

/// Writes the history; each commit gets a branch `c<number>`.
fn make(world: &World, case: &Case, name: &str) -> PathBuf {
    let bare = world.path(name);
    skill_pool_git::repo::Repo::init(&bare).expect("init");
    world.git(&bare, &["config", "gc.auto", "0"]);
    world.git(&bare, &["config", "fastimport.unpackLimit", if case.packs.is_multiple_of(2) { "1" } else { "10000" }]);
    let parts = usize::from(case.packs) + 1;
    let mut number = 0usize;
    for part in case.steps.chunks(case.steps.len().div_ceil(parts)) {
        let mut script = Vec::new();
        for step in part {
            let time = 1_700_000_000 + number as i64 * 60 + step.skew;
            let text: String = (0..60)
                .map(|line| format!("line {line} {}\n", if line % 7 == number % 7 { number } else { 0 }))
                .collect();
            let text_bytes = text.len();
            write!(
                script,
                "commit refs/heads/c{number}\nmark :{}\ncommitter C <c@example.com> {time} +0000\ndata 1\nx\n",
                number + 1
            )
            .expect("memory");
            let mut parents: Vec<usize> = step.parents.iter().filter_map(|back| number.checked_sub(*back)).collect();
            parents.dedup();
            for (at, parent) in parents.iter().enumerate() {
                let word = if at == 0 { "from" } else { "merge" };
                writeln!(script, "{word} :{}", parent + 1).expect("memory");
            }
            let file = step.file;
            write!(script, "M 100644 inline d{}/f{file}\ndata {text_bytes}\n{text}\n", file % 3).expect("memory");
            number += 1;
        }
        let mut command =
            world.command(&bare, &["fast-import", "--quiet", "--import-marks-if-exists=marks", "--export-marks=marks"]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("git runs");
        child.stdin.take().expect("stdin").write_all(&script).expect("written");
        assert!(child.wait().expect("ends").success());
    }
    bare
}

fn fetch_body(version: Version, wants: &[ObjectId], haves: &[ObjectId], lines: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    let v2 = version == Version::V2;
    if v2 {
        pkt::write_line(&mut out, "command=fetch");
        out.extend_from_slice(pkt::DELIM);
        pkt::write_line(&mut out, "thin-pack");
        pkt::write_line(&mut out, "ofs-delta");
    }
    for want in wants {
        let capabilities = if v2 { "" } else { " multi_ack_detailed side-band-64k thin-pack ofs-delta" };
        pkt::write_line(&mut out, &format!("want {want}{capabilities}"));
    }
    lines.iter().for_each(|line| pkt::write_line(&mut out, line));
    if !v2 {
        out.extend_from_slice(pkt::FLUSH);
    }
    haves.iter().for_each(|have| pkt::write_line(&mut out, &format!("have {have}")));
    pkt::write_line(&mut out, "done");
    if v2 {
        out.extend_from_slice(pkt::FLUSH);
    }
    out
}

/// Shallow lines and the pack of an answer.
fn taken_apart(answer: &[u8]) -> (Vec<String>, Vec<u8>) {
    let (mut shallow, mut pack) = (Vec::new(), Vec::new());
    let mut reader = Reader::new(answer);
    while let Some(packet) = reader.next_packet().expect("packets") {
        match packet {
            Packet::Data([1, data @ ..]) => pack.extend_from_slice(data),
            Packet::Data([2 | 3, ..]) => {}
            Packet::Data(line) => {
                let line = String::from_utf8_lossy(pkt::line(line)).into_owned();
                shallow.extend(line.strip_prefix("shallow ").map(str::to_owned));
            }
            _ => {}
        }
    }
    (shallow, pack)
}

fn index(world: &World, folder: &Path, pack: &[u8]) {
    let mut command = world.command(folder, &["index-pack", "--fix-thin", "--stdin", "--strict"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("git runs");
    child.stdin.take().expect("stdin").write_all(pack).expect("written");
    assert!(child.wait().expect("ends").success(), "stock git does not take the pack");
}

fn check(case: &Case) {
    let world = World::new();
    let bare = make(&world, case, "x.git");
    let shared = Shared::new(&bare, &CacheOptions { memory_bytes_max: 0, ..CacheOptions::default() });
    let commit = |number: &usize| world.id(&bare, &format!("refs/heads/c{}", number % case.steps.len()));
    let has: Vec<ObjectId> = case.has.iter().map(commit).collect();
    let wants: Vec<ObjectId> = case.wants.iter().map(commit).collect();
    let hex = |ids: &[ObjectId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    for version in [Version::V0, Version::V2] {
        let client = world.path(&format!("client-{version:?}.git"));
        skill_pool_git::repo::Repo::init(&client).expect("init");
        let lines: Vec<String> = case.depth.iter().map(|depth| format!("deepen {depth}")).collect();
        // First what the client already has, perhaps cut; then what it wants.
        let (shallow, pack) = taken_apart(&shared.ask(version, &fetch_body(version, &has, &[], &lines)).0);
        std::fs::write(client.join("shallow"), shallow.iter().map(|id| format!("{id}\n")).collect::<String>())
            .expect("write");
        index(&world, &client, &pack);
        let lines: Vec<String> = shallow.iter().map(|id| format!("shallow {id}")).collect();
        let (_, pack) = taken_apart(&shared.ask(version, &fetch_body(version, &wants, &has, &lines)).0);
        index(&world, &client, &pack);
        let mut arguments = vec!["rev-list".to_owned(), "--objects".to_owned()];
        arguments.extend(hex(&wants).into_iter().chain(hex(&has)));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // Fails when anything is missing.
        let listed = world.git(&client, &arguments);
        assert!(!listed.is_empty());
        if case.depth.is_none() {
            let stock = world.git(&bare, &arguments);
            assert_eq!(listed.lines().count(), stock.lines().count());
        }
    }
}

#[test]
fn every_client_gets_what_it_wants() {
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&case(), |case| {
        check(&case);
        Ok(())
    });
    outcome.expect("every case");
}
