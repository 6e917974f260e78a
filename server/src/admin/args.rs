//! The command line of the server's program.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use super::verbs::{Form, MemberVerb, TenantVerb, TokenVerb, YankVerb};
use crate::config::{Config, Sources};

/// A self-hosted, multi-tenant registry of agent skills for Claude Code that is git
#[derive(Debug, Parser)]
#[command(
    name = "skill-pool-server",
    version,
    max_term_width = 100,
    after_help = "Examples:\n  skill-pool-server demo\n  skill-pool-server serve --config /etc/skill-pool.toml\n  \
                  skill-pool-server tenant create acme --admin ana --data /var/lib/skill-pool\n\n\
                  Exit codes: 0 done; 1 refused, not found or not sound; 2 wrong usage or configuration;\n\
                  3 not reachable now; 4 not allowed."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the registry until it is stopped by SIGTERM or Ctrl-C
    #[command(after_help = "Examples:\n  skill-pool-server serve --config /etc/skill-pool.toml\n  \
                            SKILL_POOL_SERVER__LISTEN=0.0.0.0:8080 skill-pool-server serve --data /var/lib/skill-pool")]
    Serve(ServeArgs),
    /// Try it: serve a tenant with starter plugins and ready tokens on this machine
    #[command(after_help = "Examples:\n  skill-pool-server demo\n  \
                            skill-pool-server demo --public --listen 127.0.0.1:9000 --data /tmp/pool\n  \
                            skill-pool-server demo --json | jq -r .tokens.publisher")]
    Demo(DemoArgs),
    /// Check or print the configuration
    Config(ConfigArgs),
    /// Make, list, show and disable tenants
    Tenant(VerbArgs<TenantVerb>),
    /// Add, list, change and remove members
    Member(VerbArgs<MemberVerb>),
    /// Make, list and revoke tokens
    Token(VerbArgs<TokenVerb>),
    /// Withdraw a release with a reason, or take that back
    #[command(after_help = "Examples:\n  skill-pool-server yank lint 1.2.0 --reason \"deletes files\"\n  \
                            skill-pool-server yank lint 1.2.0 --undo")]
    Yank(YankArgs),
}

/// Where the data are, and how to answer.
#[derive(Clone, Debug, Args)]
pub struct PlaceArgs {
    /// The data folder [default: as configured, ./data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// The configuration file
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, global = true)]
    pub json: bool,
}

impl PlaceArgs {
    /// How to answer.
    pub fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Text }
    }

    /// The sources of the configuration.
    pub fn sources(&self) -> Sources {
        sources(Config::default(), self.config.clone(), &[("data", "--data", self.data.as_deref().map(path_text))])
    }
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address and port to listen on [default: as configured, 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The data folder [default: as configured, ./data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl ServeArgs {
    /// The sources of the configuration.
    pub fn sources(&self) -> Sources {
        let listen = self.listen.map(|address| address.to_string());
        let data = self.data.as_deref().map(path_text);
        sources(Config::default(), self.config.clone(), &[("listen", "--listen", listen), ("data", "--data", data)])
    }
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The data folder [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Let everybody read the demo tenant; recorded once, later starts keep it
    #[arg(long)]
    pub public: bool,
    /// Print one JSON object on one line once the server listens, and go on serving
    #[arg(long)]
    pub json: bool,
}

impl DemoArgs {
    /// The sources of the configuration, upon `defaults`.
    pub fn sources(&self, defaults: Config) -> Sources {
        let listen = self.listen.map(|address| address.to_string());
        let data = self.data.as_deref().map(path_text);
        sources(defaults, None, &[("listen", "--listen", listen), ("data", "--data", data)])
    }
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Say whether file and environment are sound, and everything that is not
    #[command(after_help = "Example:\n  skill-pool-server config check --config /etc/skill-pool.toml")]
    Check(PlaceArgs),
    /// Print the configuration in force, each key with its meaning, unit and default
    #[command(after_help = "Examples:\n  skill-pool-server config print > skill-pool.toml\n  \
                            skill-pool-server config print --config /etc/skill-pool.toml")]
    Print(PlaceArgs),
}

/// A verb with verbs of its own.
#[derive(Debug, Args)]
pub struct VerbArgs<V: Subcommand> {
    /// The verb.
    #[command(subcommand)]
    pub verb: V,
    /// Where.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `yank`.
#[derive(Debug, Args)]
pub struct YankArgs {
    /// The verb.
    #[command(flatten)]
    pub verb: YankVerb,
    /// Where.
    #[command(flatten)]
    pub place: PlaceArgs,
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// File, environment, and the flags that were given: key, flag, value, all of them keys outside any table.
fn sources(defaults: Config, file: Option<PathBuf>, flags: &[(&'static str, &'static str, Option<String>)]) -> Sources {
    let given = flags.iter().filter_map(|(key, flag, value)| Some(("", *key, value.clone()?, *flag)));
    // Variables that are not text cannot be ours.
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Sources { defaults, file, variables: variables.collect(), flags: given.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_verb_has_an_example() {
        use clap::CommandFactory;
        let mut command = Cli::command();
        command.clone().debug_assert();
        fn walk(command: &mut clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            if command.get_subcommands().next().is_none() && command.get_name() != "help" {
                let help = command.render_long_help().to_string();
                assert!(help.contains("Example"), "{path} --help has no example:\n{help}");
            }
            for sub in command.get_subcommands_mut() {
                walk(sub, &path);
            }
        }
        walk(&mut command, "");
    }

    #[test]
    fn global_options_stand_anywhere() {
        for line in [
            "skill-pool-server member add ben --role publisher --data /d --json",
            "skill-pool-server member --data /d --json add ben --role publisher",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).expect(line);
            let Command::Member(VerbArgs { place, .. }) = cli.command else { panic!("{line}") };
            assert!(place.json && place.data == Some("/d".into()), "{line}");
        }
        for wrong in [
            "yank lint 1.0.0",
            "yank lint one --undo",
            "yank lint 1.0.0 --undo --reason x",
            "tenant create Acme --admin ana",
        ] {
            let line = format!("skill-pool-server {wrong}");
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{wrong}");
        }
    }
}
