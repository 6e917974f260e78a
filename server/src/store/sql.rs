//! Between columns and typed values: one reader per type, so that a damaged row is an error and never a wrong value.

use gix::ObjectId;
use rusqlite::Row;
use rusqlite::types::Type;
use skill_pool_domain::digest::Sha256;
use skill_pool_domain::names::{LeafIndex, RepositoryId, RepositoryName, TenantId};
use skill_pool_domain::timestamp::Timestamp;
use uuid::Uuid;

type Result<T> = rusqlite::Result<T>;

fn damaged(column: usize, kind: Type, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, reason.into())
}

fn uuid(row: &Row<'_>, column: usize) -> Result<Uuid> {
    let bytes: [u8; 16] = row.get(column)?;
    Ok(Uuid::from_bytes(bytes))
}

pub(super) fn tenant_id(row: &Row<'_>, column: usize) -> Result<TenantId> {
    uuid(row, column).map(TenantId)
}

pub(super) fn repository_id(row: &Row<'_>, column: usize) -> Result<RepositoryId> {
    uuid(row, column).map(RepositoryId)
}

/// A text that a `FromStr` reads.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|e: T::Err| damaged(column, Type::Text, e))
}

/// As [`parsed`], or nothing.
pub(super) fn parsed_option<T>(row: &Row<'_>, column: usize) -> Result<Option<T>>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    if row.get_ref(column)?.as_bytes_or_null()?.is_none() {
        return Ok(None);
    }
    parsed(row, column).map(Some)
}

/// A text that `read` understands.
pub(super) fn read<T, E>(row: &Row<'_>, column: usize, read: impl Fn(&str) -> std::result::Result<T, E>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    read(row.get_ref(column)?.as_str()?).map_err(|e| damaged(column, Type::Text, e))
}

pub(super) fn repository_name(row: &Row<'_>, column: usize) -> Result<RepositoryName> {
    let text = row.get_ref(column)?.as_str()?;
    RepositoryName::parse_path(text).ok_or_else(|| damaged(column, Type::Text, "no repository can be called so"))
}

pub(super) fn object_id(row: &Row<'_>, column: usize) -> Result<ObjectId> {
    let bytes: [u8; 20] = row.get(column)?;
    Ok(ObjectId::from(bytes))
}

pub(super) fn object_id_option(row: &Row<'_>, column: usize) -> Result<Option<ObjectId>> {
    Ok(row.get::<_, Option<[u8; 20]>>(column)?.map(ObjectId::from))
}

pub(super) fn sha256(row: &Row<'_>, column: usize) -> Result<Sha256> {
    row.get(column).map(Sha256)
}

pub(super) fn sha256_option(row: &Row<'_>, column: usize) -> Result<Option<Sha256>> {
    Ok(row.get::<_, Option<[u8; 32]>>(column)?.map(Sha256))
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|e| damaged(column, Type::Integer, e))
}

pub(super) fn leaf(row: &Row<'_>, column: usize) -> Result<LeafIndex> {
    unsigned(row, column).map(LeafIndex)
}

pub(super) fn leaf_option(row: &Row<'_>, column: usize) -> Result<Option<LeafIndex>> {
    match row.get::<_, Option<i64>>(column)? {
        None => Ok(None),
        Some(_) => leaf(row, column).map(Some),
    }
}

pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get(column).map(Timestamp)
}

pub(super) fn time_option(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

/// Counts and places as the database holds them. Beyond 2^63 there are none.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The bound of a list: what the caller wants, but no more than a page.
pub(super) fn page(max: usize) -> i64 {
    i64::try_from(max.min(super::PAGE_ROWS_MAX)).unwrap_or(i64::MAX)
}
