//! The hooks for people's machines: what they say, and that they never stand in the way.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

fn hook(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("hooks").join(name)
}

/// Answers each connection with `answer`, or keeps it open without a word.
fn registry(answer: Option<&str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let answer = answer.map(str::to_owned);
    // Lives until the test binary ends; the port is given back then.
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for mut stream in listener.incoming().flatten() {
            match &answer {
                Some(answer) => {
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = stream.write_all(answer.as_bytes());
                }
                None => silent.push(stream),
            }
        }
    });
    address
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Claude Code's files on a machine that has installed three plugins from `acme` at this address.
fn machine(address: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("http://{address}/t/acme/.claude-plugin/marketplace.json");
    let known = format!(
        r#"{{"acme": {{"source": {{"source": "url", "url": "{url}", "headers": {{"Authorization": "Bearer t"}}}}}},
            "else": {{"source": {{"source": "github", "repo": "a/b"}}}}}}"#
    );
    let installed = r#"{"version": 2, "plugins": {"lint@acme": [{"scope": "user", "version": "1.0.0"}],
        "same@acme": [{"version": "2.0.0"}], "gone@acme": [{"version": "1.0.0"}], "lint@else": [{"version": "0.1.0"}]}}"#;
    fs::write(folder.path().join("known_marketplaces.json"), known).expect("a file");
    fs::write(folder.path().join("installed_plugins.json"), installed).expect("a file");
    folder
}

fn start_session(machine: &Path, arguments: &[&str]) -> Output {
    Command::new(hook("session-start.sh"))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", machine)
        .env("NO_PROXY", "*")
        .env("CLAUDE_CODE_PLUGIN_CACHE_DIR", machine)
        .stdin(Stdio::null())
        .output()
        .expect("a shell")
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "a session never fails by the hook: {output:?}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

#[test]
fn a_session_is_told_what_is_not_current() {
    let catalog = r#"{"name": "acme", "owner": {"name": "A \"quoted\" one \\"}, "plugins": [
        {"name": "lint", "version": "1.1.0", "author": {"name": "x"}}, {"name": "same", "version": "2.0.0"}]}"#;
    let machine = machine(&registry(Some(&http("200 OK", catalog))));
    let expected = "skill-pool: acme: lint 1.0.0 -> 1.1.0; update with: claude plugin update lint@acme. \
                    no longer in the catalog: gone";
    assert_eq!(told(&start_session(machine.path(), &["--text"])), expected);
    let json: serde_json::Value = serde_json::from_str(&told(&start_session(machine.path(), &[]))).expect("JSON");
    assert_eq!(json, serde_json::json!({ "systemMessage": expected }));
    assert_eq!(
        told(&start_session(machine.path(), &["--text", "else"])),
        "",
        "another kind of marketplace is left alone"
    );
}

#[test]
fn a_session_is_told_that_the_registry_is_away() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").to_string()
    };
    let away = "skill-pool: acme: the registry does not answer; what is installed keeps working";
    assert_eq!(told(&start_session(machine(&closed).path(), &["--text"])), away);
    let broken = registry(Some(&http("500 Internal Server Error", "x")));
    assert_eq!(told(&start_session(machine(&broken).path(), &["--text"])), away);
    let shut = registry(Some(&http("401 Unauthorized", "x")));
    assert!(told(&start_session(machine(&shut).path(), &["--text"])).contains("does not accept the stored credential"));
}

#[test]
fn a_session_does_not_wait_for_a_silent_registry() {
    let machine = machine(&registry(None));
    let start = Instant::now();
    let said = told(&start_session(machine.path(), &["--text"]));
    assert_eq!(said, "skill-pool: the registry did not answer within 2 seconds; what is installed keeps working");
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
}

