//! Types of values in the configuration: each reads one form of text and shows itself in the same form.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use skill_pool_domain::address::Origin;
use skill_pool_domain::names::TenantName;

/// A value as it stands in a file or a variable, before its key gives it a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// A TOML string, or a variable's text.
    Text(String),
    /// A TOML number or truth value, written as in the file.
    Bare(String),
    /// A TOML array of strings.
    List(Vec<String>),
    /// A TOML table of strings.
    Map(Vec<(String, String)>),
    /// Something that no key takes, in words.
    Other(&'static str),
}

/// A type of value.
pub trait Setting: Sized {
    /// What is expected, with an example: `a size, such as 32MiB`.
    const EXPECTS: &'static str;
    /// Reads a value. `None` when it is something else.
    fn read(raw: &Raw) -> Option<Self>;
    /// The value as TOML.
    fn show(&self) -> String;
}

/// `text` as a TOML string.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn text(raw: &Raw) -> Option<&str> {
    match raw {
        Raw::Text(text) => Some(text.trim()),
        _ => None,
    }
}

fn bare(raw: &Raw) -> Option<&str> {
    match raw {
        Raw::Text(text) | Raw::Bare(text) => Some(text.trim()),
        _ => None,
    }
}

/// Types that are read with `FromStr` and shown with `Display`.
macro_rules! by_text {
    ($type:ty, $expects:literal) => {
        impl Setting for $type {
            const EXPECTS: &'static str = $expects;
            fn read(raw: &Raw) -> Option<Self> {
                text(raw)?.parse().ok()
            }
            fn show(&self) -> String {
                quoted(&self.to_string())
            }
        }
    };
}

by_text!(SocketAddr, "an address and port, such as 127.0.0.1:8080");
by_text!(TenantName, "a tenant's name, such as acme");
by_text!(Origin, "an origin without a path, such as https://skills.example.org");
by_text!(HostName, "a host name, such as skills.example.org");
by_text!(Network, "an address or network, such as 10.0.0.0/8");
by_text!(Size, "a size, such as 32MiB");
by_text!(Time, "a duration, such as 15s");
by_text!(Rate, "a rate, such as 600/min, or off");

