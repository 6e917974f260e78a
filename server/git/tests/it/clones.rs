//! Stock git clones and fetches in every way it knows, and finds what it got sound and complete.

use std::path::{Path, PathBuf};

use skill_pool_git::upload::CacheOptions;

use crate::serve::{Served, Shared};
use crate::support::World;

/// A bare repository with two branches, a merge, light and annotated tags, a tag of a tag, nested folders and content
/// that makes deltas.
pub fn origin(world: &World) -> PathBuf {
    let work = world.work_tree("work");
    let text = |at: u64| {
        (0..120).map(|line| format!("line {line} {}\n", if line % 9 == at % 9 { at } else { 0 })).collect::<String>()
    };
    for at in 0..8 {
        world.commit(&work, 1_700_000_000 + at * 100, &[("a/b/long.txt", &text(at)), ("c.txt", &format!("{at}\n"))]);
    }
    world.git(&work, &["tag", "light", "HEAD~3"]);
    world.git(&work, &["tag", "-a", "-m", "x", "v1", "HEAD~2"]);
    world.git(&work, &["tag", "-a", "-m", "y", "v1-again", "v1"]);
    world.git(&work, &["checkout", "-q", "-b", "side", "HEAD~4"]);
    world.commit(&work, 1_700_000_950, &[("side.txt", "side\n"), ("a/b/more.txt", &text(99))]);
    world.git(&work, &["checkout", "-q", "main"]);
    world.git(&work, &["merge", "-q", "-m", "merge", "side"]);
    world.commit(&work, 1_700_002_000, &[("large.bin", &"0123456789".repeat(3_000))]);
    let bare = world.path("origin.git");
    world.git(&work, &["clone", "-q", "--bare", ".", &bare.display().to_string()]);
    world.git(&bare, &["repack", "-adfq", "--depth=20"]);
    bare
}

fn git_http(world: &World, folder: &Path, version: &str, arguments: &[&str]) -> String {
    let protocol = format!("protocol.version={version}");
    let mut all = vec!["-c", &protocol, "-c", "transfer.fsckObjects=true"];
    all.extend_from_slice(arguments);
    world.git(folder, &all)
}

#[test]
fn clones_of_every_kind_are_sound() {
    let world = World::new();
    let bare = origin(&world);
    let served = Served::new(Shared::new(&bare, &CacheOptions::default()));
    let all_refs = world.git(&bare, &["for-each-ref", "--format=%(objectname) %(refname)"]);
    for version in ["0", "1", "2"] {
        for (name, options, commits) in [
            ("whole", &["--bare"][..], Some("11")),
            ("mirror", &["--mirror"], Some("11")),
            ("depth", &["--depth=2", "--bare"], None),
            ("one", &["--depth=1", "--bare", "--no-single-branch"], None),
            ("branch", &["--single-branch", "--branch=side", "--bare"], None),
            ("since", &["--shallow-since=1700000450", "--bare"], None),
            ("exclude", &["--shallow-exclude=light", "--bare"], None),
            ("blobless", &["--filter=blob:none", "--bare"], Some("11")),
            ("treeless", &["--filter=tree:0", "--bare"], Some("11")),
            ("small", &["--filter=blob:limit=1k", "--bare"], Some("11")),
            ("combined", &["--filter=combine:blob:limit=1k+tree:2", "--bare"], Some("11")),
        ] {
            let target = format!("{name}-{version}.git");
            let mut arguments = vec!["clone", "-q"];
            arguments.extend_from_slice(options);
            arguments.extend_from_slice(&[&served.url, &target]);
            git_http(&world, &world.path(""), version, &arguments);
            let folder = world.path(&target);
            world.git(&folder, &["fsck", "--full", "--strict"]);
            if let Some(commits) = commits {
                assert_eq!(world.git(&folder, &["rev-list", "--count", "main"]), commits, "{target}");
            }
            if name == "mirror" {
                assert_eq!(world.git(&folder, &["for-each-ref", "--format=%(objectname) %(refname)"]), all_refs);
            }
        }
    }
}

