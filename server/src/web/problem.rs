//! Every way in which a request fails, and the answer to each at each edge.
//!
//! The match in [`Problem::parts`] is exhaustive on purpose: a new failure does not compile until someone has thought of
//! the person who meets it.

use axum::body::Body;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use skill_pool_domain::access::Denied;
use skill_pool_domain::address::PathError;
use skill_pool_domain::refusal::Refusal;

use crate::services::limits::TooMany;

/// Who reads the answer, and so its form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// git: text/plain, which git shows behind `remote:`; `Basic` on 401, since git's helpers are asked only then.
    Git,
    /// The client that fetches catalog and archives: text/plain; `Basic` on 401.
    Client,
    /// Programs: `application/problem+json`; `Bearer` on 401.
    Api,
    /// People: a page. `Bearer` on 401, since `Basic` would open the browser's own dialog instead of ours.
    Page,
}

/// Why a request was not answered as asked.
#[derive(Debug)]
pub enum Problem {
    /// Access was denied.
    Denied(Denied),
    /// There is no such thing. The same words as for [`Denied::Hidden`].
    NotFound,
    /// The path cannot be looked up.
    Path(PathError),
    /// The request breaks a rule of HTTP or of this route; the sentence says which.
    Malformed(String),
    /// Another method than these.
    Method(String),
    /// The body's `Content-Type` is not this.
    MediaType(&'static str),
    /// The body is larger than this many bytes.
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The body came too slowly.
    TooSlow,
    /// Too many requests.
    TooMany {
        /// When to try again.
        retry_after_seconds: u64,
    },
    /// Refused by a rule; the request itself was sound.
    Refused(Refusal),
    /// Nobody may do this here, whatever the credential.
    Forbidden(Refusal),
    /// Two requests wanted different things at once, or the thing is there already.
    Conflict(Refusal),
    /// The answer was not ready in time.
    TimedOut,
    /// The server is stopping or cannot serve yet.
    Unavailable(&'static str),
    /// Something that we did not foresee. The chain goes to the log, the request's id to the person.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<TooMany> for Problem {
    fn from(many: TooMany) -> Self {
        Self::TooMany { retry_after_seconds: many.retry_after.as_secs().max(1) }
    }
}

impl From<PathError> for Problem {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

impl Problem {
    /// Something that we did not foresee.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.parts("").status
    }

    /// Status and words.
    pub fn parts(&self, request_id: &str) -> Parts {
        let plain = |status, code, message: String, remedy: &str| Parts {
            status,
            code,
            place: String::new(),
            message,
            remedy: remedy.to_owned(),
        };
        let refused = |status, refusal: &Refusal| Parts {
            status,
            code: refusal.code,
            place: refusal.place.clone(),
            message: refusal.message.clone(),
            remedy: refusal.remedy.clone(),
        };
        match self {
            Self::Denied(Denied::Unauthenticated) => plain(
                StatusCode::UNAUTHORIZED,
                "token-needed",
                "a valid token is needed here".to_owned(),
                "send it as the password of any user name, or as `Authorization: Bearer`; an admin of this registry issues them",
            ),
            Self::Denied(Denied::Hidden) | Self::NotFound => plain(
                StatusCode::NOT_FOUND,
                "not-found",
                "there is nothing here that your token may see".to_owned(),
                "check the address; if it is right, ask an admin of this registry for access",
            ),
            Self::Denied(Denied::Refused(refusal)) => refused(StatusCode::FORBIDDEN, refusal),
            Self::Refused(refusal) => refused(StatusCode::UNPROCESSABLE_ENTITY, refusal),
            Self::Forbidden(refusal) => refused(StatusCode::FORBIDDEN, refusal),
            Self::Conflict(refusal) => refused(StatusCode::CONFLICT, refusal),
            Self::Path(error) => plain(
                StatusCode::BAD_REQUEST,
                "address-malformed",
                error.to_string(),
                "write the address as it was given to you",
            ),
            Self::Malformed(message) => plain(
                StatusCode::BAD_REQUEST,
                "request-malformed",
                message.clone(),
                "correct the request and send it again",
            ),
            Self::Method(allowed) => plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "this address does not take this method".to_owned(),
                &format!("use {allowed}"),
            ),
            Self::MediaType(expected) => plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "the body has a type that is not read here".to_owned(),
                &format!("send it as {expected}"),
            ),
            Self::TooLarge { limit_bytes } => plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                format!("the request has more than {limit_bytes} bytes"),
                "send less at once",
            ),
            Self::TooSlow => plain(
                StatusCode::REQUEST_TIMEOUT,
                "too-slow",
                "the request came too slowly".to_owned(),
                "send it again over a faster connection",
            ),
            Self::TooMany { retry_after_seconds } => plain(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-requests",
                "too many requests at once".to_owned(),
                &format!("try again in {retry_after_seconds} s"),
            ),
            Self::TimedOut => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "timed-out",
                "the answer was not ready in time".to_owned(),
                "try again in a moment",
            ),
            Self::Unavailable(why) => {
                plain(StatusCode::SERVICE_UNAVAILABLE, "unavailable", (*why).to_owned(), "try again in a moment")
            }
            Self::Internal(_) => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "something went wrong in the server".to_owned(),
                &format!("report this id to an admin: {request_id}"),
            ),
        }
    }

    /// The answer for a program or for git. Pages are made by the portal, which knows the templates; see
    /// [`Problem::headers`] for what they share.
    pub fn into_response(self, family: Family, request_id: &str) -> Response<Body> {
        let parts = self.parts(request_id);
        let (content_type, body) = match family {
            Family::Git | Family::Client | Family::Page => ("text/plain; charset=utf-8", parts.text()),
            Family::Api => ("application/problem+json", parts.json(request_id)),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = parts.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.headers(family, response.headers_mut());
        response
    }

    /// Sets the headers that belong to this problem, whatever the body looks like.
    pub fn headers(&self, family: Family, headers: &mut http::HeaderMap) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Denied(Denied::Unauthenticated) => {
                let challenge = match family {
                    Family::Git | Family::Client => r#"Basic realm="skill-pool", charset="UTF-8""#,
                    Family::Api | Family::Page => r#"Bearer realm="skill-pool""#,
                };
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Method(allowed) => {
                if let Ok(allowed) = HeaderValue::try_from(allowed) {
                    headers.insert(ALLOW, allowed);
                }
            }
            Self::TooMany { retry_after_seconds } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
            }
            Self::TimedOut | Self::Unavailable(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
    }
}

