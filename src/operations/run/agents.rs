//! Agents on other machines on which a run trains: where they are, and what starts them.

use std::env;
use std::sync::Arc;

use crate::slots::SlotChoice;
use crate::{Failure, Places, Tell};
use sweep_plan::slot::{Device, Slot};
use sweep_run::launch::{ByCommand, Host, Script, Slurm, Ssh};
use sweep_run::spool::{Launcher, Wanted};
use sweep_spec::cluster::Agents;
use sweep_spec::policy::Policy;
use sweep_system::disk;
use sweep_wire::home::Home;

/// Environment variables of this process that agents need, if they are set.
const ENVIRONMENT: [&str; 5] = ["LD_LIBRARY_PATH", "SWEEP_WORKER", "SWEEP_LOG", "SWEEP_THREADS", sweep_run::DELAY];

/// Where a run trains.
#[derive(Clone, Debug, PartialEq)]
pub enum On {
    /// On agents that Slurm starts.
    Slurm,
    /// On agents on these hosts.
    Ssh(Vec<Host>),
    /// On agents that a command starts.
    Launch,
}

impl On {
    /// Parses `slurm`, `ssh:host1,host2x4` or `launch`.
    ///
    /// # Errors
    ///
    /// Anything else. The error says what was expected.
    pub fn parse(text: &str) -> Result<On, String> {
        match text.split_once(':') {
            None if text == "slurm" => Ok(On::Slurm),
            None if text == "launch" => Ok(On::Launch),
            Some(("ssh", hosts)) => Host::parse(hosts).map(On::Ssh),
            _ => Err("expected slurm, launch, or ssh:HOST,HOSTxN".to_owned()),
        }
    }
}

/// Agents, and what starts them.
#[derive(Clone)]
pub struct Elsewhere {
    pub(crate) wanted: Wanted,
    pub(crate) launcher: Arc<dyn Launcher>,
    /// What each place is expected to be, for planning.
    pub(crate) slot: Slot,
    /// Slurm, if it starts them.
    pub(crate) slurm: Option<Arc<Slurm>>,
    /// The line that starts an agent.
    pub(crate) line: Option<String>,
}

impl Elsewhere {
    /// Returns the scripts or lines that would start agents now. If `detach` is the command of the run, also returns
    /// the script that detaches it.
    pub fn scripts(&self, detach: Option<&[String]>) -> Vec<String> {
        let line = self.line.iter().map(|line| format!("{line}\n"));
        let Some(slurm) = &self.slurm else { return line.collect() };
        let numbers: Vec<usize> = (0..self.wanted.agents).collect();
        let run = detach.map(|words| slurm.run(words) + "\n");
        line.chain(run).chain([slurm.batch(0, &numbers)]).collect()
    }

    /// Returns what Slurm says about them, if it starts them.
    ///
    /// # Errors
    ///
    /// Slurm would not accept them.
    pub fn test(&self) -> Result<Option<String>, Failure> {
        let Some(slurm) = &self.slurm else { return Ok(None) };
        let tested = slurm.test().map_err(|why| Failure::environment(format!("Slurm would not accept it: {why}")))?;
        Ok(Some(tested))
    }
}

/// Returns the seconds until all machines see changes in `home`.
///
/// # Errors
///
/// The user has set something else than a number.
pub(crate) fn delay(home: &Home) -> Result<f64, Failure> {
    sweep_run::delay(home).map_err(Failure::usage)
}

