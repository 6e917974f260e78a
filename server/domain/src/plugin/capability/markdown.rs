//! What Markdown can do besides being read: commands that run when it is loaded, comments that no page shows, pictures from
//! elsewhere.

use std::collections::HashMap;

/// A place in Markdown and what stands there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Byte offset in the text.
    pub at: usize,
    /// The command, the comment or the address.
    pub what: String,
}

/// A longer text is cut.
const WHAT_CHARACTERS_MAX: usize = 300;

/// Commands that the client runs before the model reads: `` !`command` `` that no letter, digit or `_` precedes, and fences
/// opened with ```` ```! ````. They count inside other code too.
pub fn live_commands(text: &str) -> Vec<Place> {
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find("!`") {
        let at = from + found;
        from = at + 2;
        // The third tick of a fence is not the first of a span.
        let word_before = text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let Some(length) = text[from..].find('`') else { break };
        if !word_before && length > 0 {
            out.push(Place { at, what: cut(&text[from..from + length]) });
            from += length + 1;
        }
    }
    let mut at = 0;
    let mut open: Option<(usize, usize)> = None;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start_matches([' ', '\t', '>']);
        let ticks = trimmed.bytes().take_while(|b| *b == b'`').count();
        match open {
            Some((start, body)) if ticks >= 3 && trimmed[ticks..].trim().is_empty() => {
                out.push(Place { at: start, what: cut(&text[body..at]) });
                open = None;
            }
            None if ticks >= 3 && trimmed[ticks..].starts_with('!') && !trimmed[ticks..].contains('`') => {
                open = Some((at, at + line.len()));
            }
            _ => {}
        }
        at += line.len();
    }
    if let Some((start, body)) = open {
        out.push(Place { at: start, what: cut(text.get(body..).unwrap_or_default()) });
    }
    out.sort_by_key(|place| place.at);
    out
}

/// `<!-- … -->` and what is in it.
pub fn comments(text: &str) -> Vec<Place> {
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find("<!--") {
        let at = from + found;
        let inner = at + 4;
        let end = text[inner..].find("-->").map_or(text.len(), |end| inner + end);
        out.push(Place { at, what: cut(&text[inner..end]) });
        from = (end + 3).min(text.len());
        from = text.ceil_char_boundary(from);
    }
    out
}

/// Pictures that a viewer fetches from elsewhere: inline, by reference, and as HTML.
pub fn remote_images(text: &str) -> Vec<Place> {
    let mut out = Vec::new();
    let references = reference_targets(text);
    for (at, close) in image_brackets(text) {
        let alternative = &text[at + 2..close];
        let rest = &text[close + 1..];
        let target = if let Some(inline) = rest.strip_prefix('(') {
            let inline = inline.trim_start_matches([' ', '\t', '\n', '<']);
            is_remote(inline).then(|| first_of(inline, &[')', '\n', '>']))
        } else {
            let label = rest.strip_prefix('[').map_or(alternative, |rest| first_of(rest, &[']', '\n']));
            let label = if label.is_empty() { alternative } else { label };
            references.get(&label.trim().to_lowercase()).copied()
        };
        if let Some(target) = target {
            out.push(Place { at, what: cut(target) });
        }
    }
    let mut from = 0;
    while let Some(found) = text[from..].find('<') {
        let at = from + found;
        from = at + 1;
        let is_image = text.get(from..from + 3).is_some_and(|tag| tag.eq_ignore_ascii_case("img"));
        if !is_image {
            continue;
        }
        // A tag ends before the next one begins, so that each character is looked at once.
        let tag = first_of(&text[from + 3..], &['>', '<']);
        from += 3;
        let source =
            ["src", "srcset"].into_iter().find_map(|name| attribute(tag, name).filter(|value| is_remote(value)));
        if let Some(source) = source {
            out.push(Place { at, what: cut(source) });
        }
    }
    out.sort_by_key(|place| place.at);
    out
}

/// `text` up to the first of `ends`.
fn first_of<'a>(text: &'a str, ends: &[char]) -> &'a str {
    &text[..text.find(ends).unwrap_or(text.len())]
}

