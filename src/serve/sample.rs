//! Serves sample sheets by job and step. Requests never name a file or folder. The path comes from the database, and it
//! must lie below the folders that hold sample sheets.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path};

use sweep_spec::id::JobId;
use sweep_wire::home::Home;

/// The first bytes of a PNG.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Sheets larger than this, in bytes, are not served.
const LARGEST: u64 = 64 << 20;

/// Parses `JOB` and `STEP.png` from a request.
pub(crate) fn asked(job: &str, step: &str) -> Option<(JobId, u64)> {
    let number = step.strip_suffix(".png")?;
    let step: u64 = number.parse().ok()?;
    // `+1` and `01` are not valid ways to write step 1.
    (step.to_string() == number).then_some(())?;
    Some((job.parse().ok()?, step))
}

/// Returns the bytes of the PNG at `path`, which is relative to the home directory. `None` if there is none, or it may
/// not be shown.
pub(crate) fn read(home: &Home, path: &str) -> Option<Vec<u8>> {
    let path = Path::new(path);
    let stays = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    // Links are followed only to where a user has moved a folder of the home directory.
    let file = stays.then(|| home.path().join(path).canonicalize().ok()).flatten()?;
    let below = [home.path(), &home.runs(), &home.jobs()].iter().any(|folder| {
        let folder = folder.canonicalize();
        folder.is_ok_and(|folder| file.starts_with(folder))
    });
    if !below { None } else { png(&file).ok().flatten() }
}

fn png(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // Opening a pipe would block until somebody writes to it.
    let found = fs::metadata(path)?;
    if !found.is_file() || found.len() > LARGEST {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(found.len() as usize);
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes.starts_with(PNG).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn requests_contain_only_a_job_and_a_step() {
        let job = JobId::of(b"x");
        let id = job.to_string();
        assert_eq!(asked(&id, "100.png"), Some((job, 100)));
        for step in ["100", "+1.png", "01.png", "-1.png", "1.PNG", "1.png.png", "../1.png", ".png", "", "1e3.png"] {
            assert_eq!(asked(&id, step), None, "{step}");
        }
        for job in ["..", "", "../x", &id[1..], &id[..8], &format!("{id}/.."), "zzzzzzzzzzzzzzzzzzzz"] {
            assert_eq!(asked(job, "1.png"), None, "{job}");
        }
    }

    #[test]
    fn only_pngs_below_the_folders_of_sheets_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("home"));
        let (runs, scratch) = (home.runs(), folder.path().join("scratch"));
        for made in [&runs, &scratch] {
            fs::create_dir_all(made).unwrap();
        }
        let put = |path: &Path, bytes: &[u8]| File::create(path).and_then(|mut file| file.write_all(bytes)).unwrap();
        put(&runs.join("good.png"), b"\x89PNG\r\n\x1a\nrest");
        put(&runs.join("no.png"), b"root:x:0:0");
        put(&scratch.join("out.png"), b"\x89PNG\r\n\x1a\nsecret");
        symlink(scratch.join("out.png"), runs.join("link.png")).unwrap();
        symlink(&scratch, home.path().join("folder")).unwrap();
        assert_eq!(read(&home, "runs/good.png").as_deref(), Some(&b"\x89PNG\r\n\x1a\nrest"[..]));
        assert_eq!(read(&home, "./runs/good.png").map(|bytes| bytes.len()), Some(12));
        let absolute = runs.join("good.png");
        for path in [
            "runs/no.png",
            "runs/link.png",
            "folder/out.png",
            "../scratch/out.png",
            "runs/../runs/good.png",
            "runs",
            "",
            "no",
            absolute.to_str().unwrap(),
        ] {
            assert_eq!(read(&home, path), None, "{path}");
        }

        // The runs are on another disk.
        fs::remove_dir_all(home.jobs()).ok();
        symlink(&scratch, home.jobs()).unwrap();
        assert!(read(&home, "jobs/out.png").is_some());
    }
}
