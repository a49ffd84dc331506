//! `sweep serve`: who may look, what there is to see, and that nobody who runs notices.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::browser::Browser;
use crate::run::bench::{Bench, Ended, assert_same, root, wait};
use crate::store::{Home, YAML};

/// Longer than anything here takes, so that a test that hangs ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// A page that is served.
struct Served {
    child: Child,
    address: Address,
}

/// Where a page is.
#[derive(Clone, Debug)]
struct Address {
    port: u16,
    token: String,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Served {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let mut tunnel = String::new();
        stdout.read_line(&mut tunnel).unwrap();
        if line.is_empty() {
            panic!("{:?}", Ended::from(child.wait_with_output().unwrap()));
        }
        let address = Address::of(&line);
        assert!(tunnel.contains(&format!("ssh -N -L {0}:127.0.0.1:{0} ", address.port)), "{tunnel}");
        Served { child, address }
    }

    fn of(home: &Home) -> Self {
        Served::start(home.command(&["serve"]))
    }

    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl std::ops::Deref for Served {
    type Target = Address;

    fn deref(&self) -> &Address {
        &self.address
    }
}

impl Address {
    /// The one in a text.
    fn of(text: &str) -> Self {
        let (port, rest) = text.split_once("http://127.0.0.1:").and_then(|(_, rest)| rest.split_once('/')).unwrap();
        let token = rest.strip_prefix("?token=").unwrap().split_whitespace().next().unwrap();
        assert!(token.len() == 32 && token.bytes().all(|c| c.is_ascii_hexdigit()), "{text}");
        Address { port: port.parse().unwrap(), token: token.to_owned() }
    }

    fn whole(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port, self.token)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Sends these lines as they are, and reads to the end.
    fn raw(&self, lines: &[&str]) -> Answer {
        self.try_raw(lines).unwrap()
    }

    fn try_raw(&self, lines: &[&str]) -> std::io::Result<Answer> {
        let mut stream = self.connect()?;
        stream.write_all(format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n")).as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let cut = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let head = String::from_utf8(bytes[..cut].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Answer { status, head, body: bytes[cut + 4..].to_vec() })
    }

    fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}", self.port)
    }

    fn cookie(&self) -> String {
        format!("Cookie: sweep-{}={}", self.port, self.token)
    }

    /// What who has the cookie gets.
    fn get(&self, path: &str) -> Answer {
        self.raw(&[&format!("GET {path} HTTP/1.1"), &self.host(), &self.cookie()])
    }

    fn status(&self) -> Value {
        let answer = self.get("/status");
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// A stream of news, at its first event.
    fn news(&self) -> (BufReader<TcpStream>, u64) {
        let mut stream = self.connect().unwrap();
        let request = format!("GET /events HTTP/1.1\r\n{}\r\n{}\r\n\r\n", self.host(), self.cookie());
        stream.write_all(request.as_bytes()).unwrap();
        let mut news = BufReader::new(stream);
        let first = next(&mut news).unwrap();
        (news, first)
    }
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// The next revision of a stream of news; `None` at its end.
fn next(news: &mut BufReader<TcpStream>) -> Option<u64> {
    news.lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("data: ").map(|number| number.parse().unwrap()))
}

/// Changes a database through another connection.
fn change(home: &Path, sql: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut database = SqliteConnectOptions::new().filename(home.join("sweep.db")).connect().await.unwrap();
        let changed = sqlx::query(sql).execute(&mut database).await.unwrap();
        assert!(changed.rows_affected() > 0, "{sql}");
        database.close().await.unwrap();
    });
}

fn modes(index: usize) -> f64 {
    if index < 8 { 8.0 } else { 1.0 }
}

/// What every answer says of itself.
fn assert_strict(answer: &Answer) {
    for header in [
        "content-security-policy: default-src 'none'",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "referrer-policy: no-referrer",
    ] {
        assert!(answer.head.contains(header), "no {header} in {}", answer.head);
    }
}

