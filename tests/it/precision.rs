//! `train.precision`: only GPUs compute in less than float32.

use sweep::tensor::precision::{allow_tf32, tf32_is_allowed};

use crate::run::bench::{Bench, NINE};

fn bench(precision: &str) -> Bench {
    let text = NINE.replace("lr: 1e-3", &format!("lr: 1e-3, precision: {precision}"));
    Bench::new("none").file("nine.yaml", &text)
}

#[test]
fn a_cpu_is_refused_before_anything_starts() {
    for (precision, says) in [("tf32", "`train.precision: tf32`"), ("bf16", "`train.precision: bf16`")] {
        let bench = bench(precision);
        for (args, flag) in [
            (&["plan", "nine.yaml"][..], "--devices cuda:0"),
            (&["run", "nine.yaml"], "--devices cuda:0"),
            (&["bench", "nine.yaml"], "--device cuda:0"),
        ] {
            bench.sweep(args).expect(2).says(&["nine.yaml", says, "needs a GPU", flag, "leave the field out"]);
        }
        let mixed = bench.sweep(&["plan", "nine.yaml", "--devices", "cpu,cuda:0", "--slots", "2"]);
        mixed.expect(2).says(&[says, "some slots are on the CPU"]);
        assert!(!bench.home().join("sweep.db").exists(), "nothing was started");
    }
    bench("float32").sweep(&["plan", "nine.yaml"]).expect(0);
}

#[test]
fn a_gpu_job_is_not_verified_on_a_cpu() {
    let bench = bench("bf16");
    bench.sweep(&["run", "nine.yaml", "--devices", "cuda:0", "--no-report"]).expect(0);
    assert_eq!(bench.states(), "done 9");
    let job = &bench.query("SELECT id FROM jobs ORDER BY id")[0];
    bench.sweep(&["verify", job]).expect(2).says(&[
        &job[..8],
        "`train.precision: bf16` needs a GPU",
        "--device cuda:0",
    ]);
    bench.sweep(&["verify", job, "--device", "cuda:0"]).expect(0);
}

#[test]
fn precision_can_be_swept() {
    let text = NINE.replace("beta: [0.1]}", "beta: [0.1], precision: [float32, tf32, bf16]}");
    let plan = Bench::new("none").file("nine.yaml", &text).sweep(&["plan", "nine.yaml", "--devices", "cuda:0"]);
    plan.expect(0).says(&["precision (3)", "4 blueprints"]);
}

/// The flags are the process's, and nothing else in this one trains.
#[test]
fn tf32_is_off_for_convolutions_too_once_said() {
    assert_eq!(tf32_is_allowed(), [false, true], "as libtorch has it");
    for allow in [false, true] {
        allow_tf32(allow);
        assert_eq!(tf32_is_allowed(), [allow; 2]);
    }
}
