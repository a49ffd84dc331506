//! What is kept of training: the losses, and what the discriminators say on average, at some steps. All of it is computed for training anyway;
//! nothing that training reads is changed by keeping it.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::game::{Game, Member};
use super::loss::Value;
use super::objectives::Losses;
use super::play;
use sweep_spec::id::JobId;
use sweep_tensor::host;

/// Numbers that each step has of each member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Series {
    /// The discriminators' loss, together: what they descend in their last move of the step, with the gradient penalties that this move has.
    LossD,
    /// The generator's loss, with all that it descends.
    LossG,
    /// The mean over a batch of the first discriminator's output for real samples: logits, or, where it is an auto-encoder, energies.
    OutputReal,
    /// The same for generated samples.
    OutputFake,
    /// The same of the second discriminator.
    OutputReal2,
    /// The same for generated samples.
    OutputFake2,
}

impl Series {
    /// All of them.
    pub const ALL: [Series; 6] = [
        Series::LossD,
        Series::LossG,
        Series::OutputReal,
        Series::OutputFake,
        Series::OutputReal2,
        Series::OutputFake2,
    ];

    /// The name in logs and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Series::LossD => "loss_d",
            Series::LossG => "loss_g",
            Series::OutputReal => "output_real",
            Series::OutputFake => "output_fake",
            Series::OutputReal2 => "output_real_2",
            Series::OutputFake2 => "output_fake_2",
        }
    }

    /// Of discriminator 0 or 1, its output for real and for generated samples; of more, nothing is kept.
    fn outputs(discriminator: usize) -> Option<[Series; 2]> {
        match discriminator {
            0 => Some([Series::OutputReal, Series::OutputFake]),
            1 => Some([Series::OutputReal2, Series::OutputFake2]),
            _ => None,
        }
    }
}

/// What a member has of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Steps done with it.
    pub step: u64,
    /// The numbers that there are: of two rounds of the discriminators, those of the last.
    pub values: BTreeMap<Series, f64>,
}

/// What a step notes on its way, `[K]` each.
pub(super) type Notes = BTreeMap<Series, Value>;

impl Game {
    /// Notes what discriminator `i` said of real and of generated samples, `[K, ..]` each, if this step is kept.
    pub(super) fn note(&mut self, i: usize, real: Option<&Tensor>, fake: Option<&Tensor>) {
        // Of more than two discriminators, what the first two say.
        let Some(outputs) = Series::outputs(i).filter(|_| self.notes.is_some()) else { return };
        for (series, said) in outputs.into_iter().zip([real, fake]) {
            let mean = said.map(|said| self.means(&said.detach()));
            if let (Some(notes), Some(mean)) = (&mut self.notes, mean) {
                notes.insert(series, mean);
            }
        }
    }

    /// The mean over all but the members, from `[K, ..]`; of members that are computed one by one in float64, in order.
    fn means(&self, x: &Tensor) -> Value {
        match self.setup.host() {
            true => {
                let all = host::to_f64(x);
                let each = all.chunks_exact((all.len() / self.seeds.len()).max(1));
                Value::Host(each.map(|own| own.iter().sum::<f64>() / own.len() as f64).collect())
            }
            false => Value::Device(play::mean(x)),
        }
    }
}

/// What is kept of one game over some steps.
#[derive(Default)]
pub(super) struct Trace(Vec<(u64, Kept)>);

/// What is kept of one step of K members.
enum Kept {
    /// On the CPU.
    Host(Vec<(Series, Vec<f64>)>),
    /// `[series, K]` on a GPU, whose queue goes on while nobody looks.
    Device(Vec<Series>, Tensor),
}

impl Trace {
    /// Keeps the losses of the step that ends at `step`, and what it has noted.
    pub(super) fn add(&mut self, step: u64, losses: &Losses, notes: Notes) {
        let losses = [(Series::LossD, losses.discriminator.share()), (Series::LossG, losses.generator.share())];
        let all: Vec<(Series, Value)> = losses.into_iter().chain(notes).collect();
        let on_host = |(series, value): &(Series, Value)| match value {
            Value::Host(values) => Some((*series, values.clone())),
            Value::Device(_) => None,
        };
        let kept = match all.iter().map(on_host).collect() {
            Some(host) => Kept::Host(host),
            None => {
                let (series, values): (Vec<Series>, Vec<Tensor>) =
                    all.into_iter().map(|(series, value)| (series, value.tensor().to_kind(Kind::Double))).unzip();
                Kept::Device(series, Tensor::stack(&values, 0))
            }
        };
        self.0.push((step, kept));
    }

    /// What each of `members` has: up to the first step with a loss that is not finite, which ends it.
    pub(super) fn close(self, members: &[Member]) -> Vec<(JobId, Vec<Point>)> {
        let mut all: Vec<(JobId, Vec<Point>)> = members.iter().map(|member| (member.id, Vec::new())).collect();
        for (step, kept) in self.0 {
            let rows = match kept {
                Kept::Host(rows) => rows,
                // One transfer for each step.
                Kept::Device(series, values) => {
                    let values = host::to_f64(&values);
                    series.into_iter().zip(values.chunks_exact(members.len()).map(<[f64]>::to_vec)).collect()
                }
            };
            for (k, (_, points)) in all.iter_mut().enumerate() {
                if points.last().is_none_or(Point::is_well) {
                    let values = rows.iter().map(|(series, values)| (*series, values[k])).collect();
                    points.push(Point { step, values });
                }
            }
        }
        all
    }
}

impl Point {
    /// Whether training goes on after it.
    fn is_well(&self) -> bool {
        [Series::LossD, Series::LossG].iter().all(|loss| self.values.get(loss).is_none_or(|value| value.is_finite()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_spec::parameters::Parameters;

    #[test]
    fn what_a_gpu_has_is_kept_as_what_a_cpu_has() {
        let member = |name: &[u8]| Member { id: JobId::of(name), parameters: Parameters::default(), seed: 0 };
        let members = [member(b"one"), member(b"two")];
        let steps = [(2, [1.5, 2.5], [0.5, f64::NAN]), (4, [0.25, 1.0], [3.0, 4.0])];
        let kept = |value: &dyn Fn(&[f64]) -> Value| {
            let mut trace = Trace::default();
            for (step, d, g) in &steps {
                let losses = Losses { discriminator: value(d), generator: value(g) };
                trace.add(*step, &losses, Notes::from([(Series::OutputFake, value(&[-1.0, -2.0]))]));
            }
            trace.close(&members)
        };
        let host = kept(&|values| Value::Host(values.to_vec()));
        let device = kept(&|values| Value::Device(Tensor::from_slice(values).to_kind(Kind::Float)));
        // NaN is like nothing, itself included.
        assert_eq!(format!("{host:?}"), format!("{device:?}"));
        let values = |point: &Point| point.values.values().copied().collect::<Vec<f64>>();
        assert_eq!(host[0].1.iter().map(values).collect::<Vec<_>>(), [[1.5, 0.5, -1.0], [0.25, 3.0, -1.0]]);
        assert_eq!(host[1].1.iter().map(|point| point.step).collect::<Vec<_>>(), [2], "it has diverged");
    }
}
