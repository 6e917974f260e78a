//! What a pushed ref reaches is there, belongs there, and the pusher may know of it.

use skill_pool_git::objects::{Kind, ObjectId};
use skill_pool_git::receive::ConnectivityError;

use super::craft::{self, Pack};
use super::target::{Target, history, pack_objects};

/// A pack whose objects can be left out.
struct Push {
    pack: Pack,
    leave_out: Vec<ObjectId>,
}

impl Push {
    fn new() -> Self {
        Self { pack: Pack::new(), leave_out: Vec::new() }
    }

    fn without(ids: &[ObjectId]) -> Self {
        Self { pack: Pack::new(), leave_out: ids.to_vec() }
    }

    fn add(&mut self, kind: Kind, content: &[u8]) -> ObjectId {
        let id = craft::id(kind, content);
        if !self.leave_out.contains(&id) {
            self.pack.object(kind, content);
        }
        id
    }

    fn blob(&mut self, content: &str) -> ObjectId {
        self.add(Kind::Blob, content.as_bytes())
    }

    fn tree(&mut self, entries: &[(&str, &str, ObjectId)]) -> ObjectId {
        self.add(Kind::Tree, &craft::tree(entries))
    }

    fn commit(&mut self, tree: ObjectId, parents: &[ObjectId]) -> ObjectId {
        self.add(Kind::Commit, &craft::commit(&tree, parents, "m"))
    }

