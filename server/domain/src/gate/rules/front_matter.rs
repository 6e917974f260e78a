//! The front matter of items: there, closed, and read alike by everybody.

use super::{Findings, Rule, Seen, text};
use crate::plugin::ItemKind;
use crate::plugin::front_matter::{FRONT_MATTER_BYTES_MAX, Problem, ProblemKind};
use crate::plugin::item::{Item, ItemState};
use crate::plugin::node::Position;

const MISSING: Rule =
    Rule::warn("frontmatter-missing", "frontmatter", "no front matter, so name and description are guessed");
const NOT_FIRST: Rule =
    Rule::warn("frontmatter-not-first", "frontmatter", "a block that does not begin on the first line");
const UNCLOSED: Rule = Rule::refuse("frontmatter-unclosed", "frontmatter", "a block that no `---` closes");
const INNER: Rule =
    Rule::refuse("frontmatter-inner-marker", "frontmatter", "three dashes inside the block, where the client ends it");
const RECOVERED: Rule = Rule::warn(
    "frontmatter-yaml-recovered",
    "frontmatter",
    "a value that needs quotes; Claude Code guesses, others drop the item",
);
const YAML: Rule =
    Rule::refuse("frontmatter-yaml", "frontmatter", "a block that is no YAML, so that all fields are lost");
const NOT_MAPPING: Rule = Rule::refuse("frontmatter-not-mapping", "frontmatter", "a list or text instead of fields");
const DUPLICATE: Rule = Rule::refuse("frontmatter-duplicate-key", "frontmatter", "a field that occurs twice");
const ALIAS: Rule = Rule::refuse("frontmatter-alias", "frontmatter", "an anchor, alias or merge key");
const TAG: Rule = Rule::refuse("frontmatter-tag", "frontmatter", "a YAML tag");
const LARGE: Rule = Rule::refuse("frontmatter-too-large", "frontmatter", "a block over 16 KiB");
const DEEP: Rule = Rule::refuse("frontmatter-too-deep", "frontmatter", "nesting deeper than 16");

pub(super) const RULES: &[&Rule] = &[
    &MISSING,
    &NOT_FIRST,
    &UNCLOSED,
    &INNER,
    &RECOVERED,
    &YAML,
    &NOT_MAPPING,
    &DUPLICATE,
    &ALIAS,
    &TAG,
    &LARGE,
    &DEEP,
];

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    for item in &seen.plugin.components.items {
        if item.bom {
            let message = "the file begins with a byte order mark, behind which some clients see no front matter";
            let fix = format!("sed -i '1s/^\\xEF\\xBB\\xBF//' '{}'", item.path);
            findings.add(&text::BOM, &item.path, Some(Position::START), message, fix);
        }
        if item.state == ItemState::Read {
            for problem in &item.front.problems {
                check_problem(item, problem, findings);
            }
        }
    }
}

