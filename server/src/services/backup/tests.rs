use std::sync::atomic::{AtomicBool, Ordering};

use skill_pool_domain::journal::Kind;

use super::*;
use crate::services::fsck::fsck;
use crate::services::world::{NOW, Running};

fn clean(running: &Running) {
    let repositories = Arc::new(RepoCache::new(RepoOptions::default(), 16));
    let report = fsck(running.store(), &running.data, &repositories).expect("reads");
    assert_eq!(report.findings, []);
}

#[test]
fn a_backup_comes_back_whole_in_a_new_epoch() {
    let running = Running::new();
    running.publish("lint", "1.0.0");
    let to = running.folder.path().join("backup");
    let copied = backup(running.store(), &running.data, &to, NOW).expect("copies");
    assert_eq!((copied.tenants, copied.repositories), (1, 2));
    running.publish("lint", "1.1.0");
    let told = running.told();
    let data = DataFolder::new(running.folder.path().join("restored"));
    restore(&to, &data, NOW).expect("restores");
    let restored = Running::open(&running.folder, data.root());
    clean(&restored);
    let leaves = restored.leaves();
    let epoch = leaves.last().expect("leaves");
    assert_eq!((epoch.kind, epoch.ext.as_ref().and_then(|ext| ext.as_reason())), (Kind::Epoch, Some("restored")));
    assert_eq!(restored.fold().restored, 1);
    for (old, new) in running.leaves().iter().zip(&leaves[..leaves.len() - 1]) {
        assert_eq!(old, new);
    }
    // Keys come with it, so that tokens and signatures stay good.
    assert_eq!(std::fs::read(data.keys().join("secret")).ok(), std::fs::read(running.data.keys().join("secret")).ok());
    restored.publish("lint", "1.1.0");
    restored.write_refs();
    restored.write_log();
    clean(&restored);
    assert_eq!(running.told(), told, "the registry in use is untouched");
}

#[test]
fn a_backup_is_of_one_moment_while_others_push() {
    let running = Running::new();
    running.publish("lint", "1.0.0");
    let done = AtomicBool::new(false);
    let pushed = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (running, done, pushed) = (&running, &done, &pushed);
        scope.spawn(move || {
            for n in 0..200 {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                running.publish(if n % 2 == 0 { "lint" } else { "audit" }, &format!("2.{n}.0"));
                pushed.fetch_add(1, Ordering::SeqCst);
            }
        });
        for round in 0..3 {
            let seen = pushed.load(Ordering::SeqCst);
            while pushed.load(Ordering::SeqCst) <= seen {
                std::thread::yield_now();
            }
            let to = running.folder.path().join(format!("backup-{round}"));
            backup(running.store(), &running.data, &to, NOW).expect("copies");
        }
        done.store(true, Ordering::SeqCst);
    });
    for round in 0..3 {
        let copy = running.folder.path().join(format!("backup-{round}"));
        let opened = Running::open(&running.folder, &copy);
        clean(&opened);
        let all = running.leaves();
        assert_eq!(opened.leaves()[..], all[..opened.leaves().len()]);
    }
}

#[test]
fn nothing_is_overwritten() {
    let running = Running::new();
    let to = running.folder.path().join("backup");
    assert!(matches!(restore(&to, &running.data, NOW), Err(BackupError::NoBackup { .. })));
    backup(running.store(), &running.data, &to, NOW).expect("copies");
    assert!(matches!(backup(running.store(), &running.data, &to, NOW), Err(BackupError::NotEmpty { .. })));
    assert!(matches!(restore(&to, &running.data, NOW), Err(BackupError::NotEmpty { .. })));
    // A folder that only this process has locked counts as empty; one that a backup was cut off in is begun anew.
    let fresh = DataFolder::new(running.folder.path().join("fresh"));
    std::fs::create_dir_all(fresh.root()).expect("a folder");
    std::fs::write(fresh.root().join("skill-pool.lock"), "").expect("a lock");
    restore(&to, &fresh, NOW).expect("restores");
    let partial = running.folder.path().join("next.partial");
    std::fs::create_dir_all(partial.join("rubbish")).expect("a folder");
    backup(running.store(), &running.data, &running.folder.path().join("next"), NOW).expect("copies");
    assert!(!partial.exists());
}

#[test]
fn a_backup_of_a_newer_version_is_refused_in_words() {
    let running = Running::new();
    let to = running.folder.path().join("backup");
    backup(running.store(), &running.data, &to, NOW).expect("copies");
    crate::store::tests::tamper::make_newer(&DataFolder::new(&to).database());
    let data = DataFolder::new(running.folder.path().join("restored"));
    let error = restore(&to, &data, NOW).expect_err("too new");
    assert!(matches!(error, BackupError::Store(StoreError::Newer { .. })), "{error}");
    assert!(!data.database().exists());
}
