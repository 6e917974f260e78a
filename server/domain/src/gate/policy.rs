//! What a tenant's `policy.toml` says to the gate: the level of each rule, and limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rules;

/// What a finding of a rule does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing: it is not reported.
    Off,
    /// It is reported, and the push goes on.
    Warn,
    /// It stops the push.
    Refuse,
}

/// Levels that differ from the rules' defaults, and limits.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Rule id to level, where it is not the default.
    rules: BTreeMap<String, Level>,
    /// Bounds on what one tree may hold.
    pub limits: Limits,
    /// What is let in that is refused by default.
    pub allow: Allow,
}

/// Bounds on what one tree may hold. A policy may set each up to its ceiling.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Files in the tree. Default 5,000, ceiling 50,000.
    pub files_max: u64,
    /// All files together, in bytes. Default 20 MiB, ceiling 200 MiB.
    pub tree_bytes_max: u64,
    /// One file, in bytes. Default 5 MiB, ceiling 50 MiB.
    pub file_bytes_max: u64,
    /// One Markdown or text file, in bytes: it is meant to be read into a context. Default and ceiling 1 MiB.
    pub text_bytes_max: u64,
    /// A skill, agent or command above this gets a warning, in bytes. Default 64 KiB, ceiling 1 MiB.
    pub item_bytes_warn: u64,
    /// Folders in a path and its file. Default 16, ceiling 32.
    pub path_depth_max: u64,
    /// A whole path, in bytes. Default 400, ceiling 1,024.
    pub path_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files_max: 5_000,
            tree_bytes_max: 20 << 20,
            file_bytes_max: 5 << 20,
            text_bytes_max: 1 << 20,
            item_bytes_warn: 64 << 10,
            path_depth_max: 16,
            path_bytes_max: 400,
        }
    }
}

/// What is let in that is refused by default.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Allow {
    /// Name endings of archives, executables and the like that may lie in a plugin, such as `zip`; lower case, no dot.
    pub file_types: Vec<String>,
}

/// The tables of `policy.toml` that this room reads.
pub const SECTIONS: &[&str] = &["rules", "limits", "allow"];

/// Why a `policy.toml` says nothing to the gate.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML.
    #[error("not TOML: {message} (line {line})")]
    Toml {
        /// The parser's words.
        message: String,
        /// Counted from 1.
        line: usize,
    },
    /// A key that nobody reads.
    #[error("[{section}] {key} is unknown{}", nearest_words(nearest))]
    Unknown {
        /// The table.
        section: &'static str,
        /// The key.
        key: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// A value of a wrong kind.
    #[error("[{section}] {key}: expected {expected}")]
    Value {
        /// The table.
        section: &'static str,
        /// The key.
        key: String,
        /// What may stand there.
        expected: String,
    },
    /// A rule that may not be loosened.
    #[error("[rules] {rule} = \"{level}\": this rule always refuses; leave the line out")]
    Fixed {
        /// The rule.
        rule: String,
        /// The level that was asked for.
        level: String,
    },
}

fn nearest_words(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

impl Policy {
    /// Reads the gate's tables of a `policy.toml`; other tables are left to their readers.
    ///
    /// # Errors
    /// [`PolicyError`] names the key.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let table: toml::Table = toml::from_str(text).map_err(|error| PolicyError::Toml {
            message: error.message().to_owned(),
            line: error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count()),
        })?;
        Self::from_table(&table)
    }

    /// As [`Self::parse`], from a table that was read already.
    ///
    /// # Errors
    /// [`PolicyError`] names the key.
    pub fn from_table(table: &toml::Table) -> Result<Self, PolicyError> {
        let mut policy = Self::default();
        for (key, value) in section(table, "rules")? {
            let Some(rule) = rules::find(&key) else {
                let nearest = crate::nearest::nearest(&key, rules::all().map(|rule| rule.id)).map(str::to_owned);
                return Err(PolicyError::Unknown { section: "rules", key, nearest });
            };
            let level = match value.as_str() {
                Some("off") => Level::Off,
                Some("warn") => Level::Warn,
                Some("refuse") => Level::Refuse,
                _ => {
                    let expected = "\"off\", \"warn\" or \"refuse\"".to_owned();
                    return Err(PolicyError::Value { section: "rules", key, expected });
                }
            };
            if rule.level == Level::Refuse && !rule.bends && level != Level::Refuse {
                return Err(PolicyError::Fixed { rule: key, level: value.as_str().unwrap_or_default().to_owned() });
            }
            policy.rules.insert(key, level);
        }
        policy.limits.read(section(table, "limits")?)?;
        policy.allow.read(section(table, "allow")?)?;
        Ok(policy)
    }

    /// What a finding of the rule `id` does by default or by this policy; [`Level::Warn`] for an id that is no rule.
    pub fn level(&self, id: &str) -> Level {
        self.set(id).unwrap_or_else(|| rules::find(id).map_or(Level::Warn, |rule| rule.level))
    }

    /// What this policy says about the rule `id`, if anything.
    pub fn set(&self, id: &str) -> Option<Level> {
        self.rules.get(id).copied()
    }
}

