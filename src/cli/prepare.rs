//! Making data sets ready: progress, time left, and what a user should know of them.

use std::collections::BTreeMap;
use std::io::stderr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use super::computer::{Computer, unexpected};
use super::inception::Weights;
use super::progress::{EVERY, say, say_above_one};
use super::sets::{Condition, State, fetch_inception, fetch_with_progress};
use super::steps::StepsBar;
use super::table::{count, duration};
use super::terminal::{draws, variable};
use sweep_data::cache::{Mapped, PrepareEvent};
use sweep_data::{DataError, Depth, FileSet, stl10};
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Dataset;
use sweep_spec::job::Task;
use sweep_spec::scoring::ScoringNetwork;
use sweep_wire::task::{self, Answer, Learnt};

/// Classes that are named.
const NAMED: usize = 5;
/// Damaged samples that are told one by one.
const TOLD: usize = 10;

/// What is done with samples: they are made ready, or their files are read again to see whether they are those of earlier ones.
const READ: &str = "read";
const COMPARED: &str = "compared";

/// What the jobs of `tasks` need: their data, and what measures them.
pub fn wanted(tasks: &[Task]) -> impl Iterator<Item = (&Dataset, &Score)> {
    tasks.iter().flat_map(|task| {
        let own = task.job.blueprint.own().is_some();
        // A program of the user's own has data of its own: only what measures its samples needs any.
        let scores = task.scores.iter().filter(move |score| !own || !score.metrics.is_empty());
        task.job
            .blueprint
            .dataset()
            .into_iter()
            .flat_map(move |dataset| scores.clone().map(move |score| (dataset, &**score)))
    })
}

