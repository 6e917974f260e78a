//! The configuration as annotated TOML: what `config print` shows and what the documentation is made of.

use std::fmt::Write;

use super::sources::variable;
use super::{Config, ROOT};

/// Every key with its meaning, what is expected, its default and its variable, above its present value.
pub(super) fn annotated(config: &Config) -> String {
    let mut out = String::from("# Configuration of skill-pool-server. Values here are the ones in force.\n");
    for (section, values) in config.sections() {
        if section != ROOT {
            let _ = write!(out, "\n[{section}]\n");
        }
        for key in values.keys() {
            out.push('\n');
            for line in key.doc {
                let _ = writeln!(out, "#{line}");
            }
            let default = if key.default.is_empty() { "none" } else { key.default };
            let _ = writeln!(out, "# Expects {}. Default: {default}.", key.expects);
            let _ = writeln!(out, "# {}", variable(section, key.name));
            let _ = writeln!(out, "{} = {}", key.name, values.show(key.name));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Sources};

    #[test]
    fn what_is_printed_is_read_back_as_the_same_value() {
        let mut config = Config::default();
        config.server.public_url = "https://skills.example.org".parse().ok();
        config.server.hosts =
            super::super::Setting::read(&super::super::setting::Raw::Text("a.example=acme".into())).expect("a host");
        config.push.objects_max = 11;
        config.log.level = "info,\"quoted\"".to_owned();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("printed.toml");
        std::fs::write(&path, config.print()).expect("a file");
        let sources = Sources { file: Some(path), ..Sources::default() };
        assert_eq!(Config::load(&sources).expect("valid"), config);
    }

    #[test]
    fn every_key_has_a_sentence_and_a_unit() {
        let printed = Config::default().print();
        assert!(printed.contains(
            "\n# Bytes of the pack as sent.\n# Expects a size, such as 32MiB. Default: 32MiB.\n\
             # SKILL_POOL_SERVER__PUSH__PACK_BYTES_MAX\npack_bytes_max = \"32MiB\"\n"
        ));
        for (_, section) in Config::default().sections() {
            for key in section.keys() {
                assert!(key.doc.iter().all(|line| !line.trim().is_empty()), "{}", key.name);
                assert!(!key.expects.is_empty(), "{}", key.name);
            }
        }
    }
}
