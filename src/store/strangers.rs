//! Attempts on disk that a database knows nothing of: it was lost, or is older than they are.

use std::collections::HashMap;
use std::path::PathBuf;

use super::files::{attempts, is_there, runs};
use super::{Store, StoreError};
use sweep_wire::home::Home;

impl Store {
    /// The attempts in `home` that have begun and are not in this database, by cohort and number.
    ///
    /// # Errors
    ///
    /// Where `home` or the database cannot be read, or the database is that of another home directory.
    pub async fn strangers(&self, home: &Home) -> Result<Vec<PathBuf>, StoreError> {
        self.check_home(home).await?;
        let made = self.attempts_made().await?;
        beyond(home, &made.into_iter().map(|(cohort, number)| (cohort.to_string(), number)).collect())
    }
}

/// The attempts in `home` that have begun, where there is no database that could know them.
///
/// # Errors
///
/// Where `home` cannot be read.
pub fn orphaned_attempts(home: &Home) -> Result<Vec<PathBuf>, StoreError> {
    beyond(home, &HashMap::new())
}

/// The attempts in `home` whose number is above the one that is known of their cohort.
fn beyond(home: &Home, known: &HashMap<String, u32>) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for run in runs(home)? {
        let name = run.path().file_name().unwrap_or_default().to_string_lossy();
        let known = known.get(&*name).copied().unwrap_or(0);
        for (number, attempt) in attempts(&run)? {
            // Without an order no worker was told to do anything.
            if number > known && is_there(&attempt.order())? {
                found.push(attempt.path().to_owned());
            }
        }
    }
    Ok(found)
}