/// What stock git's own server would have sent is what we send: the same commits, the same cuts, the same objects.
#[test]
fn cuts_and_filters_are_those_of_stock_git() {
    let world = World::new();
    let bare = origin(&world);
    world.git(&bare, &["config", "uploadpack.allowFilter", "true"]);
    let served = Served::new(Shared::new(&bare, &CacheOptions::default()));
    let local = format!("file://{}", bare.display());
    let cases: &[(&str, &[&str])] = &[
        ("d1", &["--depth=1"]),
        ("d3", &["--depth=3", "--no-single-branch"]),
        ("d99", &["--depth=99"]),
        ("s", &["--shallow-since=1700000250", "--no-single-branch"]),
        ("x", &["--shallow-exclude=v1"]),
        ("t0", &["--filter=tree:0"]),
        ("t1", &["--filter=tree:1"]),
        ("t2", &["--filter=tree:2"]),
        ("bl", &["--filter=blob:limit=30000"]),
        ("bm", &["--filter=blob:limit=30001"]),
        ("ot", &["--filter=object:type=tree"]),
        ("oc", &["--filter=object:type=commit"]),
    ];
    for (name, options) in cases {
        let mut got = Vec::new();
        for (side, url) in [("stock", &local), ("ours", &served.url)] {
            let target = format!("{name}-{side}.git");
            let mut arguments = vec!["clone", "-q", "--bare"];
            arguments.extend_from_slice(options);
            arguments.extend_from_slice(&[url, &target]);
            git_http(&world, &world.path(""), "2", &arguments);
            let folder = world.path(&target);
            let shallow = std::fs::read_to_string(folder.join("shallow")).unwrap_or_default();
            let mut objects = world.all_objects(&folder);
            objects.sort();
            got.push((shallow, objects));
        }
        let [stock, ours] = got.try_into().expect("two sides");
        assert_eq!(ours.0, stock.0, "{name}");
        let lacking: Vec<_> = stock.1.iter().filter(|object| !ours.1.contains(object)).collect();
        let beyond: Vec<_> = ours.1.iter().filter(|object| !stock.1.contains(object)).collect();
        assert!(lacking.is_empty() && beyond.is_empty(), "{name}: lacking {lacking:?}, beyond {beyond:?}");
    }
}

#[test]
fn a_clone_is_deepened_and_completed_as_by_stock_git() {
    let world = World::new();
    let bare = origin(&world);
    let served = Served::new(Shared::new(&bare, &CacheOptions::default()));
    let local = format!("file://{}", bare.display());
    for version in ["0", "2"] {
        let sides = [("stock", &local), ("ours", &served.url)].map(|(side, url)| {
            let target = format!("deepened-{side}-{version}");
            git_http(&world, &world.path(""), version, &["clone", "-q", "--depth=1", url, &target]);
            world.path(&target)
        });
        let steps = [
            "--deepen=1",
            "--deepen=1",
            "--depth=3",
            "--shallow-since=1700000450",
            "--depth=2",
            "--deepen=2",
            "--unshallow",
        ];
        for step in steps {
            let [stock, ours] = sides.each_ref().map(|folder| {
                git_http(&world, folder, version, &["fetch", "-q", step]);
                world.git(folder, &["fsck", "--full"]);
                let shallow = std::fs::read_to_string(folder.join(".git/shallow")).unwrap_or_default();
                (world.git(folder, &["rev-list", "--all"]), shallow)
            });
            assert_eq!(ours, stock, "version {version}, {step}");
        }
        assert_eq!(world.git(&sides[1], &["rev-list", "--count", "HEAD"]), "11");
    }
}

#[test]
fn fetches_bring_what_is_new_and_no_more() {
    let world = World::new();
    let bare = origin(&world);
    let served = Served::new(Shared::new(&bare, &CacheOptions::default()));
    let work = world.path("work");
    for version in ["0", "1", "2"] {
        git_http(&world, &world.path(""), version, &["clone", "-q", &served.url, &format!("c{version}")]);
    }
    let push = |refs: &[&str]| {
        let mut all = vec!["push", "-q", "--force", "../origin.git"];
        all.extend_from_slice(refs);
        world.git(&work, &all);
    };
    for round in 0..4u64 {
        let text = format!("round {round}\n");
        world.commit(&work, 1_700_003_000 + round * 10, &[("c.txt", &text), (&format!("n{round}/x"), &text)]);
        world.git(&work, &["tag", "-a", "-m", "t", &format!("t{round}")]);
        push(&["main", &format!("refs/tags/t{round}"), &format!("main:refs/heads/b{round}")]);
        for version in ["0", "1", "2"] {
            let folder = world.path(&format!("c{version}"));
            let before = world.all_objects(&folder).len();
            git_http(&world, &folder, version, &["fetch", "-q"]);
            // A commit, its root, a file changed and one added in a new folder: one blob, two trees; and the tag.
            assert_eq!(world.all_objects(&folder).len() - before, 5, "round {round}, version {version}");
            world.git(&folder, &["fsck", "--full"]);
            assert_eq!(world.git(&folder, &["rev-parse", "origin/main"]), world.git(&work, &["rev-parse", "main"]));
        }
    }
    // A branch that moved back and took another way.
    world.git(&work, &["reset", "-q", "--hard", "HEAD~3"]);
    world.commit(&work, 1_700_004_000, &[("other", "way\n")]);
    push(&["main"]);
    world.git(&bare, &["repack", "-adq"]);
    for version in ["0", "1", "2"] {
        let folder = world.path(&format!("c{version}"));
        git_http(&world, &folder, version, &["fetch", "-q"]);
        world.git(&folder, &["fsck", "--full"]);
        assert_eq!(world.git(&folder, &["rev-parse", "origin/main"]), world.git(&work, &["rev-parse", "main"]));
    }
}

