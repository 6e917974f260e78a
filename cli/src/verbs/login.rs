//! `login`: a token is tried, kept, and given to git for one address.

use std::io::{IsTerminal, Read};

use serde_json::json;
use skill_pool_domain::gate::render::visible;

use crate::args::LoginArgs;
use crate::client::{self, RegistryUrl};
use crate::exit::Exit;
use crate::git;
use crate::report::Failure;
use crate::store::{Login, Store, StoreError};
use crate::ui::{Tone, Ui, toned};

/// A token is read up to this size, in bytes.
const TOKEN_BYTES_MAX: u64 = 4096;

/// Runs the verb.
///
/// # Errors
/// A wrong address or token text is wrong usage; a registry that does not answer, or does not take the token, says so.
pub fn run(arguments: &LoginArgs, ui: &Ui) -> Result<Exit, Failure> {
    let url = RegistryUrl::parse(&arguments.url).map_err(|why| Failure::new(Exit::Usage, why))?;
    if url.scheme() == "http" && !url.is_loopback() && !arguments.insecure {
        return Err(Failure::new(Exit::Usage, "over http anybody on the way can read the token")
            .hinted("use https://, or say --insecure where the network is your own"));
    }
    let token = token(arguments.token.as_deref())?;
    let who = client::who_am_i(&url, &token)?;
    let store = Store::of_person().map_err(|error| not_kept(&error))?;
    let login = Login { url: url.as_str().to_owned(), tenant: who.tenant.clone(), member: who.member.clone(), token };
    store.keep(login).map_err(|error| not_kept(&error))?;
    let git_keys = if arguments.no_git { Vec::new() } else { configure_git(&url)? };
    if arguments.json {
        let file = store.path().display().to_string();
        let object = json!({
            "url": url.as_str(), "tenant": who.tenant, "member": who.member, "role": who.role, "power": who.power,
            "written": {"file": file, "git": git_keys},
        });
        ui.data(&format!("{object}\n"));
        return Ok(Exit::Yes);
    }
    let power =
        if who.power.is_empty() { String::new() } else { format!(", token may {}", visible(&who.power.join(", "))) };
    ui.say(&format!(
        "{} to `{}` as `{}` ({}{power})",
        toned("Logged in", Tone::Good),
        visible(&who.tenant),
        visible(&who.member),
        visible(&who.role)
    ));
    ui.say(&format!("Wrote the token to {} (readable by you only)", store.path().display()));
    for line in &git_keys {
        ui.say(&format!("Wrote to your git configuration: {line}"));
    }
    Ok(Exit::Yes)
}

fn not_kept(error: &StoreError) -> Failure {
    let failure = Failure::new(Exit::No, "the token was not kept").because(error);
    match error {
        StoreError::Open { path } => {
            failure.hinted(format!("revoke the tokens in it, then:  chmod 600 '{}'", path.display()))
        }
        StoreError::Content { path, .. } => {
            failure.hinted(format!("move it away:  mv '{0}' '{0}.old'", path.display()))
        }
        StoreError::NoHome => failure.hinted("set HOME"),
        StoreError::Io { .. } => failure,
    }
}

fn token(argument: Option<&str>) -> Result<String, Failure> {
    let text = match argument {
        Some(text) if text != "-" => text.to_owned(),
        _ => {
            let mut input = std::io::stdin().lock();
            if input.is_terminal() {
                return Err(Failure::new(Exit::Usage, "no token")
                    .hinted("put it into a file and say:  skill-pool login URL < token.txt"));
            }
            let mut text = String::new();
            let read = input.by_ref().take(TOKEN_BYTES_MAX + 1).read_to_string(&mut text);
            read.map_err(|error| Failure::new(Exit::Usage, "could not read the token from stdin").because(&error))?;
            text
        }
    };
    let text = text.trim();
    // The token stands in a header and in a line for git: one word of plain characters.
    if text.is_empty() || text.len() as u64 > TOKEN_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::new(Exit::Usage, "that is no token: a token is one word"));
    }
    Ok(text.to_owned())
}

/// Lets git ask this program for the registry's address, and nobody else: an empty helper first takes off the general
/// ones, which would otherwise keep a copy of the token. The lines that were written.
fn configure_git(url: &RegistryUrl) -> Result<Vec<String>, Failure> {
    let program = std::env::current_exe().ok().and_then(|path| path.to_str().map(str::to_owned));
    let program = program.unwrap_or_else(|| "skill-pool".to_owned());
    let helper = format!("!'{}' credential", program.replace('\'', "'\\''"));
    let key = |name: &str| format!("credential.{}.{name}", url.as_str());
    let failed = |error: git::GitError| {
        Failure::new(Exit::No, "the token is kept, but git does not know of it").because(&error).hinted(format!(
            "git config --global --add {} \"{helper}\"; git config --global {} true",
            key("helper"),
            key("useHttpPath")
        ))
    };
    git::set_global(&key("helper"), &["", &helper]).map_err(failed)?;
    // With the path git tells which tenant of a host it asks for.
    git::set_global(&key("useHttpPath"), &["true"]).map_err(failed)?;
    Ok(vec![format!("{} = {helper}", key("helper")), format!("{} = true", key("useHttpPath"))])
}
