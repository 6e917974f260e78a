//! Many packs become few, and nobody notices but the disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use skill_pool_git::maintain::{Due, MaintainError, MaintainOptions, due, merge, repack};
use skill_pool_git::objects::{Kind, ObjectId, Objects};
use skill_pool_git::receive::write_objects;
use skill_pool_git::repo::{Repo, RepoOptions};

use crate::receive::craft;
use crate::receive::target::{Target, history, pack_objects};

const AGE: Duration = Duration::from_secs(3600);

fn options() -> MaintainOptions {
    MaintainOptions { small_packs_min: 3, packs_min: 3, garbage_age_min: AGE, ..MaintainOptions::default() }
}

/// A repository to which the fifteen commits of a history were pushed one by one, thin.
fn pushed() -> (Target, Vec<ObjectId>) {
    let mut target = Target::new();
    let folder = history(&target.world);
    let mut tips = Vec::new();
    for back in (0..15).rev() {
        let tip = target.world.id(&folder, &format!("HEAD~{back}"));
        let known = tips.last().map_or(String::new(), |known: &ObjectId| format!("^{known}\n"));
        let bytes =
            pack_objects(&target.world, &folder, &["--thin", "--delta-base-offset"], &format!("{tip}\n{known}"));
        target.push(&bytes, tip);
        target.visible = vec![tip];
        tips.push(tip);
    }
    (target, tips)
}

fn packs(target: &Target) -> usize {
    target.files().iter().filter(|name| name.ends_with(".pack")).count()
}

/// Every object of the history can be read, by us and anew.
#[track_caller]
fn check(target: &Target) {
    target.fsck();
    let fresh = Repo::open(target.repo.path(), &RepoOptions::default()).expect("opens");
    for repo in [&target.repo, &fresh] {
        let mut content = Vec::new();
        for (id, kind, size) in target.world.all_objects(&target.world.path("work")) {
            let Some(found) = repo.read(&id, &mut content).expect("readable") else {
                panic!("{kind} {id} is gone");
            };
            assert_eq!((found.to_string(), content.len() as u64), (kind, size));
            assert_eq!(craft::id(found, &content), id);
        }
    }
}

/// The tag of the history was not pushed.
fn without_tag(target: &Target) {
    target.world.git(&target.world.path("work"), &["tag", "-d", "v1"]);
    target.world.git(&target.world.path("work"), &["prune", "--expire=now"]);
}

#[test]
fn small_packs_are_merged_and_go() {
    let (target, _) = pushed();
    without_tag(&target);
    assert_eq!(packs(&target), 15);
    assert_eq!(due(target.repo.path(), &MaintainOptions::default()).expect("readable"), Due::Nothing);
    assert_eq!(due(target.repo.path(), &options()).expect("readable"), Due::Merge);
    let oldest = SystemTime::now() - 5 * AGE;
    for name in target.files() {
        let file = std::fs::File::open(target.pack_folder().join(name)).expect("open");
        file.set_modified(oldest).expect("set");
    }
    let done = merge(&target.repo, &options()).expect("merged").expect("enough of them");
    assert_eq!(done.objects, target.world.all_objects(&target.world.path("work")).len());
    assert_eq!((done.retired.len(), packs(&target)), (15, 16));
    assert_eq!(target.repo.snapshot().packs.len(), 1, "the old ones are not served any more");
    let modified = target.repo.snapshot().packs[0].modified();
    assert!(modified <= oldest + Duration::from_secs(1), "garbage stays as old as it is");
    check(&target);
    assert_eq!(done.retired.unlink(&target.repo).expect("unlinked"), 15);
    assert_eq!(target.files().len(), 2);
    check(&target);
    assert!(merge(&target.repo, &options()).expect("looked").is_none());
    // The same result from any order of the same packs: the name is the content's.
    assert_eq!(due(target.repo.path(), &options()).expect("readable"), Due::Nothing);
}

#[test]
fn a_repack_makes_deltas_and_drops_old_garbage_only() {
    let (target, tips) = pushed();
    without_tag(&target);
    let old_garbage = write_objects(&target.repo, &[(Kind::Blob, b"old garbage")]).expect("kept")[0];
    for name in target.files() {
        let file = std::fs::File::open(target.pack_folder().join(name)).expect("open");
        file.set_modified(SystemTime::now() - 2 * AGE).expect("set");
    }
    let young_garbage = write_objects(&target.repo, &[(Kind::Blob, b"young garbage")]).expect("kept")[0];
    let before: u64 = target.repo.snapshot().packs.iter().map(|pack| pack.path().metadata().expect("file").len()).sum();
    let repo = Repo::open(target.repo.path(), &RepoOptions::default()).expect("opens");
    let done = repack(&repo, &tips[14..], SystemTime::now(), &options()).expect("packed").expect("worth it");
    assert_eq!(done.retired.unlink(&repo).expect("unlinked"), 17);
    assert_eq!(packs(&target), 1);
    assert!(done.pack_bytes * 3 < before * 2, "{} bytes of {before}", done.pack_bytes);
    target.repo.refresh().expect("readable");
    check(&target);
    let there = |id: &ObjectId| target.repo.contains(id).expect("readable");
    assert!(!there(&old_garbage) && there(&young_garbage));
    assert!(repack(&repo, &tips[14..], SystemTime::now(), &options()).expect("looked").is_none());
    // Later the rest goes too.
    let later = SystemTime::now() + 2 * AGE;
    let done = repack(&repo, &tips[14..], later, &options()).expect("packed").expect("worth it");
    done.retired.unlink(&repo).expect("unlinked");
    target.repo.refresh().expect("readable");
    assert!(!target.repo.contains(&young_garbage).expect("readable"));
    check(&target);
}

