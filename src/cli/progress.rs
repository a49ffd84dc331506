//! Shows the progress of a run on stderr: bars on a terminal, a line now and then elsewhere.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::hints;
use super::stderr::say_above;
use super::table::{count, duration, plural};
use sweep_operations::cohort_sizes::what;
use sweep_operations::run::Coming;
use sweep_plan::measured::Question;
use sweep_run::spool::Watch;
use sweep_run::state::{SlotView, View};
use sweep_run::{Observer, Standing};

/// Without a terminal, the least time between two lines while jobs end, and the time between them while none does.
const LINE_SECONDS: std::ops::RangeInclusive<u64> = 10..=60;

/// The largest number of slots of agents that are drawn.
const SHOWN: usize = 16;

/// The display of one run.
pub(crate) struct Progress {
    /// The state of agents on other machines.
    agents: Option<Watch>,
    /// What was last said while there are no slots yet, and when.
    waited: Option<(String, Instant)>,
    bars: MultiProgress,
    /// The overall bar and one bar for each slot, on a terminal.
    drawn: Option<(ProgressBar, Vec<ProgressBar>)>,
    /// All work at the start of training, and the time of the start. Used to predict the end.
    work: Option<(f64, Instant)>,
    /// The number of jobs, and what was left of their work, at the last update.
    known: (usize, f64),
    /// What follows when all of that has ended.
    coming: Rc<Cell<Coming>>,
    /// The contents of the last line, and its time.
    line: Option<(usize, Instant)>,
    said_stopping: bool,
    said_paused: bool,
}

impl Progress {
    /// Draws on `bars`, for `slots` slots. Also shows what is `coming` after that.
    pub(crate) fn new(bars: MultiProgress, slots: usize, agents: Option<Watch>, coming: Rc<Cell<Coming>>) -> Self {
        // MultiProgress draws to stderr, and nowhere if that is not a terminal.
        let drawn = (!bars.is_hidden()).then(|| {
            let overall = bars.add(ProgressBar::new(1));
            overall.set_style(style("{wide_bar:.green} {msg}"));
            let most = if agents.is_some() { SHOWN } else { usize::MAX };
            let slots = (0..slots.min(most)).map(|_| {
                let bar = bars.add(ProgressBar::new(1));
                bar.set_style(style("  {bar:16.cyan} {wide_msg}"));
                bar
            });
            (overall, slots.collect())
        });
        Progress {
            agents,
            waited: None,
            bars,
            drawn,
            work: None,
            known: (0, 0.0),
            coming,
            line: None,
            said_stopping: false,
            said_paused: false,
        }
    }

    /// Prints `text` above the bars.
    fn say(&self, text: &str) {
        say_above(&self.bars, text);
    }

    fn overall(&self, view: &View) -> String {
        let failed = if view.failed > 0 { format!(", {} failed", view.failed) } else { String::new() };
        let share = 100.0 * view.steps_done as f64 / view.steps.max(1) as f64;
        let left = match self.work.and_then(|(work, start)| time_left(work, view.work_left, start.elapsed())) {
            Some(left) if view.settled < view.jobs => format!(", about {} left", duration(left.as_secs_f64())),
            Some(_) | None => String::new(),
        };
        let paused = if view.paused && !view.stopping { "; paused (`sweep resume` continues)" } else { "" };
        let coming = self.coming.get().words();
        let (settled, jobs) = (view.settled, view.jobs);
        hints::complete(&format!("{settled}/{jobs} jobs{failed}, {share:.0} % of steps{left}{coming}{paused}"))
    }

    fn line(&mut self, view: &View) {
        let due = match self.line {
            None => true,
            Some((settled, at)) => {
                let news = settled != view.settled;
                at.elapsed().as_secs() >= if news { *LINE_SECONDS.start() } else { *LINE_SECONDS.end() }
            }
        };
        if due {
            let busy = view.slots.iter().flatten().count();
            let places = match self.agents() {
                None => format!("{busy} of {} slots busy", view.slots.len()),
                Some(agents) => format!("{busy} of {} slots busy; {agents}", view.there),
            };
            self.say(&format!("{}; {places}", self.overall(view)));
            self.line = Some((view.settled, Instant::now()));
        }
    }
}

/// Removes the bars.
impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((overall, slots)) = &self.drawn {
            slots.iter().chain([overall]).for_each(ProgressBar::finish_and_clear);
        }
    }
}

impl Observer for Progress {
    fn update(&mut self, standing: &Standing) {
        match standing {
            Standing::Waiting => self.waiting(),
            Standing::Measuring { answered, questions, now } => self.measuring(*answered, *questions, now),
            Standing::Training(view) => self.training(view),
        }
    }
}

impl Progress {
    /// Writes `2 agents, 3 in the queue (1234_0: Priority)`.
    fn agents(&self) -> Option<String> {
        let (there, coming, why) = self.agents.as_ref()?.standing();
        let why = why.map_or_else(String::new, |why| format!(" ({why})"));
        let queue = if coming > 0 { format!(", {coming} in the queue{why}") } else { String::new() };
        Some(format!("{}{queue}", plural(there, "agent")))
    }

    /// Shows that there are no slots yet.
    fn waiting(&mut self) {
        let Some((_, coming, why)) = self.agents.as_ref().map(Watch::standing) else { return };
        let text = match why {
            Some(why) => format!("waiting for the first agent ({why})"),
            None if coming > 0 => "asking for the first agent".to_owned(),
            None => return,
        };
        match &self.drawn {
            Some((bar, _)) => bar.set_message(text),
            None => {
                let due =
                    |(last, at): &(String, Instant)| *last != text || at.elapsed().as_secs() >= *LINE_SECONDS.end();
                if self.waited.as_ref().is_none_or(due) {
                    self.say(&text);
                    self.waited = Some((text, Instant::now()));
                }
            }
        }
    }