    fn tag(&mut self, target: ObjectId, kind: &str) -> ObjectId {
        let text = format!("object {target}\ntype {kind}\ntag v1\ntagger A <a@example.com> 1700000000 +0000\n\nm\n");
        self.add(Kind::Tag, text.as_bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        self.pack.finish()
    }
}

#[test]
fn each_missing_object_is_noticed_and_named() {
    let target = Target::new();
    let build = |leave_out: &[ObjectId]| {
        let mut push = Push::without(leave_out);
        let old = push.blob("old");
        let old_tree = push.tree(&[("100644", "o", old)]);
        let first = push.commit(old_tree, &[]);
        let blob = push.blob("new");
        let inner = push.tree(&[("100644", "x.md", blob)]);
        let tree = push.tree(&[("40000", "a", inner)]);
        let second = push.commit(tree, &[first]);
        let tag = push.tag(second, "commit");
        (push.bytes(), [old, old_tree, first, blob, inner, tree, second, tag], tag)
    };
    let (bytes, all, tip) = build(&[]);
    let quarantine = target.receive(&bytes).expect("sound");
    let tip_found = target.check(&quarantine, &[tip]).remove(0).expect("connected");
    assert_eq!((tip_found.kind, tip_found.peeled, tip_found.peeled_kind), (Kind::Tag, all[6], Kind::Commit));
    for id in all {
        let (bytes, _, tip) = build(&[id]);
        let refusal = &target.refused(&bytes, tip)[0];
        assert_eq!(refusal.code, "missing-objects", "{id}");
        assert!(refusal.message.contains(&id.to_string()), "{refusal}");
    }
    let (bytes, ..) = build(&[all[3]]);
    assert_eq!(target.refused(&bytes, tip)[0].place, "a/x.md");
}

#[test]
fn a_hidden_object_is_as_missing_as_one_that_never_was() {
    let mut target = Target::new();
    let mut secret = Push::new();
    let blob = secret.blob("secret");
    let tree = secret.tree(&[("100644", "s", blob)]);
    let commit = secret.commit(tree, &[]);
    target.push(&secret.bytes(), commit);
    target.visible.clear();
    let mut open = Push::new();
    let file = open.blob("open");
    let root = open.tree(&[("100644", "o", file)]);
    let visible = open.commit(root, &[]);
    target.push(&open.bytes(), visible);

    // Named as a tip, a parent, a tree, a folder, a file, the target of a tag: all in the words for what is not there.
    let empty = Pack::new().finish();
    for id in [commit, tree, blob] {
        assert_eq!(target.refused_code(&empty, id), "missing-objects");
    }
    let attempts: [&dyn Fn(&mut Push) -> ObjectId; 5] = [
        &|push| push.commit(root, &[commit]),
        &|push| push.commit(tree, &[visible]),
        &|push| {
            let tree = push.tree(&[("40000", "d", tree)]);
            push.commit(tree, &[visible])
        },
        &|push| {
            let tree = push.tree(&[("100644", "s", blob)]);
            push.commit(tree, &[visible])
        },
        &|push| push.tag(commit, "commit"),
    ];
    for attempt in attempts {
        let mut push = Push::new();
        let tip = attempt(&mut push);
        let told = target.refused(&push.bytes(), tip);
        // The same with every id replaced by one that does not exist.
        let absent = ObjectId::Sha1([9; 20]);
        assert_eq!(told[0].code, "missing-objects");
        assert!(!told[0].message.contains(&absent.to_string()));
    }
    // And with the objects at hand it is fine.
    let mut push = Push::new();
    let blob = push.blob("secret");
    let tree = push.tree(&[("100644", "s", blob)]);
    let tip = push.commit(tree, &[visible]);
    target.push(&push.bytes(), tip);
    target.fsck();
}

#[test]
fn ordinary_pushes_rest_on_what_is_there() {
    let mut target = Target::new();
    let folder = history(&target.world);
    let at = |name: &str| target.world.id(&folder, name);
    let (old, middle, tip) = (at("HEAD~12"), at("HEAD~5"), at("HEAD"));
    let old_tree = at("HEAD~12^{tree}");
    let old_file = at("HEAD~10:a/long.md");
    for (new, known) in [(old, None), (middle, Some(old)), (tip, Some(middle))] {
        let revisions = known.map_or(format!("{new}\n"), |known| format!("{new}\n^{known}\n"));
        let bytes = pack_objects(&target.world, &folder, &["--thin"], &revisions);
        target.push(&bytes, new);
        // Only the newest value stays visible, as on a branch that moves.
        target.visible = vec![new];
        target.fsck();
    }
    // A ref to something in the history, a revert to an old tree, an old file under a new name, an old folder elsewhere.
    let empty = Pack::new().finish();
    let quarantine = target.receive(&empty).expect("sound");
    assert!(target.check(&quarantine, &[middle, old]).iter().all(Result::is_ok));
    let mut push = Push::new();
    let revert = push.commit(old_tree, &[tip]);
    let moved = push.tree(&[("100644", "n.md", old_file), ("40000", "sub", old_tree)]);
    let second = push.commit(moved, &[revert]);
    target.push(&push.bytes(), second);
    target.fsck();
}

#[test]
fn entries_are_what_their_modes_say() {
    let mut target = Target::new();
    let mut base = Push::new();
    let file = base.blob("f");
    let folder = base.tree(&[("100644", "f", file)]);
    let root = base.tree(&[("40000", "d", folder), ("100644", "f", file)]);
    let visible = base.commit(root, &[]);
    target.push(&base.bytes(), visible);
    let new = craft::id(Kind::Blob, b"n");
    for (mode, id) in [
        ("40000", file),
        ("40000", new),
        ("100644", folder),
        ("100644", visible),
        ("120000", folder),
        ("40000", visible),
    ] {
        let mut push = Push::new();
        push.blob("n");
        let tree = push.tree(&[(mode, "x", id)]);
        let tip = push.commit(tree, &[visible]);
        assert_eq!(target.refused_code(&push.bytes(), tip), "broken-link", "{mode} {id}");
    }
    let wrong: [&dyn Fn(&mut Push) -> ObjectId; 5] = [
        &|push| push.commit(file, &[visible]),
        &|push| push.commit(visible, &[visible]),
        &|push| push.commit(root, &[root]),
        &|push| push.commit(root, &[file]),
        &|push| push.tag(visible, "tree"),
    ];
    for attempt in wrong {
        let mut push = Push::new();
        let tip = attempt(&mut push);
        let code = target.refused_code(&push.bytes(), tip);
        // A blob as a parent: among commits it is not to be found.
        assert!(matches!(code, "broken-link" | "bad-type" | "missing-objects"), "{code}");
    }
}

#[test]
fn links_stay_inside_wherever_their_folder_stands() {
    let mut target = Target::new();
    let tip_of = |push: &mut Push, depth: usize, target: &str| {
        let link = push.blob(target);
        let mut tree = push.tree(&[("120000", "l", link)]);
        for _ in 0..depth {
            tree = push.tree(&[("40000", "d", tree)]);
        }
        push.commit(tree, &[])
    };
    for (depth, to, fine) in [
        (0, "x", true),
        (0, "../x", false),
        (1, "../x", true),
        (1, "../../x", false),
        (2, "../../x", true),
        (0, "/etc/passwd", false),
        (3, "d/../../x", false),
        (0, ".git/config", false),
        (0, "", false),
    ] {
        let mut push = Push::new();
        let tip = tip_of(&mut push, depth, to);
        let quarantine = target.receive(&push.bytes()).expect("sound");
        let outcome = target.check(&quarantine, &[tip]).remove(0);
        assert_eq!(outcome.is_ok(), fine, "{depth} {to}: {outcome:?}");
    }
    // One folder, fine at depth 2, stands at depth 1 as well; first new, then already known.
    let mut push = Push::new();
    let link = push.blob("../../x");
    let inner = push.tree(&[("120000", "l", link)]);
    let outer = push.tree(&[("40000", "i", inner)]);
    let fine = push.tree(&[("40000", "o", outer)]);
    let both = push.tree(&[("40000", "a", outer), ("40000", "z", inner)]);
    let good = push.commit(fine, &[]);
    let bad = push.commit(both, &[]);
    assert_eq!(target.refused_code(&push.bytes(), bad), "link-escapes");
    target.push(&push.bytes(), good);
    let mut later = Push::new();
    let tree = later.tree(&[("40000", "z", inner)]);
    let tip = later.commit(tree, &[good]);
    assert_eq!(target.refused_code(&later.bytes(), tip), "link-escapes");
    let mut sound = Push::new();
    let tree = sound.tree(&[("40000", "z", outer)]);
    let tip = sound.commit(tree, &[good]);
    target.push(&sound.bytes(), tip);
    target.fsck();
}

#[test]
fn files_with_a_meaning_for_git_are_files_that_it_reads() {
    let target = Target::new();
    for (mode, name, content, expected) in [
        ("120000", ".gitattributes", "x".to_owned(), "link-git-file"),
        ("120000", ".gitignore", "x".to_owned(), "link-git-file"),
        ("100644", ".gitattributes", format!("* {}\n", "a".repeat(2048)), "gitattributes-line-length"),
        ("100644", "GITATT~1", format!("* {}\n", "a".repeat(2048)), "gitattributes-line-length"),
    ] {
        let mut push = Push::new();
        let blob = push.blob(&content);
        let tree = push.tree(&[(mode, name, blob)]);
        let tip = push.commit(tree, &[]);
        assert_eq!(target.refused_code(&push.bytes(), tip), expected, "{name}");
    }
}

#[test]
fn trees_that_stand_for_too_much_are_refused_at_once() {
    let target = Target::new();
    // Ten folders, each ten times the one below it.
    let mut push = Push::new();
    let mut tree = push.blob("boom");
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    for level in 0..10 {
        let mode = if level == 0 { "100644" } else { "40000" };
        let entries: Vec<_> = names.iter().map(|name| (mode, *name, tree)).collect();
        tree = push.tree(&entries);
    }
    let tip = push.commit(tree, &[]);
    assert_eq!(target.refused_code(&push.bytes(), tip), "tree-too-large");
    // Folders without any file.
    let mut push = Push::new();
    let mut tree = push.tree(&[]);
    for _ in 0..14 {
        tree = push.tree(&[("40000", "a", tree), ("40000", "b", tree)]);
    }
    let tip = push.commit(tree, &[]);
    assert_eq!(target.refused_code(&push.bytes(), tip), "tree-too-large");
    // Deep, and deeper than any stack would bear.
    for depth in [17, 5000] {
        let mut push = Push::new();
        let blob = push.blob("deep");
        let mut tree = push.tree(&[("100644", "x", blob)]);
        for _ in 0..depth {
            tree = push.tree(&[("40000", "d", tree)]);
        }
        let tip = push.commit(tree, &[]);
        assert_eq!(target.refused_code(&push.bytes(), tip), "tree-too-large", "{depth}");
    }
    // A long path.
    let mut push = Push::new();
    let blob = push.blob("long");
    let mut tree = push.tree(&[("100644", "x", blob)]);
    for _ in 0..3 {
        tree = push.tree(&[("40000", &"d".repeat(150), tree)]);
    }
    let tip = push.commit(tree, &[]);
    assert_eq!(target.refused_code(&push.bytes(), tip), "tree-too-large");
    // As deep as allowed.
    let mut push = Push::new();
    let blob = push.blob("deep");
    let mut tree = push.tree(&[("100644", "x", blob)]);
    for _ in 0..16 {
        tree = push.tree(&[("40000", "d", tree)]);
    }
    let tip = push.commit(tree, &[]);
    let quarantine = target.receive(&push.bytes()).expect("sound");
    assert!(target.check(&quarantine, &[tip])[0].is_ok());
}

#[test]
fn a_fault_is_found_for_every_ref_and_only_sound_refs_keep_their_objects() {
    let target = Target::new();
    let mut push = Push::new();
    let link = push.blob("/etc/passwd");
    let bad_tree = push.tree(&[("120000", "l", link)]);
    let bad = push.commit(bad_tree, &[]);
    let worse = push.commit(bad_tree, &[bad]);
    let file = push.blob("fine");
    let tree = push.tree(&[("100644", "f", file)]);
    let good = push.commit(tree, &[]);
    let quarantine = target.receive(&push.bytes()).expect("sound");
    let mut check = target.connectivity(&quarantine);
    assert!(matches!(check.check(&bad), Err(ConnectivityError::Refused(_))));
    assert!(check.check(&good).is_ok());
    assert!(matches!(check.check(&worse), Err(ConnectivityError::Refused(_))));
    let reached = check.reached(&[good]).expect("readable");
    assert!([good, tree, file].iter().all(|id| reached.contains(id)));
    assert!(![bad, worse, bad_tree, link].iter().any(|id| reached.contains(id)));
}

#[test]
fn long_histories_and_chains_of_tags_end() {
    let mut target = Target::new();
    let mut push = Push::new();
    let blob = push.blob("x");
    let tree = push.tree(&[("100644", "x", blob)]);
    let mut tip = push.commit(tree, &[]);
    for round in 0..3000 {
        tip = push.add(Kind::Commit, &craft::commit(&tree, &[tip], &format!("{round}")));
    }
    target.push(&push.bytes(), tip);
    let mut push = Push::new();
    let mut tag = push.tag(tip, "commit");
    for _ in 0..10 {
        tag = push.tag(tag, "tag");
    }
    assert_eq!(target.refused_code(&push.bytes(), tag), "tag-chain");
    target.fsck();
}
