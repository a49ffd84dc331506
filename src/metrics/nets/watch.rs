//! Looking at images takes long, so whoever waits is told how far it is, and may end it.

use std::ops::ControlFlow;

/// Told now and then how many images of how many have been seen (0 of 0 while another process is waited for); with
/// [`ControlFlow::Break`] it ends with [`super::NetError::Stopped`].
pub type Watch<'a> = dyn FnMut(usize, usize) -> ControlFlow<()> + 'a;

/// Nobody waits: everything comes to its end.
pub fn unwatched(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
