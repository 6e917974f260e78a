//! Annotated tags: object, type, name, and a sound tagger if there is one.

use bstr::ByteSlice;
use gix_hash::ObjectId;
use gix_object::Kind;

use super::header::{Header, RETAG, check_identity};
use super::{Fault, parse_id};
use crate::receive::text::quote_bytes;

/// What a tag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagLinks {
    /// The object that is tagged.
    pub target: ObjectId,
    /// What it says that object is.
    pub kind: Kind,
}

/// Reads what a tag names. `None` for what is no tag.
pub fn tag_links(content: &[u8]) -> Option<TagLinks> {
    let (mut header, _) = Header::split(content, RETAG).ok()?;
    let target = parse_id(header.take("object")?)?;
    let kind = Kind::from_bytes(header.take("type")?).ok()?;
    Some(TagLinks { target, kind })
}

/// Reports what is wrong with a tag.
pub(super) fn check(content: &[u8], mut report: impl FnMut(Fault)) {
    if let Err(fault) = check_all(content) {
        report(fault);
    }
}

fn check_all(content: &[u8]) -> Result<(), Fault> {
    let fault = |code, message: String| Err(Fault::new(code, message, RETAG));
    let (mut header, _) = Header::split(content, RETAG)?;
    let Some(object) = header.take("object") else {
        return fault("missing-object", "it does not begin with an `object` line".into());
    };
    if parse_id(object).is_none() {
        return fault("bad-object-sha1", format!("its object {} is not an id", quote_bytes(object)));
    }
    let Some(kind) = header.take("type") else {
        return fault("missing-type-entry", "there is no `type` line behind the object".into());
    };
    if Kind::from_bytes(kind).is_err() {
        return fault("bad-type", format!("{} is not a type of object", quote_bytes(kind)));
    }
    let Some(name) = header.take("tag") else {
        return fault("missing-tag-entry", "there is no `tag` line behind the type".into());
    };
    if gix_validate::tag::name(name.as_bstr()).is_err() {
        return fault("bad-tag-name", format!("{} cannot be the name of a tag", quote_bytes(name)));
    }
    // Tags of git's first years have no tagger.
    match header.take("tagger") {
        Some(tagger) => check_identity("tagger", tagger, RETAG)?,
        None if header.next_key() == b"tagger" => {
            return fault("missing-tagger", "its `tagger` line has nothing behind it".into());
        }
        None => {}
    }
    loop {
        let key = header.next_key();
        if matches!(key, b"object" | b"type" | b"tag" | b"tagger") {
            return fault("repeated-header", format!("it has a second {} line", quote_bytes(key)));
        }
        if !header.skip() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(content: impl AsRef<[u8]>) -> Option<&'static str> {
        let mut out = None;
        check(content.as_ref(), |fault| out = Some(fault.code));
        out
    }

    const OBJECT: &str = "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
    const TAGGER: &str = "tagger A <a@example.com> 1700000000 +0000\n";

    #[test]
    fn ordinary_and_old_tags_pass() {
        for more in [TAGGER, "", "tagger A <a> 0 +0000\ngpgsig x\n y\n"] {
            assert_eq!(code(format!("{OBJECT}type tree\ntag v1\n{more}\nmessage")), None);
        }
        let links = tag_links(format!("{OBJECT}type commit\ntag v1\n{TAGGER}\n").as_bytes()).expect("a tag");
        assert_eq!(links.kind, Kind::Commit);
    }

    #[test]
    fn each_broken_tag_is_named_as_git_does() {
        let rest = format!("type commit\ntag v1\n{TAGGER}\nm");
        for (content, expected) in [
            (String::new(), "unterminated-header"),
            (format!("{OBJECT}{}", rest.replace("v1", "v\0")), "nul-in-header"),
            (format!("{OBJECT}type commit\ntag v1\n{TAGGER}"), "unterminated-header"),
            (rest.clone(), "missing-object"),
            (format!("{}{rest}", OBJECT.replace("4b8", "4b")), "bad-object-sha1"),
            (format!("{OBJECT}tag v1\n\n"), "missing-type-entry"),
            (format!("{OBJECT}type wombat\ntag v1\n\n"), "bad-type"),
            (format!("{OBJECT}type commit\n\n"), "missing-tag-entry"),
            (format!("{OBJECT}type commit\ntag a b\n\n"), "bad-tag-name"),
            (format!("{OBJECT}type commit\ntag v1\ntagger A\n\n"), "missing-email"),
            (format!("{OBJECT}type commit\ntag v1\ntagger\n\n"), "missing-tagger"),
            (format!("{OBJECT}type commit\ntag v1\n{TAGGER}{OBJECT}\n"), "repeated-header"),
        ] {
            assert_eq!(code(&content), Some(expected), "{content}");
        }
    }
}
