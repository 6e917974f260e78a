//! What a person reads after a push.

use std::error::Error;
use std::fmt::Write;

use skill_pool_domain::refusal::Refusal;
use skill_pool_git::receive::commands::Command;
use skill_pool_git::receive::report::{CommandStatus, Report};
use skill_pool_git::receive::{ConnectivityError, ReceiveError};

use super::arrival::Arrival;
use super::asked::{Asked, chain};
use crate::store::commit::{Committed, UpdateOutcome};

/// Something that we did not foresee: the chain goes to the log, a number to find it by to the person.
pub fn internal(what: &'static str, error: &(dyn Error + 'static)) -> Refusal {
    if is_disk_full(error) {
        return disk_full();
    }
    let id = uuid::Uuid::now_v7().simple();
    tracing::error!(error = %chain(error), error.id = %id, "{what}");
    Refusal::new(
        "internal-error",
        format!("internal error: {what}"),
        format!("try again; if it stays, tell the operator this number: {id}"),
    )
}

/// The disk failed.
pub fn disk(what: &'static str, error: &std::io::Error) -> Refusal {
    internal(what, error)
}

/// The disk is full.
pub fn disk_full() -> Refusal {
    Refusal::new(
        "disk-full",
        "the registry's disk is full: no space left for this push; nothing was changed",
        "ask the operator to free space, then push again",
    )
}

fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        {
            return true;
        }
        at = error.source();
    }
    false
}

/// The first of several refusals.
pub fn first(refusals: &[Refusal]) -> Refusal {
    refusals.first().cloned().unwrap_or_else(|| Refusal::new("refused", "this was refused", "try again"))
}

/// The report of a push whose pack was not taken.
pub fn not_received(commands: &[Command], error: &ReceiveError) -> Report {
    if error.is_ours() {
        return Report::refused(commands, true, &internal("could not receive the pack", error));
    }
    several(commands, &error.refusals())
}

/// The report of a push that could not be judged to its end.
pub fn not_connected(commands: &[Command], error: &ConnectivityError) -> Report {
    several(commands, &error.refusals())
}

fn several(commands: &[Command], refusals: &[Refusal]) -> Report {
    let mut report = Report::refused(commands, true, &first(refusals));
    for refusal in refusals.iter().skip(1) {
        report.words.push_str(&skill_pool_git::receive::report::words(refusal));
    }
    report
}

/// The report of a push that came to nothing.
pub fn nothing_done(asked: &Asked, warnings: &str) -> Report {
    build(asked, warnings, |_| CommandStatus::Refused("atomic push failure".to_owned()), String::new())
}

/// The report of a push that was committed, at least in part.
pub fn done(arrival: &Arrival, asked: &Asked, committed: &Committed, warnings: &str) -> Report {
    let mut outcomes = committed.updates.iter();
    let mut moved = Vec::new();
    let mut chatter = String::new();
    for one in &asked.0 {
        let outcome = if one.stopped.is_none() { outcomes.next().copied() } else { None };
        moved.push(outcome);
        let released = one.passed.as_ref().and_then(|passed| passed.release.as_ref());
        if let (Some(UpdateOutcome::Moved), Some((version, summary)), Some(plugin)) =
            (outcome, released, arrival.plugin())
        {
            let items = match summary.items.len() {
                1 => "1 item".to_owned(),
                n => format!("{n} items"),
            };
            let tenant = &arrival.entrance.tenant_name;
            let _ = writeln!(chatter, "released {plugin} {version} ({items})");
            let _ = writeln!(chatter, "  in Claude Code:  /plugin install {plugin}@{tenant}");
        }
    }
    let mut moved = moved.into_iter();
    let mut report = build(
        asked,
        warnings,
        |_| match moved.next().flatten() {
            Some(UpdateOutcome::Moved) => CommandStatus::Ok,
            Some(UpdateOutcome::Stale) => CommandStatus::Refused("fetch first".to_owned()),
            Some(UpdateOutcome::NameTaken) => CommandStatus::Refused("another ref stands in the way".to_owned()),
            Some(UpdateOutcome::NotAtomic) | None => CommandStatus::Refused("atomic push failure".to_owned()),
        },
        chatter,
    );
    if committed.updates.contains(&UpdateOutcome::Stale) {
        report
            .words
            .push_str("the ref moved meanwhile; fetch, rebase and push again:  git pull --rebase && git push\n");
    }
    report
}

fn build(asked: &Asked, warnings: &str, mut open: impl FnMut(&str) -> CommandStatus, chatter: String) -> Report {
    let mut words = warnings.to_owned();
    let mut commands = Vec::with_capacity(asked.0.len());
    for one in &asked.0 {
        let shown = one.command.shown.clone();
        let other = open(&shown);
        let status = match &one.stopped {
            Some(stopped) => {
                words.push_str(&stopped.words);
                CommandStatus::Refused(stopped.short.clone())
            }
            None => {
                words.push_str(one.passed.as_ref().map_or("", |passed| passed.words.as_str()));
                other
            }
        };
        commands.push((shown, status));
    }
    Report { unpack_error: None, commands, words, chatter }
}
