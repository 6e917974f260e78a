//! Everything that the client would load from a plugin, default places and manifest together.

use std::collections::{BTreeMap, BTreeSet};

use super::declared::{PathProblem, Target, resolve};
use super::item::{Item, ItemKind};
use super::manifest::{MANIFEST_PATH, Manifest};
use super::node::{Node, Position, Value};
use super::source::{JsonFile, json_file};
use crate::tree::{Mode, Tree};

/// More paths in one manifest are not followed.
const DECLARED_MAX: usize = 1_000;

/// What a JSON file or an inline part of the manifest declares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Hooks: events to handlers.
    Hooks,
    /// MCP servers.
    Mcp,
    /// Language servers.
    Lsp,
    /// Monitors.
    Monitors,
    /// Settings.
    Settings,
}

/// A JSON value of one role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its role.
    pub role: Role,
    /// The file that holds it.
    pub path: String,
    /// True when it stands in the manifest itself.
    pub inline: bool,
    /// The value.
    pub node: Node,
}

impl Part {
    /// What the role is about: events of hooks, servers by name, a list of monitors, settings by key.
    pub fn content(&self) -> Option<&Node> {
        match (self.role, self.inline) {
            (Role::Hooks, false) => self.node.get("hooks"),
            (Role::Mcp, false) => Some(self.node.get("mcpServers").unwrap_or(&self.node)),
            _ => Some(&self.node),
        }
    }
}

/// A path in the manifest that is no good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadPath {
    /// The manifest's field.
    pub field: &'static str,
    /// What it says.
    pub text: String,
    /// Where.
    pub at: Position,
    /// Why it is no good.
    pub problem: PathProblem,
}

/// A default folder that the manifest replaces although it has something in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaced {
    /// The manifest's field.
    pub field: &'static str,
    /// The folder, with a final `/`.
    pub folder: &'static str,
    /// Where the field stands.
    pub at: Position,
}

/// A file that a component of no further structure consists of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ComponentFile {
    /// Its path.
    pub path: String,
    /// The place that makes it a component: itself, or the manifest.
    pub line: Option<u32>,
}

/// Everything that the client would load.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Components {
    /// Skills, agents and commands, sorted by path.
    pub items: Vec<Item>,
    /// The JSON files besides the manifest, each once, with the roles that they play.
    pub files: Vec<(Role, JsonFile)>,
    /// What they and the manifest declare.
    pub parts: Vec<Part>,
    /// MCP bundles (`.mcpb`, `.dxt`): path or address, and where the manifest names it.
    pub bundles: Vec<(String, Position)>,
    /// Output styles.
    pub output_styles: BTreeSet<String>,
    /// Themes.
    pub themes: BTreeSet<String>,
    /// Workflows.
    pub workflows: BTreeSet<String>,
    /// Files directly in `bin/`.
    pub bin: BTreeSet<String>,
    /// Paths of the manifest that are no good.
    pub bad_paths: Vec<BadPath>,
    /// Default folders that are not loaded.
    pub replaced: Vec<Replaced>,
}

impl Components {
    /// Finds everything.
    pub fn read(tree: &Tree, manifest: Option<&Manifest>) -> Self {
        let root = manifest.and_then(|manifest| manifest.file.root());
        // A root skill without a plugin around it has no folder that could name it.
        let plugin_name = manifest.and_then(|manifest| manifest.name.clone()).unwrap_or_else(|| "skill".to_owned());
        let mut finder = Finder { tree, root, out: Self::default(), seen: BTreeSet::new(), items: BTreeMap::new() };
        finder.skills(&plugin_name);
        finder.agents();
        finder.commands();
        finder.json(Role::Hooks, "hooks/hooks.json", "hooks");
        finder.json(Role::Mcp, ".mcp.json", "mcpServers");
        finder.json(Role::Lsp, ".lsp.json", "lspServers");
        finder.json(Role::Monitors, "monitors/monitors.json", "monitors");
        finder.json(Role::Settings, "settings.json", "settings");
        let styles = finder.folder_files("outputStyles", "output-styles/", true);
        let themes = finder.folder_files("themes", "themes/", false);
        let workflows = finder.folder_files("workflows", "workflows/", true);
        if let Some(node) = finder.field("types") {
            finder.resolved("types", node);
        }
        let mut out = finder.out;
        (out.output_styles, out.themes, out.workflows) = (styles, themes, workflows);
        out.bin = direct_files(tree, "bin/").collect();
        out.items.sort_by(|a, b| (&a.path, a.kind, &a.called).cmp(&(&b.path, b.kind, &b.called)));
        out.items.dedup_by(|a, b| a.path == b.path && a.kind == b.kind && a.called == b.called);
        out
    }

