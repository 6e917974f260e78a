//! The certificate's text, read by its exact grammar.
//!
//! Stock git reads certificates loosely: any version, headers twice or not at all, anything behind a NUL thrown away
//! before it is verified. What a person signed must have one reading, so here is one grammar and everything else is
//! refused. Source: git's send-pack.c, which writes them, and gitprotocol-pack(5).

use std::ops::Range;

use gix_hash::ObjectId;

use crate::digest::Sha256;
use crate::names::{RefName, RefNameError};
use crate::refusal::Refusal;

/// The longest certificate that is read, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 64 << 10;

const VERSION_LINE: &str = "certificate version 0.1";
/// Headers after the version, in the only order in which git writes them.
const HEADERS: [&str; 4] = ["pusher", "pushee", "nonce", "push-option"];

/// A certificate that follows the grammar. Nothing is said yet about its truth: see [`super::decide()`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PushCertificate {
    /// Whom the pusher claims to be: free text of git's making, such as a fingerprint. Never trust it.
    pub pusher: String,
    /// The address that was pushed to, without user and password.
    pub pushee: Option<String>,
    /// The nonce that was signed.
    pub nonce: Option<String>,
    /// The push options, in order.
    pub push_options: Vec<String>,
    /// What is to be done; at least one, each ref once.
    pub commands: Vec<SignedCommand>,
    /// How the signature is made.
    pub kind: SignatureKind,
    /// SHA-256 of the signed text: names this certificate. The signature has no part in it, since its armour can be
    /// wrapped again and an ECDSA signature altered without the key.
    pub digest: Sha256,
    bytes: Box<[u8]>,
    signed_text_bytes: usize,
}

/// One ref update that was signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedCommand {
    /// The value that the ref has; `None`: it does not exist.
    pub old: Option<ObjectId>,
    /// The value that it gets; `None`: it is deleted.
    pub new: Option<ObjectId>,
    /// The ref.
    pub name: RefName,
}

/// How a certificate is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureKind {
    /// SSHSIG.
    Ssh,
    /// OpenPGP.
    OpenPgp,
}

impl SignatureKind {
    fn label(self) -> &'static str {
        match self {
            Self::Ssh => "SSH SIGNATURE",
            Self::OpenPgp => "PGP SIGNATURE",
        }
    }
}

impl PushCertificate {
    /// The signed text: from the version line to the line feed before the signature.
    pub fn signed_text(&self) -> &[u8] {
        &self.bytes[self.signed_text_range()]
    }

    /// Where the signed text lies in [`PushCertificate::bytes`].
    pub fn signed_text_range(&self) -> Range<usize> {
        0..self.signed_text_bytes
    }

    /// The armoured signature, from its BEGIN line to the end.
    pub fn signature(&self) -> &[u8] {
        &self.bytes[self.signed_text_bytes..]
    }

    /// Text and signature, as received.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What is wrong with a certificate. Lines are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Nothing at all.
    #[error("the certificate is empty")]
    Empty,
    /// Too long.
    #[error("the certificate has {bytes} bytes; at most {CERTIFICATE_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// NUL, carriage return or another control character.
    #[error("line {line} holds the control character U+{character:04X}")]
    ControlCharacter {
        /// Where.
        line: usize,
        /// Which.
        character: u8,
    },
    /// Not UTF-8.
    #[error("line {line} is not UTF-8 text")]
    NotUtf8 {
        /// Where.
        line: usize,
    },
    /// The text does not end with a whole line.
    #[error("the last line is cut off")]
    CutOff,
    /// Another version, or no certificate.
    #[error("the first line is not `{VERSION_LINE}`")]
    Version,
    /// No `pusher` line.
    #[error("there is no `pusher` line after the version")]
    NoPusher,
    /// The `pusher` line is not `pusher <key> <seconds> <zone>`.
    #[error("line {line} is not `pusher <key> <seconds> <zone>`")]
    Pusher {
        /// Where.
        line: usize,
    },
    /// A header that certificates do not have.
    #[error("line {line} has a header that certificates do not have")]
    UnknownHeader {
        /// Where.
        line: usize,
    },
    /// A header twice, or after one that it must precede.
    #[error("line {line}: `{header}` stands twice or at a wrong place")]
    HeaderOrder {
        /// Where.
        line: usize,
        /// Which.
        header: &'static str,
    },
    /// A header without a value.
    #[error("line {line}: `{header}` has no value")]
    EmptyHeader {
        /// Where.
        line: usize,
        /// Which.
        header: &'static str,
    },
    /// No empty line between headers and commands.
    #[error("there is no empty line after the headers")]
    NoSeparator,
    /// Nothing is to be done.
    #[error("the certificate lists no ref update")]
    NoCommands,
    /// A line that is not `<old> <new> <ref>`.
    #[error("line {line} is not `<old> <new> <ref>` with ids of 40 hexadecimal digits")]
    Command {
        /// Where.
        line: usize,
    },
    /// Both ids are zero.
    #[error("line {line} neither creates, moves nor deletes its ref")]
    NoChange {
        /// Where.
        line: usize,
    },
    /// The ref cannot have this name.
    #[error("line {line}: {source}")]
    RefName {
        /// Where.
        line: usize,
        /// The broken rule.
        source: RefNameError,
    },
    /// One ref twice.
    #[error("line {line} names `{name}`, which an earlier line names already")]
    RefTwice {
        /// Where.
        line: usize,
        /// The ref.
        name: RefName,
    },
    /// No signature follows the commands.
    #[error("the certificate is not signed")]
    NoSignature,
    /// A signature of a kind that is not read.
    #[error("signatures of the kind `{label}` are not accepted here; sign with SSH or OpenPGP")]
    SignatureKind {
        /// What its BEGIN line says.
        label: &'static str,
    },
    /// The signature's END line is missing, or something follows it.
    #[error("the signature has no end, or something follows it")]
    SignatureEnd,
    /// More than one signature or armour.
    #[error("the certificate holds more than one signature")]
    TwoSignatures,
}

