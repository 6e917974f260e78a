use skill_pool_domain::journal::Kind;
use skill_pool_domain::names::{RepositoryName, Version};

use super::*;
use crate::services::world::{NOW, Running, acme, plugin};

fn rebuilt(running: Running) -> (Running, Rebuilt) {
    let (folder, data) = running.close();
    let report = rebuild(&data, NOW).expect("rebuilds");
    (Running::open(&folder, data.root()), report)
}

fn registry_with_history() -> Running {
    let running = Running::new();
    running.publish("lint", "1.0.0");
    running.publish("lint", "1.1.0");
    running.publish("audit", "0.1.0");
    running.yank("lint", "1.1.0", Some("leaks a key: see the incident of 2026-11-02"));
    running.yank("audit", "0.1.0", Some("too early"));
    running.yank("audit", "0.1.0", None);
    running
}

#[test]
fn the_database_comes_back_from_repositories_and_log() {
    let running = registry_with_history();
    running.write_refs();
    running.write_log();
    let told = running.told();
    let (running, report) = rebuilt(running);
    assert_eq!(running.told(), told);
    let one = &report.tenants[0];
    assert_eq!((one.leaves_remade, one.leaves_read as usize), (0, running.leaves().len()));
    assert_eq!((one.repositories, one.releases), (3, 3));
    assert_eq!(one.notes, Vec::<String>::new());
    assert!(report.previous.is_some_and(|path| path.exists()));
    // What comes afterwards follows upon it.
    running.publish("lint", "1.2.0");
    running.yank("lint", "1.1.0", None);
    running.write_log();
    running.fold();
    let (running, report) = rebuilt(running);
    assert!(report.tenants[0].leaves_remade == 0);
    running.fold();
}

#[test]
fn what_had_not_reached_the_log_is_made_again_and_says_so() {
    let running = registry_with_history();
    running.write_log();
    let logged = running.leaves().len();
    running.publish("lint", "1.2.0");
    running.publish("lint", "1.3.0");
    running.publish("fresh", "0.1.0");
    running.yank("lint", "1.2.0", Some("broken"));
    running.write_refs();
    let (running, report) = rebuilt(running);
    let one = &report.tenants[0];
    assert_eq!(one.leaves_read as usize, logged);
    let remade = &running.leaves()[logged..];
    assert_eq!(remade.len() as u64, one.leaves_remade);
    let is_marked = |leaf: &skill_pool_domain::journal::Leaf| {
        leaf.kind == Kind::Yank || leaf.ext.as_ref().and_then(|ext| ext.as_reason()) == Some("rebuilt")
    };
    assert!(remade.iter().all(is_marked), "{remade:#?}");
    assert!(!one.notes.is_empty());
    running.fold();
    let tenant = running.tenant();
    for (name, version, yanked) in [("lint", "1.2.0", true), ("lint", "1.3.0", false), ("fresh", "0.1.0", false)] {
        let RepositoryName::Plugin(plugin) = plugin(name) else { panic!("a plugin") };
        let version = Version::parse(version).expect("a version");
        let release = running.store().release(tenant, &plugin, &version).expect("reads").expect("is back");
        assert_eq!(release.yanked.is_some(), yanked, "{name} {version}");
        assert_eq!(release.summary["name"], name);
    }
    // The log has them too, and is whole.
    running.write_log();
    let told = running.told();
    let (running, report) = rebuilt(running);
    assert_eq!((report.tenants[0].leaves_remade, running.told()), (0, told));
}

#[test]
fn an_old_copy_on_disk_does_not_outweigh_the_log() {
    let running = registry_with_history();
    running.write_refs();
    running.publish("lint", "1.2.0");
    running.write_log();
    let told = running.told();
    let packed = running.data.repository(&acme(), &plugin("audit")).join("packed-refs");
    std::fs::write(packed, b"").expect("emptied");
    let (running, report) = rebuilt(running);
    assert_eq!((report.tenants[0].leaves_remade, running.told()), (0, told));
}

#[test]
fn a_log_that_is_lost_or_cut_is_told() {
    let running = registry_with_history();
    running.write_refs();
    running.write_log();
    let tenant = running.tenant();
    let before = running.fold();
    std::fs::remove_dir_all(running.data.repository(&acme(), &RepositoryName::Log)).expect("lost");
    let (running, report) = rebuilt(running);
    let one = &report.tenants[0];
    assert_eq!((one.tenant, one.leaves_read), (tenant, 0));
    assert!(one.notes.iter().any(|note| note.contains("log.git is missing")));
    let after = running.fold();
    for (name, releases) in [("lint", 2), ("audit", 1)] {
        let (_, old) = before.by_name(&plugin(name)).expect("was there");
        let (_, new) = after.by_name(&plugin(name)).expect("is there");
        assert_eq!(new.releases.len(), releases);
        let values = |state: &skill_pool_domain::journal::RepositoryState| -> Vec<_> {
            state.refs.iter().map(|(name, state)| (name.clone(), state.value)).collect()
        };
        assert_eq!(values(old), values(new));
    }
    assert_eq!(running.store().members_by_id(tenant, None, 9).expect("reads").len(), 1);
}

#[test]
fn a_rebuild_that_fails_leaves_the_old_database() {
    let running = registry_with_history();
    running.write_refs();
    let told = running.told();
    let (folder, data) = running.close();
    // Neither log nor registry.git: there is nothing to say whose this is.
    let registry = data.repository(&acme(), &RepositoryName::Registry);
    std::fs::rename(&registry, data.root().join("away")).expect("moved");
    let error = rebuild(&data, NOW).expect_err("cannot").to_string();
    assert!(error.contains("registry.git of acme"), "{error}");
    std::fs::rename(data.root().join("away"), &registry).expect("moved back");
    assert_eq!(Running::open(&folder, data.root()).told(), told);
}
