//! All files of `registry.git`, strictly.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Document, Findings, finding, listed};
use super::policy::Policy;
use super::{CertificateDemand, Member, Registry, Signers, Visibility};
use crate::access::Role;
use crate::gate::Finding;
use crate::names::{MemberId, PluginName, TenantId, Version};
use crate::nearest::nearest;
use crate::tree::{Mode, Shown, Tree, TreeFile};

/// The most files.
const FILES_MAX: usize = 20_000;
/// The most members of one tenant.
const MEMBERS_MAX: usize = 10_000;
/// The most groups of one member, and the longest name of one, in bytes.
const GROUPS_MAX: usize = 50;
const GROUP_BYTES_MAX: usize = 64;
/// The longest title, in bytes.
const TITLE_BYTES_MAX: usize = 200;
/// The longest description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 2_000;
/// The longest reason of a yank, in bytes.
pub(super) const REASON_BYTES_MAX: usize = 500;
/// The longest file whose content the registry does not read, in bytes.
const OTHER_BYTES_MAX: u64 = 1 << 20;

/// Names at the top that the registry knows. Those with a slash are folders.
const TOP: &[&str] = &[
    "registry.toml",
    "members/",
    "status/",
    "policy.toml",
    "signers/",
    "OWNERS",
    "projects/",
    "stacks.toml",
    "webhooks.toml",
    "upstreams.toml",
    "glossary.toml",
    "theme/",
    "README.md",
    "LICENSE",
    ".gitattributes",
    ".gitignore",
];

impl Registry {
    /// Reads the tree of `registry.git`'s main.
    ///
    /// # Errors
    /// All findings; each refuses the tree.
    pub fn read(tree: &Tree) -> Result<Self, Vec<Finding>> {
        let mut findings = Findings::default();
        paths(tree, &mut findings);
        let document = |path: &'static str, findings: &mut Findings| {
            let file = tree.get(path)?;
            Document::parse(path, file.content.as_deref(), findings)
        };
        let head = match tree.get("registry.toml") {
            Some(_) => document("registry.toml", &mut findings).and_then(|d| Head::read(&d, &mut findings)),
            None => {
                let fix = "bring back registry.toml with `tenant`, `title` and `visibility`";
                findings.add("registry-missing", ("registry.toml", None), "registry.toml is missing", fix);
                None
            }
        };
        let members = members(tree, &mut findings);
        if !members.values().any(|member| member.role == Role::Admin) {
            let fix = "give somebody `role = \"admin\"` in members/<id>.toml";
            findings.add("registry-admin", ("members", None), "nobody would be an admin: all would be locked out", fix);
        }
        let yanks = yanks(tree, &mut findings);
        let policy = match document("policy.toml", &mut findings) {
            Some(document) => Policy::read(&document, &mut findings),
            None => Policy::default(),
        };
        let signers = signers(tree, &members, &mut findings);
        let is_admin = |id: &MemberId| members.get(id).is_some_and(|member| member.role == Role::Admin);
        if policy.certificates == CertificateDemand::Always && !signers.iter().any(|(_, s)| is_admin(&s.member)) {
            let message = "pushes must be signed, but no admin has a key in signers/: all would be locked out";
            let fix = "add signers/<admin>/<name>.pub, or write certificates = \"if-registered\"";
            findings.add("registry-admin", ("policy.toml", None), message, fix);
        }
        match head {
            Some(head) if findings.is_empty() => Ok(Self {
                tenant: head.tenant,
                title: head.title,
                description: head.description,
                visibility: head.visibility,
                members,
                signers,
                yanks,
                gate: policy.gate,
                protection: policy.protection,
                certificates: policy.certificates,
            }),
            _ => Err(findings.into_vec()),
        }
    }
}

/// What `registry.toml` says.
struct Head {
    tenant: TenantId,
    title: String,
    description: String,
    visibility: Visibility,
}