#[test]
fn a_session_hears_nothing_when_the_hook_cannot_work() {
    let machine = machine("127.0.0.1:9");
    let known = machine.path().join("known_marketplaces.json");
    for text in ["", "{", "[]", "null", "{\"acme\": {\"source\": {\"source\": \"url\", \"url\": \"--help\"}}}"] {
        fs::write(&known, text).expect("a file");
        assert_eq!(told(&start_session(machine.path(), &["--text"])), "", "with {text:?}");
    }
    fs::write(&known, vec![0xff; 100_000]).expect("a file");
    assert_eq!(told(&start_session(machine.path(), &[])), "");
    fs::remove_file(&known).expect("it is there");
    assert_eq!(told(&start_session(machine.path(), &[])), "");
    assert_eq!(told(&start_session(machine.path(), &["--text", "../acme"])), "", "a wrong name is no path");
}

/// Runs the pre-push hook in a repository of a plugin with a `skill-pool` that ends with `code`.
fn push(code: Option<i32>, refs: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "init.defaultBranch=main"]);
        command
            .args(arguments)
            .current_dir(folder.path())
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
        let output = command.output().expect("git");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    git(&["init", "--quiet"]);
    fs::create_dir(folder.path().join(".claude-plugin")).expect("a folder");
    fs::write(folder.path().join(".claude-plugin/plugin.json"), "{}").expect("a file");
    fs::write(folder.path().join("run.sh"), "#!/bin/sh\n").expect("a file");
    fs::set_permissions(folder.path().join("run.sh"), fs::Permissions::from_mode(0o755)).expect("a mode");
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "first"]);
    fs::write(folder.path().join("uncommitted.txt"), "x").expect("a file");
    let id = git(&["rev-parse", "HEAD"]);

    let seen = folder.path().join("seen");
    let program = folder.path().join("judge");
    if let Some(code) = code {
        let script = format!(
            "#!/bin/sh\necho \"$1 $(cd \"$2\" && find . -type f | sort | tr '\\n' ' ')$(test -x \"$2/run.sh\" && echo x)\" >> {}\nexit {code}\n",
            seen.display()
        );
        fs::write(&program, script).expect("a file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    let mut child = Command::new(hook("pre-push"))
        .args(["origin", "http://127.0.0.1/t/acme/git/plugins/lint.git"])
        .current_dir(folder.path())
        .env("SKILL_POOL", &program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    let refs = refs.replace("ID", &id);
    child.stdin.take().expect("stdin is piped").write_all(refs.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said, fs::read_to_string(seen).unwrap_or_default())
}

const ZERO: &str = "0000000000000000000000000000000000000000";

#[test]
fn pre_push_maps_every_answer_on_purpose() {
    let main = format!("refs/heads/main ID refs/heads/main {ZERO}\n");
    let (code, _, seen) = push(Some(0), &main);
    assert_eq!(code, Some(0));
    assert_eq!(
        seen, "validate ./.claude-plugin/plugin.json ./run.sh x\n",
        "the commit's files with their modes, no others"
    );
    let (code, said, _) = push(Some(1), &main);
    assert_eq!(code, Some(1));
    assert!(said.contains("refs/heads/main would be refused"), "{said}");
    for trouble in [2, 3, 4, 101] {
        let (code, said, _) = push(Some(trouble), &main);
        assert_eq!(code, Some(0), "code {trouble} is no verdict");
        assert!(said.contains(&format!("ended with {trouble}")), "{said}");
    }
    let (code, said, _) = push(None, &main);
    assert_eq!(code, Some(0));
    assert!(said.contains("is not installed"), "{said}");
}

#[test]
fn pre_push_looks_at_what_the_gate_will_look_at() {
    let seen = |refs: &str| push(Some(1), refs);
    let review = format!("HEAD ID refs/for/main {ZERO}\n");
    assert_eq!(seen(&review).0, Some(1));
    for refs in [
        format!("refs/heads/topic ID refs/heads/topic {ZERO}\n"),
        format!("refs/tags/x ID refs/tags/x {ZERO}\n"),
        format!("(delete) {ZERO} refs/heads/main ID\n"),
        String::new(),
    ] {
        let (code, _, judged) = seen(&refs);
        assert_eq!((code, judged.as_str()), (Some(0), ""), "{refs}");
    }
    let twice = format!("refs/heads/a ID refs/heads/main {ZERO}\nrefs/heads/b ID refs/for/main {ZERO}\n");
    assert_eq!(seen(&twice).2.lines().count(), 1, "one commit is judged once");
}
