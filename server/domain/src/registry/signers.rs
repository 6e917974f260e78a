//! Who signs: the files `signers/<member>/*.pub` and `signers/<member>/*.asc` of `registry.git`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::certificate::SignerId;
use crate::certificate::openpgp::{KeyFault, OpenPgpKey};
use crate::certificate::ssh::{GIT_NAMESPACE, SshKeyError, SshPublicKey};
use crate::names::MemberId;
use crate::refusal::Refusal;
use crate::timestamp::Timestamp;

/// The folder in `registry.git`.
pub const SIGNERS_FOLDER: &str = "signers";
/// The longest file of keys, in bytes.
const FILE_BYTES_MAX: usize = 64 << 10;
/// The most keys of one tenant.
const KEYS_MAX: usize = 10_000;

/// All registered keys, by the name that a signature gives them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Signers {
    keys: BTreeMap<SignerId, Signer>,
    /// Armoured OpenPGP certificates by their primary key, since one stands behind several keys.
    certificates: BTreeMap<SignerId, String>,
}

/// One registered key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Signer {
    /// Whose it is.
    pub member: MemberId,
    /// Where it is registered, such as `signers/ann/laptop.pub:1`.
    pub place: String,
    /// The key.
    pub key: SignerKey,
}

/// A registered key, of one of the two kinds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignerKey {
    /// An SSH key and what its line says about it.
    Ssh {
        /// The key.
        key: SshPublicKey,
        /// It counts from then on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_after: Option<Timestamp>,
        /// It counts up to and including then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_before: Option<Timestamp>,
        /// What it may sign; `None`: everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespaces: Option<Vec<String>>,
    },
    /// A key of the OpenPGP certificate with this primary key.
    OpenPgp {
        /// The primary key.
        certificate: SignerId,
    },
}

/// Why a registered key does not count for git at some time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerFault {
    /// Its line says from when it counts.
    #[error("the key counts from {valid_after} on")]
    NotYet {
        /// From when.
        valid_after: Timestamp,
    },
    /// Its line says until when it counted.
    #[error("the key counted until {valid_before}")]
    Expired {
        /// Until when.
        valid_before: Timestamp,
    },
    /// Registered for other purposes.
    #[error("the key is registered for other purposes than git")]
    Namespaces,
    /// The OpenPGP certificate says so.
    #[error("{0}")]
    OpenPgp(KeyFault),
}

impl Signers {
    /// Reads the files below `signers/`: full paths in `registry.git` with their bytes, in any order. Other paths are
    /// skipped, so that all files may be handed in.
    ///
    /// # Errors
    /// All refusals that the files deserve, each with path and line.
    pub fn read<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        is_member: impl Fn(&MemberId) -> bool,
    ) -> Result<Self, Vec<Refusal>> {
        let mut reading = Reading::default();
        let files: BTreeMap<&str, &[u8]> = files.into_iter().collect();
        for (path, bytes) in files {
            let Some(below) = path.strip_prefix("signers/") else { continue };
            if let Err(refusal) = reading.file(path, below, bytes, &is_member) {
                reading.refusals.push(refusal);
            }
        }
        if reading.refusals.is_empty() { Ok(reading.signers) } else { Err(reading.refusals) }
    }

    /// The registered key of this name.
    pub fn get(&self, id: &SignerId) -> Option<&Signer> {
        self.keys.get(id)
    }

    /// All keys, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&SignerId, &Signer)> {
        self.keys.iter()
    }

    /// The keys of `member`.
    pub fn of<'a>(&'a self, member: &'a MemberId) -> impl Iterator<Item = (&'a SignerId, &'a Signer)> {
        self.keys.iter().filter(move |(_, signer)| signer.member == *member)
    }

    /// The OpenPGP certificate behind a key.
    pub fn openpgp(&self, certificate: &SignerId) -> Option<OpenPgpKey> {
        OpenPgpKey::parse(self.certificates.get(certificate)?).ok()
    }

    /// Says whether the key counts for git at `at`.
    ///
    /// # Errors
    /// [`SignerFault`].
    pub fn counts(&self, id: &SignerId, signer: &Signer, at: Timestamp) -> Result<(), SignerFault> {
        match &signer.key {
            SignerKey::Ssh { valid_after, valid_before, namespaces, .. } => {
                if let Some(valid_after) = valid_after.filter(|from| at < *from) {
                    return Err(SignerFault::NotYet { valid_after });
                }
                // The last second counts whole.
                if let Some(valid_before) = valid_before.filter(|until| at.seconds() > until.seconds()) {
                    return Err(SignerFault::Expired { valid_before });
                }
                match namespaces {
                    Some(names) if !names.iter().any(|name| name == GIT_NAMESPACE) => Err(SignerFault::Namespaces),
                    _ => Ok(()),
                }
            }
            SignerKey::OpenPgp { certificate } => {
                let key = self.openpgp(certificate).ok_or(SignerFault::OpenPgp(KeyFault::Absent))?;
                key.may_sign(id, at).map_err(SignerFault::OpenPgp)
            }
        }
    }
}

