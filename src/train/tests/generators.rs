//! Saved generators of a cohort make the same samples as its trainer.

use super::*;
use crate::checkpoint::Renamed;
use crate::generators::Generators;

/// Jobs whose generators have all kinds of layers.
fn cases() -> [BuiltIn; 4] {
    let plain = |objective| blueprint(objective, Optimizer::Adam);
    let mixture = Objective::Mgan { generators: 3 };
    [
        plain(Objective::D2GAN),
        plain(mixture),
        convolutional(),
        BuiltIn { model: maps_of_every_kind(), ..convolutional() },
    ]
}

#[test]
fn saved_generators_make_the_samples_of_their_trainer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("generators.safetensors");
    for blueprint in cases() {
        for fused in [false, true] {
            let members = members(&blueprint, 3);
            let trainer = trained(&blueprint, members.clone(), single(fused), 3);
            trainer.export_generators(&path).unwrap();
            let mut generators = Generators::open(&path, &blueprint, single(fused), &Renamed::new()).unwrap();
            // In reverse order: each uses its own weights, whatever was loaded before.
            for (k, member) in members.iter().enumerate().rev() {
                let noise = Stream::new(member.seed, Purpose::Score, 3);
                let expected = trainer.sample(k, Weights::Ema, &noise, 1003);
                let found = generators.sample(member.id, Weights::Ema, &noise, 1003).unwrap();
                assert_eq!(expected.len(), 1003 * blueprint.dataset.features());
                assert_eq!(found, expected, "{:?}, fused: {fused}, member {k}", blueprint.objective);
            }
        }
    }
}

#[test]
fn other_weights_than_the_job_s_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("generators.safetensors");
    let [blueprint, other, ..] = cases();
    let member = &members(&blueprint, 1)[0];
    let stranger = &members(&other, 1)[0];
    trained(&blueprint, vec![member.clone()], single(false), 1).export_generators(&path).unwrap();
    let noise = Stream::new(1, Purpose::Score, 1);
    let sample = |blueprint: &BuiltIn, job| {
        Generators::open(&path, blueprint, single(false), &Renamed::new())
            .unwrap()
            .sample(job, Weights::Ema, &noise, 5)
            .unwrap_err()
            .to_string()
    };
    let missing = sample(&blueprint, stranger.id);
    assert!(missing.contains(&format!("has no tensor `{}.0.weight`", stranger.id)), "{missing}");
    let mut wider = blueprint.clone();
    wider.model.noise = 7;
    wider.model.generator[0] = Layer::Linear { inputs: 7, outputs: 16 };
    let shaped = sample(&wider, member.id);
    assert!(shaped.contains("[16, 6]") && shaped.contains("[16, 7]"), "{shaped}");
}