impl CertificateError {
    /// The same for the person who pushed.
    pub fn refusal(&self) -> Refusal {
        let remedy = match self {
            Self::TooLong { .. } => "push fewer refs at once".to_owned(),
            Self::SignatureKind { .. } => "git config gpg.format ssh\ngit push --signed".to_owned(),
            Self::RefName { .. } => "rename the branch or tag and push again".to_owned(),
            _ => "sign with a stock git: git push --signed".to_owned(),
        };
        Refusal::new("certificate-malformed", self.to_string(), remedy).at("push certificate")
    }
}

/// Reads one push certificate. `bytes` is what stands between `push-cert` and `push-cert-end`, joined: packet borders
/// carry no meaning.
///
/// # Errors
/// [`CertificateError`] names the first thing that is not as git writes it.
pub fn parse(bytes: &[u8]) -> Result<PushCertificate, CertificateError> {
    if bytes.is_empty() {
        return Err(CertificateError::Empty);
    }
    if bytes.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateError::TooLong { bytes: bytes.len() });
    }
    check_characters(bytes)?;
    let text = std::str::from_utf8(bytes).map_err(|e| CertificateError::NotUtf8 {
        line: 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count(),
    })?;
    let mut lines = Lines { rest: text, number: 0 };
    if lines.take()? != Some(VERSION_LINE) {
        return Err(CertificateError::Version);
    }
    let pusher = read_pusher(&mut lines)?;
    let headers = read_headers(&mut lines)?;
    let commands = read_commands(&mut lines)?;
    let signed_text_bytes = text.len() - lines.rest.len();
    let kind = read_signature(lines.rest)?;
    Ok(PushCertificate {
        pusher,
        pushee: headers.pushee,
        nonce: headers.nonce,
        push_options: headers.push_options,
        commands,
        kind,
        digest: Sha256::of(&bytes[..signed_text_bytes]),
        bytes: bytes.into(),
        signed_text_bytes,
    })
}

/// Tabs may stand in push options. Everything else below the space, but the line feed, has no business here.
fn check_characters(bytes: &[u8]) -> Result<(), CertificateError> {
    let mut line = 1;
    for byte in bytes {
        match byte {
            b'\n' => line += 1,
            b'\t' => {}
            0..=0x1F | 0x7F => return Err(CertificateError::ControlCharacter { line, character: *byte }),
            _ => {}
        }
    }
    Ok(())
}

struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The next line, without taking it; `None` at the signature or the end.
    fn peek(&self) -> Result<Option<&'a str>, CertificateError> {
        if self.rest.is_empty() || self.rest.starts_with("-----BEGIN ") {
            return Ok(None);
        }
        self.rest.split_once('\n').map(|(line, _)| Some(line)).ok_or(CertificateError::CutOff)
    }

    fn take(&mut self) -> Result<Option<&'a str>, CertificateError> {
        let line = self.peek()?;
        if let Some(line) = line {
            self.rest = &self.rest[line.len() + 1..];
            self.number += 1;
        }
        Ok(line)
    }
}

