//! What the gate answers.

use super::{Finding, Findings, Outcome, Severity};
use crate::plugin::Plugin;
use crate::plugin::capability::{self, Capability};
use crate::plugin::summary::PluginSummary;
use crate::tree::Tree;

/// All results about one tree, and what was read on the way.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Refuse if anything refuses, else warn if anything above info was found, else accept.
    pub outcome: Outcome,
    /// What was found: what refuses first, then by file and place. At most 50 of one rule.
    pub findings: Vec<Finding>,
    /// Findings that are not in the list, because there were too many of their rule.
    pub left_out: usize,
    /// The plugin as it was read; empty where only the format was judged.
    pub plugin: Plugin,
    /// What the plugin can do, sorted.
    pub capabilities: Vec<Capability>,
    /// What is worth knowing besides, sorted.
    pub notes: Vec<Capability>,
    /// What is kept with a release.
    pub summary: PluginSummary,
}

impl Verdict {
    pub(super) fn new(tree: &Tree, plugin: Plugin, findings: Findings<'_>) -> Self {
        let (capabilities, notes) = capability::list(tree, &plugin);
        let summary = plugin.summary(tree, &capabilities, &notes);
        Self { plugin, capabilities, notes, summary, ..Self::format_only(findings) }
    }

    pub(super) fn format_only(findings: Findings<'_>) -> Self {
        let Findings { mut list, counts, .. } = findings;
        list.sort_by(Finding::order);
        let left_out = counts.values().sum::<usize>() - list.len();
        let outcome = if list.iter().any(Finding::refuses) {
            Outcome::Refuse
        } else if list.iter().any(|finding| finding.severity > Severity::Info) {
            Outcome::Warn
        } else {
            Outcome::Accept
        };
        Self {
            outcome,
            findings: list,
            left_out,
            plugin: Plugin::default(),
            capabilities: Vec::new(),
            notes: Vec::new(),
            summary: PluginSummary::default(),
        }
    }

    /// The text under the leaf's `caps` digest.
    pub fn capability_text(&self) -> String {
        capability::text(&self.capabilities)
    }

    /// The text under the leaf's `gate` digest.
    pub fn report(&self) -> String {
        super::report::text(self)
    }
}
