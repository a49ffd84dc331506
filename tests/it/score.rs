//! `sweep score`: samples that other programs made.

use std::path::Path;
use std::process::Command;

use safetensors::{Dtype, tensor::TensorView};
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
        self.npy(name, "'<f4', 'fortran_order': False", shape, bytes);
    }

    /// Any array, of a type and an order.
    fn npy(&self, name: &str, how: &str, shape: &[usize], bytes: Vec<u8>) {
        let shape = shape.iter().map(|size| format!("{size},")).collect::<String>();
        let mut header = format!("{{'descr': {how}, 'shape': ({shape}), }}");
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

    /// An archive of files, not compressed, as NumPy writes it.
    fn zip(&self, name: &str, files: &[&str]) {
        let (mut archive, mut directory) = (Vec::new(), Vec::new());
        for file in files {
            let bytes = std::fs::read(self.path().join(file)).unwrap();
            let mut sum = flate2::Crc::new();
            sum.update(&bytes);
            let size = (bytes.len() as u32).to_le_bytes();
            // Versions, flags, method, time and date; then checksum, both sizes and the length of the name.
            let mut about = [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0].to_vec();
            about.extend([sum.sum().to_le_bytes(), size, size, (file.len() as u32).to_le_bytes()].concat());
            directory.extend([b"PK\x01\x02\x14\x00".as_slice(), &about, &[0; 10]].concat());
            directory.extend((archive.len() as u32).to_le_bytes());
            directory.extend(file.bytes());
            archive.extend([b"PK\x03\x04".as_slice(), &about, file.as_bytes(), &bytes].concat());
        }
        let (at, size, count) = (archive.len() as u32, directory.len() as u32, files.len() as u8);
        archive.extend(directory);
        archive.extend([b"PK\x05\x06\x00\x00\x00\x00".as_slice(), &[count, 0, count, 0]].concat());
        archive.extend([size.to_le_bytes(), at.to_le_bytes()].concat());
        archive.extend([0, 0]);
        std::fs::write(self.path().join(name), archive).unwrap();
    }

    /// Tensors of float32 in one file.
    fn tensors(&self, name: &str, tensors: &[(&str, &[usize], Vec<f32>)]) {
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let all: Vec<_> = tensors.iter().map(|(name, shape, values)| (*name, shape.to_vec(), bytes(values))).collect();
        let view = |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
        let views: Vec<_> = all.iter().map(|(name, shape, bytes)| (*name, view(shape, bytes))).collect();
        std::fs::write(self.path().join(name), safetensors::serialize(views, None).unwrap()).unwrap();
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
    desk.refused(&["--probs", "p.npy", "--splits", "41"], "make --splits at most 40");
    desk.refused(&["--probs", "p.npy", "--metrics", "mode_score"], "mode_score needs --labels or --prior");
    desk.refused(&["--probs", "p.npy", "--metrics", "frechet"], "frechet is not of class probabilities");
    desk.refused(&["--probs", "p.npy", "--prior", "-1,1,1,1"], "none negative; found [-1.0");
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
        (points, "--range 0,1", "it belongs to images, and this is of points"),
        (points, "--classifier self", "it belongs to images, and this is of points"),
        (points, "--labels labels.npy", "it belongs to class probabilities, and this is of points"),
        (points, "--k 3 --metrics wasserstein", "the scores precision, recall, density, coverage, and none of these"),
        (points, "--seed 3 --metrics wasserstein", "the scores sliced_wasserstein, kid, and none of these"),
        (classes, "--range 0,1", "it belongs to images, and this is of class probabilities"),
        (classes, "--reg 1", "it belongs to points, images, features, and this is of class probabilities"),
        (classes, "--k 1", "and this is of class probabilities"),
        (classes, "--projections 9", "and this is of class probabilities"),
        (classes, "--labels labels.npy --metrics mode_kl", "the scores mode_score, mode_score_printed"),
        (features, "--splits 2", "it belongs to images, class probabilities, and this is of features"),
        (features, "--device cpu", "it belongs to images, and this is of features"),
        (features, "--bins 9", "it belongs to points, and this is of features"),
    ] {
        let args: Vec<&str> = what.split(' ').chain(flag.split(' ')).collect();
        let name = flag.split(' ').next().unwrap();
        desk.refused(&args, &format!("{name} changes nothing: it belongs to "));
        desk.refused(&args, because);
    }
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
        "p.npy: what lies here has no names: leave --key out",
    );
}

#[test]
fn arrays_of_any_type_and_order_are_read() {
    let desk = Desk::new();
    // The ring's points on the axes, column by column, as whole numbers and as halves of floats, their first bytes first.
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
        "error: huge.npy: row 0, value 1 is 1e300: expected numbers that float32 holds",
    );
    let few = points("few.npy", &["--metrics", "recall"]);
    desk.refused(&few, "error: few.npy: `recall` needs at least 6 samples\n");
    let more = points("few.npy", &["--metrics", "sinkhorn", "--wasserstein-samples", "9"]);
    desk.refused(&more, "error: --wasserstein-samples: 9 wasserstein_samples of 4 samples");
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
    let because = "class 1 has no share in the training set, but some samples have it: no MODE score is defined";
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
    desk.refused(&[&files[..], &["1e-300"]].concat(), "a regularisation of 1e-300 is too small beside the distances");
    let (code, table, stderr) = desk.score(&["--features", "f.npy", "--reference", "r.npy", "--reg", "1e-300"]);
    assert!(code == 0 && table.contains("frechet") && !table.contains("sinkhorn"), "{table}");
    assert!(stderr.contains("warning: without sinkhorn, since a regularisation of 1e-300 is too small"), "{stderr}");
}

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
    desk.refused(&[&args[..], &["61"]].concat(), "60 rows at most: make --wasserstein-samples at most 60");
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
    // A hundred of either have some modes more often than others; of the first hundred there would be two modes alone, and a W1 of 2.
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
    assert_eq!(found["scores"].as_object().unwrap().len(), 9);

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
    desk.refused(&wide, "rows of 4 values, fid_stats.npz mean and covariance of 3");
    archive("skew.npz", &[1.0, 0.5, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    desk.refused(&["--features", "f.npy", "--reference", "skew.npz"], "the covariance is not symmetric");
    archive("none.npz", &[1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    desk.refused(&["--features", "f.npy", "--reference", "none.npz"], "eigenvalue -1e0: expected none below 0");
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