fn read_pusher(lines: &mut Lines<'_>) -> Result<String, CertificateError> {
    let value = lines.take()?.and_then(|line| line.strip_prefix("pusher ")).ok_or(CertificateError::NoPusher)?;
    let wrong = CertificateError::Pusher { line: lines.number };
    let mut parts = value.rsplitn(3, ' ');
    let (Some(zone), Some(seconds), Some(who)) = (parts.next(), parts.next(), parts.next()) else { return Err(wrong) };
    let is_zone = zone.len() == 5 && zone.starts_with(['+', '-']) && zone[1..].bytes().all(|b| b.is_ascii_digit());
    let is_seconds = (1..=18).contains(&seconds.len()) && seconds.bytes().all(|b| b.is_ascii_digit());
    if who.is_empty() || !is_zone || !is_seconds {
        return Err(wrong);
    }
    Ok(who.to_owned())
}

#[derive(Default)]
struct Headers {
    pushee: Option<String>,
    nonce: Option<String>,
    push_options: Vec<String>,
}

fn read_headers(lines: &mut Lines<'_>) -> Result<Headers, CertificateError> {
    let mut headers = Headers::default();
    let mut place = 0;
    loop {
        let text = lines.take()?.ok_or(CertificateError::NoSeparator)?;
        if text.is_empty() {
            return Ok(headers);
        }
        let line = lines.number;
        let (name, value) = text.split_once(' ').unwrap_or((text, ""));
        let at = HEADERS.iter().position(|h| *h == name).ok_or(CertificateError::UnknownHeader { line })?;
        let header = HEADERS[at];
        // Only push options may repeat, and they come last.
        if at < place || (at == place && header != "push-option") {
            return Err(CertificateError::HeaderOrder { line, header });
        }
        place = at;
        if value.is_empty() {
            return Err(CertificateError::EmptyHeader { line, header });
        }
        match header {
            "pushee" => headers.pushee = Some(value.to_owned()),
            "nonce" => headers.nonce = Some(value.to_owned()),
            _ => headers.push_options.push(value.to_owned()),
        }
    }
}

fn read_commands(lines: &mut Lines<'_>) -> Result<Vec<SignedCommand>, CertificateError> {
    let mut commands: Vec<SignedCommand> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    while let Some(text) = lines.take()? {
        let line = lines.number;
        let command = read_command(text, line)?;
        if !seen.insert(command.name.clone()) {
            return Err(CertificateError::RefTwice { line, name: command.name });
        }
        commands.push(command);
    }
    if commands.is_empty() { Err(CertificateError::NoCommands) } else { Ok(commands) }
}

fn read_command(text: &str, line: usize) -> Result<SignedCommand, CertificateError> {
    let mut parts = text.splitn(3, ' ');
    let mut id = || parts.next().and_then(read_id).ok_or(CertificateError::Command { line });
    let (old, new) = (id()?, id()?);
    let name = parts.next().ok_or(CertificateError::Command { line })?;
    let name = RefName::parse(name.as_bytes()).map_err(|source| CertificateError::RefName { line, source })?;
    if old.is_none() && new.is_none() {
        return Err(CertificateError::NoChange { line });
    }
    Ok(SignedCommand { old, new, name })
}

/// An id, or the zeros that stand for "nothing".
fn read_id(text: &str) -> Option<Option<ObjectId>> {
    if text.len() != 40 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let id = ObjectId::from_hex(text.as_bytes()).ok()?;
    Some((!id.is_null()).then_some(id))
}

/// `rest` is everything from the first line that begins an armour.
fn read_signature(rest: &str) -> Result<SignatureKind, CertificateError> {
    // The labels that stock git takes for the begin of a signature.
    const OTHERS: [&str; 2] = ["PGP MESSAGE", "SIGNED MESSAGE"];
    if rest.is_empty() {
        return Err(CertificateError::NoSignature);
    }
    let begins = |label: &str| rest.starts_with(&format!("-----BEGIN {label}-----\n"));
    let kind = match [SignatureKind::Ssh, SignatureKind::OpenPgp].into_iter().find(|kind| begins(kind.label())) {
        Some(kind) => kind,
        None => {
            let label = OTHERS.into_iter().find(|label| begins(label)).unwrap_or("unknown");
            return Err(CertificateError::SignatureKind { label });
        }
    };
    if rest.matches("-----BEGIN ").count() != 1 || rest.matches("-----END ").count() > 1 {
        return Err(CertificateError::TwoSignatures);
    }
    if !rest.ends_with(&format!("\n-----END {}-----\n", kind.label())) {
        return Err(CertificateError::SignatureEnd);
    }
    Ok(kind)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
