//! One request, resolved: which tenant, who asks, what for. Handlers get a [`Call`] and nothing else.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, request};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use skill_pool_domain::access::{Act, Caller, Granted, Tenant, decide};
use skill_pool_domain::address::BaseId;

use super::problem::{Family, Problem};
use super::site::Site;

/// The longest body of a form or an API request, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// How long such a body may take.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// Parts of a pattern that can vary.
const PARAMS_MAX: usize = 3;

/// A resolved request within a tenant's addresses.
pub struct Call {
    /// What everything hangs on.
    pub site: Arc<Site>,
    /// The tenant that the address means; `None` when there is none of that name.
    pub tenant: Option<Arc<Tenant>>,
    /// Who asks.
    pub caller: Caller,
    /// The session that the caller came with, if it was not a token.
    pub session: Option<crate::services::sessions::SessionId>,
    /// Who reads the answer.
    pub family: Family,
    /// The path within the tenant, decoded; empty or beginning with a slash.
    pub path: Box<str>,
    /// What stands before it in links to pages: `/t/acme`, or nothing.
    pub prefix: Box<str>,
    /// The name in the address, which may be no tenant's.
    pub name: Box<str>,
    /// The address that links carry.
    pub base: BaseId,
    /// The client's address, if the listener knows it.
    pub client: Option<IpAddr>,
    /// Names this request in answers and the log.
    pub id: RequestId,
    /// Method, target and headers as sent.
    pub head: request::Parts,
    /// The body, unread.
    pub body: Body,
    pub(super) params: Params,
}

impl Call {
    /// Decides whether the caller may do `act` here.
    ///
    /// # Errors
    /// [`Problem::Denied`].
    pub fn grant<A: Act>(&self, act: A) -> Result<Granted<A>, Problem> {
        Ok(decide(act, self.tenant.as_deref(), &self.caller)?)
    }

    /// The part of the path that stands where the `n`th `{…}` of the route's pattern does.
    pub fn param(&self, n: usize) -> &str {
        self.params.get(&self.path, n)
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The query as sent.
    pub fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// The value of `key` in the query, decoded; the first if there are several.
    pub fn query_value(&self, key: &str) -> Option<String> {
        form_value(self.query()?.as_bytes(), key)
    }

    /// Takes the body whole.
    ///
    /// # Errors
    /// [`Problem::TooLarge`], [`Problem::TooSlow`], or [`Problem::Malformed`] when it broke off.
    pub async fn body(&mut self) -> Result<Bytes, Problem> {
        let body = std::mem::replace(&mut self.body, Body::empty());
        let collected = tokio::time::timeout(BODY_TIME_MAX, Limited::new(body, BODY_BYTES_MAX).collect()).await;
        match collected {
            Err(_elapsed) => Err(Problem::TooSlow),
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Problem::TooLarge { limit_bytes: BODY_BYTES_MAX as u64 })
            }
            Ok(Err(_)) => Err(Problem::Malformed("the request broke off".to_owned())),
        }
    }

    /// Takes a JSON body.
    ///
    /// # Errors
    /// As [`Call::body`]; also [`Problem::MediaType`], and [`Problem::Malformed`] which says where it is not as expected.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        // A page of another origin can make a browser send text/plain with cookies, but not this type.
        self.expect_type("application/json")?;
        let body = self.body().await?;
        serde_json::from_slice(&body)
            .map_err(|error| Problem::Malformed(format!("the body is not as expected: {error}")))
    }

    /// Takes a form.
    ///
    /// # Errors
    /// As [`Call::body`], and [`Problem::MediaType`].
    pub async fn form(&mut self) -> Result<Form, Problem> {
        self.expect_type("application/x-www-form-urlencoded")?;
        Ok(Form(self.body().await?))
    }

    fn expect_type(&self, expected: &'static str) -> Result<(), Problem> {
        let sent = self.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let essence = sent.split(';').next().unwrap_or("").trim();
        if essence.eq_ignore_ascii_case(expected) { Ok(()) } else { Err(Problem::MediaType(expected)) }
    }
}

/// The fields of a form.
pub struct Form(Bytes);

impl Form {
    /// The value of a field, decoded; the first if there are several.
    pub fn value(&self, key: &str) -> Option<String> {
        form_value(&self.0, key)
    }
}

