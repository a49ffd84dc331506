//! Runs on agents, which a command of the sweep file starts on this machine. What comes of them is what comes of a run
//! on workers here.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use super::bench::{Bench, Ended, NINE, assert_same, wait, wait_long};
use super::elsewhere::{Content, Elsewhere, content, kill};

/// As a user would start agents in the background of a shell.
const COMMAND: &str = "sh -c {agent} >>{log} 2>&1 &";
const ON: [&str; 9] =
    ["run", "nine.yaml", "--no-report", "--on", "launch", "--backoff", "0.01", "--checkpoint-seconds", "1"];

/// What `run.launch` of a file is.
fn launch(command: &str, agents: usize, idle: &str) -> String {
    let command = command.replace('"', "\\\"");
    format!("run: {{launch: {{command: \"{command}\", agents: {agents}, idle: {idle}}}}}\n")
}

/// [`NINE`] with steps for some seconds.
fn long() -> String {
    NINE.replace("steps: 20", "steps: 4000").replace("samples: 100", "every: 2000, samples: 100")
}

/// Trains `text` on three agents.
fn on_agents(bench: Bench, text: &str) -> Elsewhere {
    Elsewhere::new(bench.file("nine.yaml", &(text.to_owned() + &launch(COMMAND, 3, "20s"))))
}

/// What an undisturbed run of [`long`] on workers here leaves.
fn undisturbed() -> &'static Content {
    static CONTENT: OnceLock<Content> = OnceLock::new();
    CONTENT.get_or_init(|| {
        let bench = Bench::real().with("SWEEP_SLOTS", 2).file("nine.yaml", &long());
        bench.sweep(&["run", "nine.yaml", "--no-report"]).expect(0);
        content(&bench)
    })
}

#[track_caller]
fn assert_undisturbed(bench: &Elsewhere) {
    let found = bench.content();
    undisturbed().iter().zip(&found).for_each(|(expected, found)| assert_same(expected, found));
    assert_eq!(found.map(|rows| rows.len()), [9, 18, 9]);
}

/// Starts a run on agents as a shell does at a terminal: in a process group of its own, whose every process hears of a
/// Ctrl-C.
fn start(bench: &Elsewhere, more: &[&str]) -> Child {
    let mut command = bench.command(&[&ON, more].concat());
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn interrupt(run: &Child) {
    kill_process_group(Pid::from_child(run), Signal::INT).unwrap();
}

/// The outcomes of attempts, and how often each came.
fn outcomes(bench: &Bench) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    bench.outcomes().into_iter().for_each(|outcome| *counts.entry(outcome).or_insert(0) += 1);
    counts
}

#[test]
fn agents_train_to_the_bits_of_workers_here() {
    let bench = on_agents(Bench::real(), &long());
    let ended = bench.sweep(&ON).expect(0);
    ended.says(&["waiting for the first agent", "9 jobs in ", ": 9 done"]);
    assert_undisturbed(&bench);
    let slots = bench.query("SELECT DISTINCT slot FROM attempts ORDER BY 1");
    assert_eq!(slots, ["agent-0/cpu/0", "agent-1/cpu/0", "agent-2/cpu/0"]);
    bench.expect_nothing_left();
    // Nobody is asked for where nothing is left to do; and logs are enough to make the database of.
    bench.sweep(&ON).expect(0).says(&["nothing to train"]);
    assert_eq!((0..3).map(|number| bench.log_of(number).matches("process ").count()).collect::<Vec<_>>(), [1, 1, 1]);
    bench.sweep(&["rebuild"]).expect(0);
    assert_undisturbed(&bench);
}

