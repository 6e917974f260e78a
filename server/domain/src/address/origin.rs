//! Scheme, host and port of an address.

use std::fmt;
use std::str::FromStr;

/// `https://skills.example.com` or `http://127.0.0.1:8080`: a scheme, a host in lower case without a final dot, and a port
/// unless it is the scheme's own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    text: Box<str>,
    /// Where the authority begins: after `://`.
    authority_at: usize,
    /// Where the host ends.
    host_end: usize,
}

/// Why a text is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Neither http nor https.
    #[error("`{0}` does not begin with `https://` or `http://`")]
    Scheme(String),
    /// A user, path, query or fragment.
    #[error("`{0}` has more than scheme, host and port; leave out what follows the host, and any user name")]
    More(String),
    /// No host, or one with characters that no host has.
    #[error("`{0}` has no host name that a browser could ask for")]
    Host(String),
    /// Not a port.
    #[error("`{0}` has no port between 1 and 65535 after its last `:`")]
    Port(String),
}

impl Origin {
    /// Reads an origin; a single final `/` is allowed.
    ///
    /// # Errors
    /// [`OriginError`] names the broken rule.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let shown = || text.chars().take(200).flat_map(char::escape_default).collect::<String>();
        let (scheme, rest) = text.split_once("://").ok_or_else(|| OriginError::Scheme(shown()))?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return Err(OriginError::Scheme(shown())),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(OriginError::More(shown()));
        }
        let (host, port) = split_authority(rest).ok_or_else(|| OriginError::Host(shown()))?;
        let host = normal_host(host).ok_or_else(|| OriginError::Host(shown()))?;
        let port = match port {
            None => None,
            Some(digits) => Some(parse_port(digits).ok_or_else(|| OriginError::Port(shown()))?),
        };
        let authority_at = scheme.len() + 3;
        let host_end = authority_at + host.len();
        let text = match port.filter(|port| *port != default_port) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        Ok(Self { text: text.into(), authority_at, host_end })
    }

    /// The whole origin, without a final slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host, and port unless it is the scheme's own: what a client that was given this origin sends as its `Host`.
    pub fn authority(&self) -> &str {
        &self.text[self.authority_at..]
    }

    /// The host alone; an IPv6 address stands in brackets.
    pub fn host(&self) -> &str {
        &self.text[self.authority_at..self.host_end]
    }

    /// True for https.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https")
    }

    /// The origin of `label` below this one: `https://acme.example.com:8443` for `acme`.
    pub fn below(&self, label: &str) -> String {
        format!("{}{label}.{}", &self.text[..self.authority_at], self.authority())
    }

    /// True when a request's `Host` (in any case, with or without the scheme's own port or a final dot) means this origin.
    pub fn answers_to(&self, authority: &str) -> bool {
        // What clients send is nearly always the very text.
        if authority == self.authority() {
            return true;
        }
        let Some((host, port)) = split_authority(authority) else { return false };
        let own = &self.text[self.host_end..];
        let default_port = if self.is_https() { "443" } else { "80" };
        let port = port.filter(|port| *port != default_port);
        host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case(self.host()) && port == own.strip_prefix(':')
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.text)
    }
}

impl FromStr for Origin {
    type Err = OriginError;
    fn from_str(text: &str) -> Result<Self, OriginError> {
        Self::parse(text)
    }
}

impl serde::Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Splits `host:port`, `[::1]:port` or a bare host; `None` for what is neither.
pub(super) fn split_authority(authority: &str) -> Option<(&str, Option<&str>)> {
    let host_end = match authority.strip_prefix('[') {
        Some(inside) => inside.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(host_end);
    match rest.strip_prefix(':') {
        Some(port) if !port.contains(':') => Some((host, Some(port))),
        Some(_) => None,
        None if rest.is_empty() => Some((host, None)),
        None => None,
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port != 0)
}

fn normal_host(host: &str) -> Option<String> {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let sound = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            host.len() <= 253
                && host.split('.').all(|label| {
                    (1..=63).contains(&label.len())
                        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                })
        }
    };
    sound.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_shown_in_one_form() {
        for (text, shown, host) in [
            ("https://Skills.Example.COM./", "https://skills.example.com", "skills.example.com"),
            ("HTTPS://a.example:443", "https://a.example", "a.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:80", "http://[::1]", "[::1]"),
            ("http://localhost:443", "http://localhost:443", "localhost"),
        ] {
            let origin = Origin::parse(text).expect(text);
            assert_eq!((origin.as_str(), origin.host()), (shown, host));
            assert_eq!(Origin::parse(shown), Ok(origin));
        }
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        for wrong in [
            "",
            "skills.example.com",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://a?x",
            "https://u:p@a",
            "https://a:0",
            "https://a:+1",
            "https://a:65536",
            "https://a:1:2",
            "https://a b",
            "https://a..b",
            "https://[::1",
            "https://[x]",
            "https://a\n",
        ] {
            assert!(Origin::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_host_header_means_an_origin_in_all_its_spellings() {
        let plain = Origin::parse("https://a.example").expect("an origin");
        for right in ["a.example", "A.Example", "a.example.", "a.example:443", "A.EXAMPLE.:443"] {
            assert!(plain.answers_to(right), "{right}");
        }
        for wrong in ["a.example:80", "a.example:8443", "xa.example", "a.example:443:443", "", "a.example/", "[::1]"] {
            assert!(!plain.answers_to(wrong), "{wrong}");
        }
        let port = Origin::parse("http://a.example:8080").expect("an origin");
        assert!(port.answers_to("a.example:8080") && !port.answers_to("a.example"));
        assert_eq!(port.below("acme"), "http://acme.a.example:8080");
    }
}
