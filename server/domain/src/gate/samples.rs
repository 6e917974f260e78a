//! Small trees for tests of rules.

use super::{Context, Policy, Verdict, judge, judge_format};
use crate::tree::{Mode, Tree, TreeFile};

/// A file of a sample.
pub fn file(path: &str, mode: Mode, content: impl Into<Vec<u8>>) -> TreeFile {
    let content = content.into();
    TreeFile { path: path.into(), mode, size_bytes: content.len() as u64, content: Some(content) }
}

/// A tree of ordinary files.
pub fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::new(files.iter().map(|(path, content)| file(path, Mode::File, *content)).collect())
}

/// A plugin with a sound manifest and `files` besides.
pub fn plugin(files: &[(&str, &str)]) -> Tree {
    let manifest = (".claude-plugin/plugin.json", "{\"name\": \"sample\", \"version\": \"1.0.0\"}\n");
    let mut all = vec![manifest];
    all.extend(files);
    tree(&all)
}

/// A sound plugin with one skill whose file is `text`.
pub fn skill(text: &str) -> Tree {
    plugin(&[("skills/tidy/SKILL.md", text)])
}

/// The verdict by default policy.
pub fn judged(tree: &Tree) -> Verdict {
    judge(tree, &Context { expected_name: None, policy: &Policy::default() })
}

/// The ids of all findings, sorted, each once, by default policy.
pub fn rules_of(tree: &Tree) -> Vec<&'static str> {
    ids(&judged(tree))
}

/// The same of the format rules alone.
pub fn rules_of_tree(tree: &Tree) -> Vec<&'static str> {
    ids(&judge_format(tree, &Policy::default()))
}

fn ids(verdict: &Verdict) -> Vec<&'static str> {
    let mut ids: Vec<_> = verdict.findings.iter().map(|finding| finding.rule).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
