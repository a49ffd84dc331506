//! How many jobs train best together on GPUs. Measured before a run.

use std::collections::BTreeSet;

use sweep_plan::Limits;
use sweep_plan::measured::{self, Question, questions};
use sweep_plan::slot::{Device, Kind, Slot};
use sweep_report::format::count;
use sweep_spec::job::Task;

/// Returns what is not known yet about `tasks` on the GPUs of `slots`; nothing if the user says how many jobs train
/// together.
pub(crate) fn open_questions(tasks: &[Task], slots: &[Slot], limits: &Limits) -> Vec<Question> {
    let gpus = slots.iter().filter(|slot| slot.device != Device::Cpu);
    let kinds: BTreeSet<Kind> = gpus.map(|slot| limits.kinds.of(slot.device)).collect();
    if kinds.is_empty() || limits.chosen.is_some() { Vec::new() } else { questions(tasks, &kinds, &limits.known) }
}

/// Describes a question: `d2gan on mnist, NVIDIA H100, 81559 MiB`.
pub fn what(question: &Question) -> String {
    let Question { kind, jobs, .. } = question;
    let blueprint = jobs.first().map(|(_, job)| &job.blueprint);
    let names = blueprint.map_or(("?", "?"), |blueprint| (blueprint.objective_name(), blueprint.dataset_name()));
    format!("{} on {}, {kind}", names.0, names.1)
}

/// Describes an answer: `d2gan on mnist, NVIDIA H100, 81559 MiB: 64 jobs together, 12,345 model-steps/s`; `None` after
/// a failure.
pub(crate) fn answer(question: &Question) -> Option<String> {
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
        let text = "sweep: s\ndataset: gaussians\ntrain: {steps: 10}\nvariants:\n- {name: a, objective: gan, seeds: \
            5}\n- {name: b, objective: gan, seeds: 1, train: {batch: 8}}\n- {name: c, objective: gan, seeds: 2, \
            train: {batch: 9}}";
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
        assert_eq!(sizes(&slots(&[gpu, cpu]), &limits), [5, 2], "a single job needs no measurement");
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
}
