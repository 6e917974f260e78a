//! `validate`: the gate over a folder.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use skill_pool_domain::gate::{self, Context, Outcome, Policy, Verdict, render};
use skill_pool_domain::names::PluginName;
use skill_pool_domain::plugin::MANIFEST_PATH;
use skill_pool_domain::tree::Tree;

use crate::args::ValidateArgs;
use crate::exit::Exit;
use crate::folder::{self, FolderError, ReadLimits};
use crate::git;
use crate::report::Failure;
use crate::ui::{Tone, Ui, toned};

/// A policy is read up to this size, in bytes.
const POLICY_BYTES_MAX: u64 = 1 << 20;

/// Runs the verb.
///
/// # Errors
/// A folder or policy that cannot be read is wrong usage.
pub fn run(arguments: &ValidateArgs, ui: &Ui) -> Result<Exit, Failure> {
    let policy = read_policy(arguments.policy.as_deref())?;
    let name = arguments.name.as_deref().map(PluginName::parse).transpose();
    let name = name.map_err(|error| Failure::new(Exit::Usage, format!("--name: {error}")))?;
    let ignored = git::ignored_paths(&arguments.folder);
    let tree = folder::read(&arguments.folder, &ReadLimits::default(), &ignored).map_err(|error| unreadable(&error))?;
    let lone_skill = name.is_none() && is_lone_skill(&tree);
    let verdict = if lone_skill {
        gate::judge_skill(&tree, &policy)
    } else {
        gate::judge(&tree, &Context { expected_name: name.as_ref(), policy: &policy })
    };
    if arguments.json {
        ui.data(&format!("{}\n", as_json(&verdict)));
    } else if !arguments.quiet {
        ui.data(&as_text(&verdict));
        if lone_skill {
            ui.say("hint: this is a skill alone; to publish it, put the folder below skills/ of a plugin");
        }
    }
    let refused = verdict.outcome == Outcome::Refuse || (arguments.strict && verdict.outcome == Outcome::Warn);
    Ok(if refused { Exit::No } else { Exit::Yes })
}

/// True for the folder of one skill: `SKILL.md` at its root, and nothing of a plugin around it.
fn is_lone_skill(tree: &Tree) -> bool {
    tree.get("SKILL.md").is_some()
        && tree.below(".claude-plugin/").next().is_none()
        && tree.below("skills/").next().is_none()
}

fn unreadable(error: &FolderError) -> Failure {
    let failure = Failure::new(Exit::Usage, "could not read the folder").because(error);
    match error {
        FolderError::NotAFolder { .. } => failure.hinted("name the folder that holds .claude-plugin/"),
        FolderError::TooMany { .. } => failure.hinted("name the plugin's own folder, not one that holds much else"),
        FolderError::Read { .. } => failure,
    }
}

fn read_policy(path: Option<&Path>) -> Result<Policy, Failure> {
    let Some(path) = path else { return Ok(Policy::default()) };
    let failed = |message: String| Failure::new(Exit::Usage, format!("{}: {message}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|error| failed("could not be read".into()).because(&error))?;
    if metadata.len() > POLICY_BYTES_MAX {
        return Err(failed(format!("over {POLICY_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed("could not be read".into()).because(&error))?;
    Policy::parse(&text).map_err(|error| failed(error.to_string()))
}

/// The object that `--json` prints. Its keys are stable; new ones may come.
fn as_json(verdict: &Verdict) -> Value {
    let items: Vec<Value> = verdict
        .summary
        .items
        .iter()
        .map(|item| {
            json!({
                "kind": item.kind, "path": item.path, "name": item.name, "called": item.called, "description": item.description,
                "model_invocable": item.model_invocable, "user_invocable": item.user_invocable,
            })
        })
        .collect();
    let summary = &verdict.summary;
    let plugin = (!summary.name.is_empty()).then(|| {
        json!({"path": MANIFEST_PATH, "name": summary.name, "version": summary.version, "description": summary.description,
               "files": summary.files, "bytes": summary.bytes, "listing_characters": summary.listing_characters})
    });
    json!({
        "outcome": verdict.outcome,
        "plugin": plugin,
        "items": items,
        "findings": verdict.findings,
        "left_out": verdict.left_out,
        "capabilities": verdict.capabilities,
        "notes": verdict.notes,
    })
}

/// What a person reads: every finding, what the plugin can do, and the answer.
fn as_text(verdict: &Verdict) -> String {
    let mut out = String::new();
    for finding in &verdict.findings {
        let text = render::finding(finding, render::WIDTH);
        let tone = if finding.refuses() { Tone::Bad } else { Tone::Warning };
        match text.split_once(':') {
            Some((word, rest)) => {
                let _ = write!(out, "{}:{rest}", toned(word, tone));
            }
            None => out.push_str(&text),
        }
    }
    if verdict.left_out > 0 {
        let _ = writeln!(out, "… and {} more of the same rules", verdict.left_out);
    }
    if !verdict.findings.is_empty() {
        out.push('\n');
    }
    if !verdict.capabilities.is_empty() {
        out.push_str("What it can do:\n");
        for capability in &verdict.capabilities {
            let line = capability.line.map(|line| format!(":{line}")).unwrap_or_default();
            let _ = writeln!(
                out,
                "  {}   {}{line}   {}",
                capability.id,
                render::visible(&capability.path),
                render::visible(&capability.says)
            );
        }
        out.push('\n');
    }
    out.push_str(&answer(verdict));
    out
}

fn answer(verdict: &Verdict) -> String {
    let summary = &verdict.summary;
    let mut name = if summary.name.is_empty() { "this folder".to_owned() } else { render::visible(&summary.name) };
    if let Some(version) = &summary.version {
        let _ = write!(name, " {}", render::visible(version));
    }
    let refusals = verdict.findings.iter().filter(|finding| finding.refuses()).count();
    let warnings = verdict.findings.len() - refusals;
    let items = count(summary.items.len(), "item");
    match verdict.outcome {
        Outcome::Accept => format!("{}: {name} ({items})\n", toned("accepted", Tone::Good)),
        Outcome::Warn => {
            format!("{}: {name} ({items}), with {}\n", toned("accepted", Tone::Warning), count(warnings, "warning"))
        }
        Outcome::Refuse => {
            let more = if warnings > 0 { format!(" and {}", count(warnings, "warning")) } else { String::new() };
            format!("{}: {name}, for {}{more}\n", toned("refused", Tone::Bad), count(refusals, "reason"))
        }
    }
}

fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
