use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};

use skill_pool_domain::digest::Sha256;
use skill_pool_domain::journal::Kind;
use skill_pool_domain::names::{LeafIndex, PluginName};
use skill_pool_domain::registry::{Registry, Visibility};
use skill_pool_git::refs::RefStore;

use super::world::{World, id, main, mia, plugin, ref_name, registry, tenant, update, version};
use crate::store::commit::{CertificateRecord, DigestedText, GateRecord, NotCommitted, Proposal, UpdateOutcome};
use crate::store::{EvidenceKind, RepositoryKey, StoreOptions, TenantKey};

fn world() -> World {
    World::new(StoreOptions::default())
}

fn text(text: &str) -> DigestedText {
    DigestedText { digest: Sha256::of(text.as_bytes()), text: text.into() }
}

fn kinds(world: &World) -> Vec<Kind> {
    world.leaves().iter().map(|leaf| leaf.kind).collect()
}

#[test]
fn a_first_push_that_releases_leaves_four_leaves_in_order() {
    let world = world();
    let mut push = world.release("lint", 0, 5, "1.0.0");
    let signer = "ssh:SHA256:uJ1rW0e5iVZ5c4nJ9V0S3k1mEw8n2N3tY7a6cQ0bXyE";
    let certificate =
        CertificateRecord { digest: Sha256([7; 32]), bytes: b"signed"[..].into(), signer: signer.to_owned() };
    push.certificate = Some(certificate);
    push.updates[0].gate = Some(GateRecord { outcome: "warn", report: text("skill-pool/gate/v1\n") });
    push.updates[0].capabilities = Some(text("skill-pool/caps/v1\n"));
    let done = world.commit(push).expect("it fits");
    assert_eq!(done.updates, [UpdateOutcome::Moved]);
    assert_eq!(done.leaves, [LeafIndex(3), LeafIndex(4), LeafIndex(5), LeafIndex(6)]);
    assert_eq!(done.refs.refs.len(), 2);
    assert_eq!(
        kinds(&world)[..],
        [
            Kind::Genesis,
            Kind::RepoCreate,
            Kind::Policy,
            Kind::RepoCreate,
            Kind::RefUpdate,
            Kind::Release,
            Kind::RefUpdate
        ]
    );
    let leaves = world.leaves();
    for covered in &leaves[4..6] {
        assert_eq!(covered.cert, Some(Sha256([7; 32])));
        assert_eq!(covered.signer.map(|s| s.to_string()).as_deref(), Some(signer));
        assert_eq!(covered.gate.map(|gate| gate.report), Some(Sha256::of(b"skill-pool/gate/v1\n")));
        assert_eq!(covered.caps, Some(Sha256::of(b"skill-pool/caps/v1\n")));
    }
    for own in [&leaves[3], &leaves[6]] {
        assert_eq!((own.cert, own.signer, own.actor.clone()), (None, None, Some(mia())));
    }
    assert_eq!(leaves[6].ref_name, Some(ref_name("refs/tags/lint--v1.0.0")));
    assert!(leaves[3..].iter().all(|leaf| leaf.policy == Some(LeafIndex(2))));
    world.whole();
    for (kind, digest, bytes) in [
        (EvidenceKind::Certificate, Sha256([7; 32]), &b"signed"[..]),
        (EvidenceKind::Gate, Sha256::of(b"skill-pool/gate/v1\n"), b"skill-pool/gate/v1\n"),
        (EvidenceKind::Capabilities, Sha256::of(b"skill-pool/caps/v1\n"), b"skill-pool/caps/v1\n"),
    ] {
        assert_eq!(world.store.evidence(tenant(), kind, &digest).expect("reads").as_deref(), Some(bytes));
    }
}

