//! Reading what stock git wrote, in every form that it writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use skill_pool_git::objects::{ObjectError, ObjectId, Objects};
use skill_pool_git::repo::{BaseCache, RawKind, Repo, RepoCache, RepoOptions};

use crate::support::World;

/// A work tree with 12 commits over a file long enough for git to make deltas of it, and an annotated tag.
fn history(world: &World, name: &str) -> PathBuf {
    let folder = world.work_tree(name);
    for at in 0..12u64 {
        let long: String =
            (0..200).map(|line| format!("line {line} of round {}\n", if line == at { at } else { 0 })).collect();
        world.commit(&folder, 1_700_000_000 + at, &[("a/long.txt", &long), ("b.txt", &format!("{at}"))]);
    }
    world.git(&folder, &["tag", "-a", "-m", "one", "v1"]);
    folder.join(".git")
}

/// Every object reads as git says it is.
#[track_caller]
fn check_all(world: &World, git_folder: &Path, repo: &Repo) {
    let mut out = Vec::new();
    for (id, kind, size) in world.all_objects(git_folder) {
        let header = repo.header(&id).expect("header").expect("found");
        assert_eq!((header.0.to_string(), header.1), (kind.clone(), size), "{id}");
        assert_eq!(repo.read(&id, &mut out).expect("read").expect("found").to_string(), kind);
        assert_eq!(gix_object::compute_hash(gix_hash::Kind::Sha1, header.0, &out).expect("hash"), id);
        assert!(repo.contains(&id).expect("contains"));
    }
    let absent = ObjectId::from_hex(b"0123456789012345678901234567890123456789").expect("id");
    assert!(repo.read(&absent, &mut out).expect("a miss is no error").is_none());
    assert!(repo.header(&absent).expect("a miss is no error").is_none());
    let empty_tree = ObjectId::empty_tree(gix_hash::Kind::Sha1);
    assert!(repo.contains(&empty_tree).expect("contains"), "stored nowhere, and there all the same");
    assert_eq!(repo.read(&empty_tree, &mut out).expect("read"), Some(gix_object::Kind::Tree));
    assert!(out.is_empty());
}

fn open(folder: &Path) -> Repo {
    Repo::open(folder, &RepoOptions::default()).expect("opens")
}

#[test]
fn loose_and_packed_objects_read_alike() {
    let world = World::new();
    let folder = history(&world, "w");
    let repo = open(&folder);
    check_all(&world, &folder, &repo);
    world.git(&folder, &["repack", "-adq", "--depth=10", "--window=20"]);
    world.git(&folder, &["prune-packed"]);
    check_all(&world, &folder, &repo);
    check_all(&world, &folder, &open(&folder));
    let without_memory = RepoOptions { bases: Arc::new(BaseCache::new(0)), ..RepoOptions::default() };
    check_all(&world, &folder, &Repo::open(&folder, &without_memory).expect("opens"));
    world.git(&folder, &["-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq"]);
    check_all(&world, &folder, &open(&folder));
    world.git(&folder, &["-c", "pack.indexVersion=1", "repack", "-adfq"]);
    check_all(&world, &folder, &open(&folder));
}

#[test]
fn a_reader_sees_packs_that_come_and_survives_packs_that_go() {
    let world = World::new();
    let folder = history(&world, "w");
    world.git(&folder, &["config", "gc.auto", "0"]);
    world.git(&folder, &["repack", "-adq"]);
    let repo = open(&folder);
    let old = repo.snapshot();
    let mut out = Vec::new();
    // Opened before consolidation takes the file away, and read after.
    let tip = world.id(&folder, "main");
    assert!(repo.read(&tip, &mut out).expect("read").is_some());
    let never_read = open(&folder);
    let work = folder.parent().expect("work tree");
    for at in 0..40u64 {
        world.commit(work, 1_700_000_100 + at, &[("c.txt", &format!("{at}"))]);
        world.git(&folder, &["repack", "-dq"]);
    }
    assert_eq!(fs::read_dir(folder.join("objects/pack")).expect("list").count() / 3, 41, "one pack a round");
    check_all(&world, &folder, &repo);
    world.git(&folder, &["repack", "-adq"]);
    check_all(&world, &folder, &repo);
    check_all(&world, &folder, &never_read);
    assert_eq!(repo.snapshot().packs.len(), 1);
    let (pack, position) = old.packed(&tip).expect("the old snapshot still has it");
    assert!(!pack.path().exists() && pack.raw_entry(position).is_ok());
}

