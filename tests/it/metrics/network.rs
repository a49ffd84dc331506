//! The shipped scoring networks, on real images: the first 200 of each test set, as gzipped IDX files.

use std::io::Read;
use std::path::{Path, PathBuf};

use sweep::data::{FileSet, Split};
use sweep::metrics::nets::augment::Limits;
use sweep::metrics::nets::classifier::{Classifier, NetError};
use sweep::metrics::nets::train::{Options, train};
use sweep::spec::dataset::Dataset;

fn unpacked(file: &str, header: usize) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics").join(file);
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes.split_off(header)
}

fn images(name: &str) -> (Vec<u8>, Vec<u8>) {
    (unpacked(&format!("{name}-images.gz"), 16), unpacked(&format!("{name}-labels.gz"), 8))
}

#[test]
fn shipped_networks_know_their_classes() {
    for (dataset, name, most) in [(Dataset::Mnist, "mnist", 2), (Dataset::FashionMnist, "fashion-mnist", 28)] {
        let (pixels, labels) = images(name);
        assert_eq!(labels.len(), 200);
        let errors = Classifier::shipped(&dataset).unwrap().errors(&pixels, &labels).unwrap();
        assert!(errors <= most, "{name}: {errors} of 200 wrong");
    }
}

/// All 10,000 test images, where MNIST is on this machine, as scripts/test sees to.
#[test]
fn the_digits_network_has_a_test_error_of_at_most_0_65_percent() {
    let cache = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/sweep/data");
    let root = std::env::var_os("SWEEP_DATA").map_or_else(cache, PathBuf::from);
    match FileSet::Mnist.load(&root, Split::Test) {
        Ok(test) => {
            let errors = Classifier::shipped(&Dataset::Mnist).unwrap().errors(&test.pixels, &test.labels).unwrap();
            assert!(errors <= 65, "{errors} of {} wrong", test.len());
        }
        Err(error) => eprintln!("not tested on all of MNIST: {error}"),
    }
}

#[test]
fn outputs_of_an_image_do_not_depend_on_the_others() {
    let net = Classifier::shipped(&Dataset::Mnist).unwrap();
    let (pixels, _) = images("mnist");
    let samples: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / 127.5 - 1.0).collect();
    let all = net.run(&samples).unwrap();
    let alone = net.run(&samples[60 * 784..61 * 784]).unwrap();
    for (a, b) in alone.logits.iter().zip(&all.logits[600..]) {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0));
    }
    assert_eq!(all.features.size(), [200, 64]);
    assert_eq!(all.logits, net.run(&samples).unwrap().logits, "twice the same");
}

#[test]
fn training_learns_and_repeats_itself() {
    let (pixels, labels) = images("mnist");
    let still = Limits { turn: 0.0, scale: 0.0, shear: 0.0, shift: 0.0 };
    let options = Options { data: "mnist", seed: 3, epochs: 60, augment: still };
    let mut last = None;
    let weights = train(&pixels, &labels, &options, |progress| last = Some(progress)).unwrap();
    let last = last.unwrap();
    assert_eq!((last.step, last.steps), (120, 120));
    let net = Classifier::read("test", &weights).unwrap();
    let errors = net.errors(&pixels, &labels).unwrap();
    assert!(errors < 20, "{errors} of 200 wrong on the training set itself");
    // Folding the norms changes nothing that an image sees; a network without them knows nothing.
    let two = Options { epochs: 2, ..options };
    let short = || train(&pixels, &labels, &two, |_| ()).unwrap();
    assert_eq!(short(), short());
    assert_ne!(short(), train(&pixels, &labels, &Options { seed: 4, ..two }, |_| ()).unwrap());
}

#[test]
fn broken_weights_and_data_are_named() {
    let read = |bytes: &[u8]| Classifier::read("somebody.safetensors", bytes).unwrap_err().to_string();
    assert!(read(b"nonsense").contains("somebody.safetensors"));
    let (pixels, labels) = images("mnist");
    let net = Classifier::shipped(&Dataset::Mnist).unwrap();
    assert!(matches!(net.errors(&pixels, &labels[1..]), Err(NetError::Data { labels: 199, .. })));
    assert!(matches!(net.errors(&pixels, &[10; 200]), Err(NetError::Data { largest: 10, .. })));
    assert!(matches!(net.run(&[0.0; 100]), Err(NetError::Data { pixels: 100, .. })));
    assert!(matches!(
        Classifier::shipped(&Dataset::Gaussians(sweep::spec::dataset::Gaussians::RING)),
        Err(NetError::None(_))
    ));
}
