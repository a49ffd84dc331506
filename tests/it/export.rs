//! `sweep export` from outside. `scripts/check-exports` has the programs that the formats are for read all of it back.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::store::{Home, YAML, text};

/// Ten jobs: job 0 diverged without a score, job 1 failed, and of the others one has a score that is none.
fn cells() -> Home {
    Home::new(YAML, |index| if index == 9 { f64::INFINITY } else { index as f64 })
}

fn says(output: &Output, code: i32, expected: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(expected.iter().all(|expected| said.contains(expected)), "{expected:?} in {said}");
}

/// Every file below a folder, by its path there.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(below.map(|(name, bytes)| (Path::new(path.file_name().unwrap()).join(name), bytes)));
        } else {
            found.insert(path.file_name().unwrap().into(), fs::read(&path).unwrap());
        }
    }
    found
}

/// Rows by the names of their columns; no field here has a comma or a quotation mark in it.
fn rows(table: &[u8]) -> Vec<BTreeMap<String, String>> {
    let table = text(table);
    let mut lines = table.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let row = |fields: Vec<String>| {
        assert_eq!(fields.len(), names.len(), "{fields:?}");
        names.iter().cloned().zip(fields).collect()
    };
    lines.map(row).collect()
}

#[test]
fn tables_have_a_row_a_job_and_a_row_a_number() {
    let home = cells();
    says(&home.sweep(&["export", "--to", "csv", "-o", "tables"]), 0, &["tables: 10 jobs of 1 sweep"]);
    let tables = files(&home.path().join("tables"));
    let names: Vec<_> = tables.keys().map(|name| name.to_str().unwrap()).collect();
    assert_eq!(names, ["history.csv", "protocols.csv", "results.csv"]);
    let results = rows(&tables[Path::new("results.csv")]);
    let history = rows(&tables[Path::new("history.csv")]);
    assert_eq!((results.len(), history.len()), (10, 16));
    for (index, row) in results.iter().enumerate() {
        assert_eq!(row["job"], home.ids[index]);
        let alpha = ["0.1", "0.1", "0.1", "0.1", "0.2", "0.2", "0.2", "0.2", "", ""][index];
        let variant = if index < 8 { "D2GAN" } else { "GAN" };
        let expected = ["cells", variant, alpha, ["0", "1"][index % 2], "gaussians", "1000"];
        assert_eq!(["sweep", "variant", "alpha", "seed", "dataset", "steps"].map(|name| row[name].as_str()), expected);
        let (state, modes) = match index {
            0 => ("diverged", String::new()),
            1 => ("failed", String::new()),
            9 => ("done", "inf".to_owned()),
            _ => ("done", index.to_string()),
        };
        assert_eq!((row["state"].as_str(), &row["modes_covered"]), (state, &modes));
    }
    assert_eq!(results[0]["message"], "D1's loss is NaN");
    let early = history.iter().find(|row| row["job"] == home.ids[4] && row["step"] == "500").unwrap();
    assert_eq!(["metric", "value", "std"].map(|name| early[name].as_str()), ["modes_covered", "3", ""]);
    let protocols = text(&tables[Path::new("protocols.csv")]);
    assert_eq!(protocols, format!("protocol,json\n{},\"{{\"\"samples\"\":1000}}\"\n", early["protocol"]));
}