#[test]
fn the_token_opens_the_page_and_stays_in_no_address() {
    let home = Home::new(YAML, modes);
    let served = Served::of(&home);
    let begun = served.raw(&[&format!("GET /?token={} HTTP/1.1", served.token), &served.host()]);
    assert_eq!(begun.status, 303);
    assert_strict(&begun);
    let cookie = begun.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert_eq!(cookie, format!("sweep-{}={}; httponly; samesite=strict; path=/", served.port, served.token));
    assert!(begun.head.contains("\r\nlocation: /\r\n"), "{}", begun.head);

    let page = served.get("/");
    assert_eq!(page.status, 200);
    assert_strict(&page);
    assert!(
        page.head.contains("script-src 'sha256-")
            && !page.head.replace("style-src 'unsafe-inline'", "").contains("unsafe"),
        "{}",
        page.head
    );
    let whole = page.text();
    assert!(whole.contains("D2GAN") && !whole.contains(&served.token));
    let main = served.get("/main?sweep=cells").text();
    assert!(
        main.trim_start().starts_with("<section class=\"sweep\" id=\"sweep-cells\"")
            && whole.contains(&format!("<main>{main}</main>")),
        "{main}"
    );
    for (path, kind) in [("/live.js", "text/javascript"), ("/live.css", "text/css"), ("/status", "application/json")] {
        let answer = served.get(path);
        assert!(
            answer.status == 200 && answer.head.contains(&format!("content-type: {kind}")),
            "{path}: {}",
            answer.head
        );
        assert_strict(&answer);
    }

    for path in
        ["/", "/main", "/status", "/events", "/live.js", "/?token=", "/?token=00000000000000000000000000000000", "/no"]
    {
        let answer = served.raw(&[&format!("GET {path} HTTP/1.1"), &served.host()]);
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text().contains("token that `sweep serve` printed"), "{path}: {}", answer.text());
        assert_strict(&answer);
    }
    assert_eq!(served.raw(&["GET / HTTP/1.1", &served.host(), "Cookie: sweep=x"]).status, 403);
}

#[test]
fn only_this_machine_and_only_to_read() {
    let home = Home::new(YAML, modes);
    let served = Served::of(&home);
    let with = |method: &str, host: &str, more: &str| {
        served.raw(&[&format!("{method} / HTTP/1.1"), host, &served.cookie(), more]).status
    };
    for host in ["Host: localhost", "Host: localhost:1", "Host: 127.0.0.1:9000", "Host: [::1]:80"] {
        assert_eq!(with("GET", host, "X: y"), 200, "{host}");
    }
    for host in ["Host: evil.example", "Host: 127.0.0.1.evil.example", "Host: 0.0.0.0", "X-Forwarded-Host: localhost"] {
        assert_eq!(with("GET", host, "X: y"), 403, "{host}");
    }
    let own = served.host();
    assert_eq!(with("GET", &own, &own.replace("Host: ", "Origin: http://")), 200);
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(with("GET", &own, &format!("Origin: {origin}")), 403, "{origin}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let answer = served.raw(&[&format!("{method} /status HTTP/1.1"), &own, &served.cookie()]);
        assert!(answer.status == 405 && answer.head.contains("allow: get, head"), "{method}: {}", answer.head);
    }
    let head = served.raw(&["HEAD / HTTP/1.1", &own, &served.cookie()]);
    assert!(head.status == 200 && head.body.is_empty(), "{head:?}");
    // The port is the loopback's alone.
    let tcp = fs::read_to_string("/proc/net/tcp").unwrap();
    let bound = tcp.lines().filter(|line| line.contains(&format!(":{:04X} 00000000:0000 0A", served.port)));
    assert_eq!(
        bound.map(|line| line.split_whitespace().nth(1).unwrap()[..8].to_owned()).collect::<Vec<_>>(),
        ["0100007F"]
    );
}

