//! Whether an update of main makes a release.

use crate::digest::Sha256;
use crate::gate::policy::{Level, Policy};
use crate::names::{PluginName, Version, VersionError};
use crate::plugin::MANIFEST_PATH;
use crate::plugin::node::Position;
use crate::refusal::Refusal;
use crate::timestamp::Timestamp;

/// What main holds after the update.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    /// Digest of its tree.
    pub tree: Sha256,
    /// `version` of its manifest, if it has one.
    pub version: Option<&'a str>,
    /// Where the version stands in the manifest.
    pub version_at: Option<Position>,
}

/// A release that exists.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its version.
    pub version: Version,
    /// Digest of its tree.
    pub tree: Sha256,
    /// When it was made.
    pub at: Timestamp,
}

/// What follows from an update of main.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plan {
    /// This version is released.
    Release(Version),
    /// Main moves and nothing is released.
    None(NoRelease),
    /// Main may not move so.
    Refused(Refusal),
}

/// Why nothing is released.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoRelease {
    /// The manifest has no version; the gate warns (`version-missing`).
    NoVersion,
    /// The version is released already, with the same content.
    SameContent(Version),
    /// The version is released already with other content, and policy only warns.
    NotBumped(Refusal),
}

/// Decides whether main's new state makes a release of `plugin`.
///
/// `old_tree` is the digest of what main held before, `None` on a first push: a main that goes back to, or stays at, the
/// content of the release of its version is let be. `known` are all releases of the plugin in any order, yanked ones
/// included.
///
/// A refusal has the code `version-not-bumped` (content changed, version released before; [`Policy`] may make it a
/// warning), `version-not-semver` or `version-build-metadata`.
pub fn plan(plugin: &PluginName, old_tree: Option<Sha256>, new: &Held<'_>, known: &[Known], policy: &Policy) -> Plan {
    let Some(text) = new.version else {
        return Plan::None(NoRelease::NoVersion);
    };
    let place = match new.version_at {
        Some(at) => format!("{MANIFEST_PATH}:{}", at.line),
        None => MANIFEST_PATH.to_owned(),
    };
    let version = match Version::parse(text) {
        Ok(version) => version,
        Err(error) => {
            let code = match error {
                VersionError::NotSemver { .. } => "version-not-semver",
                VersionError::BuildMetadata(_) => "version-build-metadata",
            };
            let example = text.split('+').next().and_then(|core| Version::parse(core).ok());
            let example = example.map_or_else(|| "1.0.0".to_owned(), |version| version.to_string());
            let remedy = format!("write in {MANIFEST_PATH}:  \"version\": \"{example}\"");
            return Plan::Refused(Refusal::new(code, error.to_string(), remedy).at(place));
        }
    };
    let Some(released) = known.iter().find(|release| release.version == version) else {
        return Plan::Release(version);
    };
    if released.tree == new.tree || old_tree == Some(new.tree) {
        return Plan::None(NoRelease::SameContent(version));
    }
    let next = free_patch(&version, known);
    let refusal = Refusal::new(
        "version-not-bumped",
        format!("content changed, but version {version} of {plugin} was already released on {}", released.at.date()),
        format!(
            "write \"version\": \"{next}\" in {MANIFEST_PATH}, then:  git commit -am \"{plugin} {next}\" && git push"
        ),
    )
    .at(place);
    match policy.level("version-not-bumped") {
        Level::Refuse => Plan::Refused(refusal),
        Level::Warn | Level::Off => Plan::None(NoRelease::NotBumped(refusal)),
    }
}

/// The next patch version after `version` that nobody released.
fn free_patch(version: &Version, known: &[Known]) -> Version {
    let mut next = version.next_patch();
    // Each turn passes one known version at least, so the bound is never the reason to stop but for overflow.
    for _ in 0..=known.len() {
        if !known.iter().any(|release| release.version == next) {
            break;
        }
        next = next.next_patch();
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(n: u8) -> Sha256 {
        Sha256([n; 32])
    }

    fn known(releases: &[(&str, u8)]) -> Vec<Known> {
        let at = Timestamp::from_seconds(1_790_000_000);
        let one =
            |&(version, n): &(&str, u8)| Known { version: Version::parse(version).expect(version), tree: tree(n), at };
        releases.iter().map(one).collect()
    }

    fn planned(old: Option<u8>, version: Option<&str>, new: u8, releases: &[(&str, u8)]) -> Plan {
        let plugin = PluginName::parse("lint").expect("a name");
        let held = Held { tree: tree(new), version, version_at: Some(Position { line: 3, column: 14 }) };
        plan(&plugin, old.map(tree), &held, &known(releases), &Policy::default())
    }

    fn refused(plan: Plan) -> Refusal {
        match plan {
            Plan::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_version_is_released_whatever_its_order() {
        let v = |text| Version::parse(text).expect("a version");
        assert_eq!(planned(None, Some("1.0.0"), 1, &[]), Plan::Release(v("1.0.0")));
        assert_eq!(planned(Some(2), Some("1.0.1"), 3, &[("2.0.0", 2)]), Plan::Release(v("1.0.1")));
        assert_eq!(planned(Some(1), Some("1.0.1"), 1, &[("1.0.0", 1)]), Plan::Release(v("1.0.1")));
    }

    #[test]
    fn the_same_content_needs_no_new_version() {
        for old in [None, Some(1), Some(2)] {
            let plan = planned(old, Some("1.0.0"), 1, &[("1.0.0", 1)]);
            assert!(matches!(plan, Plan::None(NoRelease::SameContent(_))), "{old:?}");
        }
        assert_eq!(planned(Some(1), None, 2, &[]), Plan::None(NoRelease::NoVersion));
    }

    #[test]
    fn other_content_under_a_released_version_is_refused_with_the_line_that_mends_it() {
        let refusal = refused(planned(Some(1), Some("1.0.0"), 2, &[("1.0.0", 1), ("1.0.1", 5)]));
        assert_eq!(refusal.code, "version-not-bumped");
        assert_eq!(refusal.place, ".claude-plugin/plugin.json:3");
        assert!(refusal.message.contains("2026-09-21"), "{}", refusal.message);
        assert!(refusal.remedy.contains("\"version\": \"1.0.2\""), "{}", refusal.remedy);
    }

    #[test]
    fn policy_may_warn_instead() {
        let policy = Policy::parse("[rules]\n\"version-not-bumped\" = \"warn\"\n").expect("a policy");
        let plugin = PluginName::parse("lint").expect("a name");
        let held = Held { tree: tree(2), version: Some("1.0.0"), version_at: None };
        let plan = plan(&plugin, Some(tree(1)), &held, &known(&[("1.0.0", 1)]), &policy);
        assert!(matches!(plan, Plan::None(NoRelease::NotBumped(_))));
    }

    #[test]
    fn a_text_that_is_no_version_is_refused() {
        assert_eq!(refused(planned(None, Some("latest"), 1, &[])).code, "version-not-semver");
        let refusal = refused(planned(None, Some("1.2.0+ci.5"), 1, &[]));
        assert_eq!(refusal.code, "version-build-metadata");
        assert!(refusal.remedy.ends_with("\"version\": \"1.2.0\""), "{}", refusal.remedy);
    }
}
