//! Annotated tags of releases.

use gix::ObjectId;
use skill_pool_domain::timestamp::Timestamp;

use super::{REGISTRY_PRINCIPAL, SigningKey};

/// What a release's tag says.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseTag<'a> {
    /// The released commit.
    pub commit: ObjectId,
    /// The tag's short name, such as `lint--v1.4.0`: part of a [`RefName`](skill_pool_domain::names::RefName), so it
    /// holds no line feed.
    pub name: &'a str,
    /// The first line and what follows; what would end the message early or forge a signature is left out.
    pub message: &'a str,
    /// When, to the second; shown as UTC.
    pub at: Timestamp,
}

impl SigningKey {
    /// The bytes of the annotated tag object for `tag`, signed, without the object's header. The same tag always gives
    /// the same bytes.
    ///
    /// Source: git's mktag and gpg-interface: the signature follows the message, over everything before it.
    pub fn sign_tag(&self, tag: &ReleaseTag<'_>) -> Vec<u8> {
        let mut text = format!(
            "object {}\ntype commit\ntag {}\ntagger skill-pool <{REGISTRY_PRINCIPAL}> {} +0000\n\n",
            tag.commit,
            tag.name,
            tag.at.seconds().max(0),
        );
        for line in tag.message.trim_end().lines() {
            // A line like this would be taken for the start of the signature.
            if !line.starts_with("-----BEGIN ") {
                text.extend(line.chars().filter(|c| !c.is_control() || *c == '\t'));
                text.push('\n');
            }
        }
        let signature = self.sign_git(text.as_bytes());
        text.push_str(&signature);
        text.into_bytes()
    }
}