/// Runs `work`, and shows the events that it tells: a bar on a terminal, a line now and then elsewhere.
pub fn with_progress<T>(work: impl FnOnce(&(dyn Fn(PrepareEvent<'_>) + Sync)) -> T) -> T {
    let show = Mutex::new(Show::new());
    let result = work(&|event| {
        if let Ok(mut show) = show.lock() {
            show.event(&event);
        }
    });
    if let Ok(show) = show.lock() {
        show.end();
    }
    result
}

/// ` of 3 classes (cat, cow, dog)`: what was taken for a class is to be seen.
fn in_classes(classes: &[String]) -> String {
    if classes.is_empty() {
        return String::new();
    }
    let more = if classes.len() > NAMED { ", …" } else { "" };
    format!(" of {} classes ({}{more})", count(classes.len()), classes[..classes.len().min(NAMED)].join(", "))
}

/// What is shown.
struct Show {
    bar: ProgressBar,
    terminal: bool,
    name: String,
    /// What is done with samples.
    what: &'static str,
    start: Instant,
    said: Instant,
    /// Samples that an earlier process read, that are read now, and all.
    before: usize,
    done: usize,
    total: usize,
    damaged: usize,
}

impl Show {
    fn new() -> Self {
        let (bar, now) = (ProgressBar::hidden(), Instant::now());
        let terminal = draws(&stderr());
        let (name, what) = (String::new(), "");
        Show { bar, terminal, name, what, start: now, said: now, before: 0, done: 0, total: 0, damaged: 0 }
    }

    /// So many samples come, of which some are done.
    fn begin(&mut self, name: &str, what: &'static str, done: usize, total: usize) {
        self.bar.finish_and_clear();
        (self.name, self.what, self.before, self.done, self.total) = (name.to_owned(), what, done, 0, total);
        self.start = Instant::now();
        self.said = self.start;
        if self.terminal {
            let template = "{msg} {wide_bar} {pos}/{len}, {per_sec}, {eta} left";
            self.bar = ProgressBar::new(total as u64).with_position(done as u64).with_message(name.to_owned());
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            self.bar.reset_eta();
        }
    }

    fn say(&self, text: &str) {
        say_above_one(&self.bar, text);
    }

    fn event(&mut self, event: &PrepareEvent<'_>) {
        match *event {
            PrepareEvent::Waiting(holder) => {
                let who = if holder.is_empty() { "another process" } else { holder };
                self.say(&format!("waiting for {who}, which is making a data set ready in the same folder"));
            }
            PrepareEvent::Begun { name, path, done, total, classes, left_out } => {
                let onwards = if done == 0 { String::new() } else { format!(", going on after {}", count(done)) };
                let (samples, of) = (count(total), in_classes(classes));
                self.say(&format!("reading {name}: {samples} samples{of} in {}{onwards}", path.display()));
                if let Some(left_out) = left_out {
                    self.say(&format!("{name}: left out: {left_out}"));
                }
                self.begin(name, READ, done, total);
            }
            PrepareEvent::Comparing { name, total } => self.begin(name, COMPARED, 0, total),
            PrepareEvent::Read(more) => {
                self.done += more;
                self.bar.inc(more as u64);
                if !self.terminal && self.said.elapsed() >= EVERY {
                    self.said = Instant::now();
                    self.say(&self.line());
                }
            }
            PrepareEvent::Damaged(damaged) => {
                self.damaged += 1;
                if self.damaged <= TOLD {
                    self.say(&format!("warning: {} is damaged and left out: {}", damaged.name, damaged.why));
                } else if self.damaged == TOLD + 1 {
                    self.say("warning: more are damaged; `sweep data list --json` names all");
                }
            }
        }
    }

    /// How far it is.
    fn line(&self) -> String {
        let rate = self.done as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        let now = self.before + self.done;
        let left = duration((self.total - now.min(self.total)) as f64 / rate);
        let share = 100 * now / self.total.max(1);
        format!(
            "{}: {} of {} samples {} ({share} %), {rate:.0} a second, about {left} left",
            self.name,
            count(now),
            count(self.total),
            self.what
        )
    }

    fn end(&self) {
        self.bar.finish_and_clear();
        let seconds = self.start.elapsed().as_secs_f64();
        // What was compared sooner than anybody waits is not worth a line.
        if self.done > 0 && (self.what == READ || seconds >= 1.0) {
            let (name, what, done, took) = (&self.name, self.what, count(self.done), duration(seconds));
            let rate = self.done as f64 / seconds.max(1e-9);
            say(format!("{name}: {done} samples {what} in {took}, {rate:.0} a second"));
        }
    }
}

/// Sees to it that data sets are there and as they were before anything starts: downloads them where `SWEEP_FETCH` is 1, as
/// scripts/sweep has it, and says how to get them where it is not. So with what sees their images.
pub fn ensure<'a>(root: &Path, scored: impl IntoIterator<Item = (&'a Dataset, &'a Score)>) -> Result<(), Failure> {
    let (mut distinct, mut seen): (Vec<&Dataset>, Vec<(ScoringNetwork, &Dataset)>) = Default::default();
    for (dataset, score) in scored {
        if !distinct.contains(&dataset) {
            distinct.push(dataset);
        }
        let network = score.network(dataset).filter(|_| !score.metrics.is_empty());
        seen.extend(network.map(|network| (network, dataset)).filter(|pair| !seen.contains(pair)));
    }
    let files = distinct.iter().filter_map(|dataset| FileSet::of(dataset)).map(|set| (set.name(), set));
    for (_, set) in files.collect::<BTreeMap<&str, FileSet>>() {
        present(root, set)?;
    }
    for dataset in distinct {
        let cached = match dataset {
            Dataset::Stl10 => with_progress(|events| stl10(root, events)),
            Dataset::Own(own) => match own.content {
                Some(content) => Mapped::open(root, content),
                None => Err(DataError::Unread(own.kind.name())),
            },
            Dataset::Gaussians(_)
            | Dataset::Toy(_)
            | Dataset::Mnist
            | Dataset::FashionMnist
            | Dataset::Mnist1k
            | Dataset::Cifar10 => {
                continue;
            }
        };
        let cached = cached.map_err(Failure::environment)?;
        cached.check().map_err(Failure::environment)?;
        warnings(&cached).into_iter().for_each(say);
    }
    for (network, dataset) in seen {
        match network {
            ScoringNetwork::Shipped => {}
            ScoringNetwork::Inception => inception(root)?,
            ScoringNetwork::OwnLabels => learn(root, dataset)?,
        }
    }
    Ok(())
}

/// Sees to it that the weights of the Inception network are there.
fn inception(root: &Path) -> Result<(), Failure> {
    // All of it: another file under the same name would give other scores, of which nothing tells.
    let weights = Weights::of(root, Depth::Full);
    match weights.condition() {
        Condition::Present => Ok(()),
        _ if fetches() => fetch_inception(root).map(|_| ()),
        _ => Err(Failure::environment(format!(
            "{}; or take `classifier: self`, which is trained on the data set's own labels",
            weights.advice(root)
        ))),
    }
}

/// Whether what is missing is downloaded without asking.
fn fetches() -> bool {
    variable("SWEEP_FETCH").is_some_and(|value| value == "1")
}

/// Trains a classifier of the data set's own labels, where there is none yet.
fn learn(root: &Path, dataset: &Dataset) -> Result<(), Failure> {
    let name = dataset.name();
    let (start, mut said) = (Instant::now(), false);
    let mut bar = StepsBar::new(format!("classifier of {name}"));
    let mut computer = Computer::start()?;
    computer.ask(&task::Task::Learn { dataset: *dataset, data: root.to_owned() })?;
    let learnt = loop {
        let (step, steps) = match computer.answer()? {
            Answer::Learning { step, steps } => (step, steps),
            Answer::Learnt(learnt) => break learnt,
            Answer::Failed { message, .. } => return Err(Failure::environment(message)),
            other => return Err(unexpected(&other)),
        };
        if !said {
            bar.say(&format!("training a classifier of the labels of {name}, once: it sees what is scored"));
            said = true;
        }
        bar.at(step, steps);
    };
    drop(bar);
    if let Some(Learnt { path, wrong, of }) = learnt {
        let right = 100.0 * (of - wrong) as f64 / of.max(1) as f64;
        let took = duration(start.elapsed().as_secs_f64());
        say(format!(
            "classifier of {name}: right about {right:.1} % of {} images that it was not trained on; {took}; kept in {}",
            count(of),
            path.display()
        ));
    }
    Ok(())
}

/// What a user should know each time `cached` is trained on.
fn warnings(cached: &Mapped) -> Vec<String> {
    let manifest = cached.manifest();
    let mut lines: Vec<String> = manifest.notes.iter().map(|note| format!("warning: {note}")).collect();
    if let Some(first) = manifest.damaged.first() {
        let (damaged, total) = (manifest.damaged.len(), manifest.damaged.len() + manifest.samples());
        lines.push(format!(
            "warning: {} of the {} samples in {} are damaged and left out, such as {}; `sweep data list --json` names all",
            count(damaged),
            count(total),
            manifest.path,
            first.name
        ));
    }
    lines
}

fn present(root: &Path, set: FileSet) -> Result<(), Failure> {
    let fetch = fetches();
    let state = State::of(set, root, Depth::Quick);
    match state.condition {
        Condition::Present => {
            state.notes().for_each(|note| say(format!("warning: {note}")));
            Ok(())
        }
        Condition::Missing | Condition::Incomplete | Condition::Damaged if fetch => {
            fetch_with_progress(set, root).map(|_| ())
        }
        Condition::Missing | Condition::Incomplete | Condition::Damaged => {
            Err(Failure::environment(state.advice(root)))
        }
    }
}
