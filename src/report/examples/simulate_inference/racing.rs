//! Simulates sweeps that add seeds until their comparisons are decided, from the first look to the report.

use sweep_report::race::look;
use sweep_report::{File, Options, report};
use sweep_spec::race::{Race, Spending};

use super::draw::{Random, Shape};
use super::settings::{NORMAL, Setting, VERDICTS};
use super::sweep::{Variant, drawn, reported, results, verdicts};
use super::tables::{Run, percent, say};

/// Seeds at each look; the last number is also the fixed number of seeds to compare with.
const LOOKS: [u64; 4] = [8, 12, 16, 20];

/// Simulates one sweep. Returns its verdicts of better and of worse, and its jobs.
fn raced(variants: &[Variant], spending: Spending) -> (usize, usize, usize) {
    let race = Race { looks: LOOKS.to_vec(), alpha: 0.05, spending, first: 0 };
    let mut seeds: Vec<u64> = vec![LOOKS[0]; variants.len()];
    let known = |seeds: &[u64]| -> Vec<Variant> {
        let of =
            |(variant, &seeds): (&Variant, &u64)| variant.iter().map(|cell| cell[..seeds as usize].to_vec()).collect();
        variants.iter().zip(seeds).map(of).collect()
    };
    for (number, &now) in LOOKS.iter().enumerate() {
        let found = look(&results(&known(&seeds), false), &race).expect("all were scored");
        let name = |place: usize| if place == 0 { "GAN".to_owned() } else { format!("Rival {place}") };
        let goes_on = |place: &usize| seeds[*place] == now && !found.over.rivals.contains(&name(*place));
        let rivals: Vec<usize> = (1..variants.len()).filter(goes_on).collect();
        let Some(&next) = LOOKS.get(number + 1).filter(|_| !rivals.is_empty()) else { break };
        rivals.into_iter().chain([0]).for_each(|place| seeds[place] = next);
    }
    let jobs = variants.iter().zip(&seeds).map(|(variant, &seeds)| variant.len() * seeds as usize).sum();
    let file = File { race: Some(race), ..File::default() };
    let options = Options { short: true, ..Options::default() };
    let document = report(&[(results(&known(&seeds), false), file)], options).expect("scores were drawn").document;
    let (better, worse) = verdicts(&document);
    (better, worse, jobs)
}

/// Rates of wrong verdicts are small and need many sweeps; power needs fewer.
fn power_of(run: &Run) -> usize {
    run.sweeps.div_ceil(4)
}

/// Prints wrong verdicts, power and saved jobs, next to those of a fixed number of seeds.
pub(crate) fn racing(run: &Run) {
    say(format_args!(
        "## Seeds that are added until comparisons are decided\n\nLooks at 8, 12, 16 and 20 seeds; percent of {} \
        sweeps with a verdict of better or worse where nothing \
         differs (each is wrong), of {} with a right one where something does, and percent of jobs trained of those of \
         20 seeds.\n",
        run.sweeps,
        power_of(run)
    ));
    let shifted = |mean: f64| Setting { cells: Shape::Normal { mean, std: 1.0 }, baseline: NORMAL, ..VERDICTS[0] };
    let mut rows: Vec<(String, Setting, usize, usize)> = Vec::new();
    for (rivals, cells) in [(1, 1), (3, 1), (1, 4)] {
        for at in [0, 3, 4, 5] {
            let setting = VERDICTS[at];
            rows.push((format!("{}, {rivals} against 1, of {cells}", setting.name), setting, rivals, cells));
        }
    }
    for (rivals, cells) in [(1, 1), (3, 1), (1, 4)] {
        for by in [1.0, 2.0] {
            rows.push((format!("better by {by} SD, {rivals} against 1, of {cells}"), shifted(by), rivals, cells));
        }
    }
    let figures = run.figures(rows.len(), |place, random: &mut Random| {
        let (_, setting, rivals, cells) = &rows[place];
        // For each way: sweeps with a verdict, verdicts of better, jobs.
        let mut sums = [[0_usize; 3]; 3];
        let is_alike = setting.cells == setting.baseline;
        let sweeps = if is_alike { run.sweeps } else { power_of(run) };
        for _ in 0..sweeps {
            let variants = drawn(setting, (*rivals, *cells, 20), random);
            let (better, worse) = verdicts(&reported(results(&variants, false), Vec::new(), true));
            let all = 20 * (1 + rivals * cells);
            let found =
                [(better, worse, all), raced(&variants, Spending::Pocock), raced(&variants, Spending::ObrienFleming)];
            for (sums, (better, worse, jobs)) in sums.iter_mut().zip(found) {
                sums[0] += usize::from(better + worse > 0);
                sums[1] += better;
                sums[2] += jobs;
            }
        }
        let all = sweeps * 20 * (1 + rivals * cells);
        let of = |[said, better, jobs]: [usize; 3]| {
            let (decided, of) = if is_alike { (said, sweeps) } else { (better, sweeps * rivals) };
            (percent(decided, of), percent(jobs, all))
        };
        let [fixed, pocock, fleming] = sums.map(of);
        format!("{} | {} | {} | {} | {}", fixed.0, pocock.0, pocock.1, fleming.0, fleming.1)
    });
    say(format_args!("| | 20 seeds | Pocock | jobs | O'Brien and Fleming | jobs |\n|---|--:|--:|--:|--:|--:|"));
    rows.iter().zip(figures).for_each(|((name, ..), row)| say(format_args!("| {name} | {row} |")));
    say(format_args!(""));
}
