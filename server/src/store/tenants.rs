//! Tenants.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use skill_pool_domain::journal::{Kind, Leaf, LeafFields};
use skill_pool_domain::names::{LeafIndex, TenantId, TenantName};
use skill_pool_domain::registry::Visibility;
use skill_pool_domain::timestamp::Timestamp;

use super::error::is_taken;
use super::outbox::NewEntry;
use super::{Store, StoreError, outbox, sql};

/// One tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TenantRecord {
    /// Its id.
    pub tenant: TenantId,
    /// Its name.
    pub name: TenantName,
    /// The host name at which it answers alone, in lower case.
    pub host: Option<String>,
    /// Who may read, by `registry.git`; private until that exists.
    pub visibility: Visibility,
    /// When it was created.
    pub created_at: Timestamp,
    /// Since when it is switched off. Its data stay.
    pub disabled_at: Option<Timestamp>,
}

/// By what a tenant is looked up.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum TenantKey {
    /// Its id.
    Id(TenantId),
    /// Its name.
    Name(TenantName),
    /// Its own host name, in lower case.
    Host(String),
}

const COLUMNS: &str = "SELECT tenant, name, host, public, created_at_ms, disabled_at_ms FROM tenants";

fn record(row: &Row<'_>) -> rusqlite::Result<TenantRecord> {
    let public: bool = row.get(3)?;
    Ok(TenantRecord {
        tenant: sql::tenant_id(row, 0)?,
        name: sql::parsed(row, 1)?,
        host: row.get(2)?,
        visibility: if public { Visibility::Public } else { Visibility::Private },
        created_at: sql::time(row, 4)?,
        disabled_at: sql::time_option(row, 5)?,
    })
}

fn find(connection: &Connection, key: &TenantKey) -> rusqlite::Result<Option<TenantRecord>> {
    let by = |condition: &str| format!("{COLUMNS} WHERE {condition} = ?1");
    match key {
        TenantKey::Id(id) => connection.prepare_cached(&by("tenant"))?.query_row([id.0.as_bytes()], record).optional(),
        TenantKey::Name(name) => connection.prepare_cached(&by("name"))?.query_row([name.as_str()], record).optional(),
        TenantKey::Host(host) => connection.prepare_cached(&by("host"))?.query_row([host], record).optional(),
    }
}

