//! The state of `registry.git`, projected: what its main says now, and the members it names.

use std::sync::Arc;

use gix::ObjectId;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use skill_pool_domain::access::Role;
use skill_pool_domain::names::{LeafIndex, MemberId, TenantId};
use skill_pool_domain::registry::Registry;
use skill_pool_domain::timestamp::Timestamp;

use super::{Store, StoreError, sql};

/// What `registry.git`'s main says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistryState {
    /// The policy leaf in force.
    pub leaf: LeafIndex,
    /// The commit that main has.
    pub commit: ObjectId,
    /// Since when.
    pub at: Timestamp,
    /// Its files, parsed.
    pub registry: Arc<Registry>,
}

/// A member, projected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberRecord {
    /// The member's id.
    pub member: MemberId,
    /// Standing.
    pub role: Role,
    /// Groups, sorted.
    pub groups: Vec<String>,
}

fn member(row: &Row<'_>) -> rusqlite::Result<MemberRecord> {
    let groups = row.get_ref(2)?.as_str()?;
    Ok(MemberRecord {
        member: sql::parsed(row, 0)?,
        role: sql::parsed(row, 1)?,
        groups: groups.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect(),
    })
}

/// Reads the projection.
pub(super) fn load(connection: &Connection, tenant: TenantId) -> rusqlite::Result<Option<RegistryState>> {
    let mut statement =
        connection.prepare_cached("SELECT leaf, commit_id, at_ms, registry FROM registry_states WHERE tenant = ?1")?;
    let state = statement.query_row([tenant.0.as_bytes()], |row| {
        let registry = serde_json::from_str(row.get_ref(3)?.as_str()?)
            .map_err(|e| rusqlite::Error::FromSqlConversionFailure(3, Type::Text, e.into()))?;
        Ok(RegistryState {
            leaf: sql::leaf(row, 0)?,
            commit: sql::object_id(row, 1)?,
            at: sql::time(row, 2)?,
            registry: Arc::new(registry),
        })
    });
    state.optional()
}

/// Writes the projection.
pub(super) fn put(connection: &Connection, tenant: TenantId, state: &RegistryState) -> rusqlite::Result<()> {
    let json =
        serde_json::to_string(&*state.registry).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO registry_states (tenant, leaf, commit_id, at_ms, registry) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant) DO UPDATE SET leaf = excluded.leaf, commit_id = excluded.commit_id,
         at_ms = excluded.at_ms, registry = excluded.registry",
    )?;
    let tenant_bytes = tenant.0.as_bytes();
    statement.execute(params![tenant_bytes, sql::int(state.leaf.0), state.commit.as_bytes(), state.at.0, json])?;
    connection.prepare_cached("DELETE FROM members WHERE tenant = ?1")?.execute([tenant_bytes])?;
    let mut row =
        connection.prepare_cached("INSERT INTO members (tenant, member, role, groups) VALUES (?1, ?2, ?3, ?4)")?;
    for (id, member) in &state.registry.members {
        row.execute(params![tenant_bytes, id.as_str(), member.role.as_str(), member.groups.join(",")])?;
    }
    Ok(())
}

impl Store {
    /// What a tenant's `registry.git` says; `None` while it has none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn registry(&self, tenant: TenantId) -> Result<Option<Arc<RegistryState>>, StoreError> {
        let ticket = match self.inner.caches.registries.get(&tenant) {
            Ok(state) => return Ok(Some(state)),
            Err(ticket) => ticket,
        };
        let loaded = self.read("read what registry.git says", |connection| load(connection, tenant))?;
        let Some(state) = loaded.map(Arc::new) else { return Ok(None) };
        self.inner.caches.registries.fill(ticket, tenant, Arc::clone(&state));
        Ok(Some(state))
    }

    /// A tenant's members by id, those after `after`, at most `max` (and [`super::PAGE_ROWS_MAX`]).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn members_by_id(
        &self,
        tenant: TenantId,
        after: Option<&MemberId>,
        max: usize,
    ) -> Result<Vec<MemberRecord>, StoreError> {
        self.read("list members", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT member, role, groups FROM members WHERE tenant = ?1 AND member > ?2 ORDER BY member LIMIT ?3",
            )?;
            let after = after.map_or("", MemberId::as_str);
            let rows = statement.query_map(params![tenant.0.as_bytes(), after, sql::page(max)], member)?;
            rows.collect()
        })
    }

    /// A member as of now; `None` when the tenant has none of that id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn member(&self, tenant: TenantId, id: &MemberId) -> Result<Option<MemberRecord>, StoreError> {
        let Some(state) = self.registry(tenant)? else { return Ok(None) };
        let found = state.registry.members.get(id);
        Ok(found.map(|m| MemberRecord { member: id.clone(), role: m.role, groups: m.groups.clone() }))
    }
}
