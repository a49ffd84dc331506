//! Data sets with a path through the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use serde_json::Value;

use super::data::{output, sweep};

fn jpeg(side: u32, shade: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let picture = RgbImage::from_fn(side, side, |x, y| Rgb([x as u8, y as u8, shade]));
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&picture).unwrap();
    bytes
}

/// A folder for results and data, with a sweep file beside a folder of pictures.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        for (at, class) in ["a cat", "b dog"].iter().enumerate() {
            let folder = place.path("my pictures").join(class);
            fs::create_dir_all(&folder).unwrap();
            (0..5).for_each(|i| fs::write(folder.join(format!("{i}.jpg")), jpeg(20, 40 * i + at as u8)).unwrap());
        }
        place.write("{name: images, path: my pictures, size: 8}");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, dataset: &str) {
        let rest = "objective: gan\nmodel: {generator: [8], discriminator: [8]}\ntrain: {steps: 4, batch: 4}\nscore: \
            {samples: 100}\n";
        fs::write(self.path("own.yaml"), format!("sweep: own\ndataset: {dataset}\n{rest}")).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = sweep(Some(&self.path("data")), args);
        command.arg(self.path("own.yaml")).env("SWEEP_HOME", self.path("results"));
        command
    }

    /// Exit code, stdout and stderr of a subcommand with the sweep file.
    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        output(&mut self.command(args))
    }

    fn caches(&self) -> Vec<Value> {
        let (_, stdout, _) = output(&mut sweep(Some(&self.path("data")), &["data", "list", "--json"]));
        let list: Value = serde_json::from_str(&stdout).unwrap();
        list["caches"].as_array().unwrap().clone()
    }
}

