//! A worker that only speaks the protocol (docs/worker-protocol.md), as fast as it can, so the time of `sweep run` is the
//! orchestrator's. `orchestrator.py` compiles it with rustc alone, so it searches the JSON text instead of parsing it.
//!
//! `NOTHING_SCORINGS=N` makes it report N scorings of each member, one score per metric of the order; `NOTHING_LOSSES=N`
//! reports losses of each member at N steps, in six series like D2GAN's.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// An event log. Appends each line in one write, and then prints a line on stdout.
struct Log {
    file: File,
    seq: u64,
}

impl Log {
    fn line(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(line.as_bytes())?;
        io::stdout().write_all(b"\n")?;
        io::stdout().flush()
    }

    fn event(&mut self, event: &str) -> io::Result<()> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let line = format!("{{\"seq\":{},\"at\":{at},\"event\":{event}}}\n", self.seq);
        self.seq += 1;
        self.line(&line)
    }
}

/// The text between `before` and the next `after`.
fn between<'a>(text: &'a str, before: &str, after: char) -> &'a str {
    let start = text.find(before).unwrap_or_else(|| panic!("no {before} in the order")) + before.len();
    &text[start..start + text[start..].find(after).unwrap()]
}

fn main() -> io::Result<()> {
    let scorings: u64 = std::env::var("NOTHING_SCORINGS").map_or(1, |text| text.parse().unwrap());
    let points: u64 = std::env::var("NOTHING_LOSSES").map_or(0, |text| text.parse().unwrap());
    for path in io::stdin().lock().lines() {
        let order = std::fs::read_to_string(path?.trim())?;
        work(&order, scorings, points)?;
    }
    Ok(())
}

/// Losses at the given number of steps, as JSON: unpredictable numbers of five digits. All members share them, which costs
/// no time.
fn losses(steps: u64, points: u64) -> String {
    let list = |value: &mut dyn FnMut(u64) -> String| (1..=points).map(value).collect::<Vec<_>>().join(",");
    let series = ["loss_d", "loss_g", "output_fake", "output_fake_2", "output_real", "output_real_2"];
    let mut state = 1_u64;
    let series = series.map(|name| {
        let values = list(&mut |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{}.{:04}", state >> 61, (state >> 33) % 10_000)
        });
        format!("\"{name}\":[{values}]")
    });
    let at = list(&mut |point| (steps / points * point).to_string());
    format!("{{\"steps\":[{at}],\"series\":{{{}}}}}", series.join(","))
}

fn work(order: &str, scorings: u64, points: u64) -> io::Result<()> {
    let steps: u64 = between(order, "\"steps\":", ',').parse().unwrap();
    let metrics: Vec<&str> = between(order, "\"metrics\":[", ']').split(',').collect();
    let members = &order[order.find("\"members\":[").unwrap()..];
    let ids: Vec<&str> = members.split("\"id\":\"").skip(1).map(|rest| &rest[..20]).collect();
    let file = OpenOptions::new().append(true).create_new(true).open(between(order, "\"events\":\"", '"'))?;
    let mut log = Log { file, seq: 0 };
    let (cohort, attempt) = (between(order, "\"cohort\":\"", '"'), between(order, "\"attempt\":", ','));
    log.line(&format!("{{\"protocol\":2,\"cohort\":\"{cohort}\",\"attempt\":{attempt}}}\n"))?;
    let pid = std::process::id();
    log.event(&format!("{{\"started\":{{\"step\":0,\"pid\":{pid},\"host\":\"here\",\"device\":\"cpu\"}}}}"))?;
    for scoring in 1..=scorings {
        let step = steps * scoring / scorings;
        for (member, id) in ids.iter().enumerate() {
            let score = |metric: &&str| {
                let value = (member as f64 + 0.5) / scoring as f64;
                format!("{{\"metric\":{metric},\"value\":{value},\"protocol\":{{\"samples\":10000,\"version\":1}}}}")
            };
            let scores = metrics.iter().map(score).collect::<Vec<_>>().join(",");
            log.event(&format!("{{\"scored\":{{\"job\":\"{id}\",\"step\":{step},\"scores\":[{scores}],\"seconds\":0.001}}}}"))?;
        }
    }
    let losses = if points > 0 { losses(steps, points) } else { String::new() };
    for id in ids.iter().filter(|_| points > 0) {
        log.event(&format!("{{\"losses\":{{\"job\":\"{id}\",\"points\":{losses}}}}}"))?;
    }
    for id in ids {
        log.event(&format!("{{\"job_done\":{{\"job\":\"{id}\",\"step\":{steps},\"seconds\":0.001}}}}"))?;
    }
    log.event("{\"ended\":{\"outcome\":\"finished\",\"message\":\"\"}}")
}
