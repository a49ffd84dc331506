//! Prepares what jobs need: data sets, and the networks that score images.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use crate::computer::{Computer, unexpected};
use crate::data_files::{Condition, State, fetch_inception, fetch_set};
use crate::environment::variable;
use crate::inception::Weights;
use crate::sweep_file::{Around, load_ready};
use crate::{Event, Failure, Learning, Tell};
use sweep_data::cache::{Mapped, PrepareEvent};
use sweep_data::{DataError, Depth, FileSet, stl10};
use sweep_report::format::count;
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Dataset;
use sweep_spec::id::DataId;
use sweep_spec::job::Task;
use sweep_spec::scoring::ScoringNetwork;
use sweep_wire::task::{self, Answer, Learnt};

/// Returns the data that the jobs of `tasks` need, with the scores that need it.
pub fn wanted(tasks: &[Task]) -> impl Iterator<Item = (&Dataset, &Score)> {
    tasks.iter().flat_map(|task| {
        let own = task.job.blueprint.own().is_some();
        // An own trainer has its own data. Only scoring its samples may need any.
        let scores = task.scores.iter().filter(move |score| !own || !score.metrics.is_empty());
        task.job
            .blueprint
            .dataset()
            .into_iter()
            .flat_map(move |dataset| scores.clone().map(move |score| (dataset, &**score)))
    })
}

/// A data set at a path whose samples were read.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The name of its kind.
    pub name: &'static str,
    /// The id of its content.
    pub content: DataId,
    /// The number of samples.
    pub samples: usize,
}

/// Prepares everything that the jobs of a sweep file need. Returns the data sets at paths among it.
///
/// # Errors
///
/// The file cannot be read or has mistakes, or something is missing or cannot be prepared.
pub fn prepare_for(file: &Path, around: Around<'_>) -> Result<Vec<Ready>, Failure> {
    let tasks = load_ready(file, around)?.expansion.tasks();
    ensure(around.root, around.tell, wanted(&tasks))?;
    let content = |task: &Task| match task.job.blueprint.dataset()? {
        Dataset::Own(own) => own.content.map(|content| (own.kind.name(), content)),
        Dataset::Gaussians(_)
        | Dataset::Toy(_)
        | Dataset::Mnist
        | Dataset::FashionMnist
        | Dataset::Mnist1k
        | Dataset::Cifar10
        | Dataset::Stl10 => None,
    };
    let contents: BTreeSet<_> = tasks.iter().filter_map(content).collect();
    let ready = |(name, content)| {
        let samples = Mapped::open(around.root, content).map_err(Failure::environment)?.manifest().samples();
        Ok(Ready { name, content, samples })
    };
    contents.into_iter().map(ready).collect()
}

