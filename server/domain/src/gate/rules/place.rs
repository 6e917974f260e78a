//! Where items lie: a skill in the wrong place is silently not loaded.

use std::collections::HashSet;

use super::{Findings, Rule, Seen};
use crate::tree::Mode;

const CASE: Rule = Rule::warn("skill-file-case", "place", "a skill's file in other capitals than SKILL.md");
const NOT_FOUND: Rule = Rule::warn("skill-not-found", "place", "a Markdown file directly in skills/");
const DEEP: Rule = Rule::warn("skill-too-deep", "place", "a skill in a folder of a folder");
const NESTED: Rule = Rule::warn("skill-nested", "place", "a skill below another skill");
const ROOT: Rule = Rule::warn("skill-root-ignored", "place", "a skill at the root beside skills/");

pub(super) const RULES: &[&Rule] = &[&CASE, &NOT_FOUND, &DEEP, &NESTED, &ROOT];

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let loaded: HashSet<&str> = seen.plugin.components.items.iter().map(|item| item.path.as_str()).collect();
    let skill_folders: HashSet<&str> =
        loaded.iter().filter_map(|path| path.strip_suffix("SKILL.md")).filter(|f| !f.is_empty()).collect();
    for file in seen.tree.files() {
        let Some(path) = file.path_str().filter(|path| !loaded.contains(path)) else { continue };
        if file.mode == Mode::Other(0o40000) {
            continue;
        }
        let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
        if name.eq_ignore_ascii_case("SKILL.md") {
            check_skill_file(path, folder, name, &skill_folders, findings);
        } else if folder == "skills"
            && name.to_ascii_lowercase().ends_with(".md")
            && !name.eq_ignore_ascii_case("readme.md")
        {
            let stem = &name[..name.len() - 3];
            let message = "a skill is a folder with a SKILL.md; this file is not loaded";
            let fix = format!("mkdir -p 'skills/{stem}' && git mv '{path}' 'skills/{stem}/SKILL.md'");
            findings.add(&NOT_FOUND, path, None, message, fix);
        }
    }
}

fn check_skill_file(path: &str, folder: &str, name: &str, skill_folders: &HashSet<&str>, findings: &mut Findings<'_>) {
    let depth = folder.split('/').count();
    let below_skills = folder.strip_prefix("skills/");
    // A case variant matters where a skill would be.
    if name != "SKILL.md" {
        if folder.is_empty() || (below_skills.is_some() && depth == 2) {
            let message = format!("`{name}` is not loaded: the name is SKILL.md in capitals");
            let to = if folder.is_empty() { "SKILL.md".to_owned() } else { format!("{folder}/SKILL.md") };
            findings.add(&CASE, path, None, message, format!("git mv '{path}' '{to}'"));
        }
        return;
    }
    if folder.is_empty() {
        let message = "the skill at the root is not loaded, because there is a folder skills/";
        let fix = "mkdir -p skills/main && git mv SKILL.md skills/main/SKILL.md";
        return findings.add(&ROOT, path, None, message, fix);
    }
    let own = folder.rsplit('/').next().unwrap_or(folder);
    let fix = format!("git mv '{folder}' 'skills/{own}'");
    let mut above = folder;
    while let Some((parent, _)) = above.rsplit_once('/') {
        above = parent;
        if skill_folders.contains(format!("{above}/").as_str()) {
            let message = format!("a skill below the skill in {above}/ is not loaded");
            return findings.add(&NESTED, path, None, message, fix);
        }
    }
    if below_skills.is_some() {
        let message = "skills lie one level below skills/; this one is not loaded";
        findings.add(&DEEP, path, None, message, fix);
    }
}

#[cfg(test)]
mod tests {
    use crate::gate::samples::{judged, plugin, rules_of};

    const SKILL: &str = "---\nname: tidy\ndescription: Tidies.\n---\nx\n";

    fn with(path: &str) -> Vec<&'static str> {
        rules_of(&plugin(&[("skills/tidy/SKILL.md", SKILL), (path, SKILL)]))
    }

    #[test]
    fn skills_that_are_not_loaded_are_told() {
        assert_eq!(with("skills/other/skill.md"), ["skill-file-case"]);
        assert_eq!(with("skills/other.md"), ["skill-not-found"]);
        assert_eq!(with("skills/group/other/SKILL.md"), ["skill-too-deep"]);
        assert_eq!(with("skills/tidy/inner/SKILL.md"), ["skill-nested"]);
        assert_eq!(with("skills/tidy/a/b/SKILL.md"), ["skill-nested"]);
        assert_eq!(with("SKILL.md"), ["skill-root-ignored"]);
        assert_eq!(with("skills/README.md"), [""; 0]);
        assert_eq!(with("templates/SKILL.md"), [""; 0]);
        assert_eq!(rules_of(&plugin(&[("SKILL.md", &SKILL.replace("tidy", "sample"))])), [""; 0]);
    }

    #[test]
    fn the_fix_moves_the_folder() {
        let verdict = judged(&plugin(&[("skills/group/other/SKILL.md", SKILL)]));
        let finding = verdict.findings.iter().find(|f| f.rule == "skill-too-deep").expect("found");
        assert_eq!(finding.fix, "git mv 'skills/group/other' 'skills/other'");
    }
}
