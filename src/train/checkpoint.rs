//! Checkpoints: safetensors with everything that training needs to go on bit for bit. Randomness needs no state.
//!
//! Tensors are named `<job>.<player>.<layer>.<name>` (`…generator.0.weight`), moments `<job>.<player>.exp_avg`, an average of the generator's
//! weights `<job>.average.<layer>.<name>`. A file is written
//! under a temporary name, made durable and renamed; the one before it stays beside it, for the case that the new one is damaged later.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::error::CheckpointError;
use super::game::{self, Game, Member};
use super::generators::RAW;
use sweep_spec::id::{CohortId, JobId};
use sweep_tensor::file::{self, Contents, Named};

/// Changes whenever older checkpoints can't be read any more.
const FORMAT: &str = "sweep-checkpoint-4";

/// How far training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Training time so far.
    pub seconds: f64,
    /// How many members, from the first on, have been scored at this step; 0 where none is due.
    pub scored: usize,
}

/// A checkpoint, and the cohort that it must be of.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Whose it is.
    pub cohort: CohortId,
}

/// Jobs that earlier programs called otherwise, with what they are called.
pub type Renamed = HashMap<JobId, JobId>;

/// Makes the state of `games` durable at `path`. What was there is at `previous`, in the same folder, then; nowhere without that.
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
    // The same in all games.
    for (name, player) in games.first_mut().map(Game::players).into_iter().flatten() {
        metadata.insert(format!("{name}.steps"), player.optimizer.steps.to_string());
    }
    match previous {
        Some(previous) => file::write_beside(path, previous, &tensors, metadata),
        None => file::write(path, &tensors, metadata),
    }
    .map_err(CheckpointError::at(path))
}

/// A checkpoint that was read.
struct Read {
    ids: Vec<JobId>,
    tensors: Named,
    progress: Progress,
    /// The steps of each player's optimiser.
    steps: Vec<u64>,
}

impl Read {
    /// The checkpoint of a training of `all` steps that has these players.
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
            return Err(unusable(format!("is of step {step}, and the training has {all}")));
        }
        let seconds = field("seconds")?.parse().map_err(|_| unusable("its seconds are not a number".to_owned()))?;
        let scored: usize = field("scored")?.parse().map_err(|_| unusable("`scored` is not a number".to_owned()))?;
        if scored > ids.len() {
            return Err(unusable(format!("{scored} of {} are scored", ids.len())));
        }
        let mut steps = Vec::new();
        for name in players {
            let text = field(&format!("{name}.steps"))?;
            steps.push(text.parse().map_err(|_| unusable(format!("{name}'s steps are not a number")))?);
        }
        let tensors = by_names_of_today(tensors, renamed);
        Ok(Read { ids, tensors, progress: Progress { step, seconds, scored }, steps })
    }

    /// The same of these jobs alone.
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

/// Puts `games` into the state at `source`, which must hold no others: members that it does not hold had ended, and are dropped. The whole training has
/// `all` steps.
///
/// # Errors
///
/// Where it cannot be read, is damaged, or is another's; `games` are as they were then.
pub fn load(games: &mut Vec<Game>, source: Source, all: u64, renamed: &Renamed) -> Result<Progress, CheckpointError> {
    let read = Read::of(source, all, &players(games), renamed)?;
    let ids: Vec<JobId> = members(games).map(|member| member.id).collect();
    if read.ids.iter().any(|id| !ids.contains(id)) {
        return Err(source.unusable("holds a job that the order does not name".to_owned()));
    }
    put(games, vec![(source, read)])
}

/// Puts `games` into the states that their members have in `sources`, checkpoints of one step; what else these hold is left out. Each member must be in one
/// of them, but those `without` which training goes on.
///
/// # Errors
///
/// Where one that is needed cannot be read, is damaged or another's, or they are of several steps, or do not hold a member; `games` are as they were then.
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
        // The others of a large cohort take a lot of memory.
        read.retain(&missing);
        missing.retain(|id| !read.ids.contains(id));
        if read.ids.is_empty() {
            continue;
        }
        if let Some((first, other)) = reads.first()
            && (other.progress.step, &other.steps) != (read.progress.step, &read.steps)
        {
            let (path, step) = (first.path.display(), other.progress.step);
            return Err(source.unusable(format!("is of step {}, and {path} of step {step}", read.progress.step)));
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

/// Puts `games` into what was read, which has each member once at most; the others are dropped.
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
    // The same for all members, so that their sum is what it was.
    let seconds = keep.iter().map(|&k| reads[at[&ids[k]]].1.progress.seconds).sum::<f64>() / keep.len().max(1) as f64;

    // Everything is looked at before anything is changed: checkpoints are used whole or not at all.
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

/// The job whose state a tensor of this name is of.
fn job_of(name: &str) -> Option<JobId> {
    name.split_once('.')?.0.parse().ok()
}

/// Tensors whose names begin with what a job was called, by names that begin with what it is called.
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

/// Writes the generators' weights to `path`: tensors named `<job>.<layer>.<name>`, as a PyTorch `nn.Sequential` names them. Of jobs with an
/// average of the weights they are that, and the weights themselves are `<job>.raw.<layer>.<name>`.
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

/// Every tensor of every member's state: views, to read from or to copy to.
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