#[test]
fn a_run_whose_orchestrator_was_killed_goes_on_with_the_agents_that_are_there() {
    let bench = on_agents(Bench::real(), &long());
    // Before an agent has said a word.
    let run = start(&bench, &[]);
    let fleet = bench.home().join("agents/fleet.json");
    wait("an agent that is asked for", || fs::read_to_string(&fleet).is_ok_and(|text| text.contains("\"handle\"")));
    kill(run);
    // And in the middle of it all.
    let run = start(&bench, &[]);
    bench.wait_for_work(3);
    let agents = bench.processes.agents();
    kill(run);
    let lines = || bench.logs().iter().map(|log| log.lines().count()).sum::<usize>();
    let before = lines();
    wait("work that goes on", || lines() > before);

    let ended = bench.sweep(&ON).expect(0);
    ended.says(&["continuing with agents of an earlier run: 3 at work, 0 in the queue"]);
    for number in 0..3 {
        let log = bench.log_of(number);
        assert_eq!(log.lines().count(), 2, "one agent, which comes and goes: {log}");
        assert!(log.contains(&format!("process {}\n", agents[&number].as_raw_nonzero())), "{log}");
    }
    assert_undisturbed(&bench);
    let outcomes = outcomes(&bench);
    assert_eq!(outcomes.get("finished"), Some(&6), "{outcomes:?}");
    bench.expect_nothing_left();
}

/// Then the next one does not know that there is an agent, and asks for another of the same number.
#[test]
fn an_orchestrator_that_is_killed_while_it_asks_for_agents_leaves_nothing_that_stays() {
    let command = "echo asked >>{log}; (sleep 3; exec sh -c {agent}) >>{log} 2>&1 & sleep 2";
    let text = long() + &launch(command, 2, "3s");
    let bench = Elsewhere::new(Bench::real().file("nine.yaml", &text));
    for times in 1..=2 {
        let run = start(&bench, &[]);
        wait("an agent that is asked for", || bench.log_of(0).matches("asked").count() == times);
        kill(run);
    }
    let run = start(&bench, &[]);
    bench.wait_for_work(2);
    kill(run);
    bench.sweep(&ON).expect(0).says(&["continuing with agents of an earlier run: 2 at work, 0 in the queue"]);
    assert!(bench.log_of(0).matches("process ").count() >= 2, "two of one number: {}", bench.log_of(0));
    assert_undisturbed(&bench);
    bench.expect_nothing_left();
}

/// Nobody hears of the death of a machine, or of one that stands still: its silence is all there is, for a minute.
#[test]
fn agents_that_die_or_stand_still_are_replaced_and_nothing_is_lost() {
    let bench = on_agents(Bench::held(), NINE);
    let run = start(&bench, &[]);
    bench.wait_for_orders(2);
    let checkpoints = || bench.logs().iter().filter(|log| log.contains("\"checkpointed\"")).count();
    wait("a checkpoint of each", || checkpoints() >= 2);
    let agents = bench.processes.agents();
    let [killed, frozen] = [0, 1].map(|number| agents[&number]);
    let of_killed = bench.processes.workers_of(killed);
    kill_process(killed, Signal::KILL).unwrap();
    kill_process(frozen, Signal::STOP).unwrap();
    wait("the end of the workers of who was killed", || bench.processes.workers_of(killed).is_empty());
    let held = bench.processes.workers_of(frozen);
    assert_eq!(held.len(), 1);
    // Their cohorts go on with others, and nobody is at work any more where nobody hears of it.
    let lost = [of_killed[0], held[0]]
        .map(|pid| bench.trace().into_iter().find(|order| order["pid"] == pid.as_raw_nonzero().get()));
    let lost = lost.map(|order| order.unwrap()["cohort"].clone());
    let goes_on = |order: &Value| order["attempt"] == 2 && order["first"] == 10 && lost.contains(&order["cohort"]);
    wait_long("another to go on from a checkpoint", 150, || bench.trace().iter().any(goes_on));
    assert!(!bench.processes.all().iter().any(|pid| *pid == frozen || held.contains(pid)));
    bench.go();
    Ended::from(run.wait_with_output().unwrap()).expect(0).says(&["its agent did not report for 61 s"]);
    let outcomes = outcomes(&bench);
    assert_eq!(bench.states(), "done 9", "{outcomes:?}");
    assert_eq!(bench.query("SELECT count(DISTINCT cohort) FROM attempts WHERE outcome = 'died'"), ["2"]);
    // Nobody is given an order who is known to be gone.
    assert_eq!(bench.query("SELECT max(number) FROM attempts"), ["2"]);
    bench.expect_nothing_left();
}