    /// The parts of one role.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.role == role)
    }
}

/// The files directly in `folder` (with a final `/`), links and odd entries included.
fn direct_files<'a>(tree: &'a Tree, folder: &'a str) -> impl Iterator<Item = String> + 'a {
    tree.below(folder).filter_map(move |file| {
        let rest = file.path_str()?.strip_prefix(folder)?;
        let odd = file.mode == Mode::Other(0o40000);
        (!rest.is_empty() && !rest.contains('/') && !odd).then(|| format!("{folder}{rest}"))
    })
}

struct Finder<'a> {
    tree: &'a Tree,
    root: Option<&'a Node>,
    out: Components,
    /// JSON files that were read.
    seen: BTreeSet<(Role, String)>,
    /// Item files that were read, and where they stand in the list.
    items: BTreeMap<(ItemKind, String), usize>,
}

impl<'a> Finder<'a> {
    fn field(&self, key: &str) -> Option<&'a Node> {
        self.root.and_then(|root| root.get(key)).filter(|node| !node.is_null())
    }

    /// The texts of a field that is a path or a list of paths.
    fn paths(&self, node: &'a Node) -> Vec<&'a Node> {
        match &node.value {
            Value::Text(_) => vec![node],
            Value::List(nodes) => nodes.iter().filter(|node| node.text().is_some()).take(DECLARED_MAX).collect(),
            _ => Vec::new(),
        }
    }

    fn resolved(&mut self, field: &'static str, node: &Node) -> Option<Target> {
        let text = node.text()?;
        // `.` alone is the client's spelling for a skill at the root, and for nothing else.
        let resolved = match resolve(self.tree, text) {
            Ok(_) if text == "." && field != "skills" => Err(PathProblem::Form("it must begin with `./`")),
            resolved => resolved,
        };
        resolved.map_err(|problem| self.bad(field, node, problem)).ok()
    }

    fn bad(&mut self, field: &'static str, node: &Node, problem: PathProblem) {
        let text = node.text().unwrap_or_default().to_owned();
        self.out.bad_paths.push(BadPath { field, text, at: node.at, problem });
    }

    /// Adds the item in the file at `path`. A file that the manifest names often is read once.
    fn item(&mut self, kind: ItemKind, path: &str, called: String) {
        let read = self.items.get(&(kind, path.to_owned())).copied();
        if let Some(known) = read.and_then(|at| self.out.items.get(at)) {
            if known.called != called {
                let item = known.called_otherwise(called);
                self.out.items.push(item);
            }
        } else if let Some(file) = self.tree.get(path) {
            self.items.insert((kind, path.to_owned()), self.out.items.len());
            self.out.items.push(Item::read(kind, file, called));
        }
    }

    /// Skills of a folder: itself, when it has a `SKILL.md`, else its sub-folders.
    fn skills_in(&mut self, folder: &str, fallback: &str) {
        let own = format!("{folder}SKILL.md");
        if self.tree.get(&own).is_some() {
            let name = folder.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty());
            return self.item(ItemKind::Skill, &own, name.unwrap_or(fallback).to_owned());
        }
        let mut found = Vec::new();
        for file in self.tree.below(folder) {
            let Some(rest) = file.path_str().and_then(|path| path.strip_prefix(folder)) else { continue };
            if let Some((name, "SKILL.md")) = rest.split_once('/') {
                found.push((format!("{folder}{rest}"), name.to_owned()));
            }
        }
        for (path, name) in found {
            self.item(ItemKind::Skill, &path, name);
        }
    }

    fn skills(&mut self, plugin_name: &str) {
        let declared = self.field("skills").map(|node| self.paths(node)).unwrap_or_default();
        // The root's own skill counts only where there is no folder `skills/`.
        if self.tree.below("skills/").next().is_none() {
            self.item(ItemKind::Skill, "SKILL.md", plugin_name.to_owned());
        }
        let mut own_root = false;
        for node in declared {
            match self.resolved("skills", node) {
                Some(Target::Folder(folder)) if folder.is_empty() => own_root = true,
                Some(Target::Folder(folder)) if folder == "skills/" => {}
                Some(Target::Folder(folder)) => self.skills_in(&folder, plugin_name),
                Some(Target::File(_)) => self.bad("skills", node, PathProblem::Form("it must be a folder")),
                None => {}
            }
        }
        if own_root {
            self.skills_in("", plugin_name);
        }
        // One level below `skills/`, whatever else lies there.
        let found: Vec<(String, String)> = self
            .tree
            .below("skills/")
            .filter_map(|file| {
                let path = file.path_str()?;
                let (name, rest) = path.strip_prefix("skills/")?.split_once('/')?;
                (rest == "SKILL.md").then(|| (path.to_owned(), name.to_owned()))
            })
            .collect();
        for (path, name) in found {
            self.item(ItemKind::Skill, &path, name);
        }
    }

    /// Markdown files below a folder; the folders between become part of the name.
    fn markdown_below(&mut self, kind: ItemKind, folder: &str) {
        let found: Vec<(String, String)> = self
            .tree
            .below(folder)
            .filter(|file| file.mode != Mode::Other(0o40000))
            .filter_map(|file| {
                let path = file.path_str()?;
                let called = path.strip_prefix(folder)?.strip_suffix(".md")?.replace('/', ":");
                (!called.is_empty() && !called.ends_with(':')).then(|| (path.to_owned(), called))
            })
            .collect();
        for (path, called) in found {
            self.item(kind, &path, called);
        }
    }

    fn replaces(&mut self, field: &'static str, folder: &'static str, node: &Node) {
        let names_it = |text: &str| text.trim_end_matches('/').strip_prefix("./") == Some(folder.trim_end_matches('/'));
        let kept = self.paths_of(node).iter().any(|text| names_it(text) || text.starts_with(&format!("./{folder}")));
        if !kept && self.tree.below(folder).next().is_some() {
            self.out.replaced.push(Replaced { field, folder, at: node.at });
        }
    }

    fn paths_of(&self, node: &Node) -> Vec<String> {
        let source = |node: &Node| node.text().or_else(|| node.text_of("source")).map(str::to_owned);
        match &node.value {
            Value::Text(text) => vec![text.clone()],
            Value::List(nodes) => nodes.iter().filter_map(source).collect(),
            Value::Map(entries) => entries.iter().filter_map(|entry| source(&entry.node)).collect(),
            _ => Vec::new(),
        }
    }

    fn agents(&mut self) {
        let Some(node) = self.field("agents") else {
            return self.markdown_below(ItemKind::Agent, "agents/");
        };
        self.replaces("agents", "agents/", node);
        for node in self.paths(node) {
            if !node.text().is_some_and(|text| text.ends_with(".md")) {
                // A path that climbs is worse than one that is no file.
                let problem = match node.text().map(|text| resolve(self.tree, text)) {
                    Some(Err(problem @ PathProblem::Escape)) => problem,
                    _ => PathProblem::Form("it must name a file that ends in `.md`"),
                };
                self.bad("agents", node, problem);
                continue;
            }
            if let Some(Target::File(path)) = self.resolved("agents", node) {
                let called = file_name(&path).trim_end_matches(".md").to_owned();
                self.item(ItemKind::Agent, &path, called);
            }
        }
    }

    fn commands(&mut self) {
        let Some(node) = self.field("commands") else {
            return self.markdown_below(ItemKind::Command, "commands/");
        };
        self.replaces("commands", "commands/", node);
        for node in self.paths(node) {
            match self.resolved("commands", node) {
                Some(Target::Folder(folder)) => self.markdown_below(ItemKind::Command, &folder),
                Some(Target::File(path)) => {
                    let called = file_name(&path).trim_end_matches(".md").to_owned();
                    self.item(ItemKind::Command, &path, called);
                }
                None => {}
            }
        }
        for entry in node.map().unwrap_or_default().iter().take(DECLARED_MAX) {
            let path = match entry.node.get("source") {
                Some(source) => match self.resolved("commands", source) {
                    Some(Target::File(path)) => path,
                    Some(Target::Folder(_)) => {
                        self.bad("commands", source, PathProblem::Form("it must be a file"));
                        continue;
                    }
                    None => continue,
                },
                None if entry.node.text_of("content").is_some() => MANIFEST_PATH.to_owned(),
                None => continue,
            };
            self.item(ItemKind::Command, &path, entry.key.clone());
            if let Some(item) = self.out.items.last_mut().filter(|item| item.called == entry.key) {
                item.declared = Some(entry.node.clone());
                if path == MANIFEST_PATH {
                    // Its text stands in the manifest, so the file as a whole has no front matter.
                    item.front = Default::default();
                    item.first_paragraph = entry.node.text_of("content").map(|text| text.chars().take(200).collect());
                }
            }
        }
    }

    /// A component of JSON: its default file, and what the manifest's field names or holds.
    fn json(&mut self, role: Role, default: &str, field: &'static str) {
        self.json_at(role, default);
        let experimental =
            self.field("experimental").and_then(|node| node.get(field)).filter(|_| role == Role::Monitors);
        for node in [self.field(field), experimental].into_iter().flatten() {
            match &node.value {
                Value::Text(_) => self.json_path(role, field, node),
                // A list of monitors is the thing itself; a list of anything else is a list of places.
                Value::List(nodes) if role == Role::Monitors && nodes.iter().all(|node| node.map().is_some()) => {
                    self.inline(role, node);
                }
                Value::List(nodes) => {
                    for node in nodes.iter().take(DECLARED_MAX) {
                        match &node.value {
                            Value::Text(_) => self.json_path(role, field, node),
                            Value::Map(_) => self.inline(role, node),
                            _ => {}
                        }
                    }
                }
                Value::Map(_) => self.inline(role, node),
                _ => {}
            }
        }
    }

    fn inline(&mut self, role: Role, node: &Node) {
        self.out.parts.push(Part { role, path: MANIFEST_PATH.to_owned(), inline: true, node: node.clone() });
    }

    fn json_path(&mut self, role: Role, field: &'static str, node: &Node) {
        let text = node.text().unwrap_or_default();
        let bundle =
            text.split(['?', '#']).next().is_some_and(|path| path.ends_with(".mcpb") || path.ends_with(".dxt"));
        if role == Role::Mcp && bundle {
            if super::manifest::is_web_address(text) || self.resolved(field, node).is_some() {
                self.out.bundles.push((text.to_owned(), node.at));
            }
            return;
        }
        match self.resolved(field, node) {
            Some(Target::File(path)) => self.json_at(role, &path),
            Some(Target::Folder(_)) => self.bad(field, node, PathProblem::Form("it must be a file")),
            None => {}
        }
    }

    fn json_at(&mut self, role: Role, path: &str) {
        if !self.seen.insert((role, path.to_owned())) {
            return;
        }
        let Some(file) = json_file(self.tree, path) else { return };
        if let Some(root) = file.root() {
            self.out.parts.push(Part { role, path: path.to_owned(), inline: false, node: root.clone() });
        }
        self.out.files.push((role, file));
    }

    /// Files of a component that is a folder of files, or what the manifest names instead.
    fn folder_files(&mut self, field: &'static str, folder: &'static str, replaces: bool) -> BTreeSet<String> {
        let experimental = self.field("experimental").and_then(|node| node.get(field)).filter(|_| field == "themes");
        let nodes: Vec<&Node> = [self.field(field), experimental].into_iter().flatten().collect();
        let mut out = BTreeSet::new();
        if nodes.is_empty() || !replaces {
            out.extend(direct_files(self.tree, folder));
        }
        for node in nodes {
            if replaces {
                self.replaces(field, folder, node);
            }
            for node in self.paths(node) {
                match self.resolved(field, node) {
                    Some(Target::Folder(folder)) => out.extend(direct_files(self.tree, &folder)),
                    Some(Target::File(path)) => {
                        out.insert(path);
                    }
                    None => {}
                }
            }
        }
        out
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
