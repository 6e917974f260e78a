//! Nonces: what the registry asks a pusher to sign, so that a certificate fits one place and one moment.
//!
//! `v1.<repository id>.<unix seconds>.<128 random bits>.<MAC>`. The MAC also covers tenant and name, so that a nonce
//! made for a repository that did not exist yet is good for that place only. That a nonce is used once is the store's
//! work: it is spent, by its text, in the transaction that moves the refs.
//!
//! Source of the form: git's clients take at most 255 characters of `[A-Za-z0-9./+=_-]` (send-pack.c).

use std::fmt;
use std::str::FromStr;

use ring::hmac;

use crate::digest::{hex, unhex};
use crate::names::{RepositoryId, RepositoryName, TenantId};
use crate::timestamp::Timestamp;

/// How long after it was handed out a nonce is taken: long enough for a person to find the hardware key or the
/// passphrase.
pub const NONCE_AGE_MS_MAX: i64 = 15 * 60 * 1000;

/// A server's clock may have been set back by so much between handing out a nonce and seeing it again.
const CLOCK_STEP_MS_MAX: i64 = 60 * 1000;

/// A well-formed nonce. Whether this registry made it, and for what, says [`NonceKey::check`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Nonce {
    repository: RepositoryId,
    seconds: i64,
    random: [u8; 16],
    mac: [u8; 32],
}

/// Text that is not a nonce of this registry's form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a nonce of this registry has the form v1.<repository>.<seconds>.<random>.<mac>")]
pub struct NotANonce;

impl Nonce {
    /// The repository that it names.
    pub fn repository(&self) -> RepositoryId {
        self.repository
    }

    /// When it was handed out, to the second.
    pub fn issued_at(&self) -> Timestamp {
        Timestamp::from_seconds(self.seconds)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1.{}.{}.{}.{}", self.repository, self.seconds, hex(&self.random), hex(&self.mac))
    }
}

/// Reads the one spelling that [`Nonce`]'s `Display` writes.
impl FromStr for Nonce {
    type Err = NotANonce;

    fn from_str(text: &str) -> Result<Self, NotANonce> {
        let read = || {
            let mut parts = text.split('.');
            let version = parts.next()?;
            let repository = parts.next()?.parse().ok()?;
            let seconds = parts.next()?.parse().ok()?;
            let random = unhex(parts.next()?)?.try_into().ok()?;
            let mac = unhex(parts.next()?)?.try_into().ok()?;
            (version == "v1" && parts.next().is_none()).then_some(Self { repository, seconds, random, mac })
        };
        // A second spelling of the same nonce could be spent a second time.
        read().filter(|nonce| nonce.to_string() == text).ok_or(NotANonce)
    }
}

/// Where a push goes: what a nonce is bound to.
#[derive(Clone, Copy, Debug)]
pub struct NoncePlace<'a> {
    /// Whose repository.
    pub tenant: TenantId,
    /// Which one.
    pub name: &'a RepositoryName,
}

/// The key with which this registry marks its nonces.
#[derive(Clone)]
pub struct NonceKey(hmac::Key);

/// Why a nonce does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NonceFault {
    /// Not of the form that this registry hands out.
    #[error("the nonce is not one that this registry hands out")]
    Malformed,
    /// The MAC is wrong: made by another registry, for another repository, or by hand.
    #[error("the nonce was not made by this registry for this repository")]
    Foreign,
    /// The repository was created by someone else after the nonce was handed out.
    #[error("the nonce names another repository than the one that is here now")]
    OtherRepository,
    /// Too old, or from the future.
    #[error("the nonce was handed out at {issued_at} and is no longer valid")]
    Stale {
        /// When it was handed out.
        issued_at: Timestamp,
    },
}

impl NonceKey {
    /// A key of 32 random bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Makes a nonce for a push to `place`, whose repository is called `repository`. For a repository that does not
    /// exist yet the caller draws the id; the push that creates it takes it from the nonce.
    pub fn issue(&self, place: NoncePlace<'_>, repository: RepositoryId, at: Timestamp, random: [u8; 16]) -> Nonce {
        let mut nonce = Nonce { repository, seconds: at.seconds(), random, mac: [0; 32] };
        let mac = hmac::sign(&self.0, &authenticated(place, &nonce));
        nonce.mac.copy_from_slice(mac.as_ref());
        nonce
    }

