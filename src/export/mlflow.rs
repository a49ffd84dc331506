//! MLflow: a sweep is an experiment on a tracking server, a job a run of it, by the server's REST API 2.0.
//!
//! Runs are found again by their tags: one that is there as it is stays, one that has grown gets what is new, and one
//! of which something has changed is replaced, since MLflow changes neither parameters nor what was logged. The last
//! tag that a run gets says what was written, so that an export that was interrupted goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::env;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::run::value_text;
use super::{Done, ExportError, Exporter, Point, Run};
use sweep_store::Outline;
use sweep_wire::status::Status;

/// What one request may have at most.
const METRICS: usize = 1000;
const PARAMETERS: usize = 100;
const RUNS: u32 = 500;
/// Characters of a parameter and of a tag at most.
const LONGEST: usize = 5000;

/// The tags of a run: its job and its variant, by which it is found, where it stands, and a digest of all that was
/// written of it.
const JOB: &str = "sweep.job";
const VARIANT: &str = "sweep.variant";
const STATE: &str = "sweep.state";
const MESSAGE: &str = "sweep.message";
const DIGEST: &str = "sweep.digest";

/// A tracking server.
pub(crate) struct Mlflow {
    server: Server,
    experiment: String,
    /// The runs of the experiment that a sweep has left, by variant and job.
    known: HashMap<(String, String), Known>,
}

/// A run on the server.
struct Known {
    id: String,
    digest: String,
    parameters: BTreeMap<String, String>,
    metrics: BTreeSet<String>,
}

impl Mlflow {
    /// The server at an address, which must answer.
    pub(crate) fn connect(address: &str) -> Result<Self, ExportError> {
        let server = Server::new(address)?;
        server.post("experiments/search", &json!({"max_results": 1}))?;
        Ok(Mlflow { server, experiment: String::new(), known: HashMap::new() })
    }

    /// The experiment of this name, which is made where there is none.
    fn experiment(&self, name: &str) -> Result<String, ExportError> {
        match self.server.get("experiments/get-by-name", &[("experiment_name", name)]) {
            Ok(found) if found["experiment"]["lifecycle_stage"] == "deleted" => Err(ExportError::Usage(format!(
                "{}: the experiment {name} has been deleted there: restore it, or remove it for good (`mlflow gc`)",
                self.server.address
            ))),
            Ok(found) => Ok(word(&found["experiment"]["experiment_id"])),
            Err(ExportError::Refused { code, .. }) if code == "RESOURCE_DOES_NOT_EXIST" => {
                let made = self.server.post("experiments/create", &json!({"name": name}))?;
                Ok(word(&made["experiment_id"]))
            }
            Err(error) => Err(error),
        }
    }

    /// The runs of an experiment.
    fn runs(&self, experiment: &str) -> Result<HashMap<(String, String), Known>, ExportError> {
        let (mut known, mut page) = (HashMap::new(), String::new());
        loop {
            let mut request = json!({"experiment_ids": [experiment], "max_results": RUNS});
            if !page.is_empty() {
                request["page_token"] = json!(page);
            }
            let answer = self.server.post("runs/search", &request)?;
            for run in list(&answer["runs"]) {
                let (info, data) = (&run["info"], &run["data"]);
                let tags = pairs(&data["tags"]);
                let (Some(job), Some(variant)) = (tags.get(JOB), tags.get(VARIANT)) else { continue };
                let run = Known {
                    id: word(&info["run_id"]),
                    digest: tags.get(DIGEST).cloned().unwrap_or_default(),
                    parameters: pairs(&data["params"]),
                    metrics: list(&data["metrics"]).iter().map(|metric| word(&metric["key"])).collect(),
                };
                known.insert((variant.clone(), job.clone()), run);
            }
            page = word(&answer["next_page_token"]);
            if page.is_empty() {
                return Ok(known);
            }
        }
    }

    /// The numbers that a run has, by metric and step.
    fn logged(&self, known: &Known) -> Result<BTreeSet<(String, i64, String)>, ExportError> {
        let mut logged = BTreeSet::new();
        for metric in &known.metrics {
            let mut page = String::new();
            loop {
                let mut query = vec![("run_id", known.id.as_str()), ("metric_key", metric), ("max_results", "25000")];
                if !page.is_empty() {
                    query.push(("page_token", &page));
                }
                let answer = self.server.get("metrics/get-history", &query)?;
                for one in list(&answer["metrics"]) {
                    let step = one["step"].as_i64().or_else(|| one["step"].as_str()?.parse().ok()).unwrap_or(0);
                    logged.insert((metric.clone(), step, shown(&one["value"])));
                }
                page = word(&answer["next_page_token"]);
                if page.is_empty() {
                    break;
                }
            }
        }
        Ok(logged)
    }
}

