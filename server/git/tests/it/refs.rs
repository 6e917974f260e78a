//! Refs of a folder: read as stock git reads them, moved so that stock git sees them moved.

use std::path::Path;
use std::sync::Arc;

use skill_pool_domain::names::RefName;
use skill_pool_git::objects::ObjectId;
use skill_pool_git::refs::{
    FolderRefs, Head, RefChange, RefChangeError, RefSnapshot, RefStore, change_ref, change_refs, set_head,
};
use skill_pool_git::repo::{RepoCache, RepoOptions};

use crate::clones::origin;
use crate::support::World;

fn store() -> FolderRefs {
    FolderRefs::new(Arc::new(RepoCache::new(RepoOptions::default(), 8)))
}

fn name(text: &str) -> RefName {
    RefName::parse(text.as_bytes()).expect("a name")
}

/// The snapshot is what `git for-each-ref` says.
#[track_caller]
fn check(world: &World, folder: &Path, snapshot: &RefSnapshot) {
    let mut lines = Vec::new();
    for entry in &snapshot.refs {
        let peeled = entry.peeled.map(|id| id.to_string()).unwrap_or_default();
        let symref = snapshot.symref_target(&entry.name).map(ToString::to_string).unwrap_or_default();
        lines.push(format!("{} {} {peeled} {symref}", entry.id, entry.name));
    }
    // `*` follows one tag only; `^{}` follows all.
    let stock = world.git(folder, &["for-each-ref", "--format=%(objectname) %(refname) %(objecttype) %(symref)"]);
    let stock = stock.lines().map(|line| {
        let mut words = line.split(' ');
        let (id, refname) = (words.next().expect("id"), words.next().expect("name"));
        let kind = words.next().expect("type");
        let symref = words.next().unwrap_or_default();
        let peeled = match kind {
            "tag" => world.git(folder, &["rev-parse", &format!("{id}^{{}}")]),
            _ => String::new(),
        };
        format!("{id} {refname} {peeled} {symref}")
    });
    assert_eq!(lines, stock.collect::<Vec<_>>());
}