#[test]
fn sample_sheets_are_found_by_job_and_step_alone() {
    let home = Home::new(YAML, modes);
    let served = Served::of(&home);
    let png = b"\x89PNG\r\n\x1a\nbytes of a picture";
    let (job, other) = (&home.ids[4], &home.ids[5]);
    fs::write(home.path().join("runs/sheet.png"), png).unwrap();
    let outside = home.path().parent().unwrap().join(format!("{}.png", served.token));
    fs::write(&outside, png).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let put = |job: &str, step: i64, path: &str| {
        runtime.block_on(async {
            let mut database =
                SqliteConnectOptions::new().filename(home.path().join("sweep.db")).connect().await.unwrap();
            let insert = sqlx::query("INSERT OR REPLACE INTO samples VALUES (?, ?, ?)").bind(job).bind(step).bind(path);
            insert.execute(&mut database).await.unwrap();
            database.close().await.unwrap();
        });
    };
    put(job, 70, "runs/sheet.png");
    let answer = served.get(&format!("/sample/{job}/70.png"));
    assert_eq!((answer.status, &answer.body[..]), (200, &png[..]), "{}", answer.head);
    assert!(answer.head.contains("content-type: image/png"), "{}", answer.head);
    assert_strict(&answer);

    // What the database says counts below the home alone, and only where it is a picture.
    let up = format!("../{}.png", served.token);
    for (step, path) in
        [(71, up.as_str()), (72, outside.to_str().unwrap()), (73, "sweep.db"), (74, "/etc/passwd"), (75, "runs")]
    {
        put(job, step, path);
        assert_eq!(served.get(&format!("/sample/{job}/{step}.png")).status, 404, "{path}");
    }
    for path in [
        format!("/sample/{other}/70.png"),
        format!("/sample/{job}/71.png/"),
        format!("/sample/{job}/070.png"),
        format!("/sample/{}/70.png", &job[..8]),
        format!("/sample/{job}/../{job}/70.png"),
        format!("/sample/{job}/..%2f{job}%2f70.png"),
        "/sample/runs/sheet.png".to_owned(),
        "/runs/sheet.png".to_owned(),
        "/sweep.db".to_owned(),
        "/../../../../etc/passwd".to_owned(),
        "/%2e%2e/%2e%2e/etc/passwd".to_owned(),
        "/sample/..%2f..%2f..%2fetc/passwd.png".to_owned(),
        "//etc/passwd".to_owned(),
    ] {
        let answer = served.get(&path);
        assert_eq!(answer.status, 404, "{path}");
        assert_strict(&answer);
    }
    fs::remove_file(outside).unwrap();
}

#[test]
fn it_tells_how_sweeps_stand_and_why_jobs_failed() {
    let home = Home::new(YAML, modes);
    let served = Served::of(&home);
    let status = served.status();
    assert_eq!((&status["run"]["at_work"], status["sweeps"].as_array().unwrap().len()), (&Value::Bool(false), 1));
    let sweep = &status["sweeps"][0];
    assert_eq!((&sweep["sweep"], &sweep["jobs"]), (&"cells".into(), &10.into()));
    assert_eq!((&sweep["states"]["failed"], &sweep["states"]["diverged"]), (&1.into(), &1.into()));
    let failure = &sweep["failures"][0];
    assert_eq!((&failure["one"], &failure["jobs"]), (&home.ids[1].as_str().into(), &1.into()));
    assert!(failure["last_words"].as_str().unwrap().contains("Segmentation fault"), "{failure}");
    // The escape of a terminal in it stays one of JSON.
    assert!(!served.get("/status").body.contains(&0x1b));
    let mut command = home.command(&["status", "--json"]);
    let printed: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    for (key, value) in printed[0].as_object().unwrap() {
        assert_eq!(&sweep[key], value, "{key}");
    }
    for path in ["/?sweep=no", "/main?sweep=..%2f..", "/main?sweep="] {
        assert_eq!(served.get(path).status, 404, "{path}");
    }
    // Another sweep under a hostile name is text.
    change(home.path(), "UPDATE sweeps SET name = '\"><script>alert(1)</script>'");
    wait("the new name", || served.get("/").text().contains("&lt;script&gt;alert(1)"));
    assert!(!served.get("/").text().contains("<script>alert"));
}