#[test]
fn a_large_repository_is_copied_and_loses_its_garbage_too() {
    let (target, tips) = pushed();
    without_tag(&target);
    let garbage = write_objects(&target.repo, &[(Kind::Blob, b"garbage")]).expect("kept")[0];
    let options = MaintainOptions { compressed_bytes_max: 0, ..options() };
    let later = SystemTime::now() + 2 * AGE;
    let done = repack(&target.repo, &tips[14..], later, &options).expect("packed").expect("worth it");
    done.retired.unlink(&target.repo).expect("unlinked");
    assert_eq!(packs(&target), 1);
    assert!(!target.repo.contains(&garbage).expect("readable"));
    check(&target);
}

#[test]
fn nothing_is_thrown_away_when_something_is_missing() {
    let (target, tips) = pushed();
    let absent = ObjectId::Sha1([9; 20]);
    let broken = craft::commit(&absent, &[], "its tree is not there");
    let broken = write_objects(&target.repo, &[(Kind::Commit, &broken)]).expect("kept")[0];
    let before = target.files();
    let later = SystemTime::now() + 2 * AGE;
    let error = repack(&target.repo, &[tips[14], broken], later, &options()).expect_err("missing");
    assert!(matches!(error, MaintainError::Missing(id) if id == absent), "{error:?}");
    assert_eq!(target.files(), before);
}

#[test]
fn a_pack_that_was_pushed_again_is_not_unlinked_with_its_former_self() {
    let (target, tips) = pushed();
    without_tag(&target);
    let garbage = write_objects(&target.repo, &[(Kind::Blob, b"wanted again")]).expect("kept")[0];
    let later = SystemTime::now() + 2 * AGE;
    let done = repack(&target.repo, &tips[14..], later, &options()).expect("packed").expect("worth it");
    // Between packing and unlinking somebody pushes exactly that pack again.
    write_objects(&target.repo, &[(Kind::Blob, b"wanted again")]).expect("kept");
    done.retired.unlink(&target.repo).expect("unlinked");
    assert!(target.repo.contains(&garbage).expect("readable"));
    let fresh = Repo::open(target.repo.path(), &RepoOptions::default()).expect("opens");
    assert!(fresh.contains(&garbage).expect("readable"));
    check(&target);
}

#[test]
fn copies_from_different_packs_never_make_a_circle() {
    let target = Target::new();
    let (a, b) =
        (b"object a, which is much like object b".to_vec(), b"object a, which is much like object b!".to_vec());
    let (first, second) = (craft::id(Kind::Blob, &a), craft::id(Kind::Blob, &b));
    let tree = craft::tree(&[("100644", "a", first), ("100644", "b", second)]);
    let mut tips = Vec::new();
    for round in 0..4 {
        let mut pack = craft::Pack::new();
        let base = pack.offset();
        if round % 2 == 0 {
            pack.blob(&a);
            pack.ofs_delta(base, &craft::append(&a, b"!"));
        } else {
            pack.blob(&b);
            pack.ofs_delta(base, &craft::delta(b.len(), a.len(), &[craft::copy(0, a.len() as u32)]));
        }
        let tree = pack.object(Kind::Tree, &tree);
        let tip = pack.object(Kind::Commit, &craft::commit(&tree, &[], &format!("{round}")));
        let quarantine = target.receive(&pack.finish()).expect("sound");
        target.keep(quarantine, &[tip]);
        tips.push(tip);
    }
    let done = merge(&target.repo, &options()).expect("merged").expect("enough of them");
    assert_eq!(done.objects, 2 + 1 + 4);
    done.retired.unlink(&target.repo).expect("unlinked");
    let mut content = Vec::new();
    assert_eq!(target.repo.read(&first, &mut content).expect("readable"), Some(Kind::Blob));
    assert_eq!(content, a);
    target.fsck();
}

#[test]
fn readers_and_pushers_go_on_meanwhile() {
    let (target, tips) = pushed();
    without_tag(&target);
    let objects = target.world.all_objects(&target.world.path("work"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut content = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    for (id, ..) in &objects {
                        assert!(target.repo.read(id, &mut content).expect("readable").is_some(), "{id}");
                    }
                }
            });
        }
        for round in 0..12u8 {
            for more in 0..4u8 {
                write_objects(&target.repo, &[(Kind::Blob, &[round, more])]).expect("kept");
            }
            let done = if round % 3 == 2 {
                repack(&target.repo, &tips[14..], SystemTime::now(), &options()).expect("packed")
            } else {
                merge(&target.repo, &options()).expect("merged")
            };
            done.expect("worth it").retired.unlink(&target.repo).expect("unlinked");
            assert!(target.repo.contains(&craft::id(Kind::Blob, &[round, 3])).expect("readable"));
        }
        stop.store(true, Ordering::Relaxed);
    });
    check(&target);
}

#[test]
fn packs_that_somebody_wants_to_keep_are_left_alone() {
    let (target, tips) = pushed();
    let kept = target.files().into_iter().find(|name| name.ends_with(".pack")).expect("a pack");
    std::fs::write(target.pack_folder().join(kept.replace(".pack", ".keep")), "").expect("write");
    let done = repack(&target.repo, &tips[14..], SystemTime::now(), &options()).expect("packed").expect("worth it");
    assert_eq!(done.retired.unlink(&target.repo).expect("unlinked"), 14);
    assert!(target.files().contains(&kept));
    target.fsck();
}
