//! What cannot be scored, and what the program says then.

use serde_json::Value;

use super::desk::{Desk, centres, value};

#[test]
fn what_cannot_be_scored_says_why() {
    let desk = Desk::new();
    desk.array("nan.npy", &[3, 2], [0.0, 1.0, 2.0, f64::NAN, 4.0, 5.0]);
    desk.array("three.npy", &[2, 3], (0..6).map(f64::from));
    desk.array("ring.npy", &[8, 2], centres(8));
    desk.refused(&["nan.npy", "--dataset", "gaussians"], "row 1, value 1 is NaN: expected finite numbers");
    desk.refused(
        &["three.npy", "--dataset", "gaussians", "--metrics", "modes_covered"],
        "expected points [N, 2], found shape [2, 3]",
    );
    desk.refused(&["none.npy", "--dataset", "gaussians"], "none.npy: cannot be read");
    desk.refused(&["nan.npy", "--dataset", "gausians"], "did you mean `gaussians`");
    desk.refused(&["nan.npy", "--dataset", "gaussians", "--metrics", "mode_scores"], "not a score");
    desk.refused(
        &["ring.npy", "--dataset", "gaussians", "--metrics", "mode_score"],
        "error: --metrics: `mode_score` is not defined on gaussians",
    );
    desk.refused(
        &["ring.npy", "--dataset", "gaussians", "--metrics", "authenticity"],
        "`authenticity` looks for copies of training samples, but gaussians has no fixed set of them",
    );
    desk.refused(&["nan.npy"], "--dataset");
    desk.refused(&[], "SAMPLES");
    std::fs::write(desk.path().join("x.npy"), "hello").unwrap();
    desk.refused(&["x.npy", "--dataset", "gaussians"], "found bytes 68 65 6c 6c 6f");
    // What never ends.
    desk.refused(
        &["/dev/zero", "--dataset", "gaussians"],
        "/dev/zero: cannot be read: expected a file, found a device",
    );
}

#[test]
fn a_flag_that_nothing_reads_is_refused() {
    let desk = Desk::new();
    desk.array("samples.npy", &[40, 2], centres(40));
    desk.array("p.npy", &[2, 2], [1.0, 0.0, 0.0, 1.0]);
    desk.array("labels.npy", &[2], [0.0, 1.0]);
    let (points, classes) = ("samples.npy --dataset gaussians", "--probs p.npy --splits 2");
    let features = "--features samples.npy --reference samples.npy";
    for (what, flag, because) in [
        (points, "--range 0,1", "it belongs to images, but these are points"),
        (points, "--classifier self", "it belongs to images, but these are points"),
        (points, "--labels labels.npy", "it belongs to class probabilities, but these are points"),
        (points, "--k 3 --metrics wasserstein", "the scores precision, recall, density, coverage, and none of these"),
        (points, "--seed 3 --metrics wasserstein", "the scores sliced_wasserstein, kid, and none of these"),
        (classes, "--range 0,1", "it belongs to images, but these are class probabilities"),
        (classes, "--reg 1", "it belongs to points, images, features, but these are class probabilities"),
        (classes, "--k 1", "but these are class probabilities"),
        (classes, "--projections 9", "but these are class probabilities"),
        (classes, "--labels labels.npy --metrics mode_kl", "the scores mode_score, mode_score_printed"),
        (points, "--at-least 3 --metrics mode_kl", "the scores modes_covered, and none of these"),
        (classes, "--mmd-bandwidth 1", "it belongs to points, images, features, but these are class probabilities"),
        (features, "--splits 2", "it belongs to images, class probabilities, but these are features"),
        (features, "--device cpu", "it belongs to images, but these are features"),
        (features, "--bins 9", "it belongs to points, but these are features"),
    ] {
        let args: Vec<&str> = what.split(' ').chain(flag.split(' ')).collect();
        let name = flag.split(' ').next().unwrap();
        desk.refused(&args, &format!("{name} changes nothing: it belongs to "));
        desk.refused(&args, because);
    }
    let args: Vec<&str> = classes.split(' ').chain(["--metrics", "mode_jsd"]).collect();
    desk.refused(&args, "mode_jsd needs --labels or --prior");
}

#[test]
fn what_is_wrong_is_said_of_a_file_or_a_flag() {
    let desk = Desk::new();
    desk.array("none.npy", &[0, 2], []);
    desk.array("one.npy", &[], [1.0]);
    desk.array("few.npy", &[4, 2], centres(4));
    desk.npy("huge.npy", "'<f8', 'fortran_order': False", &[1, 2], [0.5, 1e300f64].map(f64::to_le_bytes).concat());
    let points = |name: &'static str, more: &[&'static str]| [&[name, "--dataset", "gaussians"], more].concat();
    desk.refused(&points("none.npy", &[]), "error: none.npy: expected points [N, 2], found shape [0, 2]");
    desk.refused(&points("one.npy", &[]), "error: one.npy: expected points [N, 2], found shape []");
    desk.refused(
        &points("huge.npy", &[]),
        "error: huge.npy: row 0, value 1 is 1e300: expected numbers within the range of float32",
    );
    let few = points("few.npy", &["--metrics", "recall"]);
    desk.refused(&few, "error: few.npy: `recall` needs at least 6 samples\n");
    let more = points("few.npy", &["--metrics", "sinkhorn", "--wasserstein-samples", "9"]);
    desk.refused(&more, "error: --wasserstein-samples: 9 wasserstein_samples, but only 4 samples");
    for range in ["nan", "-1", "inf", "0"] {
        let because = format!("invalid value '{range}' for '--range-2d <X>': expected a number above 0");
        desk.refused(&points("few.npy", &["--range-2d", range]), &because);
    }
    std::fs::create_dir(desk.path().join("fake")).unwrap();
    image::RgbImage::from_pixel(28, 28, image::Rgb([9, 9, 9])).save(desk.path().join("fake/a.png")).unwrap();
    image::RgbImage::from_pixel(28, 28, image::Rgb([9, 9, 8])).save(desk.path().join("fake/b.png")).unwrap();
    desk.refused(&["fake", "--dataset", "mnist"], "fake/b.png: has colours: expected grey pictures");
}

