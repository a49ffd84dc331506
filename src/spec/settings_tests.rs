use crate::sweep::Sweep;

/// Defaults as in the papers' algorithms, if these differ from the general ones.
#[test]
fn training_is_as_in_the_papers_unless_said_otherwise() {
    for (objective, betas, lr, d_steps) in [
        ("gan", Some([0.5, 0.999]), 2e-4, 1),
        ("wgan", None, 5e-5, 5),
        ("wgan_gp", Some([0.0, 0.9]), 1e-4, 5),
        ("wgan_div", Some([0.5, 0.999]), 2e-4, 5),
        ("dragan", Some([0.5, 0.999]), 2e-4, 1),
    ] {
        let text = format!("sweep: s\ndataset: gaussians\ntrain: {{steps: 100}}\nobjective: {objective}\n");
        let job = Sweep::parse("f", &text).unwrap().expand().unwrap().entries.remove(0).job;
        let of = |name| job.parameters.number(name);
        assert_eq!([of("adam_beta1"), of("adam_beta2")], betas.map_or([None; 2], |b| b.map(Some)), "{objective}");
        assert_eq!((of("lr_generator"), of("lr_discriminator")), (Some(lr), Some(lr)), "{objective}");
        assert_eq!(job.blueprint.built_in().unwrap().train.d_steps, d_steps, "{objective}");
    }
}

/// Che et al.: 0.2, or 1 in two steps. For images, where the distance is a sum over pixels: values with which both find
/// more of MNIST than a plain GAN.
#[test]
fn reconstruction_weighs_less_where_it_is_a_sum_over_pixels() {
    for (dataset, objective, weight) in [
        ("gaussians", "reg_gan", 0.2),
        ("gaussians", "mdgan", 1.0),
        ("mnist", "reg_gan", 0.01),
        ("mnist", "mdgan", 0.01),
        ("cifar10", "mdgan", 0.01),
    ] {
        let text = format!("sweep: s\ntrain: {{steps: 100}}\ndataset: {dataset}\nobjective: {objective}\n");
        let job = Sweep::parse("f", &text).unwrap().expand().unwrap().entries.remove(0).job;
        assert_eq!(job.parameters.number("reconstruction"), Some(weight), "{dataset} {objective}");
    }
}

/// Warde-Farley & Bengio: 0.03 divided by the number of units that go into the denoiser.
#[test]
fn denoising_is_weighed_by_the_number_of_features() {
    for (rest, features) in [
        ("dataset: mnist\nmodel: {discriminator: [256, 1024]}", 1024.0),
        ("dataset: gaussians", 128.0),
        ("dataset: gaussians\nmodel: {discriminator: []}", 2.0),
        ("dataset: gaussians\nmodel: {discriminator: [{linear: 240}, {maxout: 5}, {linear: 1}]}", 48.0),
        ("dataset: cifar10\nmodel: {arch: dcgan, width: 128}", 4.0 * 4.0 * 512.0),
    ] {
        let text = format!("sweep: s\ntrain: {{steps: 100}}\nobjective: dfm\n{rest}\n");
        let job = Sweep::parse("f", &text).unwrap().expand().unwrap().entries.remove(0).job;
        assert_eq!(job.parameters.number("denoising"), Some(0.03 / features), "{rest}");
    }
}
