//! `demo`: one tenant with starter plugins and ready tokens, so that a newcomer has something to install and somewhere to
//! push. Everything goes through the same services and the same door as in real use.
//!
//! A first start makes what is missing, in an order in which a start that was cut off goes on; later starts write nothing.

use std::fmt::Write;
use std::io::Write as _;

use serde_json::json;
use skill_pool_domain::access::{Administer, Caller, Credential, Push, Role, decide};
use skill_pool_domain::names::{MemberId, PluginName, RepositoryName, TenantName};
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::registry::Visibility;
use skill_pool_domain::token::{Token, TokenKind};

use crate::app::{App, StartError};
use crate::config::Config;
use crate::services::credentials::DerivedToken;
use crate::services::{Services, facts, template};

/// The demo's tenant.
const TENANT: &str = "demo";
/// Its members; each is called like its role.
const ROLES: [Role; 3] = [Role::Admin, Role::Publisher, Role::Reader];

/// What holds in a demo where nothing else is said: the tenant answers at the root too, nobody on this machine is held
/// to rates, and no second port is opened.
pub fn defaults() -> Config {
    let mut config = Config::default();
    config.server.dedicated_tenant = TenantName::parse(TENANT).ok();
    config.limits.exempt_loopback = true;
    config.metrics.listen = None;
    config.log.level = "warn".to_owned();
    config
}

/// A demo that is ready to be served.
pub struct Demo {
    url: String,
    data: String,
    visibility: Visibility,
    tokens: [Token; 3],
}

impl Demo {
    /// Makes what is missing. Blocking.
    ///
    /// # Errors
    /// [`StartError::Demo`] with the refusal of a service.
    pub fn prepare(app: &App, public: bool) -> Result<Self, StartError> {
        let services = app.services();
        let name = TenantName::parse(TENANT).expect("a plain word is a name");
        let members = ROLES.map(|role| MemberId::parse(role.as_str()).expect("a plain word is an id"));
        let visibility = fill(services, &name, &members, public).map_err(StartError::Demo)?;
        let record = services.existing_tenant(&name).map_err(StartError::Demo)?;
        // Derived from this installation's secret: the same at every start, and written nowhere.
        let tokens = ROLES.map(|role| app.keys().derived_token(TokenKind::User, &format!("demo {role}")));
        let shown = |(token, (member, role)): (&Token, (&MemberId, Role))| {
            let shown = DerivedToken { tenant: record.tenant, member: member.clone(), scopes: role.scopes() };
            (token.clone(), shown)
        };
        services.credentials.derive(tokens.iter().zip(members.iter().zip(ROLES)).map(shown));
        let data = app.config().server.data.display().to_string();
        Ok(Self { url: app.config().origin().to_string(), data, visibility, tokens })
    }

    /// Says on stdout what to do next: for people, or as one line of JSON.
    pub fn show(&self, json: bool) {
        let text = if json { self.json() } else { self.words() };
        let mut out = std::io::stdout().lock();
        // Whoever started us may not listen; we serve all the same.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    fn json(&self) -> String {
        let [admin, publisher, reader] = self.tokens.each_ref().map(Token::expose);
        let line = json!({
            "url": self.url,
            "tenant": TENANT,
            "marketplace_url": format!("{}/t/{TENANT}/.claude-plugin/marketplace.json", self.url),
            "marketplace_git_url": format!("{}/t/{TENANT}/git/marketplace.git", self.url),
            "tokens": { "admin": admin, "publisher": publisher, "reader": reader },
        });
        format!("{line}\n")
    }

    fn words(&self) -> String {
        let url = &self.url;
        let base = format!("{url}/t/{TENANT}");
        let (scheme, host) = url.split_once("://").unwrap_or(("http", url));
        let [admin, publisher, reader] = self.tokens.each_ref().map(Token::expose);
        let mut out = String::new();
        let readers = match self.visibility {
            Visibility::Private => "private: every address asks for a token",
            Visibility::Public => "public: everybody reads, publishing takes a token",
        };
        let _ = write!(
            out,
            "skill-pool serves the tenant {TENANT} ({readers}). Data: {}. Ctrl-C stops it.\n\n\
             Portal      {base}/\n\
             Tokens      admin      {admin}\n\
             \x20           publisher  {publisher}\n\
             \x20           reader     {reader}\n\n",
            self.data
        );
        if self.visibility == Visibility::Private {
            let _ = write!(
                out,
                "1. Let git know the token, once (Claude Code uses git's credentials):\n\
                 \x20 git config --global credential.{url}.helper store\n\
                 \x20 printf 'protocol={scheme}\\nhost={host}\\nusername=reader\\npassword={reader}\\n' | git credential approve\n\n"
            );
        }
        let step = if self.visibility == Visibility::Private { 2 } else { 1 };
        let _ = write!(
            out,
            "{step}. Install something in Claude Code:\n\
             \x20 /plugin marketplace add {base}/git/marketplace.git\n\
             \x20 /plugin install code-review@{TENANT}\n\n\
             {}. Publish a plugin of your own (a folder with skills/<name>/SKILL.md and .claude-plugin/plugin.json):\n\
             \x20 git init -b main && git add -A && git commit -m 'First version'\n\
             \x20 git push {scheme}://publisher:{publisher}@{host}/t/{TENANT}/git/plugins/<plugin>.git main\n",
            step + 1
        );
        out
    }
}

/// Makes tenant, members, plugins and visibility as far as they are missing; who may read in the end.
fn fill(services: &Services, name: &TenantName, members: &[MemberId; 3], public: bool) -> Result<Visibility, Refusal> {
    let [admin, publisher, _] = members;
    if services.is_unfinished(name)? {
        tracing::info!("making the tenant {name}");
        services.create_tenant(name, admin, &template::registry())?;
    }
    let record = services.existing_tenant(name)?;
    let plugins = template::plugins();
    let repository = |plugin: &PluginName| RepositoryName::Plugin(plugin.clone());
    // The last plugin is made last: once it is there, the first start has done all its work, and what is missing since
    // then was taken away on purpose.
    let is_filled = match plugins.last() {
        Some((last, _)) => services.has_repository(record.tenant, &repository(last))?,
        None => true,
    };
    let operator = services.operator(&record, Some(admin), Administer);
    if !is_filled {
        let operator = operator.as_ref().map_err(Clone::clone)?;
        for (member, role) in members.iter().zip(ROLES) {
            services.set_member(operator, member, role)?;
        }
        for (plugin, tree) in &plugins {
            if services.has_repository(record.tenant, &repository(plugin))? {
                continue;
            }
            tracing::info!("publishing {plugin}");
            let credential = Credential {
                tenant: record.tenant,
                member: publisher.clone(),
                role: Role::Publisher,
                scopes: Role::Publisher.scopes(),
            };
            let push = decide(Push(repository(plugin)), Some(&facts(&record)), &Caller::Member(credential));
            let push = push.expect("a publisher may push");
            services.publish(&push, tree, &format!("Publish {plugin}"))?;
        }
    }
    let visibility = services.registry_of(record.tenant)?.visibility;
    if public && visibility == Visibility::Private {
        let operator = operator?;
        if services.set_visibility_once(&operator, Visibility::Public)? {
            return Ok(Visibility::Public);
        }
    }
    Ok(visibility)
}