#[test]
fn a_partial_clone_fetches_what_it_lacks_when_it_is_needed() {
    let world = World::new();
    let bare = origin(&world);
    let served = Served::new(Shared::new(&bare, &CacheOptions::default()));
    for (name, filter) in [("b", "--filter=blob:none"), ("t", "--filter=tree:0")] {
        world.git(&world.path(""), &["clone", "-q", filter, &served.url, name]);
        let folder = world.path(name);
        assert_eq!(world.git(&folder, &["status", "--porcelain"]), "");
        // All of the history, object by object.
        world.git(&folder, &["log", "-p", "--all"]);
        assert_eq!(world.git(&folder, &["show", "main~7:c.txt"]), "2");
        world.git(&folder, &["fsck", "--full"]);
    }
}

#[test]
fn what_is_wanted_by_id_or_by_name_is_served_if_it_is_reachable() {
    let world = World::new();
    let bare = origin(&world);
    let served = Served::new(Shared::new(&bare, &CacheOptions::default()));
    let id = world.id(&bare, "main~4").to_string();
    for version in ["0", "1", "2"] {
        let folder = world.path(&format!("i{version}"));
        world.git(&world.path(""), &["init", "-q", &format!("i{version}")]);
        git_http(&world, &folder, version, &["fetch", "-q", "--depth=1", &served.url, &id]);
        assert_eq!(world.git(&folder, &["rev-parse", "FETCH_HEAD"]), id);
        git_http(&world, &folder, version, &["fetch", "-q", &served.url, "refs/tags/v1-again:refs/tags/x"]);
        world.git(&folder, &["fsck", "--full"]);
    }
}

/// libgit2 speaks version 0, wants every ref, never says `done` in the first request of a shallow clone, and reads
/// packets narrowly.
#[test]
fn libgit2_clones_whole_and_shallow() {
    let world = World::new();
    let bare = origin(&world);
    let served = Served::new(Shared::new(&bare, &CacheOptions::default()));
    for (name, depth, commits) in [("whole", 0, "11"), ("shallow", 1, "1"), ("deeper", 3, "6")] {
        let mut options = git2::FetchOptions::new();
        options.depth(depth);
        let folder = world.path(name);
        let mut builder = git2::build::RepoBuilder::new();
        builder.fetch_options(options).bare(true).clone(&served.url, &folder).expect("clones");
        world.git(&folder, &["fsck", "--full"]);
        assert_eq!(world.git(&folder, &["rev-list", "--count", "main"]), commits, "{name}");
    }
}

#[test]
fn an_empty_repository_and_an_unborn_head_are_cloned() {
    let world = World::new();
    let bare = world.path("empty.git");
    skill_pool_git::repo::Repo::init(&bare).expect("init");
    let served = Served::new(Shared::new(&bare, &CacheOptions::default()));
    for version in ["0", "1", "2"] {
        let name = format!("e{version}");
        git_http(&world, &world.path(""), version, &["-c", "init.defaultBranch=x", "clone", "-q", &served.url, &name]);
        let head = world.git(&world.path(&name), &["symbolic-ref", "HEAD"]);
        assert_eq!(head, if version == "2" { "refs/heads/main" } else { "refs/heads/x" });
    }
}

#[test]
fn hundreds_of_refs_and_packs_are_served_at_once() {
    let world = World::new();
    let bare = origin(&world);
    world.git(&bare, &["config", "gc.auto", "0"]);
    let work = world.path("work");
    for at in 0..120u64 {
        world.commit(&work, 1_700_010_000 + at, &[("c.txt", &format!("many {at}\n"))]);
        world.git(
            &work,
            &["-c", "push.default=nothing", "push", "-q", "../origin.git", &format!("HEAD:refs/heads/m{at:03}")],
        );
        // Each push leaves a pack of its own, as the registry's do.
        world.git(&bare, &["repack", "-dq"]);
    }
    let served = Served::new(Shared::new(&bare, &CacheOptions::default()));
    for version in ["0", "2"] {
        let target = format!("many-{version}.git");
        git_http(&world, &world.path(""), version, &["clone", "-q", "--mirror", &served.url, &target]);
        world.git(&world.path(&target), &["fsck", "--full"]);
        assert_eq!(
            world.git(&world.path(&target), &["for-each-ref", "--format=%(objectname)%(refname)"]),
            world.git(&bare, &["for-each-ref", "--format=%(objectname)%(refname)"])
        );
    }
    assert!(served.shared.repos.get(&bare).expect("opens").snapshot().packs.len() > 100);
}
