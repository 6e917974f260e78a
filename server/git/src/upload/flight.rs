//! One build for all who ask for the same thing at the same time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::cache::Key;

/// Builds that are under way.
pub struct Flights<V> {
    running: Mutex<HashMap<Key, Arc<Flight<V>>>>,
}

struct Flight<V> {
    state: Mutex<State<V>>,
    wake: Condvar,
}

enum State<V> {
    Building,
    /// Done, with what others may share of it.
    Done(Option<V>),
}

/// What [`Flights::join`] says.
pub enum Join<'a, V> {
    /// The caller builds, and tells the others by this.
    Build(Turn<'a, V>),
    /// Someone else has built it.
    Built(V),
    /// Someone else has built something that cannot be shared, or failed, or time ran out: build alone.
    Alone,
}

/// The right to build. Dropped without [`Turn::finish`], it tells those who wait to go on by themselves.
pub struct Turn<'a, V> {
    flights: &'a Flights<V>,
    key: Key,
    flight: Arc<Flight<V>>,
}

impl<V: Clone> Flights<V> {
    /// None under way.
    pub fn new() -> Self {
        Self { running: Mutex::new(HashMap::new()) }
    }

    /// Becomes the builder for `key`, or waits for the one there is, at most until `end`.
    pub fn join(&self, key: Key, end: Option<Instant>) -> Join<'_, V> {
        let flight = {
            let mut running = self.running.lock();
            match running.get(&key) {
                Some(flight) => Arc::clone(flight),
                None => {
                    let flight = Arc::new(Flight { state: Mutex::new(State::Building), wake: Condvar::new() });
                    running.insert(key, Arc::clone(&flight));
                    return Join::Build(Turn { flights: self, key, flight });
                }
            }
        };
        let mut state = flight.state.lock();
        loop {
            match &*state {
                State::Done(Some(value)) => return Join::Built(value.clone()),
                State::Done(None) => return Join::Alone,
                State::Building => match end {
                    Some(end) if flight.wake.wait_until(&mut state, end).timed_out() => return Join::Alone,
                    Some(_) => {}
                    None => flight.wake.wait(&mut state),
                },
            }
        }
    }
}

impl<V> Turn<'_, V> {
    /// Hands `value` to all who wait. Who comes later builds anew, or finds it in a cache.
    pub fn finish(self, value: Option<V>) {
        *self.flight.state.lock() = State::Done(value);
        // Dropping wakes them.
    }
}

impl<V> Drop for Turn<'_, V> {
    fn drop(&mut self) {
        self.flights.running.lock().remove(&self.key);
        let mut state = self.flight.state.lock();
        if matches!(*state, State::Building) {
            *state = State::Done(None);
        }
        self.flight.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_builds_and_all_get_it() {
        let flights = Flights::new();
        let built = AtomicUsize::new(0);
        let Join::Build(turn) = flights.join([1; 32], None) else { panic!("the first builds") };
        std::thread::scope(|scope| {
            let others: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| match flights.join([1; 32], None) {
                        Join::Build(turn) => {
                            built.fetch_add(1, Ordering::Relaxed);
                            turn.finish(Some(7));
                            7
                        }
                        Join::Built(value) => value,
                        Join::Alone => 0,
                    })
                })
                .collect();
            // Until all have joined, so that none can come too late.
            while Arc::strong_count(&turn.flight) < 2 + 8 {
                std::thread::yield_now();
            }
            turn.finish(Some(7));
            assert!(others.into_iter().all(|other| other.join().expect("no panic") == 7));
        });
        assert_eq!(built.load(Ordering::Relaxed), 0);
        assert!(matches!(flights.join([1; 32], None), Join::Build(_)), "over: the next one builds again");
    }

    #[test]
    fn a_builder_that_gives_up_lets_the_others_go() {
        let flights: Flights<u8> = Flights::new();
        let Join::Build(turn) = flights.join([2; 32], None) else { panic!("the first builds") };
        let past = Some(Instant::now());
        assert!(matches!(flights.join([2; 32], past), Join::Alone), "nobody waits for longer than allowed");
        std::thread::scope(|scope| {
            let other = scope.spawn(|| matches!(flights.join([2; 32], None), Join::Alone));
            while Arc::strong_count(&turn.flight) < 3 {
                std::thread::yield_now();
            }
            drop(turn);
            assert!(other.join().expect("no panic"));
        });
    }
}
