//! The head of a push: shallow lines, commands or a certificate, capabilities, push options. No I/O here.
//!
//! Source: gitprotocol-pack(5), "Pushing Data To a Server".

use gix_hash::ObjectId;
use skill_pool_domain::names::{RefName, RefNameError};
use skill_pool_domain::refusal::Refusal;

use super::text::{printable, quote};
use crate::limits::ReceiveLimits;
use crate::pkt::{self, Decoded, Packet, PacketError};

/// The longest certificate that is taken, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 64 << 10;
/// The most push options of one push.
pub const PUSH_OPTIONS_MAX: usize = 64;
/// The longest push option, in bytes.
pub const PUSH_OPTION_BYTES_MAX: usize = 8 << 10;

/// What the client asked of the answer and said about its request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// A report is wanted (`report-status` or `report-status-v2`).
    pub report_status: bool,
    /// The report may carry options.
    pub report_status_v2: bool,
    /// The answer is banded.
    pub side_band: bool,
    /// Nothing but refusals and warnings on band 2.
    pub quiet: bool,
    /// All commands or none.
    pub atomic: bool,
    /// Push options follow the commands.
    pub push_options: bool,
}

/// One ref that the client wants moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The ref's name as sent: UTF-8 without control characters. Reports repeat it.
    pub shown: String,
    /// The ref, or why this cannot be one.
    pub name: Result<RefName, RefNameError>,
    /// The value that the client believes it has. `None`: it does not exist.
    pub old: Option<ObjectId>,
    /// The value that it shall get. `None`: it is to be deleted.
    pub new: Option<ObjectId>,
}

/// The head of a push that could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// What to do. Empty when the commands stand in the certificate: see [`Head::adopt`].
    pub commands: Vec<Command>,
    /// The push certificate from its first line to the end of the signature, exactly as received.
    pub certificate: Option<Vec<u8>>,
    /// What the client can do.
    pub capabilities: Capabilities,
    /// The push options, in order.
    pub push_options: Vec<String>,
    /// The client said that its history is cut somewhere. This excuses nothing; it only explains a missing object.
    pub shallow: bool,
    /// Why the whole push is refused, whatever its commands say. It could be read, so it is answered by a report.
    pub refusal: Option<Refusal>,
}

impl Head {
    /// Takes the commands that a certificate lists, with the same rules as for plain ones.
    pub fn adopt(&mut self, commands: Vec<Command>, limits: &ReceiveLimits) {
        self.commands = commands;
        self.refuse(check_commands(&self.commands, limits));
    }

    /// True when a pack follows: some command creates or moves a ref.
    pub fn expects_pack(&self) -> bool {
        self.commands.iter().any(|command| command.new.is_some())
    }

    fn refuse(&mut self, refusal: Option<Refusal>) {
        if self.refusal.is_none() {
            self.refusal = refusal;
        }
    }
}

/// Bytes that cannot be read as a push. They are answered with [`HeadError::status`] and this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not packets.
    #[error("this is not a push: {0}")]
    Packet(#[from] PacketError),
    /// A packet that has no place in a push.
    #[error("this is not a push: {0}")]
    Grammar(&'static str),
    /// More bytes than a head may have.
    #[error("commands, certificate and options of one push have at most {limit_bytes} bytes; push fewer refs at once")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The request ends before the commands do.
    #[error("the request ends before the commands do; push again")]
    Truncated,
}

impl HeadError {
    /// The HTTP status that says it.
    pub fn status(&self) -> u16 {
        if matches!(self, Self::TooLarge { .. }) { 413 } else { 400 }
    }
}

/// What the head of the request turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A single flush and nothing to do: the client tries its credentials before it sends a large push.
    Probe,
    /// A push.
    Push(Box<Head>),
}

/// Reads the head from bytes as they arrive.
pub struct HeadReader<'a> {
    limits: &'a ReceiveLimits,
    buffer: Vec<u8>,
    at: usize,
    seen_bytes: usize,
    part: Part,
    head: Head,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Start,
    Commands,
    Certificate,
    CertificateEnd,
    Options,
    Done(bool),
}

impl<'a> HeadReader<'a> {
    /// Starts before the first byte of the request's body.
    pub fn new(limits: &'a ReceiveLimits) -> Self {
        Self { limits, buffer: Vec::new(), at: 0, seen_bytes: 0, part: Part::Start, head: Head::default() }
    }

