//! Shows a run at a terminal or elsewhere.

use std::cell::Cell;
use std::rc::Rc;

use indicatif::MultiProgress;

use super::events::tell_above;
use super::progress::Progress;
use super::{Failure, logging, stderr};
use sweep_operations::Tell;
use sweep_operations::run::{Coming, Front};
use sweep_run::Observer;
use sweep_run::spool::Watch;
use sweep_wire::home::Home;

/// Bars on a terminal and lines elsewhere, and a log in the home directory.
pub(crate) struct Terminal {
    bars: MultiProgress,
    tell: Tell,
    verbose: u8,
}

impl Terminal {
    pub(crate) fn new(verbose: u8) -> Self {
        let bars = stderr::bars();
        Terminal { tell: tell_above(&bars), bars, verbose }
    }
}

impl Front for Terminal {
    fn tell(&self) -> &Tell {
        &self.tell
    }

    fn keep_log(&self, home: &Home) -> Result<(), Failure> {
        logging::to_file(home, self.verbose, &self.bars)
    }

    fn observer(&self, slots: usize, watch: Option<Watch>, coming: Rc<Cell<Coming>>) -> Box<dyn Observer> {
        Box::new(Progress::new(self.bars.clone(), slots, watch, coming))
    }
}
