//! Who writes which ref.

use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::names::{RefName, RepositoryName};
use crate::refusal::Refusal;

/// What happens to a ref.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefChange {
    /// It did not exist.
    Create,
    /// It moves; `fast_forward` when the old commit is an ancestor of the new one.
    Move {
        /// True when nothing of the ref's history is lost.
        fast_forward: bool,
    },
    /// It goes away.
    Delete,
}

/// Branches that are protected from deletion and from losing history. `main` always is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Protection {
    /// Short branch names, such as `release`; a final `*` matches any rest.
    pub branches: Vec<String>,
}

impl Protection {
    /// True when `branch`, a short name, is protected.
    pub fn covers(&self, branch: &str) -> bool {
        branch == "main"
            || self.branches.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => branch.starts_with(start),
                None => branch == pattern,
            })
    }
}

/// Judges one ref update by its name alone. `exists` says whether the repository exists yet.
///
/// # Errors
/// A [`Refusal`] whose place is the ref.
pub fn judge_ref(
    repository: &RepositoryName,
    exists: bool,
    name: &RefName,
    change: RefChange,
    role: Role,
    protection: &Protection,
) -> Result<(), Refusal> {
    let refused = |code, message: String, remedy: String| Err(Refusal::new(code, message, remedy).at(name.as_str()));
    if !exists && name != &RefName::main() {
        return refused(
            "first-push-to-main",
            "this repository does not exist yet; its first push makes it, and goes to `main`".into(),
            "git push origin HEAD:refs/heads/main".into(),
        );
    }
    if let Some(branch) = name.branch() {
        if matches!(repository, RepositoryName::Registry) && branch != "main" {
            return refused(
                "registry-has-only-main",
                "the registry repository has one branch, `main`, which is in force as soon as it is pushed".into(),
                "git push origin HEAD:refs/heads/main".into(),
            );
        }
        if protection.covers(branch) {
            match change {
                RefChange::Delete => {
                    return refused(
                        "protected-ref",
                        format!("`{branch}` is protected and cannot be deleted"),
                        "push a commit that undoes what it holds: git revert".into(),
                    );
                }
                RefChange::Move { fast_forward: false } => {
                    return refused(
                        "non-fast-forward",
                        format!("`{branch}` is protected, and this push would lose commits that it holds"),
                        format!("git pull --rebase origin {branch} && git push origin HEAD:{branch}"),
                    );
                }
                RefChange::Create | RefChange::Move { fast_forward: true } => {}
            }
        }
        return Ok(());
    }
    if let Some(tag) = name.tag() {
        if let RepositoryName::Plugin(plugin) = repository
            && tag.strip_prefix(plugin.as_str()).is_some_and(|rest| rest.starts_with("--v"))
        {
            return refused(
                "release-tag",
                "release tags are made by the registry and never move".into(),
                "raise `version` in .claude-plugin/plugin.json and push main; the tag follows".into(),
            );
        }
        if change != RefChange::Create && role < Role::Admin {
            return refused(
                "tag-moves",
                "a tag, once pushed, is moved or deleted by an admin only".into(),
                "push the commit under a new tag name".into(),
            );
        }
        return Ok(());
    }
    if name.as_str().starts_with("refs/for/") {
        return refused(
            "no-merge-requests",
            "this registry takes no merge requests".into(),
            format!("git push origin HEAD:refs/heads/{}", name.as_str().trim_start_matches("refs/for/")),
        );
    }
    refused(
        "ref-namespace",
        "refs live under refs/heads/ and refs/tags/ here".into(),
        "git push origin HEAD:refs/heads/<branch>".into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::PluginName;

    fn check(repository: &str, exists: bool, name: &str, change: RefChange, role: Role) -> &'static str {
        let repository = RepositoryName::parse_path(repository).expect("a repository");
        let name = RefName::parse(name.as_bytes()).expect("a ref");
        let protection = Protection { branches: vec!["release-*".into()] };
        match judge_ref(&repository, exists, &name, change, role, &protection) {
            Ok(()) => "ok",
            Err(refusal) => {
                assert!(!refusal.remedy.is_empty() && refusal.place == name.as_str());
                refusal.code
            }
        }
    }

    #[test]
    fn each_ref_has_its_writer() {
        use RefChange::{Create, Delete, Move};
        let ff = Move { fast_forward: true };
        let rewind = Move { fast_forward: false };
        let publisher = Role::Publisher;
        for (repository, exists, name, change, role, expected) in [
            ("plugins/lint", false, "refs/heads/main", Create, publisher, "ok"),
            ("plugins/lint", false, "refs/heads/master", Create, publisher, "first-push-to-main"),
            ("plugins/lint", true, "refs/heads/main", ff, publisher, "ok"),
            ("plugins/lint", true, "refs/heads/main", rewind, Role::Admin, "non-fast-forward"),
            ("plugins/lint", true, "refs/heads/main", Delete, Role::Admin, "protected-ref"),
            ("plugins/lint", true, "refs/heads/release-2", rewind, publisher, "non-fast-forward"),
            ("plugins/lint", true, "refs/heads/topic", Create, publisher, "ok"),
            ("plugins/lint", true, "refs/heads/topic", rewind, publisher, "ok"),
            ("plugins/lint", true, "refs/heads/topic", Delete, publisher, "ok"),
            ("plugins/lint", true, "refs/tags/lint--v1.0.0", Create, Role::Admin, "release-tag"),
            ("plugins/lint", true, "refs/tags/lint--v1.0.0", Delete, Role::Admin, "release-tag"),
            ("plugins/lint", true, "refs/tags/note", Create, publisher, "ok"),
            ("plugins/lint", true, "refs/tags/note", rewind, publisher, "tag-moves"),
            ("plugins/lint", true, "refs/tags/note", Delete, Role::Admin, "ok"),
            ("plugins/lint", true, "refs/for/main", Create, publisher, "no-merge-requests"),
            ("plugins/lint", true, "refs/merge-requests/1/head", Create, Role::Admin, "ref-namespace"),
            ("plugins/lint", true, "refs/notes/commits", Create, Role::Admin, "ref-namespace"),
            ("registry", true, "refs/heads/main", ff, Role::Admin, "ok"),
            ("registry", true, "refs/heads/other", Create, Role::Admin, "registry-has-only-main"),
        ] {
            assert_eq!(check(repository, exists, name, change, role), expected, "{repository} {name} {change:?}");
        }
        assert!(PluginName::parse("lint").is_ok());
    }
}