#[test]
fn an_agent_that_is_told_to_end_has_its_cohort_go_on_elsewhere() {
    for signal in [Signal::TERM, Signal::USR1] {
        let bench = Bench::held();
        let bench = on_agents(bench, NINE);
        let run = start(&bench, &[]);
        bench.wait_for_orders(2);
        wait("a checkpoint of each", || {
            bench.logs().iter().filter(|log| log.contains("\"checkpointed\"")).count() >= 2
        });
        let agents = bench.processes.agents();
        let (number, agent) = agents.first_key_value().unwrap();
        kill_process(*agent, signal).unwrap();
        wait("its end", || !bench.processes.all().contains(agent));
        let words = format!("ends: its agent was told to end (signal {})", signal.as_raw());
        assert!(bench.log_of(*number).contains(&words), "{}", bench.log_of(*number));
        bench.go();
        Ended::from(run.wait_with_output().unwrap()).expect(0);
        assert_eq!(bench.states(), "done 9");
        let counts = outcomes(&bench);
        assert!(counts.keys().all(|outcome| ["stopped", "finished"].contains(&outcome.as_str())), "{counts:?}");
        let trace = bench.trace();
        let cohorts: Vec<&Value> = trace.iter().map(|order| &order["cohort"]).collect();
        let again = (1..trace.len()).find(|&at| cohorts[..at].contains(&cohorts[at])).expect("a second attempt");
        assert!(trace[again]["first"].as_u64().unwrap() >= 10, "from the checkpoint: {trace:?}");
        // The others had not begun.
        let begun = bench.query("SELECT outcome FROM attempts WHERE log_events > 1 ORDER BY outcome DESC");
        assert_eq!((begun[0].as_str(), begun[1].as_str()), ("stopped", "finished"), "{begun:?}");
        bench.expect_nothing_left();
    }
}

#[test]
fn an_agent_without_work_leaves_and_another_comes_when_there_is_some() {
    let bench = Bench::held();
    let bench = Elsewhere::new(bench.file("nine.yaml", &(NINE.to_owned() + &launch(COMMAND, 1, "2s"))));
    let run = start(&bench, &[]);
    bench.wait_for_orders(1);
    let first = bench.processes.agents();
    bench.sweep(&["pause"]).expect(0);
    wait("its end", || bench.processes.agents().is_empty());
    assert!(bench.log_of(0).contains("ends: nothing to do for 2 s\n"), "{}", bench.log_of(0));
    wait("the jobs' rest", || bench.states() == "pending 9");
    bench.go();
    bench.sweep(&["resume"]).expect(0);
    Ended::from(run.wait_with_output().unwrap()).expect(0);
    assert_eq!((bench.states().as_str(), first.len()), ("done 9", 1));
    assert_eq!(bench.log_of(0).matches("process ").count(), 2, "{}", bench.log_of(0));
    assert_eq!(bench.outcomes(), ["stopped", "finished", "finished"]);
    bench.expect_nothing_left();
}

#[test]
fn where_no_agent_can_be_started_the_run_ends_and_says_why() {
    for (command, words) in [
        ("echo 'qsub: no queue called night' >&2; exit 1; true {agent}", "qsub: no queue called night"),
        ("exit 7; true {agent}", "exit status: 7"),
        ("no-such-qsub {agent}", "no-such-qsub"),
    ] {
        let bench = Bench::new("none").file("nine.yaml", &(NINE.to_owned() + &launch(command, 3, "20s")));
        let bench = Elsewhere::new(bench);
        bench.sweep(&ON).expect(3).says(&["`run.launch` cannot start agents", words]);
        assert_eq!(bench.query("SELECT count(*) FROM attempts"), ["0"]);
        bench.expect_nothing_left();
    }
}