/// Returns the agents that `policy` and `args` ask for, for the sweep with this name.
///
/// # Errors
///
/// Something is missing or contradictory.
pub(crate) fn elsewhere(
    places: &Places,
    on: &On,
    (sweep, policy, args): (&str, &Policy, &SlotChoice),
) -> Result<Elsewhere, Failure> {
    let home = places.absolute_home()?;
    let ssh = matches!(on, On::Ssh(_));
    if args.slots.is_some() || !(ssh || args.devices.is_empty()) {
        return Err(Failure::usage(
            "--slots and --devices are for this machine; set what agents get under `run:` in the sweep file",
        ));
    }
    let delay = delay(&home)?;
    let of = |agents: &Agents| Wanted {
        agents: agents.agents as usize,
        places: agents.places() as usize,
        idle: agents.idle,
        delay,
    };
    let device = |gpus: bool| if gpus { Device::Cuda(0) } else { Device::Cpu };
    let threads = |agents: &Agents| match (args.threads, agents.gpus) {
        (Some(threads), _) => threads.get(),
        (None, 0) => 1,
        (None, gpus) => (agents.cpus / gpus).clamp(1, 16),
    };
    let slot = |agents: &Agents| Slot { device: device(agents.gpus > 0), threads: threads(agents) };
    match on {
        On::Slurm => {
            let slurm = policy.slurm.clone().ok_or_else(|| {
                Failure::usage(
                    "--on slurm: the sweep file does not say what an agent gets: add `run: {slurm: {agents: 4, time: \
                    4h, cpus: 8}}`",
                )
            })?;
            if home.path().as_os_str().as_encoded_bytes().contains(&b'\\') {
                return Err(Failure::usage(format!(
                    "--home {} has a backslash in its path, which Slurm does not allow in names of logs: choose \
                    another place",
                    home.display()
                )));
            }
            let script = script(
                &home,
                (slurm.before.clone(), slurm.agents.program.clone()),
                &words(&slurm.agents, threads(&slurm.agents), None),
            )?;
            let (wanted, slot) = (of(&slurm.agents), slot(&slurm.agents));
            let slurm = Arc::new(Slurm::new(sweep, slurm, script, home));
            Ok(Elsewhere { wanted, launcher: Arc::clone(&slurm) as _, slot, slurm: Some(slurm), line: None })
        }
        On::Launch => {
            let launch = policy.launch.clone().ok_or_else(|| {
                Failure::usage(
                    "--on launch: the sweep file does not say how to start an agent: add `run: {launch: \"… {agent} \
                    …\"}`",
                )
            })?;
            let words = words(&launch.agents, threads(&launch.agents), launch.time);
            let script = script(&home, (launch.before.clone(), launch.agents.program.clone()), &words)?;
            let (wanted, slot) = (of(&launch.agents), slot(&launch.agents));
            let by = ByCommand::new(launch, script, home);
            let line = by.line(0);
            Ok(Elsewhere { wanted, launcher: Arc::new(by), slot, slurm: None, line: Some(line) })
        }
        On::Ssh(hosts) => {
            let gpus = args.devices.iter().any(|device| *device != Device::Cpu);
            let threads = args.threads.map_or(1, std::num::NonZeroU32::get);
            let script = script(&home, (None, None), &["--threads".to_owned(), threads.to_string()])?;
            let ssh = Ssh::new(hosts, gpus, script, home);
            let wanted = Wanted { agents: ssh.agents(), places: 1, idle: Agents::default().idle, delay };
            let slot = Slot { device: device(gpus), threads };
            Ok(Elsewhere { wanted, launcher: Arc::new(ssh), slot, slurm: None, line: None })
        }
    }
}

/// Returns the arguments of an agent with these settings.
fn words(agents: &Agents, threads: u32, time: Option<f64>) -> Vec<String> {
    let devices = match agents.gpus {
        0 => "cpu".to_owned(),
        gpus => (0..gpus).map(|gpu| format!("cuda:{gpu}")).collect::<Vec<_>>().join(","),
    };
    let mut words = ["--slots", &agents.places().to_string(), "--threads", &threads.to_string(), "--devices", &devices]
        .map(str::to_owned)
        .to_vec();
    words.extend(["--idle".to_owned(), agents.idle.to_string()]);
    words.extend(time.into_iter().flat_map(|time| ["--time".to_owned(), time.to_string()]));
    words
}

/// Returns the script of an agent of `home` with these arguments.
fn script(
    home: &Home,
    (before, program): (Option<String>, Option<String>),
    more: &[String],
) -> Result<Script, Failure> {
    let here = env::current_exe().map_err(Failure::environment)?;
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let of = |name: &&str| Some(((*name).to_owned(), env::var(name).ok().filter(|value| !value.is_empty())?));
    let words = [text(&here), "--home".to_owned(), text(home.path()), "agent".to_owned()];
    Ok(Script {
        environment: ENVIRONMENT.iter().filter_map(of).collect(),
        before,
        program,
        words: words.into_iter().chain(more.iter().cloned()).collect(),
    })
}

/// Warns if agents cannot see the files that they need.
pub(crate) fn warn_of_place(home: &Home, tell: &Tell) {
    if disk::shared(home.path()).is_none() {
        tell.say(format!(
            "note: {} is on a local file system: agents on other machines must see it under the same path (choose \
            another place with --home)",
            home.display()
        ));
    }
}
