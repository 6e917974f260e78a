//! A map bounded by weight that forgets what was used longest ago.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};

/// Marks the end of the list of slots.
const NONE: usize = usize::MAX;

struct Slot<K, V> {
    key: K,
    value: V,
    weight: usize,
    newer: usize,
    older: usize,
}

/// A map from `K` to `V` whose weights never sum up to more than its bound.
///
/// What a weight counts (bytes, entries) is the caller's affair. Not shared by itself: put it behind a lock.
pub struct Lru<K, V, S = RandomState> {
    places: HashMap<K, usize, S>,
    slots: Vec<Option<Slot<K, V>>>,
    free: Vec<usize>,
    newest: usize,
    oldest: usize,
    weight: usize,
    weight_max: usize,
}

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    /// An empty map that holds at most `weight_max`.
    pub fn new(weight_max: usize) -> Self {
        Self::with_hasher(weight_max, RandomState::new())
    }
}

impl<K: Clone + Eq + Hash, V, S: BuildHasher> Lru<K, V, S> {
    /// As [`Lru::new`], with a hasher that suits the keys.
    pub fn with_hasher(weight_max: usize, hasher: S) -> Self {
        Self {
            places: HashMap::with_hasher(hasher),
            slots: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            weight: 0,
            weight_max,
        }
    }

    /// The value of `key`, which becomes the newest.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        let at = *self.places.get(key)?;
        if self.newest != at {
            self.unlink(at);
            self.link_newest(at);
        }
        self.slots[at].as_ref().map(|slot| &slot.value)
    }

    /// The value of `key`, whose age stays as it is.
    pub fn peek(&self, key: &K) -> Option<&V> {
        let at = *self.places.get(key)?;
        self.slots[at].as_ref().map(|slot| &slot.value)
    }

    /// Takes `value` in as the newest, in place of what `key` had, and returns what had to leave for it, oldest first.
    /// A value heavier than the whole bound is returned itself.
    pub fn insert(&mut self, key: K, value: V, weight: usize) -> Vec<(K, V)> {
        let mut left = Vec::new();
        self.remove(&key);
        if weight > self.weight_max {
            left.push((key, value));
            return left;
        }
        while self.weight + weight > self.weight_max {
            match self.pop_oldest() {
                Some(pair) => left.push(pair),
                None => break,
            }
        }
        let slot = Slot { key: key.clone(), value, weight, newer: NONE, older: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at] = Some(slot);
                at
            }
            None => {
                self.slots.push(Some(slot));
                self.slots.len() - 1
            }
        };
        self.weight += weight;
        self.places.insert(key, at);
        self.link_newest(at);
        left
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.places.remove(key)?;
        self.unlink(at);
        let slot = self.slots[at].take()?;
        self.free.push(at);
        self.weight -= slot.weight;
        Some(slot.value)
    }

    /// Takes out what was used longest ago.
    pub fn pop_oldest(&mut self) -> Option<(K, V)> {
        let key = self.slots.get(self.oldest)?.as_ref()?.key.clone();
        let value = self.remove(&key)?;
        Some((key, value))
    }

    /// The sum of the weights.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True when there is no value.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn unlink(&mut self, at: usize) {
        let Some((newer, older)) = self.slots[at].as_ref().map(|slot| (slot.newer, slot.older)) else {
            return;
        };
        match self.slots.get_mut(newer).and_then(Option::as_mut) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older).and_then(Option::as_mut) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, at: usize) {
        let before = self.newest;
        if let Some(slot) = self.slots[at].as_mut() {
            slot.newer = NONE;
            slot.older = before;
        }
        match self.slots.get_mut(before).and_then(Option::as_mut) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_least_recently_used_leaves_first() {
        let mut lru = Lru::new(3);
        for key in ["a", "b", "c"] {
            assert!(lru.insert(key, key, 1).is_empty());
        }
        assert_eq!(lru.get(&"a"), Some(&"a"));
        assert_eq!(lru.insert("d", "d", 1), [("b", "b")]);
        assert_eq!(lru.insert("e", "e", 2), [("c", "c"), ("a", "a")]);
        assert_eq!(lru.insert("f", "f", 4), [("f", "f")], "too heavy: nothing else has to leave");
        assert_eq!((lru.weight(), lru.len()), (3, 2));
        assert_eq!(lru.remove(&"d"), Some("d"));
        assert_eq!(lru.pop_oldest(), Some(("e", "e")));
        assert_eq!(lru.pop_oldest(), None);
        assert!(lru.is_empty());
    }

    proptest! {
        /// Against a model that is a plain list, newest last.
        #[test]
        fn it_behaves_like_a_list(steps in proptest::collection::vec((0u8..3, 0u8..12, 1usize..5), 0..200)) {
            let mut lru = Lru::new(10);
            let mut model: Vec<(u8, usize)> = Vec::new();
            for (what, key, weight) in steps {
                match what {
                    0 => {
                        let found = model.iter().position(|(k, _)| *k == key);
                        prop_assert_eq!(lru.get(&key).copied(), found.map(|at| model[at].1));
                        if let Some(at) = found {
                            let pair = model.remove(at);
                            model.push(pair);
                        }
                    }
                    1 => {
                        model.retain(|(k, _)| *k != key);
                        while model.iter().map(|(_, w)| w).sum::<usize>() + weight > 10 {
                            model.remove(0);
                        }
                        model.push((key, weight));
                        lru.insert(key, weight, weight);
                    }
                    _ => {
                        model.retain(|(k, _)| *k != key);
                        lru.remove(&key);
                    }
                }
                prop_assert_eq!(lru.weight(), model.iter().map(|(_, w)| w).sum::<usize>());
                prop_assert_eq!(lru.len(), model.len());
            }
        }
    }
}
