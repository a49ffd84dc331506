//! A measurement of how far one orchestrator scales: 10,000 agents and 1,000,000 jobs, without processes or files.
//! `scripts/bench/agents` runs it and prints the results.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use super::agent_state::{Act, AgentState};
use super::fleet::{Ask, Fleet};
use super::remote::{News, Remote, Times};
use crate::state::fixtures::{cohort, records};
use crate::state::{Clue, Effect, Input, Machine, Pace, Settings, Work};
use sweep_plan::cohort::Cohort;
use sweep_plan::slot::{Device, Kinds, Slot};
use sweep_spec::id::JobId;
use sweep_spec::job::Job;
use sweep_wire::event::{Event, Outcome};
use sweep_wire::home::Home;
use sweep_wire::spool::{self, Hello, Seat, Sheet};

const AGENTS: usize = 10_000;
const COHORTS: u64 = 62_500;
const MEMBERS: u64 = 16;
/// Seconds that a cohort trains.
const SECONDS: u64 = 600;
/// Seconds between two checks of agents' reports.
const LOOK: u64 = 2;

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

fn works() -> Vec<Work> {
    let one = cohort(1, 1);
    let (_, job) = &one.members[0];
    let work = |number: u64| {
        let seeds = number * MEMBERS..(number + 1) * MEMBERS;
        let members = seeds.map(|seed| {
            let job = Job { seed, ..job.clone() };
            (job.id_in(one.blueprint.id()), job)
        });
        Work::new(Arc::new(Cohort::new(members.collect(), [].into())), 0, &HashSet::new(), SECONDS as f64)
    };
    (0..COHORTS).map(work).collect()
}

/// One agent, on both sides of its files, and the work of its worker.
struct Agent {
    remote: Remote,
    agent: AgentState,
    /// Its orders, with the jobs of each.
    orders: Vec<Vec<JobId>>,
    alive: bool,
}

/// Totals of the orchestrator's work.
#[derive(Default)]
struct Sums {
    inputs: u64,
    effects: u64,
    looks: u64,
    bytes: u64,
    machine: f64,
    files: f64,
}

fn handle(machine: &mut Machine, sums: &mut Sums, agents: &mut [Agent], now: u64, input: Input) {
    let start = Instant::now();
    let effects = machine.handle(now as f64, input);
    sums.machine += start.elapsed().as_secs_f64();
    sums.inputs += 1;
    sums.effects += effects.len() as u64;
    for effect in effects {
        match effect {
            Effect::Start { slot } => {
                assert!(agents[slot].remote.start(0, sums.inputs as u32));
                agents[slot].alive = true;
            }
            Effect::Send { slot, cohort, .. } => {
                let path = Home::new("/shared/me/sweep-results").run(cohort.id).attempt(1).order();
                agents[slot].remote.send(0, Sheet { path, digest: "0123456789abcdef".into(), events: "/e".into() });
                agents[slot].orders.push(cohort.members.iter().map(|(id, _)| *id).collect());
            }
            Effect::Finished { slot, .. } | Effect::End { slot, .. } => drop(agents[slot].remote.over(0)),
            _ => {}
        }
    }
}

