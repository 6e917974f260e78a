//! Characters that a person does not see but a model reads: tags, direction overrides, zero-width and filler characters.
//!
//! Each has honest places (a flag, Persian spelling, an emoji family); outside of those it is reported.

/// What kind of hidden character it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HiddenKind {
    /// Changes the direction of what follows, so that a line reads otherwise than it runs.
    Bidi,
    /// Shows nothing.
    Invisible,
}

/// One hidden character, or the first of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hidden {
    /// Byte offset in the text.
    pub at: usize,
    /// The character.
    pub character: char,
    /// Its kind.
    pub kind: HiddenKind,
}

/// Finds hidden characters outside their honest places, in order, in linear time.
pub fn scan(text: &str) -> impl Iterator<Item = Hidden> + '_ {
    let mut before: Option<char> = None;
    // The offset up to which a complete flag sequence was accepted.
    let mut flag_end = 0;
    text.char_indices().filter_map(move |(at, c)| {
        let previous = before.replace(c);
        if c < '\u{ad}' {
            return None;
        }
        if c == '\u{1f3f4}' {
            flag_end = flag_sequence_end(text, at + c.len_utf8());
            return None;
        }
        let kind = match c {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => HiddenKind::Bidi,
            '\u{e0000}'..='\u{e007f}' if at < flag_end => return None,
            '\u{e0000}'..='\u{e007f}' => HiddenKind::Invisible,
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => {
                if previous.is_some_and(|base| takes_variation(base, c)) {
                    return None;
                }
                HiddenKind::Invisible
            }
            '\u{200c}' | '\u{200d}' => {
                let next = text[at + c.len_utf8()..].chars().next();
                if joins(previous, c, next) {
                    return None;
                }
                HiddenKind::Invisible
            }
            '\u{ad}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{2060}'..='\u{2064}'
            | '\u{206a}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' => HiddenKind::Invisible,
            _ => return None,
        };
        Some(Hidden { at, character: c, kind })
    })
}

/// The end of the tag sequence of a flag emoji that begins at `from`; `from` when it is none. Regions have at most
/// six letters and digits, so that no sentence hides behind a flag.
fn flag_sequence_end(text: &str, from: usize) -> usize {
    let mut letters = 0;
    for (offset, c) in text[from..].char_indices() {
        match c {
            '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}' if letters < 6 => letters += 1,
            '\u{e007f}' if letters >= 3 => return from + offset + c.len_utf8(),
            _ => break,
        }
    }
    from
}

fn takes_variation(base: char, selector: char) -> bool {
    let ideograph = matches!(base, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
    match selector {
        '\u{e0100}'..='\u{e01ef}' => ideograph,
        '\u{fe0e}' | '\u{fe0f}' => is_symbol(base),
        _ => {
            ideograph
                || matches!(base, '\u{2200}'..='\u{22ff}' | '\u{2a00}'..='\u{2aff}' | '\u{1000}'..='\u{109f}' | '\u{ff00}'..='\u{ff65}' | '\u{3001}' | '\u{3002}')
        }
    }
}

/// True for what can be shown as an emoji or as text, and its neighbours in the same blocks.
fn is_symbol(c: char) -> bool {
    matches!(c,
        '#' | '*' | '0'..='9' | '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2100}'..='\u{2bff}'
        | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

fn joins(previous: Option<char>, joiner: char, next: Option<char>) -> bool {
    let (Some(previous), Some(next)) = (previous, next) else {
        return false;
    };
    if joiner == '\u{200d}' && (is_symbol(previous) || previous == '\u{fe0f}') && !previous.is_ascii() {
        return is_symbol(next) && !next.is_ascii();
    }
    // Scripts whose spelling uses joiners: Arabic and its neighbours, the Indic scripts, Khmer, Myanmar, Mongolian.
    // The letter before decides; a second joiner right behind is none of spelling.
    let spelled = |c: char| {
        matches!(c, '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{dff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{18af}'
            | '\u{a840}'..='\u{a87f}' | '\u{a980}'..='\u{a9df}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{11000}'..='\u{11fff}')
    };
    spelled(previous) && !matches!(next, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn count(text: &str) -> usize {
        scan(text).count()
    }

    #[test]
    fn honest_places_are_let_be() {
        for text in [
            "plain ASCII\r\n\ttext",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
            "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}.",
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{646}\u{62f}",
            "\u{915}\u{94d}\u{200d}\u{937}",
            "\u{26a0}\u{fe0f} 1\u{fe0f}\u{20e3}",
            "\u{2764}\u{fe0f}\u{200d}\u{1f525}",
            "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
            "\u{845b}\u{e0100}",
            "\u{200e}left-to-right mark",
        ] {
            assert_eq!(count(text), 0, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn hidden_characters_are_found_with_their_kind() {
        assert_eq!(scan("ab\u{202e}c").next().map(|h| (h.at, h.kind)), Some((2, HiddenKind::Bidi)));
        for text in [
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{200c}",
            "\u{200d}",
            "a\u{ad}b",
            "x\u{fe0f}",
            "a\u{feff}b",
            "\u{3164}",
            "a\u{2060}",
            "\u{e0041}",
            "\u{fff9}",
            "\u{1f680}\u{fe0f}\u{fe0e}",
            "\u{180e}",
        ] {
            assert_eq!(count(text), 1, "{}", text.escape_unicode());
            assert_eq!(scan(text).next().map(|h| h.kind), Some(HiddenKind::Invisible));
        }
        // A sentence behind a flag, and one that never ends.
        let long: String = "\u{1f3f4}"
            .chars()
            .chain("ignoreallrules".chars().filter_map(|c| char::from_u32(0xe0000 + u32::from(c))))
            .collect();
        assert_eq!(count(&long), 14);
        assert_eq!(count("\u{1f3f4}\u{e0067}\u{e0062}"), 2);
        // Bits written with joiners between Arabic letters.
        assert_eq!(count("\u{645}\u{200c}\u{200d}\u{200c}\u{645}"), 3);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*[\u{200b}-\u{200f}\u{e0000}-\u{e01ef}\u{1f3f4}\u{fe0f}]{0,20}") {
            for hidden in scan(&text) {
                prop_assert!(text[hidden.at..].starts_with(hidden.character));
            }
        }
    }
}
