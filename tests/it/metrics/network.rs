//! The shipped scoring networks, on real images: the first 200 of each test set, as gzipped IDX files.

use std::io::Read;
use std::path::{Path, PathBuf};

use sweep::data::{FileSet, Split};
use sweep::metrics::nets::NetError;
use sweep::metrics::nets::augment::{Augment, Limits};
use sweep::metrics::nets::classifier::{Classifier, Design, Examples};
use sweep::metrics::nets::train::{Options, train};
use sweep::spec::dataset::Dataset;

fn unpacked(file: &str, header: usize) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics").join(file);
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes.split_off(header)
}

const DESIGN: Design = Design { shape: [1, 28, 28], classes: 10 };

/// Images of 28×28 with their labels.
struct Drawings {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Examples for Drawings {
    fn count(&self) -> usize {
        self.labels.len()
    }

    fn shape(&self) -> [usize; 3] {
        DESIGN.shape
    }

    fn classes(&self) -> usize {
        DESIGN.classes
    }

    fn read(&self, number: usize, pixels: &mut [u8]) -> usize {
        pixels.copy_from_slice(&self.pixels[number * 784..(number + 1) * 784]);
        self.labels[number].into()
    }
}

fn images(name: &str) -> Drawings {
    let (pixels, labels) = (unpacked(&format!("{name}-images.gz"), 16), unpacked(&format!("{name}-labels.gz"), 8));
    Drawings { pixels, labels }
}

#[test]
fn shipped_networks_know_their_classes() {
    for (dataset, name, most) in [(Dataset::Mnist, "mnist", 2), (Dataset::FashionMnist, "fashion-mnist", 28)] {
        let images = images(name);
        assert_eq!(images.count(), 200);
        let errors = Classifier::shipped(&dataset).unwrap().errors(&images, 0..200).unwrap();
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
            let test = Drawings { pixels: test.pixels, labels: test.labels };
            let errors = Classifier::shipped(&Dataset::Mnist).unwrap().errors(&test, 0..test.count()).unwrap();
            assert!(errors <= 65, "{errors} of {} wrong", test.count());
        }
        Err(error) => eprintln!("not tested on all of MNIST: {error}"),
    }
}

#[test]
fn outputs_of_an_image_do_not_depend_on_the_others() {
    let net = Classifier::shipped(&Dataset::Mnist).unwrap();
    let samples: Vec<f32> = images("mnist").pixels.iter().map(|&pixel| f32::from(pixel) / 127.5 - 1.0).collect();
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
    let (images, picks) = (images("mnist"), (0..200).collect::<Vec<u32>>());
    let still = Limits { turn: 0.0, scale: 0.0, shear: 0.0, shift: 0.0 };
    let options = Options { note: "mnist".to_owned(), seed: 3, steps: 120, augment: Augment::Bend(still) };
    let mut last = None;
    let weights = train(&images, &picks, &options, |progress| last = Some(progress)).unwrap();
    let last = last.unwrap();
    assert_eq!((last.step, last.steps), (120, 120));
    let net = Classifier::read("test", &weights, DESIGN).unwrap();
    let errors = net.errors(&images, 0..200).unwrap();
    assert!(errors < 20, "{errors} of 200 wrong on the training set itself");
    // Folding the norms changes nothing that an image sees; a network without them knows nothing.
    let two = Options { steps: 4, ..options };
    let short = || train(&images, &picks, &two, |_| ()).unwrap();
    assert_eq!(short(), short());
    assert_ne!(short(), train(&images, &picks, &Options { seed: 4, ..two.clone() }, |_| ()).unwrap());
}

#[test]
fn broken_weights_and_data_are_named() {
    let read = |bytes: &[u8], design| Classifier::read("somebody.safetensors", bytes, design).unwrap_err().to_string();
    assert!(read(b"nonsense", DESIGN).contains("somebody.safetensors"));
    let (images, note) = (images("mnist"), "mnist".to_owned());
    let options = Options { note, seed: 3, steps: 1, augment: Augment::Move(2) };
    let weights = train(&images, &[0, 1, 2], &options, |_| ()).unwrap();
    let wrong = read(&weights, Design { classes: 11, ..DESIGN });
    assert!(wrong.contains("`output.weight` is F32 [10, 64], not F32 [11, 64]"), "{wrong}");
    assert!(matches!(train(&images, &[], &options, |_| ()), Err(NetError::Unlabelled(_))));
    let net = Classifier::shipped(&Dataset::Mnist).unwrap();
    assert!(matches!(net.run(&[0.0; 100]), Err(NetError::Data { expected: [1, 28, 28], found: 100 })));
    assert!(matches!(
        Classifier::shipped(&Dataset::Gaussians(sweep::spec::dataset::Gaussians::RING)),
        Err(NetError::None(_))
    ));
}