#[test]
fn an_export_replaces_an_earlier_one_and_nothing_else() {
    let home = cells();
    for (format, again) in [
        ("csv", "out: 10 jobs of 1 sweep"),
        ("tensorboard", "out: 0 jobs of 1 sweep; 10 jobs there already, as they are"),
        ("wandb-offline", "out: 0 jobs of 1 sweep; 10 jobs there already, as they are"),
    ] {
        let out = home.path().join("out");
        fs::create_dir(&out).unwrap();
        for (name, bytes) in [("notes.txt", "mine"), (".tmpAbC123", "half of an export that was killed")] {
            fs::write(out.join(name), bytes).unwrap();
        }
        says(&home.sweep(&["export", "cells", "--to", format, "-o", "out"]), 0, &["out: 10 jobs of 1 sweep"]);
        let first = files(&out);
        assert!(!first.contains_key(Path::new(".tmpAbC123")) && first[Path::new("notes.txt")] == b"mine");
        says(&home.sweep(&["export", "cells", "--to", format, "-o", "out"]), 0, &[again]);
        assert_eq!(files(&out), first, "{format}");
        let (last, bytes) = first.iter().rfind(|(name, _)| !name.ends_with("notes.txt")).unwrap();
        fs::write(out.join(last), "damaged").unwrap();
        says(&home.sweep(&["export", "cells", "--to", format, "-o", "out"]), 0, &[]);
        assert_eq!(&files(&out)[last], bytes, "{format}");
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn trackers_get_a_folder_a_job() {
    let home = cells();
    says(&home.sweep(&["export", "--to", "tensorboard", "-o", "tb"]), 0, &[]);
    let paths: Vec<String> = files(&home.path().join("tb")).keys().map(|path| path.display().to_string()).collect();
    let expected = |index: usize| format!("seed {} {}/events.out.tfevents.0.sweep", index % 2, &home.ids[index][..8]);
    assert!(paths.contains(&format!("cells/GAN/{}", expected(9))), "{paths:?}");
    assert!(paths.contains(&format!("cells/D2GAN/alpha 0.2, beta 0.1, {}", expected(4))), "{paths:?}");
    assert_eq!(paths.len(), 10);
    says(&home.sweep(&["export", "--to", "wandb-offline", "-o", "offline"]), 0, &[]);
    for (path, bytes) in files(&home.path().join("offline")) {
        let path = path.display().to_string();
        let (folder, file) = path.split_once('/').unwrap();
        let id = folder.rsplit_once('-').unwrap().1;
        assert!(folder.starts_with("offline-run-20") && file == format!("run-{id}.wandb"), "{path}");
        assert!(home.ids.iter().any(|job| id.starts_with(job)) && bytes.starts_with(b":W&B\xe1\xbe\x00"), "{path}");
    }
}

#[test]
fn what_cannot_be_exported_says_what_to_do() {
    let home = cells();
    fs::write(home.path().join("file"), "").unwrap();
    let export = |to: &[&str]| home.sweep(&[&["export", "--to"], to].concat());
    says(&export(&["csv"]), 2, &["--out is not set: name the folder"]);
    says(&export(&["csv", "-o", "file"]), 2, &["file is a file: name a folder"]);
    says(&export(&["csv", "-o", "/proc/none"]), 3, &["cannot write /proc/none"]);
    says(&export(&["csv", "-o", "out", "cell"]), 2, &["it has cells"]);
    says(&export(&["xls", "-o", "out"]), 2, &["csv", "parquet", "tensorboard", "mlflow", "wandb-offline"]);
    says(&export(&["mlflow"]), 2, &["`-o http://localhost:5000`, or MLFLOW_TRACKING_URI"]);
    says(&export(&["mlflow", "-o", "localhost:5000"]), 2, &["expected the address of an MLflow server"]);
    let with = export(&["mlflow", "-o", "http://me:secret@localhost:5000"]);
    says(&with, 2, &["set MLFLOW_TRACKING_USERNAME"]);
    assert!(!text(&with.stderr).contains("secret"));
    if cfg!(feature = "parquet") {
        says(&export(&["parquet", "-o", "out"]), 0, &["10 jobs"]);
        let tables = files(&home.path().join("out"));
        assert!(
            tables.len() == 3 && tables.values().all(|bytes| bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"))
        );
    } else {
        says(&export(&["parquet", "-o", "out"]), 2, &["built without Parquet", "--features parquet"]);
    }
}

/// A request that a server got: method and path, head, and body.
type Request = (String, String, Value);

/// A server that stands in for MLflow's, which has `runs`; it refuses what `refuses` names.
fn server(runs: Value, refuses: &'static str) -> (String, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let got = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut head, mut line) = (String::new(), String::new());
            while reader.read_line(&mut line).unwrap() > 2 {
                head.push_str(&std::mem::take(&mut line));
            }
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let what = head.split(' ').nth(1).unwrap().trim_start_matches("/api/2.0/mlflow/").to_owned();
            let (status, answer) = match what.split('?').next().unwrap() {
                what if what == refuses => {
                    ("403 Forbidden", json!({"error_code": "PERMISSION_DENIED", "message": "not yours"}))
                }
                "experiments/get-by-name" => {
                    ("404 Not Found", json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such experiment"}))
                }
                "experiments/create" => ("200 OK", json!({"experiment_id": "7"})),
                "runs/search" => ("200 OK", json!({"runs": runs})),
                "runs/create" => ("200 OK", json!({"run": {"info": {"run_id": "r"}}})),
                _ => ("200 OK", json!({})),
            };
            got.lock().unwrap().push((what, head, serde_json::from_slice(&body).unwrap_or_default()));
            let answer = answer.to_string();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
            reader.into_inner().write_all((head + &answer).as_bytes()).unwrap();
        }
    });
    (address, requests)
}

#[test]
fn a_server_gets_runs_with_all_their_numbers() {
    let home = cells();
    let (address, requests) = server(json!([]), "nothing");
    let export = home
        .command(&["export", "--to", "mlflow"])
        .env("MLFLOW_TRACKING_URI", format!("{address}/"))
        .env("MLFLOW_TRACKING_USERNAME", "me")
        .env("MLFLOW_TRACKING_PASSWORD", "secret")
        .output();
    says(&export.unwrap(), 0, &["10 jobs of 1 sweep"]);
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    // printf me:secret | base64
    assert!(requests.iter().all(|(_, head, _)| head.to_lowercase().contains("authorization: basic bwu6c2vjcmv0")));
    let of = |what: &str| -> Vec<&Value> {
        requests.iter().filter(|(path, ..)| path.starts_with(what)).map(|(.., body)| body).collect()
    };
    assert_eq!(of("experiments/create"), [&json!({"name": "cells"})]);
    let created = of("runs/create");
    assert_eq!(created.len(), 10);
    assert_eq!(
        (&created[4]["experiment_id"], &created[4]["run_name"]),
        (&json!("7"), &json!("alpha 0.2, beta 0.1, seed 0"))
    );
    let batches = of("runs/log-batch");
    let metrics: Vec<&Value> = batches.iter().filter_map(|batch| batch["metrics"].as_array()).flatten().collect();
    assert_eq!(metrics.len(), 16);
    let last = metrics.last().unwrap();
    assert_eq!(
        (&last["key"], &last["step"], &last["value"]),
        (&json!("modes_covered"), &json!(1000), &json!("Infinity"))
    );
    let ends: Vec<&str> = of("runs/update").iter().map(|update| update["status"].as_str().unwrap()).collect();
    assert_eq!(ends, [vec!["FAILED"; 2], vec!["FINISHED"; 8]].concat());

    // Those that are there, as they are.
    let tag = |of: &Value| json!({"key": of["key"], "value": of["value"]});
    let runs = batches.iter().filter_map(|batch| batch["tags"].as_array());
    let runs: Vec<Value> = runs
        .enumerate()
        .map(|(at, tags)| {
            json!({"info": {"run_id": at.to_string()}, "data": {"tags": tags.iter().map(tag).collect::<Vec<_>>()}})
        })
        .collect();
    let (address, requests) = server(json!(runs), "nothing");
    says(&home.sweep(&["export", "--to", "mlflow", "-o", &address]), 0, &["0 jobs of 1 sweep; 10 jobs there already"]);
    assert!(
        requests.lock().unwrap().iter().all(|(path, ..)| !path.contains("log-batch") && !path.contains("runs/create"))
    );
}

#[test]
fn a_server_s_errors_are_told_with_its_address_and_its_words() {
    let home = cells();
    let (address, requests) = server(json!([]), "runs/create");
    let export =
        home.command(&["export", "--to", "mlflow", "-o", &address]).env("MLFLOW_TRACKING_TOKEN", "t0k").output();
    let expected = format!("{address}/api/2.0/mlflow/runs/create: the server says 403: not yours");
    says(&export.unwrap(), 3, &[&expected]);
    assert!(
        requests.lock().unwrap().iter().all(|(_, head, _)| head.to_lowercase().contains("authorization: bearer t0k"))
    );
    // Nobody listens there any more.
    let address = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    says(
        &home.sweep(&["export", "--to", "mlflow", "-o", &address]),
        3,
        &[&format!("{address}/api/2.0/mlflow/"), "no answer of an MLflow server"],
    );
}