#[test]
fn a_change_of_the_database_is_news_and_an_interrupt_the_end() {
    let home = Home::new(YAML, modes);
    let mut served = Served::of(&home);
    let (mut news, first) = served.news();
    change(home.path(), "UPDATE jobs SET step = step + 1");
    // It may have begun with its first look at the database.
    let second = next(&mut news).unwrap();
    assert!(second > first);
    change(home.path(), "UPDATE jobs SET state = 'cancelled' WHERE state = 'failed'");
    assert!(next(&mut news).unwrap() > second);
    wait("the new state", || served.status()["sweeps"][0]["states"]["cancelled"] == 1);

    // Another database in its place, as a rebuild puts it there.
    assert_eq!(home.sweep(&["rebuild"]).status.code(), Some(0));
    wait("the new database", || served.status()["sweeps"][0]["states"]["cancelled"] == 0);

    let (mut idle, _) = served.news();
    served.interrupt();
    assert_eq!(served.child.wait().unwrap().code(), Some(130));
    while next(&mut news).is_some() {}
    while next(&mut idle).is_some() {}
    assert!(served.connect().is_err());
}

#[test]
fn a_port_that_somebody_has_and_a_place_without_results_are_3() {
    let home = Home::new(YAML, modes);
    let served = Served::of(&home);
    let port = served.port.to_string();
    let said = Ended::from(home.sweep(&["serve", "--port", &port])).expect(3);
    said.says(&[&format!("cannot listen on port {port} of this machine's loopback"), "without --port"]);
    Ended::from(home.sweep(&["serve", "--home", "nowhere"])).expect(3).says(&["no results yet"]);
}

/// What a command is told, every user of a machine can see.
#[test]
fn a_browser_is_told_the_token_by_a_file_of_this_user_alone() {
    let home = Home::new(YAML, modes);
    let folder = tempfile::tempdir().unwrap();
    let (opener, told) = (folder.path().join("xdg-open"), folder.path().join("told"));
    let script = format!(
        "#!/bin/sh\n(echo \"$*\"; stat -c %a \"$(dirname \"$1\")\"; cat \"$1\"; echo; echo end) > '{}'\n",
        told.display()
    );
    fs::write(&opener, script).unwrap();
    fs::set_permissions(&opener, Permissions::from_mode(0o755)).unwrap();
    let mut command = home.command(&["serve", "--open"]);
    command.env("PATH", format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default()));
    let served = Served::start(command);
    let read = || fs::read_to_string(&told).unwrap_or_default();
    wait("the browser", || read().ends_with("end\n"));
    let (read, token) = (read(), &served.token);
    let lines: Vec<&str> = read.lines().collect();
    assert!(lines[0].ends_with(".html") && !lines[0].contains(token) && lines[1] == "700", "{read}");
    assert!(lines[2].contains(&served.whole()), "{read}");
}

/// Makes all of `folder` readable for everybody, and writable for nobody but root.
fn show(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o555)).unwrap();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => show(&entry.path()),
            false => fs::set_permissions(entry.path(), Permissions::from_mode(0o444)).unwrap(),
        }
    }
}

/// As somebody who may write nothing there, as root is not.
fn as_nobody(mut command: Command) -> Command {
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command
}

#[test]
fn a_home_that_nothing_can_be_written_to_is_shown() {
    let home = Home::new(YAML, modes);
    show(home.path());
    let served = Served::start(as_nobody(home.command(&["serve"])));
    assert!(served.get("/").text().contains("D2GAN"));
    assert_eq!(served.status()["sweeps"][0]["jobs"], 10);
    let names = || fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert!(names().iter().all(|name| !name.to_string_lossy().ends_with("-wal")), "{:?}", names());
    // Who may write goes on: what is read as if nobody did is read anew.
    let (mut news, _) = served.news();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(home.path().join("sweep.db"), Permissions::from_mode(0o644)).unwrap();
    change(home.path(), "UPDATE jobs SET state = 'cancelled' WHERE state = 'failed'");
    next(&mut news).unwrap();
    wait("the new state", || served.status()["sweeps"][0]["states"]["cancelled"] == 1);
}

