//! `sweep sample`: samples of one job for other programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::run::bench::Bench;

/// Running statistics, several generators and averaged weights.
const TINY: &str = "
sweep: tiny
dataset: gaussians
model: {generator: [16, 16], discriminator: [16], noise: 8, generator_norm: batch}
train: {steps: 60, batch: 30, lr: 1e-3}
score: {every: 20, samples: 400, wasserstein_samples: 400, metrics: [wasserstein, symmetric_kl]}
variants:
  - {name: D2GAN, objective: d2gan, alpha: 0.1, beta: 0.1}
  - {name: MGAN, objective: mgan, generators: 3}
  - {name: GAN, objective: gan, train: {ema: 0.9}}
  - {name: even, objective: gan, model: {noise_distribution: uniform}}
";

fn tiny() -> Bench {
    let bench = Bench::real().file("tiny.yaml", TINY);
    bench.sweep(&["run", "tiny.yaml", "--no-report"]).expect(0);
    bench
}

fn job(bench: &Bench, variant: &str) -> String {
    let rows = bench.query("SELECT variant, job FROM results");
    rows.iter().find_map(|row| row.strip_prefix(&format!("{variant}|"))).unwrap().to_owned()
}

fn path(bench: &Bench, name: &str) -> PathBuf {
    bench.home().parent().unwrap().join(name)
}

/// The sizes and values of an array of float32, as NumPy's documents describe its format.
fn array(bytes: &[u8]) -> (Vec<usize>, Vec<f32>) {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split_once('(').unwrap().1.split_once(')').unwrap().0;
    let shape: Vec<usize> = shape.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let values = bytes[10 + length..].chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().unwrap()));
    let values: Vec<f32> = values.collect();
    assert_eq!(values.len(), shape.iter().product::<usize>());
    (shape, values)
}

fn npy(bench: &Bench, name: &str) -> (Vec<usize>, Vec<f32>) {
    array(&fs::read(path(bench, name)).unwrap())
}

/// The arrays of an archive, which is stored as it is, with a local header of 30 bytes, the name and an extra field
/// before each.
fn npz(bench: &Bench, name: &str) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let mut arrays = BTreeMap::new();
    let bytes = fs::read(path(bench, name)).unwrap();
    let mut rest = &bytes[..];
    while rest.starts_with(b"PK\x03\x04") {
        let short = |at: usize| usize::from(u16::from_le_bytes([rest[at], rest[at + 1]]));
        let (packing, size) = (short(8), u32::from_le_bytes(rest[18..22].try_into().unwrap()) as usize);
        assert_eq!(packing, 0);
        let (name, start) = (short(26), 30 + short(26) + short(28));
        let name = String::from_utf8(rest[30..30 + name].to_vec()).unwrap();
        arrays.insert(name, array(&rest[start..start + size]));
        rest = &rest[start + size..];
    }
    arrays
}

#[test]
fn samples_score_as_their_job_did_at_the_last_step_and_at_earlier_ones() {
    let bench = tiny();
    let scores = bench.query(
        "SELECT variant, step, metric, printf('%!.17g', value) FROM history WHERE asked <> '' AND \
        metric IN ('wasserstein', 'symmetric_kl')",
    );
    assert_eq!(scores.len(), 4 * 3 * 2, "{scores:?}");
    for variant in ["D2GAN", "MGAN", "GAN", "even"] {
        let job = job(&bench, variant);
        for step in ["20", "40", "60"] {
            let mut args = vec!["sample", &job[..8], "-n", "400", "-o", "x.npy"];
            if step != "60" {
                args.extend(["--step", step]);
            }
            bench
                .sweep(&args)
                .expect(0)
                .says(&["x.npy: 400 samples of job", &format!("at step {step}, float32 [400, 2]")]);
            let how = ["--wasserstein-samples", "400", "--metrics", "wasserstein,symmetric_kl", "--json"];
            let found = bench.sweep(&[&["score", "x.npy", "--dataset", "gaussians"][..], &how].concat()).expect(0);
            let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
            for metric in ["wasserstein", "symmetric_kl"] {
                let start = format!("{variant}|{step}|{metric}|");
                let stored: f64 = scores.iter().find_map(|row| row.strip_prefix(&start)).unwrap().parse().unwrap();
                let again = found["scores"][metric]["value"].as_f64().unwrap();
                // Of the same samples in another order.
                assert!((again - stored).abs() <= 1e-12 * stored, "{variant} {step} {metric}: {again} for {stored}");
            }
        }
    }
    // Weights that train are others than their average, where there is one.
    for (variant, same) in [("D2GAN", true), ("GAN", false)] {
        let job = job(&bench, variant);
        bench.sweep(&["sample", &job, "-o", "a.npy"]).expect(0);
        bench.sweep(&["sample", &job, "-o", "b.npy", "--weights", "raw"]).expect(0);
        assert_eq!(npy(&bench, "a.npy") == npy(&bench, "b.npy"), same, "{variant}");
    }
}

