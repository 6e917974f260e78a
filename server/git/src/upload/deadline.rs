//! The end of a request's patience.

use std::time::{Duration, Instant};

use super::fetch::FetchError;

/// Looks at the clock once in so many steps: a look costs more than a step.
const STEPS: u32 = 256;

/// Ends long walks in time.
pub struct Deadline {
    end: Option<Instant>,
    time_max: Duration,
    steps: u32,
}

impl Deadline {
    /// Begins now.
    pub fn new(time_max: Duration) -> Self {
        Self { end: Instant::now().checked_add(time_max), time_max, steps: 0 }
    }

    /// Counts one step of work.
    ///
    /// # Errors
    /// [`FetchError::Refused`] when the time is over.
    pub fn step(&mut self) -> Result<(), FetchError> {
        self.steps += 1;
        if self.steps < STEPS {
            return Ok(());
        }
        self.steps = 0;
        if self.end.is_some_and(|end| Instant::now() > end) {
            let seconds = self.time_max.as_secs();
            return Err(FetchError::Refused(format!(
                "this request took longer than {seconds} seconds; ask for less, such as with --depth or --filter"
            )));
        }
        Ok(())
    }
}