/// Where each `![` begins and its bracket ends, within a paragraph, in one pass.
fn image_brackets(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'[' => open.push(at),
            b']' => {
                if let Some(from) = open.pop().filter(|from| *from > 0 && bytes[from - 1] == b'!') {
                    out.push((from - 1, at));
                }
            }
            b'\n' if bytes.get(at + 1) == Some(&b'\n') => open.clear(),
            _ => {}
        }
    }
    out.sort_unstable();
    out
}

/// `[label]: address` lines whose address is elsewhere, by label in lower case.
fn reference_targets(text: &str) -> HashMap<String, &str> {
    let mut out = HashMap::new();
    for line in text.lines() {
        let Some((label, rest)) = line.trim_start().strip_prefix('[').and_then(|line| line.split_once("]:")) else {
            continue;
        };
        let target = rest.trim_start().trim_start_matches('<');
        if is_remote(target) {
            out.entry(label.trim().to_lowercase()).or_insert_with(|| first_of(target, &[' ', '>']));
        }
    }
    out
}

fn is_remote(target: &str) -> bool {
    let head: String = target.chars().take(8).collect::<String>().to_ascii_lowercase();
    head.starts_with("http://") || head.starts_with("https://") || head.starts_with("//")
}

/// The value of the attribute `name` (lower case) of a tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let lower = tag.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find(name) {
        from += found + name.len();
        let Some(value) = tag[from..].trim_start().strip_prefix('=') else { continue };
        let value = value.trim_start();
        return Some(match value.chars().next() {
            Some(quote @ ('"' | '\'')) => first_of(&value[1..], &[quote]),
            _ => value.split(char::is_whitespace).next().unwrap_or_default(),
        });
    }
    None
}

fn cut(text: &str) -> String {
    text.trim().chars().take(WHAT_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whats(places: Vec<Place>) -> Vec<String> {
        places.into_iter().map(|place| place.what).collect()
    }

    #[test]
    fn commands_that_run_on_load_are_found() {
        assert_eq!(whats(live_commands("Status: !`git status`, and (!`date`)")), ["git status", "date"]);
        assert_eq!(whats(live_commands("text\n```!\nls -l\nid\n```\nmore\n")), ["ls -l\nid"]);
        assert_eq!(whats(live_commands("- x\n  ```!bash\n  ls\n  ```\n")), ["ls"]);
        assert_eq!(whats(live_commands("```md\n!`git log`\n```\n")), ["git log"]);
        assert_eq!(whats(live_commands("```!\nnever closed")), ["never closed"]);
        for text in ["Wow!`code`", "a `!x` b", "`x!`", "!``", "not!`x", "```\n! x\n```", "_!`x`"] {
            assert_eq!(whats(live_commands(text)), [""; 0], "{text}");
        }
    }

    #[test]
    fn comments_and_pictures_are_found() {
        assert_eq!(whats(comments("a <!-- b\nc --> d <!-- e")), ["b\nc", "e"]);
        assert_eq!(
            whats(remote_images("![a](https://x.example/a.png \"t\") ![b](b.png)")),
            ["https://x.example/a.png \"t\""]
        );
        assert_eq!(
            whats(remote_images("![a][r] and ![r] and ![a][]\n\n[R]: <https://x.example/a.png>\n[a]: ./a.png")),
            ["https://x.example/a.png"; 2]
        );
        assert_eq!(whats(remote_images("<IMG alt='x' src = 'HTTP://x.example/A.png'>")), ["HTTP://x.example/A.png"]);
        assert_eq!(whats(remote_images("![x](<//x.example/a>) <img src=a.png>")), ["//x.example/a"]);
        for text in [
            "[a](https://x.example)",
            "![a](a.png)",
            "<img src=\"a.png\">",
            "![a](data:image/png;base64,x)",
            "![a]: https://x",
        ] {
            assert_eq!(whats(remote_images(text)), [""; 0], "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(!|`|```|<!--|-->|!\\[|\\]|\\(|https://|<img|src|=|\"|\n| |é|x|\\[){0,30}") {
            for place in live_commands(&text).into_iter().chain(comments(&text)).chain(remote_images(&text)) {
                prop_assert!(text.is_char_boundary(place.at));
            }
        }
    }
}
