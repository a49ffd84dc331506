//! Scores of all that there is, whatever its number, order and size.

use super::desk::{Desk, all, centres, names, value};
use sweep::spec::metric::Needs;

#[test]
fn features_are_compared_whole_and_however_large_they_are() {
    let desk = Desk::new();
    desk.array("f.npy", &[30, 1], (0..30).map(f64::from));
    desk.array("many.npy", &[10_500, 1], (0..10_500).map(f64::from));
    let found = desk.json(&["--features", "f.npy", "--reference", "many.npy", "--metrics", "frechet"]);
    assert_eq!(found["protocol"]["real"], 10_500);
    let array = |name: &str, shift: usize, unit: f64| {
        let values = (0..60).map(|i| unit * ((i + shift) * 7 % 11) as f64);
        desk.npy(name, "'<f8', 'fortran_order': False", &[20, 3], values.flat_map(f64::to_le_bytes).collect());
    };
    let of = |unit: f64| {
        array("x.npy", 0, unit);
        array("y.npy", 2, unit);
        desk.json(&["--features", "x.npy", "--reference", "y.npy", "--reg", &unit.to_string()])
    };
    let usual = of(1.0);
    for unit in [2f64.powi(-1000), 2f64.powi(-400), 2f64.powi(400), 2f64.powi(520), 2f64.powi(1000)] {
        let found = of(unit);
        for score in ["wasserstein", "sliced_wasserstein", "sinkhorn"] {
            let (found, expected) = (value(&found, score) / unit, value(&usual, score));
            assert!((found - expected).abs() <= 1e-9 * expected, "{score} at {unit:e}: {found} for {expected}");
        }
        for score in ["precision", "recall", "density", "coverage"] {
            assert_eq!(value(&found, score), value(&usual, score), "{score} at {unit:e}");
        }
    }
    let far = value(&of(2f64.powi(400)), "frechet");
    assert!((far / 2f64.powi(800) / value(&usual, "frechet") - 1.0).abs() < 1e-9);
    assert_eq!(of(2f64.powi(1000))["scores"]["frechet"]["value"], "inf");
}

#[test]
fn unequal_numbers_of_features_are_carried_whole() {
    let desk = Desk::new();
    // Twenty places, two generated rows and three real ones at each, those 5 away from these.
    let at = |k: usize| [(k * 7 % 20) as f64 * 100.0, (k * 3 % 20) as f64 * 100.0];
    desk.array("f.npy", &[40, 2], (0..40).flat_map(|i| at(i % 20)));
    desk.array("r.npy", &[60, 2], (0..60).flat_map(|i| at(i / 3)).enumerate().map(|(k, x)| x + [3.0, 4.0][k % 2]));
    let found = desk.json(&["--features", "f.npy", "--reference", "r.npy", "--metrics", "wasserstein"]);
    assert!((value(&found, "wasserstein") - 5.0).abs() < 1e-9, "{found}");
    assert_eq!((&found["protocol"]["samples"], &found["protocol"]["real"]), (&40.into(), &60.into()));
    let args = ["--features", "f.npy", "--reference", "r.npy", "--metrics", "wasserstein", "--wasserstein-samples"];
    desk.refused(&[&args[..], &["61"]].concat(), "at most 60 rows: use --wasserstein-samples 60 or less");
    let found = desk.json(&[&args[..], &["50"]].concat());
    let protocol = &found["protocol"];
    assert_eq!(
        (&protocol["samples"], &protocol["real"], &protocol["real_drawn_from"]),
        (&40.into(), &50.into(), &60.into())
    );
    assert_eq!((protocol.get("samples_drawn_from"), &protocol["seed"]), (None, &0.into()));
}

