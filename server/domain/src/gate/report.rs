//! The text that the leaf's `gate` digest covers.

use super::Verdict;
use super::render::visible;

/// One line `skill-pool/gate/v1`, one with the outcome, then per finding one line
/// `<layer> <severity> <rule> <place> <message>` in the verdict's order, and how many were left out. The same verdict
/// gives the same bytes.
pub fn text(verdict: &Verdict) -> String {
    let mut out = format!("skill-pool/gate/v1\noutcome {}\n", verdict.outcome);
    for finding in &verdict.findings {
        let layer = match finding.layer {
            super::Layer::L0 => "L0",
            super::Layer::L1 => "L1",
            super::Layer::L2 => "L2",
            super::Layer::Lint => "lint",
        };
        let severity = match finding.severity {
            super::Severity::Info => "info",
            super::Severity::Low => "low",
            super::Severity::Medium => "medium",
            super::Severity::High => "high",
            super::Severity::Critical => "critical",
        };
        let place = visible(&finding.place()).replace(' ', "\\x20");
        let place = if place.is_empty() { "-".to_owned() } else { place };
        out.push_str(&format!("{layer} {severity} {} {place} {}\n", finding.rule, visible(&finding.message)));
    }
    if verdict.left_out > 0 {
        out.push_str(&format!("left-out {}\n", verdict.left_out));
    }
    out
}
