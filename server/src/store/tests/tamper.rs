//! What somebody with the file in hand could do to the database.

use std::path::Path;

use rusqlite::Connection;

use crate::store::{Store, StoreError};

fn change(store: &Store, sql: &'static str) {
    let changed = store.write(move |batch| batch.connection.execute(sql, []).map_err(StoreError::doing("tamper")));
    assert_eq!(changed.expect("changes"), 1, "{sql}");
}

pub(crate) fn move_a_ref(store: &Store) {
    let sql = "UPDATE refs SET id = (SELECT id FROM refs WHERE name LIKE 'refs/tags/%v1.0.0')
               WHERE name LIKE 'refs/tags/%v1.1.0'";
    change(store, sql);
}

pub(crate) fn add_a_ref(store: &Store) {
    let sql = "INSERT INTO refs (tenant, repository, name, id, peeled, leaf)
               SELECT tenant, repository, 'refs/heads/evil', id, NULL, leaf FROM refs
               WHERE name LIKE 'refs/tags/%v1.0.0'";
    change(store, sql);
}

pub(crate) fn change_an_actor(store: &Store) {
    let sql = "UPDATE journal SET text = replace(text, 'u:mia', 'u:eve')
               WHERE leaf = (SELECT min(leaf) FROM journal WHERE text LIKE '%u:mia%')";
    change(store, sql);
}

pub(crate) fn change_a_value(store: &Store) {
    let sql = "UPDATE journal SET text = replace(text, 'old sha1:0', 'old sha1:1') WHERE leaf = 2";
    change(store, sql);
}

pub(crate) fn drop_a_leaf(store: &Store) {
    change(store, "DELETE FROM journal WHERE leaf = 2");
}

pub(crate) fn change_evidence(store: &Store) {
    change(store, "UPDATE evidence SET bytes = CAST('other' AS BLOB) WHERE rowid = (SELECT min(rowid) FROM evidence)");
}

pub(crate) fn unyank(store: &Store) {
    change(store, "UPDATE releases SET yanked_leaf = NULL, yanked_reason = NULL WHERE yanked_leaf IS NOT NULL");
}

pub(crate) fn make_newer(path: &Path) {
    let connection = Connection::open(path).expect("opens");
    let sql = "INSERT INTO schema_steps (step, sha256, applied_at_ms) VALUES (999, 'x', 0)";
    connection.execute(sql, []).expect("changes");
}
