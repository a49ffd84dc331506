//! The user's own trainers, as `sweep plan` shows and `sweep run` starts them.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Failure;
use crate::places::absolute;
use sweep_plan::Limits;
use sweep_plan::Own;
use sweep_report::format::plural;
use sweep_spec::expand::{Entry, Expansion};
use sweep_spec::id::BlueprintId;
use sweep_spec::trainer::Trainer;
use sweep_spec::trainer::words::{Filling, variables};
use sweep_store::{NewSweep, Scripts, Store, StoreError};
use sweep_system::shell::quoted;
use sweep_wire::home::{Home, is_json, job_folder};

/// Trainers by the blueprints of their jobs.
pub type Trainers = BTreeMap<BlueprintId, Arc<Trainer>>;
/// Seconds that jobs of a trainer took, by their blueprints.
pub type Seconds = HashMap<BlueprintId, f64>;

/// The largest script, in bytes. Larger files count as data.
const LARGE: u64 = 16 << 20;
/// Hexadecimal digits of a script's checksum.
const DIGITS: usize = 16;

/// Returns the folder of a sweep file.
pub(crate) fn folder(file: &Path) -> Result<PathBuf, Failure> {
    let file = absolute(file)?;
    Ok(file.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned))
}

/// Tells `limits` how jobs of `trainers` run. `seconds`: how long they took before.
pub(crate) fn plan_with(limits: &mut Limits, trainers: &Trainers, seconds: &Seconds) {
    let own = trainers.iter().map(|(id, trainer)| {
        let own = Own { at_once: trainer.at_once, seconds: seconds.get(id).copied() };
        (*id, own)
    });
    limits.own.extend(own);
}

/// Checks what `trainers`, whose file is in `folder`, need: their programs, and environment variables. `worker`:
/// whether SWEEP_WORKER trains.
///
/// # Errors
///
/// Something is missing.
pub(crate) fn check(file: &Path, folder: &Path, trainers: &Trainers, worker: bool) -> Result<(), Failure> {
    let file = file.display();
    for trainer in trainers.values().filter(|_| !worker) {
        let Some(program) = trainer.command.first() else {
            return Err(Failure::usage(format!(
                "{file}: `trainer.command` is not set: name the program that trains (`command: [python3, train.py, \
                \"${{args}}\"]`), or set SWEEP_WORKER to a worker of your own"
            )));
        };
        if let Some(missing) = variables(&trainer.command).find(|name| env::var_os(name).is_none()) {
            return Err(Failure::environment(format!(
                "{file}: `trainer.command` needs the environment variable {missing}, which is not set: export \
                {missing}=…"
            )));
        }
        if !program.contains("${") && !is_there(program, folder) {
            let place = if program.contains('/') { folder.display().to_string() } else { "PATH".to_owned() };
            return Err(Failure::environment(format!(
                "{file}: `trainer.command` names the program {}, which is not an executable file in {place}",
                quoted(program)
            )));
        }
    }
    Ok(())
}

/// Whether a program can be started, by its path or by its name.
fn is_there(program: &str, folder: &Path) -> bool {
    let runs =
        |path: &Path| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        return runs(&folder.join(program));
    }
    env::var_os("PATH").is_some_and(|paths| env::split_paths(&paths).any(|path| runs(&path.join(program))))
}

/// Returns the command line of a job as a shell would read it; `None` if SWEEP_WORKER trains it.
pub(crate) fn command_line(entry: &Entry, home: &Home) -> Option<Vec<String>> {
    let own = entry.job.blueprint.own().filter(|own| !own.command.is_empty())?;
    let dir = job_folder(&home.jobs(), entry.id).display().to_string();
    // Their values may be secret.
    let variable = |name: &str| Some(format!("${{envvar:{name}}}"));
    let filling = Filling {
        parameters: &entry.job.parameters,
        seed: entry.job.seed,
        steps: own.steps,
        dir: &dir,
        params_file: "SWEEP_PARAMS",
        variable: &variable,
    };
    filling.fill(&own.command).ok()
}

/// Returns the first job of each trainer, by its variant.
pub(crate) fn first_jobs(expansion: &Expansion) -> Vec<&Entry> {
    let mut seen: Vec<&str> = Vec::new();
    let mut first = Vec::new();
    // Variants follow one another.
    for entry in expansion.entries.iter().filter(|entry| entry.job.blueprint.own().is_some()) {
        if seen.last() != Some(&&*entry.variant) {
            seen.push(&entry.variant);
            first.push(entry);
        }
    }
    first
}

