//! Checkpoints: safetensors files with everything that training needs to continue bit for bit. Randomness needs no
//! state.
//!
//! Tensors are named `<job>.<player>.<layer>.<name>` (`…generator.0.weight`), moments `<job>.<player>.exp_avg`, and an
//! average of the generator's weights `<job>.average.<layer>.<name>`. A file is written under a temporary name, flushed
//! to the disk and renamed. The previous file stays next to it, in case the new one is damaged later.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::error::CheckpointError;
use super::game::{self, Game, Member};
use super::generators::RAW;
use sweep_spec::id::{CohortId, JobId};
use sweep_tensor::file::{self, Contents, Named};

/// Increase it when older checkpoints cannot be read any longer.
const FORMAT: &str = "sweep-checkpoint-4";

/// The progress of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Training time so far.
    pub seconds: f64,
    /// How many members, from the first on, are already scored at this step; 0 if none is due.
    pub scored: usize,
}

/// A checkpoint file, and the cohort that must have written it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file.
    pub path: &'a Path,
    /// The cohort.
    pub cohort: CohortId,
}

/// Current ids of jobs that earlier versions named differently, by their old ids.
pub type Renamed = HashMap<JobId, JobId>;

/// Saves the state of `games` to `path`, durably. The old file at `path` moves to `previous` in the same folder, if
/// given.
pub fn save(
    games: &mut [Game],
    path: &Path,
    previous: Option<&Path>,
    cohort: CohortId,
    progress: Progress,
) -> Result<(), CheckpointError> {
    let tensors = state(games);
    let members: Vec<String> = members(games).map(|member| member.id.to_string()).collect();
    let mut metadata = HashMap::from([
        ("format".to_owned(), FORMAT.to_owned()),
        ("cohort".to_owned(), cohort.to_string()),
        ("members".to_owned(), members.join(" ")),
        ("step".to_owned(), progress.step.to_string()),
        ("seconds".to_owned(), progress.seconds.to_string()),
        ("scored".to_owned(), progress.scored.to_string()),
    ]);
    // All games have the same number of optimiser steps.
    for (name, player) in games.first_mut().map(Game::players).into_iter().flatten() {
        metadata.insert(format!("{name}.steps"), player.optimizer.steps.to_string());
    }
    match previous {
        Some(previous) => file::write_beside(path, previous, &tensors, metadata),
        None => file::write(path, &tensors, metadata),
    }
    .map_err(CheckpointError::at(path))
}

/// The content of a checkpoint.
struct Read {
    ids: Vec<JobId>,
    tensors: Named,
    progress: Progress,
    /// Steps of each player's optimiser.
    steps: Vec<u64>,
}

impl Read {
    /// Reads the checkpoint of a training of `all` steps with these players.
    fn of(source: Source, all: u64, players: &[String], renamed: &Renamed) -> Result<Read, CheckpointError> {
        let unusable = |message: String| source.unusable(message);
        let Contents { tensors, metadata } = file::read(source.path).map_err(CheckpointError::at(source.path))?;
        let field = |name: &str| metadata.get(name).cloned().ok_or_else(|| unusable(format!("has no `{name}`")));

        let found = (field("format")?, field("cohort")?);
        let expected = (FORMAT.to_owned(), source.cohort.to_string());
        if found != expected {
            return Err(unusable(format!(
                "expected {} of cohort {}, found {} of {}",
                expected.0, expected.1, found.0, found.1
            )));
        }
        let ids: Result<Vec<JobId>, _> = field("members")?.split_whitespace().map(str::parse).collect();
        let ids = ids.map_err(|error| unusable(error.to_string()))?;
        let ids: Vec<JobId> = ids.into_iter().map(|id| renamed.get(&id).copied().unwrap_or(id)).collect();
        let step = field("step")?.parse().map_err(|_| unusable("its step is not a number".to_owned()))?;
        if step > all {
            return Err(unusable(format!("is of step {step}, but the training has only {all} steps")));
        }
        let seconds = field("seconds")?.parse().map_err(|_| unusable("its seconds are not a number".to_owned()))?;
        let scored: usize = field("scored")?.parse().map_err(|_| unusable("`scored` is not a number".to_owned()))?;
        if scored > ids.len() {
            return Err(unusable(format!("says that {scored} of {} jobs are scored", ids.len())));
        }
        let mut steps = Vec::new();
        for name in players {
            let text = field(&format!("{name}.steps"))?;
            steps.push(text.parse().map_err(|_| unusable(format!("{name}'s steps are not a number")))?);
        }
        let tensors = by_names_of_today(tensors, renamed);
        Ok(Read { ids, tensors, progress: Progress { step, seconds, scored }, steps })
    }

