//! The commands of docs/tutorial.md, one after the other, with fewer steps.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::run::bench::root;

/// The blocks of a kind of code, in their order.
fn blocks<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    text.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn every_command_of_the_tutorial_does_what_it_says() {
    let text = fs::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ring.yaml");
    let [first, looks] = blocks(&text, "yaml")[..] else { panic!("one file, and one change of it") };
    let short = |text: &str| {
        let text = text.replace("steps: 8000", "steps: 40").replace("every: 2000", "every: 20");
        text.replace("samples: 10000", "samples: 200")
    };
    fs::write(&file, short(first)).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_sweep")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let run = |line: &str| -> String {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(folder.path()).env("PATH", &path).env("SWEEP_SLOTS", "2");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    let mut runs = 0;
    let mut job = String::new();
    for line in blocks(&text, "console").iter().flat_map(|block| block.lines()) {
        let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("no command: {line}"));
        if command == "sweep run ring.yaml" {
            runs += 1;
            let now = fs::read_to_string(&file).unwrap();
            let seeds = now.lines().find(|line| line.starts_with("seeds:")).unwrap();
            match runs {
                1 => {}
                2 => fs::write(&file, now.replace(seeds, looks.trim_end())).unwrap(),
                _ => fs::write(&file, now.replace("[modes_covered,", "[symmetric_kl, modes_covered,")).unwrap(),
            }
        }
        let said = run(&command.replace("JOB", &job));
        if command.ends_with("--format csv") {
            job = said.lines().last().unwrap().to_owned();
        }
    }
    assert_eq!((runs, job.len()), (3, 20));
    let scored =
        run("sweep query \"SELECT count(symmetric_kl) = count(*) AND count(*) >= 24 FROM results\" --format csv");
    assert_eq!(scored.lines().last(), Some("1"));
    for path in ["ring.html", "ring.tex", "figures/curves-modes_covered.pdf"] {
        assert!(
            folder.path().join(path).exists(),
            "{path} of {:?}",
            fs::read_dir(folder.path()).unwrap().collect::<Vec<_>>()
        );
    }
}

/// Pages name each other by paths that are there, and places in them that are.
#[test]
fn the_links_of_the_documentation_lead_somewhere() {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.chain(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let mut found = 0;
    for page in pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        // Not in code.
        let text: String = text.split("```").step_by(2).collect();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") || link.contains(char::is_whitespace) {
                continue;
            }
            let (path, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(target.exists(), "{}: {link}", page.display());
            if !place.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let heading = |line: &str| {
                    let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                    line.starts_with('#') && words.replace(['`', ',', '.', ':', '…', '’', '\''], "") == place
                };
                let there = text.contains(&format!("id=\"{place}\"")) || text.lines().any(heading);
                assert!(there, "{}: {link}", page.display());
            }
            found += 1;
        }
    }
    assert!(found > 60, "{found}");
}
