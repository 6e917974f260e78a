//! Releases: what was released, and what was withdrawn.

use gix::ObjectId;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::names::{LeafIndex, MemberId, PluginName, RepositoryId, TenantId, Version};
use skill_pool_domain::timestamp::Timestamp;

use super::{PAGE_ROWS_MAX, Store, StoreError, sql};

/// One release.
#[derive(Clone, PartialEq, Debug)]
pub struct Release {
    /// The plugin.
    pub plugin: PluginName,
    /// The version.
    pub version: Version,
    /// The plugin's repository.
    pub repository: RepositoryId,
    /// The released commit.
    pub commit: ObjectId,
    /// The annotated tag.
    pub tag: ObjectId,
    /// Canonical digest of the commit's tree.
    pub tree: Sha256,
    /// Its `release` leaf.
    pub leaf: LeafIndex,
    /// When.
    pub at: Timestamp,
    /// Whose push released it.
    pub actor: Option<MemberId>,
    /// The key that signed that push.
    pub signer: Option<String>,
    /// Digest of the certificate's signed text.
    pub certificate: Option<Sha256>,
    /// What catalog and pages need of the plugin, as JSON whose form the domain owns.
    pub summary: serde_json::Value,
    /// Digest and length in bytes of its archive, once one was made.
    pub archive: Option<(Sha256, u64)>,
    /// Set while it is withdrawn.
    pub yanked: Option<Yanked>,
}

/// That a release is withdrawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Yanked {
    /// Why.
    pub reason: String,
    /// Its newest `yank` leaf.
    pub leaf: LeafIndex,
    /// Since when.
    pub at: Timestamp,
}

const COLUMNS: &str =
    "SELECT plugin, version, repository, commit_id, tag_id, tree, leaf, released_at_ms, actor, signer,
    certificate, summary, archive_sha256, archive_bytes, yanked_leaf, yanked_at_ms, yanked_reason FROM releases";

fn release(row: &Row<'_>) -> rusqlite::Result<Release> {
    let summary = serde_json::from_str(row.get_ref(11)?.as_str()?)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(11, Type::Text, e.into()))?;
    let archive = match sql::sha256_option(row, 12)? {
        Some(digest) => Some((digest, sql::unsigned(row, 13)?)),
        None => None,
    };
    let yanked = match sql::leaf_option(row, 14)? {
        Some(leaf) => Some(Yanked { leaf, at: sql::time(row, 15)?, reason: row.get(16)? }),
        None => None,
    };
    Ok(Release {
        plugin: sql::parsed(row, 0)?,
        version: sql::read(row, 1, Version::parse)?,
        repository: sql::repository_id(row, 2)?,
        commit: sql::object_id(row, 3)?,
        tag: sql::object_id(row, 4)?,
        tree: sql::sha256(row, 5)?,
        leaf: sql::leaf(row, 6)?,
        at: sql::time(row, 7)?,
        actor: sql::parsed_option(row, 8)?,
        signer: row.get(9)?,
        certificate: sql::sha256_option(row, 10)?,
        summary,
        archive,
        yanked,
    })
}

/// Writes the row of a release. False when the version was released before.
pub(super) fn insert(connection: &Connection, tenant: TenantId, release: &Release) -> rusqlite::Result<bool> {
    let summary = release.summary.to_string();
    let mut statement = connection.prepare_cached(
        "INSERT INTO releases (tenant, plugin, version, precedence, prerelease, repository, commit_id, tag_id, tree,
         leaf, newest_leaf, released_at_ms, actor, signer, certificate, summary)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (tenant, plugin, precedence) DO NOTHING",
    )?;
    let rows = statement.execute(params![
        tenant.0.as_bytes(),
        release.plugin.as_str(),
        release.version.to_string(),
        release.version.sort_key(),
        release.version.is_prerelease(),
        release.repository.0.as_bytes(),
        release.commit.as_bytes(),
        release.tag.as_bytes(),
        release.tree.0,
        sql::int(release.leaf.0),
        release.at.0,
        release.actor.as_ref().map(MemberId::as_str),
        release.signer,
        release.certificate.map(|digest| digest.0),
        summary,
    ])?;
    Ok(rows == 1)
}

