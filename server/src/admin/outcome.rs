//! What a verb answers: data for stdout in two forms, words for stderr, and an exit code.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use skill_pool_domain::refusal::Refusal;

use super::verbs::Form;

/// Done.
pub const DONE: u8 = 0;
/// Refused, not found, not sound.
pub const REFUSED: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;
/// Not reachable now; trying again may help.
pub const UNREACHABLE: u8 = 3;
/// Not allowed.
pub const NOT_ALLOWED: u8 = 4;

/// The answer to a verb.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// What the process ends with.
    pub exit_code: u8,
    /// What `--json` prints.
    pub json: Value,
    /// What is printed otherwise: lines, each ended.
    pub text: String,
    /// Words for stderr.
    pub words: String,
}

impl Outcome {
    /// It is done; `json` and `text` say the same.
    pub fn done(json: Value, text: impl Into<String>) -> Self {
        Self { exit_code: DONE, json, text: text.into(), words: String::new() }
    }

    /// It was refused.
    pub fn refused(refusal: &Refusal) -> Self {
        Self::failed(REFUSED, refusal)
    }

    /// It failed with this exit code.
    pub fn failed(exit_code: u8, refusal: &Refusal) -> Self {
        let place = if refusal.place.is_empty() { String::new() } else { format!(" ({})", refusal.place) };
        let words = format!("error: {}{place}\n\nhint: {}\n", refusal.message, refusal.remedy);
        Self { exit_code, json: json!({ "error": refusal }), text: String::new(), words }
    }

    /// Prints it and answers the exit code. A reader that has gone away is no error.
    pub fn print(&self, form: Form) -> u8 {
        use std::io::Write;
        let data = match form {
            Form::Json => format!("{}\n", self.json),
            Form::Text => self.text.clone(),
        };
        let _ = std::io::stdout().lock().write_all(data.as_bytes());
        if form == Form::Text || self.exit_code == DONE {
            let _ = std::io::stderr().lock().write_all(self.words.as_bytes());
        }
        self.exit_code
    }
}

impl From<Result<Outcome, Refusal>> for Outcome {
    fn from(result: Result<Outcome, Refusal>) -> Self {
        result.unwrap_or_else(|refusal| Self::refused(&refusal))
    }
}

/// Lines of cells as aligned columns; the first line is the header.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_where_and_what_to_do() {
        let refusal =
            Refusal::new("last-admin", "`ana` is the last admin", "make somebody else an admin").at("members/ana.toml");
        let outcome = Outcome::refused(&refusal);
        assert_eq!(
            outcome.words,
            "error: `ana` is the last admin (members/ana.toml)\n\nhint: make somebody else an admin\n"
        );
        assert_eq!(outcome.json["error"]["code"], "last-admin");
        assert_eq!(outcome.exit_code, 1);
        let kept = serde_json::to_string(&outcome).expect("JSON");
        assert_eq!(serde_json::from_str::<Outcome>(&kept).expect("an outcome"), outcome);
    }

    #[test]
    fn tables_are_aligned_without_boxes() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(
            table(&[row("NAME", "ROLE"), row("ana-maria", "admin"), row("bö", "")]),
            "NAME       ROLE\nana-maria  admin\nbö\n"
        );
    }
}
