//! Making, listing and disabling tenants. Only the person who holds the data folder does it.

use std::sync::Arc;

use skill_pool_domain::access::{self, Act, Caller, Decision, Role, decide};
use skill_pool_domain::names::{MemberId, RepositoryName, TenantId, TenantName};
use skill_pool_domain::nearest::nearest;
use skill_pool_domain::refusal::Refusal;
use skill_pool_domain::registry::genesis;
use skill_pool_domain::tree::Tree;
use uuid::Uuid;

use super::Services;
use super::door::{Edit, Entrance};
use super::faults::store_failed;
use crate::store::{PAGE_ROWS_MAX, TenantKey, TenantRecord};

impl Services {
    /// The tenant of this name as the decision needs it; `None` when there is none or it is disabled.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tenant(&self, name: &TenantName) -> Result<Option<access::Tenant>, Refusal> {
        let record = self.tenant_record(name)?;
        Ok(record.filter(|record| record.disabled_at.is_none()).map(|record| facts(&record)))
    }

    fn tenant_record(&self, name: &TenantName) -> Result<Option<Arc<TenantRecord>>, Refusal> {
        let found = self.store.tenant(&TenantKey::Name(name.clone()));
        found.map_err(|error| store_failed("could not look a tenant up", &error))
    }

    /// True when there is no tenant of this name, or one whose making was cut off.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_unfinished(&self, name: &TenantName) -> Result<bool, Refusal> {
        let Some(record) = self.tenant_record(name)? else { return Ok(true) };
        let state = self.store.registry(record.tenant);
        Ok(state.map_err(|error| store_failed("could not read a registry", &error))?.is_none())
    }

    /// All tenants by name, disabled ones included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tenants(&self) -> Result<Vec<TenantRecord>, Refusal> {
        let mut all: Vec<TenantRecord> = Vec::new();
        loop {
            let page = self.store.tenants_by_name(all.last().map(|tenant| &tenant.name), PAGE_ROWS_MAX);
            let page = page.map_err(|error| store_failed("could not list tenants", &error))?;
            let is_last = page.len() < PAGE_ROWS_MAX;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Makes a tenant with one admin and the template's configuration. One whose making was cut off is finished.
    ///
    /// # Errors
    /// A refusal when the name is taken, or of the door.
    pub fn create_tenant(&self, name: &TenantName, admin: &MemberId, template: &Tree) -> Result<TenantId, Refusal> {
        let tenant = match self.tenant_record(name)? {
            Some(record) => {
                let state = self.store.registry(record.tenant);
                if state.map_err(|error| store_failed("could not read a registry", &error))?.is_some() {
                    let remedy = format!("skill-pool-server tenant show {name}");
                    return Err(Refusal::new("tenant-exists", format!("there is a tenant `{name}` already"), remedy));
                }
                record.tenant
            }
            None => {
                let tenant = TenantId(Uuid::now_v7());
                let created = self.store.create_tenant(name, tenant, (self.clock)());
                created.map_err(|error| store_failed("could not make a tenant", &error))?;
                tenant
            }
        };
        // Dying here leaves a tenant that nobody can enter; running the same command again finishes it.
        let entrance = Entrance::of_registry_itself(tenant, name.clone(), RepositoryName::Registry);
        let message = format!("registry: tenant {name} begins, with {admin} as admin");
        self.door.edit(&Edit { entrance, message: &message }, |_| {
            let first = genesis(template, tenant, name, admin);
            let files = first.files().iter().filter_map(|file| {
                let path = file.path_str()?.to_owned();
                Some((path, Some((file.mode, file.content.clone()?))))
            });
            Ok(files.collect())
        })?;
        tracing::info!(tenant = %name, tenant.id = %tenant, "made tenant {name}");
        Ok(tenant)
    }

    /// Switches a tenant off: nobody gets in and nothing is deleted. Or on again.
    ///
    /// # Errors
    /// A refusal when there is no such tenant.
    pub fn set_tenant_disabled(&self, name: &TenantName, disabled: bool) -> Result<(), Refusal> {
        let record = self.existing_tenant(name)?;
        let since = disabled.then(|| record.disabled_at.unwrap_or_else(|| (self.clock)()));
        let set = self.store.set_tenant_disabled(record.tenant, since);
        set.map_err(|error| store_failed("could not change a tenant", &error))
    }

    /// The tenant of this name, disabled or not.
    ///
    /// # Errors
    /// A refusal with the nearest name when there is none.
    pub fn existing_tenant(&self, name: &TenantName) -> Result<Arc<TenantRecord>, Refusal> {
        if let Some(record) = self.tenant_record(name)? {
            return Ok(record);
        }
        let all = self.tenants()?;
        let remedy = match nearest(name.as_str(), all.iter().map(|tenant| tenant.name.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("skill-pool-server tenant create {name} --admin <id>"),
        };
        Err(Refusal::new("no-such-tenant", format!("there is no tenant `{name}`"), remedy))
    }

    /// The tenant that a verb means: the named one, else the only one.
    ///
    /// # Errors
    /// A refusal when there is none of that name, or not exactly one to choose from.
    pub fn meant_tenant(&self, name: Option<&TenantName>) -> Result<Arc<TenantRecord>, Refusal> {
        if let Some(name) = name {
            return self.existing_tenant(name);
        }
        match self.tenants()?.as_slice() {
            [] => Err(Refusal::new(
                "no-tenant",
                "there is no tenant yet",
                "skill-pool-server tenant create <name> --admin <id>",
            )),
            [only] => self.existing_tenant(&only.name),
            many => {
                let names: Vec<&str> = many.iter().take(5).map(|tenant| tenant.name.as_str()).collect();
                let message = format!("there are {} tenants, such as {}", many.len(), names.join(", "));
                Err(Refusal::new("which-tenant", message, "say which: --tenant <name>"))
            }
        }
    }

    /// Decides for the person who holds the data folder. It is done in the name of `acting`, else of the first admin.
    ///
    /// # Errors
    /// A refusal when `acting` is no member, or the act is nobody's.
    pub fn operator<A: Act>(
        &self,
        record: &TenantRecord,
        acting: Option<&MemberId>,
        act: A,
    ) -> Result<access::Granted<A>, Refusal> {
        let registry = self.registry_of(record.tenant)?;
        let admins = || registry.members.iter().find(|(_, member)| member.role == Role::Admin).map(|(id, _)| id);
        let acting = match acting {
            Some(acting) if !registry.members.contains_key(acting) => {
                let message = format!("there is no member `{acting}` to act for");
                return Err(Refusal::new("no-such-member", message, "skill-pool-server member list"));
            }
            Some(acting) => acting.clone(),
            None => admins()
                .cloned()
                .ok_or_else(|| Refusal::new("no-admin", "this tenant has no admin", "restore a backup"))?,
        };
        granted(decide(act, Some(&facts(record)), &Caller::Operator { acting }))
    }
}

/// What the decision needs to know of a tenant.
pub fn facts(record: &TenantRecord) -> access::Tenant {
    access::Tenant { id: record.tenant, name: record.name.clone(), visibility: record.visibility }
}

fn granted<A>(decision: Decision<A>) -> Result<access::Granted<A>, Refusal> {
    decision.map_err(|denied| match denied {
        access::Denied::Refused(refusal) => refusal,
        access::Denied::Hidden | access::Denied::Unauthenticated => {
            Refusal::new("not-allowed", denied.to_string(), "check the tenant's name")
        }
    })
}
