//! What is worth knowing besides: shown to people, and no part of the list that a digest covers.

use std::collections::BTreeMap;

use super::list::{Collector, host};
use crate::plugin::Plugin;
use crate::plugin::components::Role;
use crate::plugin::item::ItemKind;
use crate::plugin::manifest::MANIFEST_PATH;
use crate::plugin::node::Node;
use crate::plugin::source::{Text, text};
use crate::tree::{Shown, Tree};

/// More hosts or names are not listed.
const NAMES_MAX: usize = 200;

/// Collects them.
pub(super) fn collect(tree: &Tree, plugin: &Plugin, out: &mut Collector) {
    hosts(tree, out);
    environment(plugin, out);
    for item in &plugin.components.items {
        let (path, name) = (item.path.as_str(), item.name());
        if item.kind == ItemKind::Agent
            && item.front.fields.is_some()
            && item.front.get("tools").is_none_or(Node::is_null)
        {
            out.note(
                "tools.inherit",
                path,
                None,
                &name,
                format!("agent `{name}` names no tools, and so has all of the session's"),
            );
        }
        if !item.model_invocable() {
            out.note("item.manual", path, None, &name, format!("`{name}` runs only when a person asks for it"));
        }
        for key in ["memory", "background", "isolation"] {
            if let Some(node) = item.front.get(key).filter(|_| item.kind == ItemKind::Agent) {
                let value = node.scalar().unwrap_or_default();
                out.note(
                    &format!("agent.{key}"),
                    path,
                    Some(node.at),
                    &value,
                    format!("agent `{name}` has {key} `{value}`"),
                );
            }
        }
        for key in ["hooks", "mcpServers", "permissionMode"] {
            if let Some(node) = item.front.get(key).filter(|_| item.kind == ItemKind::Agent) {
                out.note(
                    "agent.ignored_field",
                    path,
                    Some(node.at),
                    key,
                    format!("agent `{name}` has `{key}`, which the client ignores in plugins"),
                );
            }
        }
    }
    for path in &plugin.components.themes {
        out.note("theme", path, None, path, "offers a theme");
    }
    let listed = plugin.listing_characters();
    if listed > 0 {
        out.note(
            "listing",
            MANIFEST_PATH,
            None,
            &format!("{listed} characters"),
            "stands in the context of every session",
        );
    }
}

/// Hosts that any text names, each with the first file that does.
fn hosts(tree: &Tree, out: &mut Collector) {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for file in tree.files() {
        let Text::Read { text, .. } = text(file) else { continue };
        for (at, _) in text.match_indices("://") {
            let before = &text.as_bytes()[..at];
            let scheme = [&b"https"[..], b"http", b"wss", b"ws"].into_iter().find(|scheme| {
                before.len() >= scheme.len() && before[before.len() - scheme.len()..].eq_ignore_ascii_case(scheme)
            });
            if scheme.is_none() || found.len() >= NAMES_MAX {
                continue;
            }
            let end = text.floor_char_boundary((at + 300).min(text.len()));
            let Some(host) = host(&text[at..end]) else { continue };
            let sound = host.contains('.')
                && host.len() < 254
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
            if sound {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                found.entry(host).or_insert_with(|| Shown(&file.path).to_string());
            }
        }
    }
    for (host, path) in found {
        out.note("host", &path, None, &host, format!("names the host {host}"));
    }
}

/// Names of environment variables that servers and hooks are given.
fn environment(plugin: &Plugin, out: &mut Collector) {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for part in
        plugin.components.of(Role::Mcp).chain(plugin.components.of(Role::Hooks)).chain(plugin.components.of(Role::Lsp))
    {
        for (text, _) in part.node.texts() {
            for rest in text.split("${").skip(1) {
                let Some((name, _)) = rest.split_once('}') else { continue };
                let name = name.split(":-").next().unwrap_or_default();
                let sound = !name.is_empty()
                    && name.len() < 100
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
                if sound && found.len() < NAMES_MAX && !name.starts_with("CLAUDE_") {
                    found.entry(name.to_owned()).or_insert_with(|| part.path.clone());
                }
            }
        }
    }
    for (name, path) in found {
        out.note("env", &path, None, &name, format!("reads {name} of the environment or of its options"));
    }
}