#[test]
fn refs_move_only_from_the_value_they_have() {
    let world = world();
    let push = |updates| world.commit(world.push("lint", updates)).expect("commits").updates;
    assert_eq!(push(vec![main(0, 1), update("refs/heads/dev", 0, 2)]), [UpdateOutcome::Moved; 2]);
    let leaves = world.leaves().len();
    assert_eq!(push(vec![main(0, 3)]), [UpdateOutcome::Stale]);
    assert_eq!(push(vec![main(9, 3)]), [UpdateOutcome::Stale]);
    assert_eq!(push(vec![update("refs/heads/dev/x", 0, 3)]), [UpdateOutcome::NameTaken]);
    assert_eq!(push(vec![update("refs/heads", 0, 3)]), [UpdateOutcome::NameTaken]);
    assert_eq!(push(vec![update("refs/heads/none", 3, 0)]), [UpdateOutcome::Stale]);
    assert_eq!(world.leaves().len(), leaves);
    assert_eq!(
        push(vec![main(1, 3), update("refs/heads/dev", 9, 0), update("refs/heads/de", 0, 4)]),
        [UpdateOutcome::Moved, UpdateOutcome::Stale, UpdateOutcome::Moved]
    );
    assert_eq!(push(vec![update("refs/heads/dev", 2, 0), update("refs/heads/dev/x", 0, 5)]), [UpdateOutcome::Moved; 2]);
    // A ref that was deleted goes on from its last leaf.
    assert_eq!(push(vec![update("refs/heads/dev/x", 5, 0)]), [UpdateOutcome::Moved]);
    assert_eq!(push(vec![update("refs/heads/dev", 0, 6)]), [UpdateOutcome::Moved]);
    world.whole();
}

#[test]
fn an_atomic_push_moves_all_or_nothing() {
    let world = world();
    world.commit(world.push("lint", vec![main(0, 1)])).expect("commits");
    let push = Proposal { atomic: true, ..world.push("lint", vec![update("refs/heads/a", 0, 2), main(9, 3)]) };
    let done = world.commit(push).expect("is answered");
    assert_eq!(done.updates, [UpdateOutcome::NotAtomic, UpdateOutcome::Stale]);
    assert!(done.leaves.is_empty());
    assert_eq!(done.refs.refs.len(), 1);
    world.whole();
}

#[test]
fn a_policy_that_moved_sends_the_push_back() {
    let world = world();
    let judged = world.push("lint", vec![main(0, 1)]);
    world.commit(world.registry_push(1, 2, registry())).expect("commits");
    assert!(matches!(world.commit(judged), Err(NotCommitted::PolicyMoved)));
    assert_eq!(world.store.refs(tenant(), &plugin("lint")).expect("reads"), None);
    world.commit(world.push("lint", vec![main(0, 1)])).expect("judged anew");
    world.whole();
}

#[test]
fn a_nonce_is_good_once() {
    let world = world();
    let push = |old, new, nonce: &str| {
        world.commit(Proposal { nonce: Some(nonce.to_owned()), ..world.push("lint", vec![main(old, new)]) })
    };
    push(0, 1, "one").expect("fresh");
    assert!(matches!(push(1, 2, "one"), Err(NotCommitted::NonceSpent)));
    push(1, 2, "two").expect("fresh");
    // Answered with "stale" is answered.
    assert_eq!(push(1, 3, "three").expect("is answered").updates, [UpdateOutcome::Stale]);
    assert!(matches!(push(2, 3, "three"), Err(NotCommitted::NonceSpent)));
    let late = Proposal {
        nonce: Some("four".to_owned()),
        at: super::world::NOW.plus_ms(25 * 60 * 60 * 1000),
        ..world.push("lint", vec![main(2, 3)])
    };
    world.commit(late).expect("fresh");
    let count =
        world.store.read("count", |c| c.query_row("SELECT count(*) FROM nonces", [], |row| row.get::<_, i64>(0)));
    assert_eq!(count.expect("reads"), 1, "old ones are cleared away");
}