    /// Takes the next bytes of the body. `None`: more are needed. Otherwise the head and the bytes that follow it, which
    /// are the beginning of the pack (after a probe none may follow).
    ///
    /// # Errors
    /// [`HeadError`] as soon as the bytes show it. After an error or a result the reader is spent.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<(Parsed, Vec<u8>)>, HeadError> {
        self.buffer.extend_from_slice(bytes);
        loop {
            if let Part::Done(probe) = self.part {
                let rest = self.buffer.split_off(self.at);
                self.head.refuse(check_commands(&self.head.commands, self.limits));
                let head = std::mem::take(&mut self.head);
                let parsed = if probe { Parsed::Probe } else { Parsed::Push(Box::new(head)) };
                return Ok(Some((parsed, rest)));
            }
            let Decoded::Packet(packet, taken) = pkt::decode(&self.buffer[self.at..])? else {
                self.buffer.drain(..self.at);
                self.at = 0;
                return Ok(None);
            };
            self.seen_bytes += taken;
            if self.seen_bytes > self.limits.commands_bytes_max {
                return Err(HeadError::TooLarge { limit_bytes: self.limits.commands_bytes_max });
            }
            self.part = next(self.part, packet, &mut self.head)?;
            self.at += taken;
        }
    }

    /// Says what the end of the body means here, when [`HeadReader::feed`] has given no result.
    pub fn end(&self) -> HeadError {
        HeadError::Truncated
    }
}

fn next(part: Part, packet: Packet<'_>, head: &mut Head) -> Result<Part, HeadError> {
    let data = match packet {
        Packet::Data(data) => data,
        Packet::Flush => {
            return match part {
                Part::Start if head.shallow => Err(HeadError::Grammar("shallow lines, but no command")),
                Part::Start => Ok(Part::Done(true)),
                Part::Commands | Part::CertificateEnd if head.capabilities.push_options => Ok(Part::Options),
                Part::Commands | Part::CertificateEnd | Part::Options => Ok(Part::Done(false)),
                Part::Certificate => Err(HeadError::Grammar("a certificate without its `push-cert-end`")),
                Part::Done(_) => Err(HeadError::Grammar("a packet behind the end")),
            };
        }
        Packet::Delim | Packet::ResponseEnd => return Err(HeadError::Grammar("a packet of protocol v2")),
    };
    match part {
        Part::Start => start(data, head),
        Part::Commands => {
            if data.contains(&0) {
                return Err(HeadError::Grammar("a NUL behind the first command"));
            }
            head.commands.push(parse_command(pkt::line(data))?);
            Ok(Part::Commands)
        }
        Part::Certificate if pkt::line(data) == b"push-cert-end" => Ok(Part::CertificateEnd),
        Part::Certificate => {
            if data.contains(&0) {
                return Err(HeadError::Grammar("a NUL in the certificate"));
            }
            let text = head.certificate.get_or_insert_default();
            if text.len() + data.len() > CERTIFICATE_BYTES_MAX {
                return Err(HeadError::TooLarge { limit_bytes: CERTIFICATE_BYTES_MAX });
            }
            text.extend_from_slice(data);
            Ok(Part::Certificate)
        }
        Part::CertificateEnd => Err(HeadError::Grammar("a command beside the certificate")),
        Part::Options => {
            option(data, head);
            Ok(Part::Options)
        }
        Part::Done(_) => Err(HeadError::Grammar("a packet behind the end")),
    }
}

fn start(data: &[u8], head: &mut Head) -> Result<Part, HeadError> {
    if let Some(id) = pkt::line(data).strip_prefix(b"shallow ") {
        parse_id(id).ok_or(HeadError::Grammar("a shallow line without an id"))?;
        head.shallow = true;
        return Ok(Part::Start);
    }
    let Some(nul) = data.iter().position(|byte| *byte == 0) else {
        head.commands.push(parse_command(pkt::line(data))?);
        return Ok(Part::Commands);
    };
    let (first, capabilities) = (&data[..nul], &data[nul + 1..]);
    let part = if first == b"push-cert" {
        head.certificate = Some(Vec::new());
        Part::Certificate
    } else {
        head.commands.push(parse_command(first)?);
        Part::Commands
    };
    parse_capabilities(pkt::line(capabilities), head)?;
    Ok(part)
}

