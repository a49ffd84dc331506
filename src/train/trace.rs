//! Records the losses, and the mean outputs of the discriminators, at some steps. Training computes all of them anyway,
//! and recording does not change training.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::game::{Game, Member};
use super::loss::PerMember;
use super::objectives::Losses;
use super::play;
use sweep_spec::id::JobId;
use sweep_tensor::host;

/// Numbers that each step has for each member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Series {
    /// The discriminators' loss, together: what they descend in their last move of the step, including gradient
    /// penalties.
    LossD,
    /// The generator's loss, with all its terms.
    LossG,
    /// The first discriminator's mean output for a batch of real samples: logits, or energies if it is an auto-encoder.
    OutputReal,
    /// The same for generated samples.
    OutputFake,
    /// The same for the second discriminator.
    OutputReal2,
    /// The second discriminator's mean output for generated samples.
    OutputFake2,
}

impl Series {
    /// All series.
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

    /// The series of discriminator 0 or 1 for real and generated samples; `None` for other discriminators.
    fn outputs(discriminator: usize) -> Option<[Series; 2]> {
        match discriminator {
            0 => Some([Series::OutputReal, Series::OutputFake]),
            1 => Some([Series::OutputReal2, Series::OutputFake2]),
            _ => None,
        }
    }
}

/// The recorded numbers of a member at one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Steps done, including this one.
    pub step: u64,
    /// The available numbers; with several rounds of the discriminators, those of the last.
    pub values: BTreeMap<Series, f64>,
}

/// Numbers that a step records as it runs, `[K]` each.
pub(super) type Notes = BTreeMap<Series, PerMember>;

impl Game {
    /// Records the output of discriminator `i` for real and generated samples, `[K, ..]` each, if this step is
    /// recorded.
    pub(super) fn note(&mut self, i: usize, real: Option<&Tensor>, fake: Option<&Tensor>) {
        // Only the first two discriminators are recorded.
        let Some(outputs) = Series::outputs(i).filter(|_| self.notes.is_some()) else { return };
        for (series, said) in outputs.into_iter().zip([real, fake]) {
            let mean = said.map(|said| self.means(&said.detach()));
            if let (Some(notes), Some(mean)) = (&mut self.notes, mean) {
                notes.insert(series, mean);
            }
        }
    }

    /// The mean over all dimensions except the members, from `[K, ..]`. For members that are computed one by one, in
    /// float64 and in order.
    fn means(&self, x: &Tensor) -> PerMember {
        match self.setup.host() {
            true => {
                let all = host::to_f64(x);
                let each = all.chunks_exact((all.len() / self.seeds.len()).max(1));
                PerMember::Host(each.map(|own| own.iter().sum::<f64>() / own.len() as f64).collect())
            }
            false => PerMember::Device(play::mean(x)),
        }
    }
}

/// Recorded steps of one game.
#[derive(Default)]
pub(super) struct Trace(Vec<(u64, Kept)>);

/// The recorded numbers of one step of K members.
enum Kept {
    /// On the CPU.
    Host(Vec<(Series, Vec<f64>)>),
    /// `[series, K]` on a GPU; its queue continues until the values are read.
    Device(Vec<Series>, Tensor),
}

impl Trace {
    /// Records the losses of the step that ends at `step`, and the numbers in `notes`.
    pub(super) fn add(&mut self, step: u64, losses: &Losses, notes: Notes) {
        let losses = [(Series::LossD, losses.discriminator.share()), (Series::LossG, losses.generator.share())];
        let all: Vec<(Series, PerMember)> = losses.into_iter().chain(notes).collect();
        let on_host = |(series, value): &(Series, PerMember)| match value {
            PerMember::Host(values) => Some((*series, values.clone())),
            PerMember::Device(_) => None,
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

    /// The points of each of `members`, up to and including the first step with a loss that is not finite.
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
    /// Whether training continues after it.
    fn is_well(&self) -> bool {
        [Series::LossD, Series::LossG].iter().all(|loss| self.values.get(loss).is_none_or(|value| value.is_finite()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_spec::parameters::Parameters;

    #[test]
    fn gpu_and_cpu_record_the_same_losses() {
        let member = |name: &[u8]| Member { id: JobId::of(name), parameters: Parameters::default(), seed: 0 };
        let members = [member(b"one"), member(b"two")];
        let steps = [(2, [1.5, 2.5], [0.5, f64::NAN]), (4, [0.25, 1.0], [3.0, 4.0])];
        let kept = |value: &dyn Fn(&[f64]) -> PerMember| {
            let mut trace = Trace::default();
            for (step, d, g) in &steps {
                let losses = Losses { discriminator: value(d), generator: value(g) };
                trace.add(*step, &losses, Notes::from([(Series::OutputFake, value(&[-1.0, -2.0]))]));
            }
            trace.close(&members)
        };
        let host = kept(&|values| PerMember::Host(values.to_vec()));
        let device = kept(&|values| PerMember::Device(Tensor::from_slice(values).to_kind(Kind::Float)));
        // NaN equals nothing, not even itself.
        assert_eq!(format!("{host:?}"), format!("{device:?}"));
        let values = |point: &Point| point.values.values().copied().collect::<Vec<f64>>();
        assert_eq!(host[0].1.iter().map(values).collect::<Vec<_>>(), [[1.5, 0.5, -1.0], [0.25, 3.0, -1.0]]);
        assert_eq!(host[1].1.iter().map(|point| point.step).collect::<Vec<_>>(), [2], "it has diverged");
    }
}
