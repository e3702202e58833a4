//! The event loops in which requests of a throttler wait, each with its timer.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::wait::{LoopTimer, Throttler, WakeGroup};

use super::event_loop::{PyLoop, PyLoopTimer};

/// The timers of all event loops in which requests wait.
#[derive(Default)]
pub struct Loops(Mutex<Vec<(usize, Weak<PyLoopTimer>)>>);

impl Loops {
    /// The wake group of the waiters of a loop; `None` where nothing waits.
    pub(super) fn group_of(&self, event_loop: &Bound<'_, PyAny>) -> Option<WakeGroup> {
        self.known(event_loop).map(|timer| WakeGroup::Loop(timer))
    }

    fn known(&self, event_loop: &Bound<'_, PyAny>) -> Option<Arc<PyLoopTimer>> {
        let id = event_loop.as_ptr().addr();
        let known = {
            let loops = self.0.lock();
            loops.iter().find(|(other, _)| *other == id).and_then(|(_, timer)| timer.upgrade())
        };
        // An address may be used again, by another loop.
        known
            .filter(|timer| timer.event_loop().get(event_loop.py()).is_some_and(|other| other.is(event_loop)))
    }

    /// The timer of a loop: one for all that wait in it.
    pub(super) fn timer(
        &self,
        event_loop: &Bound<'_, PyAny>,
        throttler: &Throttler,
    ) -> PyResult<Arc<PyLoopTimer>> {
        if let Some(timer) = self.known(event_loop) {
            return Ok(timer);
        }
        let id = event_loop.as_ptr().addr();
        let timer = LoopTimer::new(PyLoop::new(event_loop)?, throttler);
        let mut loops = self.0.lock();
        loops.retain(|(other, timer)| *other != id && timer.strong_count() > 0);
        loops.push((id, Arc::downgrade(&timer)));
        Ok(timer)
    }
}