/// Reads `<old id> <new id> <ref>` without a line feed.
///
/// # Errors
/// [`HeadError::Grammar`]. A ref name that git or we do not allow is no error here: see [`Command::name`].
pub fn parse_command(line: &[u8]) -> Result<Command, HeadError> {
    const FORM: HeadError = HeadError::Grammar("a command is `<old id> <new id> <ref>` with ids of 40 digits 0-9 a-f");
    let (old, rest) = line.split_at_checked(40).ok_or(FORM)?;
    let (new, name) = rest.strip_prefix(b" ").and_then(|rest| rest.split_at_checked(40)).ok_or(FORM)?;
    let name = name.strip_prefix(b" ").ok_or(FORM)?;
    let (old, new) = (parse_id(old).ok_or(FORM)?, parse_id(new).ok_or(FORM)?);
    let shown = std::str::from_utf8(name).map_err(|_| HeadError::Grammar("a ref name is UTF-8 text"))?;
    if shown.is_empty() || shown.chars().any(char::is_control) {
        return Err(HeadError::Grammar("a ref name is text without control characters"));
    }
    let some = |id: ObjectId| (!id.is_null()).then_some(id);
    Ok(Command { shown: shown.to_owned(), name: RefName::parse(name), old: some(old), new: some(new) })
}

/// Reads an id of 40 lower-case hexadecimal digits.
fn parse_id(digits: &[u8]) -> Option<ObjectId> {
    if digits.len() != 40 || !digits.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    ObjectId::from_hex(digits).ok()
}

fn parse_capabilities(text: &[u8], head: &mut Head) -> Result<(), HeadError> {
    let text = std::str::from_utf8(text).map_err(|_| HeadError::Grammar("capabilities are UTF-8 text"))?;
    if text.contains('\0') {
        return Err(HeadError::Grammar("a second NUL in the first line"));
    }
    let known = &mut head.capabilities;
    let mut strange = None;
    for word in text.split([' ', '\r', '\n']).filter(|word| !word.is_empty()) {
        match word {
            "report-status" => known.report_status = true,
            "report-status-v2" => (known.report_status, known.report_status_v2) = (true, true),
            "side-band-64k" => known.side_band = true,
            "quiet" => known.quiet = true,
            "atomic" => known.atomic = true,
            "push-options" => known.push_options = true,
            // Said by clients although there is nothing to choose: packs are read either way.
            "delete-refs" | "ofs-delta" | "object-format=sha1" => {}
            word if word.starts_with("agent=") || word.starts_with("session-id=") => {}
            word => strange = strange.or(Some(word)),
        }
    }
    let refusal = strange.map(|word| match word.strip_prefix("object-format=") {
        Some(format) => Refusal::new(
            "object-format",
            format!("this registry keeps SHA-1 repositories; this push is in {}", quote(format)),
            "push from a repository made with `git init --object-format=sha1`",
        ),
        None => Refusal::new(
            "capability",
            format!("this server did not offer the capability {}", quote(word)),
            "push with a client that uses only what the server offers",
        ),
    });
    head.refuse(refusal);
    Ok(())
}

fn option(data: &[u8], head: &mut Head) {
    let refusal = |message: String| {
        let remedy = "leave the option out, or shorten it: git push -o <option>";
        Some(Refusal::new("push-option", message, remedy))
    };
    // One over the limit is kept, so that it is noticed; nothing beyond that is.
    if head.push_options.len() >= PUSH_OPTIONS_MAX {
        return head.refuse(refusal(format!("a push has at most {PUSH_OPTIONS_MAX} options")));
    }
    let line = pkt::line(data);
    match std::str::from_utf8(line) {
        _ if line.len() > PUSH_OPTION_BYTES_MAX => {
            head.refuse(refusal(format!("a push option has at most {PUSH_OPTION_BYTES_MAX} bytes")));
        }
        Ok(text) if !text.chars().any(char::is_control) => head.push_options.push(text.to_owned()),
        _ => head.refuse(refusal("a push option is UTF-8 text without control characters".to_owned())),
    }
}

