//! Streams and colour. Data goes to stdout, conversation to stderr; colour doubles a word and never replaces it.

use std::io::Write;

use anstyle::{AnsiColor, Style};

use crate::args::Color;

/// A word's meaning, for its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// It worked.
    Good,
    /// It should be looked at.
    Warning,
    /// It stops something.
    Bad,
}

/// Where a verb speaks.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    choice: anstream::ColorChoice,
}

impl Ui {
    /// Colour as asked for; by itself only on a terminal and without NO_COLOR.
    pub fn new(color: Color) -> Self {
        let choice = match color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        Self { choice }
    }

    /// Writes data. A reader that went away (`| head`) is no error.
    pub fn data(&self, text: &str) {
        let mut out = anstream::AutoStream::new(std::io::stdout().lock(), self.choice);
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }

    /// Writes a line of conversation.
    pub fn say(&self, line: &str) {
        let mut out = anstream::AutoStream::new(std::io::stderr().lock(), self.choice);
        let _ = writeln!(out, "{line}");
    }
}

/// `word` in the colour of its meaning; the streams take the colour off where it is not wanted.
pub fn toned(word: &str, tone: Tone) -> String {
    let color = match tone {
        Tone::Good => AnsiColor::Green,
        Tone::Warning => AnsiColor::Yellow,
        Tone::Bad => AnsiColor::Red,
    };
    let style = Style::new().bold().fg_color(Some(color.into()));
    format!("{style}{word}{style:#}")
}
