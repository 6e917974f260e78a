//! `policy.toml`: the gate's tables, and `[push]`.

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::document::{Document, Findings, texts};
use crate::gate;
use crate::gate::policy::{PolicyError, SECTIONS};
use crate::push::Protection;

/// The most patterns of protected branches.
const PROTECTED_MAX: usize = 100;

/// When a push to a protected ref must be signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateDemand {
    /// From members who have registered a key.
    #[default]
    IfRegistered,
    /// From everybody.
    Always,
    /// From nobody. A wrong signature is refused all the same.
    Never,
}

/// What `policy.toml` says.
#[derive(Default)]
pub(super) struct Policy {
    pub(super) gate: gate::Policy,
    pub(super) protection: Protection,
    pub(super) certificates: CertificateDemand,
}

impl Policy {
    pub(super) fn read(document: &Document<'_>, findings: &mut Findings) -> Self {
        let mut policy = Self::default();
        let known: Vec<&str> = SECTIONS.iter().copied().chain(["push"]).collect();
        document.only(&known, findings);
        // The document was parsed already, so that this cannot fail but for what the gate itself refuses.
        match gate::Policy::parse(document.text()) {
            Ok(gate) => policy.gate = gate,
            Err(error) => gate_fault(document, &error, findings),
        }
        document.only_in("push", &["protected", "approvals", "certificates"], findings);
        if document.has("push") && !document.is_table("push") {
            document.wrong("push", "a table [push]", findings);
        }
        if let Some(value) = document.value_in("push", "protected") {
            match texts(value.get_ref()).filter(|names| names.len() <= PROTECTED_MAX && names.iter().all(is_pattern)) {
                Some(names) => policy.protection.branches = names.into_iter().map(str::to_owned).collect(),
                None => wrong(document, "protected", "a list of branches, such as [\"release-*\"]", findings),
            }
        }
        if let Some(value) = document.value_in("push", "approvals") {
            let is_zero = matches!(value.get_ref(), DeValue::Integer(n) if n.as_str() == "0");
            if !is_zero {
                wrong(document, "approvals", "0, since this registry takes no merge requests", findings);
            }
        }
        if let Some(value) = document.value_in("push", "certificates") {
            match value.get_ref() {
                DeValue::String(text) if text == "if-registered" => {
                    policy.certificates = CertificateDemand::IfRegistered
                }
                DeValue::String(text) if text == "always" => policy.certificates = CertificateDemand::Always,
                DeValue::String(text) if text == "never" => policy.certificates = CertificateDemand::Never,
                _ => wrong(document, "certificates", "\"if-registered\", \"always\" or \"never\"", findings),
            }
        }
        policy
    }
}

/// A branch name with at most one `*`, at its end.
fn is_pattern(name: &&str) -> bool {
    let stem = name.strip_suffix('*').unwrap_or(name);
    !name.is_empty()
        && name.len() <= 200
        && stem.chars().all(|c| !c.is_control() && !" ~^:?*[\\".contains(c))
        && !stem.starts_with("refs/")
}

fn wrong(document: &Document<'_>, key: &str, expected: &str, findings: &mut Findings) {
    let place = (document.path(), document.line_of("push", key));
    let message = format!("[push] {key} is not {expected}");
    findings.add("registry-value", place, message, format!("write {expected}"));
}

fn gate_fault(document: &Document<'_>, error: &PolicyError, findings: &mut Findings) {
    let line = match error {
        PolicyError::Toml { line, .. } => Some(*line),
        PolicyError::Unknown { section, key, .. } | PolicyError::Value { section, key, .. } => {
            document.line_of(section, key)
        }
        PolicyError::Fixed { rule, .. } => document.line_of("rules", rule),
    };
    let fix = match error {
        PolicyError::Unknown { nearest: Some(nearest), .. } => format!("write `{nearest}`"),
        PolicyError::Value { expected, .. } => format!("write {expected}"),
        _ => "take the line out".to_owned(),
    };
    findings.add("registry-policy", (document.path(), line), error.to_string(), fix);
}
