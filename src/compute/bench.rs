//! `sweep bench`: measures how fast the networks of a sweep train here, without running the sweep.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use sweep_cli::bench::Args;
use sweep_cli::stdout::{print, print_json};
use sweep_cli::table::{self, Align};
use sweep_cli::{Exit, Global, events};
use sweep_operations::Failure;
use sweep_operations::doctor::processor_name;
use sweep_operations::networks::hidden;
use sweep_operations::slots::{SlotChoice, check_precision, check_present};
use sweep_operations::sweep_file::{Around, load};
use sweep_plan::slot::{Device, Slot};
use sweep_plan::{Placed, Plan, plan};
use sweep_spec::blueprint::{Blueprint, BuiltIn};
use sweep_spec::id::BlueprintId;
use sweep_spec::job::Job;
use sweep_tensor::{bench, memory};
use sweep_worker::bench::{Bench, Clock, POOL};

/// Time to measure the machine's own speed, before and after.
const MACHINE: Duration = Duration::from_millis(400);
/// The only slot for which the machine's speed is measured.
const ONE_THREAD: Slot = Slot { device: Device::Cpu, threads: 1 };
/// Distance between a seed and its replacements.
const OTHER_SEEDS: u64 = 1_000_003;

/// The limits of one CPU core.
#[derive(Clone, Copy, Debug, Serialize)]
struct Machine {
    /// 10⁹ floating-point operations a second in products of float32 matrices.
    gflops: f64,
    /// 10⁹ bytes a second to and from memory.
    gigabytes: f64,
}

impl Machine {
    fn measure() -> Self {
        Machine { gflops: bench::sgemm_gflops(MACHINE), gigabytes: bench::memory_gigabytes(MACHINE) }
    }

    fn best(self, other: Self) -> Self {
        Machine { gflops: self.gflops.max(other.gflops), gigabytes: self.gigabytes.max(other.gigabytes) }
    }

    /// Steps a second of one model if only its products took time, at full speed, and then its optimisers' memory
    /// traffic.
    fn steps(self, blueprint: &BuiltIn) -> f64 {
        let products = blueprint.step_flops() as f64 / (self.gflops * 1e9);
        let traffic = blueprint.step_bytes() as f64 / (self.gigabytes * 1e9);
        1.0 / (products + traffic)
    }
}

#[derive(Serialize)]
struct Document {
    processor: String,
    device: Device,
    threads: u32,
    /// Whether it measures processor time instead of wall-clock time.
    cpu_time: bool,
    /// Speed of one core; `None` on other devices.
    machine: Option<Machine>,
    /// Whether images are random: no files are read.
    synthetic: bool,
    networks: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    /// Variants of the file that train these networks.
    variants: Vec<String>,
    objective: &'static str,
    dataset: &'static str,
    generator: String,
    discriminator: String,
    batch: u32,
    members: usize,
    /// Model-steps a second, for each round.
    rounds: Vec<f64>,
    median: f64,
    least: f64,
    most: f64,
    /// Floating-point operations in one step of one model.
    flops: u64,
    /// Bytes in one step of one model.
    bytes: u64,
    /// Model-steps a second that the machine's limits allow.
    roofline: Option<f64>,
    share: Option<f64>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    memory::keep_freed();
    let place =
        SlotChoice { slots: Some(NonZeroUsize::MIN), threads: args.threads, devices: vec![args.device], members: None };
    let tell = events::tell();
    let slots = place.slots(&tell)?;
    let slot = &slots[0];
    check_present(&slots, &tell)?;
    let clock = if args.cpu_time { Clock::Processor } else { Clock::Wall };
    if args.cpu_time && *slot != ONE_THREAD {
        return Err(Failure::usage("--cpu-time is for one thread on the CPU: leave out --device and --threads"));
    }
    let limits = place.limits(&slots, 0, &global.places.home)?;
    let around = Around { root: &global.places.data_root()?, places: Some(&global.places), tell: &tell };
    let expansion = load(&args.file, around)?.expansion;
    // Jobs of one shape share their blueprint.
    let mut variants: HashMap<*const Blueprint, Vec<String>> = HashMap::new();
    for entry in &expansion.entries {
        let names = variants.entry(Arc::as_ptr(&entry.job.blueprint)).or_default();
        if names.last().is_none_or(|last| *last != *entry.variant) {
            names.push(entry.variant.to_string());
        }
    }
    let mut tasks = expansion.tasks();
    tasks.retain(|task| task.job.blueprint.own().is_none());
    if tasks.is_empty() {
        return Err(Failure::usage(format!(
            "{}: sweep trains none of these jobs itself, and cannot measure a trainer of your own before it runs",
            args.file.display()
        )));
    }
    check_precision(args.file.display(), "--device", tasks.iter().map(|task| &*task.job.blueprint), &slots)?;
    let plan = plan(tasks, &slots, &limits);
    let cohorts = cohorts(plan, &args.members);
    let machine = (*slot == ONE_THREAD).then(Machine::measure);
    let start = |jobs: Vec<Job>| Ok((Bench::new(&jobs, slot).map_err(Failure::environment)?, jobs, Vec::new()));
    let mut benches = cohorts.into_iter().map(start).collect::<Result<Vec<_>, Failure>>()?;
    for _ in 0..args.rounds.get() {
        for (bench, _, rates) in &mut benches {
            rates.push(bench.round(args.seconds, clock));
        }
    }
    let machine = machine.map(|before| before.best(Machine::measure()));

