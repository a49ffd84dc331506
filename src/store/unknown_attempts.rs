//! Attempts on disk that are not in the database, because it was lost or is an older copy.

use std::collections::HashMap;
use std::path::PathBuf;

use super::files::{attempts, is_there, runs};
use super::{Store, StoreError};
use sweep_wire::home::Home;

impl Store {
    /// Returns the started attempts in `home` that are not in this database, by cohort and number.
    ///
    /// # Errors
    ///
    /// If `home` or the database cannot be read, or the database belongs to another home directory.
    pub async fn unknown_attempts(&self, home: &Home) -> Result<Vec<PathBuf>, StoreError> {
        self.check_home(home).await?;
        let made = self.attempts_made().await?;
        with_numbers_above(home, &made.into_iter().map(|(cohort, number)| (cohort.to_string(), number)).collect())
    }
}

/// Returns the started attempts in `home`, for use if there is no database.
///
/// # Errors
///
/// If `home` cannot be read.
pub fn orphaned_attempts(home: &Home) -> Result<Vec<PathBuf>, StoreError> {
    with_numbers_above(home, &HashMap::new())
}

/// Returns the attempts in `home` with a number above the last known one of their cohort.
fn with_numbers_above(home: &Home, known: &HashMap<String, u32>) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for run in runs(home)? {
        let name = run.path().file_name().unwrap_or_default().to_string_lossy();
        let known = known.get(&*name).copied().unwrap_or(0);
        for (number, attempt) in attempts(&run)? {
            // Without an order, no worker was started.
            if number > known && is_there(&attempt.order())? {
                found.push(attempt.path().to_owned());
            }
        }
    }
    Ok(found)
}
