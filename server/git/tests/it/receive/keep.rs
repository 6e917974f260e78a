//! How objects move into a repository, and what a crash leaves behind.

use skill_pool_git::objects::{Kind, Objects};
use skill_pool_git::receive::fsck::{EntryMode, write_tree};
use skill_pool_git::receive::{KeepError, Quarantine, Reached, sweep, write_objects};

use super::craft;
use super::target::Target;

#[test]
fn made_objects_are_kept_in_one_sound_pack() {
    let mut target = Target::new();
    let folder = target.pack_folder();
    let mut quarantine = Quarantine::empty(&folder);
    let blob = quarantine.add(Kind::Blob, b"text").expect("added");
    assert_eq!(quarantine.add(Kind::Blob, b"text").expect("added"), blob);
    let tree = quarantine.add(Kind::Tree, &write_tree(vec![(b"x".to_vec(), EntryMode::File, blob)])).expect("added");
    let tip = quarantine.add(Kind::Commit, &craft::commit(&tree, &[], "made")).expect("added");
    assert_eq!(quarantine.objects().count(), 3);
    quarantine.keep(&Reached::default(), &target.repo).expect("kept").expect("objects");
    target.visible.push(tip);
    target.fsck();

    let empty = Quarantine::empty(&folder);
    assert!(empty.is_empty());
    assert_eq!(empty.keep(&Reached::default(), &target.repo).expect("kept"), None);
    let ids = write_objects(&target.repo, &[(Kind::Blob, b"one"), (Kind::Blob, b"two")]).expect("kept");
    assert_eq!(ids, [craft::id(Kind::Blob, b"one"), craft::id(Kind::Blob, b"two")]);
    assert_eq!(target.files().len(), 4);
}

#[test]
fn an_object_joins_a_received_pack_and_is_kept_with_it() {
    let mut target = Target::new();
    let mut pack = craft::Pack::new();
    let blob = pack.blob(b"text");
    let tree = pack.object(Kind::Tree, &craft::tree(&[("100644", "x", blob)]));
    let tip = pack.object(Kind::Commit, &craft::commit(&tree, &[], "m"));
    let mut quarantine = target.receive(&pack.finish()).expect("sound");
    let text = format!("object {tip}\ntype commit\ntag v1\ntagger A <a@example.com> 1700000000 +0000\n\nm\n");
    let tag = quarantine.add(Kind::Tag, text.as_bytes()).expect("added");
    target.keep(quarantine, &[tip]).expect("objects");
    assert_eq!(target.files().len(), 2);
    target.visible.push(tag);
    target.fsck();
}

#[test]
fn a_disk_that_fails_is_an_error_and_leaves_nothing() {
    let target = Target::new();
    std::fs::remove_dir(target.pack_folder()).expect("an empty folder");
    let error = write_objects(&target.repo, &[(Kind::Blob, b"one")]).expect_err("no folder");
    assert!(matches!(error, KeepError::Io { what: "write", .. }), "{error:?}");
    assert!(!error.is_disk_full());
    // The name of the index is taken by a folder: the pack gets its name, the index does not.
    std::fs::create_dir(target.pack_folder()).expect("a folder");
    let kept = {
        let twin = Target::new();
        write_objects(&twin.repo, &[(Kind::Blob, b"one")]).expect("kept");
        twin.files()
    };
    let index = kept.iter().find(|name| name.ends_with(".idx")).expect("an index");
    std::fs::create_dir(target.pack_folder().join(index)).expect("a folder");
    let error = write_objects(&target.repo, &[(Kind::Blob, b"one")]).expect_err("a folder in the way");
    assert!(matches!(error, KeepError::Io { what: "rename", .. }), "{error:?}");
    assert!(!target.files().iter().any(|name| name.starts_with("tmp_")), "{:?}", target.files());
    assert!(!target.repo.contains(&craft::id(Kind::Blob, b"one")).expect("readable"));
}

#[test]
fn what_a_crash_left_is_swept_and_nothing_else() {
    let mut target = Target::new();
    write_objects(&target.repo, &[(Kind::Blob, b"one")]).expect("kept");
    let before = target.files();
    let (ours, theirs) =
        ("pack-1111111111111111111111111111111111111111", "pack-2222222222222222222222222222222222222222");
    let folder = target.pack_folder();
    for name in [
        "tmp_pack_1_0".to_owned(),
        "tmp_pack_1_2".to_owned(),
        // Died between the two renames: the pack has its name, its index has not.
        format!("{ours}.pack"),
        "tmp_idx_1111111111111111111111111111111111111111_1_3".to_owned(),
        // A pack without an index that is not ours to judge.
        format!("{theirs}.pack"),
    ] {
        std::fs::write(folder.join(name), b"x").expect("write");
    }
    assert_eq!(sweep(&folder).expect("swept"), 4);
    let mut expected = before.clone();
    expected.push(format!("{theirs}.pack"));
    expected.sort();
    assert_eq!(target.files(), expected);
    assert_eq!(sweep(&folder).expect("swept"), 0);
    assert_eq!(sweep(&folder.join("nowhere")).expect("nothing there"), 0);

    // A leftover index of a pack that is complete: a push that was written a second time.
    let complete = before[0].strip_prefix("pack-").and_then(|name| name.split('.').next()).expect("a name").to_owned();
    std::fs::write(folder.join(format!("tmp_idx_{complete}_1_4")), b"x").expect("write");
    assert_eq!(sweep(&folder).expect("swept"), 1);
    assert_eq!(target.files(), expected);
    std::fs::remove_file(folder.join(format!("{theirs}.pack"))).expect("removed");
    target.visible.clear();
    target.fsck();
}

#[test]
fn many_pushes_at_once_all_arrive() {
    let target = Target::new();
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let repo = &target.repo;
            scope.spawn(move || {
                for round in 0..10u8 {
                    // Some are the same in all threads: one pack, written by several at once.
                    let content = if round % 3 == 0 { vec![round; 100] } else { vec![thread, round] };
                    let ids = write_objects(repo, &[(Kind::Blob, &content)]).expect("kept");
                    assert!(repo.contains(&ids[0]).expect("readable"));
                }
            });
        }
    });
    assert_eq!(target.files().iter().filter(|name| name.ends_with(".pack")).count(), 4 + 8 * 6);
    assert!(!target.files().iter().any(|name| name.starts_with("tmp_")));
    target.fsck();
}