#[test]
fn noise_is_that_of_the_job_of_another_one_or_of_a_seed() {
    let bench = tiny();
    let [first, other, even] = ["D2GAN", "GAN", "even"].map(|variant| job(&bench, variant));
    let arrays = |job: &str, more: &[&str]| {
        bench.sweep(&[&["sample", job, "-n", "40", "-o", "x.npz"], more].concat()).expect(0);
        let mut arrays = npz(&bench, "x.npz");
        assert_eq!(arrays["samples.npy"].0, if more.contains(&"3") { [40, 3, 2].to_vec() } else { [40, 2].to_vec() });
        (arrays.remove("samples.npy").unwrap().1, arrays.remove("noise.npy").unwrap())
    };
    let (samples, noise) = arrays(&first, &[]);
    assert_eq!(noise.0, [40, 8]);
    // Both have seed 0: only the noise of --seed differs.
    assert_eq!(arrays(&other, &["--noise-from", &first]).1, noise);
    let drawn = arrays(&first, &["--seed", "5"]);
    assert!(drawn.1 != noise && drawn.0 != samples);
    assert_eq!(arrays(&other, &["--seed", "5"]).1, drawn.1);
    assert_ne!(arrays(&other, &["--seed", "6"]).1, drawn.1);
    bench
        .sweep(&["sample", &even, "-o", "x.npz", "--noise-from", &first])
        .expect(2)
        .says(&["8 values of normal noise", "8 of uniform"]);

    // Of paths the ends are vectors of noise; the middle of an arc is (a + b) / 2 cos(θ / 2), that of a line (a + b) /
    // 2.
    for job in [&first, &even] {
        let ends = arrays(job, &["--seed", "5"]).1.1;
        let (_, (shape, points)) = arrays(job, &["--seed", "5", "--interpolate", "3"]);
        assert_eq!(shape, [40, 3, 8]);
        for (path, ends) in points.chunks_exact(24).zip(ends.chunks_exact(16)) {
            let near = |a: f32, b: f64| (f64::from(a) - b).abs() < 1e-5;
            assert!(path[..8].iter().zip(&ends[..8]).all(|(&a, &b)| near(a, b.into())));
            assert!(path[16..].iter().zip(&ends[8..]).all(|(&a, &b)| near(a, b.into())));
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
            let (a, b) = ends.split_at(8);
            let angle = (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).acos();
            let share = if *job == even { 0.5 } else { 0.5 / (angle / 2.0).cos() };
            let middle = (0..8).map(|i| share * (f64::from(a[i]) + f64::from(b[i])));
            assert!(path[8..16].iter().zip(middle).all(|(&a, b)| near(a, b)), "{path:?} of {ends:?}");
        }
    }
}

