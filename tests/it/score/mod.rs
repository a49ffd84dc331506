//! `sweep score`: samples that other programs made.

mod desk;
mod pictures;
mod refusals;
mod whole;

use serde_json::Value;

use desk::{Desk, all, centres, names, value};
use sweep::spec::metric::Needs;

#[test]
fn points_are_scored_against_their_data_set() {
    let desk = Desk::new();
    desk.array("samples.npy", &[400, 2], centres(400));
    let found = desk.json(&["samples.npy", "--dataset", "gaussians", "--wasserstein-samples", "200"]);
    assert_eq!((value(&found, "modes_covered"), value(&found, "high_quality")), (8.0, 1.0));
    // Each real point is σ √(π/2) from its centre, more or less.
    assert!((0.1..0.4).contains(&value(&found, "wasserstein")), "{found}");
    assert_eq!(names(&found), all(|needs| !matches!(needs, Needs::Probabilities | Needs::Labels)));
    assert_eq!(found["protocol"]["wasserstein"]["real"], 200);
    assert_eq!(found["protocol"]["seed"], Value::Null, "not of all: {}", found["protocol"]);
    assert_eq!(found["protocol"]["wasserstein"]["seed"], 0, "half of them were drawn: {}", found["protocol"]);
    assert!(found["scores"]["kid"]["std"].is_number() && found["scores"]["recall"].get("std").is_none());

    let grid = "{gaussians: {layout: grid, side: 3, spacing: 2, covariance: 0.01}}";
    let found = desk.json(&["samples.npy", "--dataset", grid, "--metrics", "modes_covered,mode_kl"]);
    assert_eq!(value(&found, "modes_covered"), 4.0, "four of the ring's centres are the grid's");

    let (code, table, _) = desk.score(&["samples.npy", "--dataset", "gaussians", "--metrics", "modes_covered"]);
    assert!(code == 0 && table.contains("modes_covered") && table.contains(" 8.00 "), "{table}");
}

