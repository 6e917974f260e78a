//! Where values come from, and what is said about those that do not fit.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use skill_pool_domain::nearest::nearest;
use toml::de::{DeTable, DeValue};

use super::setting::{Raw, quoted};
use super::{Config, ROOT, VARIABLE_PREFIX};

/// The longest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where values come from. The later fields win.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// What holds where nothing else is said.
    pub defaults: Config,
    /// The file.
    pub file: Option<PathBuf>,
    /// Variables of the environment; those without our prefix are ignored.
    pub variables: Vec<(String, String)>,
    /// Flags of the command line: section, key, text, and the flag's name for messages.
    pub flags: Vec<(&'static str, &'static str, String, &'static str)>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, and what would be right.
    pub what: String,
    /// File and line, variable or flag. Empty for values that do not fit together.
    pub place: String,
}

impl Problem {
    /// A problem without a place.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: String::new() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.place.is_empty() { Ok(()) } else { write!(f, " ({})", self.place) }
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl Sources {
    /// Puts all values into `config` and answers what did not fit.
    pub(super) fn apply(&self, config: &mut Config) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(path) = &self.file {
            let shown = path.display().to_string();
            match read_file(path) {
                Ok(text) => from_file(config, &text, &shown, &mut problems),
                Err(error) => problems.push(Problem::new(format!("could not read {shown}: {error}"))),
            }
        }
        let mut variables: Vec<_> = self.variables.iter().filter(|(name, _)| name.starts_with("SKILL_POOL_")).collect();
        variables.sort();
        for (name, value) in variables {
            from_variable(config, name, value, &mut problems);
        }
        for (section, key, value, flag) in &self.flags {
            if !set(config, section, key, &Raw::Text(value.clone())) {
                let expected = expects(config, section, key);
                problems.push(Problem::new(format!("{flag} {value}: expected {expected}")));
            }
        }
        problems
    }
}

fn read_file(path: &std::path::Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn set(config: &mut Config, section: &str, key: &str, raw: &Raw) -> bool {
    config.section_mut(section).is_some_and(|section| section.set(key, raw))
}

fn known(config: &Config, section: &str, key: &str) -> bool {
    let mut sections = config.sections().into_iter();
    sections.any(|(name, values)| name == section && values.keys().iter().any(|k| k.name == key))
}

fn expects(config: &Config, section: &str, key: &str) -> &'static str {
    let sections = config.sections();
    let found = sections.iter().find(|(name, _)| *name == section);
    found.and_then(|(_, values)| values.keys().iter().find(|k| k.name == key)).map_or("", |k| k.expects)
}

fn path_of(section: &str, key: &str) -> String {
    if section == ROOT { key.to_owned() } else { format!("[{section}] {key}") }
}

/// The hint of a key that does not exist: the nearest one, in its section or in any.
fn unknown_key(config: &Config, section: &str, key: &str) -> String {
    let sections = config.sections();
    let within = sections.iter().filter(|(name, _)| *name == section);
    let near = nearest(key, within.flat_map(|(_, values)| values.keys().iter().map(|k| k.name)));
    let elsewhere = || {
        let found = sections.iter().find(|(_, values)| values.keys().iter().any(|k| k.name == key));
        found.map(|(name, _)| path_of(name, key))
    };
    let what = path_of(section, key);
    match near.map(|near| path_of(section, near)).or_else(elsewhere) {
        Some(near) => format!("{what} is not a key; did you mean {near}?"),
        None => format!("{what} is not a key; `skill-pool-server config print` shows all of them"),
    }
}

