//! Access tokens as text: `skp_u_`, 32 random characters, 6 characters that find a typing error offline.
//!
//! A token's text exists where it is made, shown once and presented; everywhere else there is only its [`TokenHash`].

use std::fmt;

use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::digest::{hex, unhex};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX: &str = "skp_";
const RANDOM_CHARS: usize = 32;
const CHECK_CHARS: usize = 6;

/// Characters of a token: all tokens are equally long.
pub const TOKEN_CHARS: usize = PREFIX.len() + 2 + RANDOM_CHARS + CHECK_CHARS;

/// Whom a token was made for; the letter after `skp_`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// A person: `u`.
    User,
    /// A machine, such as a build: `c`.
    Ci,
}

impl TokenKind {
    fn letter(self) -> char {
        match self {
            Self::User => 'u',
            Self::Ci => 'c',
        }
    }
}

/// One token. It shows itself only through [`Token::expose`]; equality is for tests and takes the same time for all
/// values of equal length.
#[derive(Clone)]
pub struct Token(Box<str>);

/// Why a text is not a token. The text itself is never repeated, since it may be a secret with one wrong character.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin as tokens do.
    #[error("this is not a skill-pool token: tokens begin with `skp_u_` or `skp_c_`")]
    Prefix,
    /// Something was cut off or added.
    #[error("this token has {length} characters; a whole one has {TOKEN_CHARS}")]
    Length {
        /// Characters found.
        length: usize,
    },
    /// A character that no token has.
    #[error("character {position} of this token is neither a letter nor a digit")]
    Character {
        /// Its place, counted from 1.
        position: usize,
    },
    /// The last six characters do not fit the others.
    #[error("this token has a typing error: its last six characters do not fit the others")]
    Checksum,
}

impl Token {
    /// Makes a token from 32 random bytes.
    pub fn new(kind: TokenKind, random: &[u8; 32]) -> Self {
        let mut text = String::with_capacity(TOKEN_CHARS);
        text.push_str(PREFIX);
        text.push(kind.letter());
        text.push('_');
        base62_digits(random, RANDOM_CHARS, &mut text);
        let check = crc32(text.as_bytes());
        base62_digits(&check.to_be_bytes(), CHECK_CHARS, &mut text);
        Self(text.into())
    }

    /// The token that `secret` yields for `label`: the same for ever, and unknown to whoever lacks the secret.
    pub fn derive(kind: TokenKind, secret: &[u8; 32], label: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let mut context = hmac::Context::with_key(&key);
        context.update(b"skill-pool/derived-token/v1\0");
        context.update(label.as_bytes());
        let mut random = [0; 32];
        random.copy_from_slice(context.sign().as_ref());
        Self::new(kind, &random)
    }

    /// Reads a token; finds typing errors without asking anybody.
    ///
    /// # Errors
    /// [`TokenError`] says what is wrong without repeating the text.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let rest = text.strip_prefix("skp_u_").or_else(|| text.strip_prefix("skp_c_")).ok_or(TokenError::Prefix)?;
        let length = text.chars().count();
        if length != TOKEN_CHARS {
            return Err(TokenError::Length { length });
        }
        if let Some(at) = rest.chars().position(|c| !c.is_ascii_alphanumeric()) {
            return Err(TokenError::Character { position: text.len() - rest.len() + at + 1 });
        }
        let (body, check) = text.split_at(TOKEN_CHARS - CHECK_CHARS);
        let mut expected = String::with_capacity(CHECK_CHARS);
        base62_digits(&crc32(body.as_bytes()).to_be_bytes(), CHECK_CHARS, &mut expected);
        if check != expected {
            return Err(TokenError::Checksum);
        }
        Ok(Self(text.into()))
    }

    /// The text. For the one place that shows or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whom it was made for.
    pub fn kind(&self) -> TokenKind {
        if self.0.starts_with("skp_c_") { TokenKind::Ci } else { TokenKind::User }
    }

    /// The last four characters, by which a person tells tokens apart.
    pub fn last_four(&self) -> &str {
        &self.0[TOKEN_CHARS - 4..]
    }

    /// What is stored in place of the token.
    pub fn hash(&self, pepper: &Pepper) -> TokenHash {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&pepper.0, self.0.as_bytes()).as_ref());
        TokenHash(out)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}…)", &self.0[..PREFIX.len() + 2])
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        let differing = self.0.bytes().zip(other.0.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
        self.0.len() == other.0.len() && differing == 0
    }
}

