//! What one orchestrator saves about its agents for the next.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::remote::{Remote, Times};
use super::trouble::Trouble;
use crate::WriteError;
use crate::distance::age;
use sweep_system::clock::now as wall;
use sweep_system::whole::{self, Survives};
use sweep_wire::agent::AgentFolder;
use sweep_wire::home::Home;
use sweep_wire::log::length;
use sweep_wire::spool::{self, Said, VERSION};

/// The agents that exist or may exist: the content of `fleet.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roster {
    /// [`VERSION`] of the writer.
    pub(super) version: u32,
    /// The epoch of their orchestrator; a later one has a higher number.
    pub(super) epoch: u64,
    /// Workers of each.
    pub(super) places: usize,
    /// The agents by their numbers.
    pub(super) agents: BTreeMap<usize, Known>,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Its launcher's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) handle: Option<String>,
    /// Whether it has ever reported, and so may have orders.
    pub(super) there: bool,
    /// Since when it has been in the queue, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<f64>,
}

impl Roster {
    /// Makes a roster without agents, for the orchestrator after that of `earlier`.
    fn after(earlier: Option<&Roster>) -> Self {
        let milliseconds = (wall() * 1e3) as u64;
        let epoch = earlier.map_or(0, |earlier| earlier.epoch + 1).max(milliseconds);
        Roster { version: VERSION, epoch, places: 0, agents: BTreeMap::new() }
    }

    fn load(home: &Home) -> Result<Option<Roster>, WriteError> {
        let path = home.fleet();
        let read = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.and_then(|text| {
                spool::read::<Roster>(&text).ok_or_else(|| {
                    io::Error::other("this list of agents is damaged; delete it once none of them is at work")
                })
            }),
        };
        read.map(Some).map_err(|source| WriteError { path, source })
    }

    /// Saves it for the next orchestrator. Without agents, removes the file.
    pub(super) fn save(&self, home: &Home) -> io::Result<()> {
        let path = home.fleet();
        if self.agents.is_empty() {
            return whole::remove(&path);
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        whole::write(&path, &spool::write(self)?, Survives::PowerCut)
    }

    /// Whether there are agents that a run may use.
    pub fn has_agents(&self) -> bool {
        !self.agents.is_empty()
    }

    /// Describes their number for people: `3 at work, 2 in the queue`.
    pub fn words(&self) -> String {
        let there = self.agents.values().filter(|known| known.there).count();
        format!("{there} at work, {} in the queue", self.agents.len() - there)
    }
}

/// Describes how many agents an earlier run left in `home`; `None` if it left none.
pub fn left(home: &Home) -> Option<String> {
    let roster = Roster::load(home).ok().flatten()?;
    roster.has_agents().then(|| roster.words())
}

/// Returns how many agents that an earlier run left in `home` seem to be at work.
///
/// # Errors
///
/// Their files in `home` cannot be read.
pub fn at_work(home: &Home, delay: f64) -> Result<usize, WriteError> {
    let Some(roster) = Roster::load(home)? else { return Ok(0) };
    let lost = Times::of(delay).lost;
    roster.agents.keys().try_for_each(|number| check_version(home, *number, lost))?;
    let is_at_work = |number: usize| {
        said(home, number).is_some_and(|said| !said.gone)
            && age(&home.agent(number).state()).is_some_and(|age| age < lost)
    };
    Ok(roster.agents.keys().filter(|number| is_at_work(**number)).count())
}

/// Checks that an agent's reports can be understood, if it was at work less than `lost` seconds ago.
fn check_version(home: &Home, number: usize, lost: f64) -> Result<(), WriteError> {
    let path = home.agent(number).state();
    let version = fs::read(&path).ok().and_then(|text| spool::version(&text)).filter(|version| *version != VERSION);
    match version.filter(|_| age(&path).is_some_and(|age| age < lost)) {
        None => Ok(()),
        Some(version) => {
            let source = io::Error::other(format!(
                "an agent of another version of sweep is at work (protocol {version}, not {VERSION}); end it with \
                that version, or wait until it leaves"
            ));
            Err(WriteError { path, source })
        }
    }
}

/// Returns an agent's report, if it can be read.
pub(super) fn said(home: &Home, number: usize) -> Option<Said> {
    said_in(&home.agent(number))
}

/// Returns the report of the agent with this folder.
pub(super) fn said_in(folder: &AgentFolder) -> Option<Said> {
    fs::read(folder.state()).ok().and_then(|text| spool::read(&text))
}

