//! Files that change one thing and leave the rest of a state, comments included, as people wrote it.

use std::collections::BTreeMap;

use super::document::{Document, Findings, quoted};
use super::read::REASON_BYTES_MAX;
use super::{Registry, Visibility};
use crate::access::Role;
use crate::names::{MemberId, PluginName, TenantId, TenantName, Version};
use crate::refusal::Refusal;
use crate::tree::{Mode, Tree, TreeFile};

/// Files to write (`Some`) or to delete (`None`), by path.
pub type Changes = BTreeMap<String, Option<Vec<u8>>>;

/// The first state of a tenant: the template's files with the tenant's id in `registry.toml`, and one admin.
///
/// The template's `registry.toml` has no `tenant` line; the id is put on top of it.
pub fn genesis(template: &Tree, tenant: TenantId, name: &TenantName, admin: &MemberId) -> Tree {
    let plain = |path: String, content: Vec<u8>| TreeFile {
        path: path.into_bytes(),
        mode: Mode::File,
        size_bytes: content.len() as u64,
        content: Some(content),
    };
    let is_member = |path: &[u8]| path.starts_with(b"members/") && path.ends_with(b".toml");
    let own = |file: &&TreeFile| file.path != b"registry.toml" && !is_member(&file.path);
    let mut files: Vec<TreeFile> = template.files().iter().filter(own).cloned().collect();
    let template = template.get("registry.toml").and_then(TreeFile::text).unwrap_or_default();
    let mut head = format!("# The tenant's id. It never changes.\ntenant = \"{tenant}\"\n");
    if !template.lines().any(|line| line.starts_with("title")) {
        head.push_str(&format!("title = {}\n", quoted(name.as_str())));
    }
    if !template.trim().is_empty() {
        head.push('\n');
        head.push_str(template);
    }
    files.push(plain("registry.toml".to_owned(), head.into_bytes()));
    files.push(plain(member_path(admin), member_file(Role::Admin).into_bytes()));
    Tree::new(files)
}

fn member_path(id: &MemberId) -> String {
    format!("members/{id}.toml")
}

fn member_file(role: Role) -> String {
    format!("role = \"{role}\"\n")
}

/// Gives a member, new or old, a role. No changes when it has that role already.
///
/// # Errors
/// A refusal when the last admin would stop being one.
pub fn with_member(tree: &Tree, registry: &Registry, id: &MemberId, role: Role) -> Result<Changes, Refusal> {
    let path = member_path(id);
    match registry.members.get(id) {
        Some(member) if member.role == role => Ok(Changes::new()),
        Some(_) => {
            keeps_an_admin(registry, id, Some(role))?;
            let text = with_value(tree, &path, "role", role.as_str()).unwrap_or_else(|| member_file(role));
            Ok(Changes::from([(path, Some(text.into_bytes()))]))
        }
        None => Ok(Changes::from([(path, Some(member_file(role).into_bytes()))])),
    }
}

/// Removes a member, and the member's keys with it.
///
/// # Errors
/// A refusal when there is no such member, or when it is the last admin.
pub fn without_member(tree: &Tree, registry: &Registry, id: &MemberId) -> Result<Changes, Refusal> {
    if !registry.members.contains_key(id) {
        return Err(no_member(registry, id));
    }
    keeps_an_admin(registry, id, None)?;
    let mut changes = Changes::from([(member_path(id), None)]);
    for file in tree.below(&format!("signers/{id}/")) {
        if let Some(path) = file.path_str() {
            changes.insert(path.to_owned(), None);
        }
    }
    Ok(changes)
}

/// The refusal for a member who does not exist.
fn no_member(registry: &Registry, id: &MemberId) -> Refusal {
    let near = crate::nearest::nearest(id.as_str(), registry.members.keys().map(MemberId::as_str));
    let remedy = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "skill-pool-server member list shows all of them".to_owned(),
    };
    Refusal::new("no-such-member", format!("there is no member `{id}`"), remedy).at(member_path(id))
}

fn keeps_an_admin(registry: &Registry, id: &MemberId, role: Option<Role>) -> Result<(), Refusal> {
    let is_other_admin = |(other, member): (&MemberId, &super::Member)| other != id && member.role == Role::Admin;
    if role == Some(Role::Admin) || registry.members.iter().any(is_other_admin) {
        return Ok(());
    }
    let message = format!("`{id}` is the last admin: without one all would be locked out");
    let remedy = "make somebody else an admin first: skill-pool-server member role <id> admin";
    Err(Refusal::new("last-admin", message, remedy).at(member_path(id)))
}

/// Withdraws a release. No changes when it is withdrawn for this very reason already.
///
/// # Errors
/// A refusal when the reason is empty, longer than 500 bytes, or has control characters.
pub fn with_yank(
    registry: &Registry,
    plugin: &PluginName,
    version: &Version,
    reason: &str,
) -> Result<Changes, Refusal> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        let message = format!("a yank has a reason of one line and at most {REASON_BYTES_MAX} bytes");
        let remedy = format!("skill-pool-server yank {plugin} {version} --reason \"what is wrong with it\"");
        return Err(Refusal::new("yank-reason", message, remedy));
    }
    let present = registry.yanks.get(plugin).and_then(|versions| versions.get(&version.to_string()));
    if present.is_some_and(|present| present == reason) {
        return Ok(Changes::new());
    }
    let text = format!("yanked = {}\n", quoted(reason));
    Ok(Changes::from([(status_path(plugin, version), Some(text.into_bytes()))]))
}

/// Takes a yank back. No changes when there is none.
pub fn without_yank(registry: &Registry, plugin: &PluginName, version: &Version) -> Changes {
    let present = registry.yanks.get(plugin).is_some_and(|versions| versions.contains_key(&version.to_string()));
    if present { Changes::from([(status_path(plugin, version), None)]) } else { Changes::new() }
}

fn status_path(plugin: &PluginName, version: &Version) -> String {
    format!("status/{plugin}/{version}.toml")
}

/// Says who may read. No changes when it is so already.
pub fn with_visibility(tree: &Tree, registry: &Registry, visibility: Visibility) -> Changes {
    if registry.visibility == visibility {
        return Changes::new();
    }
    let text = with_value(tree, "registry.toml", "visibility", visibility.as_str());
    text.map_or_else(Changes::new, |text| Changes::from([("registry.toml".to_owned(), Some(text.into_bytes()))]))
}

/// The file with `key = "value"`: in place of the old value, else on top. `None` when there is no such file, or it is
/// not TOML.
fn with_value(tree: &Tree, path: &str, key: &str, value: &str) -> Option<String> {
    let file = tree.get(path)?;
    let document = Document::parse(path, file.content.as_deref(), &mut Findings::default())?;
    let text = document.text();
    Some(match document.span_of(key) {
        Some(span) => format!("{}{}{}", &text[..span.start], quoted(value), &text[span.end..]),
        // A byte order mark may stand first only.
        None => format!("{key} = {}\n{}", quoted(value), text.trim_start_matches('\u{feff}')),
    })
}