    let row = |(_, jobs, rates): (Bench, Vec<Job>, Vec<f64>)| {
        let blueprint = Arc::clone(&jobs.first()?.blueprint);
        let variants = variants.get(&Arc::as_ptr(&blueprint)).cloned().unwrap_or_default();
        Some(row(variants, blueprint.built_in()?, jobs.len(), rates, machine))
    };
    let networks: Vec<Row> = benches.into_iter().filter_map(row).collect();
    let synthetic = networks.iter().any(|row| row.dataset != "gaussians");
    let document = Document {
        processor: processor_name(),
        device: slot.device,
        threads: slot.threads,
        cpu_time: args.cpu_time,
        machine,
        synthetic,
        networks,
    };
    if args.json {
        print_json(&(serde_json::to_string_pretty(&document).map_err(Failure::internal)? + "\n"))?;
    } else {
        print(&readable(&document))?;
    }
    Ok(Exit::Ok)
}

/// The cohorts to train for each blueprint of the plan: its largest, or those of the sizes in `members`.
fn cohorts(plan: Plan, members: &[NonZeroUsize]) -> Vec<Vec<Job>> {
    let mut largest: Vec<Vec<Job>> = Vec::new();
    let mut index: HashMap<BlueprintId, usize> = HashMap::new();
    for Placed { cohort, .. } in plan.cohorts {
        let at = *index.entry(cohort.blueprint.id()).or_insert(largest.len());
        let jobs: Vec<Job> = cohort.members.into_iter().map(|(_, job)| job).collect();
        match largest.get_mut(at) {
            None => largest.push(jobs),
            Some(known) if known.len() < jobs.len() => *known = jobs,
            Some(_) => {}
        }
    }
    // For more members than the file has jobs, the parameters repeat with other seeds.
    let sized = |jobs: &Vec<Job>, size: usize| -> Vec<Job> {
        let seed = |i: usize, job: &Job| job.seed.wrapping_add((i / jobs.len()) as u64 * OTHER_SEEDS);
        jobs.iter().cycle().take(size).enumerate().map(|(i, job)| Job { seed: seed(i, job), ..job.clone() }).collect()
    };
    match members {
        [] => largest,
        sizes => largest.iter().flat_map(|jobs| sizes.iter().map(|size| sized(jobs, size.get()))).collect(),
    }
}

