//! Reading a sweep file: for `sweep plan` and `sweep run`.

use std::io::IsTerminal;
use std::path::Path;

use super::Failure;
use crate::spec::error::SpecErrors;
use crate::spec::expand::Expansion;
use crate::spec::sweep::Sweep;
use crate::spec::yaml::MAX_BYTES;

/// Columns where nothing says how many there are.
const COLUMNS: usize = 80;

/// A sweep file that is free of mistakes.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The YAML as it stands in the file.
    pub text: String,
    /// What it asks for.
    pub expansion: Expansion,
}

/// Reads the sweep file at `path`.
///
/// # Errors
///
/// It cannot be read, or it has mistakes: all of them, with the lines that they are about.
pub(crate) fn load(path: &Path) -> Result<Loaded, Failure> {
    let shown = path.display();
    let info = std::fs::metadata(path).map_err(|error| {
        Failure::usage(format!(
            "cannot read the sweep file {shown}: {error}\nGive the path of a YAML file, such as sweeps/quickstart.yaml."
        ))
    })?;
    if info.is_dir() {
        return Err(Failure::usage(format!("{shown} is a folder; give the path of a YAML file in it")));
    }
    if info.len() > MAX_BYTES as u64 {
        let bytes = info.len();
        return Err(Failure::usage(format!("{shown} has {bytes} bytes: a sweep file has at most {MAX_BYTES}")));
    }
    let bytes =
        std::fs::read(path).map_err(|error| Failure::usage(format!("cannot read the sweep file {shown}: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!("{shown} is not UTF-8 text: byte {at} belongs to no character. Save it as UTF-8."))
    })?;
    let expansion =
        Sweep::parse(&shown.to_string(), &text).and_then(|sweep| sweep.expand()).map_err(|errors| mistaken(&errors))?;
    Ok(Loaded { text, expansion })
}

fn mistaken(errors: &SpecErrors) -> Failure {
    let terminal = std::io::stderr().is_terminal();
    let width = comfy_table::Table::new().width().map_or(COLUMNS, usize::from);
    let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let shown = errors.render(if terminal { width } else { COLUMNS }, color);
    Failure::usage(format!("{} in {}; nothing was started\n\n{shown}", errors.count(), errors.name))
}
