//! The list itself: every place that can declare a capability is walked.

use super::fetch::{self, Reading};
use super::{Capability, Class, files, markdown, notes, tools};
use crate::plugin::components::{Components, Part, Role};
use crate::plugin::item::{Item, ItemKind};
use crate::plugin::manifest::MANIFEST_PATH;
use crate::plugin::node::{Node, Position};
use crate::plugin::source::Positions;
use crate::plugin::{Manifest, Plugin};
use crate::tree::Tree;

/// Collects capabilities and notes.
#[derive(Default)]
pub(super) struct Collector {
    pub capabilities: Vec<Capability>,
    pub notes: Vec<Capability>,
}

/// All capabilities of a plugin, and what is worth knowing besides, both sorted by class, id and place.
pub fn list(tree: &Tree, plugin: &Plugin) -> (Vec<Capability>, Vec<Capability>) {
    let mut out = Collector::default();
    out.hooks(&plugin.components);
    out.servers(&plugin.components);
    out.settings(&plugin.components);
    for item in &plugin.components.items {
        out.item(tree, item);
    }
    if let Some(manifest) = &plugin.manifest {
        out.manifest(manifest);
    }
    out.component_files(&plugin.components);
    files::collect(tree, plugin, &mut out);
    notes::collect(tree, plugin, &mut out);
    let Collector { mut capabilities, mut notes } = out;
    for list in [&mut capabilities, &mut notes] {
        list.sort_by(|a, b| {
            (a.class, &a.id, &a.path, a.line, &a.detail).cmp(&(b.class, &b.id, &b.path, b.line, &b.detail))
        });
        list.dedup();
    }
    (capabilities, notes)
}

/// `command` with its arguments, as one line.
pub(super) fn command_line(node: &Node) -> Option<String> {
    let mut line = node.text_of("command")?.to_owned();
    for argument in node.get("args").and_then(Node::list).unwrap_or_default() {
        line.push(' ');
        line.push_str(&argument.scalar().unwrap_or_default());
    }
    Some(line)
}

impl Collector {
    pub fn add(
        &mut self,
        class: Class,
        id: &str,
        path: &str,
        at: Option<Position>,
        detail: &str,
        says: impl Into<String>,
    ) {
        self.capabilities.push(Capability::new(class, id, path, at, detail, says));
    }

    pub fn note(&mut self, id: &str, path: &str, at: Option<Position>, detail: &str, says: impl Into<String>) {
        self.notes.push(Capability::new(Class::Text, id, path, at, detail, says));
    }

    fn hooks(&mut self, components: &Components) {
        for part in components.of(Role::Hooks) {
            if let Some(events) = part.content() {
                self.events(&part.path, events, None);
            }
            let modules = part.node.get("modules").filter(|_| !part.inline);
            let modules: Vec<&Node> = modules
                .map_or_else(Vec::new, |node| node.list().map_or_else(|| vec![node], |list| list.iter().collect()));
            for module in modules {
                let detail = module.scalar().unwrap_or_default();
                self.add(
                    Class::Runs,
                    "hook.module",
                    &part.path,
                    Some(module.at),
                    &detail,
                    "loads a module of code into the client's hooks",
                );
            }
        }
    }

    /// The handlers of a map of events. `item` is set where they stand in front matter.
    fn events(&mut self, path: &str, events: &Node, item: Option<&Item>) {
        for event in events.map().unwrap_or_default() {
            for group in event.node.list().unwrap_or_default() {
                let matcher = group.text_of("matcher").unwrap_or_default();
                match group.get("hooks").and_then(Node::list) {
                    Some(handlers) => {
                        handlers.iter().for_each(|handler| self.handler(path, &event.key, matcher, handler, item))
                    }
                    // A handler in the place of its group does not load today; a later client may be kinder.
                    None if group.get("type").is_some() => self.handler(path, &event.key, matcher, group, item),
                    None => {}
                }
            }
        }
    }

