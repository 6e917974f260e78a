//! Whether a text is a JavaScript regular expression (without flags), as far as brackets and repetitions go.

/// Checks `pattern` in one pass.
///
/// # Errors
/// What is wrong, in a few words. Source: ECMA-262, Annex B (the lenient grammar that browsers and Node use).
pub fn check(pattern: &str) -> Result<(), &'static str> {
    let mut chars = pattern.chars().peekable();
    let mut groups: Vec<bool> = Vec::new();
    // Whether a repetition may follow.
    let mut repeatable = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next().ok_or("a backslash at the end")?;
                repeatable = !matches!(escaped, 'b' | 'B');
            }
            '[' => {
                loop {
                    match chars.next() {
                        None => return Err("a class `[` that is not closed"),
                        Some('\\') => {
                            chars.next();
                        }
                        Some(']') => break,
                        Some(_) => {}
                    }
                }
                repeatable = true;
            }
            '(' => {
                let mut lookbehind = false;
                if chars.next_if_eq(&'?').is_some() {
                    match chars.next() {
                        Some(':' | '=' | '!') => {}
                        Some('<') => match chars.peek() {
                            Some('=' | '!') => {
                                chars.next();
                                lookbehind = true;
                            }
                            _ => group_name(&mut chars)?,
                        },
                        _ => return Err("a group `(?` of no known kind"),
                    }
                }
                groups.push(lookbehind);
                repeatable = false;
            }
            ')' => {
                let lookbehind = groups.pop().ok_or("a `)` without `(`")?;
                repeatable = !lookbehind;
            }
            '*' | '+' | '?' => {
                if !repeatable {
                    return Err("nothing to repeat");
                }
                chars.next_if_eq(&'?');
                repeatable = false;
            }
            '{' => {
                // Without numbers it is an ordinary character.
                if let Some(length) = counts(chars.clone()) {
                    if !repeatable {
                        return Err("nothing to repeat");
                    }
                    chars.by_ref().take(length).for_each(drop);
                    chars.next_if_eq(&'?');
                    repeatable = false;
                } else {
                    repeatable = true;
                }
            }
            '|' | '^' => repeatable = false,
            '$' => repeatable = false,
            _ => repeatable = true,
        }
    }
    if groups.is_empty() { Ok(()) } else { Err("a group `(` that is not closed") }
}

fn group_name(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<(), &'static str> {
    let mut length = 0;
    for c in chars.by_ref() {
        match c {
            '>' if length > 0 => return Ok(()),
            c if c.is_alphanumeric() || c == '_' || c == '$' => length += 1,
            _ => break,
        }
    }
    Err("a group name that is none")
}

/// How many characters `3}`, `3,}` or `3,5}` take, when that follows.
fn counts(chars: std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut digits = 0;
    let mut comma = false;
    for (length, c) in chars.take(40).enumerate() {
        match c {
            '0'..='9' => digits += 1,
            ',' if digits > 0 && !comma => comma = true,
            '}' if digits > 0 => return Some(length + 1),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_are_told_from_broken_ones() {
        for good in [
            "",
            "a|b",
            "^a$",
            "(a|b)*",
            "[^)]+",
            "\\(",
            "a{2,3}?",
            "{x",
            "a{",
            "(?:a)(?<n>b)(?=c)",
            "x{,2}",
            "]",
            "}",
            "[[]",
            "(?=a)*",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["(", ")", "[", "*", "a**", "\\", "(?", "(?<>a)", "(?x)", "a|*", "{2}", "(*)", "^*"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in "[()\\[\\]{}*+?|^$\\\\<>=!:,0-9a-b]{0,40}") {
            let _ = check(&pattern);
        }
    }
}