    /// Drops the tensors of all other jobs.
    fn retain(&mut self, jobs: &[JobId]) {
        let scored = self.ids[..self.progress.scored].iter().filter(|id| jobs.contains(id)).count();
        self.progress.scored = scored;
        self.ids.retain(|id| jobs.contains(id));
        let ids: HashSet<JobId> = self.ids.iter().copied().collect();
        self.tensors.retain(|name, _| job_of(name).is_some_and(|id| ids.contains(&id)));
    }
}

impl Source<'_> {
    fn unusable(&self, message: String) -> CheckpointError {
        CheckpointError::Unusable { path: self.path.to_owned(), message }
    }
}

/// Restores `games` from the checkpoint at `source`, which must not have other members. Members that it lacks had ended
/// and are dropped. The whole training has `all` steps.
///
/// # Errors
///
/// If it cannot be read, is damaged, or belongs to another training; `games` are unchanged then.
pub fn load(games: &mut Vec<Game>, source: Source, all: u64, renamed: &Renamed) -> Result<Progress, CheckpointError> {
    let read = Read::of(source, all, &players(games), renamed)?;
    let ids: Vec<JobId> = members(games).map(|member| member.id).collect();
    if read.ids.iter().any(|id| !ids.contains(id)) {
        return Err(source.unusable("holds a job that is not in the order".to_owned()));
    }
    put(games, vec![(source, read)])
}

/// Restores the members of `games` from `sources`, checkpoints of the same step; other members in them are ignored.
/// Each member must be in one of them, except those in `without`, which are dropped.
///
/// # Errors
///
/// If a needed checkpoint cannot be read, is damaged or belongs to another training; if they are of different steps; or
/// if a member is missing. `games` are unchanged then.
pub fn load_parts(
    games: &mut Vec<Game>,
    sources: &[Source],
    (all, without): (u64, &[JobId]),
    renamed: &Renamed,
) -> Result<Progress, CheckpointError> {
    let mut missing: Vec<JobId> = members(games).map(|member| member.id).filter(|id| !without.contains(id)).collect();
    let mut reads: Vec<(Source, Read)> = Vec::new();
    let mut unread = None;
    for source in sources {
        if missing.is_empty() {
            break;
        }
        let mut read = match Read::of(*source, all, &players(games), renamed) {
            Ok(read) => read,
            Err(error) => {
                unread.get_or_insert(error);
                continue;
            }
        };
        // The other members of a large cohort take a lot of memory.
        read.retain(&missing);
        missing.retain(|id| !read.ids.contains(id));
        if read.ids.is_empty() {
            continue;
        }
        if let Some((first, other)) = reads.first()
            && (other.progress.step, &other.steps) != (read.progress.step, &read.steps)
        {
            let (path, step) = (first.path.display(), other.progress.step);
            return Err(source.unusable(format!("is of step {}, but {path} is of step {step}", read.progress.step)));
        }
        reads.push((*source, read));
    }
    match (missing.first(), unread, sources.last()) {
        (None, ..) => put(games, reads),
        (Some(_), Some(error), _) => Err(error),
        (Some(job), None, Some(last)) => Err(last.unusable(format!("does not hold job {job}"))),
        (Some(_), None, None) => put(games, reads),
    }
}

/// Restores `games` from what was read, which has each member at most once; other members are dropped.
fn put(games: &mut Vec<Game>, mut reads: Vec<(Source, Read)>) -> Result<Progress, CheckpointError> {
    let (mut at, mut was_scored) = (HashMap::new(), HashSet::<JobId>::new());
    for (place, (_, read)) in reads.iter().enumerate() {
        at.extend(read.ids.iter().map(|id| (*id, place)));
        was_scored.extend(&read.ids[..read.progress.scored]);
    }
    let ids: Vec<JobId> = members(games).map(|member| member.id).collect();
    let keep: Vec<usize> = (0..ids.len()).filter(|&k| at.contains_key(&ids[k])).collect();
    let scored = keep.iter().take_while(|&&k| was_scored.contains(&ids[k])).count();
    let first = reads.first().map(|(_, read)| (read.progress.step, read.steps.clone()));
    let (step, steps) = first.unwrap_or_default();
    // The same for all members, so their sum stays the same.
    let seconds = keep.iter().map(|&k| reads[at[&ids[k]]].1.progress.seconds).sum::<f64>() / keep.len().max(1) as f64;

    // Checks everything before it changes anything: a checkpoint is used whole or not at all.
    let mut tensors = Named::new();
    for (name, tensor) in state(games) {
        let Some(&place) = job_of(&name).and_then(|id| at.get(&id)) else { continue };
        let (source, read) = &mut reads[place];
        let found = read.tensors.remove(&name).ok_or_else(|| source.unusable(format!("has no tensor `{name}`")))?;
        if found.size() != tensor.size() || found.kind() != tensor.kind() {
            return Err(source.unusable(format!("`{name}` is {found:?}, expected {tensor:?}")));
        }
        tensors.insert(name, found);
    }

    game::retain(games, &keep);
    for (name, mut tensor) in state(games) {
        tensor.copy_(&tensors[&name].to_device(tensor.device()));
    }
    for game in games {
        for ((_, player), &steps) in game.players().into_iter().zip(&steps) {
            player.optimizer.steps = steps;
        }
    }
    Ok(Progress { step, seconds, scored })
}

