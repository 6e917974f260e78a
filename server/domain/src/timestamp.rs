//! Points in time, as the rules see them: handed in, never asked for.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The point `seconds` after the start of 1970, UTC.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Whole seconds since the start of 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This point moved by `milliseconds`.
    pub fn plus_ms(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// `2026-11-21 04:31Z`: how people read it.
    pub fn minutes(self) -> String {
        let text = self.to_string();
        format!("{} {}Z", &text[..10], &text[11..16])
    }

    /// `2026-11-21`.
    pub fn date(self) -> String {
        self.to_string()[..10].to_owned()
    }

    /// Reads RFC 3339 text. `None` when it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok().map(Self)
    }
}

/// RFC 3339 in UTC, to the second: `2026-11-21T04:31:07Z`. Years outside 0 to 9999 show as the nearest one inside.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FIRST: i64 = -62_135_596_800;
        const LAST: i64 = 253_402_300_799;
        let at = OffsetDateTime::from_unix_timestamp(self.seconds().clamp(FIRST, LAST))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        f.write_str(&at.format(&Rfc3339).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_and_read_in_utc() {
        let at = Timestamp::from_seconds(1_790_000_000);
        assert_eq!(at.to_string(), "2026-09-21T14:13:20Z");
        assert_eq!(at.minutes(), "2026-09-21 14:13Z");
        assert_eq!(Timestamp::parse("2026-09-21T16:13:20+02:00"), Some(at));
        assert_eq!(Timestamp(i64::MAX).date(), "9999-12-31");
        assert_eq!(Timestamp(-1).seconds(), -1);
    }
}