#[test]
fn a_pack_that_was_moved_in_is_there_at_once() {
    let world = World::new();
    let folder = history(&world, "w");
    world.git(&folder, &["repack", "-adq"]);
    let target = world.path("t/x.git");
    Repo::init(&target).expect("init");
    let repo = open(&target);
    let before = repo.snapshot();
    for end in ["pack", "idx"] {
        let from = fs::read_dir(folder.join("objects/pack")).expect("list").filter_map(Result::ok);
        let from = from.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == end));
        fs::copy(from.expect("there"), target.join(format!("objects/pack/pack-1.{end}"))).expect("copy");
    }
    repo.add_pack(&target.join("objects/pack/pack-1.idx")).expect("added");
    assert!(before.packs.is_empty() && repo.snapshot().packs.len() == 1);
    check_all(&world, &folder, &repo);
    let added = repo.snapshot();
    repo.refresh().expect("refresh");
    assert!(Arc::ptr_eq(&added.packs[0], &repo.snapshot().packs[0]), "a pack is opened once");
}

#[test]
fn a_new_repository_is_one_for_stock_git() {
    let world = World::new();
    let folder = world.path("tenants/x/plugins/y.git");
    Repo::init(&folder).expect("init");
    Repo::init(&folder).expect("init again changes nothing");
    assert_eq!(world.git(&folder, &["rev-parse", "--is-bare-repository"]), "true");
    assert_eq!(world.git(&folder, &["symbolic-ref", "HEAD"]), "refs/heads/main");
    world.git(&folder, &["fsck", "--strict"]);
    let work = history(&world, "w");
    world.git(&work, &["push", "-q", &folder.display().to_string(), "main"]);
    check_all(&world, &folder, &open(&folder));
}

#[test]
fn raw_entries_hold_what_the_pack_holds() {
    let world = World::new();
    let folder = history(&world, "w");
    world.git(&folder, &["repack", "-adfq", "--depth=10"]);
    let repo = open(&folder);
    let snapshot = repo.snapshot();
    let (mut whole, mut deltas) = (0, 0);
    for (id, kind, size) in world.all_objects(&folder) {
        let (pack, position) = snapshot.packed(&id).expect("packed");
        let entry = pack.raw_entry(position).expect("sound");
        let mut inflated = vec![0; entry.size_bytes as usize];
        let taken = skill_pool_git::repo::inflate::exact(entry.compressed, &mut inflated).expect("inflates");
        assert_eq!(taken, entry.compressed.len(), "the entry ends where its stream ends");
        match entry.kind {
            RawKind::Whole(found) => {
                whole += 1;
                assert_eq!((found.to_string(), entry.size_bytes), (kind, size));
            }
            RawKind::Delta(base) => {
                deltas += 1;
                assert!(repo.contains(&base).expect("contains"));
            }
        }
    }
    assert!(whole > 5 && deltas > 5, "{whole} {deltas}");
}

