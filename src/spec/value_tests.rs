use crate::error::Mistakes;
use crate::keys::Key;
use crate::value::*;
use crate::yaml::{self, Content};

fn read(key: &str, text: &str) -> Option<SettingValue> {
    // Wrapped in a map, since the parser takes whole documents.
    let Content::Map(entries) = yaml::load(&format!("key: {text}")).unwrap().content else { panic!() };
    let mut mistakes = Mistakes::default();
    let value = Reader { node: &entries[0].1, path: "key", mistakes: &mut mistakes }.read(&Key::find(key).unwrap());
    assert_eq!(value.is_none(), mistakes.len() > 0, "{key:?} {text}: a mistake is reported, and nothing else");
    value
}

#[test]
fn what_a_value_shows_reads_as_the_same_value() {
    for (key, texts) in [
        ("alpha", &["0.01", "1"][..]),
        ("lr", &["0.0002"]),
        ("adam_betas", &["[0.5, 0.999]"]),
        ("generator", &["[400, 400]", "[]", "[{linear: 400}, relu]"]),
        ("steps", &["10000"]),
        ("saturating", &["true"]),
        ("output", &["none", "tanh", "elu", "{leaky_relu: 0.1}"]),
        ("init", &["{normal: 0.02}", "{uniform: 0.05}", "he_uniform", "xavier_normal", "{orthogonal: 0.8}"]),
        ("optimizer", &["sgd", "optimistic_adam"]),
        ("epsilon", &["0.000001"]),
        ("ema", &["0.999"]),
        ("ema_half_life", &["500"]),
        ("ema_start", &["100"]),
        ("moves", &["alternating", "simultaneous"]),
        ("fresh_noise", &["true", "false"]),
        ("weights", &["ema", "raw"]),
        ("precision", &["float32", "tf32", "bf16"]),
        ("checkpoints", &["keep", "drop"]),
        ("noise_distribution", &["normal", "uniform"]),
        ("generator_norm", &["batch", "layer", "none"]),
        ("objective", &["d2gan"]),
        ("arch", &["mlp", "dcgan", "metz"]),
        ("width", &["128"]),
        ("discriminator_width", &["64"]),
        ("kernel", &["4"]),
        ("classifier", &["shipped", "inception", "self"]),
        ("sinkhorn_reg", &["0.5"]),
        ("metrics", &["[wasserstein, modes_covered]", "[]"]),
        (
            "dataset",
            &[
                "gaussians",
                "mnist",
                "mnist_1k",
                "cifar10",
                "{gaussians: {layout: grid, side: 3, spacing: 2, covariance: 0.1}}",
                "{gaussians: {layout: ring, modes: 3, radius: 2, covariance: 0.1, dims: 16, \
                 weights: [0.2, 0.3, 0.5], limit: 50000}}",
                "{gaussians: {layout: means, means: [[0, 0, 1], [-1.5, 2, 0]], covariance: [0.1, 0.2, 1]}}",
                "{gaussians: {layout: means, means: [[0], [1]], covariance: 0.02, limit: 10}}",
                "{gaussians: {layout: manifolds, offsets: [0, 3], noise_dims: 5, covariance: 1, dims: 9, \
                 weights: [0.1, 0.9]}}",
                "swiss_roll",
                "pinwheel",
                "spirals",
                "circles",
                "{swiss_roll: {turns: 2, noise: 0.2, limit: 500}}",
                "{pinwheel: {arms: 3, radial: 0.3, tangential: 0, rate: -1}}",
                "{spirals: {arms: 1, turns: 1.5, noise: 0.1}}",
                "{circles: {radius: 3, factor: 0.25, noise: 0.24}}",
            ],
        ),
    ] {
        for text in texts {
            assert_eq!(read(key, text).unwrap().to_string(), *text);
        }
    }
}

