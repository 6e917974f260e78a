//! What follows from a new state of `registry.git` within the same transaction: members, visibility, yanks.

use rusqlite::{Connection, params};
use skill_pool_domain::journal::{Ext, Kind, LeafFields};
use skill_pool_domain::names::{PluginName, TenantId, Version};
use skill_pool_domain::registry::{Registry, Visibility};
use skill_pool_domain::timestamp::Timestamp;

use super::journal::{AppendError, JournalEnd};
use super::registry::RegistryState;
use super::releases;

/// Renews the projections of a tenant.
pub(super) fn renew(connection: &Connection, tenant: TenantId, state: &RegistryState) -> rusqlite::Result<()> {
    super::registry::put(connection, tenant, state)?;
    let public = state.registry.visibility == Visibility::Public;
    let mut statement = connection.prepare_cached("UPDATE tenants SET public = ?2 WHERE tenant = ?1")?;
    statement.execute(params![tenant.0.as_bytes(), public])?;
    Ok(())
}

/// Appends `yank` and `unyank` leaves for every release whose state differs from what `registry` says. `evidence` fills
/// in what the leaves rest on. Returns how many there were.
pub(super) fn yanks(
    connection: &Connection,
    tenant: TenantId,
    registry: &Registry,
    journal: &mut JournalEnd<'_>,
    at: Timestamp,
    evidence: &dyn Fn(&mut LeafFields),
) -> Result<usize, AppendError> {
    let mut changed = 0;
    for (plugin, version) in releases::yanked(connection, tenant)? {
        if reason(registry, &plugin, &version).is_none() {
            changed += usize::from(one(connection, tenant, journal, (&plugin, &version), None, at, evidence)?);
        }
    }
    for (plugin, versions) in &registry.yanks {
        for (version, reason) in versions {
            // A file that names no version withdraws nothing; the gate of registry.git says so to its author.
            let Ok(version) = Version::parse(version) else { continue };
            let yank = Some(reason.as_str());
            changed += usize::from(one(connection, tenant, journal, (plugin, &version), yank, at, evidence)?);
        }
    }
    Ok(changed)
}

/// As [`yanks`], for a release that was just made: `registry.git` may have withdrawn it beforehand.
pub(super) fn yank_of(
    connection: &Connection,
    tenant: TenantId,
    registry: &Registry,
    journal: &mut JournalEnd<'_>,
    (plugin, version): (&PluginName, &Version),
    at: Timestamp,
    evidence: &dyn Fn(&mut LeafFields),
) -> Result<(), AppendError> {
    if let Some(reason) = reason(registry, plugin, version) {
        one(connection, tenant, journal, (plugin, version), Some(reason), at, evidence)?;
    }
    Ok(())
}

fn reason<'a>(registry: &'a Registry, plugin: &PluginName, version: &Version) -> Option<&'a str> {
    registry.yanks.get(plugin)?.get(&version.to_string()).map(String::as_str)
}

/// Withdraws one release for a reason, or puts it back. False when there is none, or it is so already.
fn one(
    connection: &Connection,
    tenant: TenantId,
    journal: &mut JournalEnd<'_>,
    (plugin, version): (&PluginName, &Version),
    yank: Option<&str>,
    at: Timestamp,
    evidence: &dyn Fn(&mut LeafFields),
) -> Result<bool, AppendError> {
    let Some(row) = releases::yank_row(connection, tenant, plugin, version)? else { return Ok(false) };
    if row.reason.as_deref() == yank {
        return Ok(false);
    }
    let kind = if yank.is_some() { Kind::Yank } else { Kind::Unyank };
    let leaf = journal.append(kind, |leaf| {
        leaf.repo = Some(row.repository);
        leaf.name = Some(plugin.clone());
        leaf.version = Some(version.clone());
        leaf.prev = Some(row.newest_leaf);
        leaf.ext = yank.filter(|reason| !reason.is_empty()).map(Ext::reason);
        evidence(leaf);
    })?;
    releases::set_yanked(connection, tenant, plugin, version, leaf, yank.map(|reason| (reason, at)))?;
    Ok(true)
}
