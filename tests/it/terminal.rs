//! What reaches a terminal, a pipe or a file: nothing that acts on it, in lines that it has room for; and what is said
//! where nothing can be written or seen.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::store::{Home, YAML, text};
use sweep::spec::text::acts;

/// What a command prints, stdout and stderr together, on a terminal of so many columns, and its exit code.
fn on_terminal(mut command: Command, columns: u16, term: Option<&str>) -> (Option<i32>, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let rows = if columns < 2 { columns } else { 24 };
    tcsetwinsize(&theirs, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let copy = || Stdio::from(OwnedFd::from(theirs.try_clone().unwrap()));
    command.stdin(Stdio::null()).stdout(copy()).stderr(copy());
    match term {
        Some(term) => command.env("TERM", term),
        None => command.env_remove("TERM"),
    };
    let mut child = command.spawn().unwrap();
    // Where these are closed, too, reading ends with the child.
    drop((command, theirs));
    let (mut shown, mut buffer, mut ours) = (Vec::new(), [0; 4096], File::from(ours));
    while let Ok(read @ 1..) = ours.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..read]);
    }
    (child.wait().unwrap().code(), text(&shown).replace("\r\n", "\n"))
}

/// A shell runs the program with this redirection or limit.
fn in_shell(home: &Home, args: &[&str], script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_sweep")]).args(args);
    let like = home.command(args);
    command.current_dir(home.path()).env("SWEEP_HOME", home.path()).env_remove("COLUMNS");
    for (name, _) in like.get_envs().filter(|(_, value)| value.is_none()) {
        command.env_remove(name);
    }
    command
}

fn modes(index: usize) -> f64 {
    if index < 8 { 8.0 } else { 1.0 }
}

const HOSTILE: &str = "=cmd|x\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}\u{2066}\u{200b}\r\u{8}y";

/// A home whose database has [`HOSTILE`] wherever a worker, a file or another program could have put it.
fn hostile() -> Home {
    let home = Home::new(YAML, modes);
    let path = home.path().join("sweep.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut database = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        for update in [
            "UPDATE sweeps SET name = name || ?1, file = ?1",
            "UPDATE entries SET variant = variant || ?1",
            "UPDATE jobs SET message = ?1 || state WHERE message != ''",
            "UPDATE attempts SET slot = ?1, host = ?1, device = ?1, message = ?1, stderr = stderr || ?1",
            "UPDATE samples SET path = 'samples/' || ?1",
        ] {
            let changed = sqlx::query(update).bind(HOSTILE).execute(&mut database).await.unwrap();
            assert!(changed.rows_affected() > 0, "{update}");
        }
        database.close().await.unwrap();
    });
    home
}

#[test]
fn nothing_from_outside_acts_on_what_shows_it() {
    let home = hostile();
    let (failed, done) = (home.ids[1].clone(), home.ids[4].clone());
    let everything = "SELECT r.*, '=1+1' AS \"=1\u{202e}\", a.* FROM results r, attempts a";
    fs::write(home.path().join("bad\u{202e}\u{1b}[2J.yaml"), format!("sweep: x\nobjective: {HOSTILE}\n# {HOSTILE}\n"))
        .unwrap();
    for args in [
        &["status"][..],
        &["show", &failed],
        &["show", &done],
        &["report"],
        &["report", "--format", "md"],
        &["report", "--format", "csv"],
        &["report", "--format", "json"],
        &["query", everything],
        &["query", everything, "--format", "csv"],
        &["query", everything, "--format", "json"],
        &["show", &failed, "--json"],
        &["status", "--json"],
        // In errors.
        &["report", HOSTILE],
        &["show", HOSTILE],
        &["query", HOSTILE],
        &["plan", HOSTILE],
        &["plan", "bad\u{202e}\u{1b}[2J.yaml"],
        &["data", "verify", HOSTILE],
        &["score", HOSTILE, "--dataset", "mnist"],
        &["--db", HOSTILE, "report"],
        &[HOSTILE],
    ] {
        let output = home.sweep(args);
        for shown in [text(&output.stdout), text(&output.stderr)] {
            let bad = shown.chars().find(|&c| acts(c) && c != '\n' && c != '\t');
            assert_eq!(bad, None, "{args:?}: {shown:?}");
        }
        if args.ends_with(&["json"]) || args.ends_with(&["--json"]) {
            let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert!(value.to_string().contains(&serde_json::json!(HOSTILE).to_string()[1..20]), "it is data: {args:?}");
        }
        // On a terminal, but for this program's own bold and dim.
        let (_, shown) = on_terminal(home.command(args), 80, Some("xterm"));
        let mut plain = shown;
        for own in ["1", "2", "0", "31", "36", "35;1", "36;1;4", "33"] {
            plain = plain.replace(&format!("\u{1b}[{own}m"), "");
        }
        let bad = plain.chars().find(|&c| acts(c) && c != '\n' && c != '\t');
        assert_eq!(bad, None, "{args:?} on a terminal: {plain:?}");
    }
}