#[derive(Default)]
struct Reading {
    signers: Signers,
    refusals: Vec<Refusal>,
}

impl Reading {
    fn file(
        &mut self,
        path: &str,
        below: &str,
        bytes: &[u8],
        is_member: &impl Fn(&MemberId) -> bool,
    ) -> Result<(), Refusal> {
        let wrong = |message: String, remedy: &str| Err(Refusal::new("signers", message, remedy).at(path));
        let Some((folder, name)) = below.split_once('/') else {
            return match below {
                "README.md" | ".gitkeep" => Ok(()),
                _ => wrong("keys lie in a folder that is named like their member".into(), MOVE),
            };
        };
        if name == ".gitkeep" || name == "README.md" {
            return Ok(());
        }
        let member = match MemberId::parse(folder) {
            Ok(member) => member,
            Err(error) => return wrong(error.to_string(), MOVE),
        };
        if !is_member(&member) {
            let message = format!("there is no member `{member}`");
            return wrong(message, &format!("add members/{member}.toml, or remove signers/{member}"));
        }
        if bytes.len() > FILE_BYTES_MAX {
            let message = format!("this file has {} bytes; at most {FILE_BYTES_MAX} are read", bytes.len());
            return wrong(message, "commit public keys only, one file for each");
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return wrong("this file is not text".into(), "export the key again: gpg --armor --export <key>");
        };
        match name.rsplit_once('.') {
            Some((stem, "pub")) if is_plain(stem) => self.ssh_file(path, text, &member),
            Some((stem, "asc")) if is_plain(stem) => self.openpgp_file(path, text, &member)?,
            _ => return wrong("a file of keys is called <name>.pub (SSH) or <name>.asc (OpenPGP)".into(), MOVE),
        }
        Ok(())
    }

    fn ssh_file(&mut self, path: &str, text: &str, member: &MemberId) {
        if let Some(index) = text.lines().position(|line| line.contains("PRIVATE KEY-----")) {
            return self.refuse_line(format!("{path}:{}", index + 1), SshKeyError::Private.to_string());
        }
        let mut keys = 0;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = format!("{path}:{}", index + 1);
            keys += 1;
            match ssh_line(line) {
                Ok(key) => {
                    let SignerKey::Ssh { key: public, .. } = &key else { continue };
                    let id = SignerId::ssh(public);
                    self.add(id, Signer { member: member.clone(), place, key });
                }
                // One wrong line is enough said about a file: the next ones are often of the same making.
                Err(message) => return self.refuse_line(place, message),
            }
        }
        if keys == 0 {
            self.refuse_line(path.to_owned(), "this file holds no key".into());
        }
    }

    fn refuse_line(&mut self, place: String, message: String) {
        self.refusals.push(Refusal::new("signers", message, LINE).at(place));
    }

    fn openpgp_file(&mut self, path: &str, text: &str, member: &MemberId) -> Result<(), Refusal> {
        let key = OpenPgpKey::parse(text).map_err(|error| {
            let remedy = format!("gpg --armor --export-options export-minimal --export <key> > {path}");
            Refusal::new("signers", error.to_string(), remedy).at(path)
        })?;
        for id in key.signing_keys() {
            let key = SignerKey::OpenPgp { certificate: key.id().clone() };
            self.add(id.clone(), Signer { member: member.clone(), place: path.to_owned(), key });
        }
        self.signers.certificates.insert(key.id().clone(), text.to_owned());
        Ok(())
    }

    fn add(&mut self, id: SignerId, signer: Signer) {
        let refused = |message: String, remedy: &str| Refusal::new("signers", message, remedy).at(&signer.place);
        if let Some(other) = self.signers.keys.get(&id) {
            // A key in two places could have two owners or two lives.
            let refusal = refused(format!("{id} is registered at {} already", other.place), "remove one of the two");
            self.refusals.push(refusal);
        } else if self.signers.keys.len() >= KEYS_MAX {
            let refusal = refused(format!("there are more than {KEYS_MAX} keys"), "remove those that are not in use");
            self.refusals.push(refusal);
        } else {
            self.signers.keys.insert(id, signer);
        }
    }
}