fn form_value(encoded: &[u8], key: &str) -> Option<String> {
    encoded.split(|b| *b == b'&').find_map(|pair| {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let value = pair.get(at + 1..).unwrap_or(&[]);
        (decode_form(&pair[..at]).as_deref() == Some(key)).then(|| decode_form(value)).flatten()
    })
}

fn decode_form(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(*b).to_digit(16));
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(out).ok()
}

/// Places of the varying parts of a path.
#[derive(Clone, Debug, Default)]
pub struct Params([Range<u16>; PARAMS_MAX]);

impl Params {
    fn get<'a>(&self, path: &'a str, n: usize) -> &'a str {
        let range = self.0.get(n).cloned().unwrap_or_default();
        path.get(usize::from(range.start)..usize::from(range.end)).unwrap_or("")
    }

    /// Matches `path` (empty, or beginning with a slash) against a pattern such as `plugins/{plugin}` or `git/{*rest}`.
    /// A part in braces stands for one part of the path, one with a star for all that follow, at least one.
    pub(super) fn matching(pattern: &str, path: &str) -> Option<Self> {
        let mut params = Self::default();
        let mut filled = 0;
        let mut keep = |start: usize, end: usize| {
            if let (Some(slot), Ok(start), Ok(end)) =
                (params.0.get_mut(filled), u16::try_from(start), u16::try_from(end))
            {
                *slot = start..end;
            }
            filled += 1;
        };
        // The place behind the slash that precedes the part looked at; paths have at most 2048 bytes.
        let mut at = usize::from(!path.is_empty());
        if pattern.is_empty() {
            return (path.len() <= at).then_some(params);
        }
        for part in pattern.split('/') {
            let rest = path.get(at..).filter(|rest| !rest.is_empty())?;
            if part.starts_with("{*") {
                keep(at, path.len());
                return Some(params);
            }
            let length = rest.find('/').unwrap_or(rest.len());
            if part.starts_with('{') {
                keep(at, at + length);
            } else if part != &rest[..length] {
                return None;
            }
            at += length + 1;
        }
        (at == path.len() + 1).then_some(params)
    }
}

/// Names one request: unique within this process and, by its random part, beyond it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestId {
    process: u64,
    number: u64,
}

impl RequestId {
    /// The next id.
    pub fn next() -> Self {
        static PROCESS: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let process = *PROCESS.get_or_init(|| uuid::Uuid::new_v4().as_u64_pair().0);
        Self { process, number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }
}

/// `1f0c…-2a`: 16 hexadecimal digits of the process, then the number.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}", self.process, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(pattern: &str, path: &str) -> Option<String> {
        let params = Params::matching(pattern, path)?;
        Some((0..2).map(|n| params.get(path, n)).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn patterns_match_whole_parts() {
        for (pattern, path, expected) in [
            ("", "", Some("|")),
            ("", "/", Some("|")),
            ("", "/a", None),
            ("a", "/a", Some("|")),
            ("a", "/a/", None),
            ("a", "/ab", None),
            ("a", "", None),
            ("a/{x}", "/a/b", Some("b|")),
            ("a/{x}", "/a/", None),
            ("a/{x}", "/a", None),
            ("a/{x}", "/a/b/c", None),
            ("a/{x}/{y}", "/a/b/c", Some("b|c")),
            ("a/{x}/c/{y}", "/a/b/c/d", Some("b|d")),
            ("a/{*x}", "/a/b/c/", Some("b/c/|")),
            ("a/{*x}", "/a/", None),
        ] {
            assert_eq!(matched(pattern, path).as_deref(), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn forms_are_decoded() {
        let form = b"a=1&b=%C3%BC+x&c&a=2&%64=e%3Df&bad=%zz";
        let value = |key| form_value(form, key);
        assert_eq!(value("a").as_deref(), Some("1"));
        assert_eq!(value("b").as_deref(), Some("ü x"));
        assert_eq!(value("c").as_deref(), Some(""));
        assert_eq!(value("d").as_deref(), Some("e=f"));
        assert_eq!(value("bad"), None);
        assert_eq!(value("x"), None);
    }

    #[test]
    fn no_two_requests_have_one_id() {
        assert_ne!(RequestId::next(), RequestId::next());
        assert!(RequestId::next().to_string().len() >= 18);
    }
}