#[test]
fn a_class_without_labels_leaves_the_mode_scores_undefined_where_samples_have_it() {
    let desk = Desk::new();
    desk.array("all.npy", &[3, 3], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    desk.array("two.npy", &[2, 3], [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    desk.array("labels.npy", &[2], [0.0, 2.0]);
    let because = "class 1 has no share in the training set, but some samples have it: the MODE score is undefined";
    desk.refused(&["--probs", "all.npy", "--splits", "1", "--labels", "labels.npy"], &format!("--labels: {because}"));
    desk.refused(&["--probs", "all.npy", "--splits", "1", "--prior", "1,0,1"], &format!("--prior: {because}"));
    let found = desk.json(&["--probs", "two.npy", "--splits", "1", "--labels", "labels.npy"]);
    for score in ["mode_score", "mode_score_printed"] {
        assert!((value(&found, score) - 2.0).abs() < 1e-12, "{found}");
    }
}

#[test]
fn a_plan_that_is_not_reached_or_not_there_is_said() {
    let desk = Desk::new();
    let at = |i: usize| [(i * 7 % 11) as f64, (i * 5 % 13) as f64, (i % 17) as f64];
    desk.array("r.npy", &[60, 3], (0..60).flat_map(at));
    desk.array("f.npy", &[60, 3], (3..63).flat_map(at));
    let files = ["--features", "f.npy", "--reference", "r.npy", "--metrics", "sinkhorn", "--json", "--reg"];
    let ask = |reg| desk.score(&[&files[..], &[reg]].concat());
    let (code, stdout, stderr) = ask("5");
    assert!(code == 0 && stderr.is_empty() && !stdout.contains("converged"), "{stdout}{stderr}");
    let (code, stdout, stderr) = ask("0.01");
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("warning: sinkhorn did not converge in 2,000 iterations"), "{stderr}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(found["protocol"]["converged"], false);
    assert!(found["protocol"]["marginal_error"].as_f64().unwrap() > 1e-9);
    desk.array("points.npy", &[300, 2], centres(300).enumerate().map(|(k, x)| x + (k * 7 % 11) as f64 / 20.0));
    let points = ["points.npy", "--dataset", "gaussians", "--metrics", "sinkhorn", "--json", "--reg"];
    let ask = |reg| desk.score(&[&points[..], &[reg]].concat());
    let (code, stdout, stderr) = ask("1");
    assert!(code == 0 && stderr.is_empty() && !stdout.contains("converged"), "{stdout}{stderr}");
    let (code, stdout, stderr) = ask("0.0005");
    assert!(code == 0 && stderr.contains("warning: sinkhorn did not converge in 2,000 iterations"), "{stderr}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(found["protocol"]["converged"], false);
    desk.refused(&[&files[..], &["1e-300"]].concat(), "a regularisation of 1e-300 is too small for the distances");
    let (code, table, stderr) = desk.score(&["--features", "f.npy", "--reference", "r.npy", "--reg", "1e-300"]);
    assert!(code == 0 && table.contains("frechet") && !table.contains("sinkhorn"), "{table}");
    assert!(stderr.contains("warning: sinkhorn is left out: a regularisation of 1e-300 is too small"), "{stderr}");
}

#[test]
fn what_is_not_finite_is_refused_wherever_it_comes_in() {
    let desk = Desk::new();
    desk.array("fine.npy", &[20, 2], (0..40).map(f64::from));
    for (name, bad) in [("nan.npy", f64::NAN), ("inf.npy", f64::INFINITY), ("low.npy", f64::NEG_INFINITY)] {
        desk.array(name, &[20, 2], (0..40).map(|i| if i == 7 { bad } else { f64::from(i) }));
        let because = "row 3, value 1 is ";
        desk.refused(&["--features", name, "--reference", "fine.npy"], because);
        desk.refused(&["--features", "fine.npy", "--reference", name], because);
        desk.refused(&["--logits", name], because);
        desk.refused(&["--probs", name], because);
        desk.refused(&[name, "--dataset", "gaussians"], because);
    }
    for prior in ["nan,1", "inf,1", "1e308,1.7e308"] {
        desk.refused(&["--logits", "fine.npy", "--prior", prior], "the frequency of each of the 2 labels");
    }
}

#[test]
fn what_memory_does_not_hold_is_refused_unread() {
    let desk = Desk::new();
    desk.npy("large.npy", "'<f8', 'fortran_order': False", &[33_554_432, 4], Vec::new());
    let file = std::fs::File::options().write(true).open(desk.path().join("large.npy")).unwrap();
    file.set_len(file.metadata().unwrap().len() + (1 << 30)).unwrap();
    let limited = "ulimit -d 3000000 && exec \"$0\" score --features large.npy --reference large.npy";
    let output = std::process::Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_sweep")])
        .current_dir(desk.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let expected =
        "large.npy: scoring float64 of shape [33554432, 4] takes about 5.4 GB of memory, but only 3.1 GB are available";
    assert!(stderr.contains(expected), "{stderr}");
}
