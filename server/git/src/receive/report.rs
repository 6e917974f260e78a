//! The answer to a push, in the form that its client asked for.
//!
//! Source: gitprotocol-pack(5), "Report Status", and gitprotocol-capabilities(5), "report-status-v2".

use gix_hash::ObjectId;
use skill_pool_domain::refusal::Refusal;

use super::commands::{Capabilities, Command};
use super::text::{is_invisible, printable};
use crate::pkt::{self, Band};

/// What became of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandStatus {
    /// Done as asked.
    Ok,
    /// Done, but as another update than the one that was asked for: only a client that knows `report-status-v2` is told.
    Instead(Vec<Substitute>),
    /// Not done; the reason in a few words on one line.
    Refused(String),
}

/// An update that was made in place of a command's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substitute {
    /// The ref that moved.
    pub ref_name: String,
    /// Its former value; `None`: it was created.
    pub old: Option<ObjectId>,
    /// Its new value; `None`: it was deleted.
    pub new: Option<ObjectId>,
    /// The new value does not descend from the former one.
    pub forced: bool,
}

/// The answer to a push.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Why the objects were not taken; `None`: they were.
    pub unpack_error: Option<String>,
    /// For each command its name as sent and what became of it.
    pub commands: Vec<(String, CommandStatus)>,
    /// Text for the person that is shown always: refusals and warnings.
    pub words: String,
    /// Text for the person that `quiet` suppresses.
    pub chatter: String,
}

impl Report {
    /// Refuses all of `commands` for one reason. With `unpack` the objects are what was wrong.
    pub fn refused(commands: &[Command], unpack: bool, refusal: &Refusal) -> Self {
        let short = one_line(&refusal.code.replace('-', " "));
        let status = if unpack { "unpacker error".to_owned() } else { short.clone() };
        Self {
            unpack_error: unpack.then(|| one_line(&refusal.message)),
            commands: commands
                .iter()
                .map(|command| (command.shown.clone(), CommandStatus::Refused(status.clone())))
                .collect(),
            words: words(refusal),
            chatter: String::new(),
        }
    }

    /// The body of the answer. A client that asked for no report gets its bands only, which may be nothing at all.
    pub fn render(&self, asked: &Capabilities) -> Vec<u8> {
        let mut out = Vec::new();
        let mut status = Vec::new();
        if asked.report_status {
            match &self.unpack_error {
                None => pkt::write_line(&mut status, "unpack ok"),
                Some(why) => pkt::write_line(&mut status, &format!("unpack {}", one_line(why))),
            }
            for (name, outcome) in &self.commands {
                command_lines(&mut status, name, outcome, asked.report_status_v2);
            }
            status.extend_from_slice(pkt::FLUSH);
        }
        if !asked.side_band {
            return status;
        }
        for (text, wanted) in [(&self.words, true), (&self.chatter, !asked.quiet)] {
            if wanted && !text.is_empty() {
                pkt::write_band(&mut out, Band::Progress, lines(text).as_bytes());
            }
        }
        pkt::write_band(&mut out, Band::Data, &status);
        out.extend_from_slice(pkt::FLUSH);
        out
    }
}

/// A packet that keeps a waiting client's connection alive. Only with `side-band-64k`.
pub const KEEP_ALIVE: &[u8] = b"0005\x01";

