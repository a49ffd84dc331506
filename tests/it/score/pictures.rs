//! Folders of pictures.

use serde_json::Value;

use super::desk::{Desk, value};

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
    assert!(stderr.contains("training a classifier on the labels of images, once"), "{stderr}");
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
    desk.refused(&["fake", "--dataset", dataset, "--metrics", "mode_score"], "which Inception does not have");
    desk.refused(
        &["fake", "--dataset", "{name: images, path: real, size: 8}", "--classifier", "self"],
        "expected images [N, 3, 8, 8]",
    );
}
