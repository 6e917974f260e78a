//! The starter set that ships with the registry: whole, executable where it must be, and its scripts work.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use skill_pool_domain::gate::{Context, Policy, judge};
use skill_pool_domain::names::{MemberId, PluginName, TenantName};
use skill_pool_domain::push::Protection;
use skill_pool_domain::registry::{CertificateDemand, Registry, Visibility, genesis};
use skill_pool_domain::tree::{Mode, Tree, TreeFile};

/// `registry-template/plugins`.
fn plugins_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("registry-template/plugins")
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn files(folder: &Path) -> Vec<PathBuf> {
    children(folder).into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("our names are text")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The skills, agents and commands of a plugin.
fn items(plugin: &Path) -> Vec<PathBuf> {
    let skills = children(&plugin.join("skills")).into_iter().map(|folder| folder.join("SKILL.md"));
    let others = ["agents", "commands"].into_iter().flat_map(|kind| children(&plugin.join(kind)));
    skills.chain(others).collect()
}

/// The fields of a front matter whose values are all on one line, as ours are.
fn front_matter(text: &str) -> BTreeMap<&str, &str> {
    let block = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).expect("a front matter").0;
    block.lines().map(|line| line.split_once(": ").unwrap_or_else(|| panic!("`{line}` is no field"))).collect()
}

/// Scripts and other files that start with `#!`.
fn scripts() -> Vec<PathBuf> {
    files(&plugins_folder()).into_iter().filter(|path| read(path).starts_with("#!")).collect()
}

fn run(program: &Path, folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_remove("CLAUDE_PROJECT_DIR")
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot run ({error}); it needs sh, awk and python3", program.display()));
    // A script that does not read its input may be gone before we write.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("the child ends")
}

fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "init.defaultBranch=main"];
    let arguments: Vec<&str> = identity.into_iter().chain(arguments.iter().copied()).collect();
    let output = run(Path::new("git"), folder, &arguments, "");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The files of a folder as the rules see a commit.
fn tree(folder: &Path, is_in: impl Fn(&Path) -> bool) -> Tree {
    let inside = |path: &Path| path.strip_prefix(folder).expect("inside").to_owned();
    let files = files(folder).into_iter().filter(|path| is_in(&inside(path))).map(|path| {
        let content = fs::read(&path).expect("a file");
        let is_executable = fs::metadata(&path).expect("metadata").permissions().mode() & 0o100 != 0;
        TreeFile {
            path: inside(&path).to_str().expect("our names are text").as_bytes().to_vec(),
            mode: if is_executable { Mode::Executable } else { Mode::File },
            size_bytes: content.len() as u64,
            content: Some(content),
        }
    });
    Tree::new(files.collect())
}

#[test]
fn the_gate_has_nothing_to_say() {
    let policy = Policy::default();
    for plugin in children(&plugins_folder()) {
        let expected = PluginName::parse(name(&plugin)).expect("a name");
        let verdict = judge(&tree(&plugin, |_| true), &Context { expected_name: Some(&expected), policy: &policy });
        assert!(verdict.findings.is_empty(), "{}: {:#?}", name(&plugin), verdict.findings);
    }
}

#[test]
fn the_policy_names_rules_that_exist() {
    let text = read(&plugins_folder().parent().expect("the template").join("policy.toml"));
    // The examples are comments, indented by three blanks.
    let examples: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("#   ")).filter(|line| line.contains(" = ")).collect();
    assert!(examples.len() >= 3, "{examples:?}");
    Policy::parse(&format!("[rules]\n{}", examples.join("\n"))).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_template_makes_a_valid_registry() {
    let folder = plugins_folder().parent().expect("the template").to_owned();
    let template = tree(&folder, |path| !path.starts_with("plugins"));
    let tenant = "0192d5a0-0000-7000-8000-000000000001".parse().expect("an id");
    let name = TenantName::parse("acme").expect("a name");
    let admin = MemberId::parse("ana").expect("an id");
    let first = genesis(&template, tenant, &name, &admin);
    assert!(first.get("members/README.md").is_some(), "what explains a folder comes along");
    let registry = Registry::read(&first).unwrap_or_else(|findings| panic!("{findings:#?}"));
    assert_eq!((registry.tenant, registry.title.as_str()), (tenant, "acme"));
    assert_eq!(registry.visibility, Visibility::Private);
    // The values that policy.toml shows are the defaults, as it says.
    assert_eq!(registry.gate, Policy::default());
    assert_eq!(registry.protection, Protection::default());
    assert_eq!(registry.certificates, CertificateDemand::default());
}

