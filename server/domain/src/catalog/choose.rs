//! Which release of a plugin the catalog shows.

use crate::names::Version;

/// A release as far as the choice looks at it.
pub trait Candidate {
    /// Its version.
    fn version(&self) -> &Version;
    /// True when it was withdrawn.
    fn is_yanked(&self) -> bool;
}

/// The highest version that is neither a prerelease nor yanked, whenever it was published; `None` when there is none.
///
/// A prerelease never takes the place of a yanked release: nobody asked for it.
pub fn latest<'a, C: Candidate>(releases: impl IntoIterator<Item = &'a C>) -> Option<&'a C> {
    let installable = |release: &&C| !release.is_yanked() && !release.version().is_prerelease();
    releases.into_iter().filter(installable).max_by(|a, b| a.version().cmp(b.version()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Release(Version, bool);

    impl Candidate for Release {
        fn version(&self) -> &Version {
            &self.0
        }
        fn is_yanked(&self) -> bool {
            self.1
        }
    }

    /// Releases in order of publication, the yanked ones with a `!`; the answer in words.
    fn check(releases: &[&str], expected: Option<&str>) {
        let releases: Vec<Release> = releases
            .iter()
            .map(|text| Release(Version::parse(text.trim_end_matches('!')).expect(text), text.ends_with('!')))
            .collect();
        assert_eq!(latest(&releases).map(|release| release.0.to_string()).as_deref(), expected);
    }

    #[test]
    fn the_highest_version_is_latest_whenever_it_came() {
        check(&["1.0.0", "2.0.0", "1.0.1"], Some("2.0.0"));
        check(&["1.9.0", "1.10.0"], Some("1.10.0"));
        check(&["1.0.0", "2.0.0-rc.1"], Some("1.0.0"));
        check(&["1.0.0-rc.1"], None);
        check(&[], None);
    }

    #[test]
    fn a_yank_brings_back_the_newest_good_one() {
        check(&["1.0.0", "1.1.0", "1.2.0!"], Some("1.1.0"));
        check(&["1.0.0!", "1.1.0!"], None);
        check(&["1.0.0!", "1.1.0-rc.1"], None);
    }
}
