//! OpenSSH's file for an Ed25519 private key without a passphrase, so that `ssh-keygen` can read what we wrote.
//!
//! Source: OpenSSH's PROTOCOL.key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use skill_pool_domain::certificate::ssh::{SshPublicKey, put_string};

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
const END: &str = "-----END OPENSSH PRIVATE KEY-----\n";
const LINE_CHARS: usize = 70;
/// Magic, no cipher, no derivation of a key, no options of it, one key.
const HEAD: &[u8] = b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none\0\0\0\0\0\0\0\x01";
/// What the private part is padded to when there is no cipher.
const BLOCK_BYTES: usize = 8;

/// The file for `seed`, whose public key is `public`. `check` is any number; it stands twice, to find damage.
pub(super) fn format(seed: &[u8; 32], public: &SshPublicKey, check: u32) -> String {
    let mut blob = HEAD.to_vec();
    put_string(&mut blob, public.blob());
    put_string(&mut blob, &private_part(seed, public, check));
    let mut out = BEGIN.to_owned();
    for line in STANDARD.encode(blob).as_bytes().chunks(LINE_CHARS) {
        out.extend(line.iter().map(|b| char::from(*b)));
        out.push('\n');
    }
    out + END
}

fn private_part(seed: &[u8; 32], public: &SshPublicKey, check: u32) -> Vec<u8> {
    let point = &public.blob()[public.blob().len() - 32..];
    let mut out = Vec::new();
    out.extend_from_slice(&check.to_be_bytes());
    out.extend_from_slice(&check.to_be_bytes());
    put_string(&mut out, b"ssh-ed25519");
    put_string(&mut out, point);
    put_string(&mut out, &[&seed[..], point].concat());
    put_string(&mut out, super::REGISTRY_PRINCIPAL.as_bytes());
    let padding = (1_u8..).take(out.len().next_multiple_of(BLOCK_BYTES) - out.len());
    out.extend(padding);
    out
}

/// The seed in such a file, and the public key that should come from it. Comments may differ; everything else must be as [`format`] writes it.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn parse(bytes: &[u8]) -> Result<([u8; 32], SshPublicKey), &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
    let body = text.strip_prefix(BEGIN).and_then(|t| t.trim_end().strip_suffix(END.trim_end()));
    let body = body.ok_or("it is not an OpenSSH private key")?;
    let blob = STANDARD.decode(body.replace(['\n', '\r'], "")).map_err(|_| "its base64 cannot be read")?;
    let rest = blob.strip_prefix(HEAD).ok_or("it is encrypted, or holds no single key")?;
    let (public, rest) = string(rest).ok_or("it ends early")?;
    let public = SshPublicKey::from_blob(public).map_err(|_| "its public key cannot be read")?;
    if public.kind() != "ssh-ed25519" {
        return Err("it is not an Ed25519 key");
    }
    let (private, rest) = string(rest).ok_or("it ends early")?;
    if !rest.is_empty() {
        return Err("something follows the key");
    }
    let (checks, fields) = private.split_at_checked(8).ok_or("it ends early")?;
    let (_kind, fields) = string(fields).ok_or("it ends early")?;
    let (_point, fields) = string(fields).ok_or("it ends early")?;
    let (pair, fields) = string(fields).ok_or("it ends early")?;
    let (comment, _padding) = string(fields).ok_or("it ends early")?;
    let seed: [u8; 32] = pair.get(..32).and_then(|s| s.try_into().ok()).ok_or("it ends early")?;
    if checks[..4] != checks[4..] {
        return Err("its two check numbers differ");
    }
    let check = u32::from_be_bytes([checks[0], checks[1], checks[2], checks[3]]);
    let ours = private_part(&seed, &public, check);
    // Compare all that stands before the comment: kinds, points and both halves of the pair.
    let before_comment = private.len() - fields.len();
    if ours.get(..before_comment) != private.get(..before_comment) || comment.len() > 1024 {
        return Err("its parts contradict each other");
    }
    Ok((seed, public))
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}
