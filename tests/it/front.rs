//! The executable that people start, where what trains and scores is missing or cannot start.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const FILE: &str = "sweep: alone\ndataset: gaussians\nobjective: gan\ntrain: {steps: 10}\nscore: \
    {samples: 100, metrics: [wasserstein]}\n";

fn sweep(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(folder.join("sweep"));
    command.args(args).current_dir(folder).env_remove("LD_LIBRARY_PATH").env("SWEEP_HOME", folder.join("home"));
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn what_needs_no_libtorch_works_alone_and_the_rest_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::copy(env!("CARGO_BIN_EXE_sweep"), folder.join("sweep")).unwrap();
    fs::write(folder.join("alone.yaml"), FILE).unwrap();
    // There is none; and one that the system's loader gives up on.
    for broken in [false, true] {
        if broken {
            let worker = folder.join("sweep-worker");
            let text = "#!/bin/sh\necho 'error while loading shared libraries: libtorch_cpu.so' >&2\nexit 127\n";
            fs::write(&worker, text).unwrap();
            fs::set_permissions(&worker, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for args in [&["--version"][..], &["plan", "alone.yaml"], &["keys", "alpha"], &["score", "--help"]] {
            let output = sweep(folder, args);
            assert!(output.status.success(), "{args:?}: {}", said(&output));
        }
        for args in [
            &["doctor"][..],
            &["score", "x.npy", "--dataset", "gaussians"],
            &["bench", "alone.yaml"],
            &["run", "alone.yaml", "--backoff", "0"],
        ] {
            let output = sweep(folder, args);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(3), "{args:?}: {said}");
            let expected = if broken && args[0] == "run" { "libtorch_cpu.so" } else { "sweep-worker" };
            assert!(said.contains(expected), "{args:?}: {said}");
        }
        // What a run could not train waits for the next one.
        let output = sweep(folder, &["status"]);
        assert!(output.status.success() && said(&output).contains("alone"), "{}", said(&output));
    }
}
