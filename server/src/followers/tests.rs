//! Followers over a real store and real folders; stock git is the judge of what they write.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use skill_pool_domain::digest::Sha256;
use skill_pool_domain::names::{LeafIndex, RepositoryName, TenantName};
use skill_pool_git::repo::{Repo, RepoCache, RepoOptions};
use tokio::sync::watch;

use super::log_tree::{LogReader, read_commit};
use super::{
    DiskRefs, Follower, FollowerError, Followers, LogGit, Progress, catch_up, log_git::log_repository, read_disk_refs,
};
use crate::store::commit::{CertificateRecord, DigestedText, GateRecord};
use crate::store::tests::world::{World, main, plugin, tenant, update};
use crate::store::{DataFolder, EvidenceKind, OutboxEntry, StoreOptions, TenantKey};

fn world() -> World {
    World::new(StoreOptions::default())
}

fn data(world: &World) -> DataFolder {
    DataFolder::new(world.folder.path())
}

fn folder(world: &World, name: &RepositoryName) -> PathBuf {
    data(world).repository(&TenantName::parse("acme").expect("a name"), name)
}

fn log_git(world: &World) -> LogGit {
    let repositories = Arc::new(RepoCache::new(RepoOptions::default(), 16));
    LogGit::new(world.store.clone(), data(world), repositories)
}

fn disk_refs(world: &World) -> DiskRefs {
    DiskRefs::new(world.store.clone(), data(world))
}

/// Runs stock git without any configuration but its own.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {error}");
    assert!(error.is_empty(), "git {arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn refs_come_to_the_disk_and_are_put_back_at_start() {
    let world = world();
    let lint = folder(&world, &plugin("lint"));
    Repo::init(&lint).expect("a repository");
    Repo::init(&folder(&world, &RepositoryName::Registry)).expect("a repository");
    world.commit(world.push("lint", vec![main(0, 1), update("refs/heads/dev", 0, 2)])).expect("commits");
    let seen = || read_disk_refs(&lint).expect("reads");
    let explained =
        || Some(world.store.refs(tenant(), &plugin("lint")).expect("reads").expect("there").snapshot.refs.clone());
    catch_up(&world.store, &mut disk_refs(&world)).expect("writes");
    assert_eq!(seen(), explained());
    let before = world.store.newest_position();
    world.commit(world.push("lint", vec![main(1, 3), update("refs/heads/dev", 2, 0)])).expect("commits");
    let entries = world.store.outbox_since(before, 10).expect("reads");
    let mut follower = disk_refs(&world);
    for _ in 0..2 {
        follower.keep_up(&entries).expect("writes, and once more");
        assert_eq!(seen(), explained());
    }
    for (file, content) in [("packed-refs", &b""[..]), ("HEAD", b""), ("refs/heads/evil", b"9")] {
        std::fs::write(lint.join(file), content).expect("written by somebody");
        catch_up(&world.store, &mut disk_refs(&world)).expect("writes");
        assert_eq!(seen(), explained());
        assert_eq!(std::fs::read(lint.join("HEAD")).expect("there"), b"ref: refs/heads/main\n");
    }
    std::fs::remove_file(lint.join("packed-refs")).expect("removed by somebody");
    catch_up(&world.store, &mut disk_refs(&world)).expect("writes");
    assert_eq!(seen(), explained());
}

fn signed_release(world: &World, old: u8, new: u8, version: &str) {
    let text = |text: String| DigestedText { digest: Sha256::of(text.as_bytes()), text: text.into() };
    let mut push = world.release("lint", old, new, version);
    push.certificate = Some(CertificateRecord {
        digest: Sha256([new; 32]),
        bytes: format!("certificate of {version}").into_bytes().into(),
        signer: "ssh:SHA256:uJ1rW0e5iVZ5c4nJ9V0S3k1mEw8n2N3tY7a6cQ0bXyE".to_owned(),
    });
    let report = text(format!("skill-pool/gate/v1\n{version}\n"));
    push.updates[0].gate = Some(GateRecord { outcome: "pass", report });
    push.updates[0].capabilities = Some(text(format!("skill-pool/caps/v1\n{version}\n")));
    world.commit(push).expect("commits");
}

