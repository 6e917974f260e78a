use super::*;
use crate::gate::samples::{file, plugin, tree};
use crate::plugin::Plugin;
use crate::tree::{Mode, Tree};

fn of(tree: &Tree) -> Vec<Capability> {
    list(tree, &Plugin::read(tree)).0
}

fn ids(tree: &Tree) -> Vec<String> {
    let mut ids: Vec<String> = of(tree).into_iter().map(|capability| capability.id).collect();
    ids.sort();
    ids.dedup();
    ids
}

fn with(path: &str, text: &str) -> Vec<String> {
    ids(&plugin(&[(path, text)]))
}

fn manifest(fields: &str) -> Vec<String> {
    ids(&tree(&[(
        ".claude-plugin/plugin.json",
        &format!("{{\"name\": \"sample\", \"version\": \"1.0.0\", {fields}}}"),
    )]))
}

#[test]
fn a_plain_skill_can_do_nothing() {
    assert_eq!(
        with(
            "skills/tidy/SKILL.md",
            "---\nname: tidy\ndescription: T.\nallowed-tools: Read, Grep\n---\nText with `code!` and [a](https://example.com).\n"
        ),
        [""; 0]
    );
}

#[test]
fn hooks_are_listed_by_type_wherever_they_stand() {
    let hooks = |handler: &str| format!("{{\"hooks\": {{\"Stop\": [{{\"hooks\": [{handler}]}}]}}}}");
    assert_eq!(
        with(
            "hooks/hooks.json",
            &hooks("{\"type\": \"command\", \"command\": \"x\"}, {\"type\": \"http\", \"url\": \"https://x.example\"}")
        ),
        ["hook.command", "hook.http"]
    );
    assert_eq!(
        with(
            "hooks/hooks.json",
            &hooks(
                "{\"type\": \"prompt\", \"prompt\": \"x\"}, {\"type\": \"agent\", \"prompt\": \"x\"}, {\"type\": \"mcp_tool\"}"
            )
        ),
        ["hook.agent", "hook.mcp_tool", "hook.prompt"]
    );
    assert_eq!(with("hooks/hooks.json", &hooks("{\"type\": \"banana\"}")), ["hook.banana"]);
    assert_eq!(
        with("hooks/hooks.json", "{\"hooks\": {\"NoEvent\": [{\"type\": \"command\", \"command\": \"x\"}]}}"),
        ["hook.command"]
    );
    assert_eq!(
        manifest("\"hooks\": {\"Stop\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"x\"}]}]}"),
        ["hook.command"]
    );
    assert_eq!(
        with(
            "skills/a/SKILL.md",
            "---\nname: a\nhooks:\n  Stop:\n    - hooks:\n        - type: command\n          command: x\n---\n"
        ),
        ["skill.hooks"]
    );
    assert_eq!(with("hooks/hooks.json", "{\"hooks\": {}, \"modules\": \"./hooks/m.mjs\"}"), ["hook.module"]);
    let both = tree(&[
        (
            ".claude-plugin/plugin.json",
            "{\"name\": \"sample\", \"hooks\": [\"./more.json\", {\"Stop\": [{\"hooks\": [{\"type\": \"prompt\", \"prompt\": \"x\"}]}]}]}",
        ),
        ("hooks/hooks.json", &hooks("{\"type\": \"command\", \"command\": \"x\"}")),
        ("more.json", &hooks("{\"type\": \"http\", \"url\": \"https://x.example\"}")),
    ]);
    assert_eq!(ids(&both), ["hook.command", "hook.http", "hook.prompt"]);
}