#[test]
fn a_database_of_an_earlier_program_is_brought_up_to_date_where_it_may_be() {
    let bench = Bench::real();
    fs::create_dir(bench.home()).unwrap();
    fs::copy(root().join("tests/fixtures/earlier/home/sweep.db"), bench.home().join("sweep.db")).unwrap();
    fs::set_permissions(bench.home().parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
    show(&bench.home());
    let refused = Ended::from(as_nobody(bench.command(&["serve"])).output().unwrap()).expect(3);
    refused.says(&["has tables of version 4"]);
    fs::set_permissions(bench.home(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(bench.home().join("sweep.db"), Permissions::from_mode(0o644)).unwrap();
    let served = Served::start(bench.command(&["serve"]));
    assert!(served.get("/?sweep=earlier").text().contains("Report on earlier"));
    assert!(bench.home().join("sweep.db.v4.bak").exists());
}

const TINY: &str = "
sweep: tiny
dataset: gaussians
seeds: 2
model: {arch: mlp, generator: [16, 16], discriminator: [16], noise: 8}
train: {steps: 1500, batch: 32, lr: 1e-3}
score: {every: 300, samples: 500, wasserstein_samples: 200, metrics: [wasserstein, modes_covered]}
variants:
  - {name: D2GAN, objective: d2gan, grid: {alpha: [0.1, 0.2], beta: [0.1, 0.5]}}
  - {name: GAN, objective: gan}
";

/// Every row of every table, but for times, rates, processes and places.
fn dump(home: &Path) -> Vec<String> {
    const OTHER: &[(&str, &[&str])] = &[
        ("_sqlx_migrations", &["installed_on", "execution_time"]),
        ("attempts", &["started_at", "ended_at", "rate", "pid", "log_offset", "log_events"]),
        ("home", &["path"]),
        ("jobs", &["seconds", "scoring"]),
        ("sweeps", &["file", "updated_at"]),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(home.join("sweep.db")).read_only(true);
        let mut database = options.connect().await.unwrap();
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut database).await.unwrap();
        let mut rows = Vec::new();
        for table in tables {
            let columns = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)").bind(&table);
            let columns: Vec<String> = columns.fetch_all(&mut database).await.unwrap();
            let differ = OTHER.iter().find(|(of, _)| *of == table).map_or(&[][..], |(_, columns)| columns);
            let columns = columns.iter().filter(|column| !differ.contains(&column.as_str()));
            let columns: Vec<String> = columns.map(|column| format!("quote(\"{column}\")")).collect();
            let columns = if columns.is_empty() { "''".to_owned() } else { columns.join(" || '|' || ") };
            let sql = format!("SELECT '{table}: ' || {columns} FROM \"{table}\" ORDER BY 1");
            let found: Vec<String> =
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&mut database).await.unwrap();
            rows.extend(found);
        }
        database.close().await.unwrap();
        rows
    })
}