/// Texts of all leaves in `log.git`, as stock git reads them.
fn logged(log: &Path) -> Vec<String> {
    let names = git(log, &["ls-tree", "-r", "--name-only", "main"]);
    let leaves = names.lines().filter(|name| name.ends_with(".leaf"));
    leaves.map(|name| git(log, &["show", &format!("main:{name}")])).collect()
}

fn journal(world: &World) -> Vec<String> {
    world.store.leaves(tenant(), LeafIndex(0), 1000).expect("reads").into_iter().map(|leaf| leaf.text).collect()
}

#[test]
fn log_git_holds_every_leaf_and_what_it_names() {
    let world = world();
    signed_release(&world, 0, 1, "1.0.0");
    let mut follower = log_git(&world);
    catch_up(&world.store, &mut follower).expect("writes");
    let log = folder(&world, &RepositoryName::Log);
    assert_eq!(logged(&log), journal(&world));
    let first = git(&log, &["rev-parse", "main"]);
    // More than a folder of sixteen, one commit for each pass.
    for n in 2..30 {
        let before = world.store.newest_position();
        signed_release(&world, n - 1, n, &format!("1.0.{n}"));
        follower.keep_up(&world.store.outbox_since(before, 10).expect("reads")).expect("writes");
    }
    assert_eq!(logged(&log), journal(&world));
    assert_eq!(git(&log, &["rev-list", "--count", "main"]).trim(), "29");
    assert!(git(&log, &["rev-list", "main"]).contains(first.trim()), "nothing was rewritten");
    assert_eq!(git(&log, &["show", "main:leaves/0000/00/0/4.certificate"]), "certificate of 1.0.0");
    assert_eq!(git(&log, &["show", "main:leaves/0000/00/0/5.gate"]), "skill-pool/gate/v1\n1.0.0\n");
    assert_eq!(git(&log, &["show", "main:leaves/0000/00/0/4.capabilities"]), "skill-pool/caps/v1\n1.0.0\n");
    git(&log, &["fsck", "--full", "--strict"]);
    let clone = world.folder.path().join("clone");
    git(world.folder.path(), &["clone", "--quiet", log.to_str().expect("a path"), clone.to_str().expect("a path")]);
    // A second look finds nothing to do.
    let tip = git(&log, &["rev-parse", "main"]);
    catch_up(&world.store, &mut log_git(&world)).expect("looks");
    assert_eq!(git(&log, &["rev-parse", "main"]), tip);
    let refs = world.store.refs(tenant(), &RepositoryName::Log).expect("reads").expect("there");
    assert_eq!(refs.snapshot.head_id().map(|id| id.to_string()).as_deref(), Some(tip.trim()));
    assert_eq!(refs.repository, log_repository(tenant()));
    let repo = Repo::open(&log, &RepoOptions::default()).expect("opens");
    let commit = read_commit(&repo, refs.snapshot.head_id().expect("main")).expect("a commit");
    let mut reader = LogReader::new(&repo, commit);
    let mut texts = Vec::new();
    while let Some(leaf) = reader.next_leaf().expect("reads") {
        assert_eq!(leaf.index.0 as usize, texts.len());
        if leaf.index.0 == 4 {
            let kinds: Vec<EvidenceKind> = leaf.evidence.iter().map(|(kind, _)| *kind).collect();
            assert_eq!(kinds, [EvidenceKind::Certificate, EvidenceKind::Gate, EvidenceKind::Capabilities]);
        }
        texts.push(String::from_utf8(leaf.text).expect("text"));
    }
    assert_eq!(texts, journal(&world));
}

