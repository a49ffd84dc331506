//! Sweep files: the mistakes that are shown for broken ones, and the jobs of those in `sweeps/`.

use std::fs;
use std::path::{Path, PathBuf};

use sweep::plan::slot::{Device, Slot};
use sweep::plan::{Limits, plan};
use sweep::spec::arch::Layer;
use sweep::spec::error::SpecErrors;
use sweep::spec::expand::Entry;
use sweep::spec::expand::Expansion;
use sweep::spec::job::Job;
use sweep::spec::sweep::Sweep;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> Result<Expansion, SpecErrors> {
    let text = fs::read_to_string(path).unwrap();
    Sweep::parse(&path.file_name().unwrap().to_string_lossy(), &text).and_then(|sweep| sweep.expand())
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

#[test]
fn broken_files_show_all_their_mistakes() {
    let files = files("tests/fixtures/spec");
    assert!(files.len() >= 6);
    for path in files {
        let errors = match read(&path) {
            Ok(expansion) => panic!("{} has {} jobs and should have none", path.display(), expansion.entries.len()),
            Err(errors) => errors,
        };
        let shown = format!("{errors}\n{}", errors.render(80, false));
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        insta::assert_snapshot!(name, shown);
    }
}

#[test]
fn mistakes_fit_a_narrow_terminal() {
    for (path, width) in files("tests/fixtures/spec").into_iter().flat_map(|path| [(path.clone(), 60), (path, 40)]) {
        let shown = read(&path).unwrap_err().render(width, false);
        // Lines of the file itself are shown as they are.
        let own = |line: &&str| !line.contains('│') && !line.contains('╭') && !line.contains('·');
        for line in shown.lines().filter(own) {
            assert!(line.chars().count() <= width, "{} columns in {line:?}", line.chars().count());
        }
        assert!(!shown.contains('\u{1b}'), "no colour where none is asked for");
    }
}

#[test]
fn the_sweeps_that_come_with_the_program_are_free_of_mistakes() {
    for (name, jobs) in [
        ("quickstart", 45),
        ("gaussians", 40),
        ("gaussians_smoke", 8),
        ("objectives_2d", 350),
        ("objectives_2d_smoke", 35),
        ("objectives_2d_settings", 78),
        ("mnist_alpha_beta", 40),
        ("mnist_alpha_beta_smoke", 4),
        ("mnist_alpha_beta_long", 90),
        ("mnist_1k", 25),
        ("mnist_1k_smoke", 5),
        ("cifar10", 27),
        ("cifar10_smoke", 9),
        ("stl10", 27),
        ("stl10_smoke", 9),
        ("imagenet32", 27),
        ("imagenet32_smoke", 9),
        ("pacgan_ring", 40),
        ("pacgan_ring_smoke", 4),
        ("pacgan_grid", 40),
        ("pacgan_grid_smoke", 4),
        ("alphagan_ring", 4200),
        ("alphagan_ring_smoke", 20),
        ("d2gan_ratio", 600),
        ("d2gan_ratio_smoke", 8),
        ("stacked_penalties", 150),
        ("stacked_penalties_smoke", 3),
        ("mixtures", 35),
        ("mixtures_smoke", 3),
        ("mnist_grid_full", 41_472),
        // Those that are drawn before anything is known.
        ("tuned_alike", 48),
    ] {
        // ImageNet is the user's own; these are samples of the same shape.
        let path = root().join(format!("sweeps/{name}.yaml"));
        let text = fs::read_to_string(&path).unwrap().replace("{name: imagenet32, path: ~/imagenet/train}", "cifar10");
        let expansion = Sweep::parse(name, &text).and_then(|sweep| sweep.expand());
        let expansion = expansion.unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(expansion.tasks().len(), jobs, "{name}");
        assert_eq!(expansion.entries.len(), jobs, "{name}");
        assert!(expansion.warnings.is_empty(), "{:?}", expansion.warnings);
    }
    assert_eq!(files("sweeps").len(), 31, "a new sweep belongs in this test");
}

/// The first job of a sweep of images.
fn images(rest: &str) -> Job {
    first(rest).job
}

fn first(rest: &str) -> Entry {
    let text = format!("sweep: s\nobjective: gan\ntrain: {{steps: 10}}\n{rest}");
    let expansion =
        Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap_or_else(|errors| panic!("{errors}"));
    expansion.entries[0].clone()
}

#[test]
fn convolutional_networks_follow_from_the_data_set_and_from_what_matters_to_them() {
    let maps = |job: &Job| -> Vec<u32> {
        let outputs = |layer: &Layer| match layer {
            Layer::Conv2d(geometry) => Some(geometry.outputs),
            _ => None,
        };
        job.blueprint.built_in().unwrap().model.discriminator.iter().filter_map(outputs).collect()
    };
    let cifar = images("dataset: cifar10\nmodel: {arch: dcgan}");
    assert_eq!((maps(&cifar), cifar.blueprint.built_in().unwrap().model.noise), (vec![128, 256, 512], 100));
    assert!(first("dataset: cifar10").score.metrics.is_empty());
    let small = images("dataset: mnist_1k\nmodel: {arch: metz}");
    assert_eq!((maps(&small), small.blueprint.built_in().unwrap().model.noise), (vec![4, 8, 16], 256));
    assert_eq!(first("dataset: mnist_1k").score.samples, 25_600);

    let resnet = images("dataset: cifar10\nmodel: {arch: resnet}");
    let model = &resnet.blueprint.built_in().unwrap().model;
    let normed = |layers: &[Layer]| layers.iter().any(|layer| layer.any(&|layer| *layer == Layer::SpectralNorm));
    assert_eq!((model.noise, normed(&model.generator), normed(&model.discriminator)), (128, false, true));
    let plain = images("dataset: cifar10\nmodel: {arch: resnet, discriminator_norm: none}");
    assert!(!normed(&plain.blueprint.built_in().unwrap().model.discriminator));

    let base = "dataset: mnist\nmodel: {arch: dcgan, width: 8";
    let id = |rest: &str| images(&format!("{base}{rest}}}")).id();
    for same in [", kernel: 5", ", generator: [7]", ", dropout: 0.5", ", discriminator_norm: batch"] {
        assert_eq!(id(same), id(""), "{same}");
    }
    for other in [", kernel: 4", ", discriminator_norm: none", ", noise: 7", ", output: none"] {
        assert_ne!(id(other), id(""), "{other}");
    }
}

#[test]
fn forty_thousand_jobs_are_planned() {
    let expansion = read(&root().join("sweeps/mnist_grid_full.yaml")).unwrap();
    let slots = vec![Slot { device: Device::Cpu, threads: 1 }; 16];
    let plan = plan(expansion.tasks(), &slots, &Limits::default());
    assert_eq!(plan.cohorts.iter().map(|placed| placed.cohort.members.len()).sum::<usize>(), 41_472);
}

/// Blocks of YAML in the documentation that are whole sweep files.
#[test]
fn the_files_that_the_documentation_shows_are_free_of_mistakes() {
    let mut shown = vec![root().join("README.md")];
    shown.extend(fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    let mut found = 0;
    for path in shown.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(path).unwrap();
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let is_whole = block.lines().any(|line| line.starts_with("sweep: "))
                && block.lines().any(|line| line.starts_with("train:") || line.starts_with("trainer:"));
            if is_whole {
                found += 1;
                let read = Sweep::parse("f", block).and_then(|sweep| sweep.expand());
                if let Err(errors) = read {
                    panic!("{}: {errors}\n{block}", path.display());
                }
            }
        }
    }
    assert!(found >= 3, "{found}");
}