#[test]
fn a_spreadsheet_finds_no_formula() {
    let home = hostile();
    for args in [
        &["report", "--format", "csv"][..],
        &["query", "SELECT '=1+1' AS \"=2\", -1.5 AS n, '-1.5' AS t, '@x' AS u, message FROM jobs", "--format", "csv"],
    ] {
        let shown = text(&home.sweep(args).stdout);
        let field = |field: &str| field.trim_matches('"').to_owned();
        let fields = shown.lines().flat_map(|line| line.split(',').map(field).collect::<Vec<_>>());
        let formulas: Vec<_> =
            fields.filter(|field| field.starts_with(['=', '+', '-', '@']) && field.parse::<f64>().is_err()).collect();
        assert!(formulas.is_empty(), "{args:?}: {formulas:?}");
    }
    let shown = home.prints(&["query", "SELECT '=1+1' AS a, -1.5 AS n, '-1.5' AS t", "--format", "csv"]);
    assert_eq!(shown, "a,n,t\n'=1+1,-1.5,-1.5\n");
}

#[test]
fn every_width_of_a_terminal_can_be_read() {
    let home = Home::new(YAML, modes);
    let job = home.ids[1].clone();
    fs::write(home.path().join("bad.yaml"), "sweep: x\ndataset: gauss\nobjective: gan\ntrain: {steps: 1}\n").unwrap();
    for args in [
        &["report"][..],
        &["status"],
        &["show", &job],
        &["query", "SELECT * FROM results"],
        &["plan", "bad.yaml"],
        &["data", "list", "--data", "nowhere"],
        &["plan", "--help"],
    ] {
        let shown = |columns| on_terminal(home.command(args), columns, Some("dumb")).1;
        // 0 × 0: it does not say.
        assert_eq!(shown(0), shown(80), "{args:?}");
        assert_eq!(shown(1), shown(20), "{args:?}");
        for columns in [40, 80, 200] {
            let text = shown(columns);
            let words = text.split_whitespace().count();
            assert!(
                text.lines().count() * 3 < words * 2 || columns == 40,
                "a word a line: {args:?} {columns}:\n{text}"
            );
            if args[0] == "report" || args[0] == "status" {
                let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
                assert!(longest <= columns.into(), "{args:?} {columns}:\n{text}");
                assert!(text.split_whitespace().any(|word| word == "diverged" || word == "modes_covered"), "{text}");
            }
        }
    }
}