#[test]
#[ignore = "takes a minute, and serves to measure"]
fn ten_thousand_agents_and_a_million_jobs() {
    let before = resident();
    let works = works();
    let loaded = resident();
    let pace = Pace { delay: 124.0, ahead_seconds: 8.0, ahead: 32 };
    let mut machine = Machine::new(Settings { pace, ..Settings::default() }, AGENTS, works);
    let mut fleet = Fleet::new(AGENTS, 1, (300.0, 60.0, 60.0));
    let seat = |first| Seat {
        slot: Slot { device: Device::Cpu, threads: 1 },
        kind: Kinds::default().of(Device::Cpu),
        first,
        bytes: None,
    };
    let hello = |number: usize| Hello { host: format!("node{number:05}"), job: None, places: vec![seat(true)] };
    let mut agents: Vec<Agent> = (0..AGENTS)
        .map(|number| Agent {
            remote: Remote::new(7, 1, Times::of(60.0)),
            agent: AgentState::new(format!("node{number:05}-1-1"), hello(number)),
            orders: Vec::new(),
            alive: false,
        })
        .collect();
    let mut sums = Sums::default();
    // The times of each worker's news: progress every ten seconds, and the end of a cohort after some minutes.
    let mut calendar: BinaryHeap<Reverse<(u64, usize, u64)>> = BinaryHeap::new();
    let mut launched: HashSet<usize> = HashSet::new();
    let start = Instant::now();
    let (mut now, mut done, mut most, mut lost) = (0_u64, 0_u64, 0, 0_u64);
    handle(&mut machine, &mut sums, &mut agents, now, Input::Tick);
    while done < COHORTS * MEMBERS {
        now += LOOK;
        for ask in fleet.step(now as f64, machine.waiting().max(usize::from(now < 60))) {
            if let Ask::Launch(numbers) = ask {
                let handles = numbers.iter().map(|number| (*number, format!("1_{number}"))).collect();
                fleet.launched(now as f64, &numbers, Ok(handles));
                launched.extend(numbers);
            }
        }
        // Workers make progress.
        while calendar.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((_, number, step))) = calendar.pop() else { break };
            agents[number].agent.printed(0, String::new(), |_| None);
            let slot = number;
            let events = if step < SECONDS / 10 {
                calendar.push(Reverse((now + 10, number, step + 1)));
                match step {
                    0 => vec![Event::Started { step: 0, pid: 1, host: String::new(), device: String::new() }],
                    _ => vec![Event::Progress { step, rate: 1.0 }],
                }
            } else {
                let jobs = agents[number].orders.remove(0);
                done += jobs.len() as u64;
                if !agents[number].orders.is_empty() {
                    calendar.push(Reverse((now + 1, number, 0)));
                }
                let done = jobs.into_iter().map(|job| Event::JobDone { job, step: 100, seconds: 1.0 });
                let ended = Event::Ended { outcome: Outcome::Finished, message: String::new() };
                done.chain([ended]).collect()
            };
            let input = Input::Log { slot, records: records(events), offset: 1 };
            handle(&mut machine, &mut sums, &mut agents, now, input);
        }
        // The orchestrator reads the reports of all agents, and they read its messages.
        let mut numbers: Vec<usize> = launched.iter().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            let agent = &mut agents[number];
            let acts = agent.agent.told(agent.remote.told(), |_| true);
            for act in acts {
                if let Act::Send(..) = act
                    && agent.orders.len() == 1
                {
                    calendar.push(Reverse((now + 1, number, 0)));
                }
            }
            // A machine is lost now and then.
            let is_lost = agent.alive && (now + number as u64).is_multiple_of(9_000);
            if is_lost {
                lost += 1;
                agent.agent = AgentState::new(format!("node{number:05}-{now}"), hello(number));
                agent.orders.clear();
            }
            let text =
                if (now + number as u64) % 6 < LOOK || is_lost { spool::write(&agent.agent.said()).ok() } else { None };
            let looked = Instant::now();
            let said = text.as_deref().and_then(spool::read);
            let news = agent.remote.look(now as f64, said, |_| u64::MAX);
            if let Some(told) = agent.remote.news(now as f64) {
                sums.bytes += spool::write(&told).unwrap().len() as u64;
            }
            sums.files += looked.elapsed().as_secs_f64();
            sums.looks += 1;
            sums.bytes += text.map_or(0, |text| text.len() as u64);
            for news in news {
                let input = match news {
                    News::Joined(hello) => {
                        fleet.is_up(number);
                        Input::Joined { slot: number, kind: hello.places[0].kind.clone() }
                    }
                    News::Exited(..) => {
                        agents[number].alive = false;
                        Input::Exited { slot: number, status: "lost".into(), clue: Some(Clue::Lost) }
                    }
                    News::Left { .. } | News::Lost => Input::Left { slot: number },
                    News::Leaving => Input::Leaving { slot: number },
                    News::Alive(_) => continue,
                };
                handle(&mut machine, &mut sums, &mut agents, now, input);
            }
        }
        if lost > 0 {
            // Lost work is given to any free worker.
            calendar.retain(|Reverse((_, number, _))| !agents[*number].orders.is_empty());
        }
        if now.is_multiple_of(60) {
            handle(&mut machine, &mut sums, &mut agents, now, Input::Tick);
            most = most.max(resident());
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let mega = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "{AGENTS} agents, {} jobs in {COHORTS} cohorts of {SECONDS} s: {:.1} hours of a run in {seconds:.0} s; {lost} \
        machines lost on the way",
        COHORTS * MEMBERS,
        now as f64 / 3600.0
    );
    println!(
        "state machine: {:.2} million inputs at {:.0} a second; files: {:.2} million looks at {:.0} a second, {:.0} \
        MB in all",
        sums.inputs as f64 / 1e6,
        sums.inputs as f64 / sums.machine,
        sums.looks as f64 / 1e6,
        sums.looks as f64 / sums.files,
        mega(sums.bytes)
    );
    println!(
        "needed each second of the run: {:.0} inputs, {:.0} looks; memory: {:.0} MB before, {:.0} MB with all \
        cohorts, {:.0} MB at most",
        sums.inputs as f64 / now as f64,
        sums.looks as f64 / now as f64,
        mega(before),
        mega(loaded),
        mega(most)
    );
    let view = machine.view();
    assert_eq!((view.jobs, view.settled, view.failed), ((COHORTS * MEMBERS) as usize, (COHORTS * MEMBERS) as usize, 0));
}