#[test]
fn loose_and_packed_refs_are_read_as_git_reads_them() {
    let world = World::new();
    let bare = origin(&world);
    let store = store();
    let state = |step: &str| {
        let snapshot = store.snapshot(&bare).expect(step);
        check(&world, &bare, &snapshot);
        snapshot.state
    };
    let first = state("as cloned");
    world.git(&bare, &["pack-refs", "--all"]);
    assert_eq!(state("packed"), first, "where a ref is kept makes no difference");
    world.git(&bare, &["update-ref", "refs/heads/main", "main~2"]);
    let moved = state("a loose ref outweighs a packed one");
    assert_ne!(moved, first);
    world.git(&bare, &["update-ref", "refs/heads/main", &world.id(&bare, "side").to_string()]);
    assert_ne!(state("moved at once again"), moved);
    world.git(&bare, &["update-ref", "-d", "refs/tags/v1"]);
    state("a packed ref deleted");
    world.git(&bare, &["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    state("a symbolic ref");
    world.git(&bare, &["symbolic-ref", "refs/heads/broken", "refs/heads/nothing"]);
    std::fs::write(bare.join("refs/heads/junk"), "junk\n").expect("write");
    std::fs::write(bare.join("refs/heads/gone"), format!("{}\n", "1".repeat(40))).expect("write");
    let snapshot = store.snapshot(&bare).expect("broken refs are left out");
    assert!(
        snapshot
            .refs
            .iter()
            .all(|entry| !["junk", "gone", "broken"].iter().any(|end| entry.name.as_str().ends_with(end)))
    );
}

#[test]
fn head_is_what_git_says() {
    let world = World::new();
    let bare = origin(&world);
    let store = store();
    let head = || store.snapshot(&bare).expect("refs").head.clone();
    assert_eq!(head(), Head::Symbolic(name("refs/heads/main")));
    set_head(&bare, &name("refs/heads/new")).expect("set");
    assert_eq!(world.git(&bare, &["symbolic-ref", "HEAD"]), "refs/heads/new");
    assert_eq!(head(), Head::Symbolic(name("refs/heads/new")));
    let id = world.id(&bare, "main");
    std::fs::write(bare.join("HEAD"), format!("{id}\n")).expect("write");
    assert_eq!(head(), Head::Detached(id));
}

#[test]
fn what_is_hidden_is_not_in_a_filtered_snapshot() {
    let world = World::new();
    let bare = origin(&world);
    world.git(&bare, &["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    let all = store().snapshot(&bare).expect("refs");
    let some = all.filtered(b"x", |name| name.tag().is_some());
    assert!(some.refs.iter().all(|entry| entry.name.tag().is_some()) && !some.refs.is_empty());
    assert_eq!((some.head.clone(), some.symrefs.len()), (Head::Hidden, 0));
    assert_eq!(some.head_id(), None);
    assert_eq!(some.state, all.filtered(b"x", |name| name.tag().is_some()).state);
    assert_ne!(some.state, all.filtered(b"y", |name| name.tag().is_some()).state);
}

fn change(text: &str, old: Option<ObjectId>, new: Option<ObjectId>) -> RefChange {
    RefChange { name: name(text), old, new }
}

#[test]
fn refs_move_only_from_the_value_that_is_expected() {
    let world = World::new();
    let bare = origin(&world);
    let (main, side) = (world.id(&bare, "main"), world.id(&bare, "side"));
    for packed in [false, true] {
        if packed {
            world.git(&bare, &["pack-refs", "--all"]);
        }
        let before = world.git(&bare, &["for-each-ref"]);
        for wrong in [
            change("refs/heads/main", None, Some(side)),
            change("refs/heads/main", Some(side), Some(main)),
            change("refs/heads/main", Some(side), None),
            change("refs/heads/none", Some(side), Some(main)),
            change("refs/heads/none", Some(side), None),
        ] {
            assert!(matches!(change_ref(&bare, &wrong), Err(RefChangeError::Stale { .. })), "{wrong:?}");
        }
        assert_eq!(world.git(&bare, &["for-each-ref"]), before);
        change_ref(&bare, &change("refs/heads/main", Some(main), Some(side))).expect("moved");
        change_ref(&bare, &change("refs/heads/main", Some(side), Some(main))).expect("moved back");
        change_ref(&bare, &change("refs/heads/x/y/z", None, Some(side))).expect("created");
        assert_eq!(world.id(&bare, "refs/heads/x/y/z"), side);
        change_ref(&bare, &change("refs/heads/x/y/z", Some(side), None)).expect("deleted");
        assert!(!bare.join("refs/heads/x").exists(), "empty folders go with the ref");
        assert_eq!(world.git(&bare, &["for-each-ref"]), before);
    }
    change_ref(&bare, &change("refs/heads/side", Some(side), None)).expect("a packed ref is deleted");
    assert!(!world.git(&bare, &["for-each-ref"]).contains("heads/side"));
    assert!(
        world.git(&bare, &["show-ref", "--dereference"]).contains("refs/tags/v1^{}"),
        "the others are still peeled"
    );
    world.git(&bare, &["fsck"]);
}

#[test]
fn a_name_that_cannot_be_beside_another_is_refused() {
    let world = World::new();
    let bare = origin(&world);
    let side = world.id(&bare, "side");
    for packed in [false, true] {
        if packed {
            world.git(&bare, &["pack-refs", "--all"]);
        } else {
            change_ref(&bare, &change("refs/heads/a/b", None, Some(side))).expect("created");
        }
        for taken in ["refs/heads/a", "refs/heads/a/b/c", "refs/heads/main/x", "refs/tags/v1/2"] {
            let error = change_ref(&bare, &change(taken, None, Some(side))).expect_err(taken);
            assert!(matches!(error, RefChangeError::NameTaken { .. }), "{taken}: {error}");
        }
    }
    change_ref(&bare, &change("refs/heads/a/b", Some(side), None)).expect("deleted");
    change_ref(&bare, &change("refs/heads/a", None, Some(side))).expect("the name is free now");
}

#[test]
fn several_refs_move_together_or_not_at_all() {
    let world = World::new();
    let bare = origin(&world);
    let (main, side) = (world.id(&bare, "main"), world.id(&bare, "side"));
    let before = world.git(&bare, &["for-each-ref"]);
    let mut changes = vec![
        change("refs/heads/main", Some(main), Some(side)),
        change("refs/heads/new", None, Some(side)),
        change("refs/heads/side", Some(main), None),
    ];
    assert!(change_refs(&bare, &changes).is_err());
    assert_eq!(world.git(&bare, &["for-each-ref"]), before);
    std::fs::write(bare.join("refs/heads/side.lock"), "").expect("write");
    changes[2].old = Some(side);
    assert!(matches!(change_refs(&bare, &changes), Err(RefChangeError::Locked { .. })));
    assert_eq!(world.git(&bare, &["for-each-ref"]), before);
    std::fs::remove_file(bare.join("refs/heads/side.lock")).expect("remove");
    change_refs(&bare, &changes).expect("moved");
    let after = world.git(&bare, &["for-each-ref", "--format=%(refname)", "refs/heads"]);
    assert_eq!(after, "refs/heads/main\nrefs/heads/new");
}
