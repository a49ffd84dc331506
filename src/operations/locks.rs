//! Locks, for those who wait.

use std::thread::sleep;
use std::time::Duration;

use crate::{Failure, Tell};
use sweep_run::{Lock, LockError};

/// How often somebody who waits looks: each look writes to a home directory that machines may share.
const WAIT: Duration = Duration::from_secs(1);

/// A lock, at once or when it is free.
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