#[test]
fn who_wants_no_colours_gets_none() {
    let home = Home::new(YAML, modes);
    let bold = |command: Command, term| on_terminal(command, 80, term).1.contains('\u{1b}');
    assert!(bold(home.command(&["report"]), Some("xterm")));
    assert!(bold(home.command(&["--help"]), Some("xterm")));
    for args in [&["report"][..], &["--help"], &["plan", "missing.yaml"], &["status", "--watch"]] {
        assert!(!bold(home.command(args), Some("dumb")), "{args:?}");
        assert!(!bold(home.command(args), None), "{args:?}");
        if args[0] != "status" {
            let mut command = home.command(args);
            command.env("NO_COLOR", "1");
            assert!(!bold(command, Some("xterm")), "{args:?}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let home = Home::new(YAML, modes);
    let job = home.ids[1].clone();
    for args in [
        &["report"][..],
        &["report", "--format", "csv"],
        &["status"],
        &["status", "--json"],
        &["show", &job],
        &["query", "SELECT 1"],
        &["query", "SELECT 1", "--format", "json"],
        &["data", "list"],
        &["doctor"],
        &["rebuild"],
        &["--help"],
        &["--version"],
    ] {
        for redirected in [">&-", "<&- >&-", "> /dev/full"] {
            let output = in_shell(&home, args, &format!("exec \"$0\" \"$@\" {redirected}")).output().unwrap();
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{args:?} {redirected}: {said}");
            assert!(said.contains("cannot write to stdout"), "{args:?} {redirected}: {said}");
        }
        // Who stops reading has what they wanted.
        let script = "{ \"$0\" \"$@\"; echo \"rc $?\" >&2; } | true";
        let output = in_shell(&home, args, script).output().unwrap();
        assert!(text(&output.stderr).ends_with("rc 0\n"), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn an_empty_variable_says_nothing() {
    let home = Home::new(YAML, modes);
    let file = home.path().join("one.yaml");
    fs::write(
        &file,
        "sweep: one\ndataset: gaussians\nobjective: gan\ntrain: {steps: 2, batch: 8}\nscore: {samples: 20}\n",
    )
    .unwrap();
    let empty = |args: &[&str]| {
        let mut command = home.command(args);
        for name in
            ["HOME", "DB", "DATA", "SLOTS", "THREADS", "DEVICES", "MEMBERS", "LOG", "WORKER", "FETCH", "INCEPTION"]
        {
            command.env(format!("SWEEP_{name}"), "");
        }
        command.env("NO_COLOR", "").env("COLUMNS", "");
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, planned, said) = empty(&["plan", "one.yaml", "--threads", "1"]);
    assert_eq!(
        (code, planned.as_str()),
        (Some(0), home.prints(&["plan", "one.yaml", "--threads", "1"]).as_str()),
        "{said}"
    );
    let (code, _, said) = empty(&["run", "one.yaml"]);
    assert_eq!(code, Some(0), "{said}");
    // The usual home, since none is named.
    assert!(home.path().join("sweep-results/sweep.db").exists(), "{said}");
    let log = fs::read_to_string(home.path().join("sweep-results/logs/sweep.log")).unwrap();
    assert!(log.contains("INFO"), "an empty SWEEP_LOG is no filter: {log}");
    let mut command = home.command(&["run", "one.yaml"]);
    let output = command.env("SWEEP_LOG", "sweep=loud").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("SWEEP_LOG is `sweep=loud`"), "{}", text(&output.stderr));
}

#[test]
fn a_limit_on_files_is_told() {
    let home = Home::new(YAML, modes);
    // A generator of 4 MB, and a database of 0.1 MB.
    let yaml = "sweep: big\ndataset: gaussians\nobjective: gan\nmodel: {generator: [1024, 768], discriminator: [8]}\n\
                train: {steps: 2, batch: 8}\nscore: {samples: 20}\n";
    fs::write(home.path().join("big.yaml"), yaml).unwrap();
    // Blocks of 512 or 1,024 bytes, as shells have it: less than a lock, a database, a generator.
    for (limit, file) in
        [(0, "lock: File too large"), (16, "sweep.db"), (2000, "generators.safetensors: File too large")]
    {
        let folder = format!("limited-{limit}");
        let args = ["--home", &folder, "run", "big.yaml", "--no-report"];
        let script = format!("ulimit -f {limit}; exec \"$0\" \"$@\"");
        let output = in_shell(&home, &args, &script).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{limit}: {said}");
        assert!(said.contains(file) && (limit == 0 || said.contains("ulimit -f")), "{limit}: {said}");
    }
}

#[test]
fn a_limit_on_memory_counts() {
    let home = Home::new(YAML, modes);
    // Some 300 MB for each of twelve, which train together where there is no limit but the machine's.
    let yaml = "sweep: big\ndataset: gaussians\nobjective: gan\nseeds: 12\nmodel: \
        {generator: [4096, 4096], discriminator: [8]}\n\
                train: {steps: 2, batch: 8}\nscore: {samples: 20}\n";
    fs::write(home.path().join("big.yaml"), yaml).unwrap();
    let limited = "ulimit -v 3000000; exec \"$0\" \"$@\"";
    let output = in_shell(&home, &["plan", "big.yaml", "--slots", "1", "--json"], limited).output().unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let bytes: Vec<u64> = plan["cohorts"].as_array().unwrap().iter().map(|c| c["bytes"].as_u64().unwrap()).collect();
    // What of 3,072,000,000 bytes a worker's own addresses leave.
    assert!(bytes.len() > 1 && bytes.iter().all(|&bytes| bytes <= 2_072_000_000), "{bytes:?}");
    let output = in_shell(&home, &["doctor"], limited).output().unwrap();
    assert!(text(&output.stdout).contains("each worker may use 2.86 GiB (ulimit -v)"), "{}", text(&output.stdout));
}

#[test]
fn what_cannot_be_seen_is_not_taken_for_nothing() {
    let home = Home::new(YAML, modes);
    // Nobody, not even root, sees what lies behind a link to itself.
    symlink("itself", home.path().join("itself")).unwrap();
    fs::create_dir(home.path().join("folder")).unwrap();
    for args in [
        &["--home", "itself", "report"][..],
        &["--home", "itself", "status"],
        &["--home", "itself", "show", "ab"],
        &["--home", "itself", "query", "SELECT 1"],
        &["--home", "itself", "rebuild"],
        &["--home", "one.yaml/x", "report"],
        &["--db", "itself", "report"],
        &["--db", "itself", "rebuild"],
    ] {
        fs::write(home.path().join("one.yaml"), YAML).unwrap();
        let output = home.sweep(args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {said}");
        assert!(!said.contains("no results yet") && !said.contains("nothing to rebuild"), "{args:?}: {said}");
        assert!(said.contains("symbolic link") || said.contains("Not a directory"), "{args:?}: {said}");
    }
    for args in
        [&["--db", "folder", "report"][..], &["--db", "folder", "rebuild"], &["--db", "folder", "run", "one.yaml"]]
    {
        let said = text(&home.sweep(args).stderr);
        assert!(said.contains("folder is a folder: --db names a file, such as folder/sweep.db"), "{args:?}: {said}");
    }
}