impl Head {
    fn read(document: &Document<'_>, findings: &mut Findings) -> Option<Self> {
        document.only(&["tenant", "title", "description", "visibility"], findings);
        let tenant = match document.text_of("tenant", 64, findings).map(str::parse) {
            Some(Ok(tenant)) => Some(tenant),
            Some(Err(_)) => {
                document.wrong("tenant", "the tenant's id, a UUID that never changes", findings);
                None
            }
            None => {
                if !document.has("tenant") {
                    let fix = "bring back the line `tenant = \"…\"` that registry.toml had from the start";
                    findings.add("registry-tenant", (document.path(), None), "`tenant` is missing", fix);
                }
                None
            }
        };
        let visibility = match document.text_of("visibility", 64, findings) {
            Some("private") => Visibility::Private,
            Some("public") => Visibility::Public,
            Some(_) => {
                document.wrong("visibility", "\"private\" or \"public\"", findings);
                Visibility::Private
            }
            None => Visibility::Private,
        };
        let title = document.text_of("title", TITLE_BYTES_MAX, findings).unwrap_or_default().trim().to_owned();
        let description = document.text_of("description", DESCRIPTION_BYTES_MAX, findings).unwrap_or_default();
        Some(Self { tenant: tenant?, title, description: description.trim().to_owned(), visibility })
    }
}

/// Finds fault with files that no reader knows, and with what is no plain file.
fn paths(tree: &Tree, findings: &mut Findings) {
    if tree.files().len() > FILES_MAX {
        let message = format!("{} files are more than the {FILES_MAX} that are read", tree.files().len());
        findings.add("registry-size", ("", None), message, "remove what the registry does not need");
        return;
    }
    let mut told = BTreeSet::new();
    for file in tree.files() {
        let shown = Shown(&file.path).to_string();
        let Some(path) = file.path_str() else {
            findings.add("registry-path", (&shown, None), "this path is not UTF-8", "rename it");
            continue;
        };
        if !matches!(file.mode, Mode::File | Mode::Executable) {
            let message = "the registry's files are plain files; this is a link, a submodule or something else";
            findings.add("registry-path", (&shown, None), message, "replace it with a file");
        }
        let top = path.split_once('/').map_or_else(|| path.to_owned(), |(folder, _)| format!("{folder}/"));
        if !TOP.contains(&top.as_str()) {
            if told.insert(top.clone()) {
                let fix = match nearest(&top, TOP.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("what can stand at the top is {}", listed(TOP)),
                };
                let message = format!("the registry reads no `{}`", Shown(top.as_bytes()));
                findings.add("registry-path", (&shown, None), message, fix);
            }
        } else if !["registry.toml", "members/", "status/", "policy.toml", "signers/"].contains(&top.as_str())
            && file.size_bytes > OTHER_BYTES_MAX
        {
            let message = format!("this file is larger than {OTHER_BYTES_MAX} bytes");
            findings.add("registry-size", (&shown, None), message, "keep large files in a plugin's repository");
        }
    }
}

/// The files of a folder that are not there for people alone.
fn files_below<'a>(tree: &'a Tree, folder: &'static str) -> impl Iterator<Item = (&'a str, &'a str, &'a TreeFile)> {
    tree.below(folder).filter_map(move |file| {
        let path = file.path_str()?;
        let rest = path.strip_prefix(folder)?;
        let name = rest.rsplit('/').next()?;
        (![".gitkeep", "README.md"].contains(&name)).then_some((path, rest, file))
    })
}

fn members(tree: &Tree, findings: &mut Findings) -> BTreeMap<MemberId, Member> {
    let mut members = BTreeMap::new();
    for (path, rest, file) in files_below(tree, "members/") {
        let Some(stem) = rest.strip_suffix(".toml").filter(|stem| !stem.contains('/')) else {
            let message = "a member's file is called members/<id>.toml";
            findings.add("registry-path", (path, None), message, "rename it or take it out");
            continue;
        };
        let id = match MemberId::parse(stem) {
            Ok(id) => id,
            Err(error) => {
                findings.add("registry-path", (path, None), error.to_string(), "rename the file to the member's id");
                continue;
            }
        };
        let Some(document) = Document::parse(path, file.content.as_deref(), findings) else { continue };
        document.only(&["role", "groups"], findings);
        let role = match document.text_of("role", 64, findings).map(str::parse::<Role>) {
            Some(Ok(role)) => role,
            Some(Err(error)) => {
                let place = (path, document.line_of("", "role"));
                let word = document.text_of("role", 64, findings).unwrap_or_default();
                let near = nearest(word, Role::ALL.map(Role::as_str)).unwrap_or("reader");
                let fix = format!("write role = \"{near}\"");
                findings.add("registry-value", place, error.to_string(), fix);
                continue;
            }
            None => {
                if !document.has("role") {
                    let fix = "add a line such as role = \"reader\"";
                    findings.add("registry-value", (path, None), "`role` is missing", fix);
                }
                continue;
            }
        };
        let groups = groups(&document, findings);
        if members.len() == MEMBERS_MAX {
            let message = format!("there are more than {MEMBERS_MAX} members");
            findings.add("registry-size", (path, None), message, "remove those who are gone");
            break;
        }
        members.insert(id, Member { role, groups });
    }
    members
}

