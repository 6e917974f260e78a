//! What tools an item is granted beforehand.

use crate::plugin::node::{Node, Position, Value};

/// The tools of a field that is text (parted by commas or blanks, but not inside parentheses or quotes) or a list.
pub fn names(node: &Node) -> Vec<(String, Position)> {
    match &node.value {
        Value::Text(text) => split(text).into_iter().map(|name| (name, node.at)).collect(),
        // A list element may itself hold several, as some write it.
        Value::List(nodes) => nodes
            .iter()
            .filter_map(|node| Some((node.text()?, node.at)))
            .flat_map(|(text, at)| split(text).into_iter().map(move |name| (name, at)))
            .collect(),
        _ => Vec::new(),
    }
}

fn split(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut depth = 0usize;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') if depth == 0 => quote = Some(c),
            (None, '(') => {
                depth += 1;
                word.push(c);
            }
            (None, ')') => {
                depth = depth.saturating_sub(1);
                word.push(c);
            }
            (None, c) if depth == 0 && (c == ',' || c.is_whitespace()) => {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
            }
            (None, c) => word.push(c),
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

/// The capability that a tool is, if it is one, and what it lets the item do, in words.
pub fn capability(name: &str) -> Option<(&'static str, &'static str)> {
    let (tool, pattern) = match name.split_once('(') {
        Some((tool, pattern)) => (tool.trim(), Some(pattern.trim_end_matches(')').trim())),
        None => (name, None),
    };
    Some(match (tool, pattern) {
        ("*", _) => ("tools.all", "may use every tool without asking"),
        ("Bash", None | Some("" | "*" | ":*" | "*:*" | "**")) => {
            ("tools.bash_any", "may run any command without asking")
        }
        ("Bash", Some(_)) => ("tools.bash_pattern", "may run commands of a pattern without asking"),
        ("Write" | "Edit" | "MultiEdit" | "NotebookEdit", _) => ("tools.write", "may change files without asking"),
        ("WebFetch" | "WebSearch", _) => ("tools.web", "may fetch from the web without asking"),
        (tool, _) if tool.starts_with("mcp__") => ("tools.mcp", "may call tools of a server without asking"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tools_are_parted_outside_parentheses() {
        assert_eq!(split("Read, Bash(git diff *, x) Grep"), ["Read", "Bash(git diff *, x)", "Grep"]);
        assert_eq!(split("\"Bash(npm run *)\", Read"), ["Bash(npm run *)", "Read"]);
        assert_eq!(split("Bash(git:*) Bash(jq:*) Read"), ["Bash(git:*)", "Bash(jq:*)", "Read"]);
        assert_eq!(split(" , "), [""; 0]);
    }

    #[test]
    fn each_tool_is_the_capability_that_it_is() {
        for (name, id) in [
            ("*", "tools.all"),
            ("Bash", "tools.bash_any"),
            ("Bash(*)", "tools.bash_any"),
            ("Bash(git *)", "tools.bash_pattern"),
            ("Edit", "tools.write"),
            ("Write(src/*)", "tools.write"),
            ("WebFetch(domain:example.com)", "tools.web"),
            ("mcp__a__b", "tools.mcp"),
        ] {
            assert_eq!(capability(name).map(|(id, _)| id), Some(id), "{name}");
        }
        for name in ["Read", "Grep", "Glob", "bash", "Task", "TodoWrite"] {
            assert_eq!(capability(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[A-Za-z()*,\"' é]{0,40}") {
            for name in split(&text) {
                let _ = capability(&name);
            }
        }
    }
}