#[test]
fn class_probabilities_are_scored() {
    let desk = Desk::new();
    // Certain of four classes in turn.
    let certain = (0..40).flat_map(|i| (0..4).map(move |class| f64::from(u8::from(class == i % 4))));
    desk.array("p.npy", &[40, 4], certain.clone());
    desk.array("l.npy", &[40, 4], certain.map(|p| 50.0 * p));
    desk.array("labels.npy", &[8], [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    let found = desk.json(&["--probs", "p.npy"]);
    assert!((value(&found, "inception_score") - 4.0).abs() < 1e-12);
    assert_eq!(found["scores"].get("mode_score"), None, "needs the labels of the training set");
    for args in [["--probs", "p.npy", "--labels", "labels.npy"], ["--logits", "l.npy", "--prior", "1,1,1,1"]] {
        let found = desk.json(&args);
        assert!((value(&found, "mode_score") - 4.0).abs() < 1e-9, "{found}");
        assert_eq!(value(&found, "modes_covered"), 4.0);
    }
    desk.npy("thirds.npy", "'<f2', 'fortran_order': False", &[1, 3], [0x55, 0x35].repeat(3));
    let found = desk.json(&["--probs", "thirds.npy", "--splits", "1"]);
    assert!((value(&found, "inception_score") - 1.0).abs() < 1e-3, "rounding of float16: {found}");
    desk.array("wrong.npy", &[2, 2], [0.5, 0.5, 0.7, 0.7]);
    desk.refused(&["--probs", "wrong.npy"], "the probabilities of sample 1 sum to 1.39");
    desk.refused(&["--probs", "p.npy", "--splits", "41"], "use --splits 40 or less");
    desk.refused(&["--probs", "p.npy", "--metrics", "mode_score"], "mode_score needs --labels or --prior");
    desk.refused(&["--probs", "p.npy", "--metrics", "frechet"], "frechet does not apply to class probabilities");
    desk.refused(&["--probs", "p.npy", "--prior", "-1,1,1,1"], "none of them negative; found [-1.0");
    desk.refused(&["--probs", "p.npy", "--prior", "0.5,0.5"], "of the 4 labels in the training set");
}

#[test]
fn features_are_compared() {
    let desk = Desk::new();
    let at = |i: usize| [(i * 7 % 11) as f64, (i * 5 % 13) as f64, (i % 17) as f64];
    desk.array("r.npy", &[60, 3], (0..60).flat_map(at));
    desk.array("f.npy", &[60, 3], (0..60).rev().flat_map(at).enumerate().map(|(k, x)| x + [3.0, 0.0, 4.0][k % 3]));
    let found = desk.json(&["--features", "f.npy", "--reference", "r.npy"]);
    assert!((value(&found, "wasserstein") - 5.0).abs() < 1e-12, "a translation: {found}");
    assert!((value(&found, "frechet") - 25.0).abs() < 1e-6);
    assert_eq!(names(&found), all(Needs::features));
    let some = desk.json(&[
        "--features",
        "f.npy",
        "--reference",
        "r.npy",
        "--metrics",
        "recall,sinkhorn",
        "--reg",
        "2",
        "--k",
        "3",
    ]);
    assert_eq!(
        (&some["protocol"]["sinkhorn"]["regularization"], &some["protocol"]["recall"]["k"]),
        (&2.0.into(), &3.into())
    );
    desk.array("narrow.npy", &[60, 2], (0..120).map(f64::from));
    desk.refused(&["--features", "f.npy", "--reference", "narrow.npy"], "both must have features of the same network");
    desk.refused(
        &["--features", "f.npy", "--reference", "r.npy", "--metrics", "coverage", "--k", "60"],
        "needs at least 61 rows",
    );
    desk.refused(&["--features", "f.npy"], "--reference");
}

#[test]
fn each_file_has_its_own_key() {
    let desk = Desk::new();
    let (near, far) = (vec![0.0, 0.0, 1.0, 0.0, 0.0, 1.0], vec![3.0, 4.0, 4.0, 4.0, 3.0, 5.0]);
    desk.tensors("both.safetensors", &[("fake", &[3, 2], near), ("real", &[3, 2], far)]);
    let both = ["--features", "both.safetensors", "--reference", "both.safetensors", "--metrics", "wasserstein"];
    let found = desk.json(&[&both[..], &["--key", "fake", "--reference-key", "real"]].concat());
    assert!((value(&found, "wasserstein") - 5.0).abs() < 1e-12, "{found}");
    desk.refused(
        &[&both[..], &["--key", "fake"]].concat(),
        "arrays in it: `fake`, `real`; name one with --reference-key",
    );

    desk.array("p.npy", &[2, 2], [1.0, 0.0, 0.0, 1.0]);
    desk.tensors("labels.safetensors", &[("test", &[1], vec![0.0]), ("train", &[2], vec![0.0, 1.0])]);
    let classes = ["--probs", "p.npy", "--labels", "labels.safetensors", "--metrics", "mode_score"];
    let found = desk.json(&[&classes[..], &["--labels-key", "train"]].concat());
    assert!((value(&found, "mode_score") - 2.0).abs() < 1e-12, "{found}");
    desk.refused(&classes, "name one with --labels-key");
    desk.refused(
        &["--probs", "p.npy", "--key", "p", "--splits", "2"],
        "p.npy: it does not contain named arrays: leave out --key",
    );
}

#[test]
fn arrays_of_any_type_and_order_are_read() {
    let desk = Desk::new();
    // The ring's points on the axes, column by column, as whole numbers and as halves of floats, their first bytes
    // first.
    let columns = [[0i16, 2, 0, -2], [2, 0, -2, 0]].concat();
    let half = |x: &i16| match x {
        2 => [0x40, 0],
        -2 => [0xc0, 0],
        _ => [0, 0u8],
    };
    desk.npy(
        "whole.npy",
        "'<i2', 'fortran_order': True",
        &[4, 2],
        columns.iter().flat_map(|x| x.to_le_bytes()).collect(),
    );
    desk.npy("halves.npy", "'>f2', 'fortran_order': True", &[4, 2], columns.iter().flat_map(half).collect());
    for name in ["whole.npy", "halves.npy"] {
        let found = desk.json(&[name, "--dataset", "gaussians", "--metrics", "modes_covered,high_quality"]);
        assert_eq!((value(&found, "modes_covered"), value(&found, "high_quality")), (4.0, 1.0), "{name}");
    }
}
