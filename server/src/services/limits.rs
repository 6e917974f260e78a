//! Bounds per token and per address: against abuse, not quotas of work.
//!
//! In: who asks, by the token's hash and the client's address, both known for certain; nothing that a stranger can
//! choose is charged to anybody else. Out: go on, or how long to wait. Must hold: memory is bounded whatever addresses
//! come.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use skill_pool_domain::token::TokenHash;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Keys that are remembered of each kind. Beyond, all new ones share one budget.
const KEYS_MAX: usize = 100_000;
/// After so many questions keys that have their whole budget again are forgotten.
const SWEEP_EVERY: u32 = 4096;

/// So many at once, and that many again in each period.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// How many.
    pub count: NonZeroU32,
    /// In which time.
    pub period: Duration,
}

/// What a [`Limiter`] holds to. `None` is no bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimiterOptions {
    /// Requests with one token.
    pub requests_per_token: Option<Budget>,
    /// Requests from one address.
    pub requests_per_address: Option<Budget>,
    /// Requests with a wrong credential from one address.
    pub failures_per_address: Option<Budget>,
    /// Fetches of one address at once, at least 1.
    pub fetches_at_once_per_address: u32,
    /// Pushes of one address at once, at least 1.
    pub pushes_at_once_per_address: u32,
    /// Callers on loopback are not bound.
    pub exempt_loopback: bool,
}

/// No rates, and one turn at a time.
impl Default for LimiterOptions {
    fn default() -> Self {
        Self {
            requests_per_token: None,
            requests_per_address: None,
            failures_per_address: None,
            fetches_at_once_per_address: 1,
            pushes_at_once_per_address: 1,
            exempt_loopback: false,
        }
    }
}

/// All bounds. Asked by every request, so it answers from memory.
pub struct Limiter {
    by_token: Keyed<TokenHash>,
    by_address: Keyed<Address>,
    failures: Keyed<Address>,
    fetches: Slots,
    pushes: Slots,
    exempt_loopback: bool,
}

/// Too much was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; try again in {} s", retry_after.as_secs().max(1))]
pub struct TooMany {
    /// When asking again makes sense.
    pub retry_after: Duration,
}

impl Limiter {
    /// Starts with every budget whole.
    pub fn new(options: &LimiterOptions) -> Self {
        Self {
            by_token: Keyed::new(options.requests_per_token),
            by_address: Keyed::new(options.requests_per_address),
            failures: Keyed::new(options.failures_per_address),
            fetches: Slots::new(options.fetches_at_once_per_address),
            pushes: Slots::new(options.pushes_at_once_per_address),
            exempt_loopback: options.exempt_loopback,
        }
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt_loopback && address.to_canonical().is_loopback()
    }

    /// Charges a request to its address. Called before anything else is done for it.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn request(&self, address: IpAddr) -> Result<(), TooMany> {
        if self.is_exempt(address) { Ok(()) } else { self.by_address.charge(Address::of(address)) }
    }

    /// Charges a request to the token that it came with, which is known to be good.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn token(&self, token: &TokenHash, address: IpAddr) -> Result<(), TooMany> {
        if self.is_exempt(address) { Ok(()) } else { self.by_token.charge(*token) }
    }

    /// Charges a wrong credential to its address. Good ones from the same address go on being served.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn failure(&self, address: IpAddr) -> Result<(), TooMany> {
        if self.is_exempt(address) { Ok(()) } else { self.failures.charge(Address::of(address)) }
    }

    /// Waits until the address may have one more fetch under way. Clients take a refusal for "does not exist", so they
    /// wait for their turn instead.
    pub async fn fetch(&self, address: IpAddr) -> Slot {
        if self.is_exempt(address) { Slot { _held: None } } else { self.fetches.enter(Address::of(address)).await }
    }

    /// As [`Limiter::fetch`], for pushes.
    pub async fn push(&self, address: IpAddr) -> Slot {
        if self.is_exempt(address) { Slot { _held: None } } else { self.pushes.enter(Address::of(address)).await }
    }
}

/// What counts as one address: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Address([u8; 8]);

impl Address {
    fn of(address: IpAddr) -> Self {
        let mut bytes = [0; 8];
        match address.to_canonical() {
            IpAddr::V4(v4) => bytes[4..].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => bytes.copy_from_slice(&v6.octets()[..8]),
        }
        Self(bytes)
    }
}

/// A budget for each key.
struct Keyed<K: Hash + Eq + Clone> {
    limiter: Option<DefaultKeyedRateLimiter<Option<K>>>,
    asked: AtomicU32,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(budget: Option<Budget>) -> Self {
        Self { limiter: budget.and_then(quota).map(RateLimiter::keyed), asked: AtomicU32::new(0) }
    }

