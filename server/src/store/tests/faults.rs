//! The fault table of the commit point: each step fails, fails although it persisted, or is where the process is killed.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::world::{World, check_whole, main, opened, plugin, tenant, update};
use crate::store::commit::{NotCommitted, UpdateOutcome};
use crate::store::{Probe, Step, StoreError, StoreOptions};

const STEPS: [Step; 6] = [Step::Begin, Step::Job, Step::Changed, Step::Commit, Step::Committed, Step::Published];

/// A probe that does `act` the next time `at` is reached, once armed.
struct Trap {
    armed: Mutex<Option<Step>>,
}

impl Trap {
    fn probe(self: &Arc<Self>, act: impl Fn() -> std::io::Result<()> + Send + Sync + 'static) -> Probe {
        let trap = Arc::clone(self);
        Arc::new(move |step| {
            let mut armed = trap.armed.lock();
            if *armed == Some(step) {
                *armed = None;
                return act();
            }
            Ok(())
        })
    }

    fn arm(&self, step: Step) {
        *self.armed.lock() = Some(step);
    }
}

fn trapped(act: impl Fn(&Path) -> std::io::Result<()> + Send + Sync + 'static) -> (World, Arc<Trap>) {
    let world = World::new(StoreOptions::default());
    let trap = Arc::new(Trap { armed: Mutex::new(None) });
    let folder = world.folder.path().to_owned();
    let probe = trap.probe(move || act(&folder));
    let world = world.again(StoreOptions { probe: Some(probe), ..StoreOptions::default() });
    world.commit(world.push("lint", vec![main(0, 1)])).expect("the one before");
    (world, trap)
}

/// What is on disk of the database right now, which is what a kill leaves.
fn copy_database(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for file in ["skill-pool.db", "skill-pool.db-wal"] {
        std::fs::copy(from.join(file), to.join(file))?;
    }
    Ok(())
}

#[test]
fn a_step_that_fails_makes_nothing_true_and_the_store_lives_on() {
    for step in STEPS {
        let (world, trap) = trapped(|_| Err(std::io::Error::other("made to fail")));
        let before = world.leaves().len();
        trap.arm(step);
        let outcome = world.commit(world.release("lint", 1, 2, "1.0.0"));
        // From the commit on it is done, whatever is reported afterwards.
        let done = matches!(step, Step::Committed | Step::Published);
        match outcome {
            Ok(committed) => {
                assert!(done, "{step:?}");
                assert_eq!(committed.updates, [UpdateOutcome::Moved]);
                assert_eq!(world.leaves().len(), before + 3);
            }
            Err(NotCommitted::Database { disk_full: false, .. }) => {
                assert!(!done, "{step:?}");
                assert_eq!(world.leaves().len(), before);
            }
            Err(other) => panic!("{step:?}: {other}"),
        }
        world.whole();
        // Again: visible once.
        let again = world.commit(world.release("lint", 1, 2, "1.0.0"));
        match again {
            Ok(committed) if !done => assert_eq!(committed.updates, [UpdateOutcome::Moved]),
            Ok(committed) => assert_eq!(committed.updates, [UpdateOutcome::Stale]),
            Err(other) => panic!("{step:?}: {other}"),
        }
        world.whole();
        let world = world.again(StoreOptions::default());
        assert_eq!(world.leaves().len(), before + 3, "{step:?}");
        world.whole();
    }
}

#[test]
fn a_kill_at_any_step_leaves_the_push_whole_or_absent() {
    for step in STEPS {
        let (world, trap) = trapped(|folder| copy_database(folder, &folder.join("killed")));
        let before = world.leaves().len();
        trap.arm(step);
        world.commit(world.release("lint", 1, 2, "1.0.0")).expect("the copy is the one that was killed");
        let killed = opened(&world.folder.path().join("killed"), StoreOptions::default());
        let state = check_whole(&killed);
        let done = matches!(step, Step::Committed | Step::Published);
        assert_eq!(state.size as usize, if done { before + 3 } else { before }, "{step:?}");
        let entries = killed.outbox_since(crate::store::Position(0), 100).expect("reads").len();
        assert_eq!(entries, if done { 4 } else { 3 }, "the outbox goes with it: {step:?}");
    }
}

#[test]
fn the_failure_of_one_push_does_not_touch_those_in_its_transaction() {
    let world = World::new(StoreOptions::default());
    std::thread::scope(|scope| {
        for n in 0..20_u8 {
            let world = &world;
            scope.spawn(move || {
                let name = format!("b{}", n / 2);
                let push = world.push("lint", vec![update(&format!("refs/heads/{name}"), 0, n + 1)]);
                world.commit(push).expect("is answered");
            });
        }
    });
    let refs = world.store.refs(tenant(), &plugin("lint")).expect("reads").expect("there");
    assert_eq!(refs.snapshot.refs.len(), 10);
    world.whole();
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let world = World::new(StoreOptions::default());
    world.commit(world.push("lint", vec![main(0, 1)])).expect("commits");
    let limit = |pages: &'static str| {
        world.store.write(move |batch| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            batch.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map_err(StoreError::doing("limit"))
        })
    };
    limit("1").expect("limits to the present size");
    let mut new = 1;
    let full = loop {
        match world.commit(world.push("lint", vec![main(new, new + 1)])) {
            Ok(_) => new += 1,
            Err(error) => break error,
        }
        assert!(new < 200, "it never fills");
    };
    assert!(matches!(full, NotCommitted::Database { disk_full: true, .. }), "{full:?}");
    let before = world.leaves().len();
    world.whole();
    limit("1073741823").expect("frees");
    world.commit(world.push("lint", vec![main(new, new + 1)])).expect("works again");
    assert_eq!(world.leaves().len(), before + 1);
    world.whole();
    let world = world.again(StoreOptions::default());
    world.whole();
}

#[test]
fn a_closed_store_says_so() {
    let world = World::new(StoreOptions::default());
    world.store.close();
    let late = world.commit(world.push("lint", vec![main(0, 1)]));
    assert!(matches!(late, Err(NotCommitted::Database { disk_full: false, .. })));
}
