//! The few keys of a repository's configuration that git's own tests set.

use std::collections::HashMap;
use std::path::Path;

/// Values by key; section and name in lower case, subsections as they are.
#[derive(Debug, Default)]
pub struct GitConfig(HashMap<String, Vec<String>>);

impl GitConfig {
    /// Reads the configuration of the repository in `folder`; an unreadable one is empty.
    pub fn read(folder: &Path) -> Self {
        let text = std::fs::read(folder.join("config")).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&text))
    }

    fn parse(text: &str) -> Self {
        let mut values: HashMap<String, Vec<String>> = HashMap::new();
        let mut section = String::new();
        let joined = text.replace("\\\n", "");
        for line in joined.lines() {
            let mut line = line.trim();
            if let Some(rest) = line.strip_prefix('[') {
                let Some((name, after)) = rest.split_once(']') else { continue };
                section = match name.split_once('"') {
                    Some((name, sub)) => {
                        let sub = sub.trim_end_matches('"').replace("\\\"", "\"").replace("\\\\", "\\");
                        format!("{}.{sub}", name.trim().to_lowercase())
                    }
                    None => name.trim().to_lowercase(),
                };
                line = after.trim();
            }
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let (name, value) = match line.split_once('=') {
                Some((name, value)) => (name.trim(), unquote(value.trim())),
                None => (line, "true".to_owned()),
            };
            values.entry(format!("{section}.{}", name.to_lowercase())).or_default().push(value);
        }
        Self(values)
    }

    /// All values of `key`.
    pub fn all(&self, key: &str) -> &[String] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// The last value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.all(key).last().map(String::as_str)
    }

    /// The last value of `key` as yes or no.
    pub fn flag(&self, key: &str) -> Option<bool> {
        let value = self.get(key)?.to_lowercase();
        match value.as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" | "" => Some(false),
            number => number.parse::<i64>().ok().map(|number| number != 0),
        }
    }
}

fn unquote(value: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' => match characters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            '#' | ';' if !quoted => break,
            other => out.push(other),
        }
    }
    if quoted { out } else { out.trim_end().to_owned() }
}