fn from_file(config: &mut Config, text: &str, file: &str, problems: &mut Vec<Problem>) {
    let line_of = |offset: usize| text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1;
    let place = |offset: usize| format!("{file}:{}", line_of(offset));
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            let message = error.message().replace('\n', " ");
            problems.push(Problem { what: format!("this is not TOML: {message}"), place: place(offset) });
            return;
        }
    };
    let mut one = |section: &str, key: &str, at: usize, value: &DeValue<'_>, problems: &mut Vec<Problem>| {
        if !known(config, section, key) {
            problems.push(Problem { what: unknown_key(config, section, key), place: place(at) });
        } else if !set(config, section, key, &raw(value)) {
            let what = format!(
                "{} = {}: expected {}",
                path_of(section, key),
                shown(&raw(value)),
                expects(config, section, key)
            );
            problems.push(Problem { what, place: place(at) });
        }
    };
    let section_names: Vec<&str> = Config::default().sections().iter().map(|(name, _)| *name).collect();
    for (name, value) in &table {
        let at = name.span().start;
        match value.get_ref() {
            DeValue::Table(values) if section_names.contains(&name.get_ref().as_ref()) => {
                for (key, value) in values {
                    one(name.get_ref(), key.get_ref(), key.span().start, value.get_ref(), problems);
                }
            }
            DeValue::Table(_) if !known(&Config::default(), ROOT, name.get_ref()) => {
                let hint = match nearest(name.get_ref(), section_names.iter().copied().chain(["hosts"])) {
                    Some(near) => format!("did you mean [{near}]?"),
                    None => "`skill-pool-server config print` shows all of them".to_owned(),
                };
                let what = format!("[{}] is not a section; {hint}", name.get_ref().escape_default());
                problems.push(Problem { what, place: place(at) });
            }
            value => one(ROOT, name.get_ref(), at, value, problems),
        }
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    let text_of = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    };
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => Raw::Bare(number.to_string()),
        DeValue::Float(number) => Raw::Bare(number.to_string()),
        DeValue::Boolean(flag) => Raw::Bare(flag.to_string()),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Array(items) => match items.iter().map(|item| text_of(item.get_ref())).collect() {
            Some(words) => Raw::List(words),
            None => Raw::Other("a list that holds more than texts"),
        },
        DeValue::Table(pairs) => {
            let pair = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
                Some((key.get_ref().to_string(), text_of(value.get_ref())?))
            };
            pairs
                .iter()
                .map(pair)
                .collect::<Option<_>>()
                .map_or(Raw::Other("a table that holds more than texts"), Raw::Map)
        }
    }
}

fn shown(raw: &Raw) -> String {
    let cut = |text: &str| quoted(&text.chars().take(60).collect::<String>());
    match raw {
        Raw::Text(text) => cut(text),
        Raw::Bare(text) => text.chars().take(60).collect(),
        Raw::List(words) => format!("[{}]", words.iter().take(4).map(|word| cut(word)).collect::<Vec<_>>().join(", ")),
        Raw::Map(_) => "a table".to_owned(),
        Raw::Other(what) => (*what).to_owned(),
    }
}

/// The variable of a key.
pub(super) fn variable(section: &str, key: &str) -> String {
    let path = if section == ROOT { key.to_owned() } else { format!("{section}__{key}") };
    format!("{VARIABLE_PREFIX}{}", path.to_uppercase())
}

fn from_variable(config: &mut Config, name: &str, value: &str, problems: &mut Vec<Problem>) {
    let sections = Config::default();
    let sections = sections.sections();
    let all = || sections.iter().flat_map(|(section, values)| values.keys().iter().map(|key| (*section, key.name)));
    if let Some((section, key)) = all().find(|(section, key)| variable(section, key) == name) {
        if !set(config, section, key, &Raw::Text(value.to_owned())) {
            let expected = expects(config, section, key);
            let what = format!("{name}={}: expected {expected}", shown(&Raw::Text(value.to_owned())));
            problems.push(Problem { what, place: "environment".to_owned() });
        }
        return;
    }
    // `SKILL_POOL_TOKEN`, `SKILL_POOL_SERVER` and other single words belong to the command line of people.
    if !name.starts_with("SKILL_POOL_SERVER_") {
        return;
    }
    let names: Vec<String> = all().map(|(section, key)| variable(section, key)).collect();
    // The prefix is the same in all of them, so only what follows it tells how near two are.
    let rest = |name: &str| name.trim_start_matches("SKILL_POOL_SERVER").trim_start_matches('_').to_owned();
    let rests: Vec<String> = names.iter().map(|name| rest(name)).collect();
    let what = match nearest(&rest(name), rests.iter().map(String::as_str)) {
        Some(near) => format!("{} is not a key; did you mean {VARIABLE_PREFIX}{near}?", name.escape_default()),
        None => {
            format!("{} is not a key; `skill-pool-server config print` shows all of them", name.escape_default())
        }
    };
    problems.push(Problem { what, place: "environment".to_owned() });
}

#[cfg(test)]
mod tests {
    use super::super::Size;
    use super::*;

    fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("skill-pool.toml");
        std::fs::write(&path, file).expect("a file");
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sources = Sources { file: Some(path), variables, ..Sources::default() };
        let inside = format!("{}/", folder.path().display());
        Config::load(&sources).map_err(|e| e.0.iter().map(|p| p.to_string().replace(&inside, "")).collect())
    }

    #[test]
    fn later_sources_win() {
        let file = "listen = \"127.0.0.1:1\"\n[push]\npack_bytes_max = \"1MiB\"\nobjects_max = 7\n";
        let variables =
            [("SKILL_POOL_SERVER__PUSH__PACK_BYTES_MAX", "2MiB"), ("SKILL_POOL_SERVER", "http://x"), ("PATH", "")];
        let mut config = load(file, &variables).expect("valid");
        assert_eq!((config.push.pack_bytes_max, config.push.objects_max), (Size(2 << 20), 7));
        let sources = Sources {
            defaults: config.clone(),
            flags: vec![("", "listen", "127.0.0.1:2".into(), "--listen")],
            ..Sources::default()
        };
        config = Config::load(&sources).expect("valid");
        assert_eq!(config.server.listen.port(), 2);
        assert_eq!(config.receive_limits().objects_max, 7);
    }

    #[test]
    fn every_problem_is_named_with_its_place_and_the_nearest_key() {
        let file = "lisen = \"x\"\n[push]\npack_byte_max = \"1MiB\"\npack_bytes_max = \"2 gigs\"\nrequests_per_token = 1\n\
                    zzz = 1\n[limts]\nx = 1\n[hosts]\n\"a b\" = \"acme\"\n";
        let variables = [
            ("SKILL_POOL_SERVER__LOG__LEVL", "info"),
            ("SKILL_POOL_SERVER_LISTEN", "x"),
            ("SKILL_POOL_SERVER__TIMEOUTS__HEADER", "soon"),
        ];
        let expected = [
            "SKILL_POOL_SERVER_LISTEN is not a key; did you mean SKILL_POOL_SERVER__LISTEN? (environment)",
            "SKILL_POOL_SERVER__LOG__LEVL is not a key; did you mean SKILL_POOL_SERVER__LOG__LEVEL? (environment)",
            "SKILL_POOL_SERVER__TIMEOUTS__HEADER=\"soon\": expected a duration, such as 15s (environment)",
            "[limts] is not a section; did you mean [limits]? (skill-pool.toml:7)",
            "[push] pack_byte_max is not a key; did you mean [push] pack_bytes_max? (skill-pool.toml:3)",
            "[push] pack_bytes_max = \"2 gigs\": expected a size, such as 32MiB (skill-pool.toml:4)",
            "[push] requests_per_token is not a key; did you mean [limits] requests_per_token? (skill-pool.toml:5)",
            "[push] zzz is not a key; `skill-pool-server config print` shows all of them (skill-pool.toml:6)",
            "hosts = a table: expected host names and tenants, such as \"skills.acme.example\" = \"acme\" (skill-pool.toml:9)",
            "lisen is not a key; did you mean listen? (skill-pool.toml:1)",
        ];
        let mut found = load(file, &variables).expect_err("many problems");
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_toml_or_contradicts_itself_is_refused() {
        let not_toml = load("listen = \n", &[]).expect_err("no value");
        assert!(not_toml[0].starts_with("this is not TOML: ") && not_toml[0].ends_with("(skill-pool.toml:1)"));
        for (file, expected) in [
            ("[tls]\ncertificate = \"a.pem\"\n", "[tls] certificate and key come together: name both files, or none"),
            ("[push]\npack_bytes_max = \"1GiB\"\n", "[push] pack_bytes_max = \"1GiB\": at most 512MiB"),
            ("[push]\ntree_depth_max = 0\n", "[push] tree_depth_max = 0: between 1 and 32"),
            ("[timeouts]\nheader = \"1min\"\n", "[timeouts] header = \"1min\": more than 0 and at most 15s"),
        ] {
            assert_eq!(load(file, &[]).expect_err(file), [expected]);
        }
        let missing = Sources { file: Some("/nonexistent/x.toml".into()), ..Sources::default() };
        let error = Config::load(&missing).expect_err("no such file").to_string();
        assert!(error.starts_with("could not read /nonexistent/x.toml: "), "{error}");
    }
}