/// What a yank needs of a release.
pub(super) struct YankRow {
    pub(super) repository: RepositoryId,
    pub(super) newest_leaf: LeafIndex,
    pub(super) reason: Option<String>,
}

pub(super) fn yank_row(
    connection: &Connection,
    tenant: TenantId,
    plugin: &PluginName,
    version: &Version,
) -> rusqlite::Result<Option<YankRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT repository, newest_leaf, yanked_reason FROM releases
         WHERE tenant = ?1 AND plugin = ?2 AND precedence = ?3",
    )?;
    let key = params![tenant.0.as_bytes(), plugin.as_str(), version.sort_key()];
    let row = statement.query_row(key, |row| {
        Ok(YankRow { repository: sql::repository_id(row, 0)?, newest_leaf: sql::leaf(row, 1)?, reason: row.get(2)? })
    });
    row.optional()
}

/// Plugin and version of every release that is withdrawn.
pub(super) fn yanked(connection: &Connection, tenant: TenantId) -> rusqlite::Result<Vec<(PluginName, Version)>> {
    let mut statement = connection.prepare_cached(
        "SELECT plugin, version FROM releases WHERE tenant = ?1 AND yanked_leaf IS NOT NULL ORDER BY plugin, version",
    )?;
    let rows = statement
        .query_map([tenant.0.as_bytes()], |row| Ok((sql::parsed(row, 0)?, sql::read(row, 1, Version::parse)?)))?;
    rows.collect()
}

/// Withdraws a release (`Some`) or puts it back.
pub(super) fn set_yanked(
    connection: &Connection,
    tenant: TenantId,
    plugin: &PluginName,
    version: &Version,
    leaf: LeafIndex,
    yanked: Option<(&str, Timestamp)>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "UPDATE releases SET newest_leaf = ?4, yanked_leaf = ?5, yanked_reason = ?6, yanked_at_ms = ?7
         WHERE tenant = ?1 AND plugin = ?2 AND precedence = ?3",
    )?;
    statement.execute(params![
        tenant.0.as_bytes(),
        plugin.as_str(),
        version.sort_key(),
        sql::int(leaf.0),
        yanked.map(|_| sql::int(leaf.0)),
        yanked.map(|(reason, _)| reason),
        yanked.map(|(_, at)| at.0),
    ])?;
    Ok(())
}