fn check_problem(item: &Item, problem: &Problem, findings: &mut Findings<'_>) {
    let kind = item.kind.as_str();
    let (rule, message, fix) = match &problem.kind {
        ProblemKind::Missing => {
            let shown = match item.kind {
                ItemKind::Skill => "the folder's name and the first paragraph are shown",
                ItemKind::Agent | ItemKind::Command => "the file's name and the first paragraph are shown",
            };
            (&MISSING, format!("this {kind} has no front matter: {shown}"), template(item))
        }
        ProblemKind::NotFirst => {
            let message = format!("the front matter begins on line {}; the client takes it for text", problem.at.line);
            (&NOT_FIRST, message, "remove what stands before the first `---`".to_owned())
        }
        ProblemKind::Unclosed { after } => {
            let message = format!("no line `---` closes the front matter, so no client reads a field of this {kind}");
            (&UNCLOSED, message, format!("add a line `---` after line {after}"))
        }
        ProblemKind::InnerMarker { lost } => {
            let lost = match lost.as_slice() {
                [] => String::new(),
                [key] => format!("; the field `{key}` is lost"),
                keys => format!("; the fields `{}` are lost", keys.join("`, `")),
            };
            let message = format!("three dashes end the front matter here for the client{lost}");
            (&INNER, message, "write a long dash or `--` instead of the three dashes".to_owned())
        }
        ProblemKind::Recovered { message, fix } => (
            &RECOVERED,
            format!("{message}; Claude Code guesses, other clients drop this {kind}"),
            format!("write:  {fix}"),
        ),
        ProblemKind::Yaml { message, fix } => {
            let fix = match fix {
                Some(fix) => format!("write:  {fix}"),
                None => "write every field as  key: \"value\"  on a line of its own".to_owned(),
            };
            (&YAML, format!("{message}; the client loses all fields of this {kind}"), fix)
        }
        ProblemKind::NotMapping(found) => {
            (&NOT_MAPPING, format!("the front matter is {found}, where fields belong"), template(item))
        }
        ProblemKind::DuplicateKey(key) => (
            &DUPLICATE,
            format!("`{key}` occurs twice; readers differ on which one counts"),
            "leave one of them".to_owned(),
        ),
        ProblemKind::Alias(what) => {
            let message = format!("{what}: no skill needs one, and it can hide what a field says");
            (&ALIAS, message, "write the value itself, in quotes if it begins with `&` or `*`".to_owned())
        }
        ProblemKind::Tag(tag) => {
            let message = format!("the tag `{tag}` changes what the value is in some readers");
            (&TAG, message, "remove it, or put the value in quotes if it begins with `!`".to_owned())
        }
        ProblemKind::TooLarge { bytes } => {
            let message = format!("{bytes} bytes of front matter; at most {FRONT_MATTER_BYTES_MAX} are read");
            (&LARGE, message, "move data to a file beside it".to_owned())
        }
        ProblemKind::TooDeep => {
            (&DEEP, "lists and maps nested deeper than 16".to_owned(), "move data to a file beside it".to_owned())
        }
    };
    findings.add(rule, &item.path, Some(problem.at), message, fix);
}

fn template(item: &Item) -> String {
    let name = super::manifest::kebab(&item.place_name).unwrap_or_else(|| "name".to_owned());
    match item.kind {
        ItemKind::Command => "put on top:\n---\ndescription: \"What it does\"\n---".to_owned(),
        _ => format!("put on top:\n---\nname: {name}\ndescription: \"What it does. Use when …\"\n---"),
    }
}

#[cfg(test)]
mod tests {
    use crate::gate::samples::{judged, rules_of, skill};

    fn check(text: &str, expected: &str) {
        assert!(rules_of(&skill(text)).contains(&expected), "{text:?}: {:?}", rules_of(&skill(text)));
    }

    #[test]
    fn a_sound_skill_has_no_finding() {
        let text = "---\nname: tidy\ndescription: \"Tidies up: all of it.\"\n---\nBody\n";
        assert_eq!(rules_of(&skill(text)), [""; 0]);
        assert_eq!(rules_of(&skill(&text.replace('\n', "\r\n"))), [""; 0]);
    }

    #[test]
    fn each_way_to_lose_fields_has_its_rule() {
        check("Just text\n", "frontmatter-missing");
        check("\n---\nname: tidy\n---\n", "frontmatter-not-first");
        check("---\nname: tidy\n", "frontmatter-unclosed");
        check("---\nname: tidy\ndescription: a --- b\n---\n", "frontmatter-inner-marker");
        check("---\nname: tidy\ndescription: Finds: dust\n---\n", "frontmatter-yaml-recovered");
        check("---\nname: tidy\ndescription: Finds:\n---\n", "frontmatter-yaml");
        check("---\n- tidy\n---\n", "frontmatter-not-mapping");
        check("---\nname: tidy\nname: other\n---\n", "frontmatter-duplicate-key");
        check("---\nname: &a tidy\ndescription: *a\n---\n", "frontmatter-alias");
        check("---\nname: !x tidy\n---\n", "frontmatter-tag");
        check(&format!("---\nx: {}\n---\n", "y".repeat(17_000)), "frontmatter-too-large");
        check(&format!("---\nx: {}\n---\n", "[".repeat(40)), "frontmatter-too-deep");
        check("\u{feff}---\nname: tidy\n---\n", "bom");
    }

    #[test]
    fn the_fix_is_the_line_to_write() {
        let verdict = judged(&skill("---\nname: tidy\ndescription: Says \"hi\": often\n---\nx\n"));
        let finding = &verdict.findings[0];
        assert_eq!(finding.place(), "skills/tidy/SKILL.md:3:14");
        assert_eq!(finding.fix, "write:  description: \"Says \\\"hi\\\": often\"");
    }
}
