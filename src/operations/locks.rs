//! Waiting for locks.

use std::thread::sleep;
use std::time::Duration;

use crate::{Failure, Tell};
use sweep_run::{Lock, LockError};

/// Time between two tries: each one writes to a home directory that other machines may share.
const WAIT: Duration = Duration::from_secs(1);

/// Takes a lock, at once or when it becomes free.
pub(crate) fn take(wait: bool, tell: &Tell, lock: impl Fn() -> Result<Lock, LockError>) -> Result<Lock, Failure> {
    let mut said = false;
    loop {
        match lock() {
            Err(LockError::Held { what, holder }) if wait => {
                if !said {
                    tell.say(format!("waiting for {holder}, which is at work in {}", what.display()));
                }
                said = true;
                sleep(WAIT);
            }
            lock => return lock.map_err(Failure::environment),
        }
    }
}
