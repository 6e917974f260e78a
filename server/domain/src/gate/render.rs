//! Findings as plain text, the same in git's output, on the terminal and on a page.

use std::fmt::Write as _;

use super::{Finding, Verdict};
use crate::plugin::hidden;

/// So many findings are shown to a person who pushed; the rest is counted.
pub const SHOWN_MAX: usize = 20;
/// The width that lines are broken for: 80 less git's `remote: `.
pub const WIDTH: usize = 72;
/// A quoted text is cut after so many characters.
const TEXT_CHARACTERS_MAX: usize = 400;

/// `text` on one line, with everything that does not show made to show: control characters as `\u{1b}`, direction
/// overrides and zero-width characters as `<U+202E>`.
pub fn visible(text: &str) -> String {
    let mut hidden = hidden::scan(text).peekable();
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if hidden.next_if(|h| h.at == at).is_some() {
            let _ = write!(out, "<U+{:04X}>", u32::from(c));
        } else if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else if matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}') {
            let _ = write!(out, "<U+{:04X}>", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// One finding: rule and place on the first line, then what is wrong and what to do, broken at `width` characters.
/// Lines that can be pasted (the fix) are never broken.
pub fn finding(finding: &Finding, width: usize) -> String {
    let word = if finding.refuses() { "refused" } else { "warning" };
    let mut out = format!("{word}: {}", finding.rule);
    let place = cut(&visible(&finding.place()));
    if !place.is_empty() {
        let gap = if out.chars().count() + 3 + place.chars().count() <= width { "   " } else { "\n  " };
        let _ = write!(out, "{gap}{place}");
    }
    out.push('\n');
    for line in wrap(&cut(&visible(&finding.message)), width.saturating_sub(2)) {
        let _ = writeln!(out, "  {line}");
    }
    for line in finding.fix.lines() {
        let _ = writeln!(out, "  {}", cut(&visible(line)));
    }
    out
}

/// The first [`SHOWN_MAX`] findings and a count of the rest; empty when there is nothing to say.
pub fn findings(verdict: &Verdict, width: usize) -> String {
    let mut out = String::new();
    for one in verdict.findings.iter().take(SHOWN_MAX) {
        out.push_str(&finding(one, width));
    }
    let rest = verdict.findings.len().saturating_sub(SHOWN_MAX) + verdict.left_out;
    if rest > 0 {
        let _ = writeln!(out, "… and {rest} more: run `skill-pool validate .` to see all of them");
    }
    out
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARACTERS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Breaks at blanks; a word longer than `width` stands alone.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut length = 0;
    for word in text.split(' ') {
        let word_length = word.chars().count();
        match lines.last_mut() {
            Some(line) if length + 1 + word_length <= width => {
                line.push(' ');
                line.push_str(word);
                length += 1 + word_length;
            }
            _ => {
                lines.push(word.to_owned());
                length = word_length;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::samples::{judged, tree};

    #[test]
    fn a_finding_is_told_in_plain_lines_and_nothing_hides_in_it() {
        let verdict = judged(&tree(&[("a\u{1b}[31m\u{202e}x", "y")]));
        let text = findings(&verdict, WIDTH);
        assert!(text.starts_with("refused: "), "{text}");
        assert!(text.contains("a\\u{1b}[31m<U+202E>x"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
        let pasted = |line: &str| verdict.findings.iter().any(|finding| line.trim_start() == finding.fix);
        assert!(text.lines().all(|line| pasted(line) || line.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn twenty_are_shown_and_the_rest_is_counted() {
        let names: Vec<String> = (0..60).map(|n| format!("{n}:")).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        let verdict = judged(&tree(&files));
        let text = findings(&verdict, WIDTH);
        assert_eq!(text.matches("refused: ").count(), SHOWN_MAX);
        assert_eq!(verdict.findings.iter().filter(|f| f.rule == "path-not-portable").count(), 50);
        assert_eq!(verdict.left_out, 10);
        let rest = verdict.findings.len() - SHOWN_MAX + 10;
        assert!(text.contains(&format!("… and {rest} more")), "{text}");
    }
}