/// Returns the checksums of the files that the commands of `trainers` name.
pub(crate) fn scripts(trainers: &Trainers, folder: &Path) -> Scripts {
    let of = |trainer: &Trainer| {
        let files = trainer.command.iter().filter_map(|argument| {
            let path = folder.join(argument);
            let is_script = path.metadata().is_ok_and(|found| found.is_file() && found.len() <= LARGE);
            let bytes = is_script.then(|| fs::read(&path).ok()).flatten()?;
            Some((argument.clone(), blake3::hash(&bytes).to_hex()[..DIGITS].to_owned()))
        });
        files.collect()
    };
    trainers.iter().map(|(id, trainer)| (*id, of(trainer))).collect()
}

/// Returns the checksums that scripts had when any sweep of `home` first asked for jobs that train with them.
pub(crate) fn known_scripts(home: &Home) -> Scripts {
    let mut sweeps: Vec<NewSweep> = fs::read_dir(home.sweeps())
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| is_json(&entry.path()))
        .filter_map(|entry| NewSweep::load(&entry.path()).ok())
        .collect();
    sweeps.sort_by(|one, other| one.at.total_cmp(&other.at));
    let mut known = Scripts::new();
    for (blueprint, scripts) in sweeps.into_iter().flat_map(|sweep| sweep.scripts) {
        known.entry(blueprint).or_insert(scripts);
    }
    known
}

/// Returns what to say about scripts that have changed since finished jobs trained with them. Today's checksums are
/// then not recorded for these scripts, and the warning is repeated until the user reacts.
pub(crate) async fn changed_scripts(
    (store, home): (&Store, &Home),
    new: &mut NewSweep,
) -> Result<Vec<String>, StoreError> {
    let mut done: BTreeMap<BlueprintId, usize> = BTreeMap::new();
    if new.scripts.is_empty() {
        return Ok(Vec::new());
    }
    // Another sweep may have trained them.
    let with_results = store.own_done().await?;
    for entry in new.entries.iter().filter(|entry| entry.job.blueprint.own().is_some()) {
        if with_results.contains(&entry.id) {
            *done.entry(entry.job.blueprint.id()).or_default() += 1;
        }
    }
    let known = known_scripts(home);
    let mut notes = Vec::new();
    for (id, count) in done {
        let (Some(was), Some(is)) = (known.get(&id), new.scripts.get_mut(&id)) else { continue };
        let changed: Vec<&str> =
            was.iter().filter(|(file, hash)| is.get(*file) != Some(hash)).map(|(file, _)| file.as_str()).collect();
        if !changed.is_empty() {
            notes.push(format!(
                "warning: {} changed since {} trained with it, but `trainer.version` did not: to train again with the \
                changed script, increase the version; to keep these results together with new ones, do nothing",
                changed.join(", "),
                plural(count, "job")
            ));
            is.clone_from(was);
        }
    }
    Ok(notes)
}

/// Returns the folders in which trainers start, by the blueprints of their jobs.
///
/// # Errors
///
/// Two files have the same trainer in different folders. It is unclear which program should train the jobs that they
/// share.
pub(crate) fn folders<'a>(
    files: impl Iterator<Item = (&'a Path, &'a Path, &'a Trainers)>,
) -> Result<HashMap<BlueprintId, PathBuf>, Failure> {
    let mut folders: HashMap<BlueprintId, (PathBuf, &Path)> = HashMap::new();
    for (file, folder, trainers) in files {
        for id in trainers.keys() {
            let (known, other) = folders.entry(*id).or_insert_with(|| (folder.to_owned(), file));
            if known != folder {
                return Err(Failure::usage(format!(
                    "{} and {} have the same trainer (`command`, `version`, `steps`) in two different folders: run \
                    them one by one, each in its own home (--home), or give one of them another `version`",
                    other.display(),
                    file.display()
                )));
            }
        }
    }
    Ok(folders.into_iter().map(|(id, (folder, _))| (id, folder)).collect())
}

/// Returns the command line of one job of each variant with an own trainer.
pub fn commands<'a>(expansion: &'a Expansion, home: &Home) -> Vec<(&'a Entry, Vec<String>)> {
    let first = first_jobs(expansion).into_iter();
    first.filter_map(|entry| Some((entry, command_line(entry, home)?))).collect()
}

/// Returns a command on one line, as it is typed.
pub fn as_typed(command: &[String]) -> String {
    command.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ")
}