#[test]
fn a_folder_of_pictures_trains_with_one_broken_and_is_known_wherever_it_moves() {
    let place = Place::new();
    let padded = |mut bytes: Vec<u8>| {
        bytes.resize(2000, 0);
        bytes
    };
    fs::write(place.path("my pictures/b dog/1.jpg"), padded(jpeg(20, 41))).unwrap();
    let whole = jpeg(20, 9);
    fs::write(place.path("my pictures/a cat/broken.jpg"), &whole[..whole.len() / 2]).unwrap();

    let (code, stdout, stderr) = place.run(&["plan", "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("has not been read yet"), "{stderr}");
    let before: Value = serde_json::from_str(&stdout).unwrap();

    let (code, _, stderr) = place.run(&["run"]);
    assert_eq!(code, Some(0), "{stderr}");
    let end = format!("ends at byte {} without the end of its image", whole.len() / 2);
    assert!(stderr.contains("a cat/broken.jpg is damaged and left out") && stderr.contains(&end), "{stderr}");
    assert!(stderr.contains("1 of the 11 samples") && stderr.contains("1 job in"), "{stderr}");
    let caches = place.caches();
    assert_eq!((caches.len(), &caches[0]["samples"]), (1, &10.into()));
    assert_eq!(caches[0]["classes"], serde_json::json!(["a cat", "b dog"]));
    assert_eq!(caches[0]["damaged"][0]["name"], "a cat/broken.jpg");

    fs::create_dir(place.path("else where")).unwrap();
    fs::rename(place.path("my pictures"), place.path("else where/new")).unwrap();
    let moved = place.path("else where/new").display().to_string();
    place.write(&format!("{{path: {moved}, size: 8, name: images}}"));
    let (code, stdout, stderr) = place.run(&["plan", "--json"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let after: Value = serde_json::from_str(&stdout).unwrap();
    assert_ne!(after["cohorts"][0]["id"], before["cohorts"][0]["id"], "final now");
    let (code, _, stderr) = place.run(&["run"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stderr.contains("reading images") && !stderr.contains("training"), "nothing is left to do: {stderr}");

    // Touched, it is read again and found to be the same; with other contents and the old time, it is another one.
    let picture = place.path("else where/new/b dog/1.jpg");
    let time = std::time::SystemTime::now() + Duration::from_secs(9);
    let touch = || fs::File::options().write(true).open(&picture).unwrap().set_modified(time).unwrap();
    touch();
    let (_, _, stderr) = place.run(&["run"]);
    assert!(!stderr.contains("reading images") && !stderr.contains("training"), "{stderr}");
    assert_eq!(place.caches().len(), 1);
    fs::write(&picture, padded(jpeg(20, 200))).unwrap();
    touch();
    let (_, _, stderr) = place.run(&["run"]);
    assert!(stderr.contains("training 1 job"), "{stderr}");
    assert_eq!(place.caches().len(), 2);
}

#[test]
fn what_is_wrong_with_a_path_is_shown_where_the_file_names_it() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    fs::write(place.path("x.npy"), "no array").unwrap();
    for (dataset, expected) in [
        ("{name: images, path: my picture}", "there is no such folder"),
        ("{name: images, path: empty}", "expected pictures (.jpg, .jpeg, .png)"),
        ("{name: npy, path: x.npy}", "expected a NumPy array"),
        ("{name: npy, path: my pictures}", "expected a file, found a folder"),
    ] {
        place.write(dataset);
        let (code, _, stderr) = place.run(&["run"]);
        let words = stderr.replace("\n  │", "");
        assert_eq!(code, Some(2), "{stderr}");
        assert!(words.contains(expected) && stderr.contains("own.yaml:2:"), "{dataset}: {stderr}");
    }
    for broken in fs::read_dir(place.path("my pictures/a cat")).unwrap() {
        fs::write(broken.unwrap().path(), "no picture").unwrap();
    }
    place.write("{name: images, path: my pictures}");
    let (code, _, stderr) = place.run(&["run"]);
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("5 of the first 10 samples of images are damaged"), "{stderr}");
    assert!(stderr.contains("a cat/0.jpg: expected a JPEG (ff d8 ff at byte 0)"), "{stderr}");
}

#[test]
fn a_killed_reading_goes_on_and_two_at_once_read_once() {
    let place = Place::new();
    let (folder, original) = (place.path("my pictures/c many"), place.path("original.jpg"));
    fs::create_dir(&folder).unwrap();
    fs::write(&original, jpeg(250, 3)).unwrap();
    (0..4000).for_each(|i| fs::hard_link(&original, folder.join(format!("{i}.jpg"))).unwrap());

    let mut child = place.command(&["data", "prepare"]).stderr(Stdio::null()).spawn().unwrap();
    let making = place.path("data/cache/making");
    let journal = || {
        let folder = fs::read_dir(&making).ok()?.next()?.ok()?.path();
        fs::metadata(folder.join("journal.jsonl")).ok().filter(|journal| journal.len() > 0)
    };
    while journal().is_none() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let again = || place.command(&["data", "prepare"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let texts = [again(), again()].map(|child| {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains("images: 4,010 samples ready"));
        String::from_utf8(output.stderr).unwrap()
    });
    let reading: Vec<&String> = texts.iter().filter(|text| text.contains("reading images")).collect();
    assert_eq!(reading.len(), 1, "{texts:?}");
    assert!(reading[0].contains(", going on after "), "{texts:?}");
    assert_eq!(place.caches().len(), 1);
    let (code, stdout, _) = output(&mut sweep(Some(&place.path("data")), &["data", "verify"]));
    assert_eq!((code, stdout.lines().count()), (Some(0), 2), "{stdout}");
}

/// What `numpy.save` writes of `[[0, 0], [1, 2], …]` in float32, with as many coordinates.
fn points(path: &Path, n: u16, dims: u16) {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, {dims}), }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").bytes());
    (0..n).for_each(|i| bytes.extend((1..=dims).flat_map(|k| f32::from(k * i).to_le_bytes())));
    fs::write(path, bytes).unwrap();
}

#[test]
fn points_of_any_number_of_coordinates_train_and_are_scored() {
    let place = Place::new();
    points(&place.path("wide.npy"), 300, 5);
    points(&place.path("line.npy"), 300, 1);
    let rest = "objective: gan\nmodel: {generator: [8], discriminator: [8]}\ntrain: {steps: 4, batch: 4}\n\
                score: {samples: 200, wasserstein_samples: 50}\nvariants:\n";
    let features = "wasserstein, sliced_wasserstein, sinkhorn, frechet, kid, precision, recall, density, coverage";
    let variants = [
        ("wide", "{name: npy, path: wide.npy}", features, 5),
        ("line", "{name: npy, path: line.npy}", features, 1),
        (
            "far",
            "{gaussians: {dims: 16, weights: [1, 2, 1, 1, 1, 1, 1, 1], limit: 90}}",
            "wasserstein, modes_covered, high_quality",
            16,
        ),
        ("manifolds", "{gaussians: {layout: manifolds}}", "wasserstein, modes_covered, high_quality, recall", 1200),
        ("roll", "{swiss_roll: {limit: 50}}", "wasserstein, symmetric_kl", 2),
    ];
    let line = |(name, dataset, metrics, _): &(&str, &str, &str, u32)| {
        format!("  - {{name: {name}, dataset: {dataset}, score: {{metrics: [{metrics}]}}}}\n")
    };
    let text = format!("sweep: own\n{rest}{}", variants.iter().map(line).collect::<String>());
    fs::write(place.path("own.yaml"), text).unwrap();
    let (code, _, stderr) = place.run(&["run"]);
    assert_eq!(code, Some(0), "{stderr}");
    let query = |sql: &str| {
        let mut command = sweep(Some(&place.path("data")), &["query", sql, "--format", "csv"]);
        let (code, stdout, stderr) = output(command.env("SWEEP_HOME", place.path("results")));
        assert_eq!(code, Some(0), "{stderr}");
        stdout.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    for (name, _, metrics, dims) in variants {
        for metric in metrics.split(", ") {
            let sql = format!("SELECT {metric} FROM results WHERE variant = '{name}'");
            let found: f64 = query(&sql)[0].parse().unwrap_or(f64::NAN);
            assert!(found.is_finite(), "{metric} of {name}: {found}");
        }
        // Beside its sheet the first thousand points, or as many as 65,536 values hold.
        let job = &query(&format!("SELECT job FROM results WHERE variant = '{name}'"))[0];
        let runs = fs::read_dir(place.path("results").join("runs")).unwrap();
        let sheet = runs.map(|run| run.unwrap().path().join(format!("samples/{job}.npy"))).find(|path| path.exists());
        let bytes = fs::read(sheet.unwrap()).unwrap();
        let most = (65_536 / dims).min(1000);
        let shape = format!("'shape': ({most}, {dims})");
        assert!(String::from_utf8_lossy(&bytes[..128]).contains(&shape), "{name}: no {shape}");
    }
}

#[test]
fn points_of_an_array_train_and_a_cache_that_changed_stops_the_next_run() {
    let place = Place::new();
    points(&place.path("points.npy"), 50, 2);
    place.write("{name: npy, path: points.npy}");
    let (code, _, stderr) = place.run(&["run"]);
    assert_eq!(code, Some(0), "{stderr}");
    let folder = PathBuf::from(place.caches()[0]["folder"].as_str().unwrap());
    let mut bytes = fs::read(folder.join("samples.bin")).unwrap();
    bytes[20] ^= 1;
    fs::write(folder.join("samples.bin"), bytes).unwrap();
    let (code, _, stderr) = place.run(&["run"]);
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("samples.bin: the samples from byte 0 on differ from those that were written"), "{stderr}");
    fs::remove_dir_all(folder).unwrap();
    let (code, _, stderr) = place.run(&["run"]);
    assert_eq!(code, Some(0), "{stderr}");

    // Others in the same place, of the same shape and with the same time.
    let time = fs::metadata(place.path("points.npy")).unwrap().modified().unwrap();
    let mut bytes = fs::read(place.path("points.npy")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0x80;
    fs::write(place.path("points.npy"), bytes).unwrap();
    fs::File::options().write(true).open(place.path("points.npy")).unwrap().set_modified(time).unwrap();
    let verify = || output(&mut sweep(Some(&place.path("data")), &["data", "verify"]));
    let (code, stdout, stderr) = verify();
    assert_eq!((code, stdout.lines().count()), (Some(0), 1), "{stdout}");
    assert!(stderr.contains("points.npy are not those that were read into "), "{stderr}");
    let (_, _, stderr) = place.run(&["run"]);
    assert!(stderr.contains("training 1 job"), "{stderr}");
    let (code, stdout, stderr) = verify();
    assert_eq!((code, stdout.lines().count(), stderr.lines().count()), (Some(0), 3, 1), "{stdout}{stderr}");
}

#[test]
fn what_cannot_be_downloaded_says_how_to_get_it() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, stderr) = output(&mut sweep(Some(dir.path()), &["data", "fetch", "imagenet32"]));
    assert_eq!(code, Some(3));
    for part in ["ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e", "dataset: {name: imagenet32, path:"] {
        assert!(stderr.contains(part), "{stderr}");
    }
}

#[test]
fn residual_networks_train_on_pictures_and_export_weights_by_pytorchs_names() {
    let place = Place::new();
    let write = |size: u32, model: &str| {
        let dataset = format!("{{name: images, path: my pictures, size: {size}}}");
        let rest = "objective: gan\ntrain: {steps: 3, batch: 4}\nscore: {samples: 20}";
        fs::write(place.path("own.yaml"), format!("sweep: own\ndataset: {dataset}\nmodel: {model}\n{rest}\n")).unwrap();
    };
    write(28, "{arch: resnet, width: 2}");
    let (code, _, stderr) = place.run(&["plan"]);
    assert!(
        code == Some(2) && stderr.contains("`resnet` needs images with sides that are a multiple of 8"),
        "{stderr}"
    );

    write(32, "{arch: resnet, width: 2}");
    let (code, _, stderr) = place.run(&["run"]);
    assert_eq!(code, Some(0), "{stderr}");
    let names = |place: &Place| -> String {
        let cohort = fs::read_dir(place.path("results/runs")).unwrap().next().unwrap().unwrap();
        let bytes = fs::read(cohort.path().join("generators.safetensors")).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        String::from_utf8(bytes[8..8 + header].to_vec()).unwrap()
    };
    for name in ["0.weight", "2.0.running_mean", "2.3.weight", "2.6.bias", "4.shortcut.0.weight", "7.weight"] {
        assert!(names(&place).contains(&format!(".{name}\"")), "{name} is not in {}", names(&place));
    }
}
