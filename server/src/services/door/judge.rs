//! What the gate and the release plan say about the tree that a ref is to hold. Values in, values out.

use std::sync::Arc;

use skill_pool_domain::digest::Sha256;
use skill_pool_domain::gate::{self, Finding, Outcome, Policy, Verdict, render};
use skill_pool_domain::names::{PluginName, TenantId, Version};
use skill_pool_domain::plugin::summary::PluginSummary;
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::registry::{Registry, judge_change};
use skill_pool_domain::release::{Held, Known, NoRelease, Plan, plan};
use skill_pool_domain::tree::Tree;

use crate::store::commit::{DigestedText, GateRecord};

/// A tree that may stand where it was pushed to.
#[derive(Clone, Debug)]
pub struct Passed {
    /// For the leaf.
    pub gate: GateRecord,
    /// For the leaf; only where a whole plugin was judged.
    pub capabilities: Option<DigestedText>,
    /// What main's new tree releases.
    pub release: Option<(Version, Box<PluginSummary>)>,
    /// Warnings for the person, as lines; empty when there are none.
    pub words: String,
}

/// A tree that may not.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// The reason in a few words, for the ref's line of the report.
    pub short: String,
    /// The findings for the person, as lines.
    pub words: String,
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        let words = skill_pool_git::receive::report::words(&refusal);
        Self { short: refusal.code.replace('-', " "), words }
    }
}

impl Stopped {
    /// Several reasons at once.
    pub fn all(refusals: &[Refusal], place: &str) -> Self {
        let mut words = String::new();
        for refusal in refusals {
            let place = if refusal.place.is_empty() { place } else { &refusal.place };
            words.push_str(&skill_pool_git::receive::report::words(&refusal.clone().at(place)));
        }
        let short = refusals.first().map_or_else(|| "refused".to_owned(), |refusal| refusal.code.replace('-', " "));
        Self { short, words }
    }
}

/// What is known of a plugin before main moves.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// Digest of the tree that main held.
    pub tree: Option<Sha256>,
    /// All releases, in any order.
    pub releases: &'a [Known],
}

/// Judges what main of `plugin` is to hold. `digest` is the canonical digest of `tree`.
///
/// # Errors
/// [`Stopped`] with everything that was found, so that one round of mending is enough.
pub fn main_of_plugin(
    plugin: &PluginName,
    tree: &Tree,
    digest: Sha256,
    before: Before<'_>,
    policy: &Policy,
) -> Result<Passed, Stopped> {
    let verdict = gate::judge(tree, &gate::Context { expected_name: Some(plugin), policy });
    let mut words = render::findings(&verdict, render::WIDTH);
    let version_at = verdict.plugin.manifest.as_ref().and_then(|manifest| Some(manifest.get("version")?.at));
    let held = Held { tree: digest, version: verdict.summary.version.as_deref(), version_at };
    let planned = plan(plugin, before.tree, &held, before.releases, policy);
    let release = match planned {
        Plan::Release(version) => Some(version),
        Plan::None(NoRelease::NotBumped(refusal)) => {
            words.push_str(&skill_pool_git::receive::report::words(&refusal).replacen("refused", "warning", 1));
            None
        }
        Plan::None(NoRelease::NoVersion | NoRelease::SameContent(_)) => None,
        Plan::Refused(refusal) => {
            let stopped = Stopped::from(refusal);
            // The gate may have said the same of a version that is none.
            let repeated = verdict.findings.iter().any(|finding| finding.refuses());
            let short = if repeated { short(&verdict) } else { stopped.short };
            return Err(Stopped { short, words: words + &stopped.words });
        }
    };
    let Some(gate) = record(&verdict) else {
        return Err(Stopped { short: short(&verdict), words });
    };
    let capabilities = Some(digested(verdict.capability_text()));
    let release = release.map(|version| (version, Box::new(verdict.summary)));
    Ok(Passed { gate, capabilities, release, words })
}

/// Judges what another branch or a tag is to hold: by its format alone.
///
/// # Errors
/// As [`main_of_plugin`].
pub fn other_ref(tree: &Tree, policy: &Policy) -> Result<Passed, Stopped> {
    let verdict = gate::judge_format(tree, policy);
    let words = render::findings(&verdict, render::WIDTH);
    match record(&verdict) {
        Some(gate) => Ok(Passed { gate, capabilities: None, release: None, words }),
        None => Err(Stopped { short: short(&verdict), words }),
    }
}

/// Judges what main of `registry.git` is to hold. `tenant` is the id of the genesis leaf.
///
/// # Errors
/// As [`main_of_plugin`].
pub fn main_of_registry(tenant: TenantId, tree: &Tree) -> Result<(Passed, Registry), Stopped> {
    let stopped = |findings: &[Finding]| {
        let words = findings.iter().map(|finding| render::finding(finding, render::WIDTH)).collect();
        let short = findings.first().map_or("registry", |finding| finding.rule).to_owned();
        Stopped { short, words }
    };
    let registry = Registry::read(tree).map_err(|findings| stopped(&findings))?;
    let findings = judge_change(tenant, &registry);
    if !findings.is_empty() {
        return Err(stopped(&findings));
    }
    let gate = GateRecord { outcome: "pass", report: digested("skill-pool/gate/v1\nregistry accept\n".to_owned()) };
    Ok((Passed { gate, capabilities: None, release: None, words: String::new() }, registry))
}

fn record(verdict: &Verdict) -> Option<GateRecord> {
    let outcome = verdict.outcome.leaf_word()?;
    Some(GateRecord { outcome, report: digested(verdict.report()) })
}

/// A text with its digest, as the leaf and its evidence want it.
pub fn digested(text: String) -> DigestedText {
    DigestedText { digest: Sha256::of(text.as_bytes()), text: Arc::from(text) }
}

/// The first refusing rule, and how many more there are.
fn short(verdict: &Verdict) -> String {
    debug_assert_eq!(verdict.outcome, Outcome::Refuse);
    let mut refusing: Vec<&str> =
        verdict.findings.iter().filter(|finding| finding.refuses()).map(|finding| finding.rule).collect();
    refusing.dedup();
    match refusing.as_slice() {
        [] => "refused by the gate".to_owned(),
        [one] => (*one).to_owned(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}