/// It takes three of them, half a minute.
#[test]
fn where_agents_end_before_they_say_a_word_the_run_ends_with_what_their_logs_end_with() {
    let text = NINE.to_owned()
        + &launch(COMMAND, 3, "20s").replace("idle:", "before: \"echo module load: no cuda/13; exit 4\", idle:");
    let bench = Elsewhere::new(Bench::new("none").file("nine.yaml", &text));
    bench.sweep(&ON).expect(3).says(&[
        "`run.launch` cannot start agents: it ended before its first report; the end of",
        "agents/0/agent.log",
        "module load: no cuda/13",
        "error: the agent did not start (exit code 4)",
    ]);
    assert_eq!(bench.log_of(0).matches("no cuda/13").count(), 3, "{}", bench.log_of(0));
    assert_eq!(bench.query("SELECT count(*) FROM attempts"), ["0"]);
    bench.expect_nothing_left();
}

#[test]
fn mistakes_are_said_before_anything_is_started() {
    let bench = Elsewhere::new(Bench::new("none").file("more.yaml", &(NINE.to_owned() + &launch(COMMAND, 3, "20s"))));
    for (args, words) in [
        (&["nine.yaml", "--on", "launch"][..], &["--on launch", "run: {launch: "][..]),
        (&["nine.yaml", "--on", "slurm"], &["--on slurm", "run: {slurm: {agents: 4, time: 4h, cpus: 8}}"]),
        (&["more.yaml", "--on", "somewhere"], &["somewhere", "slurm, launch, or ssh:HOST,HOSTxN"]),
        (&["more.yaml", "--on", "ssh:"], &["is not a host"]),
        (&["more.yaml", "--on", "ssh:a,-b"], &["`-b` is not a host"]),
        (&["more.yaml", "--dry-run"], &["--on"]),
        (&["more.yaml", "--keep"], &["--on"]),
        (&["more.yaml", "--detach"], &["--on"]),
        (&["more.yaml", "--on", "launch", "--slots", "2"], &["--slots", "under `run:` in the sweep file"]),
        (&["more.yaml", "--on", "launch", "--devices", "cpu"], &["--devices", "under `run:` in the sweep file"]),
        (&["more.yaml", "--on", "launch", "--detach"], &["--detach is for --on slurm"]),
    ] {
        bench.sweep(&[&["run"], args].concat()).expect(2).says(words);
    }
    assert!(!bench.home().join("agents").exists() && !bench.home().join("sweep.db").exists());
    // What would be done is shown, and not done.
    let shown = bench.sweep(&["run", "more.yaml", "--on", "launch", "--dry-run"]).expect(0);
    shown.says(&[
        "sh -c '",
        "agent --slots 1 --threads 1 --devices cpu --idle 20 --number 0",
        "agents/0/agent.log 2>&1 &\n",
    ]);
    assert!(!bench.home().exists());
}

#[test]
fn who_trains_here_after_all_sends_the_agents_away_first() {
    let bench = on_agents(Bench::real(), &long());
    let run = start(&bench, &[]);
    bench.wait_for_work(3);
    kill(run);
    assert_eq!(bench.processes.agents().len(), 3);
    bench.sweep(&["run", "nine.yaml", "--no-report", "--slots", "1"]).expect(0);
    for number in 0..3 {
        assert!(bench.log_of(number).ends_with("ends: nothing is left to do\n"), "{}", bench.log_of(number));
    }
    assert_undisturbed(&bench);
    let here = bench.query("SELECT DISTINCT slot FROM attempts WHERE outcome = 'finished' ORDER BY 1");
    assert_eq!(here.last().map(String::as_str), Some("cpu/0"), "{here:?}");
    // They had checkpoints, which count.
    let from =
        |log: &String| serde_json::from_str::<Value>(log.lines().nth(1)?).ok()?["event"]["started"]["step"].as_u64();
    let later = bench.logs().iter().filter_map(from).filter(|step| *step > 0).count();
    let stopped = bench.logs().iter().filter(|log| log.contains("\"stopped\"")).count();
    assert!(later == stopped && stopped > 0, "{later} of {stopped} that were stopped went on");
    bench.expect_nothing_left();
}

