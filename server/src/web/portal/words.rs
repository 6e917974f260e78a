//! Numbers and kinds as a person reads them.

use serde::Serialize;
use skill_pool_domain::plugin::capability::Class;

use crate::services::catalog::Counts;

/// How many items of one kind.
#[derive(Serialize)]
pub struct CountView {
    kind: &'static str,
    words: String,
}

/// Counts as a list, without what there is none of.
pub fn counts(counts: Counts) -> Vec<CountView> {
    [("skill", counts.skills), ("agent", counts.agents), ("command", counts.commands)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| CountView { kind, words: plural(u64::from(count), kind) })
        .collect()
}

/// How far a plugin reaches.
#[derive(Serialize)]
pub struct ReachView {
    class: &'static str,
    words: &'static str,
}

/// A class as the word that templates and style sheet know it by.
pub fn class_word(class: Class) -> &'static str {
    match class {
        Class::Runs => "runs",
        Class::Scripts => "scripts",
        Class::Text => "text",
    }
}

/// The reach in words.
pub fn reach(class: Class) -> ReachView {
    let words = match class {
        Class::Runs => "runs code by itself",
        Class::Scripts => "brings scripts",
        Class::Text => "text only",
    };
    ReachView { class: class_word(class), words }
}

/// `1 skill`, `2 skills`, `1,024 files`.
pub fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(count))
}

/// Digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `340 bytes`, `12 KiB`, `3.4 MiB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => plural(bytes, "byte"),
        1024..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => {
            let tenths = (bytes * 10).div_ceil(1_048_576);
            format!("{}.{} MiB", tenths / 10, tenths % 10)
        }
    }
}

/// Begins with a capital letter.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A text as the value in a query.
pub fn query_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_words() {
        assert_eq!((plural(1, "skill").as_str(), plural(1234, "file").as_str()), ("1 skill", "1,234 files"));
        assert_eq!(grouped(1_000_000), "1,000,000");
        assert_eq!((size(1).as_str(), size(1025).as_str(), size(3_500_000).as_str()), ("1 byte", "2 KiB", "3.4 MiB"));
        assert_eq!(query_encoded("a b&ü"), "a%20b%26%C3%BC");
        assert_eq!(counts(Counts { skills: 2, agents: 0, commands: 1 }).len(), 2);
    }
}
