//! `sweep report` from outside.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::store::{Home, YAML, text};

#[test]
fn an_expectation_that_does_not_hold_is_101() {
    let good = Home::new(YAML, |index| if index < 8 { 8.0 } else { 1.0 });
    let shown = good.prints(&["report"]).replace('\n', " ");
    assert!(shown.contains("scores better with probability 1.00") && shown.contains("yes"), "{shown}");
    let bad = Home::new(YAML, |_| 3.0);
    let output = bad.sweep(&["report", "cells"]);
    assert_eq!(output.status.code(), Some(101));
    assert!(text(&output.stdout).contains("modes_covered(D2GAN, best) > modes_covered(GAN, best)"));
}

#[test]
fn a_step_is_chosen_by_its_number_or_by_what_was_best() {
    let home = Home::new(YAML, |index| if index < 8 { 8.0 } else { 1.0 });
    let shown = home.prints(&["report", "--step", "500"]);
    assert!(shown.starts_with("Report on cells, scores of step 500\n") && shown.contains("7.00 ± 0.00"), "{shown}");
    let shown = home.prints(&["report", "--step", "best"]);
    assert!(shown.contains("each run's best step by modes_covered") && shown.contains("8.00 ± 0.00"), "{shown}");
    for (step, expected) in [("7", "scored at step 7; scored at: 500, 1000"), ("first", "expected `last`, `best`")] {
        let output = home.sweep(&["report", "--step", step]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[test]
fn every_format_goes_to_a_file_or_to_stdout() {
    let home = Home::new(YAML, |index| if index < 8 { 8.0 } else { 1.0 });
    for (format, expected) in
        [("table", "Final scores"), ("md", "| D2GAN |"), ("csv", "section,table,row"), ("json", "\"sections\"")]
    {
        let printed = home.prints(&["report", "cells", "--format", format]);
        assert!(printed.contains(expected) && !printed.contains('\u{1b}'), "{format}: {printed}");
        let file = home.path().join(format);
        let nothing = home.prints(&["report", "cells", "--format", format, "-o", file.to_str().unwrap()]);
        assert_eq!(nothing, "");
        assert_eq!(fs::read_to_string(file).unwrap(), printed, "{format}");
    }
    let output = home.sweep(&["report", "-o", "no/such/folder/x"]);
    assert_eq!(output.status.code(), Some(3));
}

fn names(home: &Home) -> Vec<String> {
    let names = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn a_file_is_replaced_as_a_whole_and_the_database_never() {
    let home = Home::new(YAML, |index| if index < 8 { 8.0 } else { 1.0 });
    let (database, report) = (home.path().join("sweep.db"), home.path().join("report.md"));
    let before = fs::read(&database).unwrap();
    fs::hard_link(&database, home.path().join("hard")).unwrap();
    symlink(&database, home.path().join("soft")).unwrap();
    for path in ["sweep.db", "./runs/../sweep.db", "hard", "soft"] {
        let output = home.sweep(&["report", "-o", path]);
        assert_eq!(output.status.code(), Some(2), "{path}");
        assert!(text(&output.stderr).contains("is the results database: --output names another file"), "{path}");
    }
    assert_eq!(fs::read(&database).unwrap(), before);

    // What was there stays as readable as it was, and a link a link.
    fs::write(&report, "x".repeat(100_000)).unwrap();
    fs::set_permissions(&report, Permissions::from_mode(0o640)).unwrap();
    symlink("report.md", home.path().join("link.md")).unwrap();
    home.prints(&["report", "--format", "md", "-o", "link.md"]);
    assert_eq!(fs::read_to_string(&report).unwrap(), home.prints(&["report", "--format", "md"]));
    assert_eq!(fs::metadata(&report).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(home.path().join("link.md").is_symlink());
    assert_eq!(home.prints(&["report", "-o", "/dev/stdout"]), home.prints(&["report"]));
    assert!(names(&home).iter().all(|name| !name.starts_with(".tmp")), "{:?}", names(&home));
}

#[test]
fn a_narrow_terminal_wraps() {
    let home = Home::new(YAML, |_| 8.0);
    let output = home.command(&["report"]).env("COLUMNS", "60").output().unwrap();
    let shown = text(&output.stdout);
    assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
}

#[test]
fn unknown_sweeps_and_scores_are_2() {
    let home = Home::new(YAML, |_| 8.0);
    for (args, expected) in [
        (&["report", "cel"][..], "no sweep `cel` in the database: it has cells"),
        (&["report", "--metric", "nonsense"], "expected one of wasserstein"),
        (&["report", "--metric", "frechet"], "measured: modes_covered"),
    ] {
        let output = home.sweep(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(expected), "{args:?}: {}", text(&output.stderr));
    }
}