#[test]
fn a_version_is_released_once() {
    let world = world();
    world.commit(world.release("lint", 0, 1, "1.0.0")).expect("the first");
    let again = world.commit(world.release("lint", 1, 2, "1.0.0"));
    assert!(matches!(again, Err(NotCommitted::VersionTaken(v)) if v == version("1.0.0")));
    world.commit(world.release("lint", 1, 2, "1.0.1")).expect("another");
    world.commit(world.release("other", 0, 3, "1.0.0")).expect("another plugin");
    world.commit(world.push("else", vec![update("refs/tags/else--v2.0.0", 0, 9)])).expect("by hand");
    assert!(matches!(world.commit(world.release("else", 0, 4, "2.0.0")), Err(NotCommitted::VersionTaken(_))));
    world.whole();
}

fn with_yank(text: &str, reason: &str) -> Registry {
    let lint = PluginName::parse("lint").expect("a name");
    let yanks = BTreeMap::from([(lint, BTreeMap::from([(text.to_owned(), reason.to_owned())]))]);
    Registry { yanks, ..registry() }
}

#[test]
fn registry_git_withdraws_releases_and_puts_them_back() {
    let world = world();
    world.commit(world.release("lint", 0, 1, "1.0.0")).expect("commits");
    world.commit(world.release("lint", 1, 2, "1.1.0")).expect("commits");
    let lint = PluginName::parse("lint").expect("a name");
    let latest = || world.store.latest_release(tenant(), &lint).expect("reads").expect("one").version;
    world.commit(world.registry_push(1, 2, with_yank("1.1.0", "leaks a key"))).expect("commits");
    assert_eq!(latest(), version("1.0.0"));
    let all = world.leaves();
    let yank = all.last().expect("leaves");
    assert_eq!((yank.kind, yank.policy), (Kind::Yank, Some(LeafIndex(yank.seq.0 - 1))));
    assert_eq!(yank.ext.as_ref().and_then(|ext| ext.as_reason()), Some("leaks a key"));
    let size = all.len();
    world.commit(world.registry_push(2, 3, with_yank("1.1.0", "leaks a key"))).expect("commits");
    assert_eq!(world.leaves().len(), size + 1, "the same reason is no new yank");
    world.commit(world.registry_push(3, 4, registry())).expect("commits");
    assert_eq!(latest(), version("1.1.0"));
    assert_eq!(kinds(&world).last(), Some(&Kind::Unyank));
    // Withdrawn before it was released.
    world.commit(world.registry_push(4, 5, with_yank("1.2.0", "too early"))).expect("commits");
    world.commit(world.release("lint", 2, 3, "1.2.0")).expect("commits");
    assert_eq!(latest(), version("1.1.0"));
    world.whole();
}

#[test]
fn registry_git_is_projected_in_the_same_transaction() {
    let world = world();
    let key = TenantKey::Name("acme".parse().expect("a name"));
    let seen = || world.store.tenant(&key).expect("reads").expect("a tenant").visibility;
    assert_eq!(seen(), Visibility::Private);
    assert!(world.store.member(tenant(), &mia()).expect("reads").is_some());
    let open = Registry { visibility: Visibility::Public, members: BTreeMap::new(), ..registry() };
    world.commit(world.registry_push(1, 2, open.clone())).expect("commits");
    assert_eq!(seen(), Visibility::Public);
    assert_eq!(world.store.member(tenant(), &mia()).expect("reads"), None);
    assert_eq!(world.store.members_by_id(tenant(), None, 10).expect("reads"), []);
    let world = world.again(StoreOptions::default());
    let state = world.store.registry(tenant()).expect("reads").expect("a state");
    assert_eq!((*state.registry).clone(), open);
    assert_eq!(state.commit, id(2));
    world.whole();
}

#[test]
fn of_many_pushes_to_one_ref_one_wins() {
    let world = world();
    world.commit(world.push("lint", vec![main(0, 1)])).expect("commits");
    let start = Barrier::new(16);
    let outcomes: Vec<UpdateOutcome> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|n| {
                let (world, start) = (&world, &start);
                scope.spawn(move || {
                    let push = world.push("lint", vec![main(1, 10 + n)]);
                    start.wait();
                    world.commit(push).expect("is answered").updates[0]
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == UpdateOutcome::Moved).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == UpdateOutcome::Stale).count(), 15);
    world.whole();
}