/// Status and words of a problem.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parts {
    /// The status.
    pub status: StatusCode,
    /// A stable word.
    pub code: &'static str,
    /// Where, or empty.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What mends it.
    pub remedy: String,
}

#[derive(Serialize)]
struct ProblemJson<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    code: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    place: &'a str,
    remedy: &'a str,
    request_id: &'a str,
}

impl Parts {
    /// Two or three lines that end in a newline.
    pub fn text(&self) -> String {
        let place = if self.place.is_empty() { "" } else { " at " };
        // Names and messages can repeat what a client sent; a terminal must not obey it.
        let line = |text: &str| text.chars().filter(|c| *c == '\n' || !c.is_control()).collect::<String>();
        format!("{}{place}{}: {}\n{}\n", self.code, line(&self.place), line(&self.message), line(&self.remedy))
    }

    /// RFC 9457.
    pub fn json(&self, request_id: &str) -> String {
        let json = ProblemJson {
            r#type: "about:blank",
            title: &self.message,
            status: self.status.as_u16(),
            code: self.code,
            place: &self.place,
            remedy: &self.remedy,
            request_id,
        };
        serde_json::to_string(&json).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edge_gets_its_form_and_its_challenge() {
        for (family, content_type, challenge) in [
            (Family::Git, "text/plain; charset=utf-8", "Basic"),
            (Family::Client, "text/plain; charset=utf-8", "Basic"),
            (Family::Api, "application/problem+json", "Bearer"),
        ] {
            let response = Problem::Denied(Denied::Unauthenticated).into_response(family, "id");
            assert_eq!(response.status(), 401);
            assert_eq!(response.headers()[CONTENT_TYPE], content_type);
            assert!(response.headers()[WWW_AUTHENTICATE].to_str().expect("text").starts_with(challenge));
        }
        assert!(!Problem::NotFound.into_response(Family::Git, "id").headers().contains_key(WWW_AUTHENTICATE));
    }

    #[test]
    fn what_is_hidden_and_what_is_absent_are_told_in_the_same_words() {
        assert_eq!(Problem::Denied(Denied::Hidden).parts("id"), Problem::NotFound.parts("id"));
    }

    #[test]
    fn nobody_sees_what_went_wrong_inside() {
        let text = Problem::internal("secret path /data/keys").parts("abc").text();
        assert!(text.contains("abc") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn terminals_are_not_commanded() {
        let refusal = Refusal::new("x", "bad \u{1b}[2J name", "rename\u{7} it").at("a\rb");
        assert_eq!(Problem::Refused(refusal).parts("").text(), "x at ab: bad [2J name\nrename it\n");
    }
}