    fn handler(&mut self, path: &str, event: &str, matcher: &str, handler: &Node, item: Option<&Item>) {
        let kind = handler.get("type").and_then(Node::scalar).unwrap_or_else(|| "unknown".to_owned());
        let what = match kind.as_str() {
            "http" => handler.text_of("url").map(str::to_owned),
            "prompt" | "agent" => handler.text_of("prompt").map(str::to_owned),
            "mcp_tool" => {
                Some(format!("{} {}", handler.text_of("server").unwrap_or("?"), handler.text_of("tool").unwrap_or("?")))
            }
            _ => command_line(handler).or_else(|| handler.text_of("url").map(str::to_owned)),
        };
        let what = what.unwrap_or_default();
        let mut detail = event.to_owned();
        if !matcher.is_empty() {
            detail.push_str(&format!("({matcher})"));
        }
        for (key, value) in [("timeout", handler.get("timeout")), ("async", handler.get("async"))] {
            if let Some(value) = value.and_then(Node::scalar) {
                detail.push_str(&format!(" {key}={value}"));
            }
        }
        detail.push_str(&format!(": {what}"));
        let does = match kind.as_str() {
            "command" => format!("runs `{what}`"),
            "http" => format!("sends the event's data to {}", host(&what).unwrap_or("an address")),
            "prompt" => "asks a model".to_owned(),
            "agent" => "starts an agent".to_owned(),
            "mcp_tool" => "calls a tool of a server".to_owned(),
            kind => format!("does what a handler of type `{kind}` does"),
        };
        let when = match matcher {
            "" | "*" => format!("on every {event}"),
            matcher => format!("on {event} of {matcher}"),
        };
        let (id, says) = match item {
            None => (format!("hook.{kind}"), format!("{does} {when}, without asking")),
            Some(item) => (
                "skill.hooks".to_owned(),
                format!("{does} {when} while {} `{}` is active", item.kind.as_str(), item.name()),
            ),
        };
        self.add(Class::Runs, &id, path, Some(handler.at), &detail, says);
        self.commands_of(path, handler);
    }

    /// What a handler or server fetches when it starts.
    fn commands_of(&mut self, path: &str, node: &Node) {
        if let Some(line) = command_line(node) {
            for found in fetch::scan(&line, Reading::Code) {
                self.add(Class::Scripts, "fetch.unpinned", path, Some(node.at), &found.what, fetch_says(&found.what));
            }
        }
    }

    fn servers(&mut self, components: &Components) {
        for part in components.of(Role::Mcp) {
            for server in part.content().and_then(Node::map).unwrap_or_default() {
                self.mcp_server(&part.path, &server.key, &server.node);
            }
        }
        for (bundle, at) in &components.bundles {
            let says = "installs and runs a bundled server".to_owned();
            self.add(Class::Runs, "mcp.bundle", MANIFEST_PATH, Some(*at), bundle, says);
        }
        for part in components.of(Role::Lsp) {
            for server in part.node.map().unwrap_or_default().iter().filter(|server| server.node.map().is_some()) {
                let languages = server.node.get("extensionToLanguage").and_then(Node::map).unwrap_or_default();
                let endings: Vec<&str> = languages.iter().map(|entry| entry.key.as_str()).collect();
                let line = command_line(&server.node).unwrap_or_default();
                let detail = format!("{}: {line} for {}", server.key, endings.join(" "));
                let says = format!("starts the language server `{}` for {}", server.key, endings.join(", "));
                self.add(Class::Runs, "lsp.server", &part.path, Some(server.key_at), &detail, says);
                self.commands_of(&part.path, &server.node);
            }
        }
        for part in components.of(Role::Monitors) {
            self.monitors(part);
        }
    }

    fn monitors(&mut self, part: &Part) {
        let list = part.node.list().or_else(|| part.node.get("monitors").and_then(Node::list));
        for monitor in list.unwrap_or_default().iter().filter(|node| node.map().is_some()) {
            let name = monitor.text_of("name").unwrap_or("?");
            let line = command_line(monitor).unwrap_or_default();
            let detail = format!("{name}: {line}");
            let says = format!("runs `{line}` by itself in every session and reads its output into the context");
            self.add(Class::Runs, "monitor.command", &part.path, Some(monitor.at), &detail, says);
            self.commands_of(&part.path, monitor);
        }
    }