#[test]
fn damage_is_an_error_that_names_the_file() {
    let world = World::new();
    let folder = history(&world, "w");
    world.git(&folder, &["repack", "-adfq", "--depth=10"]);
    let ids = world.all_objects(&folder);
    let file = open(&folder).snapshot().packs[0].path().to_owned();
    let sound = fs::read(&file).expect("read");
    let mut errors = 0;
    for at in (12..sound.len() - 20).step_by(7) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x55;
        fs::remove_file(&file).expect("unlink, as a map may live");
        fs::write(&file, &bytes).expect("write");
        let repo = open(&folder);
        let snapshot = repo.snapshot();
        let mut out = Vec::new();
        for (id, ..) in &ids {
            match repo.read(id, &mut out) {
                Ok(_) | Err(ObjectError::TooLarge { .. }) => {}
                Err(ObjectError::Damaged { path, .. }) => {
                    errors += 1;
                    assert_eq!(path, file);
                }
                Err(error) => panic!("{error}"),
            }
            let _ = repo.header(id);
            let (pack, position) = snapshot.packed(id).expect("indexed");
            let _ = pack.raw_entry(position);
        }
        let raw_errors = (0..snapshot.packs[0].objects()).filter(|at| snapshot.packs[0].raw_entry(*at).is_err());
        assert_ne!(raw_errors.count(), 0, "a changed byte at {at} would be copied to a client");
    }
    assert!(errors > 0);
    fs::remove_file(&file).expect("unlink");
    fs::write(&file, &sound[..sound.len() - 100]).expect("write");
    assert!(open(&folder).read(&ids[0].0, &mut Vec::new()).is_err(), "a pack that is cut off");
    let index = file.with_extension("idx");
    let bytes = fs::read(&index).expect("read");
    fs::remove_file(&index).expect("unlink");
    fs::write(&index, &bytes[..bytes.len() / 2]).expect("write");
    let repo = open(&folder);
    assert!(repo.snapshot().packs.is_empty(), "a pack without a sound index is left out");
}

#[test]
fn a_damaged_loose_object_is_an_error() {
    let world = World::new();
    let folder = history(&world, "w");
    let tip = world.id(&folder, "main");
    let hex = tip.to_string();
    let file = folder.join("objects").join(&hex[..2]).join(&hex[2..]);
    let sound = fs::read(&file).expect("read");
    fs::remove_file(&file).expect("unlink");
    for bytes in [&sound[..sound.len() - 3], &sound[..1], b"", b"not zlib at all"] {
        fs::write(&file, bytes).expect("write");
        assert!(matches!(open(&folder).read(&tip, &mut Vec::new()), Err(ObjectError::Damaged { .. })));
    }
}

#[test]
fn an_object_above_the_limit_takes_no_memory() {
    let world = World::new();
    let work = world.work_tree("w");
    let large = "x".repeat(100_000);
    world.commit(&work, 1_700_000_000, &[("large", &large)]);
    let folder = work.join(".git");
    let id = world.id(&folder, "HEAD:large");
    let options = RepoOptions { object_bytes_max: 99_999, ..RepoOptions::default() };
    for _ in 0..2 {
        let mut out = Vec::new();
        let error = Repo::open(&folder, &options).expect("opens").read(&id, &mut out).expect_err("too large");
        assert!(matches!(error, ObjectError::TooLarge { size_bytes: 100_000, limit_bytes: 99_999, .. }), "{error}");
        assert_eq!(out.capacity(), 0);
        world.git(&folder, &["repack", "-adq"]);
    }
}

#[test]
fn alternates_are_followed_only_when_told() {
    let world = World::new();
    let folder = history(&world, "w");
    let borrower = world.path("b.git");
    world
        .git(&folder, &["clone", "-q", "--bare", "-s", &folder.display().to_string(), &borrower.display().to_string()]);
    let tip = world.id(&folder, "main");
    assert!(!open(&borrower).contains(&tip).expect("contains"));
    let options = RepoOptions { alternates: true, ..RepoOptions::default() };
    check_all(&world, &folder, &Repo::open(&borrower, &options).expect("opens"));
}

#[test]
fn the_cache_keeps_few_and_notices_a_replaced_folder() {
    let world = World::new();
    let cache = RepoCache::new(RepoOptions::default(), 2);
    let folders: Vec<_> = (0..3).map(|at| world.path(&format!("{at}.git"))).collect();
    for folder in &folders {
        assert!(cache.get(folder).is_err());
        Repo::init(folder).expect("init");
        cache.get(folder).expect("opens");
    }
    assert_eq!(cache.len(), 2);
    let first = cache.get(&folders[2]).expect("opens");
    assert!(Arc::ptr_eq(&first, &cache.get(&folders[2]).expect("opens")));
    fs::rename(&folders[2], world.path("away.git")).expect("rename");
    Repo::init(&folders[2]).expect("init");
    assert!(!Arc::ptr_eq(&first, &cache.get(&folders[2]).expect("opens")));
}
