//! `sweep score`: samples that other programs made.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A folder with arrays, and the program in it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// An array of float32, as NumPy writes it.
    fn array(&self, name: &str, shape: &[usize], values: impl IntoIterator<Item = f64>) {
        let bytes: Vec<u8> = values.into_iter().flat_map(|value| (value as f32).to_le_bytes()).collect();
        assert_eq!(bytes.len(), 4 * shape.iter().product::<usize>());
        let shape = shape.iter().map(|size| format!("{size},")).collect::<String>();
        let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
        while !(header.len() + 11).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.bytes());
        file.extend(bytes);
        std::fs::write(self.path().join(name), file).unwrap();
    }

    /// Exit code, stdout and stderr of `sweep score`.
    fn score(&self, args: &[&str]) -> (i32, String, String) {
        self.sweep(&[&["score"], args].concat())
    }

    /// Exit code, stdout and stderr of the program.
    fn sweep(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sweep"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SWEEP_")) {
            command.env_remove(name);
        }
        let output = command
            .args(args)
            .env("SWEEP_DATA", self.path().join("data"))
            .env("SWEEP_HOME", self.path().join("results"))
            .current_dir(self.path())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn json(&self, args: &[&str]) -> Value {
        let (code, stdout, stderr) = self.score(&[args, &["--json"]].concat());
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, args: &[&str], because: &str) {
        let (code, stdout, stderr) = self.score(args);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(because), "{because} is not in\n{stderr}");
    }
}

fn value(found: &Value, metric: &str) -> f64 {
    found["scores"][metric]["value"].as_f64().unwrap_or_else(|| panic!("no {metric} in {found}"))
}

/// The eight centres of the ring, again and again.
fn centres(n: usize) -> impl Iterator<Item = f64> {
    let at = |k: usize| std::f64::consts::TAU * (k % 8) as f64 / 8.0;
    (0..n).flat_map(move |k| [2.0 * at(k).sin(), 2.0 * at(k).cos()])
}

#[test]
fn points_are_scored_against_their_data_set() {
    let desk = Desk::new();
    desk.array("samples.npy", &[400, 2], centres(400));
    let found = desk.json(&["samples.npy", "--dataset", "gaussians", "--wasserstein-samples", "200"]);
    assert_eq!((value(&found, "modes_covered"), value(&found, "high_quality")), (8.0, 1.0));
    // Each real point is σ √(π/2) from its centre, more or less.
    assert!((0.1..0.4).contains(&value(&found, "wasserstein")), "{found}");
    let names: Vec<&str> = found["scores"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.len(), 13, "all that apply: {names:?}");
    assert_eq!(found["protocol"]["wasserstein"]["real"], 200);
    assert_eq!(found["protocol"]["version"], 1, "what all have in common: {}", found["protocol"]);
    assert!(found["scores"]["kid"]["std"].is_number() && found["scores"]["recall"].get("std").is_none());

    let grid = "{gaussians: {layout: grid, side: 3, spacing: 2, covariance: 0.01}}";
    let found = desk.json(&["samples.npy", "--dataset", grid, "--metrics", "modes_covered,mode_kl"]);
    assert_eq!(value(&found, "modes_covered"), 4.0, "four of the ring's centres are the grid's");

    let (code, table, _) = desk.score(&["samples.npy", "--dataset", "gaussians", "--metrics", "modes_covered"]);
    assert!(code == 0 && table.contains("modes_covered") && table.contains("8.000000"), "{table}");
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
    desk.array("wrong.npy", &[2, 2], [0.5, 0.5, 0.7, 0.7]);
    desk.refused(&["--probs", "wrong.npy"], "the probabilities of sample 1 sum to 1.39");
    desk.refused(&["--probs", "p.npy", "--splits", "41"], "make --splits at most 40");
    desk.refused(&["--probs", "p.npy", "--metrics", "mode_score"], "mode_score needs --labels or --prior");
    desk.refused(&["--probs", "p.npy", "--metrics", "frechet"], "frechet is not of class probabilities");
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
    assert_eq!(found["scores"].as_object().unwrap().len(), 9);
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
    desk.refused(&["--features", "f.npy", "--reference", "narrow.npy"], "expected features of one network");
    desk.refused(
        &["--features", "f.npy", "--reference", "r.npy", "--metrics", "coverage", "--k", "60"],
        "needs at least 61 rows",
    );
    desk.refused(&["--features", "f.npy"], "--reference");
}

/// A picture of one of two colours, a little different from number to number.
fn picture(class: u8, number: u8) -> image::RgbImage {
    image::RgbImage::from_fn(16, 16, |x, y| {
        let noise = ((x * 7 + y * 3 + u32::from(number) * 11) % 40) as u8;
        image::Rgb(if class == 0 { [200 - noise, noise, noise] } else { [noise, noise, 200 - noise] })
    })
}

/// A desk with a folder of 80 pictures in two classes.
fn album() -> Desk {
    let desk = Desk::new();
    for class in 0..2 {
        let folder = desk.path().join(format!("real/{class}"));
        std::fs::create_dir_all(&folder).unwrap();
        (0..40).for_each(|i| picture(class, i).save(folder.join(format!("{i}.png"))).unwrap());
    }
    desk
}