    fn mcp_server(&mut self, path: &str, name: &str, node: &Node) {
        if node.map().is_none() {
            return;
        }
        let kind = node.text_of("type");
        let remote = kind.is_some_and(|kind| kind != "stdio") || (kind.is_none() && node.get("command").is_none());
        if remote {
            if let Some(url) = node.text_of("url") {
                let detail = format!("{name}: {} {url}", kind.unwrap_or("http"));
                let says = format!("talks to {} as the server `{name}`", host(url).unwrap_or("an address"));
                self.add(Class::Runs, "mcp.remote", path, Some(node.at), &detail, says);
            }
        } else if let Some(line) = command_line(node) {
            let says = format!("starts `{line}` as the server `{name}` in every session");
            self.add(Class::Runs, "mcp.stdio", path, Some(node.at), &format!("{name}: {line}"), says);
        }
        if let Some(helper) = node.get("headersHelper") {
            let detail = format!("{name}: {}", helper.scalar().unwrap_or_default());
            let says = format!("runs a command that makes the headers for the server `{name}`");
            self.add(Class::Runs, "mcp.headers_helper", path, Some(helper.at), &detail, says);
            for found in fetch::scan(&detail, Reading::Code) {
                self.add(Class::Scripts, "fetch.unpinned", path, Some(helper.at), &found.what, fetch_says(&found.what));
            }
        }
        self.commands_of(path, node);
    }

    fn settings(&mut self, components: &Components) {
        for part in components.of(Role::Settings) {
            for entry in part.node.map().unwrap_or_default().iter().filter(|entry| !entry.key.starts_with('$')) {
                let value = command_line(&entry.node)
                    .or_else(|| entry.node.scalar())
                    .unwrap_or_else(|| entry.node.kind().to_owned());
                let detail = format!("{}: {value}", entry.key);
                let (class, id, says) = match entry.key.as_str() {
                    "agent" => {
                        (Class::Runs, "settings.agent", format!("makes `{value}` the main agent of the session"))
                    }
                    "subagentStatusLine" => (
                        Class::Runs,
                        "settings.subagent_status_line",
                        "runs a command for the status line of sub-agents".to_owned(),
                    ),
                    key => (Class::Scripts, "settings.other", format!("sets `{key}`, which today's client ignores")),
                };
                self.add(class, id, &part.path, Some(entry.key_at), &detail, says);
                self.commands_of(&part.path, &entry.node);
            }
        }
    }

    fn item(&mut self, tree: &Tree, item: &Item) {
        let path = item.path.as_str();
        let name = item.name();
        if let Some(hooks) = item.front.get("hooks") {
            self.events(path, hooks, Some(item));
        }
        let field = match item.kind {
            ItemKind::Agent => "tools",
            ItemKind::Skill | ItemKind::Command => "allowed-tools",
        };
        let declared = item.declared.as_ref().and_then(|node| node.get("allowedTools"));
        for node in [item.front.get(field), declared].into_iter().flatten() {
            for (tool, at) in tools::names(node) {
                if let Some((id, says)) = tools::capability(&tool) {
                    // An agent's tools are all that it has; an item's are granted beforehand.
                    let says = match item.kind {
                        ItemKind::Agent => format!("agent `{name}` has the tool `{tool}`: it {says}"),
                        kind => format!("{} `{name}` {says} without asking (`{tool}`)", kind.as_str()),
                    };
                    self.add(Class::Scripts, id, path, Some(at), &tool, says);
                }
            }
        }
        let kind = item.kind.as_str();
        let says = |command: &str| {
            format!("runs `{command}` each time the {kind} `{name}` is loaded, before the model reads it")
        };
        if let Some((body, offset)) = item.body(tree) {
            // Offsets of the body lie behind the front matter.
            let lines_before = item.front.lines.1;
            let mut positions = Positions::new(body);
            for place in markdown::live_commands(body) {
                let mut at = positions.of(place.at);
                if offset > 0 {
                    at.line += lines_before;
                }
                self.add(Class::Runs, "exec.live", path, Some(at), &place.what, says(&place.what));
            }
        }
        if let Some(content) = item.declared.as_ref().and_then(|node| node.get("content")) {
            for place in markdown::live_commands(content.text().unwrap_or_default()) {
                self.add(Class::Runs, "exec.live", path, Some(content.at), &place.what, says(&place.what));
            }
        }
    }

