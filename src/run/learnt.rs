//! What running out of memory has taught: kept in the home directory, so that the next run need not learn it again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::WriteError;
use crate::spec::id::BlueprintId;

/// Members of a blueprint that a device has had room for.
pub type Learnt = BTreeMap<BlueprintId, usize>;

fn file(home: &Path) -> PathBuf {
    home.join("limits.json")
}

/// What earlier runs in `home` have learnt. Deleting the file, after a move to a larger device, forgets it.
pub fn learnt(home: &Path) -> Result<Learnt, WriteError> {
    let path = file(home);
    let read = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Learnt::new()),
        other => other.and_then(|text| Ok(serde_json::from_slice(&text)?)),
    };
    read.map_err(|source| WriteError { path, source })
}

/// Adds what this run has learnt.
pub fn learn(home: &Path, news: &Learnt) -> Result<(), WriteError> {
    let mut all = learnt(home)?;
    let before = all.clone();
    for (blueprint, members) in news {
        all.entry(*blueprint).and_modify(|known| *known = (*known).min(*members)).or_insert(*members);
    }
    if all == before {
        return Ok(());
    }
    let path = file(home);
    let new = path.with_extension("json.new");
    let write = || fs::write(&new, serde_json::to_vec_pretty(&all)?).and_then(|()| fs::rename(&new, &path));
    write().map_err(|source| WriteError { path: path.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_limit_stays() {
        let home = tempfile::tempdir().unwrap();
        let (a, b) = (BlueprintId::of(b"a"), BlueprintId::of(b"b"));
        assert!(learnt(home.path()).unwrap().is_empty());
        learn(home.path(), &Learnt::from([(a, 8), (b, 2)])).unwrap();
        learn(home.path(), &Learnt::from([(a, 4), (b, 5)])).unwrap();
        assert_eq!(learnt(home.path()).unwrap(), Learnt::from([(a, 4), (b, 2)]));
        fs::write(file(home.path()), "{").unwrap();
        assert!(learnt(home.path()).unwrap_err().to_string().contains("limits.json"));
    }
}
