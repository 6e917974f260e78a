//! What a request shows of who sends it: a token in `Authorization`, or the cookie of a session.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

/// The longest `Authorization` value that is read, in bytes.
const AUTHORIZATION_BYTES_MAX: usize = 1024;

/// What came in `Authorization`.
#[derive(Clone, PartialEq, Eq)]
pub enum Presented {
    /// Nothing.
    Nothing,
    /// The text of what may be a token.
    Token(Box<str>),
    /// A header that holds no token in any form: answered like a wrong token.
    Unreadable,
}

impl Presented {
    /// Reads `Authorization`: `Bearer <token>`, or `Basic` with the token as the password of any user name. A token as user
    /// name with an empty password counts too, as other forges take it.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Self::Nothing,
            (Some(value), None) => value.as_bytes(),
            // Two credentials could be judged one by us and one by a proxy.
            (Some(_), Some(_)) => return Self::Unreadable,
        };
        if value.len() > AUTHORIZATION_BYTES_MAX {
            return Self::Unreadable;
        }
        let Some(space) = value.iter().position(|b| *b == b' ') else { return Self::Unreadable };
        let (scheme, rest) = value.split_at(space);
        let rest = rest.trim_ascii();
        let token = if scheme.eq_ignore_ascii_case(b"bearer") {
            std::str::from_utf8(rest).ok().map(Box::from)
        } else if scheme.eq_ignore_ascii_case(b"basic") {
            password(rest)
        } else {
            None
        };
        match token {
            Some(token) if !token.is_empty() => Self::Token(token),
            _ => Self::Unreadable,
        }
    }
}

fn password(encoded: &[u8]) -> Option<Box<str>> {
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(if password.is_empty() { user } else { password }.into())
}

/// The value of the cookie called `name`; `None` when it is absent or came twice.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim_ascii().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().expect("a header value"));
        }
        match Presented::read(&headers) {
            Presented::Nothing => "nothing".to_owned(),
            Presented::Token(token) => token.into(),
            Presented::Unreadable => "unreadable".to_owned(),
        }
    }

    #[test]
    fn a_token_comes_in_three_forms() {
        assert_eq!(read(&["Bearer secret"]), "secret");
        assert_eq!(read(&["bearer  secret "]), "secret");
        // x:secret, :secret, secret: and a:b:c
        for (basic, expected) in
            [("eDpzZWNyZXQ=", "secret"), ("OnNlY3JldA==", "secret"), ("c2VjcmV0Og==", "secret"), ("YTpiOmM=", "b:c")]
        {
            assert_eq!(read(&[&format!("Basic {basic}")]), expected);
            assert_eq!(read(&[&format!("BASIC {basic}")]), expected);
        }
    }

    #[test]
    fn everything_else_is_a_wrong_credential_and_not_none() {
        assert_eq!(read(&[]), "nothing");
        for wrong in ["", "Bearer", "Bearer ", "Basic !", "Basic Og==", "Basic c2VjcmV0", "Digest x", "secret"] {
            assert_eq!(read(&[wrong]), "unreadable", "{wrong:?}");
        }
        assert_eq!(read(&["Bearer a", "Bearer a"]), "unreadable");
        assert_eq!(read(&[&format!("Bearer {}", "a".repeat(2000))]), "unreadable");
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name_and_only_once() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; session-acme=x=y;b=2".parse().expect("a header value"));
        assert_eq!(cookie(&headers, "session-acme"), Some("x=y"));
        assert_eq!(cookie(&headers, "session"), None);
        headers.append(COOKIE, "session-acme=z".parse().expect("a header value"));
        assert_eq!(cookie(&headers, "session-acme"), None);
    }
}