impl Store {
    /// The tenant, if there is one, disabled ones included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tenant(&self, key: &TenantKey) -> Result<Option<Arc<TenantRecord>>, StoreError> {
        let ticket = match self.inner.caches.tenants.get(key) {
            Ok(tenant) => return Ok(Some(tenant)),
            Err(ticket) => ticket,
        };
        let Some(tenant) = self.read("look a tenant up", |connection| find(connection, key))?.map(Arc::new) else {
            return Ok(None);
        };
        self.inner.caches.tenants.fill(ticket, key.clone(), Arc::clone(&tenant));
        Ok(Some(tenant))
    }

    /// Tenants by name, those after `after`, at most `max` (and [`super::PAGE_ROWS_MAX`]).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tenants_by_name(&self, after: Option<&TenantName>, max: usize) -> Result<Vec<TenantRecord>, StoreError> {
        self.read("list tenants", |connection| {
            let sql = format!("{COLUMNS} WHERE name > ?1 ORDER BY name LIMIT ?2");
            let after = after.map_or("", TenantName::as_str);
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![after, sql::page(max)], record)?;
            rows.collect()
        })
    }

    /// Creates a tenant and its genesis leaf, in one transaction. The first commit of its `registry.git` comes through
    /// the door.
    ///
    /// # Errors
    /// [`StoreError::TenantTaken`] when the name or the id is in use.
    pub fn create_tenant(&self, name: &TenantName, tenant: TenantId, at: Timestamp) -> Result<(), StoreError> {
        let name = name.clone();
        self.write(move |batch| {
            let doing = StoreError::doing("create a tenant");
            let seconds = u64::try_from(at.seconds()).unwrap_or(0);
            let genesis = Leaf::new(LeafFields::new(Kind::Genesis, tenant, LeafIndex(0), seconds))
                .map_err(|e| StoreError::Conflict(e.to_string()))?;
            let row =
                "INSERT INTO tenants (tenant, name, created_at_ms, leaves, last_leaf_s) VALUES (?1, ?2, ?3, 1, ?4)";
            let row =
                batch.connection.execute(row, params![tenant.0.as_bytes(), name.as_str(), at.0, sql::int(seconds)]);
            match row {
                Err(error) if is_taken(&error) => return Err(StoreError::TenantTaken(name)),
                other => other.map_err(&doing)?,
            };
            let leaf = "INSERT INTO journal (tenant, leaf, text) VALUES (?1, 0, ?2)";
            batch.connection.execute(leaf, params![tenant.0.as_bytes(), genesis.text()]).map_err(&doing)?;
            let entry = NewEntry { tenant, repository: None, first_leaf: LeafIndex(0), leaves: 1, catalog: true, at };
            let position = outbox::put(batch.connection, &entry).map_err(&doing)?;
            batch.stage_position(position);
            batch.stage_tenant(tenant);
            Ok(())
        })
    }

    /// Appends an `epoch` leaf to a tenant's journal: its data were restored from a backup.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such tenant.
    pub fn open_epoch(&self, tenant: TenantId, reason: &str, at: Timestamp) -> Result<LeafIndex, StoreError> {
        let ext = skill_pool_domain::journal::Ext::reason(reason);
        self.write(move |batch| {
            let doing = StoreError::doing("open a new epoch");
            let seconds = u64::try_from(at.seconds()).unwrap_or(0);
            let end = super::journal::JournalEnd::open(batch.connection, tenant, seconds).map_err(&doing)?;
            let mut end = end.ok_or(StoreError::Absent("tenant"))?;
            let leaf = end
                .append(Kind::Epoch, |leaf| leaf.ext = Some(ext))
                .map_err(|e| StoreError::Conflict(e.to_string()))?;
            end.finish().map_err(&doing)?;
            let entry = NewEntry { tenant, repository: None, first_leaf: leaf, leaves: 1, catalog: false, at };
            let position = outbox::put(batch.connection, &entry).map_err(&doing)?;
            batch.stage_position(position);
            Ok(leaf)
        })
    }

    /// Switches a tenant off (`Some`, since when) or on again.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such tenant.
    pub fn set_tenant_disabled(&self, tenant: TenantId, since: Option<Timestamp>) -> Result<(), StoreError> {
        self.change_tenant(tenant, "UPDATE tenants SET disabled_at_ms = ?2 WHERE tenant = ?1", since.map(|at| at.0))
    }

    /// Gives a tenant its own host name, in lower case and without a port, or takes it away.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another tenant has it; [`StoreError::Absent`] when there is no such tenant.
    pub fn set_tenant_host(&self, tenant: TenantId, host: Option<&str>) -> Result<(), StoreError> {
        let host = host.map(str::to_owned);
        self.change_tenant(tenant, "UPDATE tenants SET host = ?2 WHERE tenant = ?1", host)
    }

    fn change_tenant(
        &self,
        tenant: TenantId,
        sql: &'static str,
        value: impl rusqlite::ToSql + Send + 'static,
    ) -> Result<(), StoreError> {
        self.write(move |batch| match batch.connection.execute(sql, params![tenant.0.as_bytes(), value]) {
            Ok(0) => Err(StoreError::Absent("tenant")),
            Ok(_) => {
                batch.stage_tenant(tenant);
                Ok(())
            }
            Err(error) if is_taken(&error) => {
                Err(StoreError::Conflict("this host name belongs to another tenant".to_owned()))
            }
            Err(error) => Err(StoreError::doing("change a tenant")(error)),
        })
    }
}