#[test]
fn what_is_asked_from_another_terminal_reaches_agents() {
    let bench = on_agents(Bench::held(), NINE);
    let run = start(&bench, &[]);
    bench.wait_for_orders(2);
    let table = bench.sweep(&["status"]).expect(0);
    table.says(&["agent-0/cpu/0", "agent-1/cpu/0"]);
    let cancelled = bench.trace()[0]["jobs"][0].as_str().unwrap().to_owned();
    bench.sweep(&["cancel", "--job", &cancelled]).expect(0).says(&["1 job cancelled"]);
    bench.sweep(&["pause"]).expect(0).says(&["paused"]);
    // Between two attempts its jobs rest, too.
    wait("a pause", || bench.sweep(&["status"]).expect(0).stdout.contains("The run is paused"));
    wait("the jobs' rest", || bench.states() == "cancelled 1, pending 8");
    assert!(bench.processes.agents().len() >= 2, "a pause sends nobody away");
    bench.go();
    bench.sweep(&["resume"]).expect(0);
    Ended::from(run.wait_with_output().unwrap()).expect(0).says(&["8 done, 1 cancelled"]);
    assert_eq!(bench.states(), "cancelled 1, done 8");
    assert!(bench.trace().iter().any(|order| order["first"].as_u64().unwrap() > 0), "from checkpoints");
    bench.expect_nothing_left();
    bench.sweep(&["retry", "--cancelled"]).expect(0);
    bench.sweep(&ON).expect(0).says(&["1 done"]);
    assert_eq!(bench.states(), "done 9");
}

/// Everything that a user is told of how it went, but for the place.
fn fate(bench: &Bench) -> Vec<String> {
    let home = bench.home().display().to_string();
    let tables = [
        "SELECT id, state, step, message FROM jobs ORDER BY id",
        // Orders that waited behind one that has failed are no more than that.
        "SELECT DISTINCT outcome, message FROM attempts WHERE message NOT LIKE 'not started%' ORDER BY 1, 2",
        "SELECT job, metric, step, value FROM scores ORDER BY 1, 2, 3",
    ];
    let plain = |row: String| {
        let row = row.replace(&home, "HOME");
        // Process ids and times in logs have more digits, or fewer.
        match row.split_once(", byte ") {
            Some((before, after)) => before.to_owned() + after.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => row,
        }
    };
    tables.into_iter().flat_map(|sql| bench.query(sql)).map(plain).collect()
}

