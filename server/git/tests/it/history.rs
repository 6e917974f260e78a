//! Commits, tags and trees read as values, with stock git as the judge.

use skill_pool_domain::digest::Sha256;
use skill_pool_domain::tree::{self, Mode};
use skill_pool_git::history::{self, Contents, HistoryError, TreeBounds};
use skill_pool_git::objects::Kind;
use skill_pool_git::repo::{Repo, RepoOptions};

use crate::support::World;

const BOUNDS: TreeBounds = TreeBounds { files_max: 100, depth_max: 8, file_bytes_max: 1000, bytes_max: 10_000 };

fn repository(world: &World) -> (std::path::PathBuf, Repo) {
    let folder = world.work_tree("w");
    std::fs::create_dir_all(folder.join("skills/a")).expect("folders");
    std::fs::write(folder.join("skills/a/SKILL.md"), "text\n").expect("a file");
    std::fs::write(folder.join("large"), vec![b'x'; 2000]).expect("a file");
    std::os::unix::fs::symlink("SKILL.md", folder.join("skills/a/link")).expect("a link");
    world.git(&folder, &["add", "-A"]);
    world.git(&folder, &["update-index", "--chmod=+x", "large"]);
    world.git(&folder, &["commit", "-qm", "one"]);
    world.git(&folder, &["branch", "side"]);
    for n in 0..5 {
        world.git(&folder, &["commit", "-q", "--allow-empty", "-m", &format!("main {n}")]);
    }
    world.git(&folder, &["checkout", "-q", "side"]);
    world.git(&folder, &["commit", "-q", "--allow-empty", "-m", "side"]);
    world.git(&folder, &["tag", "-am", "t", "t1"]);
    world.git(&folder, &["tag", "-am", "t", "t2", "t1"]);
    let repo = Repo::open(&folder.join(".git"), &RepoOptions::default()).expect("a repository");
    (folder, repo)
}

#[test]
fn ancestry_is_what_git_says() {
    let world = World::new();
    let (folder, repo) = repository(&world);
    let names = ["main", "main~1", "main~4", "side", "side~1"];
    for ancestor in names {
        for descendant in names {
            let expected =
                world.command(&folder, &["merge-base", "--is-ancestor", ancestor, descendant]).status().expect("git");
            let (a, d) = (world.id(&folder, ancestor), world.id(&folder, descendant));
            let said = history::is_ancestor(&repo, &a, &d, 100).expect("reads");
            assert_eq!(said, expected.success(), "{ancestor} {descendant}");
        }
    }
    let (a, d) = (world.id(&folder, "side"), world.id(&folder, "main"));
    assert!(matches!(history::is_ancestor(&repo, &a, &d, 3), Err(HistoryError::OverLimit { what: "commits", .. })));
}

#[test]
fn trees_are_read_with_modes_links_and_bounds() {
    let world = World::new();
    let (folder, repo) = repository(&world);
    let (commit, kind) = history::peel(&repo, &world.id(&folder, "t2")).expect("peels");
    assert_eq!((commit, kind), (world.id(&folder, "side"), Kind::Commit));
    let root = history::root_tree_id(&repo, &commit).expect("a tree");
    let read = history::read_tree(&repo, &root, &BOUNDS, Contents::All).expect("reads");
    let seen: Vec<_> =
        read.files().iter().map(|f| (f.path_str().expect("text"), f.mode, f.size_bytes, f.content.is_some())).collect();
    let expected = [
        ("large", Mode::Executable, 2000, false),
        ("skills/a/SKILL.md", Mode::File, 5, true),
        ("skills/a/link", Mode::Link, 8, true),
    ];
    assert_eq!(seen, expected);
    let links = history::read_tree(&repo, &root, &BOUNDS, Contents::Links).expect("reads");
    assert!(links.get("skills/a/SKILL.md").expect("there").content.is_none());
    let tight = TreeBounds { files_max: 2, ..BOUNDS };
    let error = history::read_tree(&repo, &root, &tight, Contents::All).expect_err("three files");
    assert!(matches!(error, HistoryError::OverLimit { what: "files", value: 3, limit: 2, .. }));
    let flat = TreeBounds { depth_max: 1, ..BOUNDS };
    assert!(history::read_tree(&repo, &root, &flat, Contents::All).is_err());
}

#[test]
fn the_digest_is_the_same_from_records_and_from_contents() {
    let world = World::new();
    let (folder, repo) = repository(&world);
    let root = history::root_tree_id(&repo, &world.id(&folder, "side")).expect("a tree");
    let wide = TreeBounds { file_bytes_max: 5000, ..BOUNDS };
    let read = history::read_tree(&repo, &root, &wide, Contents::All).expect("reads");
    let mut buffer = Vec::new();
    let digest = |id: &gix_hash::oid| history::blob_digest(&repo, id, &mut buffer);
    let records = history::digest_records(&repo, &root, &wide, digest).expect("records");
    let from_records: Sha256 = tree::digest_records(records).expect("a digest");
    assert_eq!(from_records, tree::tree_digest(&read).expect("a digest"));
}