impl Exporter for Mlflow {
    fn sweep(&mut self, outline: &Outline) -> Result<(), ExportError> {
        self.experiment = self.experiment(&outline.sweep.name)?;
        self.known = self.runs(&self.experiment)?;
        Ok(())
    }

    fn run(&mut self, run: &Run) -> Result<Done, ExportError> {
        if !run.has_begun() {
            return Ok(Done::NotBegun);
        }
        let (parameters, tags) = (parameters(run), tags(run));
        let metrics: Vec<Value> = run.points.iter().map(|point| metric(run, point)).collect();
        let (started, ended) = (millis(run.time_of(0)), run.ended_at().map(millis));
        let status = status(run.status);
        let digest = blake3::hash(json!([parameters, tags, metrics, started, ended]).to_string().as_bytes()).to_hex();
        let mut there = BTreeSet::new();
        let mut id = None;
        if let Some(known) = self.known.remove(&(run.variant.clone(), run.job.to_string())) {
            if known.digest == digest.as_str() {
                return Ok(Done::Same);
            }
            there = self.logged(&known)?;
            let ours: BTreeSet<_> = metrics.iter().map(key).collect();
            let fits = |(name, value): (&String, &String)| parameters.get(name) == Some(value);
            if there.is_subset(&ours) && known.parameters.iter().all(fits) {
                id = Some(known.id);
            } else {
                self.server.post("runs/delete", &json!({"run_id": known.id}))?;
                there.clear();
            }
        }
        let id = match id {
            Some(id) => id,
            None => {
                let tags = [(JOB, run.job.to_string()), (VARIANT, run.variant.clone())].map(entry);
                let experiment = &self.experiment;
                let new = json!({
                    "experiment_id": experiment, "run_name": run.name, "start_time": started, "tags": tags
                });
                word(&self.server.post("runs/create", &new)?["run"]["info"]["run_id"])
            }
        };
        let parameters: Vec<Value> = parameters.into_iter().map(entry).collect();
        for parameters in parameters.chunks(PARAMETERS) {
            self.server.post("runs/log-batch", &json!({"run_id": id, "params": parameters}))?;
        }
        let new: Vec<&Value> = metrics.iter().filter(|metric| !there.contains(&key(metric))).collect();
        for metrics in new.chunks(METRICS) {
            self.server.post("runs/log-batch", &json!({"run_id": id, "metrics": metrics}))?;
        }
        let mut update = json!({"run_id": id, "status": status, "run_name": run.name});
        if let Some(ended) = ended {
            update["end_time"] = json!(ended);
        }
        self.server.post("runs/update", &update)?;
        let tags: Vec<Value> = tags.into_iter().chain([(DIGEST, digest.to_string())]).map(entry).collect();
        self.server.post("runs/log-batch", &json!({"run_id": id, "tags": tags}))?;
        Ok(Done::Written)
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        Ok(())
    }
}

/// A parameter or a tag.
fn entry((key, value): (impl AsRef<str>, String)) -> Value {
    json!({"key": key.as_ref(), "value": value})
}

fn parameters(run: &Run) -> BTreeMap<String, String> {
    let all = run.all_settings();
    all.into_iter().map(|(name, value)| (allowed(name), shortened(&value_text(&value)))).collect()
}

fn tags(run: &Run) -> Vec<(&'static str, String)> {
    let mut tags = vec![
        (JOB, run.job.to_string()),
        (VARIANT, shortened(&run.variant)),
        (STATE, run.status.name().to_owned()),
        ("mlflow.source.name", "sweep".to_owned()),
    ];
    if !run.message.is_empty() {
        tags.push((MESSAGE, shortened(&run.message)));
    }
    tags
}

fn metric(run: &Run, point: &Point) -> Value {
    // JSON has no such numbers; the server takes these words, as all of Protocol Buffers do.
    let value = match point.value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    };
    let timestamp = millis(run.time_of(point.step));
    json!({"key": allowed(&point.metric), "value": value, "timestamp": timestamp, "step": point.step})
}