#[test]
fn a_damaged_log_git_is_made_again_at_start() {
    let world = world();
    for n in 1..4 {
        let before = world.store.newest_position();
        signed_release(&world, n - 1, n, &format!("1.0.{n}"));
        let mut follower = log_git(&world);
        if n == 1 {
            catch_up(&world.store, &mut follower).expect("writes");
        }
        follower.keep_up(&world.store.outbox_since(before, 10).expect("reads")).expect("writes");
    }
    let log = folder(&world, &RepositoryName::Log);
    let packs = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(log.join("objects/pack")).expect("there");
        entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|e| e == "idx"))
            .collect()
    };
    let breakers: [&dyn Fn(); 5] = [
        &|| std::fs::remove_file(&packs()[0]).expect("a pack gone"),
        &|| std::fs::write(log.join("packed-refs"), b"").expect("emptied"),
        &|| std::fs::remove_dir_all(&log).expect("all gone"),
        &|| std::fs::remove_dir_all(log.join("objects")).expect("objects gone"),
        &|| std::fs::write(&packs()[0], b"").expect("an index emptied"),
    ];
    for broken in breakers {
        broken();
        catch_up(&world.store, &mut log_git(&world)).expect("mends");
        assert_eq!(logged(&log), journal(&world));
        git(&log, &["fsck", "--full", "--connectivity-only"]);
    }
}

/// Fails as often as told, then counts.
struct Stubborn {
    failures: AtomicUsize,
    seen: watch::Sender<usize>,
}

impl Follower for Stubborn {
    fn name(&self) -> &'static str {
        "stubborn"
    }
    fn gathering(&self) -> Duration {
        Duration::ZERO
    }
    fn keep_up(&mut self, entries: &[OutboxEntry]) -> Result<(), FollowerError> {
        if self.failures.load(Ordering::SeqCst) > 0 {
            self.failures.fetch_sub(1, Ordering::SeqCst);
            return Err(FollowerError::at("do the work", "a test")("not yet"));
        }
        self.seen.send_modify(|seen| *seen += entries.len());
        Ok(())
    }
    fn check(&mut self) -> Result<Progress, FollowerError> {
        Ok(Progress::Done)
    }
}

fn run<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    runtime.expect("a runtime").block_on(task)
}

#[test]
fn a_follower_that_fails_is_called_again_with_the_same() {
    let world = world();
    run(fails_twice(&world));
}

async fn fails_twice(world: &World) {
    let (seen, mut count) = watch::channel(0);
    let follower = Stubborn { failures: AtomicUsize::new(2), seen };
    let followers = Followers::start(&world.store, vec![Box::new(follower)]).expect("starts");
    let commit = world.store.commit_async(world.push("lint", vec![main(0, 1)])).await.expect("commits");
    assert!(!commit.leaves.is_empty());
    count.wait_for(|seen| *seen == 1).await.expect("it runs");
    followers.settled(world.store.newest_position()).await;
    let status = followers.status();
    assert_eq!((status[0].follower, status[0].position), ("stubborn", world.store.newest_position()));
    assert!(status[0].checked);
    followers.stop().await;
}

#[test]
fn what_is_owed_when_the_server_stops_is_done_first() {
    let world = world();
    Repo::init(&folder(&world, &RepositoryName::Registry)).expect("a repository");
    Repo::init(&folder(&world, &plugin("lint"))).expect("a repository");
    let all: Vec<Box<dyn Follower>> = vec![Box::new(disk_refs(&world)), Box::new(log_git(&world))];
    run(async {
        let followers = Followers::start(&world.store, all).expect("starts");
        world.store.commit_async(world.push("lint", vec![main(0, 1)])).await.expect("commits");
        followers.stop().await;
    });
    let on_disk = read_disk_refs(&folder(&world, &plugin("lint"))).expect("reads").expect("written");
    assert_eq!(on_disk.len(), 1);
    assert_eq!(logged(&folder(&world, &RepositoryName::Log)), journal(&world));
    let newest = world.store.newest_position();
    let world = world.again(StoreOptions::default());
    assert_eq!(world.store.follower_position("disk-refs").expect("reads"), Some(newest));
    assert!(world.store.tenant(&TenantKey::Id(tenant())).expect("reads").is_some());
}