fn section(table: &toml::Table, name: &'static str) -> Result<toml::Table, PolicyError> {
    match table.get(name) {
        None => Ok(toml::Table::new()),
        Some(toml::Value::Table(table)) => Ok(table.clone()),
        Some(_) => Err(PolicyError::Value { section: name, key: String::new(), expected: format!("a table [{name}]") }),
    }
}

impl Limits {
    fn read(&mut self, table: toml::Table) -> Result<(), PolicyError> {
        let keys = [
            "files_max",
            "tree_bytes_max",
            "file_bytes_max",
            "text_bytes_max",
            "item_bytes_warn",
            "path_depth_max",
            "path_bytes_max",
        ];
        for (key, value) in table {
            let (field, ceiling) = match key.as_str() {
                "files_max" => (&mut self.files_max, 50_000),
                "tree_bytes_max" => (&mut self.tree_bytes_max, 200 << 20),
                "file_bytes_max" => (&mut self.file_bytes_max, 50 << 20),
                "text_bytes_max" => (&mut self.text_bytes_max, 1 << 20),
                "item_bytes_warn" => (&mut self.item_bytes_warn, 1 << 20),
                "path_depth_max" => (&mut self.path_depth_max, 32),
                "path_bytes_max" => (&mut self.path_bytes_max, 1_024),
                _ => {
                    let nearest = crate::nearest::nearest(&key, keys).map(str::to_owned);
                    return Err(PolicyError::Unknown { section: "limits", key, nearest });
                }
            };
            match value.as_integer().and_then(|n| u64::try_from(n).ok()) {
                Some(n) if (1..=ceiling).contains(&n) => *field = n,
                _ => {
                    let expected = format!("a whole number from 1 to {ceiling}");
                    return Err(PolicyError::Value { section: "limits", key, expected });
                }
            }
        }
        Ok(())
    }
}

impl Allow {
    fn read(&mut self, table: toml::Table) -> Result<(), PolicyError> {
        for (key, value) in table {
            if key != "file_types" {
                let nearest = crate::nearest::nearest(&key, ["file_types"]).map(str::to_owned);
                return Err(PolicyError::Unknown { section: "allow", key, nearest });
            }
            let plain =
                |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            let types: Option<Vec<String>> = value.as_array().and_then(|list| {
                list.iter().map(|v| v.as_str().filter(|text| plain(text)).map(str::to_owned)).collect()
            });
            let expected = || "a list of name endings such as [\"zip\"], lower case, without a dot".to_owned();
            self.file_types =
                types.ok_or_else(|| PolicyError::Value { section: "allow", key, expected: expected() })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Policy::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn a_policy_sets_levels_and_limits() {
        let text = "[rules]\nversion-missing = \"refuse\"\nversion-not-bumped = \"off\"\n[limits]\nfiles_max = 10\n[allow]\nfile_types = [\"zip\"]\n[other]\nx = 1\n";
        let policy = Policy::parse(text).expect("a policy");
        assert_eq!(policy.level("version-missing"), Level::Refuse);
        assert_eq!(policy.level("version-not-bumped"), Level::Off);
        assert_eq!(policy.level("path-escape"), Level::Refuse);
        assert_eq!(policy.limits.files_max, 10);
        assert_eq!(policy.allow.file_types, ["zip"]);
        let kept = serde_json::to_string(&policy).expect("JSON");
        assert_eq!(serde_json::from_str::<Policy>(&kept).expect("a policy"), policy);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        assert_eq!(
            error("[rules]\nversion-mising = \"warn\""),
            "[rules] version-mising is unknown; did you mean `version-missing`?"
        );
        assert_eq!(error("[limits]\nfile_max = 1"), "[limits] file_max is unknown; did you mean `files_max`?");
        assert_eq!(error("[allow]\nzebra = 1"), "[allow] zebra is unknown");
    }

    #[test]
    fn wrong_values_and_loosened_formats_are_refused() {
        assert_eq!(
            error("[rules]\npath-escape = \"warn\""),
            "[rules] path-escape = \"warn\": this rule always refuses; leave the line out"
        );
        assert_eq!(
            error("[rules]\nversion-missing = true"),
            "[rules] version-missing: expected \"off\", \"warn\" or \"refuse\""
        );
        assert_eq!(error("[limits]\nfiles_max = 0"), "[limits] files_max: expected a whole number from 1 to 50000");
        assert!(error("x = 1\n[rules\n").ends_with("(line 2)"));
        assert!(error("rules = 1").contains("a table [rules]"));
        assert!(error("[allow]\nfile_types = [\".ZIP\"]").contains("lower case"));
    }
}
