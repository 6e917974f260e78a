//! What can be typed. The comments here are the help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Validate plugins and use registries of agent skills
///
/// Exit codes: 0 yes, 1 no (refused, not valid), 2 wrong usage, 3 not reachable (trying again may help), 4 not allowed.
#[derive(Parser, Debug)]
#[command(name = "skill-pool", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
    /// When to colour what is printed
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// See `--color`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The verbs.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Check a plugin's folder by the rules that a registry applies to a push
    Validate(ValidateArgs),
    /// Keep a registry's token, and let git use it for that registry alone
    Login(LoginArgs),
    /// Answer git when it asks for a credential (git calls this, people do not)
    #[command(hide = true)]
    Credential(CredentialArgs),
}

/// Check a plugin's folder by the rules that a registry applies to a push
///
/// Nothing is sent anywhere and nothing of the folder is run. Links are not followed. What is found goes to stdout, one
/// finding with its place and what to do about it; the last line says what a registry would answer.
///
/// Exit code 0 when a registry would accept the folder, 1 when it would refuse.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  skill-pool validate .
  skill-pool validate --json plugins/lint | jq .outcome
  skill-pool validate -q --strict . && git push")]
pub struct ValidateArgs {
    /// The folder that holds .claude-plugin/
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Print one JSON object: outcome, plugin, items, findings, capabilities, notes
    #[arg(long)]
    pub json: bool,
    /// Print nothing; the exit code is the answer
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
    /// Take warnings for refusals in the exit code
    #[arg(long)]
    pub strict: bool,
    /// Levels and limits of a registry: its policy.toml
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The plugin's name in the registry, which the manifest must have
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

/// Keep a registry's token, and let git use it for that registry alone
///
/// The token is tried first, then written to credentials.toml in the configuration folder, readable by you only. Your git
/// configuration gets lines for this registry's address and for no other.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  skill-pool login https://skills.example.com/t/acme < token.txt
  skill-pool login https://skills.example.com/t/acme --token sp_…
  SKILL_POOL_TOKEN=sp_… skill-pool login https://acme.skills.example.com")]
pub struct LoginArgs {
    /// The registry's address, such as https://skills.example.com/t/acme
    #[arg(value_name = "URL")]
    pub url: String,
    /// The token; without it, or with `-`, it is read from stdin
    #[arg(long, value_name = "TOKEN", env = "SKILL_POOL_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Send the token over http to another machine, where anybody on the way can read it
    #[arg(long)]
    pub insecure: bool,
    /// Keep the token and leave the git configuration alone
    #[arg(long)]
    pub no_git: bool,
    /// Print one JSON object: tenant, member, role, url, written
    #[arg(long)]
    pub json: bool,
}

/// Answer git when it asks for a credential
#[derive(Args, Debug)]
pub struct CredentialArgs {
    /// What git wants: get, store or erase
    #[arg(value_name = "OPERATION")]
    pub operation: String,
}