    fn manifest(&mut self, manifest: &Manifest) {
        let entries = |key: &str| manifest.get(key).and_then(Node::map).unwrap_or_default();
        for dependency in manifest.get("dependencies").and_then(Node::list).unwrap_or_default() {
            let name = dependency.text().or_else(|| dependency.text_of("name")).unwrap_or("?");
            let version = dependency.text_of("version").map(|version| format!(" {version}")).unwrap_or_default();
            let says = format!("installs the plugin `{name}` with it");
            self.add(
                Class::Scripts,
                "plugin.dependency",
                MANIFEST_PATH,
                Some(dependency.at),
                &format!("{name}{version}"),
                says,
            );
        }
        for option in entries("userConfig") {
            let secret = matches!(
                option.node.get("sensitive").map(|node| &node.value),
                Some(crate::plugin::node::Value::Bool(true))
            );
            let kind = option.node.text_of("type").unwrap_or("?");
            let detail = format!("{}: {kind}{}", option.key, if secret { ", sensitive" } else { "" });
            let says = format!("asks the person for {}`{}`", if secret { "the secret " } else { "" }, option.key);
            self.add(Class::Text, "plugin.user_config", MANIFEST_PATH, Some(option.key_at), &detail, says);
        }
        for binary in entries("binaries") {
            let digest = binary.node.text_of("sha256").unwrap_or("?");
            let says = format!("downloads the program `{}` and puts it on the path", binary.key);
            self.add(
                Class::Runs,
                "plugin.binary",
                MANIFEST_PATH,
                Some(binary.key_at),
                &format!("{} sha256:{digest}", binary.key),
                says,
            );
        }
        for channel in manifest.get("channels").and_then(Node::list).unwrap_or_default() {
            let server = channel.text_of("server").or(channel.text()).unwrap_or("?");
            let says = format!("lets the server `{server}` speak into the session");
            self.add(Class::Runs, "plugin.channel", MANIFEST_PATH, Some(channel.at), server, says);
        }
    }

    fn component_files(&mut self, components: &Components) {
        for path in &components.bin {
            let name = path.rsplit('/').next().unwrap_or(path);
            let shadows = shadowed(name);
            let says = if shadows {
                format!("puts `{name}` on the path, in front of the system's own")
            } else {
                format!("puts the program `{name}` on the path")
            };
            self.add(
                Class::Runs,
                "bin.executable",
                path,
                None,
                &format!("{name}{}", if shadows { " (shadows a system command)" } else { "" }),
                says,
            );
        }
        for path in &components.output_styles {
            self.add(Class::Text, "style.output", path, None, path, "changes how the client answers, once chosen");
        }
        for path in &components.workflows {
            self.add(
                Class::Runs,
                "plugin.workflow",
                path,
                None,
                path,
                "offers a workflow: a program that drives the client",
            );
        }
    }
}

/// What `fetch.unpinned` says.
pub(super) fn fetch_says(what: &str) -> String {
    format!("fetches code that is not pinned: `{what}`")
}

/// The host of an address.
pub(super) fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '"', '\'', ' ', '`', ')', '>', '<']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// True for names of commands that people and agents type without a path.
fn shadowed(name: &str) -> bool {
    const COMMANDS: &[&str] = &[
        "git",
        "ls",
        "cat",
        "cp",
        "mv",
        "rm",
        "cd",
        "pwd",
        "echo",
        "grep",
        "find",
        "sed",
        "awk",
        "curl",
        "wget",
        "node",
        "npm",
        "npx",
        "python",
        "python3",
        "pip",
        "pip3",
        "sudo",
        "su",
        "ssh",
        "scp",
        "bash",
        "sh",
        "zsh",
        "env",
        "make",
        "docker",
        "kubectl",
        "gh",
        "claude",
        "code",
        "cargo",
        "go",
        "java",
        "ruby",
        "perl",
        "php",
        "tar",
        "chmod",
        "chown",
        "kill",
        "ps",
        "which",
        "test",
        "true",
        "false",
        "head",
        "tail",
        "sort",
        "tee",
        "xargs",
        "uv",
        "uvx",
        "brew",
        "apt",
        "aws",
        "gcloud",
        "az",
        "terraform",
    ];
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    COMMANDS.contains(&stem.as_str())
}
