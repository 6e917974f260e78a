//! Pushes: received, checked and kept by the registry's own code; what policy there is comes from the repository's
//! configuration, as git reads it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use skill_pool_domain::certificate;
use skill_pool_domain::names::RefName;
use skill_pool_domain::refusal::Refusal;
use skill_pool_git::ids::IdSet;
use skill_pool_git::objects::{Kind, ObjectId, Objects, Overlay};
use skill_pool_git::receive::commands::{Command, Head, HeadReader, Parsed};
use skill_pool_git::receive::report::{self, CommandStatus, Report};
use skill_pool_git::receive::{Bases, Connectivity, Deadline, FactsCache, Quarantine, Reachable, receive_pack};
use skill_pool_git::refs::{Head as RefHead, RefChange, RefChangeError, RefSnapshot, change_ref, change_refs};

use crate::http::{self, Reply};
use crate::site::{Opened, Site, is_hidden};

const CONTENT_TYPE: &str = "application/x-git-receive-pack-result";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The nonce for a signed push, where the repository has a seed for it. Good for trying out clients: it is not spent.
pub fn nonce(opened: &Opened) -> Option<String> {
    let seed = opened.settings.config.get("receive.certnonceseed")?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map(|age| age.as_secs()).unwrap_or_default();
    let digest =
        skill_pool_domain::digest::Sha256::of(format!("{seed}:{}:{seconds}", opened.folder.display()).as_bytes());
    Some(format!("{seconds}-{digest}"))
}

/// Answers `POST git-receive-pack`.
pub async fn answer(site: Arc<Site>, opened: Opened, request: Request<Incoming>) -> Reply {
    let body = match http::read_body(request, 1 << 30).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    match tokio::task::spawn_blocking(move || push(&site, &opened, &body)).await {
        Ok(Ok(Some(bytes))) => http::reply(StatusCode::OK, CONTENT_TYPE, http::full(bytes)),
        Ok(Ok(None)) => http::refuse(StatusCode::BAD_REQUEST, "this is not a push"),
        Ok(Err(error)) => http::broken(error.as_ref()),
        Err(error) => http::broken(&error),
    }
}

/// One push. `None` when the body is none.
fn push(site: &Site, opened: &Opened, body: &Bytes) -> Result<Option<Bytes>, Failure> {
    if body.is_empty() {
        return Ok(None);
    }
    let limits = &site.receive_limits;
    let mut reader = HeadReader::new(limits);
    let Ok(Some((parsed, pack))) = reader.feed(body) else { return Ok(None) };
    let mut head = match parsed {
        Parsed::Probe => return Ok(Some(Bytes::new())),
        Parsed::Push(head) => *head,
    };
    let report = match adopt_certificate(&mut head, site).or_else(|| head.refusal.clone()) {
        Some(refusal) => Report::refused(&head.commands, false, &refusal),
        None => judge(site, opened, &head, &pack)?,
    };
    Ok(Some(report.render(&head.capabilities).into()))
}

/// Takes the commands from the certificate, if there is one.
fn adopt_certificate(head: &mut Head, site: &Site) -> Option<Refusal> {
    let signed = match certificate::parse(head.certificate.as_deref()?) {
        Ok(signed) => signed,
        Err(error) => return Some(error.refusal()),
    };
    let command = |signed: &certificate::SignedCommand| Command {
        shown: signed.name.to_string(),
        name: Ok(signed.name.clone()),
        old: signed.old,
        new: signed.new,
    };
    let same_options = signed.push_options == head.push_options;
    head.adopt(signed.commands.iter().map(command).collect(), &site.receive_limits);
    (!same_options).then(|| {
        Refusal::new("inconsistent-push-options", "inconsistent push options", "push again with git push --signed")
    })
}

