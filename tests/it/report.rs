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
    assert!(shown.starts_with("Report on cells, scores at step 500\n") && shown.contains("7.00 ± 0.00"), "{shown}");
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
    for (format, expected) in [
        ("table", "Final scores"),
        ("md", "| D2GAN |"),
        ("latex", "\\label{tab:cells-scores}"),
        ("csv", "section,table,row"),
        ("json", "\"sections\""),
    ] {
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

#[test]
fn the_ending_of_a_file_says_the_format() {
    let home = Home::new(YAML, |index| if index < 8 { 8.0 } else { 1.0 });
    for (name, starts) in [
        ("a.md", "# Report"),
        ("a.tex", "%"),
        ("a.csv", "section,"),
        ("a.json", "{"),
        ("a.HTML", "<!doctype html>"),
        ("a.txt", "Report on"),
        ("html", "Report on"),
    ] {
        home.prints(&["report", "-o", name]);
        let written = fs::read_to_string(home.path().join(name)).unwrap();
        assert!(written.starts_with(starts), "{name}: {}", &written[..80]);
    }
    // What is said beats what the ending says.
    home.prints(&["report", "--format", "json", "-o", "b.md"]);
    assert!(fs::read_to_string(home.path().join("b.md")).unwrap().starts_with('{'));
}

#[test]
fn figures_are_written_for_a_paper() {
    let home = Home::new(YAML, |index| if index < 8 { 8.0 } else { 1.0 });
    let said = home.prints(&["report", "--figures", "figs/of a paper", "--width", "84mm"]);
    let folder = home.path().join("figs/of a paper");
    let names: Vec<&str> =
        said.lines().filter_map(|line| Some(line.split_once(": ")?.0)).filter(|name| !name.contains(' ')).collect();
    for name in [
        "forest",
        "distribution-modes_covered",
        "heat-map-D2GAN-modes_covered",
        "curves-modes_covered",
        "rates",
        "timeline",
    ] {
        assert!(names.contains(&name), "{name}: {said}");
    }
    let read = |name: &str, ending: &str| fs::read(folder.join(format!("{name}.{ending}"))).unwrap();
    let all =
        || names.iter().flat_map(|name| ["svg", "pdf", "csv"].map(|ending| read(name, ending))).collect::<Vec<_>>();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3 * names.len(), "{said}");
    for name in &names {
        let svg = text(&read(name, "svg"));
        assert!(svg.starts_with("<svg ") && svg.contains("width=\"238.11pt\"") && svg.contains("<text"), "{name}");
        let pdf = read(name, "pdf");
        assert!(pdf.starts_with(b"%PDF") && !pdf.windows(5).any(|bytes| bytes == b"/Font"), "{name} needs no font");
        assert!(read(name, "csv").iter().filter(|byte| **byte == b'\n').count() > 1, "{name} has data");
    }
    // D2GAN's first cell lost both of its seeds, one to training and one to its worker.
    let map = text(&read("heat-map-D2GAN-modes_covered", "csv"));
    assert_eq!(map.lines().nth(1), Some("0.1,0.1,,,0,2,open"), "{map}");
    assert_eq!(map.lines().nth(4), Some("0.2,0.2,8,0,2,2,scored"), "{map}");
    let before = all();
    home.prints(&["report", "--figures", "figs/of a paper", "--width", "84mm"]);
    assert_eq!(all(), before, "the same data, the same bytes");

    for (args, code, expected) in [
        (vec!["--figures", "sweep.db"], 3, "cannot write sweep.db"),
        (vec!["--figures", "x", "--width", "3"], 2, "expected a length such as `3.3in`"),
        (vec!["--width", "3in"], 2, "--figures"),
    ] {
        let output = home.sweep(&[vec!["report"], args.clone()].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[test]
fn published_figures_stand_beside_the_variant_that_the_file_names_and_no_other() {
    let yaml = format!(
        "{YAML}published:\n  - {{variant: GAN, metric: modes_covered, value: 6.3, error: 0.5, n: 10, source: 'Lin et \
        al. 2018, Table 1'}}\n"
    );
    let home = Home::new(&yaml, |index| if index < 8 { 8.0 } else { 1.0 });
    let shown = home.prints(&["report", "--format", "csv"]);
    let found: Vec<&str> = shown.lines().filter(|line| line.contains(",published,")).collect();
    assert_eq!(found, ["cells,scores,modes_covered / GAN,published,\"6.3 ± 0.5 (SE, n = 10)\",,,"], "{shown}");
    assert!(shown.contains("\"Published modes_covered of GAN: Lin et al. 2018, Table 1.\""), "{shown}");
    let latex = home.prints(&["report", "--format", "latex"]);
    assert!(latex.contains("& $6.3 \\pm 0.5$ (SE, n = 10) \\\\\n"), "{latex}");
    let without = Home::new(YAML, |index| if index < 8 { 8.0 } else { 1.0 }).prints(&["report"]);
    assert!(!without.to_lowercase().contains("published"), "{without}");
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
        assert!(text(&output.stderr).contains("is the results database: choose another file"), "{path}");
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
