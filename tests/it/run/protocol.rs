//! The page on the protocol says what is so.

use super::bench::{Bench, root};

#[test]
fn the_example_of_the_page_is_the_file_and_runs() {
    let page = std::fs::read_to_string(root().join("docs/worker-protocol.md")).unwrap();
    let path = root().join("docs/worker_example.py");
    let example = std::fs::read_to_string(&path).unwrap();
    let quoted = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(quoted, example);

    let bench = Bench::new("none").with("SWEEP_WORKER", path.display());
    bench.run().expect(0);
    assert_eq!(bench.states(), "done 9");
    assert_eq!(bench.query("SELECT count(*) FROM scores"), ["9"]);
}

#[test]
fn the_page_names_every_event_and_outcome() {
    let page = std::fs::read_to_string(root().join("docs/worker-protocol.md")).unwrap();
    for word in [
        "started",
        "progress",
        "scoring",
        "scored",
        "floor",
        "sampled",
        "warning",
        "checkpointed",
        "job_done",
        "job_failed",
        "ended",
    ] {
        assert!(page.contains(&format!("| `{word}` |")), "{word}");
    }
    for word in ["finished", "stopped", "out_of_memory", "failed", "no_space", "refused"] {
        assert!(page.contains(&format!("| `{word}` |")), "{word}");
    }
}