#[test]
fn spellings_that_mean_the_same_are_the_same() {
    assert_eq!(read("lr", "2e-4"), read("lr", "0.0002"));
    assert_eq!(read("alpha", "1.0"), read("alpha", "1"));
    assert_eq!(read("steps", "1e4"), Some(SettingValue::count(10_000)));
    for (text, same) in [
        ("{gaussians: {}}", "gaussians"),
        ("{gaussians: {dims: 2}}", "gaussians"),
        ("{gaussians: {weights: [3, 3, 3, 3, 3, 3, 3, 3]}}", "gaussians"),
        ("{gaussians: {layout: ring, modes: 2, weights: [1, 3]}}", "{gaussians: {modes: 2, weights: [0.25, 0.75]}}"),
        ("{gaussians: {means: [[0, -0.0]]}}", "{gaussians: {layout: means, means: [[0, 0]], covariance: 0.02}}"),
        ("{gaussians: {means: [[1, 0]], covariance: 1}}", "{gaussians: {covariance: 1.0, means: [[1, 0]]}}"),
        ("{circles: {}}", "circles"),
        ("{name: spirals}", "spirals"),
    ] {
        assert_eq!(read("dataset", text), read("dataset", same), "{text}");
    }
    assert_eq!(read("output", "leaky_relu"), read("output", "{leaky_relu: 0.2}"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (key, text) in [
        ("alpha", "0"),
        ("alpha", "0"),
        ("adam_beta1", "-1"),
        ("adam_betas", "[0.5, -0.1]"),
        ("epsilon", "0"),
        ("ema", "1"),
        ("ema_half_life", "-1"),
        ("lr", ".nan"),
        ("lr", "\"0.1\""),
        ("adam_betas", "[0.5]"),
        ("adam_betas", "[0.5, 1]"),
        ("batch", "0"),
        ("batch", "2.5"),
        ("batch", "-1"),
        ("arch", "cnn"),
        ("precision", "float16"),
        ("precision", "32"),
        ("width", "0"),
        ("kernel", "6"),
        ("range", ".inf"),
        ("sinkhorn_reg", "0"),
        ("classifier", "resnet"),
        ("generator", "400"),
        ("generator", "[400, 0]"),
        ("noise_distribution", "gaussian"),
        ("init", "normal"),
        ("init", "{uniform: 0}"),
        ("init", "{he_normal: 2}"),
        ("init", "orthogonl"),
        ("discriminator_activation", "none"),
        ("metrics", "none"),
        ("dataset", "{gaussians: {layout: ring, side: 3}}"),
        ("dataset", "{gaussians: {layout: means}}"),
        ("dataset", "{gaussians: {means: []}}"),
        ("dataset", "{gaussians: {means: [[]]}}"),
        ("dataset", "{gaussians: {means: [0, 1]}}"),
        ("dataset", "{gaussians: {means: [[0, 0], [1]]}}"),
        ("dataset", "{gaussians: {means: [[0, 0], [1, 1], [0, -0.0]]}}"),
        ("dataset", "{gaussians: {means: [[0, .nan]]}}"),
        ("dataset", "{gaussians: {means: [[0, 0]], dims: 2}}"),
        ("dataset", "{gaussians: {means: [[0, 0]], layout: ring}}"),
        ("dataset", "{gaussians: {dims: 1}}"),
        ("dataset", "{gaussians: {dims: 4097}}"),
        ("dataset", "{gaussians: {weights: [1, 1]}}"),
        ("dataset", "{gaussians: {modes: 2, weights: [0, 1]}}"),
        ("dataset", "{gaussians: {modes: 2, weights: [1, 1e-12]}}"),
        ("dataset", "{gaussians: {modes: 2, weights: 1}}"),
        ("dataset", "{gaussians: {covariance: [0.1]}}"),
        ("dataset", "{gaussians: {covariance: [0.1, 0]}}"),
        ("dataset", "{gaussians: {limit: 0}}"),
        ("dataset", "{gaussians: {limit: 1000000, dims: 4000}}"),
        ("dataset", "{gaussians: {layout: manifolds, noise_dims: 1201}}"),
        ("dataset", "{gaussians: {layout: manifolds, offsets: [1, 2, 1]}}"),
        ("dataset", "{gaussians: {layout: manifolds, covariance: [1, 1]}}"),
        ("dataset", "{circles: {factor: 1}}"),
        ("dataset", "{pinwheel: {arms: 0}}"),
        ("dataset", "{spirals: {noise: -1}}"),
        ("dataset", "{swiss_roll: {arms: 2}}"),
        ("dataset", "{swiss_roll: 2}"),
        ("dataset", "{mnist: {}}"),
    ] {
        assert_eq!(read(key, text), None, "{key:?} {text}");
    }
}