    /// Checks that this registry made the nonce `text` for `place` and not long before `now`. `repository` is the id of
    /// the repository at that place, `None` when there is none yet.
    ///
    /// # Errors
    /// [`NonceFault`].
    pub fn check(
        &self,
        text: &str,
        place: NoncePlace<'_>,
        repository: Option<RepositoryId>,
        now: Timestamp,
    ) -> Result<Nonce, NonceFault> {
        let nonce: Nonce = text.parse().map_err(|NotANonce| NonceFault::Malformed)?;
        hmac::verify(&self.0, &authenticated(place, &nonce), &nonce.mac).map_err(|_| NonceFault::Foreign)?;
        if repository.is_some_and(|id| id != nonce.repository) {
            return Err(NonceFault::OtherRepository);
        }
        let age_ms = now.0.saturating_sub(nonce.issued_at().0);
        if !(-CLOCK_STEP_MS_MAX..=NONCE_AGE_MS_MAX).contains(&age_ms) {
            return Err(NonceFault::Stale { issued_at: nonce.issued_at() });
        }
        Ok(nonce)
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(…)")
    }
}

/// No field can hold a NUL, so no two different nonces have the same text here.
fn authenticated(place: NoncePlace<'_>, nonce: &Nonce) -> Vec<u8> {
    let random = hex(&nonce.random);
    let (tenant, name) = (place.tenant, place.name);
    format!("skill-pool/nonce/v1\0{tenant}\0{name}\0{}\0{}\0{random}", nonce.repository, nonce.seconds).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::PluginName;
    use proptest::prelude::*;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn repository(n: u128) -> RepositoryId {
        RepositoryId(Uuid::from_u128(n))
    }

    fn plugin(name: &str) -> RepositoryName {
        RepositoryName::Plugin(PluginName::parse(name).expect("a name"))
    }

    fn key() -> NonceKey {
        NonceKey::new(&[5; 32])
    }

    #[test]
    fn a_nonce_fits_one_place_and_one_time() {
        let (lint, other) = (plugin("lint"), plugin("other"));
        let place = |n, name| NoncePlace { tenant: TenantId(Uuid::from_u128(n)), name };
        let nonce = key().issue(place(1, &lint), repository(7), NOW, [9; 16]);
        let text = nonce.to_string();
        let check = |place, id, at| key().check(&text, place, id, at);

        assert_eq!(check(place(1, &lint), Some(repository(7)), NOW), Ok(nonce.clone()));
        assert_eq!(check(place(1, &lint), None, NOW.plus_ms(NONCE_AGE_MS_MAX)), Ok(nonce));
        assert_eq!(check(place(2, &lint), Some(repository(7)), NOW), Err(NonceFault::Foreign));
        assert_eq!(check(place(1, &other), Some(repository(7)), NOW), Err(NonceFault::Foreign));
        assert_eq!(check(place(1, &lint), Some(repository(8)), NOW), Err(NonceFault::OtherRepository));
        let stale = Err(NonceFault::Stale { issued_at: NOW });
        assert_eq!(check(place(1, &lint), None, NOW.plus_ms(NONCE_AGE_MS_MAX + 1)), stale);
        assert_eq!(check(place(1, &lint), None, NOW.plus_ms(-CLOCK_STEP_MS_MAX - 1)), stale);
        assert_eq!(NonceKey::new(&[6; 32]).check(&text, place(1, &lint), None, NOW), Err(NonceFault::Foreign));
    }

    #[test]
    fn git_takes_it_and_there_is_one_spelling() {
        let lint = plugin("lint");
        let place = NoncePlace { tenant: TenantId(Uuid::from_u128(1)), name: &lint };
        let text = key().issue(place, repository(7), NOW, [0xAB; 16]).to_string();
        assert!(text.len() < 256);
        assert!(text.bytes().all(|c| c.is_ascii_alphanumeric() || b"./+=_-".contains(&c)), "{text}");
        for other in [
            text.to_uppercase(),
            text.replace("v1", "v2"),
            text.replacen('-', "", 4),
            text.replace(".1790000000.", ".+1790000000."),
            text.replace(".1790000000.", ".01790000000."),
            format!("{text}."),
            format!("{text}\n"),
            String::new(),
        ] {
            assert_eq!(other.parse::<Nonce>(), Err(NotANonce), "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_issued_is_read(id: u128, seconds in 0..=i64::MAX / 1000, random: [u8; 16]) {
            let lint = plugin("lint");
            let place = NoncePlace { tenant: TenantId(Uuid::from_u128(1)), name: &lint };
            let at = Timestamp::from_seconds(seconds);
            let nonce = key().issue(place, repository(id), at, random);
            prop_assert_eq!(key().check(&nonce.to_string(), place, Some(repository(id)), at), Ok(nonce));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(v1)?[.0-9a-f-]{0,120}|.{0,40}") {
            let _ = text.parse::<Nonce>();
        }
    }
}
