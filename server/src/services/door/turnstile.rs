//! Lets so many threads work at the same time; the others wait in no order.

use parking_lot::{Condvar, Mutex};

/// See the module.
pub struct Turnstile {
    free: Mutex<usize>,
    left: Condvar,
}

/// Somebody who came in. Dropping it lets the next one in.
pub struct Turn<'a>(&'a Turnstile);

impl Turnstile {
    /// Lets `at_once` in at the same time.
    pub fn new(at_once: usize) -> Self {
        Self { free: Mutex::new(at_once), left: Condvar::new() }
    }

    /// Waits for a place.
    pub fn enter(&self) -> Turn<'_> {
        let mut free = self.free.lock();
        while *free == 0 {
            self.left.wait(&mut free);
        }
        *free -= 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_than_allowed_are_inside() {
        let turnstile = Turnstile::new(2);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let turn = turnstile.enter();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 2);
        assert_eq!(*turnstile.free.lock(), 2);
    }
}
