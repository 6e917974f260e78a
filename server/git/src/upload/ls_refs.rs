//! The command `ls-refs` of version 2: refs on request.

use super::request::LsRefs;
use crate::pkt;
use crate::refs::{Head, RefSnapshot};

/// The body of the answer.
pub fn answer(request: &LsRefs, refs: &RefSnapshot) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + 80 * refs.refs.len());
    let mut line = String::with_capacity(256);
    let prefixes = Prefixes::new(request);
    if prefixes.match_any("HEAD") {
        let target = match &refs.head {
            Head::Symbolic(target) if request.symrefs => Some(target),
            _ => None,
        };
        match (refs.head_id(), target) {
            (Some(id), _) => line = format!("{id} HEAD"),
            (None, Some(_)) if request.unborn => line.push_str("unborn HEAD"),
            (None, _) => {}
        }
        if !line.is_empty() {
            if let Some(target) = target {
                line.push_str(" symref-target:");
                line.push_str(target.as_str());
            }
            pkt::write_line(&mut out, &line);
        }
    }
    for entry in &refs.refs {
        let name = entry.name.as_str();
        if !prefixes.match_any(name) {
            continue;
        }
        let mut hex = [0; 40];
        line.clear();
        line.push_str(entry.id.hex_to_buf(&mut hex));
        line.push(' ');
        line.push_str(name);
        if request.symrefs
            && let Some(target) = refs.symref_target(&entry.name)
        {
            line.push_str(" symref-target:");
            line.push_str(target.as_str());
        }
        if request.peel
            && let Some(peeled) = &entry.peeled
        {
            line.push_str(" peeled:");
            line.push_str(peeled.hex_to_buf(&mut hex));
        }
        pkt::write_line(&mut out, &line);
    }
    out.extend_from_slice(pkt::FLUSH);
    out
}

/// Prefixes without those that another one covers, sorted: whether a name has one of them is one search.
struct Prefixes(Option<Vec<Vec<u8>>>);

impl Prefixes {
    fn new(request: &LsRefs) -> Self {
        let Some(given) = &request.prefixes else { return Self(None) };
        let mut sorted: Vec<Vec<u8>> = given.clone();
        sorted.sort();
        sorted.dedup_by(|later, earlier| later.starts_with(earlier));
        Self(Some(sorted))
    }

    fn match_any(&self, name: &str) -> bool {
        let Some(sorted) = &self.0 else { return true };
        // The only candidate is the last one that is not behind the name: of those before it none covers another.
        let after = sorted.partition_point(|prefix| prefix.as_slice() <= name.as_bytes());
        after > 0 && name.as_bytes().starts_with(&sorted[after - 1])
    }
}
