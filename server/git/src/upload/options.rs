//! What a server offers: protocol versions and capabilities.

use std::sync::Arc;

use gix_hash::ObjectId;

use crate::ids::IdSet;

/// A version of git's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// The first one: refs are listed before anything is asked.
    #[default]
    V0,
    /// As the first, announced by a line of its own.
    V1,
    /// Commands; refs are listed when asked for.
    V2,
}

impl Version {
    /// Reads the `Git-Protocol` header: a list of keys between colons, of which the highest known `version=` counts.
    /// Anything else in it is ignored.
    ///
    /// Source: git(1), `GIT_PROTOCOL`.
    pub fn from_header(value: Option<&str>) -> Self {
        let keys = value.unwrap_or_default().split(':');
        keys.filter_map(|key| match key.trim() {
            "version=1" => Some(Self::V1),
            "version=2" => Some(Self::V2),
            _ => None,
        })
        .max()
        .unwrap_or_default()
    }
}

/// Which wants are served.
#[derive(Clone, Debug, Default)]
pub enum WantRule {
    /// What the reader's refs reach: commits, tags, trees and blobs alike. The registry knows no other rule.
    #[default]
    Reachable,
    /// That, and these ids.
    ReachableOr(Arc<IdSet>),
    /// Whatever the repository holds, as git's `uploadpack.allowAnySHA1InWant`.
    Any,
}

/// What fetches may ask for.
#[derive(Clone, Debug)]
pub struct UploadOptions {
    /// `filter`: partial clones.
    pub filter: bool,
    /// `want-ref`.
    pub ref_in_want: bool,
    /// `sideband-all`.
    pub sideband_all: bool,
    /// The command `object-info`.
    pub object_info: bool,
    /// `unborn` in `ls-refs`.
    pub unborn: bool,
    /// Which wants are served.
    pub wants: WantRule,
    /// Tell version 0 that tips of hidden refs may be wanted.
    pub advertise_tip_in_want: bool,
    /// Tell version 0 that anything reachable may be wanted.
    pub advertise_reachable_in_want: bool,
    /// Filters that are refused.
    pub filter_rule: FilterRule,
    /// Commits whose parents the repository itself lacks. Empty in the registry.
    pub shallow: Arc<IdSet>,
    /// Blobs that are not packed but pointed at, for clients that ask for `packfile-uris`.
    pub packfile_uris: Arc<[PackfileUri]>,
}

impl Default for UploadOptions {
    /// What the registry offers: everything that it can bound.
    fn default() -> Self {
        Self {
            filter: true,
            ref_in_want: false,
            sideband_all: false,
            object_info: true,
            unborn: true,
            wants: WantRule::Reachable,
            advertise_tip_in_want: false,
            advertise_reachable_in_want: true,
            filter_rule: FilterRule::default(),
            shallow: Arc::default(),
            packfile_uris: Arc::new([]),
        }
    }
}

/// Which filters are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterRule {
    /// Filters that are refused, by git's names such as `blob:limit` or `combine`.
    pub refused: Vec<String>,
    /// The largest depth for `tree:<depth>`.
    pub tree_depth_max: Option<u64>,
}

/// A blob that clients may fetch from elsewhere as a pack of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackfileUri {
    /// The blob.
    pub blob: ObjectId,
    /// The checksum of the pack that holds it.
    pub pack: ObjectId,
    /// Where that pack is.
    pub uri: String,
}

/// What pushes may do.
#[derive(Clone, Debug, Default)]
pub struct PushOptions {
    /// `push-cert=<nonce>`: signed pushes are understood, and this is the nonce to sign.
    pub certificate_nonce: Option<String>,
    /// `push-options`.
    pub push_options: bool,
    /// `atomic`.
    pub atomic: bool,
    /// Objects that the server has beyond its refs, such as those of alternates: `.have` lines. Empty in the registry.
    pub extra_haves: Vec<ObjectId>,
}

/// What an advertisement tells.
#[derive(Clone, Debug)]
pub struct AdvertiseOptions {
    /// The server's name and version, such as `skill-pool/0.1.0`.
    pub agent: String,
    /// `session-id`.
    pub session_id: Option<String>,
    /// What fetches may ask for.
    pub upload: UploadOptions,
    /// What pushes may do.
    pub push: PushOptions,
}

impl Default for AdvertiseOptions {
    fn default() -> Self {
        Self {
            agent: format!("skill-pool/{}", env!("CARGO_PKG_VERSION")),
            session_id: None,
            upload: UploadOptions::default(),
            push: PushOptions { push_options: true, atomic: true, ..PushOptions::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_known_version_counts() {
        for (header, version) in [
            (None, Version::V0),
            (Some(""), Version::V0),
            (Some("version=0"), Version::V0),
            (Some("version=1"), Version::V1),
            (Some("version=2"), Version::V2),
            (Some("version=3"), Version::V0),
            (Some("version=2:version=1"), Version::V2),
            (Some("hello=world:version=2:x"), Version::V2),
            (Some("version=22"), Version::V0),
        ] {
            assert_eq!(Version::from_header(header), version, "{header:?}");
        }
    }
}
