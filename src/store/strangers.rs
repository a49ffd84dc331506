//! Attempts on disk that a database knows nothing of: it was lost, or is older than they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::files::{is_there, list};
use super::{Store, StoreError};

impl Store {
    /// The attempts in `home` that have begun and are not in this database, sorted by their paths.
    ///
    /// # Errors
    ///
    /// Where `home` or the database cannot be read, or the database is that of another home directory.
    pub async fn strangers(&self, home: &Path) -> Result<Vec<PathBuf>, StoreError> {
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
pub fn orphaned_attempts(home: &Path) -> Result<Vec<PathBuf>, StoreError> {
    beyond(home, &HashMap::new())
}

/// The attempts in `home` whose number is above the one that is known of their cohort.
fn beyond(home: &Path, known: &HashMap<String, u32>) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for cohort in list(&home.join("runs"))? {
        let name = cohort.file_name().unwrap_or_default().to_string_lossy();
        let known = known.get(&*name).copied().unwrap_or(0);
        for attempt in list(&cohort)? {
            let name = attempt.file_name().unwrap_or_default().to_string_lossy();
            let number = name.strip_prefix("attempt-").and_then(|number| number.parse::<u32>().ok());
            // Without an order no worker was told to do anything.
            if number.is_some_and(|number| number > known) && is_there(&attempt.join("order.json"))? {
                found.push(attempt);
            }
        }
    }
    Ok(found)
}