    fn charge(&self, key: K) -> Result<(), TooMany> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        // Counting keys takes every shard's lock, so it is done as seldom as sweeping; the bound may be passed by that much.
        let full = self.asked.load(Ordering::Relaxed).is_multiple_of(64) && limiter.len() > KEYS_MAX;
        let key = if full { None } else { Some(key) };
        limiter.check_key(&key).map_err(|until| {
            let retry_after = until.wait_time_from(DefaultClock::default().now());
            TooMany { retry_after }
        })
    }
}

/// `count` at once, and one more each `period / count`. `None` for a period of nothing.
fn quota(budget: Budget) -> Option<Quota> {
    Some(Quota::with_period(budget.period / budget.count.get())?.allow_burst(budget.count))
}

/// So many at once for each address.
struct Slots {
    max: usize,
    by_address: Arc<Mutex<HashMap<Address, Arc<Semaphore>>>>,
}

/// One of an address's turns; given back when dropped.
pub struct Slot {
    _held: Option<Held>,
}

struct Held {
    permit: Option<OwnedSemaphorePermit>,
    semaphore: Arc<Semaphore>,
    address: Address,
    by_address: Arc<Mutex<HashMap<Address, Arc<Semaphore>>>>,
}

impl Slots {
    fn new(max: u32) -> Self {
        Self { max: max.max(1) as usize, by_address: Arc::default() }
    }

    async fn enter(&self, address: Address) -> Slot {
        let semaphore = {
            let mut map = self.by_address.lock();
            map.entry(address).or_insert_with(|| Arc::new(Semaphore::new(self.max))).clone()
        };
        let mut held = Held { permit: None, semaphore, address, by_address: self.by_address.clone() };
        // The semaphore is never closed, so that this only ever waits.
        held.permit = held.semaphore.clone().acquire_owned().await.ok();
        Slot { _held: Some(held) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut map = self.by_address.lock();
        drop(self.permit.take());
        // Two references are the map's and our own: nobody else holds a turn or waits for one.
        if Arc::strong_count(&self.semaphore) == 2 {
            map.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(change: impl FnOnce(&mut LimiterOptions)) -> Limiter {
        let mut options = LimiterOptions::default();
        change(&mut options);
        Limiter::new(&options)
    }

    fn an_hour(count: u32) -> Option<Budget> {
        Some(Budget { count: NonZeroU32::new(count)?, period: Duration::from_secs(3600) })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn each_address_has_its_own_budget() {
        let limiter = limits(|l| l.requests_per_address = an_hour(3));
        for _ in 0..3 {
            assert_eq!(limiter.request(ip("192.0.2.1")), Ok(()));
        }
        let refused = limiter.request(ip("::ffff:192.0.2.1")).expect_err("used up");
        assert!(refused.retry_after > Duration::from_secs(1000) && refused.retry_after <= Duration::from_secs(1200));
        assert_eq!(limiter.request(ip("192.0.2.2")), Ok(()));
        // The addresses of one IPv6 customer count as one.
        for last in 1..=3 {
            assert_eq!(limiter.request(ip(&format!("2001:db8::{last}"))), Ok(()));
        }
        assert!(limiter.request(ip("2001:db8::4")).is_err());
        assert_eq!(limiter.request(ip("2001:db8:0:1::4")), Ok(()));
    }

    #[test]
    fn loopback_can_be_left_out_and_rates_be_off() {
        let limiter = limits(|l| {
            l.requests_per_address = an_hour(1);
            l.failures_per_address = an_hour(1);
            l.exempt_loopback = true;
        });
        for _ in 0..10 {
            assert_eq!(limiter.request(ip("127.0.0.1")), Ok(()));
            assert_eq!(limiter.failure(ip("::1")), Ok(()));
        }
        assert_eq!(limiter.failure(ip("192.0.2.1")), Ok(()));
        assert!(limiter.failure(ip("192.0.2.1")).is_err());
        let off = limits(|_| {});
        assert!((0..100_000).all(|_| off.request(ip("192.0.2.1")).is_ok()));
    }

    #[tokio::test]
    async fn turns_are_waited_for_and_leave_nothing_behind() {
        let limiter = Arc::new(limits(|l| l.pushes_at_once_per_address = 2));
        let (first, _second) = (limiter.push(ip("192.0.2.1")).await, limiter.push(ip("192.0.2.1")).await);
        let other = limiter.push(ip("192.0.2.2")).await;
        let third = {
            let limiter = limiter.clone();
            tokio::spawn(async move { limiter.push(ip("192.0.2.1")).await })
        };
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        drop(first);
        drop(third.await.expect("has its turn now"));
        drop(other);
        drop(_second);
        assert!(limiter.pushes.by_address.lock().is_empty());
    }
}
