//! Text of strangers made safe to print.

/// `text` with control characters escaped, cut after 200 characters.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(208));
    for (count, c) in text.chars().enumerate() {
        if count == 200 {
            out.push('…');
            break;
        }
        if c.is_control() || is_invisible(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// [`printable`] bytes of any kind.
pub fn printable_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().min(208));
    for chunk in bytes.utf8_chunks() {
        out.push_str(&printable(chunk.valid()));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
        if out.len() > 800 {
            out.push('…');
            break;
        }
    }
    out
}

/// [`printable`] between backticks.
pub fn quote(text: &str) -> String {
    format!("`{}`", printable(text))
}

/// [`printable_bytes`] between backticks.
pub fn quote_bytes(bytes: &[u8]) -> String {
    format!("`{}`", printable_bytes(bytes))
}

/// Characters that change how the text around them looks and cannot be seen themselves.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_comes_through() {
        assert_eq!(printable("a\u{1b}[31m\r\u{85}b"), "a\\u{1b}[31m\\u{d}\\u{85}b");
        assert_eq!(printable("\u{202e}x"), "\\u{202e}x");
        assert_eq!(quote_bytes(b"a\xff\0"), "`a\\xff\\u{0}`");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 201);
    }
}