/// The names of the players, the same in all games.
fn players(games: &mut [Game]) -> Vec<String> {
    games.first_mut().map(Game::players).into_iter().flatten().map(|(name, _)| name.to_owned()).collect()
}

/// The job that a tensor with this name belongs to.
fn job_of(name: &str) -> Option<JobId> {
    name.split_once('.')?.0.parse().ok()
}

/// Renames tensors whose names begin with an old id of a job.
pub(super) fn by_names_of_today(tensors: Named, renamed: &Renamed) -> Named {
    let name = |name: String| {
        let was = name.split_once('.').and_then(|(id, rest)| Some((id.parse::<JobId>().ok()?, rest)));
        match was.and_then(|(id, rest)| Some((renamed.get(&id)?, rest))) {
            Some((today, rest)) => format!("{today}.{rest}"),
            None => name,
        }
    };
    tensors.into_iter().map(|(old, tensor)| (name(old), tensor)).collect()
}

/// Writes the generators' weights to `path`: tensors named `<job>.<layer>.<name>`, as a PyTorch `nn.Sequential` names
/// them. For jobs with an average of the weights, these are the average, and the weights themselves are
/// `<job>.raw.<layer>.<name>`.
pub fn export_generators(games: &[Game], path: &Path) -> Result<(), CheckpointError> {
    let weights = |game: &Game, k: usize, id: JobId| -> Named {
        let (net, k) = (&game.generator.net, k as i64);
        let mut all: Named = net.named(k).into_iter().map(|(name, tensor)| (format!("{id}.{name}"), tensor)).collect();
        if let Some(average) = game.average(k as usize) {
            let raw = net.named_in(&net.weights, k).into_iter();
            all.extend(raw.map(|(name, tensor)| (format!("{id}.{RAW}.{name}"), tensor)));
            let averaged = net.named_in(average, k).into_iter();
            all.extend(averaged.map(|(name, tensor)| (format!("{id}.{name}"), tensor)));
        }
        all
    };
    let each = |game| Game::members(game).iter().enumerate().flat_map(move |(k, member)| weights(game, k, member.id));
    let weights = games.iter().flat_map(each).collect();
    file::write(path, &weights, HashMap::new()).map_err(CheckpointError::at(path))
}

fn members(games: &[Game]) -> impl Iterator<Item = &Member> {
    games.iter().flat_map(Game::members)
}

/// Views of every tensor of every member's state, to read from or copy to.
fn state(games: &mut [Game]) -> Named {
    let mut tensors = Named::new();
    for game in games {
        let ids: Vec<JobId> = game.members().iter().map(|member| member.id).collect();
        for (name, kept) in &game.state {
            let each = ids.iter().enumerate().map(|(k, id)| (format!("{id}.state.{name}"), kept.get(k as i64)));
            tensors.extend(each);
        }
        for (k, id) in ids.iter().enumerate() {
            let average = game.average(k).map(|average| game.generator.net.named_in(average, k as i64));
            let average = average.into_iter().flatten();
            tensors.extend(average.map(|(name, tensor)| (format!("{id}.average.{name}"), tensor)));
        }
        for (name, player) in game.players() {
            for (k, id) in ids.iter().enumerate() {
                let prefix = format!("{id}.{name}");
                let weights = player.net.named(k as i64).into_iter();
                tensors.extend(weights.map(|(tensor_name, tensor)| (format!("{prefix}.{tensor_name}"), tensor)));
                let moments = player.optimizer.moments.iter();
                tensors.extend(moments.map(|(moment, tensor)| (format!("{prefix}.{moment}"), tensor.get(k as i64))));
            }
        }
    }
    tensors
}
