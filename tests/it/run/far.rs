//! A home directory on a file system that other machines share, as SWEEP_DELAY says of one that does not look like
//! that.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::bench::{Bench, Ended, assert_same, wait};

const SCORES: &str = "SELECT job, step, metric, value FROM scores ORDER BY 1, 2, 3";
const STATES: &str = "SELECT id, state, step FROM jobs ORDER BY 1";

/// A bench whose home is far, with a folder for what is this machine's own.
fn far(bench: Bench) -> (Bench, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().display().to_string();
    (bench.with("SWEEP_DELAY", "2").with("XDG_STATE_HOME", path), state)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// The database of this machine.
fn own(state: &tempfile::TempDir) -> PathBuf {
    let found = files(&state.path().join("sweep"));
    let mut databases = found.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "db"));
    let own = databases.next().unwrap();
    assert_eq!(databases.next(), None);
    own
}

/// Writes a line as the program seals it: with the CRC-32 of IEEE 802.3 of all before it, bit by bit.
fn seal(path: &Path, object: &str) {
    let text = object.strip_suffix('}').unwrap();
    let sum = !text.bytes().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 })
    });
    fs::write(path, format!("{text},\"crc\":\"{sum:08x}\"}}\n")).unwrap();
}

#[test]
fn the_home_has_a_copy_of_the_database_and_no_more_of_it() {
    let here = Bench::new("none");
    here.run().expect(0);
    let (bench, state) = far(Bench::new("none"));
    bench.run().expect(0).says(&["where SQLite cannot work", "a copy of it", "home/sweep.db"]);
    for query in [SCORES, STATES] {
        assert_same(&bench.query(query), &here.query(query));
    }
    let names: Vec<PathBuf> = files(&bench.home());
    let is_beside = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("sweep.db-");
    assert!(!names.iter().any(is_beside) && !bench.home().join("at-work.json").exists(), "{names:?}");
    assert!(own(&state).starts_with(state.path()));
    // Commands that write do so there, and copy.
    bench.sweep(&["rebuild"]).expect(0);
    assert_same(&bench.query(SCORES), &here.query(SCORES));
    bench.sweep(&["status"]).expect(0).says(&["nine"]);
    // Where the user names another place, that is the one.
    let named = state.path().join("named.db");
    let db = named.display().to_string();
    bench.sweep(&["rebuild", "--db", &db]).expect(0);
    assert!(named.exists());
}

#[test]
fn what_a_machine_had_of_its_own_may_be_lost() {
    let here = Bench::new("none");
    here.run().expect(0);
    let (bench, state) = far(Bench::held());
    let mut run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    bench.sweep(&["status"]).expect(0).says(&["running"]);
    run.kill().unwrap();
    run.wait().unwrap();
    // Another machine goes on: it has the copy from the start of the run, and the logs.
    fs::remove_dir_all(state.path().join("sweep")).unwrap();
    bench.go();
    bench.run().expect(0).says(&["lacked"]);
    for query in [SCORES, STATES] {
        assert_same(&bench.query(query), &here.query(query));
    }
}

#[test]
fn a_run_on_another_machine_is_seen() {
    let (bench, _state) = far(Bench::new("none"));
    bench.run().expect(0);
    let at_work = bench.home().join("at-work.json");
    seal(&at_work, "{\"host\":\"node17\",\"process\":7}");
    seal(&bench.home().join("database.json"), "{\"host\":\"node17\",\"database\":\"/var/tmp/x.db\"}");
    bench.run().expect(3).says(&["process 7", "host node17"]);
    bench.sweep(&["status"]).expect(0).says(&["As of ", "the database is on node17"]);
    bench.sweep(&["rebuild"]).expect(3).says(&["host node17"]);
    // Who was not heard of for long is not there any more; a copy is what there is to begin with.
    let file = fs::File::options().append(true).open(&at_work).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(1000)).unwrap();
    bench.run().expect(0).says(&["nothing to train"]);
    assert_eq!(bench.states(), "done 9");
}

/// A machine that stood still while another one took over wakes up with what is old by then.
#[test]
fn what_another_machine_has_put_there_is_not_replaced() {
    let (bench, _state) = far(Bench::held());
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    seal(&bench.home().join("database.json"), "{\"host\":\"node17\",\"database\":\"/var/tmp/x.db\"}");
    let copy = bench.home().join("sweep.db");
    let before = fs::read(&copy).unwrap();
    bench.go();
    Ended::from(run.wait_with_output().unwrap()).expect(0).says(&["belongs to another machine by now"]);
    assert!(fs::read(&copy).unwrap() == before);
}

#[test]
fn a_pause_is_asked_for_from_elsewhere() {
    let (bench, _state) = far(Bench::new("none").with("STEP_SECONDS", "0.2"));
    let mut run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    bench.sweep(&["pause"]).expect(0);
    wait("a paused run", || bench.sweep(&["status"]).stdout.contains("The run is paused"));
    bench.sweep(&["resume"]).expect(0);
    run.wait().unwrap();
    assert_eq!(bench.states(), "done 9");
}

#[test]
fn how_late_changes_are_is_a_number() {
    let bench = Bench::new("none").with("SWEEP_DELAY", "soon");
    bench.run().expect(2).says(&["SWEEP_DELAY is `soon`: expected seconds, such as 60"]);
}