/// By what a number is found again.
fn key(metric: &Value) -> (String, i64, String) {
    (word(&metric["key"]), metric["step"].as_i64().unwrap_or(0), shown(&metric["value"]))
}

/// A number as text; some servers keep the largest one for infinity.
fn shown(value: &Value) -> String {
    let number = match value {
        Value::String(text) => text.parse().unwrap_or(f64::NAN),
        other => other.as_f64().unwrap_or(f64::NAN),
    };
    let number = if number.abs() > 1.797_693e308 { f64::INFINITY.copysign(number) } else { number };
    sweep_figure::float(number)
}

/// A name with characters that MLflow takes.
fn allowed(name: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | ':' | '/');
    name.chars().map(|c| if fine(c) { c } else { '_' }).take(250).collect()
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// What MLflow calls it.
fn status(status: Status) -> &'static str {
    match status {
        Status::Pending => "SCHEDULED",
        Status::Running => "RUNNING",
        Status::Done => "FINISHED",
        Status::Failed | Status::Diverged | Status::Collapsed => "FAILED",
        Status::Pruned | Status::Cancelled => "KILLED",
    }
}

/// A text of an answer.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Keys and values of an answer.
fn pairs(value: &Value) -> BTreeMap<String, String> {
    list(value).iter().map(|pair| (word(&pair["key"]), word(&pair["value"]))).collect()
}

/// Who is asked.
struct Server {
    agent: ureq::Agent,
    address: String,
    /// As whom.
    authorization: Option<String>,
}

impl Server {
    fn new(address: &str) -> Result<Self, ExportError> {
        let address = address.trim_end_matches('/').to_owned();
        let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
            return Err(ExportError::Usage(format!(
                "{address}: expected the address of an MLflow server, such as http://localhost:5000"
            )));
        };
        if rest.split('/').next().is_some_and(|host| host.contains('@')) {
            let message = "the address of the MLflow server has a user in it: set MLFLOW_TRACKING_USERNAME and \
                           MLFLOW_TRACKING_PASSWORD instead";
            return Err(ExportError::Usage(message.to_owned()));
        }
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let user = variable("MLFLOW_TRACKING_USERNAME");
        let authorization = match (user, variable("MLFLOW_TRACKING_TOKEN")) {
            (Some(user), _) => {
                let password = variable("MLFLOW_TRACKING_PASSWORD").unwrap_or_default();
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            (None, Some(token)) => Some(format!("Bearer {token}")),
            (None, None) => None,
        };
        Ok(Server { agent: sweep_data::web(), address, authorization })
    }

    fn get(&self, method: &str, query: &[(&str, &str)]) -> Result<Value, ExportError> {
        let address = format!("{}/api/2.0/mlflow/{method}", self.address);
        let mut request = self.agent.get(&address).query_pairs(query.iter().copied());
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        answer(request.config().http_status_as_error(false).build().call(), address)
    }

    fn post(&self, method: &str, body: &Value) -> Result<Value, ExportError> {
        let address = format!("{}/api/2.0/mlflow/{method}", self.address);
        let mut request = self.agent.post(&address).content_type("application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        answer(request.config().http_status_as_error(false).build().send(body.to_string()), address)
    }
}

/// Bytes of an answer at most.
const MOST: u64 = 1 << 28;
/// Characters of what a server says that is no error of MLflow's.
const SAID: usize = 200;

fn answer(
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    address: String,
) -> Result<Value, ExportError> {
    let mut response = match response {
        Ok(response) => response,
        Err(error) => return Err(ExportError::NoServer { address, why: error.to_string() }),
    };
    let status = response.status();
    let body = match response.body_mut().with_config().limit(MOST).read_to_string() {
        Ok(body) => body,
        Err(error) => return Err(ExportError::NoServer { address, why: error.to_string() }),
    };
    let parsed: Option<Value> = serde_json::from_str(&body).ok();
    if status.is_success() {
        return parsed
            .ok_or_else(|| ExportError::NoServer { address, why: "expected JSON, found something else".to_owned() });
    }
    let told = parsed.unwrap_or_default();
    let message = match told["message"].as_str() {
        Some(message) => message.to_owned(),
        None => body.trim().chars().take(SAID).collect(),
    };
    Err(ExportError::Refused { address, status: status.as_u16(), code: word(&told["error_code"]), message })
}