#[test]
fn it_has_every_kind_of_component() {
    let plugins = children(&plugins_folder());
    let count: usize = plugins.iter().map(|plugin| items(plugin).len()).sum();
    assert!(plugins.len() >= 10 && count >= 36, "{} plugins with {count} items", plugins.len());
    for kind in ["hooks/hooks.json", ".mcp.json", "output-styles", "agents", "commands", "skills"] {
        assert!(plugins.iter().any(|plugin| plugin.join(kind).exists()), "no plugin has {kind}");
    }
    assert!(!scripts().is_empty());
}

#[test]
fn manifests_are_complete() {
    for plugin in children(&plugins_folder()) {
        let manifest: Value = serde_json::from_str(&read(&plugin.join(".claude-plugin/plugin.json"))).expect("JSON");
        assert_eq!(manifest["name"], name(&plugin));
        assert_eq!(manifest["version"], "1.0.0");
        assert_eq!(manifest["author"], json!({ "name": "skill-pool" }));
        assert_eq!(manifest["license"], "Apache-2.0");
        let description = manifest["description"].as_str().expect("a description");
        assert!((40..=250).contains(&description.chars().count()), "{}: {description}", name(&plugin));
        assert!(manifest["keywords"].as_array().is_some_and(|keywords| keywords.len() >= 3), "{}", name(&plugin));
        let readme = read(&plugin.join("README.md"));
        assert!(readme.split_whitespace().count() >= 40, "the README of {} is too short", name(&plugin));
        for item in items(&plugin) {
            let file = if name(&item) == "SKILL.md" { item.parent().expect("a folder") } else { &item };
            let word = name(file).trim_end_matches(".md");
            assert!(readme.contains(&format!("`{word}`")), "the README of {} does not name {word}", name(&plugin));
        }
    }
}

#[test]
fn items_say_what_and_when_in_few_words() {
    for path in children(&plugins_folder()).iter().flat_map(|plugin| items(plugin)) {
        let text = read(&path);
        let fields = front_matter(&text);
        let place = path.display();
        let description = fields.get("description").unwrap_or_else(|| panic!("{place} has no description"));
        assert!((40..=250).contains(&description.chars().count()), "{place}: {}", description.chars().count());
        assert!(text.lines().count() < 200, "{place} has {} lines", text.lines().count());
        let parent = path.parent().expect("a folder");
        if name(&path) == "SKILL.md" {
            assert_eq!(fields.get("name"), Some(&name(parent)), "{place}");
            assert!(description.contains("Use "), "{place} does not say when to use it");
        } else if name(parent) == "agents" {
            assert_eq!(fields.get("name").copied(), name(&path).strip_suffix(".md"), "{place}");
            assert!(description.contains("Use "), "{place} does not say when to use it");
        }
    }
}

#[test]
fn scripts_are_executable_and_explain_themselves() {
    for script in scripts() {
        let mode = fs::metadata(&script).expect("metadata").permissions().mode();
        assert_ne!(mode & 0o111, 0, "{} is not executable", script.display());
        let output = run(&script, &std::env::temp_dir(), &["--help"], "");
        assert!(output.status.success(), "{} --help: {}", script.display(), String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).to_lowercase().starts_with("usage: "), "{}", script.display());
    }
}

#[test]
fn every_file_of_a_skill_is_named_in_it() {
    for skill in children(&plugins_folder()).iter().flat_map(|plugin| children(&plugin.join("skills"))) {
        let text = read(&skill.join("SKILL.md"));
        for file in files(&skill).iter().filter(|file| name(file) != "SKILL.md") {
            let inside = file.strip_prefix(&skill).expect("inside").to_str().expect("text");
            assert!(text.contains(inside), "{}/SKILL.md does not name {inside}", skill.display());
        }
        // Brackets before a parenthesis also occur in code; those hold blanks or no path.
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| link.contains('/') && !link.contains(' ')) {
            assert!(link.starts_with("http") || skill.join(link).exists(), "{} links to {link}", skill.display());
        }
    }
}