#[test]
fn images_are_an_array_one_picture_or_a_folder_of_them() {
    let pictures = "
sweep: pictures
dataset: {name: images, path: pictures, size: 8}
objective: gan
model: {generator: [8], discriminator: [8], noise: 4}
train: {steps: 4, batch: 4}
score: {samples: 20, metrics: []}
";
    let bench = Bench::real().file("pictures.yaml", pictures);
    let data = path(&bench, "data").display().to_string();
    let bench = bench.with("SWEEP_DATA", data);
    fs::create_dir(path(&bench, "pictures")).unwrap();
    for i in 0..30_u8 {
        let picture = image::RgbImage::from_fn(8, 8, |x, y| image::Rgb([8 * i, 30 * x as u8, 30 * y as u8]));
        picture.save(path(&bench, &format!("pictures/{i}.png"))).unwrap();
    }
    bench.sweep(&["run", "pictures.yaml", "--no-report"]).expect(0);
    let job = bench.query("SELECT job FROM results").remove(0);
    let sample = |more: &[&str]| bench.sweep(&[&["sample", &job], more].concat());
    sample(&["-n", "12", "-o", "x.npy"]).expect(0).says(&["12 samples", "[12, 3, 8, 8]"]);
    sample(&["-n", "12", "-o", "folder"]).expect(0).says(&["folder: 12 samples"]);
    sample(&["-n", "12", "-o", "x.png"]).expect(0);
    let (shape, values) = npy(&bench, "x.npy");
    assert_eq!(shape, [12, 3, 8, 8]);
    let byte = |value: f32| ((value + 1.0) * 127.5).round() as u8;
    let sheet = image::open(path(&bench, "x.png")).unwrap().to_rgb8();
    assert_eq!(sheet.dimensions(), (2 * 91, 2 * 19));
    for (place, sample) in values.chunks_exact(192).enumerate() {
        let picture = image::open(path(&bench, &format!("folder/{place:02}.png"))).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (8, 8));
        for (x, y, pixel) in picture.enumerate_pixels() {
            let at = y as usize * 8 + x as usize;
            let expected = [0, 1, 2].map(|channel| byte(sample[64 * channel + at]));
            assert_eq!(pixel.0, expected);
            let (column, row) = (place as u32 % 10, place as u32 / 10);
            assert_eq!(sheet.get_pixel(2 * (9 * column + 1 + x), 2 * (9 * row + 1 + y)).0, expected);
        }
    }
    assert_eq!(fs::read_dir(path(&bench, "folder")).unwrap().count(), 12);
    sample(&["-n", "12", "-o", "folder"]).expect(2).says(&["folder is there already"]);
    sample(&["-n", "2", "-o", "ways", "--interpolate", "11"]).expect(0);
    let mut names: Vec<_> =
        fs::read_dir(path(&bench, "ways")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!((names.len(), names[0].to_str(), names[21].to_str()), (22, Some("0-00.png"), Some("1-10.png")));
    // No temporary file stays beside them.
    let beside = fs::read_dir(path(&bench, "")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(beside.into_iter().all(|name| !name.contains("part") && !name.contains(".tmp")));
}

#[test]
fn what_cannot_be_sampled_is_refused_with_what_to_do() {
    let bench = tiny();
    let job = job(&bench, "GAN");
    let sample = |more: &[&str]| bench.sweep(&[&["sample", &job], more].concat());
    sample(&["-o", "x.csv"]).expect(2).says(&["cannot write a file ending in .csv", ".npy"]);
    sample(&["-o", "folder"]).expect(2).says(&["single points cannot be drawn"]);
    sample(&["-o", "x.npy", "--step", "61"]).expect(2).says(&["has 60 steps"]);
    sample(&["-o", "no/x.npy"]).expect(3).says(&["cannot write", "no/x.npy"]);
    sample(&["-o", "x.npy", "--device", "cuda:9"]).expect(2).says(&["there is no cuda:9 here"]);
    bench.sweep(&["sample", "zz", "-o", "x.npy"]).expect(2).says(&["no job `zz`"]);
    let file = bench.query(
        "SELECT c.directory FROM cohorts AS c JOIN members AS m ON m.cohort = c.id JOIN results AS \
        r ON r.job = m.job WHERE r.variant = 'GAN'",
    );
    let file = bench.home().join(&file[0]).join("generators.safetensors");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 9]).unwrap();
    sample(&["-o", "x.npy"]).expect(3).says(&["generators.safetensors"]);
    fs::remove_file(&file).unwrap();
    sample(&["-o", "x.npy"]).expect(2).says(&["its generator is no longer there", "--step"]);
    sample(&["-o", "x.npy", "--step", "60"]).expect(0).says(&["training job"]);
}
