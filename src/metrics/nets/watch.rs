//! Progress of evaluating images. It takes long, so callers can follow it and stop it.

use std::ops::ControlFlow;

/// Called now and then with the number of images evaluated and their total (0 of 0 while waiting for another process).
/// If it returns [`ControlFlow::Break`], the work ends with [`super::NetError::Stopped`].
pub type Watch<'a> = dyn FnMut(usize, usize) -> ControlFlow<()> + 'a;

/// Ignores progress and never stops.
pub fn unwatched(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