/// Returns the seconds for which an agent had been silent before its report was first read. This never counts up to the
/// full time limit: if a clock was set, a living agent has the rest of the time to report.
pub(super) fn silence(folder: &AgentFolder, times: Times) -> f64 {
    age(&folder.state()).unwrap_or_default().min(times.lost - 2.0 * times.beat - times.look).max(0.0)
}

/// Takes over the agents that an earlier orchestrator left in `home`, whose lock the caller must hold. Waits until all
/// workers of the earlier orchestrator have checkpointed and stopped. `keep`: how many workers an agent must have to be
/// of use, and whether one that was ended from outside may come again; others are dismissed. Calls `wait` now and then
/// with the number of agents that are still awaited.
///
/// # Errors
///
/// The home directory cannot be read or written.
pub fn recall(
    home: &Home,
    (delay, keep): (f64, Option<(usize, bool)>),
    wait: &mut dyn FnMut(usize, Duration),
) -> Result<Roster, WriteError> {
    let times = Times::of(delay);
    let Some(earlier) = Roster::load(home)? else { return Ok(Roster::after(None)) };
    let mut roster = Roster { places: earlier.places, ..Roster::after(Some(&earlier)) };
    let failed = |path, source| WriteError { path, source };
    // From now on no earlier orchestrator counts, however this ends.
    let saved = Roster { agents: earlier.agents.clone(), ..roster.clone() };
    saved.save(home).map_err(|source| failed(home.fleet(), source))?;
    let of_use = keep.is_some_and(|(places, _)| places == earlier.places);
    let may_return = of_use && keep.is_some_and(|(_, again)| again);
    let mut open: BTreeMap<usize, Remote> =
        earlier.agents.keys().map(|&number| (number, Remote::new(roster.epoch, earlier.places, times))).collect();
    let (start, mut trouble) = (Instant::now(), Trouble::default());
    // Logs of workers that are gone, and since when.
    let mut logs: BTreeMap<PathBuf, (u64, f64)> = BTreeMap::new();
    while !open.is_empty() || !logs.is_empty() {
        let elapsed = start.elapsed();
        let now = elapsed.as_secs_f64();
        let mut left = BTreeMap::new();
        for (number, mut remote) in open {
            let known = earlier.agents[&number].clone();
            let said = said(home, number);
            check_version(home, number, times.lost)?;
            let was_gone = said.as_ref().is_some_and(|said| said.gone);
            let exits = said.iter().flat_map(|said| &said.workers).filter_map(|doing| doing.exit.as_ref());
            for (path, bytes) in said.iter().flat_map(|said| &said.before).chain(exits.flat_map(|exit| &exit.logs)) {
                logs.entry(path.clone()).or_insert((*bytes, now)).0 = *bytes;
            }
            // An agent that was ended from outside may come again, or has come again without reporting its end.
            let returns = said
                .as_ref()
                .is_some_and(|said| said.returns || remote.is_known() && said.agent != remote.told().agent);
            let was_known = remote.is_known();
            remote.look(now, said, |_| u64::MAX);
            if !was_known {
                remote.was_silent(silence(&home.agent(number), times));
            }
            // Two agents may have the same number. If the other one is gone, this says nothing about this one.
            let unseen = !remote.is_known();
            let is_gone = if unseen { known.there && (was_gone || now > times.lost) } else { remote.is_free() };
            if !of_use && remote.is_up() {
                remote.dismiss();
            }
            if let Some(told) = remote.news(now) {
                let path = home.agent(number).orders();
                let write = || whole::write(&path, &spool::write(&told)?, Survives::PowerCut);
                if let Err(error) = write() {
                    trouble.say(&path, &error);
                    remote.unwritten();
                }
            }
            if is_gone {
                if may_return && returns {
                    roster.agents.insert(number, Known { there: false, since: Some(wall()), ..known });
                }
                // Its last report is not awaited again.
                let _ = whole::remove(&home.agent(number).state());
                continue;
            }
            if remote.is_up() && of_use {
                roster.agents.insert(number, Known { there: true, ..known });
            } else if unseen && !known.there {
                // It may still come, and has no orders. A report of the end may be its own, or that of an earlier agent
                // with its number.
                if of_use && (!was_gone || may_return && returns) {
                    roster.agents.insert(number, known);
                }
                if was_gone {
                    let _ = whole::remove(&home.agent(number).state());
                }
            } else {
                left.insert(number, remote);
            }
        }
        open = left;
        // What is not seen by then no longer exists.
        logs.retain(|path, (bytes, since)| now - *since < 2.0 * delay && length(path) < *bytes);
        if !open.is_empty() || !logs.is_empty() {
            wait(open.len(), elapsed);
            std::thread::sleep(Duration::from_secs_f64(times.look));
        }
    }
    roster.save(home).map_err(|source| failed(home.fleet(), source))?;
    Ok(roster)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use sweep_wire::spool::Hello;

    #[test]
    fn what_was_written_is_read_and_without_agents_no_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        assert_eq!(Roster::load(&home).unwrap(), None);
        let known = Known { handle: Some("7_0".into()), there: true, since: None };
        let agents = [(0, known), (3, Known { handle: None, there: false, since: Some(1.5) })].into();
        let roster = Roster { places: 2, agents, ..Roster::after(None) };
        roster.save(&home).unwrap();
        assert_eq!(Roster::load(&home).unwrap().as_ref(), Some(&roster));
        let later = Roster::after(Some(&Roster { epoch: u64::MAX - 1, ..roster.clone() }));
        assert_eq!((later.epoch, later.has_agents()), (u64::MAX, false), "later, no matter what the clock says");
        later.save(&home).unwrap();
        assert!(!home.fleet().exists());
        // An agent of another version cannot be told to end.
        let state = home.agent(3).state();
        fs::create_dir_all(state.parent().unwrap()).unwrap();
        let other = BTreeMap::from([("version", 77), ("beats", 3)]);
        fs::write(&state, spool::write(&other).unwrap()).unwrap();
        roster.save(&home).unwrap();
        for error in [at_work(&home, 1.0).unwrap_err(), recall(&home, (1.0, None), &mut |_, _| {}).unwrap_err()] {
            assert!(error.to_string().contains("another version"), "{error}");
        }
        fs::remove_file(&state).unwrap();
        // An agent that Slurm has ended and starts again.
        let said = Said {
            version: VERSION,
            agent: "n1-7".into(),
            epoch: 1,
            heard: 0,
            beat: 9,
            hello: Hello { host: "n1".into(), job: None, places: Vec::new() },
            leaving: Some("its agent was told to end (signal 15)".into()),
            returns: true,
            gone: true,
            before: Vec::new(),
            workers: Vec::new(),
        };
        // This holds whether or not the earlier run knew that.
        for (there, again, returns) in
            [(true, true, true), (true, false, true), (false, true, true), (false, true, false), (false, false, true)]
        {
            let known = Known { handle: Some("7_0".into()), there, since: Some(7.0) };
            Roster { agents: [(3, known.clone())].into(), ..roster.clone() }.save(&home).unwrap();
            fs::write(&state, spool::write(&Said { returns, ..said.clone() }).unwrap()).unwrap();
            let found = recall(&home, (1.0, Some((2, again))), &mut |_, _| {}).unwrap();
            // For an agent that was there, the wait starts now.
            let since = found.agents.values().find_map(|known| known.since);
            assert!(since.is_none_or(|since| (since == 7.0) != there), "{since:?}");
            let expected = (again && returns).then_some((3, Known { there: false, since, ..known }));
            assert_eq!(
                found.agents,
                expected.into_iter().collect(),
                "there: {there}, again: {again}, returns: {returns}"
            );
            assert!(!state.exists(), "it would be taken for the report of the agent to come");
        }
        // An agent whose machine lost its power long ago is not awaited for as long as one that was at work a moment
        // ago.
        let times = Times::of(60.0);
        let silent = |seconds: u64| {
            let said = Said { leaving: None, returns: false, gone: false, ..said.clone() };
            fs::write(&state, spool::write(&said).unwrap()).unwrap();
            let at = SystemTime::now() - Duration::from_secs(seconds);
            fs::File::options().append(true).open(&state).unwrap().set_modified(at).unwrap();
            let mut remote = Remote::new(2, 0, times);
            remote.look(0.0, Some(said.clone()), |_| 0);
            remote.was_silent(silence(&home.agent(3), times));
            (1..200).find(|&now| {
                remote.look(f64::from(now), Some(said.clone()), |_| 0);
                remote.is_free()
            })
        };
        assert!((times.lost - 10.0..times.lost + 2.0).contains(&f64::from(silent(0).unwrap())));
        assert!((40..=52).contains(&silent(100).unwrap()));
        assert_eq!(silent(100_000), Some(13), "waits for two signs of life");
        fs::write(home.fleet(), "{}\n").unwrap();
        let error = Roster::load(&home).unwrap_err().to_string();
        assert!(error.contains("fleet.json") && error.contains("delete it"), "{error}");
    }
}
