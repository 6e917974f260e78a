//! The content checks between a push and its acceptance. A tree and a policy in, a verdict out; the order of rules
//! never matters.
//!
//! - `finding`: one result; `policy`: levels and limits; `verdict`: all results and what was read on the way
//! - `rules/`: one family of rules per file
//! - `render`: findings as text for git's output and the terminal; `report`: the text that a leaf's digest covers
//!
//! Time and memory are linear in the bytes of the tree, which its reader has bounded.

pub mod finding;
pub mod policy;
pub mod render;
pub mod report;
pub mod rules;
#[cfg(test)]
pub(crate) mod samples;
pub mod verdict;

use std::collections::HashMap;

pub use finding::{Finding, Layer, Outcome, Severity};
pub use policy::{Level, Policy};
pub use verdict::Verdict;

use crate::names::PluginName;
use crate::plugin::Plugin;
use crate::plugin::node::Position;
use crate::tree::Tree;
use rules::Rule;

/// After so many findings of one rule in one tree the rest is counted only.
const FINDINGS_PER_RULE_MAX: usize = 50;

/// What the gate has to know besides the tree.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The name that the manifest must have, because the repository is called so. `None` when a folder is judged alone.
    pub expected_name: Option<&'a PluginName>,
    /// The tenant's policy.
    pub policy: &'a Policy,
}

/// Judges a whole plugin: what main holds, or is asked to hold.
pub fn judge(tree: &Tree, context: &Context<'_>) -> Verdict {
    let plugin = Plugin::read(tree);
    let unit = Unit::Plugin { expected_name: context.expected_name };
    judge_unit(tree, plugin, unit, context.policy)
}

/// Judges the folder of one skill, with its `SKILL.md` at the root and no manifest: what a person has in hand before it is
/// in a plugin. A registry takes plugins only.
pub fn judge_skill(tree: &Tree, policy: &Policy) -> Verdict {
    judge_unit(tree, Plugin::read(tree), Unit::Skill, policy)
}

fn judge_unit(tree: &Tree, plugin: Plugin, unit: Unit<'_>, policy: &Policy) -> Verdict {
    let seen = Seen { tree, plugin: &plugin, policy, unit };
    let mut findings = Findings::new(policy);
    rules::check_format(&seen, &mut findings);
    rules::check_plugin(&seen, &mut findings);
    Verdict::new(tree, plugin, findings)
}

/// Judges any tree (another branch, a tag, an older commit of an import) by paths, modes and links alone.
pub fn judge_format(tree: &Tree, policy: &Policy) -> Verdict {
    let plugin = Plugin::default();
    let seen = Seen { tree, plugin: &plugin, policy, unit: Unit::Tree };
    let mut findings = Findings::new(policy);
    rules::check_format(&seen, &mut findings);
    Verdict::format_only(findings)
}

/// What a rule sees.
pub(crate) struct Seen<'a> {
    tree: &'a Tree,
    plugin: &'a Plugin,
    policy: &'a Policy,
    unit: Unit<'a>,
}

/// What a tree is judged as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit<'a> {
    /// A plugin with its manifest.
    Plugin {
        /// See [`Context::expected_name`].
        expected_name: Option<&'a PluginName>,
    },
    /// One skill's folder.
    Skill,
    /// Any tree.
    Tree,
}

/// Takes what rules find, applies policy, and bounds it.
pub(crate) struct Findings<'a> {
    policy: &'a Policy,
    list: Vec<Finding>,
    /// Findings by rule, also those that were not kept.
    counts: HashMap<&'static str, usize>,
}

impl<'a> Findings<'a> {
    fn new(policy: &'a Policy) -> Self {
        Self { policy, list: Vec::new(), counts: HashMap::new() }
    }

    /// Reports a finding of `rule` at its own level.
    fn add(
        &mut self,
        rule: &'static Rule,
        path: &str,
        at: Option<Position>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add_as(rule.level, rule, path, at, message, fix);
    }

    /// Reports a finding of a rule that refuses in some cases and warns in others. Policy raises a warning to a refusal or
    /// silences it; what refuses it loosens only where the rule bends.
    fn add_as(
        &mut self,
        level: Level,
        rule: &'static Rule,
        path: &str,
        at: Option<Position>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let level = match self.policy.set(rule.id) {
            Some(set) if level != Level::Refuse || rule.bends => set,
            _ => level,
        };
        let (layer, severity) = match level {
            Level::Off => return,
            Level::Warn => (Layer::Lint, rule.severity),
            Level::Refuse => (Layer::L0, Severity::High),
        };
        let count = self.counts.entry(rule.id).or_default();
        *count += 1;
        if *count > FINDINGS_PER_RULE_MAX {
            // A refusal may not be lost behind many warnings of the same rule.
            let refused_before = self.list.iter().any(|finding| finding.rule == rule.id && finding.refuses());
            if level != Level::Refuse || refused_before {
                return;
            }
        }
        let finding = Finding {
            rule: rule.id,
            layer,
            family: rule.family,
            severity,
            path: path.to_owned(),
            line: None,
            column: None,
            message: message.into(),
            fix: fix.into(),
        };
        self.list.push(finding.at(at));
    }
}
