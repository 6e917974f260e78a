//! What ships inside the program: the files of a new tenant's `registry.git`, and the starter plugins.

use skill_pool_domain::names::PluginName;
use skill_pool_domain::tree::{Mode, Tree, TreeFile};

/// One file of `registry-template/`: its path there, whether it may be run, its bytes.
struct Embedded {
    path: &'static str,
    executable: bool,
    bytes: &'static [u8],
}

// `static FILES: &[Embedded]`, sorted by path.
include!(concat!(env!("OUT_DIR"), "/registry_template.rs"));

/// The first files of a tenant's `registry.git`, without what is the tenant's own.
pub fn registry() -> Tree {
    let own = FILES.iter().filter(|file| !file.path.starts_with("plugins/"));
    Tree::new(own.map(|file| tree_file(file, file.path)).collect())
}

/// The starter plugins by name.
pub fn plugins() -> Vec<(PluginName, Tree)> {
    let mut plugins: Vec<(PluginName, Vec<TreeFile>)> = Vec::new();
    for file in FILES {
        let Some((name, path)) = file.path.strip_prefix("plugins/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let Ok(name) = PluginName::parse(name) else { continue };
        match plugins.last_mut() {
            Some((last, files)) if *last == name => files.push(tree_file(file, path)),
            _ => plugins.push((name, vec![tree_file(file, path)])),
        }
    }
    plugins.into_iter().map(|(name, files)| (name, Tree::new(files))).collect()
}

fn tree_file(file: &Embedded, path: &str) -> TreeFile {
    TreeFile {
        path: path.as_bytes().to_vec(),
        mode: if file.executable { Mode::Executable } else { Mode::File },
        size_bytes: file.bytes.len() as u64,
        content: Some(file.bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_starter_plugin_is_inside_with_its_executable_files() {
        let plugins = plugins();
        assert!(plugins.len() >= 8, "{} plugins", plugins.len());
        for (name, tree) in &plugins {
            assert!(tree.get(".claude-plugin/plugin.json").is_some(), "{name}");
        }
        let executable = |(_, tree): &(PluginName, Tree)| tree.files().iter().any(|file| file.mode == Mode::Executable);
        assert!(plugins.iter().any(executable), "no script kept its mode");
    }

    #[test]
    fn a_new_registry_made_from_the_template_is_valid() {
        use skill_pool_domain::names::{MemberId, TenantName};
        use skill_pool_domain::registry::{Registry, Visibility, genesis};
        let (name, admin) = (TenantName::parse("acme").expect("a name"), MemberId::parse("ana").expect("a name"));
        let id = "0192d5a0-0000-7000-8000-000000000001".parse().expect("an id");
        let read = Registry::read(&genesis(&registry(), id, &name, &admin));
        let registry = read.unwrap_or_else(|findings| panic!("{findings:#?}"));
        assert_eq!(registry.visibility, Visibility::Private);
        assert_eq!(registry.members.keys().collect::<Vec<_>>(), [&admin]);
    }
}