#[test]
fn servers_monitors_and_settings_are_listed() {
    assert_eq!(with(".mcp.json", "{\"s\": {\"command\": \"node\", \"args\": [\"x.mjs\"]}}"), ["mcp.stdio"]);
    assert_eq!(
        with(
            ".mcp.json",
            "{\"mcpServers\": {\"s\": {\"type\": \"http\", \"url\": \"https://x.example\", \"headersHelper\": \"./h\"}}}"
        ),
        ["mcp.headers_helper", "mcp.remote"]
    );
    assert_eq!(
        with(".mcp.json", "{\"s\": {\"command\": \"npx\", \"args\": [\"-y\", \"server\"]}}"),
        ["fetch.unpinned", "mcp.stdio"]
    );
    assert_eq!(
        with(".mcp.json", "{\"s\": {\"command\": \"npx\", \"args\": [\"-y\", \"server@1.2.3\"]}}"),
        ["mcp.stdio"]
    );
    assert_eq!(manifest("\"mcpServers\": {\"s\": {\"command\": \"x\"}}"), ["mcp.stdio"]);
    assert_eq!(manifest("\"mcpServers\": \"https://x.example/a.mcpb\""), ["mcp.bundle"]);
    assert_eq!(
        with(".lsp.json", "{\"go\": {\"command\": \"gopls\", \"extensionToLanguage\": {\".go\": \"go\"}}}"),
        ["lsp.server"]
    );
    assert_eq!(with("monitors/monitors.json", "[{\"name\": \"a\", \"command\": \"tail -f x\"}]"), ["monitor.command"]);
    assert_eq!(manifest("\"monitors\": [{\"name\": \"a\", \"command\": \"x\"}]"), ["monitor.command"]);
    assert_eq!(
        manifest("\"experimental\": {\"monitors\": [{\"name\": \"a\", \"command\": \"x\"}]}"),
        ["monitor.command"]
    );
    assert_eq!(
        with(
            "settings.json",
            "{\"agent\": \"a\", \"subagentStatusLine\": {\"type\": \"command\", \"command\": \"x\"}, \"env\": {}}"
        ),
        ["settings.agent", "settings.other", "settings.subagent_status_line"]
    );
    assert_eq!(manifest("\"settings\": {\"agent\": \"a\"}"), ["settings.agent"]);
}

#[test]
fn items_are_listed_with_what_runs_and_what_is_granted() {
    assert_eq!(
        with("commands/a.md", "---\nallowed-tools: Bash(git diff *), Edit\n---\n!`git diff`\n"),
        ["exec.live", "tools.bash_pattern", "tools.write"]
    );
    assert_eq!(
        with("agents/a.md", "---\nname: a\ndescription: A.\ntools: [Bash, WebFetch, mcp__x__y]\n---\nx\n"),
        ["tools.bash_any", "tools.mcp", "tools.web"]
    );
    assert_eq!(with("agents/a.md", "---\nname: a\ndescription: A.\nallowed-tools: Bash\n---\nx\n"), [""; 0]);
    assert_eq!(with("skills/a/SKILL.md", "---\nname: a\nallowed-tools: \"*\"\n---\nx\n"), ["tools.all"]);
    assert_eq!(
        manifest("\"commands\": {\"go\": {\"content\": \"!`date`\", \"allowedTools\": [\"Write\"]}}"),
        ["exec.live", "tools.write"]
    );
    let listed = of(&plugin(&[("skills/a/SKILL.md", "---\nname: a\n---\nx\n!`date`\n")]));
    assert_eq!((listed[0].line, listed[0].detail.as_str()), (Some(5), "date"));
}