/// Runs `work`, and reports its events.
pub fn preparing<T>(tell: &Tell, work: impl FnOnce(&(dyn Fn(PrepareEvent<'_>) + Sync)) -> T) -> T {
    let result = work(&|event| tell.event(Event::Preparing(event)));
    tell.event(Event::Prepared);
    result
}

/// Makes sure before a run that data sets are there and unchanged, and so are the networks that score images. Downloads
/// what is missing if `SWEEP_FETCH` is 1, as scripts/sweep sets it, and otherwise says how to get it.
///
/// # Errors
///
/// Something is missing or cannot be prepared.
pub fn ensure<'a>(
    root: &Path,
    tell: &Tell,
    scored: impl IntoIterator<Item = (&'a Dataset, &'a Score)>,
) -> Result<(), Failure> {
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
        present(root, set, tell)?;
    }
    for dataset in distinct {
        let cached = match dataset {
            Dataset::Stl10 => preparing(tell, |events| stl10(root, events)),
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
        tell.say_all(warnings(&cached));
    }
    for (network, dataset) in seen {
        match network {
            ScoringNetwork::Shipped => {}
            ScoringNetwork::Inception => inception(root, tell)?,
            ScoringNetwork::OwnLabels => ensure_classifier(root, dataset, tell)?,
        }
    }
    Ok(())
}

/// Makes sure that the weights of the Inception network are there.
fn inception(root: &Path, tell: &Tell) -> Result<(), Failure> {
    // Checks the whole file: another file under the same name would silently give other scores.
    let weights = Weights::of(root, Depth::Full);
    match weights.condition() {
        Condition::Present => Ok(()),
        _ if fetches() => fetch_inception(root, tell).map(|_| ()),
        _ => Err(Failure::environment(format!(
            "{}; or take `classifier: self`, which is trained on the data set's own labels",
            weights.advice(root)
        ))),
    }
}

/// Whether missing files are downloaded without asking.
fn fetches() -> bool {
    variable("SWEEP_FETCH").is_some_and(|value| value == "1")
}

/// Trains a classifier on the data set's own labels, unless there is one.
fn ensure_classifier(root: &Path, dataset: &Dataset, tell: &Tell) -> Result<(), Failure> {
    let (name, start) = (dataset.name(), Instant::now());
    let seconds = || start.elapsed().as_secs_f64();
    tell.event(Event::Learning(Learning::Begun { dataset: name }));
    let trained = train_classifier(root, dataset, tell, |step, steps| {
        tell.event(Event::Learning(Learning::Step { dataset: name, step, steps }));
    });
    let classifier = trained.as_ref().ok().and_then(Option::as_ref);
    tell.event(Event::Learning(Learning::Ended { dataset: name, classifier, seconds: seconds() }));
    trained.map(|_| ())
}

/// Trains it, and passes its progress to `step`. Returns the classifier; `None` if there was one before.
fn train_classifier(
    root: &Path,
    dataset: &Dataset,
    tell: &Tell,
    step: impl Fn(u64, u64),
) -> Result<Option<Learnt>, Failure> {
    let mut computer = Computer::start(tell)?;
    computer.ask(&task::Task::Learn { dataset: *dataset, data: root.to_owned() })?;
    loop {
        match computer.answer()? {
            Answer::Learning { step: done, steps } => step(done, steps),
            Answer::Learnt(classifier) => return Ok(classifier),
            Answer::Failed { message, .. } => return Err(Failure::environment(message)),
            other => return Err(unexpected(&other)),
        }
    }
}

/// Returns what a user should know each time `cached` is trained on.
fn warnings(cached: &Mapped) -> Vec<String> {
    let manifest = cached.manifest();
    let mut lines: Vec<String> = manifest.notes.iter().map(|note| format!("warning: {note}")).collect();
    if let Some(first) = manifest.damaged.first() {
        let (damaged, total) = (manifest.damaged.len(), manifest.damaged.len() + manifest.samples());
        lines.push(format!(
            "warning: {} of the {} samples in {} are damaged and left out, for example {}; `sweep data list --json` \
            lists them all",
            count(damaged),
            count(total),
            manifest.path,
            first.name
        ));
    }
    lines
}

fn present(root: &Path, set: FileSet, tell: &Tell) -> Result<(), Failure> {
    let fetch = fetches();
    let state = State::of(set, root, Depth::Quick);
    match state.condition {
        Condition::Present => {
            state.notes().for_each(|note| tell.say(format!("warning: {note}")));
            Ok(())
        }
        Condition::Missing | Condition::Incomplete | Condition::Damaged if fetch => {
            fetch_set(set, root, tell).map(|_| ())
        }
        Condition::Missing | Condition::Incomplete | Condition::Damaged => {
            Err(Failure::environment(state.advice(root)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{Drawing, Kind};
    use sweep_spec::own_data::{OwnData, Shape};

    /// Returns what is reported during `work`.
    fn told(work: impl FnOnce(&Tell)) -> Vec<String> {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&told);
        let show = move |event: Event<'_>| kept.lock().unwrap().push(format!("{event:?}"));
        work(&Tell::new(show, Drawing { columns: 80, colours: false }));
        told.lock().unwrap().clone()
    }

    #[test]
    fn that_nothing_more_comes_is_told_last() {
        let told = told(|tell| {
            tell.say("a line");
            preparing(tell, |events| events(PrepareEvent::Read(3)));
        });
        assert_eq!(told, [r#"Said("a line")"#, "Preparing(Read(3))", "Prepared"]);
    }

    #[test]
    fn what_is_not_read_is_a_matter_of_the_environment_and_drawn_data_is_never_missing() {
        let folder = tempfile::tempdir().unwrap();
        let score = Score::default();
        let told = told(|tell| {
            let unread = Dataset::Own(OwnData {
                kind: sweep_spec::own_data::Kind::Npy,
                shape: Shape::Points([2]),
                content: None,
            });
            let failure = ensure(folder.path(), tell, [(&unread, &score)]).unwrap_err();
            assert_eq!(failure.kind(), Kind::Environment, "{failure}");
            let drawn = Dataset::Toy(sweep_spec::dataset::Toy::ALL[0]);
            ensure(folder.path(), tell, [(&drawn, &score)]).unwrap();
        });
        assert_eq!(told, [""; 0]);
    }
}