impl Setting for String {
    const EXPECTS: &'static str = "a text";
    fn read(raw: &Raw) -> Option<Self> {
        text(raw).map(str::to_owned)
    }
    fn show(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    const EXPECTS: &'static str = "a path, such as /var/lib/skill-pool";
    fn read(raw: &Raw) -> Option<Self> {
        text(raw).filter(|text| !text.is_empty()).map(Self::from)
    }
    fn show(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Setting for u32 {
    const EXPECTS: &'static str = "a number, such as 100";
    fn read(raw: &Raw) -> Option<Self> {
        bare(raw)?.replace('_', "").parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for bool {
    const EXPECTS: &'static str = "true or false";
    fn read(raw: &Raw) -> Option<Self> {
        bare(raw)?.parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

/// Empty text stands for none.
impl<T: Setting> Setting for Option<T> {
    const EXPECTS: &'static str = T::EXPECTS;
    fn read(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Text(text) if text.trim().is_empty() => Some(None),
            raw => T::read(raw).map(Some),
        }
    }
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| quoted(""), T::show)
    }
}

/// An array in the file; words with commas between them in a variable.
impl<T: Setting> Setting for Vec<T> {
    const EXPECTS: &'static str = T::EXPECTS;
    fn read(raw: &Raw) -> Option<Self> {
        let words: Vec<&str> = match raw {
            Raw::List(words) => words.iter().map(String::as_str).collect(),
            Raw::Text(text) => text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect(),
            _ => return None,
        };
        words.into_iter().map(|word| T::read(&Raw::Text(word.to_owned()))).collect()
    }
    fn show(&self) -> String {
        format!("[{}]", self.iter().map(T::show).collect::<Vec<_>>().join(", "))
    }
}

/// Host names and the tenants that answer there. A table in the file; `host=tenant,host=tenant` in a variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(pub Vec<(HostName, TenantName)>);

impl Setting for Hosts {
    const EXPECTS: &'static str = "host names and tenants, such as \"skills.acme.example\" = \"acme\"";
    fn read(raw: &Raw) -> Option<Self> {
        let pairs: Vec<(&str, &str)> = match raw {
            Raw::Map(pairs) => pairs.iter().map(|(host, tenant)| (host.as_str(), tenant.as_str())).collect(),
            Raw::Text(text) => {
                let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
                words.map(|word| word.split_once('=')).collect::<Option<_>>()?
            }
            _ => return None,
        };
        let mut hosts = Vec::with_capacity(pairs.len());
        for (host, tenant) in pairs {
            hosts.push((host.trim().parse().ok()?, TenantName::parse(tenant.trim()).ok()?));
        }
        let mut names: Vec<&HostName> = hosts.iter().map(|(host, _)| host).collect();
        names.sort();
        names.windows(2).all(|pair| pair[0] != pair[1]).then_some(Self(hosts))
    }
    fn show(&self) -> String {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(host, tenant)| format!("{} = {}", quoted(host.as_str()), quoted(tenant.as_str())))
            .collect();
        if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
    }
}

/// Text that is not of the expected form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a value with its unit, such as 30d")]
pub struct NotThis;

/// A host name in lower case, without port and final dot; an IP address counts as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = NotThis;
    fn from_str(text: &str) -> Result<Self, NotThis> {
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self(text));
        }
        let label_holds = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if text.len() <= 253 && text.split('.').all(label_holds) { Ok(Self(text)) } else { Err(NotThis) }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An IP address or a network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// Its address, as written.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The bits that are the same in all its addresses.
    pub fn prefix_bits(&self) -> u8 {
        self.prefix_bits
    }

    /// True when `address` lies in this network. IPv4 addresses written as IPv6 count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        fn bits(address: IpAddr) -> (u128, u32) {
            match address.to_canonical() {
                IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
                IpAddr::V6(v6) => (u128::from(v6), 128),
            }
        }
        let ((own, width), (other, other_width)) = (bits(self.address), bits(address));
        let shift = width - u32::from(self.prefix_bits);
        width == other_width && (shift == 128 || own >> shift == other >> shift)
    }
}

impl FromStr for Network {
    type Err = NotThis;
    fn from_str(text: &str) -> Result<Self, NotThis> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| NotThis)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotThis)?;
        let address = if prefix.is_none() { address.to_canonical() } else { address };
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = prefix.unwrap_or(width);
        if prefix_bits > width || (address.is_ipv6() && address.to_canonical().is_ipv4()) {
            return Err(NotThis);
        }
        Ok(Self { address, prefix_bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// A number of bytes, written with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for Size {
    type Err = NotThis;
    fn from_str(text: &str) -> Result<Self, NotThis> {
        number_with_unit(text, &SIZE_UNITS).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_with_unit(self.0, &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)], f)
    }
}

/// A duration, written with its unit; whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(pub Duration);

const TIME_UNITS: [(&str, u64); 6] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];

impl FromStr for Time {
    type Err = NotThis;
    fn from_str(text: &str) -> Result<Self, NotThis> {
        number_with_unit(text, &TIME_UNITS).map(Duration::from_millis).map(Self)
    }
}