fn row(variants: Vec<String>, blueprint: &BuiltIn, members: usize, rounds: Vec<f64>, machine: Option<Machine>) -> Row {
    let mut sorted = rounds.clone();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    let median = (low + high) / 2.0;
    let roofline = machine.map(|machine| machine.steps(blueprint));
    Row {
        variants,
        objective: blueprint.objective.name(),
        dataset: blueprint.dataset.name(),
        generator: hidden(&blueprint.model.generator),
        discriminator: hidden(&blueprint.model.discriminator),
        batch: blueprint.train.batch,
        members,
        median,
        least: sorted[0],
        most: sorted[sorted.len() - 1],
        rounds,
        flops: blueprint.step_flops(),
        bytes: blueprint.step_bytes(),
        roofline,
        share: roofline.map(|roofline| median / roofline),
    }
}

fn readable(document: &Document) -> String {
    let mut facts = vec![
        ("processor", document.processor.clone()),
        ("time", if document.cpu_time { "of the processor on this process" } else { "wall clock" }.to_owned()),
        ("slot", table::slots(&[Slot { device: document.device, threads: document.threads }])),
    ];
    if let Some(Machine { gflops, gigabytes }) = document.machine {
        facts.push((
            "machine",
            format!("{gflops:.0} GFLOP/s in float32 products, {gigabytes:.0} GB/s of memory on one core"),
        ));
    }
    if document.synthetic {
        facts.push(("images", format!("{} random ones; no files are read", table::count(POOL))));
    }
    let header = [
        ("variant", Align::Left),
        ("objective", Align::Left),
        ("data set", Align::Left),
        ("networks", Align::Left),
        ("batch", Align::Right),
        ("K", Align::Right),
        ("model-steps/s", Align::Right),
        ("least–most", Align::Right),
        ("MFLOP a step", Align::Right),
        ("bytes a step", Align::Right),
        ("roofline/s", Align::Right),
        ("reached", Align::Right),
    ];
    let rows = document.networks.iter().map(|row| {
        let known = |value: Option<f64>, show: fn(f64) -> String| value.map_or_else(|| "–".to_owned(), show);
        let others = row.variants.len().saturating_sub(1);
        let first = row.variants.first().map_or("", String::as_str);
        vec![
            if others > 0 { format!("{first} and {others} more") } else { first.to_owned() },
            row.objective.to_owned(),
            row.dataset.to_owned(),
            format!("G {}, D {}", row.generator, row.discriminator),
            row.batch.to_string(),
            row.members.to_string(),
            rate(row.median),
            format!("{}–{}", rate(row.least), rate(row.most)),
            format!("{:.1}", row.flops as f64 / 1e6),
            table::bytes(row.bytes),
            known(row.roofline, rate),
            known(row.share, |share| format!("{:.0} %", 100.0 * share)),
        ]
    });
    table::facts(&facts) + "\n" + &table::table(&header, rows)
}

/// `12,345`, `62.1`.
fn rate(rate: f64) -> String {
    if rate < 99.95 { format!("{rate:.1}") } else { table::count(rate.round() as usize) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_spec::sweep::Sweep;

    #[test]
    fn the_roofline_is_products_and_then_traffic() {
        let text =
            "sweep: s\ndataset: mnist\nobjective: gan\nmodel: {generator: [8], discriminator: [8]}\ntrain: {steps: 1}";
        let expansion = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap();
        let jobs: Vec<Job> = expansion.tasks().into_iter().map(|task| task.job).collect();
        let blueprint = jobs[0].blueprint.built_in().unwrap();
        let machine =
            Machine { gflops: blueprint.step_flops() as f64 / 1e9, gigabytes: blueprint.step_bytes() as f64 / 3e9 };
        assert!((machine.steps(blueprint) - 0.25).abs() < 1e-12, "1 s of products and 3 s of traffic");

        let row = row(vec!["gan".to_owned()], blueprint, jobs.len(), vec![0.2, 0.1, 0.4, 0.3], Some(machine));
        assert_eq!((row.median, row.least, row.most, row.share), (0.25, 0.1, 0.4, Some(1.0)));
        assert_eq!((row.generator.as_str(), row.members), ("1×8", 1));
    }
}