#[test]
fn files_are_listed_for_what_they_are() {
    let one = |path: &str, mode, content: &[u8]| {
        let mut files = plugin(&[]).files().to_vec();
        files.push(file(path, mode, content));
        ids(&Tree::new(files))
    };
    assert_eq!(one("a.py", Mode::File, b"x"), ["file.script"]);
    assert_eq!(one("run", Mode::File, b"#!/bin/sh\n"), ["file.script"]);
    assert_eq!(one("notes.md", Mode::Executable, b"x"), ["file.script"]);
    assert_eq!(one("data.bin", Mode::File, b"a\0b"), ["file.binary"]);
    assert_eq!(one("data.txt", Mode::File, b"\xff\xfe"), ["file.binary"]);
    assert_eq!(one("bin/tool", Mode::File, b"text"), ["bin.executable"]);
    assert_eq!(one("bin/lib/tool", Mode::File, b"text"), [""; 0]);
    assert_eq!(one("link.md", Mode::Link, b"README.md"), ["tree.symlink"]);
    assert_eq!(
        one("README.md", Mode::File, b"<!-- x --> ![a](https://x.example/a.png)"),
        ["text.html_comment", "text.remote_image"]
    );
    assert_eq!(one("page.html", Mode::File, b"<!-- x -->"), [""; 0]);
    assert_eq!(one("notes.txt", Mode::File, "a\u{200b}b".as_bytes()), ["text.hidden_unicode"]);
    assert_eq!(one("output-styles/a.md", Mode::File, b"x"), ["style.output"]);
    assert_eq!(one("workflows/a.js", Mode::File, b"x"), ["file.script", "plugin.workflow"]);
    assert_eq!(one("package.json", Mode::File, b"{\"scripts\": {\"x\": \"npx foo\"}}"), ["fetch.unpinned"]);
}

#[test]
fn the_manifest_is_listed_for_what_it_brings() {
    assert_eq!(
        manifest("\"dependencies\": [\"a\"], \"userConfig\": {\"k\": {\"type\": \"string\", \"sensitive\": true}}"),
        ["plugin.dependency", "plugin.user_config"]
    );
    assert_eq!(
        manifest("\"binaries\": {\"t\": {\"sha256\": \"0\"}}, \"channels\": [{\"server\": \"s\"}]"),
        ["plugin.binary", "plugin.channel"]
    );
}

#[test]
fn escapes_hide_no_capability() {
    assert_eq!(
        with(
            "hooks/hooks.json",
            "{\"hooks\": {\"Stop\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"\\u006epx foo\"}]}]}}"
        ),
        ["fetch.unpinned", "hook.command"]
    );
    assert_eq!(with("skills/a/SKILL.md", "---\nname: a\ndescription: \"a\\u200bb\"\n---\n"), ["text.hidden_unicode"]);
}

#[test]
fn the_text_is_the_same_for_the_same_list_in_any_order() {
    let mut list = of(&plugin(&[("commands/a b.md", "---\nallowed-tools: Bash\n---\n!`date \\ x`\n"), ("x.py", "x")]));
    let expected = "skill-pool/caps/v1\nexec.live commands/a\\u{20}b.md date \\\\ x\nfile.script x.py its name ends in .py\ntools.bash_any commands/a\\u{20}b.md Bash\n";
    assert_eq!(text(&list), expected);
    list.reverse();
    list.extend(list.clone());
    assert_eq!(text(&list), expected);
    assert_eq!(text(&[]), "skill-pool/caps/v1\n");
}

#[test]
fn a_long_detail_is_cut_and_stays_distinct() {
    let command = |end: &str| {
        let text = format!("{{\"s\": {{\"command\": \"{}{end}\"}}}}", "x".repeat(1000));
        of(&plugin(&[(".mcp.json", &text)]))[0].detail.clone()
    };
    assert!(command("a").chars().count() < DETAIL_CHARACTERS_MAX + 80);
    assert_ne!(command("a"), command("b"));
}

#[test]
fn what_is_shown_besides_is_no_capability() {
    let tree = plugin(&[
        ("agents/a.md", "---\nname: a\ndescription: A.\nmemory: user\n---\nSee https://docs.example.com/x\n"),
        ("themes/t.json", "{}"),
    ]);
    let (capabilities, notes) = list(&tree, &Plugin::read(&tree));
    assert_eq!(capabilities, []);
    let ids: Vec<&str> = notes.iter().map(|note| note.id.as_str()).collect();
    assert_eq!(ids, ["agent.memory", "host", "listing", "theme", "tools.inherit"]);
}