impl Eq for Token {}

/// The key of token hashes, kept outside the database: who steals the database alone can test no guess.
#[derive(Clone)]
pub struct Pepper(hmac::Key);

impl Pepper {
    /// A pepper of 32 random bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}

/// HMAC-SHA-256 of a token's text under the pepper; what the database holds and looks up. Shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// Reads 64 lower-case hexadecimal digits; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(unhex(text)?.try_into().ok()?))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({}…)", hex(&self.0[..4]))
    }
}

/// Appends the `count` lowest base-62 digits of `bytes`, read as one big-endian number, lowest digit first. With 256
/// random bits and 32 digits no digit's chance differs from another's by more than 2^-65.
fn base62_digits(bytes: &[u8], count: usize, out: &mut String) {
    let mut number = bytes.to_vec();
    for _ in 0..count {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 62).expect("rest is below 62, so the quotient is below 256");
            rest = value % 62;
        }
        out.push(char::from(ALPHABET[rest as usize]));
    }
}

/// CRC-32 as zip and Ethernet have it (reflected, polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_token_written_once_is_read_for_ever() {
        let token = Token::new(TokenKind::User, &[7; 32]);
        let text = token.expose();
        assert_eq!(text.len(), TOKEN_CHARS);
        assert_eq!(text, "skp_u_1FPc9b5c5QdpH4zZv03tchG8AluSK9wTGPiev2");
        assert_eq!(
            Token::derive(TokenKind::Ci, &[1; 32], "demo admin").expose(),
            "skp_c_O9nrowm3VfE028HJ9S1sAvVUnBYbRw2FbJUE74"
        );
    }

    #[test]
    fn each_mistake_has_its_words() {
        let good = Token::new(TokenKind::User, &[9; 32]);
        let text = good.expose();
        assert_eq!(Token::parse("ghp_x"), Err(TokenError::Prefix));
        assert_eq!(Token::parse(&text[..40]), Err(TokenError::Length { length: 40 }));
        assert_eq!(Token::parse(&format!("{text}0")), Err(TokenError::Length { length: TOKEN_CHARS + 1 }));
        let spaced = format!("{} {}", &text[..9], &text[10..]);
        assert_eq!(Token::parse(&spaced), Err(TokenError::Character { position: 10 }));
        let accented = format!("{}é{}", &text[..9], &text[10..]);
        assert_eq!(Token::parse(&accented), Err(TokenError::Character { position: 10 }));
        assert_eq!(Token::parse(&text.replacen("skp_u", "skp_c", 1)), Err(TokenError::Checksum));
        assert_eq!(Token::parse(text), Ok(good));
    }

    #[test]
    fn nothing_prints_a_secret() {
        let token = Token::new(TokenKind::User, &[9; 32]);
        let pepper = Pepper::new(&[3; 32]);
        let shown = format!("{token:?} {pepper:?} {:?}", token.hash(&pepper));
        assert!(!shown.contains(&token.expose()[6..12]), "{shown}");
        assert!(!shown.contains(&token.hash(&pepper).to_string()), "{shown}");
    }

    #[test]
    fn hash_and_derivation_depend_on_every_part() {
        let token = Token::new(TokenKind::User, &[9; 32]);
        assert_ne!(token.hash(&Pepper::new(&[3; 32])), token.hash(&Pepper::new(&[4; 32])));
        let derived = |secret: u8, label| Token::derive(TokenKind::User, &[secret; 32], label);
        assert_eq!(derived(1, "a"), derived(1, "a"));
        assert_ne!(derived(1, "a"), derived(1, "b"));
        assert_ne!(derived(1, "a"), derived(2, "a"));
        let hash = token.hash(&Pepper::new(&[3; 32]));
        assert_eq!(TokenHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(TokenHash::parse("00"), None);
    }

    proptest! {
        #[test]
        fn what_is_made_is_read_and_one_wrong_character_is_found(
            random: [u8; 32], at in 6..TOKEN_CHARS, other in "[0-9A-Za-z]"
        ) {
            let token = Token::new(TokenKind::User, &random);
            let mut text = token.expose().to_owned();
            prop_assert_eq!(Token::parse(&text), Ok(token));
            if text[at..=at] != other {
                text.replace_range(at..=at, &other);
                prop_assert_eq!(Token::parse(&text), Err(TokenError::Checksum));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "(skp_u_)?.{0,60}") {
            let _ = Token::parse(&text);
        }
    }
}
