//! Conditional requests and accepted encodings. Source: RFC 9110, 13.1.2 and 12.5.3.

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};

/// Whether `If-None-Match` names `tag`, in the list form, the weak form or as `*`. `suffixes` are what representations of
/// the same content append to the tag.
pub fn none_match_names(headers: &HeaderMap, tag: &str, suffixes: &[&str]) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        // Our tags hold no comma, so that splitting at commas never joins parts of two tags to one of ours.
        value.split(',').map(str::trim_ascii).any(|entry| {
            if entry == "*" {
                return true;
            }
            let entry = entry.strip_prefix("W/").unwrap_or(entry);
            let Some(opaque) = entry.strip_prefix('"').and_then(|entry| entry.strip_suffix('"')) else { return false };
            opaque.strip_prefix(tag).is_some_and(|rest| rest.is_empty() || suffixes.contains(&rest))
        })
    })
}

/// Whether the client takes gzip.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut any = None;
    for value in headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()) {
        for entry in value.split(',') {
            let mut parts = entry.split(';').map(str::trim_ascii);
            let coding = parts.next().unwrap_or("");
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let wanted = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0));
            if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
                return wanted;
            }
            if coding == "*" {
                any = Some(wanted);
            }
        }
    }
    any.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, value.parse().expect("a header value"));
        }
        headers
    }

    #[test]
    fn a_tag_is_found_in_lists_and_weak_forms() {
        for values in [
            &[r#""abc""#][..],
            &[r#"W/"abc""#],
            &[r#""x", W/"abc" ,"y""#],
            &[r#""x""#, r#""abc""#],
            &[r#""abc-gz""#],
            &["*"],
        ] {
            assert!(none_match_names(&headers(IF_NONE_MATCH, values), "abc", &["-gz"]), "{values:?}");
        }
        for values in
            [&[][..], &[""], &["abc"], &[r#""ab""#], &[r#""abcd""#], &[r#"w/"abc""#], &[r#""abc-br""#], &[r#""abc"#]]
        {
            assert!(!none_match_names(&headers(IF_NONE_MATCH, values), "abc", &["-gz"]), "{values:?}");
        }
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (values, expected) in [
            (&["gzip, compress, deflate, br"][..], true),
            (&["br", "GZIP;q=0.5"], true),
            (&["*"], true),
            (&["gzip;q=0, *"], false),
            (&["gzip; q=0.000"], false),
            (&["identity"], false),
            (&[], false),
            (&["gzip;q=x"], false),
        ] {
            assert_eq!(takes_gzip(&headers(ACCEPT_ENCODING, values)), expected, "{values:?}");
        }
    }
}