/// The rules for all commands of one push together.
fn check_commands(commands: &[Command], limits: &ReceiveLimits) -> Option<Refusal> {
    if commands.len() > limits.commands_max {
        return Some(Refusal::new(
            "too-many-refs",
            format!("this push moves {} refs; at most {} are allowed at once", commands.len(), limits.commands_max),
            "push fewer refs at once, by name: git push <remote> <branch>",
        ));
    }
    let mut names: Vec<&str> = commands.iter().map(|command| command.shown.as_str()).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1])?;
    Some(
        Refusal::new("ref-twice", "two commands of this push are for one ref", "name each ref once")
            .at(printable(twice[0])),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const Z: &str = "0000000000000000000000000000000000000000";

    fn packet(data: impl AsRef<[u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        pkt::write(&mut out, data.as_ref());
        out
    }

    fn read(bytes: &[u8]) -> Result<Option<(Parsed, Vec<u8>)>, HeadError> {
        let limits = ReceiveLimits::default();
        let mut reader = HeadReader::new(&limits);
        // Byte by byte: the same result as at once.
        let whole = HeadReader::new(&limits).feed(bytes);
        for (index, byte) in bytes.iter().enumerate() {
            match reader.feed(&[*byte]) {
                Ok(None) => {}
                Ok(Some((parsed, mut rest))) => {
                    rest.extend_from_slice(&bytes[index + 1..]);
                    assert_eq!(whole, Ok(Some((parsed.clone(), rest.clone()))));
                    return Ok(Some((parsed, rest)));
                }
                Err(error) => {
                    assert_eq!(whole, Err(error.clone()));
                    return Err(error);
                }
            }
        }
        assert_eq!(whole, Ok(None));
        Ok(None)
    }

    fn head(bytes: &[u8]) -> Head {
        match read(bytes).expect("readable") {
            Some((Parsed::Push(head), _)) => *head,
            other => panic!("{other:?}"),
        }
    }

    fn push(lines: &[String]) -> Vec<u8> {
        let mut out: Vec<u8> = lines.iter().flat_map(packet).collect();
        out.extend_from_slice(b"0000");
        out
    }

    #[test]
    fn a_push_of_stock_git_is_read() {
        let mut bytes = push(&[
            format!(
                "{Z} {A} refs/heads/main\0 report-status-v2 side-band-64k quiet object-format=sha1 agent=git/2.47.3"
            ),
            format!("{A} {Z} refs/heads/old\n"),
        ]);
        bytes.extend_from_slice(b"PACK rest");
        let (parsed, rest) = read(&bytes).expect("readable").expect("whole");
        assert_eq!(rest, b"PACK rest");
        let Parsed::Push(head) = parsed else { panic!() };
        let capabilities = &head.capabilities;
        assert!(capabilities.report_status && capabilities.report_status_v2 && capabilities.side_band);
        assert!(capabilities.quiet && !capabilities.atomic && !capabilities.push_options);
        assert_eq!(head.refusal, None);
        assert_eq!((head.commands[0].old, head.commands[0].new.is_some()), (None, true));
        assert_eq!((head.commands[1].new, head.commands[1].shown.as_str()), (None, "refs/heads/old"));
        assert!(head.expects_pack() && !head.shallow);
    }

    #[test]
    fn the_probe_is_a_flush_alone() {
        assert_eq!(read(b"0000"), Ok(Some((Parsed::Probe, vec![]))));
        assert_eq!(read(b"0000PACK"), Ok(Some((Parsed::Probe, b"PACK".to_vec()))));
    }

    #[test]
    fn push_options_follow_the_commands() {
        let mut bytes = push(&[format!("{Z} {A} refs/heads/main\0push-options report-status")]);
        bytes.extend(push(&["topic=a".into(), "draft\n".into()]));
        assert_eq!(head(&bytes).push_options, ["topic=a", "draft"]);
        for wrong in ["a\0b", "a\nb", "\u{1b}[0m"] {
            let mut bytes = push(&[format!("{Z} {A} refs/heads/main\0push-options")]);
            bytes.extend(push(&[wrong.into()]));
            assert_eq!(head(&bytes).refusal.expect(wrong).code, "push-option");
        }
        let mut many = push(&[format!("{Z} {A} refs/heads/main\0push-options")]);
        many.extend(push(&vec!["o".to_owned(); PUSH_OPTIONS_MAX + 1]));
        assert!(head(&many).refusal.is_some());
        // Announced but absent, and present but not announced.
        assert_eq!(read(&push(&[format!("{Z} {A} refs/heads/main\0push-options")])), Ok(None));
    }

    #[test]
    fn a_certificate_is_kept_to_the_byte_and_stands_alone() {
        let text = ["certificate version 0.1\n", "\n", &format!("{Z} {A} refs/heads/main\n"), "-----BEGIN"];
        let mut lines = vec!["push-cert\0report-status".to_owned()];
        lines.extend(text.iter().map(|line| (*line).to_owned()));
        let cut = push(&lines);
        lines.push("push-cert-end\n".to_owned());
        let head = head(&push(&lines));
        assert_eq!(head.certificate.as_deref(), Some(text.concat().as_bytes()));
        assert!(head.commands.is_empty() && head.capabilities.report_status);
        assert!(matches!(read(&cut), Err(HeadError::Grammar(_))));

        let mut beside = lines.clone();
        beside.push(format!("{Z} {A} refs/heads/evil"));
        assert!(matches!(read(&push(&beside)), Err(HeadError::Grammar(_))));
        let mut before = vec![format!("{Z} {A} refs/heads/evil\0report-status")];
        before.extend(lines.iter().cloned());
        assert!(matches!(read(&push(&before)), Err(HeadError::Grammar(_))));
        let mut nul = lines.clone();
        nul[1] = "certificate\0 version 0.1\n".into();
        assert!(matches!(read(&push(&nul)), Err(HeadError::Grammar(_))));
        let mut long = lines;
        long.splice(2..2, vec!["x".repeat(60_000); 2]);
        assert!(matches!(read(&push(&long)), Err(HeadError::TooLarge { .. })));
    }

    #[test]
    fn what_is_no_push_is_no_push() {
        let line = |text: &str| push(&[text.to_owned()]);
        for wrong in [
            line(&format!("{Z} {A}")),
            line(&format!("{Z} {A} ")),
            line(&format!("{Z}  {A} refs/heads/a")),
            line(&format!(" {Z} {A} refs/heads/a")),
            line(&format!("{Z}\t{A}\trefs/heads/a")),
            line(&format!("{Z} {} refs/heads/a", &A[1..])),
            line(&format!("{Z} {A}1 refs/heads/a")),
            line(&format!("{Z} {} refs/heads/a", A.replace('1', "A"))),
            line(&format!("{Z} {} refs/heads/a", A.replace('1', "g"))),
            line(&format!("{Z} {A} refs/heads/a\nb")),
            line(&format!("{Z} {A} refs/heads/a\u{1b}[31m")),
            line(&format!("{Z} {A} refs/heads/a\0report-status\0more")),
            line("want 1111111111111111111111111111111111111111 ofs-delta"),
            line("command=ls-refs"),
            line("shallow 1234"),
            line("shallow 1111111111111111111111111111111111111111"),
            line("unshallow 1111111111111111111111111111111111111111"),
            line("\0"),
            push(&[format!("{Z} {A} refs/heads/a\0"), format!("{Z} {A} refs/heads/b\0atomic")]),
            push(&[format!("{Z} {A} refs/heads/a\0"), format!("shallow {A}")]),
            push(&[String::new()]),
            b"PACK\0\0\0\x02".to_vec(),
            b"0001".to_vec(),
            b"0003".to_vec(),
        ] {
            let error = read(&wrong).expect_err(&String::from_utf8_lossy(&wrong));
            assert_eq!(error.status(), 400);
            assert!(!error.to_string().chars().any(char::is_control));
        }
        assert_eq!(read(&packet(format!("{Z} {A} refs/heads/a\0"))), Ok(None));
        let many = push(&vec![format!("{Z} {A} refs/heads/a"); 12_000]);
        assert_eq!(read_at_once(&many).expect_err("too large").status(), 413);
    }

    fn read_at_once(bytes: &[u8]) -> Result<Option<(Parsed, Vec<u8>)>, HeadError> {
        HeadReader::new(&ReceiveLimits::default()).feed(bytes)
    }

    #[test]
    fn what_can_be_read_is_refused_by_name() {
        let capability = |word: &str| head(&push(&[format!("{Z} {A} refs/heads/a\0report-status {word}")])).refusal;
        assert!(capability("frobnicate=1").expect("refused").message.contains("`frobnicate=1`"));
        assert_eq!(capability("object-format=sha256").expect("refused").code, "object-format");
        assert_eq!(capability("object-format=sha1 session-id=x agent=git/1 delete-refs ofs-delta"), None);
        let twice = head(&push(&[format!("{Z} {A} refs/heads/a\0"), format!("{Z} {A} refs/heads/a")]));
        assert_eq!(twice.refusal.expect("refused").code, "ref-twice");
        let many: Vec<String> = (0..51).map(|n| format!("{Z} {A} refs/heads/b{n}")).collect();
        assert_eq!(head(&push(&many)).refusal.expect("refused").code, "too-many-refs");
        let odd = head(&push(&[format!("{Z} {A} HEAD"), format!("{Z} {A} refs/heads/..")]));
        assert!(odd.refusal.is_none() && odd.commands.iter().all(|command| command.name.is_err()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_at_once(&bytes);
        }

        #[test]
        fn no_lines_make_it_panic(lines in proptest::collection::vec("[ -~\\x00\\n]{0,90}", 0..6)) {
            let _ = read(&push(&lines));
        }
    }
}