impl Store {
    /// One release.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn release(
        &self,
        tenant: TenantId,
        plugin: &PluginName,
        version: &Version,
    ) -> Result<Option<Release>, StoreError> {
        self.read("look a release up", |connection| {
            let sql = format!("{COLUMNS} WHERE tenant = ?1 AND plugin = ?2 AND precedence = ?3");
            let key = params![tenant.0.as_bytes(), plugin.as_str(), version.sort_key()];
            connection.prepare_cached(&sql)?.query_row(key, release).optional()
        })
    }

    /// A plugin's releases, the highest version first, withdrawn ones included; those below `below`, at most `max` (and
    /// [`PAGE_ROWS_MAX`]).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn releases_highest_first(
        &self,
        tenant: TenantId,
        plugin: &PluginName,
        below: Option<&Version>,
        max: usize,
    ) -> Result<Vec<Release>, StoreError> {
        // Above every version's key.
        let below = below.map_or_else(|| vec![0xff; 32], Version::sort_key);
        self.read("list a plugin's releases", |connection| {
            let sql = format!(
                "{COLUMNS} WHERE tenant = ?1 AND plugin = ?2 AND precedence < ?3 ORDER BY precedence DESC LIMIT ?4"
            );
            let key = params![tenant.0.as_bytes(), plugin.as_str(), below, sql::page(max)];
            connection.prepare_cached(&sql)?.query_map(key, release)?.collect()
        })
    }

    /// A tenant's releases, the newest first; those before leaf `before`, at most `max` (and [`PAGE_ROWS_MAX`]).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn releases_newest_first(
        &self,
        tenant: TenantId,
        before: Option<LeafIndex>,
        max: usize,
    ) -> Result<Vec<Release>, StoreError> {
        let before = before.map_or(i64::MAX, |leaf| sql::int(leaf.0));
        self.read("list the newest releases", |connection| {
            let sql = format!("{COLUMNS} WHERE tenant = ?1 AND leaf < ?2 ORDER BY leaf DESC LIMIT ?3");
            let key = params![tenant.0.as_bytes(), before, sql::page(max)];
            connection.prepare_cached(&sql)?.query_map(key, release)?.collect()
        })
    }

    /// What the catalog shows: of each plugin the highest version that is neither a prerelease nor withdrawn, by plugin.
    /// Handed to `each` one by one, so that memory does not grow with the tenant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn latest_releases(&self, tenant: TenantId, mut each: impl FnMut(Release)) -> Result<(), StoreError> {
        self.read("read the latest releases", |connection| {
            let sql = format!(
                "{COLUMNS} AS r WHERE tenant = ?1 AND precedence = (SELECT max(s.precedence) FROM releases AS s
                 WHERE s.tenant = r.tenant AND s.plugin = r.plugin AND s.prerelease = 0 AND s.yanked_leaf IS NULL)
                 ORDER BY plugin"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([tenant.0.as_bytes()])?;
            while let Some(row) = rows.next()? {
                each(release(row)?);
            }
            Ok(())
        })
    }

    /// The highest version of a plugin that is neither a prerelease nor withdrawn.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn latest_release(&self, tenant: TenantId, plugin: &PluginName) -> Result<Option<Release>, StoreError> {
        self.read("read the latest release", |connection| {
            let sql = format!(
                "{COLUMNS} WHERE tenant = ?1 AND plugin = ?2 AND prerelease = 0 AND yanked_leaf IS NULL
                 ORDER BY precedence DESC LIMIT 1"
            );
            let key = params![tenant.0.as_bytes(), plugin.as_str()];
            connection.prepare_cached(&sql)?.query_row(key, release).optional()
        })
    }

    /// Versions of a plugin that were ever released, withdrawn ones included, the highest first; at most
    /// [`PAGE_ROWS_MAX`]. With each the digest of its tree.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn released_versions(
        &self,
        tenant: TenantId,
        plugin: &PluginName,
    ) -> Result<Vec<(Version, Sha256)>, StoreError> {
        self.read("list a plugin's versions", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT version, tree FROM releases WHERE tenant = ?1 AND plugin = ?2
                 ORDER BY precedence DESC LIMIT ?3",
            )?;
            let key = params![tenant.0.as_bytes(), plugin.as_str(), sql::page(PAGE_ROWS_MAX)];
            let rows =
                statement.query_map(key, |row| Ok((sql::read(row, 0, Version::parse)?, sql::sha256(row, 1)?)))?;
            rows.collect()
        })
    }

    /// Keeps digest and length of a release's archive.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such release; [`StoreError::Conflict`] when another digest was kept before,
    /// since an archive's bytes never change.
    pub fn set_archive(
        &self,
        tenant: TenantId,
        plugin: &PluginName,
        version: &Version,
        digest: Sha256,
        bytes: u64,
    ) -> Result<(), StoreError> {
        let (plugin, version) = (plugin.clone(), version.clone());
        self.write(move |batch| {
            let doing = StoreError::doing("keep the digest of an archive");
            let key = params![tenant.0.as_bytes(), plugin.as_str(), version.sort_key()];
            let known = batch
                .connection
                .prepare_cached(
                    "SELECT archive_sha256 FROM releases WHERE tenant = ?1 AND plugin = ?2 AND precedence = ?3",
                )
                .and_then(|mut s| s.query_row(key, |row| sql::sha256_option(row, 0)).optional())
                .map_err(&doing)?;
            match known {
                None => return Err(StoreError::Absent("release")),
                Some(Some(known)) if known == digest => return Ok(()),
                Some(Some(_)) => {
                    return Err(StoreError::Conflict(format!("the archive of {plugin} {version} had other bytes")));
                }
                Some(None) => {}
            }
            let sql = "UPDATE releases SET archive_sha256 = ?4, archive_bytes = ?5
                       WHERE tenant = ?1 AND plugin = ?2 AND precedence = ?3";
            let row = params![tenant.0.as_bytes(), plugin.as_str(), version.sort_key(), digest.0, sql::int(bytes)];
            batch.connection.execute(sql, row).map_err(&doing)?;
            Ok(())
        })
    }
}
