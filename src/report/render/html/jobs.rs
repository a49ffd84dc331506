//! All jobs of a page: a table, and data on each job for the script.

use serde_json::{Value, json};

use super::super::super::document::{Job, Jobs};
use super::figure::Shown;
use super::{escape, json as embedded};
use sweep_figure::format::{count, number};

/// Most jobs; a page with more opens slowly.
const MOST: usize = 5000;

/// Adds the table, folded away, and the data of each job.
pub(super) fn jobs(out: &mut String, jobs: &Jobs, shown: &mut Shown) {
    let all = jobs.rows.len();
    if all == 0 {
        return;
    }
    if all > MOST {
        out.push_str(&format!(
            "<p class=\"note\">{} jobs are too many to list here; <code>sweep query</code> has them.</p>\n",
            count(all)
        ));
        return;
    }
    let id = shown.key("all-jobs");
    out.push_str(&format!(
        "<details id=\"{id}\"><summary>All {} jobs</summary>\n<div class=\"wide tall\"><table class=\"sorts\" \
        data-k=\"{id}\">\n\
         <thead><tr><th>job</th><th>variant</th><th>cell</th><th class=\"n\">seed</th><th>state</th>",
        count(all)
    ));
    for score in &jobs.scores {
        out.push_str(&format!("<th class=\"n\">{}</th>", escape(score.name())));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for job in &jobs.rows {
        out.push_str(&format!(
            "<tr data-v=\"{}\" data-j=\"{1}\" data-f=\"{1}, {2}, {3}, seed {4}, {5}\" \
            tabindex=\"0\"><td>{1}</td><td>{2}</td><td>{3}</td><td class=\"n\">{4}</td><td>{5}</td>",
            job.variant.0,
            escape(&job.id),
            escape(&job.variant.1),
            escape(&job.cell),
            job.seed,
            job.status
        ));
        for score in &job.scores {
            match score {
                Some(value) if value.is_finite() => {
                    out.push_str(&format!("<td class=\"n\" data-x=\"{value}\">{}</td>", number(*value)))
                }
                Some(value) => out.push_str(&format!("<td class=\"n\">{}</td>", number(*value))),
                None => out.push_str("<td></td>"),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n</details>\n");
    let scores: Vec<&str> = jobs.scores.iter().map(|score| score.name()).collect();
    let data = json!({"scores": scores, "jobs": jobs.rows.iter().map(data_of).collect::<Vec<_>>()});
    out.push_str(&format!("<script type=\"application/json\" class=\"jobs\">{}</script>\n", embedded(&data)));
}

fn data_of(job: &Job) -> Value {
    let float = |value: f64| if value.is_finite() { json!(value) } else { json!(number(value)) };
    let curves: Vec<Vec<(u64, Value)>> =
        job.curves.iter().map(|curve| curve.iter().map(|(step, value)| (*step, float(*value))).collect()).collect();
    json!({
        "id": job.id,
        "v": job.variant.0,
        "variant": job.variant.1,
        "cell": job.cell,
        "seed": job.seed.to_string(),
        "objective": job.of.map(|(objective, _)| objective),
        "data": job.of.map(|(_, data)| data),
        "state": job.status.name(),
        "message": job.message,
        "step": job.step.0,
        "steps": job.step.1,
        "seconds": job.seconds,
        "scores": job.scores.iter().map(|score| score.map(float)).collect::<Vec<_>>(),
        "curves": curves,
        "attempts": job.attempts,
    })
}
