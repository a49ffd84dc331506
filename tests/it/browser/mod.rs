//! A browser for tests: headless Chromium, by its DevTools protocol over two pipes.

mod tests;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether an expression is true.
const LOOK: Duration = Duration::from_millis(50);

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
];

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    orders: ChildStdin,
    /// Answers and events, as they come.
    said: Receiver<Value>,
    /// The events of the page since its last [`Browser::open`].
    events: Vec<Value>,
    /// The number of the last order.
    number: u64,
    /// The page's session.
    session: Option<String>,
    _profile: TempDir,
}

impl Browser {
    /// A new one with an empty profile. `None` where there is no Chromium here, which is said.
    ///
    /// # Panics
    ///
    /// Where there is none, and `CI` is set: there all that can be tested is.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = program() else {
            let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
            assert!(!is_ci, "there is no Chromium here (none of {NAMES:?}), which tests need where CI is set");
            eprintln!("skipped: there is no Chromium here (none of {NAMES:?})");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // Chromium reads orders from descriptor 3 and writes answers to 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null"])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (orders, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for text in BufReader::new(answers).split(0).map_while(Result::ok) {
                let told = serde_json::from_slice(&text).map(|value| tell.send(value));
                if !matches!(told, Ok(Ok(()))) {
                    return;
                }
            }
        });
        let (events, number) = (Vec::new(), 0);
        let mut browser = Browser { child, orders, said, events, number, session: None, _profile: profile };
        let target = browser.order("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.order("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        browser.session = Some(session);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.order(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Sends an order to the page, or before there is one to the browser, and answers with what it says.
    fn order(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let mut order = json!({"id": self.number, "method": method, "params": params});
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        self.orders.write_all(format!("{order}\0").as_bytes()).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            let said = self.next(until).unwrap_or_else(|| panic!("no answer to {order}"));
            if said["id"] == self.number {
                assert!(said["error"].is_null(), "{order}: {said}");
                return said["result"].clone();
            }
        }
    }

    /// The next that the browser says, of which events are kept.
    fn next(&mut self, until: Instant) -> Option<Value> {
        let said = self.said.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
        if said["id"].is_null() {
            self.events.push(said.clone());
        }
        Some(said)
    }

    /// Goes to this address and waits until all of it is there.
    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) {
        self.events.clear();
        let answer = self.order("Page.navigate", json!({"url": url}));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        let loader = &answer["loaderId"];
        assert!(loader.is_string(), "{url} is the page that is open already");
        let until = Instant::now() + PATIENCE;
        let mut begun = None;
        loop {
            begun = begun.or_else(|| {
                let begins = |event: &Value| event["params"]["frame"]["loaderId"] == *loader;
                self.events.iter().position(|event| event["method"] == "Page.frameNavigated" && begins(event))
            });
            let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
            if begun.is_some_and(|begun| self.events[begun..].iter().any(loaded)) {
                break;
            }
            assert!(self.next(until).is_some(), "{url} was not loaded");
        }
        // What came before it is of the page that was there, but for what this one was asked for by.
        let own = |event: &Value| {
            let params = &event["params"];
            params["loaderId"] == *loader || params["entry"]["networkRequestId"] == *loader
        };
        let rest = self.events.split_off(begun.unwrap_or(0));
        self.events.retain(own);
        self.events.extend(rest);
    }

    /// What an expression is, as JSON. Of a promise, what it comes to.
    #[track_caller]
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let how = json!({"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let answer = self.order("Runtime.evaluate", how);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, expression: &str) {
        let start = Instant::now();
        while self.eval(expression) != true {
            if start.elapsed() > PATIENCE {
                let shown = self.eval("document.documentElement.outerHTML");
                panic!("waited in vain for {expression}; errors {:?}, page {shown}", self.errors());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Clicks where the element is shown, as a person does.
    #[track_caller]
    pub(crate) fn click(&mut self, selector: &str) {
        let place = self.eval(&format!(
            "(() => {{ const element = document.querySelector({}); if (!element) return null; \
             element.scrollIntoView({{block: 'center', behavior: 'instant'}}); const at = \
             element.getBoundingClientRect(); \
             return [at.x + at.width / 2, at.y + at.height / 2]; }})()",
            json!(selector)
        ));
        assert!(place.is_array(), "there is no {selector}");
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.order("Input.dispatchMouseEvent", event);
        }
    }

    /// The errors since the page was opened: of the console, of scripts that nobody caught, of what was not loaded or
    /// not allowed.
    pub(crate) fn errors(&mut self) -> Vec<String> {
        self.listen();
        let console = self.of("Runtime.consoleAPICalled").filter(|event| event["type"] == "error");
        let console = console.map(|event| event["args"].to_string());
        let thrown = self.of("Runtime.exceptionThrown").map(|event| event["exceptionDetails"].to_string());
        let logged = self.of("Log.entryAdded").map(|event| &event["entry"]).filter(|entry| entry["level"] == "error");
        let logged = logged.map(|entry| format!("{} {}", entry["text"], entry["url"]));
        console.chain(thrown).chain(logged).collect()
    }

    /// The addresses that the page has asked for since it was opened, its own the first.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        self.listen();
        self.of("Network.requestWillBeSent").map(|event| event["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    /// The page as it is seen, as a PNG.
    pub(crate) fn screenshot(&mut self) -> Vec<u8> {
        let answer = self.order("Page.captureScreenshot", json!({"format": "png"}));
        bytes(answer["data"].as_str().unwrap())
    }

    /// Gives the page this size, in CSS pixels.
    pub(crate) fn set_viewport(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.order("Emulation.setDeviceMetricsOverride", size);
    }

    /// `prefers-color-scheme`: `light` or `dark`.
    pub(crate) fn set_colour_scheme(&mut self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.order("Emulation.setEmulatedMedia", features);
    }

    /// Whether scripts of pages that are opened from now on run.
    pub(crate) fn set_scripts(&mut self, run: bool) {
        self.order("Emulation.setScriptExecutionDisabled", json!({"value": !run}));
    }

    /// Takes in all that the page has reported by now.
    fn listen(&mut self) {
        // What was reported before an order stands before its answer.
        self.eval("0");
    }

    fn of<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["method"] == method).map(|event| &event["params"])
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its own end takes its other processes along; so does that of the pipe.
        let close = json!({"id": self.number + 1, "method": "Browser.close"});
        let asked = self.orders.write_all(format!("{close}\0").as_bytes()).is_ok();
        let start = Instant::now();
        while asked && start.elapsed() < Duration::from_secs(5) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// The browser of this machine.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let is_program = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.is_file());
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let of = |name: &&str| folders.iter().map(|folder| folder.join(OsStr::new(name))).find(is_program);
    NAMES.iter().find_map(of)
}

/// What base64 stands for.
fn bytes(base64: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no digit of base64"),
    };
    let digits: Vec<u8> = base64.bytes().filter(|&c| c != b'=').map(digit).collect();
    let four = |four: &[u8]| {
        let bits = four.iter().fold(0_u32, |bits, &digit| bits << 6 | u32::from(digit)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(four).collect()
}