#[test]
fn first_pushes_that_race_create_one_repository() {
    let world = world();
    std::thread::scope(|scope| {
        for n in 0..8_u8 {
            let world = &world;
            scope.spawn(move || {
                let mut push = world.push("lint", vec![update(&format!("refs/heads/b{n}"), 0, n + 1)]);
                push.repository = skill_pool_domain::names::RepositoryId(uuid::Uuid::from_u128(u128::from(n) + 50));
                world.commit(push).expect("commits");
            });
        }
    });
    assert_eq!(kinds(&world).iter().filter(|kind| **kind == Kind::RepoCreate).count(), 2);
    assert_eq!(
        world.store.refs(tenant(), &plugin("lint")).expect("reads").expect("it is there").snapshot.refs.len(),
        8
    );
    world.whole();
}

#[test]
fn commits_that_wait_share_a_transaction() {
    // The first commit is held up inside its transaction until all others are queued.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = parking_lot::Mutex::new(Some(held));
    let (arrived, arrival) = std::sync::mpsc::channel::<()>();
    let probe: crate::store::Probe = Arc::new(move |step| {
        if step == crate::store::Step::Job
            && let Some(held) = held.lock().take()
        {
            let _ = arrived.send(());
            let _ = held.recv();
        }
        Ok(())
    });
    let world = world();
    let world = world.again(StoreOptions { probe: Some(probe), ..StoreOptions::default() });
    let before = world.store.transactions();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..40_u8)
            .map(|n| {
                // The first is in its transaction, alone, before any other comes.
                if n == 1 {
                    arrival.recv().expect("the first commit arrives");
                }
                let world = &world;
                scope.spawn(move || {
                    let name = format!("p{n}");
                    let mut push = world.push(&name, vec![main(0, n + 1)]);
                    push.repository = skill_pool_domain::names::RepositoryId(uuid::Uuid::from_u128(u128::from(n) + 50));
                    world.commit(push).expect("commits");
                })
            })
            .collect();
        while world.store.inner.queue.waiting() < 39 {
            std::thread::yield_now();
        }
        release.send(()).expect("the writer waits");
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
    assert_eq!(world.store.transactions() - before, 2);
    world.whole();
}

#[test]
fn bounds_hold_at_the_commit() {
    let world = World::new(StoreOptions {
        refs_per_repository_max: 2,
        repositories_per_tenant_max: 2,
        ..StoreOptions::default()
    });
    world.commit(world.push("lint", vec![main(0, 1), update("refs/heads/a", 0, 1)])).expect("fits");
    let over = world.commit(world.push("lint", vec![update("refs/heads/b", 0, 1)]));
    assert!(matches!(over, Err(NotCommitted::OverLimit { value: 3, limit: 2, .. })));
    world.commit(world.push("lint", vec![main(1, 2)])).expect("moving still works");
    let over = world.commit(world.push("third", vec![main(0, 1)]));
    assert!(matches!(over, Err(NotCommitted::OverLimit { value: 3, limit: 2, .. })));
    world.whole();
}

#[test]
fn snapshots_are_those_of_the_last_commit() {
    let world = world();
    let key = RepositoryKey { tenant: tenant(), name: plugin("lint") };
    let before = world.store.snapshot(&key).expect("reads");
    assert!(before.refs.is_empty());
    let done = world.commit(world.push("lint", vec![main(0, 1)])).expect("commits");
    let cached = world.store.snapshot(&key).expect("reads");
    assert_eq!(*cached, *done.refs);
    assert_ne!(cached.state, before.state);
    let world = world.again(StoreOptions::default());
    assert_eq!(*world.store.snapshot(&key).expect("reads"), *cached);
}

#[test]
fn time_never_runs_backwards_in_a_journal() {
    let world = world();
    let early = Proposal { at: super::world::NOW.plus_ms(-5000), ..world.push("lint", vec![main(0, 1)]) };
    world.commit(early).expect("commits");
    world.whole();
}
