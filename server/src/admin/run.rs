//! Carries verbs out. The same for a running server and a process alone.

use std::fmt::Write;

use serde_json::{Value, json};
use skill_pool_domain::access::{Administer, ReadTenant, Role, Scope, Scopes, Yank};
use skill_pool_domain::names::MemberId;
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::registry::Visibility;
use skill_pool_domain::token::TokenKind;

use super::outcome::{Outcome, table};
use super::verbs::{MemberVerb, TenantVerb, TokenVerb, Verb, Within, YankVerb};
use crate::services::{MadeToken, Services, TokenRequest, template};

/// What verbs are carried out with.
pub struct Workshop<'a> {
    /// The product's verbs.
    pub services: &'a Services,
    /// The canonical origin, without a final slash.
    pub origin: String,
}

impl Workshop<'_> {
    /// Carries a verb out. Blocking.
    pub fn run(&self, verb: &Verb) -> Outcome {
        let result = match verb {
            Verb::Tenant(verb) => self.tenant(verb),
            Verb::Member(verb) => self.member(verb),
            Verb::Token(verb) => self.token(verb),
            Verb::Yank(verb) => self.yank(verb),
        };
        result.into()
    }

    fn tenant(&self, verb: &TenantVerb) -> Result<Outcome, Refusal> {
        match verb {
            TenantVerb::Create { name, admin } => {
                let id = self.services.create_tenant(name, admin, &template::registry())?;
                let record = self.services.existing_tenant(name)?;
                let proof = self.services.operator(&record, None, Administer)?;
                let request = TokenRequest {
                    kind: TokenKind::User,
                    scopes: Scopes::of(&Scope::ALL),
                    label: "first".to_owned(),
                    lifetime: None,
                };
                let made = self.services.make_token_for(&proof, admin, &request)?;
                let address = format!("{}/t/{name}", self.origin);
                let token = made.token.expose();
                let with_token = address.replacen("://", &format!("://x:{token}@"), 1);
                let text = format!(
                    "Made tenant {name} with admin {admin}.\n\n{}\nPublish a plugin:\n  git push {with_token}/git/plugins/<plugin>.git HEAD:main\n\
                     Change members and policy:\n  git clone {with_token}/git/registry.git\n\
                     In Claude Code:\n  /plugin marketplace add {address}/git/marketplace.git\n",
                    shown(&made, admin)
                );
                let mut json = json!({ "tenant": name, "id": id, "admin": admin, "url": address });
                merge(&mut json, token_json(&made, admin));
                Ok(Outcome::done(json, text))
            }
            TenantVerb::List => {
                let tenants = self.services.tenants()?;
                let mut rows = vec![head(&["NAME", "READABLE BY", "STATE", "CREATED"])];
                let mut list = Vec::new();
                for tenant in &tenants {
                    let state = if tenant.disabled_at.is_some() { "disabled" } else { "open" };
                    rows.push(vec![
                        tenant.name.to_string(),
                        readers(tenant.visibility).to_owned(),
                        state.to_owned(),
                        tenant.created_at.minutes(),
                    ]);
                    list.push(json!({
                        "name": tenant.name, "id": tenant.tenant, "visibility": tenant.visibility, "state": state,
                        "created_at": tenant.created_at.to_string(),
                    }));
                }
                let text = if tenants.is_empty() {
                    "There is no tenant yet: skill-pool-server tenant create <name> --admin <id>\n".to_owned()
                } else {
                    table(&rows)
                };
                Ok(Outcome::done(json!({ "tenants": list }), text))
            }
            TenantVerb::Show { name } => {
                let tenant = self.services.existing_tenant(name)?;
                let registry = self.services.registry_of(tenant.tenant)?;
                let admins = registry.members.iter().filter(|(_, member)| member.role == Role::Admin);
                let admins: Vec<&MemberId> = admins.map(|(id, _)| id).collect();
                let state = if tenant.disabled_at.is_some() { "disabled" } else { "open" };
                let address = format!("{}/t/{name}", self.origin);
                let named: Vec<&str> = admins.iter().map(|id| id.as_str()).collect();
                let text = format!(
                    "{name}: {}\naddress      {address}\nid           {}\nreadable by  {}\nstate        {state}\nmembers      {}, admins {}\ncreated      {}\n",
                    registry.title,
                    tenant.tenant,
                    readers(tenant.visibility),
                    registry.members.len(),
                    named.join(", "),
                    tenant.created_at.minutes(),
                );
                let json = json!({
                    "name": name, "id": tenant.tenant, "title": registry.title, "url": address,
                    "visibility": tenant.visibility, "state": state, "members": registry.members.len(),
                    "admins": admins, "created_at": tenant.created_at.to_string(),
                });
                Ok(Outcome::done(json, text))
            }
            TenantVerb::Disable { name, undo } => {
                self.services.set_tenant_disabled(name, !undo)?;
                let (state, text) = match undo {
                    true => ("open", format!("Tenant {name} is open again.\n")),
                    false => ("disabled", format!("Tenant {name} is disabled: nobody gets in, nothing is deleted.\n")),
                };
                Ok(Outcome::done(json!({ "tenant": name, "state": state }), text))
            }
        }
    }

    fn member(&self, verb: &MemberVerb) -> Result<Outcome, Refusal> {
        let (within, id, role) = match verb {
            MemberVerb::List { within } => return self.list_members(within),
            MemberVerb::Add { within, id, role } | MemberVerb::Role { within, id, role } => (within, id, Some(*role)),
            MemberVerb::Remove { within, id } => (within, id, None),
        };
        let record = self.services.meant_tenant(within.tenant.as_ref())?;
        let proof = self.services.operator(&record, within.acting.as_ref(), Administer)?;
        let members = self.services.registry_of(record.tenant)?;
        let before = members.members.get(id).map(|member| member.role);
        if let MemberVerb::Role { .. } = verb
            && before.is_none()
        {
            let remedy = format!("skill-pool-server member add {id} --role <role> --tenant {}", record.name);
            return Err(Refusal::new("no-such-member", format!("there is no member `{id}`"), remedy));
        }
        if let (MemberVerb::Add { .. }, Some(before)) = (verb, before)
            && role != Some(before)
        {
            let remedy = format!("skill-pool-server member role {id} <role> --tenant {}", record.name);
            return Err(Refusal::new("member-exists", format!("`{id}` is a member already, a `{before}`"), remedy));
        }
        let edited = match role {
            Some(role) => self.services.set_member(&proof, id, role)?,
            None => self.services.remove_member(&proof, id)?,
        };
        let text = match (role, &edited.committed) {
            (Some(role), Some(_)) => format!("{id} is a {role} of {}.\n", record.name),
            (Some(role), None) => format!("{id} is a {role} of {} already.\n", record.name),
            (None, _) => format!("{id} is no member of {} any more.\n", record.name),
        };
        let json = json!({
            "tenant": record.name, "member": id, "role": role, "commit": edited.commit.to_string(),
            "changed": edited.committed.is_some(),
        });
        Ok(Outcome::done(json, text))
    }

    fn list_members(&self, within: &Within) -> Result<Outcome, Refusal> {
        let record = self.services.meant_tenant(within.tenant.as_ref())?;
        let proof = self.services.operator(&record, within.acting.as_ref(), ReadTenant)?;
        let members = self.services.members(&proof)?;
        let mut rows = vec![head(&["MEMBER", "ROLE", "GROUPS"])];
        rows.extend(members.iter().map(|(id, m)| vec![id.to_string(), m.role.to_string(), m.groups.join(", ")]));
        let list: Vec<Value> =
            members.iter().map(|(id, m)| json!({ "member": id, "role": m.role, "groups": m.groups })).collect();
        Ok(Outcome::done(json!({ "tenant": record.name, "members": list }), table(&rows)))
    }

    fn token(&self, verb: &TokenVerb) -> Result<Outcome, Refusal> {
        match verb {
            TokenVerb::Create { member, scopes, expires, name, machine, within } => {
                let record = self.services.meant_tenant(within.tenant.as_ref())?;
                let proof = self.services.operator(&record, within.acting.as_ref(), Administer)?;
                let request = TokenRequest {
                    kind: if *machine { TokenKind::Ci } else { TokenKind::User },
                    scopes: scopes.iter().copied().collect(),
                    label: name.clone(),
                    lifetime: expires.map(|time| time.0),
                };
                let made = self.services.make_token_for(&proof, member, &request)?;
                let mut json = json!({ "tenant": record.name });
                merge(&mut json, token_json(&made, member));
                Ok(Outcome::done(json, shown(&made, member)))
            }
            TokenVerb::List { member, within } => {
                let record = self.services.meant_tenant(within.tenant.as_ref())?;
                let proof = self.services.operator(&record, within.acting.as_ref(), Administer)?;
                let now = (self.services.clock)();
                let mut rows = vec![head(&["ID", "MEMBER", "ENDS IN", "SCOPES", "STATE", "LAST USED", "NAME"])];
                let mut list = Vec::new();
                for token in self.services.all_tokens(&proof, member.as_ref())? {
                    let state = match token.expires_at {
                        _ if token.revoked_at.is_some() => "revoked".to_owned(),
                        Some(until) if until <= now => "expired".to_owned(),
                        Some(until) => format!("until {}", until.date()),
                        None => "good".to_owned(),
                    };
                    let used = token.last_used_on.map_or_else(|| "never".to_owned(), |at| at.date());
                    rows.push(vec![
                        token.token.0.to_string(),
                        token.member.to_string(),
                        format!("…{}", token.last_four),
                        token.scopes.to_string(),
                        state,
                        used,
                        token.label.clone(),
                    ]);
                    list.push(json!({
                        "id": token.token.0, "member": token.member, "last_four": token.last_four, "name": token.label,
                        "scopes": token.scopes, "good": token.is_good(now),
                        "created_at": token.created_at.to_string(),
                        "expires_at": token.expires_at.map(|at| at.to_string()),
                        "revoked_at": token.revoked_at.map(|at| at.to_string()),
                        "last_used_on": token.last_used_on.map(|at| at.date()),
                    }));
                }
                Ok(Outcome::done(json!({ "tenant": record.name, "tokens": list }), table(&rows)))
            }
            TokenVerb::Revoke { token, within } => {
                let record = self.services.meant_tenant(within.tenant.as_ref())?;
                let proof = self.services.operator(&record, within.acting.as_ref(), Administer)?;
                let revoked = self.services.revoke_token(&proof, token)?;
                let text = format!("Revoked the token …{} of {}.\n", revoked.last_four, revoked.member);
                let json = json!({ "tenant": record.name, "id": revoked.token.0, "member": revoked.member });
                Ok(Outcome::done(json, text))
            }
        }
    }

    fn yank(&self, verb: &YankVerb) -> Result<Outcome, Refusal> {
        let YankVerb { plugin, version, reason, undo: _, within } = verb;
        let record = self.services.meant_tenant(within.tenant.as_ref())?;
        let proof = self.services.operator(&record, within.acting.as_ref(), Yank(plugin.clone()))?;
        let edited = self.services.yank(&proof, version, reason.as_deref())?;
        let text = match (reason, &edited.committed) {
            (Some(_), Some(_)) => format!("Yanked {plugin} {version}: the catalog leaves it out from now on.\n"),
            (None, Some(_)) => format!("{plugin} {version} is no longer yanked.\n"),
            (Some(_), None) => format!("{plugin} {version} is yanked for this reason already.\n"),
            (None, None) => format!("{plugin} {version} is not yanked.\n"),
        };
        let json = json!({
            "tenant": record.name, "plugin": plugin, "version": version.to_string(), "yanked": reason.is_some(),
            "reason": reason, "commit": edited.commit.to_string(), "changed": edited.committed.is_some(),
        });
        Ok(Outcome::done(json, text))
    }
}

fn head(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn readers(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Private => "members",
        Visibility::Public => "everybody",
    }
}

/// The token as people see it, the only time.
fn shown(made: &MadeToken, member: &MemberId) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", made.token.expose());
    let _ = writeln!(
        out,
        "Token of {member} with {}, good until {}. It is shown only now.",
        made.scopes,
        made.expires_at.minutes()
    );
    out
}

fn token_json(made: &MadeToken, member: &MemberId) -> Value {
    json!({
        "token": made.token.expose(), "token_id": made.id.0, "member": member, "scopes": made.scopes,
        "expires_at": made.expires_at.to_string(),
    })
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
