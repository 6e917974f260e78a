//! A bounded map from keys to values read from the database, which never holds a value older than an acknowledged change.
//!
//! Readers fill it, the writer publishes into it before it answers. A reader that loaded its value while something was
//! published cannot know which of the two is newer, so it keeps the value for itself and the map stays as it was.

use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::Mutex;

pub(super) struct Cache<K, V> {
    state: Mutex<State<K, V>>,
    weight_max: usize,
    weigh: fn(&V) -> usize,
}

struct State<K, V> {
    entries: HashMap<K, Entry<V>>,
    weight: usize,
    /// Counts publications.
    published: u64,
    /// Counts accesses; the entry with the smallest is the one not used for longest.
    clock: u64,
}

struct Entry<V> {
    value: V,
    used: u64,
}

/// When a reader began to load.
#[derive(Clone, Copy)]
pub(super) struct Ticket(u64);

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    /// An empty cache whose values may weigh `weight_max` together.
    pub(super) fn new(weight_max: usize, weigh: fn(&V) -> usize) -> Self {
        let state = State { entries: HashMap::new(), weight: 0, published: 0, clock: 0 };
        Self { state: Mutex::new(state), weight_max, weigh }
    }

    /// The value, or a ticket to load it with.
    pub(super) fn get<Q>(&self, key: &Q) -> Result<V, Ticket>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut state = self.state.lock();
        state.clock += 1;
        let clock = state.clock;
        match state.entries.get_mut(key) {
            Some(entry) => {
                entry.used = clock;
                Ok(entry.value.clone())
            }
            None => Err(Ticket(state.published)),
        }
    }

    /// Keeps what was loaded since `ticket`, unless something was published meanwhile.
    pub(super) fn fill(&self, ticket: Ticket, key: K, value: V) {
        let mut state = self.state.lock();
        if state.published == ticket.0 {
            self.insert(&mut state, key, value);
        }
    }

    /// Puts in what a transaction made true.
    pub(super) fn publish(&self, key: K, value: V) {
        let mut state = self.state.lock();
        state.published += 1;
        self.insert(&mut state, key, value);
    }

    /// Drops what a transaction made untrue.
    pub(super) fn forget(&self, key: &K) {
        let mut state = self.state.lock();
        state.published += 1;
        if let Some(entry) = state.entries.remove(key) {
            state.weight -= (self.weigh)(&entry.value);
        }
    }

    /// Drops everything.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        state.published += 1;
        state.entries.clear();
        state.weight = 0;
    }

    fn insert(&self, state: &mut State<K, V>, key: K, value: V) {
        state.clock += 1;
        let entry = Entry { value, used: state.clock };
        state.weight += (self.weigh)(&entry.value);
        if let Some(old) = state.entries.insert(key, entry) {
            state.weight -= (self.weigh)(&old.value);
        }
        if state.weight > self.weight_max {
            self.evict(state);
        }
    }

    /// Drops the entries not used for longest until an eighth is free, so that the scan pays for many insertions.
    fn evict(&self, state: &mut State<K, V>) {
        let mut by_age: Vec<(u64, K)> = state.entries.iter().map(|(key, entry)| (entry.used, key.clone())).collect();
        by_age.sort_unstable_by_key(|(used, _)| *used);
        let goal = self.weight_max - self.weight_max / 8;
        for (_, key) in by_age {
            if state.weight <= goal {
                break;
            }
            if let Some(entry) = state.entries.remove(&key) {
                state.weight -= (self.weigh)(&entry.value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> Cache<u32, u32> {
        Cache::new(16, |_| 1)
    }

    #[test]
    fn a_slow_reader_never_replaces_what_was_published() {
        let cache = cache();
        let Err(ticket) = cache.get(&1) else { panic!("empty") };
        cache.publish(1, 20);
        cache.fill(ticket, 1, 10);
        assert_eq!(cache.get(&1).ok(), Some(20));
        cache.forget(&1);
        cache.fill(ticket, 1, 10);
        assert!(cache.get(&1).is_err());
    }

    #[test]
    fn what_was_used_last_stays() {
        let cache = cache();
        for key in 0..16 {
            cache.publish(key, key);
        }
        assert!(cache.get(&0).is_ok());
        cache.publish(99, 99);
        assert!(cache.get(&0).is_ok() && cache.get(&99).is_ok() && cache.get(&1).is_err());
        assert!(cache.state.lock().weight <= 14);
    }
}
