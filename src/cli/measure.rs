//! Before a run on GPUs: how many jobs of each kind train best together there.

use std::collections::BTreeSet;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Failure;
use super::progress::{say, say_above};
use super::reading::stopped_short;
use super::table::{count, plural};
use sweep_plan::Limits;
use sweep_plan::measured::{self, Question, questions};
use sweep_plan::slot::{Device, Kind, Slot};
use sweep_run::Options;
use sweep_run::probe::{self, Probed, Standing, probe};
use sweep_spec::job::Task;

/// So long each cohort trains.
const SECONDS: f64 = 1.0;

/// What is not known yet of `tasks` on the GPUs of `slots`. Nothing is to be known where the user says how many jobs train together.
pub(super) fn open_questions(tasks: &[Task], slots: &[Slot], limits: &Limits) -> Vec<Question> {
    let gpus = slots.iter().filter(|slot| slot.device != Device::Cpu);
    let kinds: BTreeSet<Kind> = gpus.map(|slot| limits.kinds.of(slot.device)).collect();
    if kinds.is_empty() || limits.chosen.is_some() { Vec::new() } else { questions(tasks, &kinds, &limits.known) }
}

/// Measures what is not known yet of `jobs` on the GPUs of `options`, and keeps it for later runs; until `stop`, which it gives back.
///
/// # Errors
///
/// No worker can be started, or what was found can't be kept.
pub(super) async fn measure(
    tasks: &[Task],
    options: &Options,
    limits: &mut Limits,
    bars: &MultiProgress,
    stop: impl Future<Output = u8>,
) -> Result<Option<u8>, Failure> {
    // A trainer of the user's own measures nothing.
    let questions = if options.worker.is_some() { Vec::new() } else { open_questions(tasks, &options.slots, limits) };
    if questions.is_empty() {
        return Ok(None);
    }
    let display = Display::new(bars, questions.len());
    let slots = options.slots.iter().filter(|slot| slot.device != Device::Cpu).cloned().collect();
    let home = &options.orders.home;
    let kinds = limits.kinds.clone();
    let settings = probe::Options { slots, kinds, worker: None, home: home.clone(), seconds: SECONDS };
    let result = probe(settings, questions, &mut |standing| display.show(standing), stop).await;
    display.clear();
    let Probed { known, failures, signal } = result.map_err(stopped_short)?;
    for (question, why) in &failures {
        tracing::warn!("{}: not measured, so planned by estimate: {why}", what(question));
    }
    limits.known = sweep_run::learn(home, &known).map_err(Failure::environment)?;
    Ok(signal)
}

/// `d2gan on mnist, NVIDIA H100, 81559 MiB`
fn what(question: &Question) -> String {
    let Question { kind, jobs, .. } = question;
    let blueprint = jobs.first().map(|(_, job)| &job.blueprint);
    let names = blueprint.map_or(("?", "?"), |blueprint| (blueprint.objective_name(), blueprint.dataset_name()));
    format!("{} on {}, {kind}", names.0, names.1)
}

/// How far it is: a bar on a terminal, lines elsewhere. Both on stderr.
struct Display {
    bars: MultiProgress,
    bar: Option<ProgressBar>,
}

impl Display {
    fn new(bars: &MultiProgress, questions: usize) -> Self {
        say(format!("finding out how many jobs train best together: {} to try", plural(questions, "network")));
        let bar = (!bars.is_hidden()).then(|| {
            let bar = bars.add(ProgressBar::new(questions as u64));
            let style = ProgressStyle::with_template("{bar:16.cyan} {wide_msg}");
            // A template that does not parse falls back to the default look; the test below keeps ours parsing.
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Display { bars: bars.clone(), bar }
    }

    fn show(&self, standing: Standing<'_>) {
        let Standing { answered, questions, question, members } = standing;
        match (members, &self.bar) {
            (Some(members), Some(bar)) => {
                bar.set_position(answered as u64);
                bar.set_message(format!("{answered}/{questions}, {}: {}", what(question), plural(members, "job")));
            }
            (Some(_), None) => {}
            (None, _) => {
                if let Some(text) = answer(question) {
                    say_above(&self.bars, &text);
                }
            }
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `d2gan on mnist, NVIDIA H100, 81559 MiB: 64 jobs together, 12,345 model-steps/s`; none after a failure.
fn answer(question: &Question) -> Option<String> {
    let best = question.known.best(question.jobs.len().min(measured::MOST))?;
    let rate = question.known.rates.get(&best)?;
    let jobs = if best == 1 { "one job at a time".to_owned() } else { format!("{best} jobs together") };
    Some(format!("{}: {jobs}, {} model-steps/s", what(question), count(rate.round() as usize)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_spec::sweep::Sweep;

    fn tasks() -> Vec<Task> {
        let text = "sweep: s\ndataset: gaussians\ntrain: {steps: 10}\nvariants:\n- {name: a, objective: gan, seeds: 5}\n\
                    - {name: b, objective: gan, seeds: 1, train: {batch: 8}}\n\
                    - {name: c, objective: gan, seeds: 2, train: {batch: 9}}";
        Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap().tasks()
    }

    #[test]
    fn what_is_asked_is_what_is_not_known_of_gpus() {
        let (gpu, cpu) = (Device::Cuda(0), Device::Cpu);
        let slots =
            |devices: &[Device]| -> Vec<Slot> { devices.iter().map(|&device| Slot { device, threads: 1 }).collect() };
        let limits = Limits::default();
        let sizes = |slots: &[Slot], limits: &Limits| -> Vec<usize> {
            open_questions(&tasks(), slots, limits).iter().map(|question| question.jobs.len()).collect()
        };
        assert_eq!(sizes(&slots(&[gpu, cpu]), &limits), [5, 2], "a single job is no question");
        assert_eq!(sizes(&slots(&[gpu, gpu]), &limits), [5, 2], "two slots of a kind have one answer");
        assert_eq!(sizes(&slots(&[gpu, Device::Cuda(1)]), &limits).len(), 4);
        assert_eq!(sizes(&slots(&[cpu]), &limits), [0; 0]);
        assert_eq!(sizes(&slots(&[gpu]), &Limits { chosen: Some(8), ..limits.clone() }), [0; 0]);

        let mut question = open_questions(&tasks(), &slots(&[gpu]), &limits).remove(0);
        assert_eq!(answer(&question), None);
        question.known.rates.extend([(1, 100.0), (4, 399.6), (5, 401.0)]);
        assert_eq!(answer(&question).unwrap(), "gan on gaussians, cuda:0: 4 jobs together, 400 model-steps/s");
        let mut known = limits;
        known.known.entry(question.kind).or_default().insert(question.blueprint, question.known);
        assert_eq!(sizes(&slots(&[gpu]), &known), [2]);
    }

    #[test]
    fn the_template_parses() {
        assert!(ProgressStyle::with_template("{bar:16.cyan} {wide_msg}").is_ok());
    }
}