    /// Shows which networks are measured, and with how many jobs.
    fn measuring(&mut self, answered: usize, questions: usize, now: &[(Question, usize)]) {
        let Some((bar, slots)) = &self.drawn else { return };
        bar.set_length(questions.max(1) as u64);
        bar.set_position(answered as u64);
        bar.set_message(format!("{answered}/{questions} networks measured"));
        for (at, bar) in slots.iter().enumerate() {
            let text =
                now.get(at).map(|(question, members)| format!("{}: {}", what(question), plural(*members, "job")));
            bar.set_message(text.unwrap_or_default());
        }
    }

    fn training(&mut self, view: &View) {
        let (work, _) = self.work.get_or_insert((view.work_left, Instant::now()));
        if view.jobs > self.known.0 && self.known.0 > 0 {
            *work += (view.work_left - self.known.1).max(0.0);
        }
        self.known = (view.jobs, view.work_left);
        if view.stopping && !self.said_stopping {
            self.said_stopping = true;
            self.say("stopping: workers checkpoint (Ctrl-C again to kill)");
        }
        if view.paused != self.said_paused {
            self.said_paused = view.paused;
            self.say(if view.paused {
                "paused: workers checkpoint and stop; `sweep resume` continues"
            } else {
                "goes on"
            });
        }
        let overall = self.overall(view);
        match &self.drawn {
            None => self.line(view),
            Some((bar, slots)) => {
                bar.set_length(view.steps.max(1));
                bar.set_position(view.steps_done);
                let agents = self.agents().map_or_else(String::new, |agents| format!("; {agents}"));
                bar.set_message(overall + &agents);
                // Of many slots, only busy ones are shown.
                let shown = view.slots.iter().filter(|slot| slots.len() == view.slots.len() || slot.is_some());
                let idle = std::iter::repeat(&None);
                for (bar, slot) in slots.iter().zip(shown.chain(idle)) {
                    bar.set_length(slot.as_ref().map_or(1, |slot| slot.steps.max(1)));
                    bar.set_position(slot.as_ref().map_or(0, |slot| slot.step));
                    bar.set_message(slot.as_ref().map_or_else(|| "idle".to_owned(), describe));
                }
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // A template that does not parse falls back to the default look. The test below makes sure that ours parse.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Writes `d2gan on mnist x16, step 1200/10000, 3400 model-steps/s, mode_score 7.91`.
fn describe(slot: &SlotView) -> String {
    let (objective, dataset) = slot.what;
    let members = if slot.members > 1 { format!(" x{}", slot.members) } else { String::new() };
    let rate = if slot.rate > 0.0 { format!(", {:.0} model-steps/s", slot.rate) } else { String::new() };
    let scoring = match slot.scoring {
        None => String::new(),
        Some((0, 0)) => ", waiting for another process to score".to_owned(),
        Some((seen, all)) => format!(", scoring: {} of {} images", count(seen as usize), count(all as usize)),
    };
    let score =
        slot.scores.first().map_or_else(String::new, |score| format!(", {} {:.3}", score.metric.name(), score.value));
    let on = if dataset.is_empty() { String::new() } else { format!(" on {dataset}") };
    format!("{objective}{on}{members}, step {}/{}{rate}{scoring}{score}", slot.step, slot.steps)
}

/// Predicts the time that is left from the pace so far; `None` if it is too early to say.
fn time_left(work: f64, left: f64, elapsed: Duration) -> Option<Duration> {
    let done = work - left;
    if elapsed < Duration::from_secs(2) || done < 0.005 * work || done <= 0.0 {
        return None;
    }
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * left / done).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_parse() {
        for template in ["{wide_bar:.green} {msg}", "  {bar:24.cyan} {msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn time_left_follows_the_pace() {
        let left = |work, left, seconds| time_left(work, left, Duration::from_secs(seconds)).map(|left| left.as_secs());
        assert_eq!(left(100.0, 75.0, 10), Some(30));
        assert_eq!(left(100.0, 0.0, 10), Some(0));
        assert_eq!(left(100.0, 100.0, 10), None, "nothing done yet");
        assert_eq!(left(100.0, 120.0, 10), None, "an attempt died");
        assert_eq!(left(100.0, 50.0, 1), None, "too early");
        assert_eq!(left(0.0, 0.0, 10), None);
    }

    #[test]
    fn a_busy_slot_tells_the_rate_of_all_its_models() {
        let cohort = "0".repeat(20).parse().unwrap();
        let what = ("d2gan", "mnist");
        let slot = SlotView {
            cohort,
            what,
            members: 16,
            step: 1200,
            steps: 10_000,
            rate: 3400.4,
            scoring: None,
            scores: vec![],
        };
        assert_eq!(describe(&slot), "d2gan on mnist x16, step 1200/10000, 3400 model-steps/s");
        let alone = SlotView { members: 1, rate: 0.0, ..slot };
        assert_eq!(describe(&alone), "d2gan on mnist, step 1200/10000");
        let scored = SlotView { scoring: Some((1024, 50_000)), ..alone };
        assert_eq!(describe(&scored), "d2gan on mnist, step 1200/10000, scoring: 1,024 of 50,000 images");
    }
}