#[test]
fn a_run_ends_the_same_however_often_its_page_is_asked_for() {
    let of = |bench: Bench| bench.with("SWEEP_SLOTS", 1).file("tiny.yaml", TINY);
    let (alone, watched) = (of(Bench::real()), of(Bench::real()));
    alone.sweep(&["run", "tiny.yaml", "--no-report"]).expect(0);

    let mut run = watched.start(&["run", "tiny.yaml", "--no-report", "--serve"]);
    let mut stderr = BufReader::new(run.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("ssh -N -L") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let address = Address::of(said.lines().find(|line| line.contains("live page: ")).unwrap());
    let (ended, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for index in 0..4 {
            let (address, ended, answers) = (&address, &ended, &answers);
            scope.spawn(move || {
                let paths =
                    ["/", "/main?sweep=tiny", "/status", "/events", "/sample/00000000000000000000/1.png", "/main"];
                for path in paths.iter().cycle().skip(index) {
                    if ended.load(Ordering::SeqCst) {
                        return;
                    }
                    if *path == "/events" {
                        // Opened and left.
                        let _ = address.connect().map(|mut stream| {
                            stream.write_all(
                                format!("GET /events HTTP/1.1\r\n{}\r\n{}\r\n\r\n", address.host(), address.cookie())
                                    .as_bytes(),
                            )
                        });
                        continue;
                    }
                    let asked = [&format!("GET {path} HTTP/1.1"), address.host().as_str(), address.cookie().as_str()]
                        .map(str::to_owned);
                    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
                    if let Ok(answer) = address.try_raw(&asked) {
                        // 503 before the run has made the database.
                        assert!([200, 404, 503].contains(&answer.status), "{path}: {answer:?}");
                        answers.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        stderr.read_to_string(&mut said).unwrap();
        let code = run.wait().unwrap().code();
        ended.store(true, Ordering::SeqCst);
        assert_eq!(code, Some(0), "{said}");
    });
    assert!(answers.load(Ordering::SeqCst) > 20, "{answers:?} answers alone");
    assert!(address.connect().is_err(), "the page outlives the run");
    let logs = ["sweep.db-wal", "sweep.db-shm"].map(|name| watched.home().join(name).exists());
    assert_eq!(logs, [false, false], "the database is not one file");
    assert_same(&dump(&watched.home()), &dump(&alone.home()));
}

#[test]
fn the_page_beside_a_run_goes_with_it_however_that_ends() {
    for signal in [Signal::INT, Signal::KILL] {
        let bench = Bench::held();
        let mut run = bench.start(&["run", "nine.yaml", "--no-report", "--serve"]);
        let mut stderr = BufReader::new(run.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = Address::of(&line);
        bench.wait_for_orders(1);
        wait("the run on the page", || {
            let status = address.status();
            status["run"]["at_work"] == true && status["sweeps"][0]["states"]["running"].as_u64() > Some(0)
        });
        kill_process(Pid::from_child(&run), signal).unwrap();
        let code = run.wait().unwrap().code();
        assert_eq!(code, if signal == Signal::INT { Some(130) } else { None });
        wait("the end of the page", || address.connect().is_err());
    }
    // A port that somebody has ends the run before it begins.
    let bench = Bench::new("none");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let flag = format!("--serve={}", taken.local_addr().unwrap().port());
    bench.sweep(&["run", "nine.yaml", &flag]).expect(3).says(&["cannot listen on port"]);
    assert!(bench.trace().is_empty());
}

#[test]
fn a_browser_sees_the_page_move() {
    let Some(mut browser) = Browser::start() else { return };
    let home = Home::new(YAML, modes);
    let served = Served::of(&home);
    browser.open(&served.whole());
    assert_eq!(browser.eval("location.pathname + location.search"), "/");
    assert_eq!(browser.eval("document.cookie"), "", "a script can read it");
    browser.wait_until("document.querySelector('#live h2')?.textContent === 'cells'");
    browser.wait_until("document.querySelector('#live').textContent.includes('1 failed')");
    browser.click("#live summary");
    browser.wait_until("document.querySelector('#live details[open] pre').textContent.includes('Segmentation fault')");

    browser.eval("window.kept = document.querySelector('main'); null");
    let cancelled = "document.querySelector('#live').textContent.includes('1 cancelled')";
    assert_eq!(browser.eval(cancelled), false);
    change(home.path(), "UPDATE jobs SET state = 'cancelled' WHERE state = 'diverged'");
    browser.wait_until(cancelled);
    browser.wait_until("/9 of 10 jobs|cancelled/.test(document.querySelector('main').textContent)");
    assert_eq!(browser.eval("window.kept === document.querySelector('main')"), true, "it was loaded anew");
    assert_eq!(browser.eval("document.querySelector('#live details').open"), true, "what was unfolded is folded");
    let own = format!("http://127.0.0.1:{}/", served.port);
    let requests = browser.requests();
    assert!(requests.iter().all(|asked| asked.starts_with(&own)), "{requests:?}");
    assert!(requests.contains(&format!("{own}events")) && requests.contains(&format!("{own}main")), "{requests:?}");
    assert_eq!(browser.errors(), Vec::<String>::new());

    // By a link on a page of another site, whose redirection would not show the cookie.
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.html");
    fs::write(&other, format!("<a href=\"{}\">there</a>", served.whole())).unwrap();
    let mut fresh = Browser::start().unwrap();
    fresh.open(&format!("file://{}", other.display()));
    fresh.click("a");
    fresh.wait_until("document.querySelector('#live h2')?.textContent === 'cells' && location.search === ''");

    // Without scripts the report is there still.
    browser.set_scripts(false);
    browser.open(&own);
    assert!(browser.eval("document.querySelector('main').textContent").as_str().unwrap().contains("D2GAN"));
    browser.set_scripts(true);
    browser.open(&own);
    browser.wait_until("document.querySelector('#live h2') !== null");
    served.interrupt();
    browser.wait_until("document.querySelector('#live.lost') !== null");
}
