//! Sweep files: the mistakes that are shown for broken ones, and the jobs of those in `sweeps/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sweep::plan::slot::{Device, Slot};
use sweep::plan::{Limits, plan};
use sweep::spec::error::SpecErrors;
use sweep::spec::expand::Expansion;
use sweep::spec::sweep::Sweep;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> Result<Expansion, SpecErrors> {
    let text = fs::read_to_string(path).unwrap();
    Sweep::parse(&path.file_name().unwrap().to_string_lossy(), &text).and_then(|sweep| sweep.expand())
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

#[test]
fn broken_files_show_all_their_mistakes() {
    let files = files("tests/fixtures/spec");
    assert!(files.len() >= 6);
    for path in files {
        let errors = match read(&path) {
            Ok(expansion) => panic!("{} has {} jobs and should have none", path.display(), expansion.entries.len()),
            Err(errors) => errors,
        };
        let shown = format!("{errors}\n{}", errors.render(80, false));
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        insta::assert_snapshot!(name, shown);
    }
}

#[test]
fn mistakes_fit_a_narrow_terminal() {
    for path in files("tests/fixtures/spec") {
        let shown = read(&path).unwrap_err().render(60, false);
        // Lines of the file itself are shown as they are.
        let own = |line: &&str| !line.contains('│') && !line.contains('╭') && !line.contains('·');
        for line in shown.lines().filter(own) {
            assert!(line.chars().count() <= 60, "{} columns in {line:?}", line.chars().count());
        }
        assert!(!shown.contains('\u{1b}'), "no colour where none is asked for");
    }
}

#[test]
fn the_sweeps_that_come_with_the_program_are_free_of_mistakes() {
    for (name, jobs) in [
        ("quickstart", 40),
        ("gaussians", 30),
        ("mnist_alpha_beta", 34),
        ("mnist_alpha_beta_long", 85),
        ("mnist_grid_full", 41_472),
    ] {
        let expansion = read(&root().join(format!("sweeps/{name}.yaml"))).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(expansion.jobs().len(), jobs, "{name}");
        assert_eq!(expansion.entries.len(), jobs, "{name}");
    }
    assert_eq!(files("sweeps").len(), 5, "a new sweep belongs in this test");
}

#[test]
fn forty_thousand_jobs_are_planned_in_a_second() {
    let start = Instant::now();
    let expansion = read(&root().join("sweeps/mnist_grid_full.yaml")).unwrap();
    let slots = vec![Slot { device: Device::Cpu, threads: 1 }; 16];
    let plan = plan(expansion.jobs(), &slots, &Limits::default());
    let took = start.elapsed();
    assert_eq!(plan.cohorts.iter().map(|placed| placed.cohort.members.len()).sum::<usize>(), 41_472);
    // About 0.3 s on one core; the bound leaves room for a busy machine, and none for anything quadratic.
    assert!(took.as_secs_f64() < 5.0, "{took:?}");
}