/// A refusal as a person reads it behind `remote: `.
pub fn words(refusal: &Refusal) -> String {
    let mut out = format!("refused: {}", refusal.code);
    if !refusal.place.is_empty() {
        out.push_str("   ");
        out.push_str(&printable(&refusal.place));
    }
    out.push('\n');
    for text in [&refusal.message, &refusal.remedy] {
        for line in text.lines() {
            out.push_str("  ");
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn command_lines(out: &mut Vec<u8>, name: &str, outcome: &CommandStatus, v2: bool) {
    match outcome {
        CommandStatus::Ok => pkt::write_line(out, &format!("ok {name}")),
        CommandStatus::Refused(why) => pkt::write_line(out, &format!("ng {name} {}", one_line(why))),
        CommandStatus::Instead(substitutes) => {
            pkt::write_line(out, &format!("ok {name}"));
            for substitute in substitutes.iter().filter(|_| v2) {
                let id = |id: Option<ObjectId>| id.unwrap_or_else(|| ObjectId::null(gix_hash::Kind::Sha1));
                pkt::write_line(out, &format!("option refname {}", substitute.ref_name));
                pkt::write_line(out, &format!("option old-oid {}", id(substitute.old)));
                pkt::write_line(out, &format!("option new-oid {}", id(substitute.new)));
                if substitute.forced {
                    pkt::write_line(out, "option forced-update");
                }
            }
        }
    }
}

/// The text with everything escaped that moves a cursor, but for line feeds; it ends in one.
fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if (c.is_control() && c != '\n') || is_invisible(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn one_line(text: &str) -> String {
    printable(text.lines().next().unwrap_or("refused"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &str) -> Capabilities {
        Capabilities {
            report_status: words.contains("report-status"),
            report_status_v2: words.contains("report-status-v2"),
            side_band: words.contains("side-band-64k"),
            quiet: words.contains("quiet"),
            ..Capabilities::default()
        }
    }

    fn report() -> Report {
        Report {
            unpack_error: None,
            commands: vec![
                ("refs/heads/main".into(), CommandStatus::Ok),
                ("refs/heads/x".into(), CommandStatus::Refused("non-fast-forward\nmore".into())),
            ],
            words: "no \u{1b}[31mcolour\nsecond".into(),
            chatter: "chat".into(),
        }
    }

    #[test]
    fn the_raw_form_is_packets() {
        assert_eq!(
            report().render(&asked("report-status")),
            b"000eunpack ok\n0017ok refs/heads/main\n0025ng refs/heads/x non-fast-forward\n0000"
        );
        assert_eq!(report().render(&asked("")), b"");
    }

    #[test]
    fn the_banded_form_nests_the_report_and_escapes_the_words() {
        let out = report().render(&asked("report-status side-band-64k"));
        let text = String::from_utf8(out).expect("text");
        assert_eq!(
            text,
            "0020\u{2}no \\u{1b}[31mcolour\nsecond\n000a\u{2}chat\n\
             0053\u{1}000eunpack ok\n0017ok refs/heads/main\n0025ng refs/heads/x non-fast-forward\n00000000"
        );
        let quiet = report().render(&asked("report-status side-band-64k quiet"));
        assert!(!String::from_utf8_lossy(&quiet).contains("chat"));
    }

    #[test]
    fn version_two_tells_what_was_done_instead() {
        let substitute = Substitute {
            ref_name: "refs/merge-requests/7/head".into(),
            old: None,
            new: Some(ObjectId::from_hex(&[b'1'; 40]).expect("hex")),
            forced: true,
        };
        let report = Report {
            commands: vec![("refs/for/main".into(), CommandStatus::Instead(vec![substitute]))],
            ..Report::default()
        };
        let v2 = String::from_utf8(report.render(&asked("report-status-v2 report-status"))).expect("text");
        assert_eq!(
            v2,
            "000eunpack ok\n0015ok refs/for/main\n002eoption refname refs/merge-requests/7/head\n\
             003coption old-oid 0000000000000000000000000000000000000000\n\
             003coption new-oid 1111111111111111111111111111111111111111\n0019option forced-update\n0000"
        );
        let v1 = String::from_utf8(report.render(&asked("report-status"))).expect("text");
        assert_eq!(v1, "000eunpack ok\n0015ok refs/for/main\n0000");
    }

    #[test]
    fn a_refused_push_names_each_ref_and_says_what_to_do() {
        let id = ObjectId::from_hex(&[b'1'; 40]).expect("hex");
        let command = Command {
            shown: "refs/heads/main".into(),
            name: skill_pool_domain::names::RefName::parse(b"refs/heads/main"),
            old: None,
            new: Some(id),
        };
        let refusal = Refusal::new("pack-too-large", "this pack is too large", "git gc").at("refs/heads/main");
        let report = Report::refused(&[command], true, &refusal);
        let text = String::from_utf8(report.render(&asked("report-status side-band-64k"))).expect("text");
        assert!(text.contains("refused: pack-too-large   refs/heads/main\n  this pack is too large\n  git gc\n"));
        assert!(text.contains("unpack this pack is too large\n"));
        assert!(text.contains("ng refs/heads/main unpacker error\n"));
    }
}
