//! The moving average of a generator's weights, for scoring (Yazıcı et al. 2019, "The unusual effectiveness of
//! averaging in GAN training").

use tch::{Kind, Tensor};

use super::kernel::optim as kernel;
use super::net::{Net, Setup};
use sweep_spec::keys::train::{EMA, EMA_HALF_LIFE, EMA_START};
use sweep_spec::parameters::{Parameters, Plain};
use sweep_tensor::host::{Number, values, values_mut};
use sweep_tensor::transfer::upload;

/// When the average of one member begins, and how slowly it moves.
#[derive(Clone, Debug)]
struct Decay {
    pace: Pace,
    start: u64,
}

#[derive(Clone, Debug)]
enum Pace {
    /// λ; 0 if the member has no average, or its average equals its weights.
    Lambda(Plain),
    /// Half-life and batch size, in samples.
    HalfLife(Plain, f64),
}

/// The averages of K members; some may have none.
pub(crate) struct Average {
    /// `[K, P]`, like the weights of the generators.
    pub weights: Tensor,
    members: Vec<Decay>,
    setup: Setup,
}

impl Average {
    /// Starts averages from the current weights of `generator`, which makes `batch` samples per move, at each member's
    /// pace. `None` if no member has an average.
    pub(crate) fn new(generator: &Net, parameters: &[&Parameters], batch: u32, setup: Setup) -> Option<Average> {
        let decay = |parameters: &&Parameters| {
            let pace = match parameters.get(EMA_HALF_LIFE.name) {
                Some(half_life) => Pace::HalfLife(half_life.clone(), batch.into()),
                None => Pace::Lambda(parameters.get(EMA.name).cloned().unwrap_or(Plain::Number(0.0))),
            };
            Decay { pace, start: EMA_START.in_job(parameters, 0).unwrap_or_default() as u64 }
        };
        let members: Vec<Decay> = parameters.iter().map(decay).collect();
        let any = members.iter().any(Decay::is_any);
        any.then(|| Average { weights: generator.weights.copy(), members, setup })
    }

    /// Whether member `k` has an average.
    pub(crate) fn is_of(&self, k: usize) -> bool {
        self.members[k].is_any()
    }

    /// Keeps the members at these positions and drops the others.
    pub(crate) fn retain(&mut self, keep: &[usize], index: &Tensor) {
        self.members = keep.iter().map(|&k| self.members[k].clone()).collect();
        self.weights = self.weights.index_select(0, index);
    }

    /// θ̄ ← λθ̄ + (1 − λ)θ, after the generators have moved in step `t`, counted from 0. Before it begins, an average
    /// equals the weights.
    pub(crate) fn follow(&mut self, generator: &Net, t: u64) {
        match (self.setup.host(), self.setup.kind) {
            (true, Kind::Double) => self.on_host::<f64>(generator, t),
            (true, _) => self.on_host::<f32>(generator, t),
            (false, _) => self.on_device(generator, t),
        }
    }

    fn on_host<T: Number>(&mut self, generator: &Net, t: u64) {
        let lambda = self.members[0].at(t);
        kernel::average(values_mut::<T>(&mut self.weights), values(&generator.weights), lambda);
    }

    fn on_device(&mut self, generator: &Net, t: u64) {
        let rates: Vec<f64> = self.members.iter().flat_map(|decay| [decay.at(t), 1.0 - decay.at(t)]).collect();
        let rates = upload(&rates, &[self.members.len() as i64, 2], (self.setup.kind, self.setup.device));
        self.weights = &self.weights * rates.narrow(1, 0, 1) + &generator.weights * rates.narrow(1, 1, 1);
    }
}

impl Decay {
    /// Whether the average ever differs from the weights. One with a changing pace does at some step.
    fn is_any(&self) -> bool {
        let (Pace::Lambda(pace) | Pace::HalfLife(pace, _)) = &self.pace;
        pace.schedule().is_some() || pace.number().is_some_and(|pace| pace > 0.0)
    }

    /// λ of each move in step `t`.
    fn at(&self, t: u64) -> f64 {
        match &self.pace {
            _ if t < self.start => 0.0,
            Pace::Lambda(lambda) => lambda.at(t).unwrap_or_default(),
            // A half-life of 0 gives λ = 0.
            Pace::HalfLife(half_life, batch) => 0.5f64.powf(batch / half_life.at(t).unwrap_or_default()),
        }
    }
}