#[test]
fn the_hook_tells_the_state_and_never_fails() {
    let hook = plugins_folder().join("git-hygiene/hooks/session-note.sh");
    let folder = tempfile::tempdir().expect("a folder");
    let event = r#"{"hook_event_name":"SessionStart","source":"startup"}"#;
    let outside = run(&hook, folder.path(), &[], event);
    assert!(outside.status.success() && outside.stdout.is_empty(), "outside a repository it says nothing");

    git(folder.path(), &["init", "--quiet"]);
    fs::write(folder.path().join("new.txt"), "x").expect("a file");
    let inside = run(&hook, folder.path(), &[], event);
    let text = String::from_utf8_lossy(&inside.stdout).into_owned();
    assert!(inside.status.success());
    assert_eq!(text, "git: on branch main, no upstream\ngit: uncommitted: 0 staged, 0 changed, 1 untracked\n");

    fs::write(folder.path().join(".git/HEAD"), "broken").expect("a file");
    let broken = run(&hook, folder.path(), &[], event);
    assert!(broken.status.success() && broken.stdout.is_empty(), "a broken repository is no reason to fail");
}

/// Asks the SQLite server a list of requests and returns its answers.
fn ask_sqlite(folder: &Path, requests: &[Value]) -> Vec<Value> {
    let server = plugins_folder().join("sqlite-explorer/servers/sqlite_server.py");
    let input: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let output = run(&server, folder, &[], &input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_sqlite_server_reads_and_only_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let outside = tempfile::tempdir().expect("a folder");
    for place in [folder.path(), outside.path()] {
        let database = rusqlite::Connection::open(place.join("shop.db")).expect("a database");
        database
            .execute_batch("CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO item VALUES (1, 'tea')")
            .expect("a table");
    }
    let query = |id: u32, sql: &str| {
        let arguments = json!({ "database": "shop.db", "sql": sql });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "query", "arguments": arguments } })
    };
    let stranger = outside.path().join("shop.db");
    let arguments = json!({ "database": stranger.to_str() });
    let answers = ask_sqlite(
        folder.path(),
        &[
            json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-06-18" } }),
            json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
            json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }),
            query(3, "SELECT name FROM item"),
            query(4, "DELETE FROM item"),
            query(5, "ATTACH 'other.db' AS other"),
            json!({ "jsonrpc": "2.0", "id": 6, "method": "tools/call", "params": { "name": "describe", "arguments": arguments } }),
            json!({ "jsonrpc": "2.0", "id": 7, "method": "server/discover" }),
        ],
    );
    let ids: Vec<u64> = answers.iter().filter_map(|answer| answer["id"].as_u64()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7], "one answer for each request and none for the notification");
    assert_eq!(answers[0]["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answers[1]["result"]["tools"].as_array().map(Vec::len), Some(3));
    assert_eq!(answers[2]["result"]["content"][0]["text"], "| name |\n|---|\n| tea |");
    for refused in &answers[3..6] {
        assert_eq!(refused["result"]["isError"], true, "{refused}");
    }
    assert_eq!(answers[6]["error"]["code"], -32601);
    let database = rusqlite::Connection::open(folder.path().join("shop.db")).expect("a database");
    let left: u32 = database.query_row("SELECT count(*) FROM item", [], |row| row.get(0)).expect("a count");
    assert_eq!(left, 1, "nothing was deleted");
}

#[test]
fn scripts_do_what_their_skills_promise() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let check = |script: &str, arguments: &[&str], input: &str, code: i32, expected: &[&str]| {
        let output = run(&plugins_folder().join(script), here, arguments, input);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{script} {arguments:?}: {text}");
        for part in expected {
            assert!(text.contains(part), "{script} {arguments:?} does not say {part:?}:\n{text}");
        }
    };
    let write = |path: &str, text: &str| {
        let path = here.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };

    git(here, &["init", "--quiet"]);
    write("a.txt", "1");
    git(here, &["add", "."]);
    git(here, &["commit", "--quiet", "--message", "start"]);
    git(here, &["tag", "v1.0.0"]);
    git(here, &["switch", "--quiet", "--create", "topic"]);
    write("db/migrations/1.sql", "x");
    write("docs/a.md", "x");
    git(here, &["add", "."]);
    git(here, &["commit", "--quiet", "--message", "feat!: new table"]);
    let map = "code-review/skills/review-change/scripts/change-map";
    check(map, &[], "", 0, &["1\tdata", "8\tdocs", "2 files, 1 lines outside tests"]);
    check(map, &["HEAD"], "", 1, &["nothing changed"]);
    check(map, &["nope"], "", 2, &["no common commit"]);
    let since = "releases/skills/write-changelog/scripts/commits-since";
    check(since, &[], "", 0, &["# v1.0.0 to ", "## breaking (1)", "feat!: new table"]);
    check(since, &["HEAD"], "", 1, &["no commits since HEAD"]);

    let message = "git-hygiene/skills/write-commit-message/scripts/check-message";
    check(message, &[], "store: retry lost writes\n\nWhy.\n", 0, &[]);
    check(message, &[], "Fixed stuff.\nx\n", 1, &["1: no full stop", "2: leave the second line empty"]);

    let repeat = "testing/skills/fix-flaky-test/scripts/repeat-test";
    check(repeat, &["--runs", "3", "--", "true"], "", 0, &["0 of 3 runs failed"]);
    write("odd.sh", "n=$(cat n 2>/dev/null); echo x$n > n; [ \"$n\" != x ] || { echo boom; exit 3; }");
    check(repeat, &["--runs", "3", "--", "sh", "odd.sh"], "", 1, &["1 of 3 runs failed", "exit 3", "boom"]);
    check(repeat, &["true"], "", 2, &["is the '--' missing?"]);

    write("api.log", "2026-03-14T09:01:02Z up\n  more\n");
    write("chat.txt", "[2026-03-14 11:00] Ana: down\n");
    let merge = "incidents/skills/incident-timeline/scripts/merge-timeline";
    let expected = ["| 2026-03-14 09:00:00 | chat.txt | Ana: down |\n| 2026-03-14 09:01:02 | api.log | up / more |"];
    check(merge, &["--zone", "chat.txt=+02:00", "api.log", "chat.txt"], "", 0, &expected);

    let html = "accessibility/skills/audit-page/scripts/check-html";
    check(html, &[], "<img src=x><h1>a</h1><h3>b</h3>", 1, &["image-alt (1.1.1)", "heading-jump"]);
    check(html, &[], "<h1>a</h1><img src=x alt=y>", 0, &[]);
    let contrast = "accessibility/skills/check-contrast/scripts/contrast";
    check(contrast, &["#000", "#fff"], "", 0, &["pass 21.00:1"]);
    check(contrast, &["#777", "#fff"], "", 1, &["FAIL 4.47:1", "#767676"]);

    write("random.py", "");
    let from = "python/skills/fix-imports/scripts/where-from";
    check(from, &["random"], "", 0, &["WARNING    this file has the name of a standard module"]);
    check(from, &["no_such_module"], "", 1, &["nowhere"]);

    let first = "ci/skills/read-ci-failure/scripts/first-error";
    check(first, &[], "a\nerror: no\nb\n", 0, &["line 2", ">      2 error: no"]);
    check(first, &[], "all fine, 0 errors\n", 1, &["no line looks like an error"]);
    let workflow = "ci/skills/harden-workflow/scripts/check-workflow";
    write(
        "w.yml",
        "on: push\njobs:\n  a:\n    steps:\n      - run: echo ${{ github.event.issue.title }}\n      - uses: a/b@v1\n",
    );
    check(workflow, &["w.yml"], "", 1, &["w.yml:5: injection", "w.yml:6: unpinned", "w.yml:1: permissions"]);
    let pinned = format!("permissions: {{}}\njobs:\n  a:\n    steps:\n      - uses: a/b@{}\n", "0a".repeat(20));
    write("ok.yml", &pinned);
    check(workflow, &["ok.yml"], "", 0, &[]);

    write("page.md", "# Top\n[a](#top) [b](#none) [c](gone.md)\n");
    let links = "docs/skills/write-readme/scripts/check-links";
    check(links, &["page.md"], "", 1, &["page.md:2: #none", "there is no gone.md", "2 broken"]);
    let decision = "docs/skills/record-decision/scripts/new-decision";
    check(decision, &["Use & keep"], "", 0, &["docs/decisions/0001-use-keep.md"]);
    check(decision, &["Second"], "", 0, &["docs/decisions/0002-second.md"]);
    assert!(read(&here.join("docs/decisions/0001-use-keep.md")).starts_with("# 1. Use & keep\n"));
}
