//! Sets and maps of object ids.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};

use gix_hash::ObjectId;

/// A set of object ids.
pub type IdSet = HashSet<ObjectId, IdHasher>;
/// A map from object ids.
pub type IdMap<V> = HashMap<ObjectId, V, IdHasher>;

/// Hashes an id by its own first bytes, mixed with a number that differs for every table.
///
/// Ids are hashes already, but their makers can choose among many: the number keeps a stranger from filling one bucket.
#[derive(Clone, Copy, Debug)]
pub struct IdHasher(u64);

impl Default for IdHasher {
    fn default() -> Self {
        use std::sync::OnceLock;
        use std::sync::atomic::{AtomicU64, Ordering};
        static SEED: OnceLock<u64> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let seed = *SEED.get_or_init(|| std::collections::hash_map::RandomState::new().hash_one(0u8));
        Self(seed ^ COUNT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
    }
}

impl BuildHasher for IdHasher {
    type Hasher = IdState;

    fn build_hasher(&self) -> IdState {
        IdState { seed: self.0, state: 0 }
    }
}

/// The state of [`IdHasher`] for one id.
#[derive(Clone, Copy, Debug)]
pub struct IdState {
    seed: u64,
    state: u64,
}

impl Hasher for IdState {
    fn finish(&self) -> u64 {
        self.state
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut word = [0; 8];
        let taken = bytes.len().min(8);
        word[..taken].copy_from_slice(&bytes[..taken]);
        let mixed = u128::from(u64::from_le_bytes(word) ^ self.seed) * u128::from(self.seed | 1);
        self.state = (mixed as u64) ^ ((mixed >> 64) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_begin_alike_are_told_apart() {
        let mut set = IdSet::default();
        for last in 0..=255 {
            let mut id = [7; 20];
            id[19] = last;
            assert!(set.insert(ObjectId::Sha1(id)));
            assert!(!set.insert(ObjectId::Sha1(id)));
        }
        assert_eq!(set.len(), 256);
    }
}