fn judge(site: &Site, opened: &Opened, head: &Head, pack: &[u8]) -> Result<Report, Failure> {
    let (visible, all) = site.snapshot(opened, "receive")?;
    let limits = &site.receive_limits;
    let deadline = Deadline::after(limits.time_max);
    let repo = &*opened.repo;
    let folder = opened.folder.join("objects/pack");
    let firsts: Vec<ObjectId> = head.commands.iter().filter_map(|command| command.old).collect();
    let mut quarantine = Quarantine::empty(&folder);
    if head.expects_pack() {
        let mut reachable = Reachable::new(repo, &visible, &firsts, deadline);
        let mut may_read = |id: &skill_pool_git::objects::oid| reachable.contains(id, None).unwrap_or(false);
        let mut bases = Bases { objects: repo, may_read: &mut may_read };
        match receive_pack(pack, limits, deadline, &mut bases, &folder) {
            Ok(received) => quarantine = received,
            Err(error) => {
                let refusals = error.refusals();
                let mut report = Report::default();
                for refusal in refusals {
                    let words = std::mem::take(&mut report.words);
                    report = Report::refused(&head.commands, true, &refusal);
                    report.words.insert_str(0, &words);
                }
                return Ok(report);
            }
        }
    }

    let mut words = String::new();
    let facts = FactsCache::new(1 << 16);
    let reachable = Reachable::new(repo, &visible, &firsts, deadline);
    let mut connectivity = Connectivity::new(&quarantine, repo, reachable, &facts, limits, deadline);
    let mut statuses: Vec<Result<RefName, String>> = Vec::new();
    for command in &head.commands {
        let status = match &command.name {
            Err(_) => Err("funny refname".to_owned()),
            Ok(name) => check(opened, &all, &quarantine, name, command).map(|()| name.clone()),
        };
        let status = match (status, command.new) {
            (Ok(name), Some(new)) => match connectivity.check(&new) {
                Ok(_) => Ok(name),
                Err(error) => {
                    error.refusals().iter().for_each(|refusal| words.push_str(&report::words(refusal)));
                    Err("missing necessary objects".to_owned())
                }
            },
            (status, _) => status,
        };
        statuses.push(status);
    }
    if head.capabilities.atomic && statuses.iter().any(Result::is_err) {
        for status in statuses.iter_mut().filter(|status| status.is_ok()) {
            *status = Err("atomic push failure".to_owned());
        }
    }
    let accepted: Vec<ObjectId> = head
        .commands
        .iter()
        .zip(&statuses)
        .filter_map(|(command, status)| command.new.filter(|_| status.is_ok()))
        .collect();
    let reached = match connectivity.reached(&accepted) {
        Ok(reached) => reached,
        Err(_) => return Err("the quarantine could not be read".into()),
    };
    quarantine.keep(&reached, repo)?;

    let mut report = Report { words, ..Report::default() };
    let change =
        |command: &Command, name: &RefName| RefChange { name: name.clone(), old: command.old, new: command.new };
    if head.capabilities.atomic && statuses.iter().all(Result::is_ok) {
        let changes = head.commands.iter().zip(&statuses);
        let changes: Vec<_> =
            changes.filter_map(|(command, name)| Some(change(command, name.as_ref().ok()?))).collect();
        if let Err(error) = change_refs(&opened.folder, &changes) {
            report.words.push_str(&format!("error: {error}\n"));
            statuses = statuses.iter().map(|_| Err("atomic transaction failed".to_owned())).collect();
        }
    }
    for (command, status) in head.commands.iter().zip(statuses) {
        let status = match status {
            Err(why) => CommandStatus::Refused(why),
            Ok(_) if head.capabilities.atomic => CommandStatus::Ok,
            Ok(name) => {
                let is_there = all.get(&name).is_some();
                match change_ref(&opened.folder, &change(command, &name)) {
                    Ok(()) => CommandStatus::Ok,
                    // As git: deleting what is not there is no error.
                    Err(RefChangeError::Stale { .. }) if command.new.is_none() && !is_there => CommandStatus::Ok,
                    Err(error) => {
                        report.words.push_str(&format!("error: {error}\n"));
                        CommandStatus::Refused("failed to update ref".to_owned())
                    }
                }
            }
        };
        report.commands.push((command.shown.clone(), status));
    }
    Ok(report)
}

/// What the repository's configuration has against one command.
fn check(
    opened: &Opened,
    all: &RefSnapshot,
    quarantine: &Quarantine,
    name: &RefName,
    command: &Command,
) -> Result<(), String> {
    let config = &opened.settings.config;
    let patterns: Vec<&String> = config.all("transfer.hiderefs").iter().chain(config.all("receive.hiderefs")).collect();
    if is_hidden(name.as_str(), &patterns) {
        let what = if command.new.is_some() { "updating" } else { "deleting" };
        return Err(format!("deny {what} a hidden ref"));
    }
    let is_current = all.head == RefHead::Symbolic(name.clone());
    let is_bare = config.flag("core.bare").unwrap_or(false);
    let deny_current = config.get("receive.denycurrentbranch").unwrap_or("refuse");
    if is_current && !is_bare && command.new.is_some() && matches!(deny_current, "refuse" | "true" | "yes") {
        return Err("branch is currently checked out".to_owned());
    }
    match (command.old, command.new) {
        (_, None) if config.flag("receive.denydeletes").unwrap_or(false) => Err("deletion prohibited".to_owned()),
        (_, None) if is_current && config.get("receive.denydeletecurrent").unwrap_or("refuse") != "ignore" => {
            Err("deletion of the current branch prohibited".to_owned())
        }
        (Some(old), Some(new)) if config.flag("receive.denynonfastforwards").unwrap_or(false) => {
            let both = Overlay { first: quarantine, second: &*opened.repo };
            if descends(&both, &old, &new) { Ok(()) } else { Err("non-fast-forward".to_owned()) }
        }
        _ => Ok(()),
    }
}

/// True when `old` is `new` or behind it.
fn descends(objects: &dyn Objects, old: &ObjectId, new: &ObjectId) -> bool {
    let mut seen = IdSet::default();
    let mut open = vec![*new];
    let mut content = Vec::new();
    while let Some(id) = open.pop() {
        if id == *old {
            return true;
        }
        if !seen.insert(id) || !matches!(objects.read(&id, &mut content), Ok(Some(Kind::Commit))) {
            continue;
        }
        let headers = content.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
        open.extend(headers.filter_map(|line| ObjectId::from_hex(line.strip_prefix(b"parent ")?).ok()));
    }
    false
}
