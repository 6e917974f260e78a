//! Filters of partial clones: which reachable objects are left out.
//!
//! Source: git-rev-list(1), `--filter`; gitprotocol-v2(5), `filter`.

use std::fmt;

use gix_object::Kind;

use super::options::FilterRule;
use crate::request_text::shown;

/// Filters that one `combine` may hold, nested ones included.
const PARTS_MAX: usize = 16;

/// Leaves an object out if any part of it says so. Wanted objects are sent whatever it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Blobs of this size in bytes or more are left out; 0: all blobs.
    pub blob_bytes_limit: Option<u64>,
    /// Trees and blobs that lie this deep or deeper are left out; a root tree lies at 0.
    pub tree_depth: Option<u64>,
    /// Only objects of this kind are sent.
    pub kind: Option<Kind>,
}

impl Filter {
    /// Reads a filter. Several can be combined; each makes the result narrower.
    ///
    /// # Errors
    /// The sentence for the client.
    pub fn parse(spec: &[u8], rule: &FilterRule) -> Result<Self, String> {
        let mut filter = Self::default();
        let mut parts = 0;
        filter.narrow(spec, rule, &mut parts)?;
        Ok(filter)
    }

    fn narrow(&mut self, spec: &[u8], rule: &FilterRule, parts: &mut usize) -> Result<(), String> {
        *parts += 1;
        if *parts > PARTS_MAX {
            return Err(format!("a filter may combine at most {PARTS_MAX} others"));
        }
        let wrong = || format!("invalid filter-spec '{}'", shown(spec));
        let text = std::str::from_utf8(spec).map_err(|_| wrong())?;
        let allowed = |name: &str| {
            if rule.refused.iter().any(|refused| refused == name) {
                return Err(format!("filter '{name}' not supported"));
            }
            Ok(())
        };
        if text == "blob:none" {
            allowed("blob:none")?;
            self.blob_bytes_limit = Some(0);
        } else if let Some(limit) = text.strip_prefix("blob:limit=") {
            allowed("blob:limit")?;
            let limit = parse_size(limit).ok_or_else(wrong)?;
            self.blob_bytes_limit = Some(self.blob_bytes_limit.map_or(limit, |old| old.min(limit)));
        } else if let Some(depth) = text.strip_prefix("tree:") {
            allowed("tree")?;
            let depth: u64 = depth.parse().map_err(|_| wrong())?;
            if let Some(max) = rule.tree_depth_max
                && depth > max
            {
                return Err(format!("tree filter allows max depth {max}, but got {depth}"));
            }
            self.tree_depth = Some(self.tree_depth.map_or(depth, |old| old.min(depth)));
        } else if let Some(kind) = text.strip_prefix("object:type=") {
            allowed("object:type")?;
            let kind = Kind::from_bytes(kind.as_bytes()).map_err(|_| wrong())?;
            if self.kind.is_some_and(|old| old != kind) {
                return Err("these filters together leave nothing".to_owned());
            }
            self.kind = Some(kind);
        } else if let Some(combined) = text.strip_prefix("combine:") {
            allowed("combine")?;
            for part in combined.split('+') {
                let part = percent_decode(part).ok_or_else(wrong)?;
                self.narrow(&part, rule, parts)?;
            }
        } else if text.starts_with("sparse:") {
            return Err("sparse filters are not served here; use --filter=blob:none".to_owned());
        } else {
            return Err(wrong());
        }
        Ok(())
    }

    /// True when trees at `depth` and what is in them are left out.
    pub fn skips_depth(&self, depth: u64) -> bool {
        self.tree_depth.is_some_and(|limit| depth >= limit)
    }

    /// True when objects of this kind are left out, whatever their size and depth.
    pub fn skips_kind(&self, kind: Kind) -> bool {
        self.kind.is_some_and(|only| only != kind) || (kind == Kind::Blob && self.blob_bytes_limit == Some(0))
    }

    /// True when no tree has to be looked into, because nothing in it would be sent.
    pub fn skips_trees(&self) -> bool {
        self.tree_depth == Some(0) || matches!(self.kind, Some(Kind::Commit | Kind::Tag))
    }
}

/// A canonical form: equal filters have equal texts.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?},{:?},{:?}", self.blob_bytes_limit, self.tree_depth, self.kind)
    }
}

/// A number of bytes with git's suffixes.
fn parse_size(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1 << 10),
        b'm' | b'M' => (&text[..text.len() - 1], 1 << 20),
        b'g' | b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push((high * 16 + low) as u8);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(spec: &str, expect: Result<Filter, &str>) {
        let got = Filter::parse(spec.as_bytes(), &FilterRule::default());
        assert_eq!(got.as_ref().map_err(String::as_str), expect.as_ref().map_err(|text| *text), "{spec}");
    }

    #[test]
    fn filters_are_read_as_git_writes_them() {
        let any = Filter::default();
        check("blob:none", Ok(Filter { blob_bytes_limit: Some(0), ..any.clone() }));
        check("blob:limit=10k", Ok(Filter { blob_bytes_limit: Some(10_240), ..any.clone() }));
        check("tree:0", Ok(Filter { tree_depth: Some(0), ..any.clone() }));
        check("object:type=commit", Ok(Filter { kind: Some(Kind::Commit), ..any.clone() }));
        check(
            "combine:blob:limit=5+combine%3atree:3%2btree%253a2",
            Ok(Filter { blob_bytes_limit: Some(5), tree_depth: Some(2), kind: None }),
        );
        check("sparse:oid=main:x", Err("sparse filters are not served here; use --filter=blob:none"));
        check("blob:limit=x", Err("invalid filter-spec 'blob:limit=x'"));
        check("tree:-1", Err("invalid filter-spec 'tree:-1'"));
        check("combine:", Err("invalid filter-spec ''"));
        check("combine:%4", Err("invalid filter-spec 'combine:%4'"));
        let many = format!("combine:{}", vec!["tree:1"; 16].join("+"));
        check(&many, Err("a filter may combine at most 16 others"));
    }

    #[test]
    fn a_rule_refuses_by_name() {
        let rule = FilterRule { refused: vec!["blob:none".to_owned()], tree_depth_max: Some(5) };
        assert_eq!(
            Filter::parse(b"combine:tree:1+blob:none", &rule),
            Err("filter 'blob:none' not supported".to_owned())
        );
        let deep = Filter::parse(b"tree:6", &rule);
        assert_eq!(deep, Err("tree filter allows max depth 5, but got 6".to_owned()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), text in "(combine:|blob:|tree:|[%+0-9a-z=]){0,6}") {
            let _ = Filter::parse(&bytes, &FilterRule::default());
            let _ = Filter::parse(text.as_bytes(), &FilterRule::default());
        }
    }
}
