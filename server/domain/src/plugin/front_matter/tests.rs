use super::*;
use proptest::prelude::*;

/// `kind@line:column` of each problem, and the fields read as `key=value`.
fn read(block: &str) -> (Vec<String>, Vec<String>) {
    let front = FrontMatter::read(&format!("---\n{block}---\nbody\n"));
    let kinds = front.problems.iter().map(|problem| {
        let kind = format!("{:?}", problem.kind);
        let word = kind.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        format!("{word}@{}", problem.at)
    });
    let fields = front.fields.as_ref().and_then(Node::map).unwrap_or_default();
    let shown = fields
        .iter()
        .map(|entry| format!("{}={}", entry.key, entry.node.scalar().unwrap_or_else(|| entry.node.kind().into())));
    (kinds.collect(), shown.collect())
}

fn check(block: &str, problems: &[&str], fields: &[&str]) {
    let (found, read) = read(block);
    assert_eq!(found, problems, "{block:?}");
    assert_eq!(read, fields, "{block:?}");
}

#[test]
fn sound_blocks_are_read_whole() {
    check("name: a\ndescription: \"b: c\"\n", &[], &["name=a", "description=b: c"]);
    check("name: a\r\ndescription: >-\r\n  b\r\n  c\r\n", &[], &["name=a", "description=b c"]);
    check("{\"name\": \"a\"}\n", &[], &["name=a"]);
    check("tools:\n- A\n- B\n", &[], &["tools=a list"]);
}

#[test]
fn values_that_need_quotes_are_recovered_where_the_client_does() {
    for value in [
        "Reviews code: finds bugs.",
        "[file] [--all]",
        "**Bold** claims",
        "*.rs files",
        "@team tool",
        "`x` files",
        "%-values",
        "{draft} x",
        "{\"a\":{\"b\":1}",
        ", and so on",
        "> a text",
        "| a text",
        "\"a: b\" and c: d",
        "& co",
        "Use: [a] when: b",
        "Uses: a, b, and:",
        "Use **this**:",
        "'a' b: c",
        "\"a: b\" c",
        "\"a\" b #c: d",
        "] x",
    ] {
        let block = format!("name: a\ndescription: {value}\nallowed-tools: Read\n");
        check(&block, &["Recovered@3:14"], &["name=a", &format!("description={value}"), "allowed-tools=Read"]);
    }
    check("m:\n\tteam: x\nn: 1\n", &["Recovered@3:1"], &["m=a map", "n=1"]);
    check("m:\r\n\t- x\r\n", &["Recovered@3:1"], &["m=a list"]);
    check("name:\ta\ndescription: \tb\n", &[], &["name=a", "description=b"]);
}

#[test]
fn keys_and_tabs_that_the_client_does_not_repair_are_refused() {
    check("a1: x: y\n", &["Yaml@2:5"], &["a1=x: y"]);
    check("a.b: x: y\n", &["Yaml@2:6"], &["a.b=x: y"]);
    check("a : x: y\n", &["Yaml@2:5"], &["a=x: y"]);
    check("a: {b: 1,\n\tc: 2}\n", &["Yaml@3:1"], &["a=a map"]);
    let (problems, _) = read("a: |\n\tx\n");
    assert!(problems.iter().all(|problem| problem.starts_with("Yaml")) && !problems.is_empty(), "{problems:?}");
}

#[test]
fn what_the_client_does_not_recover_loses_everything() {
    for value in [
        "Use for these:",
        "\"Invoice\" checks",
        "\"a \\d b\"",
        "'it's'",
        "- x: y",
        "? x: y",
        "[open",
        "\"open: b",
        "'it's: x'",
    ] {
        let block = format!("name: a\ndescription: {value}\nuser-invocable: false\n");
        let (problems, fields) = read(&block);
        assert_eq!(problems, ["Yaml@3:14"], "{value}");
        assert!(fields.contains(&"name=a".into()) && fields.contains(&"user-invocable=false".into()), "{value}");
    }
    check("name: a\ndescription: \"open\nx: y\n", &["Yaml@3:14"], &["name=a", "description=open", "x=y"]);
    check("name: a\nstray\n", &["Yaml@3:1"], &["name=a"]);
    check("name:a\nx: y\n", &["Yaml@2:1"], &["x=y"]);
    check("name: a\nm:\n  x: b: c\n", &["Yaml@4:7"], &["name=a"]);
    check("name: a\nd: b: c\n  more\n", &["Yaml@3:5"], &["name=a"]);
    check("name: a\r\nd: b: c\r\n", &["Yaml@3:4"], &["name=a", "d=b: c"]);
    check("name: a\rd: b\n", &["Yaml@2:8"], &["name=a", "d=b"]);
    check("a: 1\n...\n- b\n", &["Yaml@3:1", "Yaml@4:1"], &["a=1"]);
}

#[test]
fn what_readers_disagree_on_is_reported() {
    check("name: a\nname: b\n", &["DuplicateKey@3:1"], &["name=a", "name=b"]);
    check("name: a\nd: x: y\nname: b\n", &["Recovered@3:4", "DuplicateKey@4:1"], &["name=a", "d=x: y", "name=b"]);
    check("- a\n", &["NotMapping@2:1"], &[]);
    check("text\n", &["NotMapping@2:1"], &[]);
    check("", &["Missing@2:1"], &[]);
    check("# nothing\n", &["Missing@2:1"], &[]);
    let (problems, _) = read("a: &x b\nc: *x\n");
    assert!(problems.iter().all(|p| p.starts_with("Alias")) && problems.len() == 2, "{problems:?}");
    let (problems, _) = read("a: !word b\n");
    assert!(problems[0].starts_with("Tag"), "{problems:?}");
}

#[test]
fn dashes_inside_end_the_block_for_the_client() {
    let front = FrontMatter::read("---\nname: a\nd: b---c\nx: 1\ny: 2\n---\n");
    let [Problem { kind: ProblemKind::InnerMarker { lost }, at }] = &front.problems[..] else { panic!("{front:?}") };
    assert_eq!((lost.join(","), *at), ("x,y".into(), Position { line: 3, column: 5 }));
}

#[test]
fn size_and_depth_are_bounded() {
    let text = format!("---\nx: {}\n---\n", "a".repeat(FRONT_MATTER_BYTES_MAX));
    assert!(matches!(FrontMatter::read(&text).problems[0].kind, ProblemKind::TooLarge { .. }));
    let (problems, fields) = read(&format!("name: a\nx: {}{}\ny: 1\n", "[".repeat(6000), "]".repeat(6000)));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("TooDeep"));
    assert_eq!(fields, ["name=a", "y=1"]);
}

#[test]
fn the_body_begins_behind_the_block() {
    let text = "---\r\nname: a\r\n---\r\nbody";
    let front = FrontMatter::read(text);
    assert_eq!(&text[front.body..], "body");
    assert_eq!(front.lines, (2, 3));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(---\n)?[a-c:\\-\"'\\[\\]{}&*!|>#%@` \t\r\né]{0,80}(\n---\n)?") {
        let _ = FrontMatter::read(&text);
    }

    #[test]
    fn a_quoted_value_is_read_back(value in "[ -~é]{1,40}") {
        let value = value.trim();
        prop_assume!(!value.contains("---") && !value.starts_with('"'));
        let front = FrontMatter::read(&format!("---\nd: {}\n---\n", quote(value)));
        prop_assert!(front.problems.is_empty(), "{:?}", front.problems);
        prop_assert_eq!(front.get("d").and_then(Node::text), Some(value));
    }
}
