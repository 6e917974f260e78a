//! What one small push costs, step by step: `cargo bench -p skill-pool-git --bench receive`.
//!
//! A repository of 20 files and 30 commits; each push is a commit, its tree and one blob, as stock git sends them. Times are
//! medians; the disk is the system's temporary folder (`TMPDIR`).

#![allow(clippy::print_stdout, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use skill_pool_domain::names::RefName;
use skill_pool_git::limits::ReceiveLimits;
use skill_pool_git::objects::{Kind, ObjectId, oid};
use skill_pool_git::receive::fsck::{EntryMode, write_tree};
use skill_pool_git::receive::{
    Bases, Connectivity, Deadline, FactsCache, Quarantine, Reachable, Reached, receive_pack,
};
use skill_pool_git::refs::{Head, RefEntry, RefSnapshot};
use skill_pool_git::repo::{Repo, RepoOptions};

const ROUNDS: usize = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("bench.git");
    Repo::init(&path)?;
    let repo = Repo::open(&path, &RepoOptions::default())?;
    let limits = ReceiveLimits::default();
    let facts = FactsCache::default();
    let pack_folder = path.join("objects/pack");

    let mut files: Vec<(Vec<u8>, EntryMode, ObjectId)> = Vec::new();
    let mut start = Quarantine::empty(&pack_folder);
    for number in 0..20 {
        let text = format!("file {number}\n").repeat(200);
        let id = start.add(Kind::Blob, text.as_bytes())?;
        files.push((format!("f{number:02}.md").into_bytes(), EntryMode::File, id));
    }
    let tree = start.add(Kind::Tree, &write_tree(files.clone()))?;
    let mut tip = start.add(Kind::Commit, &commit(&tree, None, 0))?;
    for round in 0..29 {
        tip = start.add(Kind::Commit, &commit(&tree, Some(&tip), round))?;
    }
    start.keep(&Reached::default(), &repo)?;

    let mut times: [Vec<Duration>; 4] = Default::default();
    for round in 0..ROUNDS {
        let text = format!("round {round}\n").repeat(200);
        let bytes = push(&pack_folder, &mut files, &tip, &text, round)?;
        let entry = RefEntry { name: RefName::main(), id: tip, peeled: None };
        let refs = RefSnapshot::new(b"bench", Head::Symbolic(RefName::main()), vec![entry]);

        let begin = Instant::now();
        let deadline = Deadline::after(limits.time_max);
        let mut reachable = Reachable::new(&repo, &refs, &[tip], deadline);
        let mut may_read = |id: &oid| reachable.contains(id, None).unwrap_or(false);
        let mut bases = Bases { objects: &repo, may_read: &mut may_read };
        let quarantine = receive_pack(&bytes.0[..], &limits, deadline, &mut bases, &pack_folder)?;
        let received = Instant::now();
        let mut check = Connectivity::new(&quarantine, &repo, reachable, &facts, &limits, deadline);
        check.check(&bytes.1).map_err(|error| format!("{error:?}"))?;
        let reached = check.reached(&[bytes.1]).map_err(|error| format!("{error:?}"))?;
        let checked = Instant::now();
        quarantine.keep(&reached, &repo)?;
        let kept = Instant::now();
        tip = bytes.1;
        for (list, time) in times.iter_mut().zip([received - begin, checked - received, kept - checked, kept - begin]) {
            list.push(time);
        }
    }
    for (name, list) in ["receive", "check", "keep, synced", "all"].iter().zip(&mut times) {
        list.sort_unstable();
        println!("{name:<14} median {:>9.1?}   p99 {:>9.1?}", list[ROUNDS / 2], list[ROUNDS * 99 / 100]);
    }
    let head = "ref: refs/heads/main\n".to_owned();
    std::fs::write(path.join("HEAD"), head)?;
    std::fs::write(path.join("refs/heads/main"), format!("{tip}\n"))?;
    let status = Command::new("git").args(["fsck", "--strict"]).current_dir(&path).status()?;
    println!("git fsck: {status}");
    Ok(())
}

fn commit(tree: &ObjectId, parent: Option<&ObjectId>, round: usize) -> Vec<u8> {
    let parent = parent.map_or(String::new(), |parent| format!("parent {parent}\n"));
    let who = "A U Thor <author@example.com> 1700000000 +0000";
    format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\nround {round}\n").into_bytes()
}

/// The pack of a commit that changes one file, and the commit's id. Made by our own writer, and read from its file.
fn push(
    pack_folder: &Path,
    files: &mut [(Vec<u8>, EntryMode, ObjectId)],
    parent: &ObjectId,
    text: &str,
    round: usize,
) -> Result<(Vec<u8>, ObjectId), Box<dyn std::error::Error>> {
    let other = tempfile::tempdir()?;
    let path = other.path().join("client.git");
    Repo::init(&path)?;
    let repo = Repo::open(&path, &RepoOptions::default())?;
    let mut made = Quarantine::empty(pack_folder);
    let count = files.len();
    files[round % count].2 = made.add(Kind::Blob, text.as_bytes())?;
    let tree = made.add(Kind::Tree, &write_tree(files.to_vec()))?;
    let tip = made.add(Kind::Commit, &commit(&tree, Some(parent), round))?;
    let kept = made.keep(&Reached::default(), &repo)?.ok_or("nothing was kept")?;
    Ok((std::fs::read(kept.index_path.with_extension("pack"))?, tip))
}
