//! A push as bytes, so that it can be wrong in every way.

use super::Scene;
use crate::world::PATIENCE;

pub const ZERO: &str = "0000000000000000000000000000000000000000";
/// Capabilities as stock git sends them.
const CAPABILITIES: &str = " report-status side-band-64k object-format=sha1 agent=git/2.47.3";
/// A pack of no objects: everything that these pushes name is there already.
const EMPTY_PACK: &[u8] = b"PACK\x00\x00\x00\x02\x00\x00\x00\x00\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";

/// One packet.
pub fn packet(data: impl AsRef<[u8]>) -> Vec<u8> {
    let data = data.as_ref();
    [format!("{:04x}", data.len() + 4).as_bytes(), data].concat()
}

/// The first packet of a signed push.
pub fn begin(more_capabilities: &str) -> Vec<u8> {
    packet(format!("push-cert\0{CAPABILITIES}{more_capabilities}"))
}

/// A line for each packet, as git sends certificates.
pub fn lines(text: &str) -> Vec<u8> {
    text.split_inclusive('\n').flat_map(packet).collect()
}

/// A signed push of this certificate, whole and well-formed.
pub fn signed(certificate: &str) -> Vec<u8> {
    [begin(""), lines(certificate), packet("push-cert-end\n"), finish()].concat()
}

/// The flush after the commands, and a pack.
pub fn finish() -> Vec<u8> {
    [b"0000", EMPTY_PACK].concat()
}

/// What a server answered.
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Scene {
    fn agent(&self) -> ureq::Agent {
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into()
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.world.printed.tokens.publisher)
    }

    /// The nonce that the server hands out for a push to `repository`.
    pub fn nonce(&self, repository: &str) -> String {
        let address = self.world.address(&format!("git/plugins/{repository}.git/info/refs?service=git-receive-pack"));
        let answer = self.agent().get(&address).header("Authorization", self.authorization()).call();
        let body = answer.expect("an answer").body_mut().read_to_vec().expect("a body");
        let body = String::from_utf8_lossy(&body);
        let (_, rest) = body.split_once("push-cert=").unwrap_or_else(|| panic!("no nonce in {body:?}"));
        rest.split([' ', '\n']).next().expect("a word").to_owned()
    }

    /// Sends a push to `repository`.
    pub fn post(&self, repository: &str, body: &[u8]) -> Answer {
        let address = self.world.address(&format!("git/plugins/{repository}.git/git-receive-pack"));
        let request = self
            .agent()
            .post(&address)
            .header("Authorization", self.authorization())
            .header("Content-Type", "application/x-git-receive-pack-request")
            .header("Accept", "application/x-git-receive-pack-result");
        let mut answer = request.send(body).expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.body_mut().read_to_vec().expect("a body");
        Answer { status, body: String::from_utf8_lossy(&body).into_owned() }
    }
}