#[test]
fn a_sweep_trains_the_classifier_once_and_keeps_what_real_images_score() {
    let desk = album();
    let run = |seeds: u32| {
        let file = format!(
            "sweep: album\ndataset: {{name: images, path: real, size: 16}}\nobjective: gan\nseeds: {seeds}\n\
             model: {{generator: [8], discriminator: [8]}}\ntrain: {{steps: 3, batch: 8}}\n\
             score: {{samples: 30, classifier: self, splits: 2, metrics: [mode_score, frechet, coverage]}}\n"
        );
        std::fs::write(desk.path().join("album.yaml"), file).unwrap();
        let (code, stdout, stderr) = desk.sweep(&["run", "album.yaml", "--devices", "cpu"]);
        assert_eq!(code, 0, "{stderr}");
        (stdout, stderr)
    };
    let kept = || {
        let files = std::fs::read_dir(desk.path().join("data/statistics")).unwrap().map(|file| file.unwrap());
        let files = files.filter(|file| file.file_name() != "lock");
        let mut files: Vec<_> =
            files.map(|file| (file.file_name(), file.metadata().unwrap().modified().unwrap())).collect();
        files.sort();
        files
    };
    let (report, stderr) = run(1);
    assert!(stderr.contains("training a classifier of the labels of images, once"), "{stderr}");
    assert!(report.contains("(real samples)"), "{report}");
    let first = kept();
    assert_eq!(first.len(), 2, "features, and what other real images score: {first:?}");
    let (_, stderr) = run(2);
    assert!(!stderr.contains("training a classifier"), "{stderr}");
    assert_eq!(kept(), first, "nothing is made again");

    let sql = "SELECT count(*) AS n, min(value) AS least FROM floors WHERE metric = 'mode_score'";
    let (_, floors, _) = desk.sweep(&["query", sql, "--format", "json"]);
    let floors: Value = serde_json::from_str(&floors).unwrap();
    assert_eq!(floors[0]["n"], 1);
    assert!(floors[0]["least"].as_f64().unwrap() > 1.5, "two classes, told apart: {floors}");
}

#[test]
fn pictures_are_seen_by_a_classifier_of_their_own_labels() {
    let desk = album();
    std::fs::create_dir(desk.path().join("fake")).unwrap();
    (0..20).for_each(|i| picture(i % 2, 100 + i).save(desk.path().join(format!("fake/{i}.png"))).unwrap());
    let dataset = "{name: images, path: real, size: 16}";
    let found = desk.json(&[
        "fake",
        "--dataset",
        dataset,
        "--classifier",
        "self",
        "--splits",
        "2",
        "--wasserstein-samples",
        "20",
    ]);
    assert!((1.5..=2.0 + 1e-9).contains(&value(&found, "inception_score")), "{found}");
    assert_eq!(value(&found, "modes_covered"), 2.0);
    assert_eq!(found["protocol"]["network"], "self-images");
    assert_eq!(std::fs::read_dir(desk.path().join("data/classifiers")).unwrap().count(), 1);

    let (code, _, stderr) = desk.score(&["fake", "--dataset", dataset, "--metrics", "frechet"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("sweep data fetch inception") && stderr.contains("classifier: self"), "{stderr}");
    desk.refused(&["fake", "--dataset", dataset, "--metrics", "mode_score"], "Inception does not know");
    desk.refused(
        &["fake", "--dataset", "{name: images, path: real, size: 8}", "--classifier", "self"],
        "expected images [N, 3, 8, 8]",
    );
}

#[test]
fn what_cannot_be_scored_says_why() {
    let desk = Desk::new();
    desk.array("nan.npy", &[3, 2], [0.0, 1.0, 2.0, f64::NAN, 4.0, 5.0]);
    desk.array("three.npy", &[2, 3], (0..6).map(f64::from));
    desk.refused(&["nan.npy", "--dataset", "gaussians"], "row 1, value 1 is NaN: expected finite numbers");
    desk.refused(
        &["three.npy", "--dataset", "gaussians", "--metrics", "modes_covered"],
        "expected points [N, 2], found shape [2, 3]",
    );
    desk.refused(&["none.npy", "--dataset", "gaussians"], "none.npy: cannot be read");
    desk.refused(&["nan.npy", "--dataset", "gausians"], "did you mean `gaussians`");
    desk.refused(&["nan.npy", "--dataset", "gaussians", "--metrics", "mode_scores"], "not a score");
    desk.refused(
        &["nan.npy", "--dataset", "gaussians", "--metrics", "mode_score"],
        "`mode_score` is not defined on gaussians",
    );
    desk.refused(&["nan.npy"], "--dataset");
    desk.refused(&[], "SAMPLES");
    std::fs::write(desk.path().join("x.npy"), "hello").unwrap();
    desk.refused(&["x.npy", "--dataset", "gaussians"], "found neither");
}