const MOVE: &str = "git mv it to signers/<member>/<name>.pub or signers/<member>/<name>.asc";
const LINE: &str =
    "write `[valid-after=\"YYYYMMDDZ\",valid-before=\"YYYYMMDDZ\",namespaces=\"git\"] <type> <base64> [comment]`";

fn is_plain(stem: &str) -> bool {
    !stem.is_empty() && stem.chars().all(|c| c.is_ascii_alphanumeric() || "._@+-".contains(c)) && !stem.starts_with('.')
}

/// Reads `[options] <type> <base64> [comment]`.
fn ssh_line(line: &str) -> Result<SignerKey, String> {
    let first = line.split([' ', '\t']).next().unwrap_or_default();
    let (options, key) =
        if SshPublicKey::is_type_word(first) || first.starts_with('-') { ("", line) } else { split_options(line)? };
    let (mut valid_after, mut valid_before, mut namespaces) = (None, None, None);
    let mut seen = BTreeSet::new();
    for (name, value) in read_options(options)? {
        if !seen.insert(name) {
            return Err(format!("the option `{name}` stands twice"));
        }
        match name {
            "valid-after" => valid_after = Some(read_time(value)?),
            "valid-before" => valid_before = Some(read_time(value)?),
            "namespaces" => namespaces = Some(read_namespaces(value)?),
            "cert-authority" => return Err("certificate authorities are not accepted; register each key".into()),
            _ => return Err(format!("the option `{}` is unknown", name.escape_default())),
        }
    }
    if let (Some(after), Some(before)) = (valid_after, valid_before)
        && before < after
    {
        return Err(format!("the key would never count: it begins at {after} and ends at {before}"));
    }
    let key = SshPublicKey::from_openssh(key).map_err(|error| error.to_string())?;
    Ok(SignerKey::Ssh { key, valid_after, valid_before, namespaces })
}

/// Splits at the first blank outside quotes.
fn split_options(line: &str) -> Result<(&str, &str), String> {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return Ok((&line[..at], line[at..].trim_start())),
            _ => {}
        }
    }
    Err("this is not an OpenSSH public key: expected `<type> <base64> [comment]`".into())
}

/// `name="value"` and `name`, separated by commas outside quotes.
fn read_options(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut options = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['=', ',']).unwrap_or(rest.len());
        let name = &rest[..end];
        rest = &rest[end..];
        let mut value = "";
        if let Some(quoted) = rest.strip_prefix('=') {
            let inside = quoted.strip_prefix('"').and_then(|q| q.split_once('"'));
            (value, rest) =
                inside.ok_or_else(|| format!("write the value of `{}` in quotes", name.escape_default()))?;
        }
        options.push((name, value));
        rest = match rest.strip_prefix(',') {
            Some(more) if !more.is_empty() => more,
            None if rest.is_empty() => rest,
            _ => return Err("options are separated by single commas, without blanks".into()),
        };
    }
    Ok(options)
}

/// `YYYYMMDD[HHMM[SS]]Z`, as ssh-keygen writes it. Without the `Z` it would mean the local time of whoever reads it.
fn read_time(text: &str) -> Result<Timestamp, String> {
    let Some(digits) = text.strip_suffix('Z') else {
        return Err(format!("the time `{}` needs a final `Z`, for UTC", text.escape_default()));
    };
    let wrong = || format!("`{}` is not a time of the form YYYYMMDD[HHMM[SS]]Z", text.escape_default());
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let part = |range: RangeInclusive<usize>| digits.get(range).unwrap_or("00");
    let (year, month, day) = (part(0..=3), part(4..=5), part(6..=7));
    let (hour, minute, second) = (part(8..=9), part(10..=11), part(12..=13));
    Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok_or_else(wrong)
}

fn read_namespaces(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = text.split(',').map(str::to_owned).collect();
    let is_name = |name: &String| {
        !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "@._-".contains(c))
    };
    if names.len() <= 16 && names.iter().all(is_name) {
        Ok(names)
    } else {
        Err("namespaces are names such as `git`, separated by commas; patterns are not accepted".into())
    }
}

#[cfg(test)]
#[path = "signers_tests.rs"]
mod tests;