fn groups(document: &Document<'_>, findings: &mut Findings) -> Vec<String> {
    let names = document.texts_of("groups", findings).unwrap_or_default();
    let is_name = |name: &&str| name.len() <= GROUP_BYTES_MAX && MemberId::parse(name).is_ok();
    if names.len() > GROUPS_MAX || !names.iter().all(is_name) {
        document.wrong("groups", "a list of names made of a-z, 0-9 and `-`, such as [\"security\"]", findings);
        return Vec::new();
    }
    let names: BTreeSet<&str> = names.into_iter().collect();
    names.into_iter().map(str::to_owned).collect()
}

fn yanks(tree: &Tree, findings: &mut Findings) -> BTreeMap<PluginName, BTreeMap<String, String>> {
    let mut yanks: BTreeMap<PluginName, BTreeMap<String, String>> = BTreeMap::new();
    for (path, rest, file) in files_below(tree, "status/") {
        let named = rest.strip_suffix(".toml").and_then(|rest| rest.split_once('/'));
        let Some((plugin, version)) = named else {
            let message = "the status of a release is called status/<plugin>/<version>.toml";
            findings.add("registry-path", (path, None), message, "rename it or take it out");
            continue;
        };
        let plugin = match PluginName::parse(plugin) {
            Ok(plugin) => plugin,
            Err(error) => {
                findings.add("registry-path", (path, None), error.to_string(), "name the folder like the plugin");
                continue;
            }
        };
        // One spelling only: the file's name is compared with the version of a release.
        match Version::parse(version) {
            Ok(parsed) if parsed.to_string() == version => {}
            Ok(_) | Err(_) => {
                let message = format!("`{}` is not a semantic version such as 1.4.0", Shown(version.as_bytes()));
                findings.add("registry-path", (path, None), message, "name the file like the release");
                continue;
            }
        }
        let Some(document) = Document::parse(path, file.content.as_deref(), findings) else { continue };
        document.only(&["yanked"], findings);
        match document.text_of("yanked", REASON_BYTES_MAX, findings).map(str::trim) {
            Some("") => document.wrong("yanked", "the reason, in a sentence", findings),
            Some(reason) => {
                yanks.entry(plugin).or_default().insert(version.to_owned(), reason.to_owned());
            }
            None if document.has("yanked") => {}
            None => {
                let fix = "add yanked = \"the reason\", or take the file out";
                findings.add("registry-value", (path, None), "`yanked` is missing", fix);
            }
        }
    }
    yanks
}

fn signers(tree: &Tree, members: &BTreeMap<MemberId, Member>, findings: &mut Findings) -> Signers {
    for file in tree.below("signers/").filter(|file| file.content.is_none()) {
        let message = "this is no file of keys, or far too large for one";
        findings.add("registry-signer", (file.path_str().unwrap_or("signers"), None), message, "take the file out");
    }
    let files = tree.below("signers/").filter_map(|file| Some((file.path_str()?, file.content.as_deref()?)));
    match Signers::read(files, |member| members.contains_key(member)) {
        Ok(signers) => signers,
        Err(refusals) => {
            for refusal in refusals {
                let (path, line) = match refusal.place.rsplit_once(':') {
                    Some((path, line)) => (path, line.parse().ok()),
                    None => (refusal.place.as_str(), None),
                };
                findings.add("registry-signer", (path, line), refusal.message.clone(), refusal.remedy.clone());
            }
            Signers::default()
        }
    }
}

/// The finding for a state whose tenant is another one.
pub(super) fn other_tenant(expected: TenantId) -> Finding {
    let message = "`tenant` is not this tenant's id, which never changes";
    finding("registry-tenant", ("registry.toml", None), message, format!("write tenant = \"{expected}\""))
}
