//! The Inception network against torch-fidelity: tests/fixtures/metrics/inception.json, made by
//! scripts/golden-inception, whose random weights and images are made here again.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use sweep::metrics::inception_score::inception_score;
use sweep::metrics::nets::Outputs;
use sweep::metrics::nets::inception::{CLASSES, FEATURES, Inception, InceptionError};
use sweep::metrics::posterior::Posterior;
use tch::Device;

/// Of features and logits, relative to the larger of the value and the root mean square of those of its image.
const NETWORK: f64 = 1e-4;
/// Of the Inception score.
const SCORE: f64 = 1e-3;

#[derive(Deserialize)]
struct Golden {
    stride: usize,
    splits: u32,
    inception_score: f64,
    inception_score_std: f64,
    images: Vec<Image>,
    /// Name and shape of each.
    tensors: BTreeMap<String, Vec<usize>>,
}

#[derive(Deserialize)]
struct Image {
    name: String,
    channels: usize,
    height: usize,
    width: usize,
    block: usize,
    low: u32,
    high: u32,
    features: Vec<f64>,
    logits: Vec<f64>,
    features_sum: f64,
    logits_sum: f64,
    logits_squares: f64,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics/inception.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// splitmix64 from the FNV-1a hash of `name`.
fn draws(name: &str) -> impl Iterator<Item = u64> {
    let hash = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// The tensor `name` of the random network.
fn tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let (centre, spread) = if name == "fc.weight" {
        (0.0, 0.05)
    } else if shape.len() > 1 {
        (0.0, (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt())
    } else if name.ends_with(".bn.weight") || name.ends_with(".running_var") {
        (1.0, 0.5)
    } else {
        (0.0, 0.25)
    };
    let value = |draw: u64| centre as f32 + ((draw >> 40) as f32 - 8_388_608.0) / 8_388_608.0 * spread as f32;
    draws(name).take(shape.iter().product()).map(value).collect()
}

/// Pixels in [−1, 1].
fn samples(image: &Image) -> Vec<f32> {
    let Image { channels, height, width, block, low, high, .. } = *image;
    let values: Vec<u64> = draws(&image.name).take(channels * height * width).collect();
    let place = |i: usize| {
        let (c, y, x) = (i / (height * width), i / width % height, i % width);
        (c * height + y / block) * width + x / block
    };
    let level = |i: usize| low + (values[place(i)] >> 56) as u32 * (high - low) / 255;
    (0..values.len()).map(|i| level(i) as f32 / 127.5 - 1.0).collect()
}

/// The random network in the format of safetensors, without the tensors that `leave_out` names, in a folder of its own.
fn write(leave_out: &str) -> (tempfile::TempDir, PathBuf) {
    let bytes = |name: &str, shape: &[usize]| tensor(name, shape).iter().flat_map(|x| x.to_le_bytes()).collect();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = golden()
        .tensors
        .into_iter()
        .filter(|(name, _)| name != leave_out)
        .map(|(name, shape)| (name.clone(), shape.clone(), bytes(&name, &shape)))
        .collect();
    let views =
        tensors.iter().map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("inception.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None::<HashMap<String, String>>).unwrap()).unwrap();
    (dir, path)
}

static NET: LazyLock<Mutex<Inception>> = LazyLock::new(|| {
    // Beside other tests, more would be in each other's way.
    tch::set_num_threads(1);
    let (_dir, path) = write("");
    Mutex::new(Inception::read(&path, Device::Cpu).unwrap())
});

fn run(samples: &[f32], shape: [usize; 3]) -> Result<Outputs, InceptionError> {
    NET.lock().unwrap_or_else(PoisonError::into_inner).run(samples, shape)
}

fn features(outputs: &Outputs) -> Vec<f64> {
    Vec::try_from(outputs.features.to_kind(tch::Kind::Double).flatten(0, -1)).unwrap()
}

#[track_caller]
fn agree(name: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let scale = (expected.iter().map(|x| x * x).sum::<f64>() / expected.len() as f64).sqrt();
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let most = NETWORK * expected.abs().max(scale);
        assert!((found - expected).abs() <= most, "{name}, number {i}: expected {expected}, found {found}");
    }
}

#[test]
fn features_logits_and_inception_score_agree_with_torch_fidelity() {
    let golden = golden();
    assert_eq!(golden.images.len(), 7);
    let mut all = Vec::new();
    for image in &golden.images {
        let outputs = run(&samples(image), [image.channels, image.height, image.width]).unwrap();
        let features = features(&outputs);
        assert_eq!((features.len(), outputs.logits.len()), (FEATURES, CLASSES));
        let some = |values: &[f64]| values.iter().copied().step_by(golden.stride).collect::<Vec<_>>();
        agree(&image.name, &some(&features), &image.features);
        agree(&image.name, &some(&outputs.logits), &image.logits);
        // Those that the fixture leaves out.
        agree(&image.name, &[features.iter().sum()], &[image.features_sum]);
        agree(&image.name, &[outputs.logits.iter().sum()], &[image.logits_sum]);
        agree(&image.name, &[outputs.logits.iter().map(|x| x * x).sum()], &[image.logits_squares]);
        all.extend(outputs.logits);
    }
    let (mean, std) = inception_score(&Posterior::from_logits(all, CLASSES), golden.splits);
    assert!((mean - golden.inception_score).abs() <= SCORE * golden.inception_score, "{mean}");
    assert!((std - golden.inception_score_std).abs() <= SCORE * golden.inception_score, "{std}");
}

#[test]
fn a_broken_pixel_spoils_its_own_image_and_grey_is_three_equal_channels() {
    let images = golden().images;
    let grey = samples(images.iter().find(|image| image.name == "grey").unwrap());
    let mut broken = grey.clone();
    broken[300] = f32::INFINITY;
    let alone = run(&grey, [1, 28, 28]).unwrap();
    let three = run(&[grey.clone(), broken, grey.clone()].concat(), [1, 28, 28]).unwrap();
    let colour = run(&grey.repeat(3), [3, 28, 28]).unwrap();
    let (found, expected) = (features(&three), features(&alone));
    assert_eq!((found.len(), three.logits.len()), (3 * FEATURES, 3 * CLASSES));
    for i in [0, 2] {
        agree("features", &found[i * FEATURES..(i + 1) * FEATURES], &expected);
        agree("logits", &three.logits[i * CLASSES..(i + 1) * CLASSES], &alone.logits);
    }
    assert!(found[FEATURES..2 * FEATURES].iter().all(|x| x.is_nan()));
    assert!(three.logits[CLASSES..2 * CLASSES].iter().all(|x| x.is_nan()));
    agree("colour", &features(&colour), &expected);
}

#[test]
fn what_is_no_image_is_refused_and_none_at_all_have_no_features() {
    for (found, shape) in [(783, [1, 28, 28]), (1568, [2, 28, 28]), (10, [3, 0, 28])] {
        let error = run(&vec![0.0; found], shape).unwrap_err();
        assert!(matches!(error, InceptionError::Samples { found: values, .. } if values == found), "{error}");
    }
    let none = run(&[], [3, 32, 32]).unwrap();
    assert_eq!((none.features.size(), none.logits.len()), (vec![0, FEATURES as i64], 0));
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_tensor_and_what_to_do() {
    let (dir, path) = write("Mixed_6c.branch7x7dbl_4.bn.running_var");
    let refusal = |path: &Path| Inception::read(path, Device::Cpu).unwrap_err().to_string();
    let error = refusal(&path);
    let start = format!("{}: no tensor `Mixed_6c.branch7x7dbl_4.bn.running_var`; ", path.display());
    assert!(error.starts_with(&start) && error.contains("run `sweep data fetch inception`"), "{error}");
    std::fs::write(&path, &std::fs::read(&path).unwrap()[..1 << 20]).unwrap();
    assert!(refusal(&path).contains("not a file written by torch.save or safetensors"), "{error}");
    let absent = dir.path().join("absent.pth");
    assert!(refusal(&absent).starts_with(&format!("{}: cannot be read: ", absent.display())));
}