impl TryFrom<String> for Time {
    type Error = NotThis;
    fn try_from(text: String) -> Result<Self, NotThis> {
        text.parse()
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.to_string()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        show_with_unit(ms, &[("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)], f)
    }
}

fn number_with_unit(text: &str, units: &[(&str, u64)]) -> Result<u64, NotThis> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(NotThis)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or(NotThis)
}

fn show_with_unit(value: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let fitting = units.iter().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    match fitting.or(units.last()) {
        Some((name, factor)) => write!(f, "{}{name}", value / factor),
        None => fmt::Display::fmt(&value, f),
    }
}

/// So many in a period, or no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// No bound.
    Off,
    /// At most `count` at once, and that many again in each `period`.
    Per {
        /// How many.
        count: NonZeroU32,
        /// In which time.
        period: Duration,
    },
}

const RATE_PERIODS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("h", 3_600), ("d", 86_400)];

impl FromStr for Rate {
    type Err = NotThis;
    fn from_str(text: &str) -> Result<Self, NotThis> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let (count, period) = text.split_once('/').ok_or(NotThis)?;
        let (_, seconds) = RATE_PERIODS.iter().find(|(name, _)| *name == period.trim()).ok_or(NotThis)?;
        Ok(Self::Per { count: count.trim().parse().map_err(|_| NotThis)?, period: Duration::from_secs(*seconds) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Per { count, period } => {
                let name = RATE_PERIODS.iter().find(|(_, s)| *s == period.as_secs()).map_or("s", |(name, _)| name);
                write!(f, "{count}/{name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<T: Setting>(text: &str) -> Option<String> {
        T::read(&Raw::Text(text.to_owned())).map(|value| value.show())
    }

    #[test]
    fn values_are_read_in_words_and_shown_in_the_same_form() {
        let some = |text: &str| Some(format!("\"{text}\""));
        for (text, expected) in [
            ("32MiB", some("32MiB")),
            ("32 MiB", some("32MiB")),
            ("1024KiB", some("1MiB")),
            ("1MB", some("1000000B")),
            ("0B", some("0B")),
            ("32", None),
            ("2 gigs", None),
            ("-1MiB", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(shown::<Size>(text), expected, "{text}");
        }
        for (text, expected) in [
            ("15s", some("15s")),
            ("90s", some("90s")),
            ("120s", some("2min")),
            ("2m", some("2min")),
            ("250ms", some("250ms")),
            ("90d", some("90d")),
            ("5", None),
            ("1.5s", None),
        ] {
            assert_eq!(shown::<Time>(text), expected, "{text}");
        }
        for (text, expected) in
            [("600/min", some("600/min")), ("off", some("off")), ("0/min", None), ("5/week", None), ("5", None)]
        {
            assert_eq!(shown::<Rate>(text), expected, "{text}");
        }
        assert_eq!(u32::read(&Raw::Bare("1_000".into())), Some(1000));
        assert_eq!(bool::read(&Raw::Bare("true".into())), Some(true));
        assert_eq!(bool::read(&Raw::Text("yes".into())), None);
    }

    #[test]
    fn networks_hold_addresses_of_their_own_family() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().expect(network).contains(address.parse().expect(address))
        };
        assert!(holds("10.0.0.0/8", "10.2.3.4") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("127.0.0.1", "::ffff:127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "2001:db8::1") && holds("fd00::/8", "fd12::1"));
        assert!("10.0.0.0/33".parse::<Network>().is_err() && "x".parse::<Network>().is_err());
    }

    #[test]
    fn lists_and_hosts_are_read_from_files_and_variables() {
        let networks = Vec::<Network>::read(&Raw::Text("10.0.0.0/8, ::1".into())).expect("two");
        assert_eq!(networks.show(), r#"["10.0.0.0/8", "::1/128"]"#);
        assert_eq!(Vec::<Network>::read(&Raw::List(vec!["x".into()])), None);
        let hosts = Hosts::read(&Raw::Text("Skills.Acme.example=acme".into())).expect("one");
        assert_eq!(hosts.show(), r#"{ "skills.acme.example" = "acme" }"#);
        assert_eq!(Hosts::read(&Raw::Text("a.example=x,A.example=y".into())), None);
        assert_eq!(Option::<SocketAddr>::read(&Raw::Text(String::new())), Some(None));
    }
}