#[test]
fn workers_of_agents_that_do_not_do_what_they_should_end_as_workers_here() {
    const ARGS: [&str; 7] = ["run", "nine.yaml", "--no-report", "--backoff", "0.01", "--silence-seconds", "10"];
    for (fault, times, code, words) in [
        ("dies", "1000", 3, "exit code 7"),
        ("dies_late", "1", 0, "killed by signal 9"),
        ("fails", "1000", 100, "the matrix is singular"),
        ("refuses", "1000", 100, "no such data set here"),
        ("garbage", "1000", 100, "not an event"),
        ("hangs", "1", 0, "no sign of life"),
        ("out_of_memory", "1000", 0, "9 done"),
        ("no_space", "1000", 3, "No space left on device"),
        ("floods", "1000", 0, "9 done"),
        ("leaves", "1", 0, "killed by signal 9"),
    ] {
        let bench = || Bench::new(fault).with("FAULT_TIMES", times).with("FITS", 2);
        let here = bench();
        here.sweep(&ARGS).expect(code).says(&[words]);
        // One agent with one worker, so that one thing comes after another.
        let elsewhere = Elsewhere::new(bench().file("nine.yaml", &(NINE.to_owned() + &launch(COMMAND, 1, "20s"))));
        elsewhere.sweep(&[&ARGS[..], &["--on", "launch"]].concat()).expect(code).says(&[words]);
        println!("{fault}");
        assert_same(&fate(&elsewhere), &fate(&here));
        // Who has begun says so on stderr first of all.
        let own =
            "stderr LIKE '%order ' || cohort || ' attempt ' || number || ': %' AND stderr NOT LIKE '%order %order %'";
        let others = format!(
            "SELECT cohort, number, outcome, message, stderr FROM attempts WHERE outcome IN ('died', 'failed', \
            'refused') \
             AND (log_events > 0 OR stderr != '') AND NOT ({own})"
        );
        assert_eq!(elsewhere.query(others.leak()), [""; 0], "{fault}");
        if fault == "leaves" {
            let left = fs::read_to_string(elsewhere.home().with_file_name("trace-left")).unwrap();
            let is_there = |pid: &str| std::path::Path::new("/proc").join(pid).join("exe").exists();
            assert!(left.lines().count() == 2 && !left.lines().any(is_there), "{left}");
        }
        wait("the last process", || elsewhere.processes.all().is_empty());
    }
}

#[test]
fn who_keeps_agents_finds_them_at_work() {
    let bench = on_agents(Bench::real(), &long());
    let run = start(&bench, &["--keep"]);
    bench.wait_for_work(3);
    let agents = bench.processes.agents();
    interrupt(&run);
    let ended = Ended::from(run.wait_with_output().unwrap()).expect(130);
    ended.says(&["agents finish their cohorts", "continue with: sweep run nine.yaml"]);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(bench.processes.agents(), agents, "a Ctrl-C is for the run alone");
    wait("work that gets done", || bench.logs().iter().any(|log| log.contains("\"finished\"")));
    bench
        .sweep(&[&ON[..], &["--keep"]].concat())
        .expect(0)
        .says(&["continuing with agents of an earlier run: 3 at work"]);
    assert_undisturbed(&bench);
    assert_eq!((0..3).map(|number| bench.log_of(number).matches("process ").count()).collect::<Vec<_>>(), [1, 1, 1]);
    bench.expect_nothing_left();
}

/// Also where the run is over before any of them was heard of.
#[test]
fn agents_that_nobody_needs_any_more_are_sent_away() {
    let bench = on_agents(Bench::held(), NINE);
    let run = start(&bench, &["--keep"]);
    bench.wait_for_orders(3);
    interrupt(&run);
    run.wait_with_output().unwrap();
    bench.sweep(&["cancel", "nine"]).expect(0).says(&["9 jobs cancelled"]);
    bench.sweep(&ON).expect(0).says(&["continuing with agents of an earlier run: 3 at work"]);
    wait("the last process", || bench.processes.all().is_empty());
    for number in 0..3 {
        assert!(bench.log_of(number).ends_with("ends: nothing is left to do\n"), "{}", bench.log_of(number));
    }
    bench.expect_nothing_left();
}

#[test]
fn who_does_not_keep_agents_has_them_checkpoint_and_go() {
    let bench = on_agents(Bench::real(), &long());
    let run = start(&bench, &[]);
    bench.wait_for_work(3);
    interrupt(&run);
    let ended = Ended::from(run.wait_with_output().unwrap()).expect(130);
    ended.says(&["stopping: workers checkpoint", "continue with: sweep run nine.yaml"]);
    wait("the last process", || bench.processes.all().is_empty());
    assert!(!bench.home().join("agents/fleet.json").exists());
    assert_eq!(outcomes(&bench).into_keys().collect::<Vec<_>>(), ["stopped"]);
    bench.sweep(&ON).expect(0);
    assert_undisturbed(&bench);
}
