use std::path::PathBuf;

use skill_pool_domain::names::RepositoryName;

use super::*;
use crate::services::world::{Running, acme, plugin};

fn registry() -> Running {
    let running = Running::new();
    running.publish("lint", "1.0.0");
    running.publish("lint", "1.1.0");
    running.yank("lint", "1.0.0", Some("old"));
    running.write_refs();
    running.write_log();
    running
}

fn codes(running: &Running) -> Vec<&'static str> {
    let repositories = Arc::new(RepoCache::new(Default::default(), 16));
    let report = fsck(running.store(), &running.data, &repositories).expect("reads");
    for finding in &report.findings {
        assert!(!finding.remedy.is_empty() && !finding.message.ends_with('.'), "{finding}");
    }
    let mut codes: Vec<&'static str> = report.findings.iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

#[test]
fn a_sound_registry_is_found_sound() {
    let running = registry();
    let repositories = Arc::new(RepoCache::new(Default::default(), 16));
    let report = fsck(running.store(), &running.data, &repositories).expect("reads");
    assert_eq!(report.findings, []);
    assert_eq!((report.tenants, report.repositories, report.leaves as usize), (1, 3, running.leaves().len()));
    assert!(report.objects > 10 && report.is_clean());
}

/// Copies the folder aside, breaks something, looks, and puts it back.
fn broken(running: &Running, name: &RepositoryName, break_it: impl FnOnce(&std::path::Path)) -> Vec<&'static str> {
    let folder = running.data.repository(&acme(), name);
    let aside = running.folder.path().join("aside");
    copy(&folder, &aside);
    break_it(&folder);
    let found = codes(running);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("removed");
    }
    std::fs::rename(aside, folder).expect("put back");
    found
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { drop(std::fs::copy(entry.path(), target)) }
    }
}

fn packs(folder: &std::path::Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("objects/pack")).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == ending));
    paths.sort();
    paths
}

#[test]
fn every_damage_is_named() {
    let running = registry();
    let lint = plugin("lint");
    let loss = broken(&running, &lint, |folder| std::fs::remove_dir_all(folder).expect("removed"));
    assert_eq!(loss, ["repository-missing"]);
    let loss = broken(&running, &lint, |folder| {
        for path in packs(folder, "idx") {
            std::fs::remove_file(path).expect("removed");
        }
    });
    assert_eq!(loss, ["object-missing", "release-changed"]);
    let damage = broken(&running, &lint, |folder| {
        // Bytes in the middle of every pack.
        for path in packs(folder, "pack") {
            let mut bytes = std::fs::read(&path).expect("reads");
            let middle = bytes.len() / 2;
            bytes[middle..middle + 8].iter_mut().for_each(|byte| *byte ^= 0x55);
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, bytes).expect("writes");
        }
    });
    assert!(damage.contains(&"object-missing"), "{damage:?}");
    let lag = broken(&running, &lint, |folder| std::fs::write(folder.join("packed-refs"), "").expect("writes"));
    assert_eq!(lag, ["refs-deviate"]);
    let planted = broken(&running, &lint, |folder| {
        let commit = running.store().refs(running.tenant(), &lint).expect("reads").expect("there").snapshot.head_id();
        std::fs::write(folder.join("refs/heads/evil"), format!("{}\n", commit.expect("main"))).expect("writes");
    });
    assert_eq!(planted, ["refs-unexplained"]);
    let lost = broken(&running, &RepositoryName::Log, |folder| std::fs::remove_dir_all(folder).expect("removed"));
    assert_eq!(lost, ["log-missing"]);
    let cut = broken(&running, &RepositoryName::Log, |folder| {
        for path in packs(folder, "idx") {
            std::fs::remove_file(path).expect("removed");
        }
    });
    assert_eq!(cut, ["log-damaged"]);
    assert_eq!(codes(&running), Vec::<&str>::new(), "all is as it was");
}

#[test]
fn what_no_leaf_explains_is_named() {
    let running = registry();
    let plugins = running.data.tenant(&acme()).join("plugins");
    copy(&plugins.join("lint.git"), &plugins.join("ghost.git"));
    assert_eq!(codes(&running), ["repository-unexplained"]);
    std::fs::remove_dir_all(plugins.join("ghost.git")).expect("removed");
    skill_pool_git::repo::Repo::init(&plugins.join("begun.git")).expect("a repository");
    assert_eq!(codes(&running), ["folder-unused"]);
    std::fs::remove_dir_all(plugins.join("begun.git")).expect("removed");
    std::fs::create_dir(running.data.tenants().join("stranger")).expect("a folder");
    assert_eq!(codes(&running), ["tenant-unexplained"]);
}

#[test]
fn a_database_that_was_changed_by_hand_is_named() {
    use crate::store::tests::tamper;
    type Tamper = fn(&crate::store::Store);
    let rows: [(Tamper, &[&str]); 7] = [
        (tamper::move_a_ref, &["table-unexplained", "refs-deviate"]),
        (tamper::add_a_ref, &["table-unexplained", "refs-deviate"]),
        // A leaf that is sound by itself: only what was written down elsewhere tells.
        (tamper::change_an_actor, &["log-deviates"]),
        (tamper::change_a_value, &["journal-broken", "log-deviates"]),
        (tamper::drop_a_leaf, &["journal-broken", "log-deviates"]),
        (tamper::change_evidence, &["evidence-changed"]),
        (tamper::unyank, &["table-unexplained"]),
    ];
    for (change, expected) in rows {
        let running = registry();
        let (folder, data) = running.close();
        // Opened anew after the change, as a server is.
        let running = Running::open(&folder, data.root());
        change(running.store());
        let found = codes(&running);
        assert_eq!(found, expected);
    }
}