#[test]
fn the_order_of_rows_changes_nothing_and_sorted_classes_are_noticed() {
    let desk = Desk::new();
    // Modes in turn, and one after the other.
    let points: Vec<f64> = centres(400).collect();
    let sorted = |width: usize| {
        let mut rows: Vec<&[f64]> = points.chunks(width).collect();
        rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
        rows.into_iter().flatten().copied().collect::<Vec<f64>>()
    };
    desk.array("turns.npy", &[400, 2], points.iter().copied());
    desk.array("sorted.npy", &[400, 2], sorted(2));
    let of = |file| desk.json(&[file, "--dataset", "gaussians", "--wasserstein-samples", "100"]);
    let found = of("sorted.npy");
    // A hundred of either have some modes more often than others; of the first hundred there would be two modes alone,
    // and a W1 of 2.
    assert!((0.1..0.8).contains(&value(&found, "wasserstein")), "{found}");
    assert_eq!(found["protocol"]["wasserstein"]["samples_drawn_from"], 400);
    assert_eq!(of("turns.npy"), found);
    let other = desk.json(&["sorted.npy", "--dataset", "gaussians", "--wasserstein-samples", "100", "--seed", "5"]);
    assert_ne!(value(&other, "wasserstein"), value(&found, "wasserstein"), "others are drawn");

    desk.array("r.npy", &[100, 4], (0..400).map(|i| f64::from(i * 37 % 101)));
    desk.array("turned.npy", &[200, 4], sorted(4));
    desk.array("plain.npy", &[200, 4], points.iter().copied());
    let of = |generated, real| {
        desk.json(&["--features", generated, "--reference", real, "--wasserstein-samples", "30", "--reg", "10"])
    };
    let found = of("plain.npy", "r.npy");
    assert_eq!(of("turned.npy", "r.npy"), found);
    assert_eq!(names(&found), all(Needs::features));

    let certain =
        |class: fn(usize) -> usize| (0..400).flat_map(move |i| (0..4).map(move |k| f64::from(u8::from(k == class(i)))));
    desk.array("turns.npy", &[400, 4], certain(|i| i * 7 % 13 % 4));
    desk.array("classes.npy", &[400, 4], certain(|i| i / 100));
    let (code, table, stderr) = desk.score(&["--probs", "classes.npy", "--metrics", "inception_score"]);
    assert!(code == 0 && table.contains("1.2"), "some splits have two classes: {table}");
    assert!(stderr.contains("warning: the samples look sorted") && stderr.contains("in a random order"), "{stderr}");
    let (code, _, stderr) = desk.score(&["--probs", "turns.npy", "--metrics", "inception_score"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
}

#[test]
fn mean_and_covariance_are_enough_for_the_frechet_distance() {
    let desk = Desk::new();
    let at = |i: usize| [(i * 7 % 11) as f64, (i * 5 % 13) as f64, (i % 17) as f64];
    desk.array("r.npy", &[60, 3], (0..60).flat_map(at));
    desk.array("f.npy", &[40, 3], (5..45).flat_map(at).map(|x| 1.5 * x + 1.0));
    let mean: Vec<f64> = (0..3).map(|k| (0..60).map(|i| at(i)[k]).sum::<f64>() / 60.0).collect();
    let product =
        |i: usize, j: usize| (0..60).map(|row| (at(row)[i] - mean[i]) * (at(row)[j] - mean[j])).sum::<f64>() / 59.0;
    let sigma: Vec<f64> = (0..9).map(|place| product(place / 3, place % 3)).collect();
    let archive = |name: &str, sigma: &[f64]| {
        let bytes = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        desk.npy("mu.npy", "'<f8', 'fortran_order': False", &[3], bytes(&mean));
        desk.npy("sigma.npy", "'<f8', 'fortran_order': False", &[3, 3], bytes(sigma));
        desk.zip(name, &["mu.npy", "sigma.npy"]);
    };
    archive("fid_stats.npz", &sigma);
    let of = |reference, more: &[&str]| desk.json(&[&["--features", "f.npy", "--reference", reference], more].concat());
    let found = of("fid_stats.npz", &[]);
    assert_eq!(found["scores"].as_object().unwrap().len(), 1, "{found}");
    let expected = value(&of("r.npy", &["--metrics", "frechet"]), "frechet");
    assert!((value(&found, "frechet") - expected).abs() < 1e-9 * expected, "{found}, {expected}");
    assert_eq!(found["protocol"]["real"], "mean and covariance");

    let args = ["--features", "f.npy", "--reference", "fid_stats.npz"];
    desk.refused(&[&args[..], &["--metrics", "frechet,kid"]].concat(), "kid needs the features themselves");
    desk.refused(&[&args[..], &["--k", "3"]].concat(), "--k changes nothing");
    desk.refused(&[&args[..], &["--reference-key", "mu"]].concat(), "expected rows [N, values], found shape [3]");
    desk.array("wide.npy", &[30, 4], (0..120).map(f64::from));
    let wide = ["--features", "wide.npy", "--reference", "fid_stats.npz"];
    desk.refused(&wide, "rows of 4 values, but fid_stats.npz has mean and covariance of 3");
    archive("skew.npz", &[1.0, 0.5, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    desk.refused(&["--features", "f.npy", "--reference", "skew.npz"], "the covariance is not symmetric");
    archive("none.npz", &[1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    desk.refused(&["--features", "f.npy", "--reference", "none.npz"], "negative eigenvalue, -1e0");
}
