//! Cohorts and events for tests.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Input, Machine, Settings, Work};
use sweep_plan::cohort::Cohort;
use sweep_plan::slot::{Device, Kind, Kinds};
use sweep_spec::arch::{Activation, Init, Layer, Model, NoiseDistribution};
use sweep_spec::blueprint::{Blueprint, BuiltIn, Optimizer, Precision, Train};
use sweep_spec::dataset::{Dataset, Gaussians};
use sweep_spec::id::JobId;
use sweep_spec::job::Job;
use sweep_spec::moves::Moves;
use sweep_spec::objective::Objective;
use sweep_spec::parameters::Parameters;
use sweep_wire::event::{Event, Outcome, Record};

/// Makes a cohort of `members` models with 100 steps; another `width` gives another blueprint.
pub(crate) fn cohort(width: u32, members: u64) -> Arc<Cohort> {
    cohort_of(width, 0..members)
}

/// Does the same with these seeds.
pub(crate) fn cohort_of(width: u32, seeds: std::ops::Range<u64>) -> Arc<Cohort> {
    let linear = Layer::Linear { inputs: 2, outputs: width };
    let model = Model {
        noise: 2,
        noise_distribution: NoiseDistribution::Normal,
        init: Init::Normal { std: 0.02 },
        generator: vec![linear.clone(), Layer::Activation(Activation::Relu)],
        discriminator: vec![linear],
        encoder: vec![],
        denoiser: vec![],
        pack: 1,
    };
    let train = Train {
        steps: 100,
        batch: 1,
        d_steps: 1,
        generator: Optimizer::Adam,
        discriminator: Optimizer::Adam,
        precision: Precision::Float32,
        g_steps: 1,
        moves: Moves::Alternating,
        fresh_noise: true,
    };
    let dataset = Dataset::Gaussians(Gaussians::RING);
    let blueprint = Arc::new(Blueprint::BuiltIn(BuiltIn::new(dataset, Objective::D2GAN, model, train)));
    let job = |seed| Job { blueprint: Arc::clone(&blueprint), parameters: Parameters::default(), seed };
    Arc::new(Cohort::new(seeds.map(|seed| (job(seed).id(), job(seed))).collect(), [].into()))
}

pub(crate) fn work(width: u32, members: u64, seconds: f64) -> Work {
    Work::new(cohort(width, members), 0, &HashSet::new(), seconds)
}

pub(crate) fn records(events: Vec<Event>) -> Vec<Record> {
    events.into_iter().map(|event| Record { seq: 0, at: 0.0, event }).collect()
}

pub(crate) fn started() -> Event {
    Event::Started { step: 0, pid: 1, host: String::new(), device: String::new() }
}

pub(crate) fn done(job: JobId) -> Event {
    Event::JobDone { job, step: 100, seconds: 1.0 }
}

pub(crate) fn ended(outcome: Outcome) -> Event {
    Event::Ended { outcome, message: "why".to_owned() }
}

/// Makes a machine with one slot of each of these kinds, which are there.
pub(crate) fn machine(settings: Settings, kinds: Vec<Kind>, works: Vec<Work>) -> Machine {
    let mut machine = Machine::new(settings, kinds.len(), works);
    for (slot, kind) in kinds.into_iter().enumerate() {
        assert!(machine.handle(0.0, Input::Joined { slot, kind }).is_empty());
    }
    machine
}

/// Returns this many slots of the same kind.
pub(crate) fn slots(count: usize) -> Vec<Kind> {
    vec![Kinds::default().of(Device::Cpu); count]
}
