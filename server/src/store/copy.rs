//! A copy of the database at one moment, while others read and write it.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{Store, StoreError, sync_folder};

/// Pages that are copied in one step (4 KiB each).
const STEP_PAGES: i32 = 4096;

impl Store {
    /// Copies the database into the new file `to`, as it is at one moment: every transaction is in it whole or not at all,
    /// and each that was acknowledged before the call is. Synced when it returns; writers are not held up.
    ///
    /// # Errors
    /// When the file exists or the disk fails.
    pub fn copy_to(&self, to: &Path) -> Result<(), StoreError> {
        let open = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Open { path: to.to_owned(), source };
        File::create_new(to).map_err(|error| open(error.into()))?;
        let mut copy = Connection::open(to).map_err(|error| open(error.into()))?;
        self.inner.readers.with(|connection| {
            let doing = StoreError::doing("copy itself");
            // A read transaction holds the moment, so that writers meanwhile do not make the copy begin anew.
            let moment = connection.unchecked_transaction().map_err(&doing)?;
            moment.query_row("SELECT count(*) FROM tenants", [], |_| Ok(())).map_err(&doing)?;
            let backup = Backup::new(&moment, &mut copy).map_err(&doing)?;
            loop {
                match backup.step(STEP_PAGES).map_err(&doing)? {
                    StepResult::Done => break,
                    StepResult::Busy | StepResult::Locked => std::thread::sleep(Duration::from_millis(10)),
                    _ => {}
                }
            }
            drop(backup);
            moment.finish().map_err(&doing)
        })?;
        copy.close().map_err(|(_, error)| open(error.into()))?;
        File::open(to).and_then(|file| file.sync_all()).map_err(|error| open(error.into()))?;
        let folder = to.parent().unwrap_or(Path::new("."));
        sync_folder(folder).map_err(|error| open(error.into()))
    }
}
