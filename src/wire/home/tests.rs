//! Only names that this or earlier versions of the program wrote are recognised.

use std::collections::HashSet;

use super::*;

#[test]
fn files_are_where_earlier_versions_put_them() {
    let (home, cohort, job) = (Home::new("h"), CohortId::of(b"c"), JobId::of(b"j"));
    let run = home.run(cohort);
    let attempt = run.attempt(12);
    let below = |path: &str| format!("h/runs/{cohort}/{path}");
    for (path, expected) in [
        (home.lock(), "h/lock".to_owned()),
        (home.database(), "h/sweep.db".to_owned()),
        (home.sweep("a"), "h/sweeps/a.json".to_owned()),
        (home.decisions(), "h/decisions.jsonl".to_owned()),
        (home.measured(), "h/measured.json".to_owned()),
        (home.request(7, 0), "h/requests/7-0.json".to_owned()),
        (done(&home.request(7, 0)), "h/requests/7-0.done".to_owned()),
        (home.paused(), "h/paused".to_owned()),
        (home.at_work(), "h/at-work.json".to_owned()),
        (home.pointer(), "h/database.json".to_owned()),
        (home.probes().path().to_owned(), "h/probes".to_owned()),
        (home.fleet(), "h/agents/fleet.json".to_owned()),
        (home.agent(3).orders(), "h/agents/3/orders.json".to_owned()),
        (home.agent(3).state(), "h/agents/3/state.json".to_owned()),
        (home.agent(3).log(), "h/agents/3/agent.log".to_owned()),
        (home.log(), "h/logs/sweep.log".to_owned()),
        (home.run_log(), "h/logs/run.log".to_owned()),
        (home.worker_log(3), "h/logs/worker-3.log".to_owned()),
        (home.earlier_worker_log(3), "h/logs/worker-3.old.log".to_owned()),
        (run.checkpoint(), below("checkpoint.safetensors")),
        (run.previous(), below("checkpoint.previous.safetensors")),
        (run.generators(), below("generators.safetensors")),
        (run.path().join(RunFolder::sheet(job)), below(&format!("samples/{job}.png"))),
        (run.path().join(RunFolder::sheet_at(job, 40)), below(&format!("samples/{job}-40.png"))),
        (points_of(&run.path().join(RunFolder::sheet(job))), below(&format!("samples/{job}.npy"))),
        (run.rescoring(2), below("rescore-2.jsonl")),
        (run.rescoring_part(2), below("rescore-2.jsonl.part")),
        (attempt.order(), below("attempt-12/order.json")),
        (attempt.control(), below("attempt-12/control.json")),
        (attempt.events(), below("attempt-12/events.jsonl")),
        (attempt.end(), below("attempt-12/end.json")),
    ] {
        assert_eq!(path, Path::new(&expected));
    }
    assert_eq!(home.run_in(Home::place(cohort)), run);
}

#[test]
fn names_tell_what_they_are_of() {
    for number in [1, 10, u32::MAX] {
        let run = Home::new("h").run(CohortId::of(b"c"));
        let name = |path: &Path| path.file_name().unwrap().to_owned();
        assert_eq!(attempt_of(&name(run.attempt(number).path())), Some(number));
        assert_eq!(rescoring_of(&name(&run.rescoring(number))), Some(number));
        assert!(is_unfinished(&name(&run.rescoring_part(number))));
        assert!(!is_unfinished(&name(&run.rescoring(number))));
    }
    // As a user who looks into a folder may have copied them.
    for name in ["attempt-", "attempt-1 copy", "attempt-01", "attempt-+1", "attempt-1.bak", "attempt-4294967296", "1"] {
        assert_eq!(attempt_of(OsStr::new(name)), None, "{name}");
    }
    for name in ["rescore-1.jsonl.part", "rescore-.jsonl", "rescore-1", "rescore-01.jsonl", "rescore-1.jsonl.bak"] {
        assert_eq!(rescoring_of(OsStr::new(name)), None, "{name}");
    }
    for (name, is) in [
        ("order.json.new", true),
        ("measured.json.new", true),
        ("order.json", false),
        ("mine.new", false),
        ("rescore-x.jsonl.part", false),
        ("sweep.db.v3.part", false),
    ] {
        assert_eq!(is_unfinished(OsStr::new(name)), is, "{name}");
    }
}

fn file(name: &str) -> String {
    let path = Home::new("home").sweep(name);
    assert_eq!(path.parent(), Some(Path::new("home/sweeps")));
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn every_legal_name_of_a_sweep_has_a_file_of_its_own() {
    assert_eq!(file("ab-1_Z"), "ab-1_Z.json");
    assert_eq!(file("a/b ü"), "a%2fb%20%c3%bc.json");
    // The hash is BLAKE3, from its Python implementation.
    assert_eq!(file(&"中".repeat(100)), format!("{}-c6af8f7788ac9fc5.json", "%e4%b8%ad".repeat(20)));
    // The longest possible name.
    assert_eq!(file(&"中".repeat(20)), format!("{}.json", "%e4%b8%ad".repeat(20)));
    let long = ["中".repeat(36), "中".repeat(100), format!("ab{}", "中".repeat(36)), "😀".repeat(100)];
    for name in &long {
        let file = file(name);
        let (start, hash) = file.strip_suffix(".json").unwrap().rsplit_once('-').unwrap();
        assert!(start.len() > LONGEST - 3 && start.len() <= LONGEST && hash.len() == 16, "{file}");
        // Escapes are not cut.
        assert_eq!(start.trim_start_matches("ab").len() % 3, 0, "{file}");
    }
    let files: HashSet<String> = long.iter().map(|name| file(name)).collect();
    assert_eq!(files.len(), long.len());
}
