use serde_json::Value;

use crate::world::{Run, World};

const MANIFEST: &str = "{\"name\": \"sample\", \"version\": \"1.2.0\"}\n";
const SKILL: &str = "---\nname: tidy\ndescription: Tidies up. Use when asked.\n---\nTidy up.\n";

fn plugin(skill: &str) -> World {
    let world = World::new();
    world.write("plugin/.claude-plugin/plugin.json", MANIFEST);
    world.write("plugin/skills/tidy/SKILL.md", skill);
    world
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stdout))
}

#[test]
fn a_sound_plugin_is_accepted_in_words_and_as_data() {
    let world = plugin(SKILL);
    let run = world.run(&["validate", "plugin"], "");
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "accepted: sample 1.2.0 (1 item)\n", ""));
    let run = world.run(&["validate", "--json", "plugin"], "");
    let object = json(&run);
    assert_eq!((run.code, &object["outcome"]), (0, &Value::from("accept")));
    let item = &object["items"][0];
    assert_eq!(
        (&item["kind"], &item["name"], &item["path"]),
        (&"skill".into(), &"tidy".into(), &"skills/tidy/SKILL.md".into())
    );
    assert_eq!(item["description"], "Tidies up. Use when asked.");
    assert_eq!(object["plugin"]["version"], "1.2.0");
}

#[test]
fn a_refusal_says_what_where_why_and_what_to_do() {
    let world = plugin(&SKILL.replace("Tidies up. Use when asked.", "\"Tidies"));
    let run = world.run(&["validate", "plugin"], "");
    let expected = "refused: frontmatter-yaml   skills/tidy/SKILL.md:3:14\n  a double quote is opened and not closed; the client loses all fields\n  of this skill\n  write:  description: \"Tidies\"\n\nrefused: sample 1.2.0, for 1 reason\n";
    assert_eq!((run.code, run.stdout.as_str()), (1, expected));
    let run = world.run(&["validate", "--json", "plugin"], "");
    let object = json(&run);
    let finding = &object["findings"][0];
    assert_eq!((run.code, &finding["layer"], &finding["severity"]), (1, &"L0".into(), &"high".into()));
    assert_eq!(
        (&finding["rule"], &finding["line"], &finding["column"]),
        (&"frontmatter-yaml".into(), &3.into(), &14.into())
    );
}

#[test]
fn warnings_refuse_where_that_is_asked_for() {
    let world = plugin(&SKILL.replace("tidy", "Tidy Up"));
    assert_eq!(world.run(&["validate", "-q", "plugin"], "").code, 0);
    let run = world.run(&["validate", "-q", "--strict", "plugin"], "");
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (1, "", ""));
    let run = world.run(&["validate", "--json", "plugin"], "");
    assert_eq!(json(&run)["outcome"], "warn");
}

#[test]
fn a_policy_and_a_name_are_applied() {
    let world = plugin(SKILL);
    let policy = world.write("policy.toml", "[limits]\nfiles_max = 1\n");
    let policy = policy.to_str().expect("UTF-8");
    let run = world.run(&["validate", "--json", "--policy", policy, "--name", "other", "plugin"], "");
    let object = json(&run);
    let rules: Vec<&str> =
        object["findings"].as_array().expect("a list").iter().filter_map(|f| f["rule"].as_str()).collect();
    assert_eq!((run.code, rules), (1, vec!["too-many-files", "manifest-name"]));
    world.write("policy.toml", "[limits]\nfile_max = 1\n");
    let run = world.run(&["validate", "--policy", policy, "plugin"], "");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("did you mean `files_max`?"), "{}", run.stderr);
}

#[test]
fn what_git_ignores_is_not_judged() {
    let world = plugin(SKILL);
    assert_eq!(world.git(&["init", "-q", "plugin"], "").code, 0);
    world.write("plugin/.gitignore", "build/\n");
    world.write("plugin/build/aux.md", "x");
    let run = world.run(&["validate", "plugin"], "");
    assert_eq!((run.code, run.stdout.as_str()), (0, "accepted: sample 1.2.0 (1 item)\n"));
    world.write("plugin/.gitignore", "");
    assert_eq!(world.run(&["validate", "plugin"], "").code, 1);
}

#[test]
fn a_lone_skill_is_judged_as_one() {
    let world = World::new();
    world.write("tidy/SKILL.md", SKILL);
    let run = world.run(&["validate", "tidy"], "");
    assert_eq!((run.code, run.stdout.as_str()), (0, "accepted: this folder (1 item)\n"));
    assert!(run.stderr.contains("put the folder below skills/"), "{}", run.stderr);
}

#[test]
fn a_wrong_line_is_no_answer() {
    let world = World::new();
    let run = world.run(&["validate", "--json", "nowhere"], "");
    assert_eq!(run.code, 2);
    assert_eq!(json(&run)["error"]["exit"], 2);
    assert!(run.stderr.starts_with("error: could not read the folder\n"), "{}", run.stderr);
    assert_eq!(world.run(&["validate", "--no-such-flag"], "").code, 2);
    assert_eq!(world.run(&["fly"], "").code, 2);
    let help = world.run(&["validate", "--help"], "");
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("Examples:\n  skill-pool validate ."), "{}", help.stdout);
}

#[test]
fn nothing_of_the_folder_reaches_the_terminal_raw() {
    let world = plugin(SKILL);
    world.write("plugin/a\u{1b}[31mb.md", "x");
    for arguments in [&["validate", "plugin"][..], &["validate", "--json", "plugin"]] {
        let run = world.run(arguments, "");
        assert_eq!(run.code, 1);
        assert!(!run.stdout.contains('\u{1b}') && run.stdout.contains("u{1b}"), "{}", run.stdout);
    }
}
