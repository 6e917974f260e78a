use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread::JoinHandle;

use crate::world::World;

/// A registry that answers one request of a good token and refuses others, and tells what it was asked.
fn registry(requests: usize) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/t/acme", listener.local_addr().expect("an address"));
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("read") == 1 {
                request.push(byte[0]);
            }
            let request = String::from_utf8(request).expect("UTF-8");
            let body = "{\"tenant\": \"acme\", \"member\": \"mara\", \"role\": \"publisher\", \"power\": [\"read\", \"publish\"]}";
            let good = request.to_ascii_lowercase().contains("authorization: bearer good-token");
            let (status, body) = if good { ("200 OK", body) } else { ("401 Unauthorized", "{}") };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).expect("answered");
            asked.push(request.lines().next().unwrap_or_default().to_owned());
        }
        asked
    });
    (url, thread)
}

#[test]
fn a_good_token_is_kept_and_git_uses_it_for_that_tenant_alone() {
    let world = World::new();
    let (url, thread) = registry(1);
    // Another helper of the person must neither be asked nor told.
    assert_eq!(
        world
            .git(
                &[
                    "config",
                    "--global",
                    "credential.helper",
                    "!echo password=leaked; echo username=x; cat >> asked; true"
                ],
                ""
            )
            .code,
        0
    );
    let run = world.run(&["login", &url], "good-token\n");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stderr.starts_with("Logged in to `acme` as `mara` (publisher, token may read, publish)\n"),
        "{}",
        run.stderr
    );
    assert!(!run.stdout.contains("good-token") && !run.stderr.contains("good-token"));
    assert_eq!(thread.join().expect("asked"), ["GET /t/acme/api/v1/whoami HTTP/1.1"]);
    let file = world.path("config/skill-pool/credentials.toml");
    assert_eq!(std::fs::metadata(&file).expect("kept").permissions().mode() & 0o777, 0o600);

    let host = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a host").0;
    let fill = |path: &str| world.git(&["credential", "fill"], &format!("protocol=http\nhost={host}\npath={path}\n\n"));
    let own = fill("t/acme/git/plugins/lint.git");
    assert!(own.stdout.contains("username=mara\npassword=good-token\n"), "{own:?}");
    let marketplace = fill("t/acme/git/marketplace.git");
    assert!(marketplace.stdout.contains("password=good-token"), "{marketplace:?}");
    for path in ["t/other/git/plugins/lint.git", "t/acme-two/git/x.git", "x"] {
        let other = fill(path);
        assert!(!other.stdout.contains("good-token"), "{path}: {other:?}");
    }
    // Telling git that the credential worked or failed changes nothing that is kept, and reaches no other helper.
    let approve = format!("protocol=http\nhost={host}\npath=t/acme/git/a.git\nusername=mara\npassword=good-token\n\n");
    assert_eq!(world.git(&["credential", "approve"], &approve).code, 0);
    assert_eq!(world.git(&["credential", "reject"], &approve).code, 0);
    assert!(fill("t/acme/git/a.git").stdout.contains("good-token"));
    assert!(!std::fs::read_to_string(world.path("asked")).unwrap_or_default().contains("good-token"));
}

#[test]
fn a_token_that_is_not_accepted_is_not_kept() {
    let world = World::new();
    let (url, thread) = registry(1);
    let run = world.run(&["login", "--json", &url, "--token", "bad-token"], "");
    assert_eq!(run.code, 4);
    assert!(run.stdout.contains("\"exit\":4") && run.stderr.contains("does not accept this token"), "{run:?}");
    assert!(!run.stderr.contains("bad-token") && !run.stdout.contains("bad-token"));
    thread.join().expect("asked");
    assert!(!world.path("config/skill-pool").exists());
    assert!(!world.path(".gitconfig").exists());
}

#[test]
fn logging_in_again_replaces_what_was_written() {
    let world = World::new();
    let (url, thread) = registry(2);
    for _ in 0..2 {
        let run = world.run(&["login", "--json", &url, "--token", "good-token"], "");
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.stdout.contains("\"member\":\"mara\""), "{}", run.stdout);
    }
    thread.join().expect("asked");
    let config = std::fs::read_to_string(world.path(".gitconfig")).expect("written");
    assert_eq!(config.matches("credential\n").count() + config.matches("credential\"").count(), 1, "{config}");
    assert_eq!(config.matches("helper =").count(), 2, "{config}");
}

#[test]
fn what_cannot_be_right_is_said_before_anything_is_sent() {
    let world = World::new();
    for (arguments, code, words) in [
        (&["login", "skills.example.com", "--token", "x"][..], 2, "an address begins with https://"),
        (&["login", "http://skills.example.com", "--token", "x"], 2, "anybody on the way can read"),
        (&["login", "http://127.0.0.1:9/t/acme", "--token", "two words"], 2, "a token is one word"),
        (&["login", "http://127.0.0.1:9/t/acme"], 2, "a token is one word"),
        (&["login", "http://127.0.0.1:9/t/acme", "--token", "x"], 3, "could not reach"),
    ] {
        let run = world.run(arguments, "");
        assert_eq!(run.code, code, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
    }
}
