//! `ManualClock` for Python: the clock that tests move by hand.

use pyo3::prelude::*;

use crate::python::seconds;
use crate::wait::ManualClock;

use crate::python::numbers;

/// A clock for tests: time stands still until the test moves it.
///
/// A request that waits leaves at the very instant at which it can, however far one step goes.
/// In an event loop its task runs when the loop runs next: call ``await asyncio.sleep(0)`` after
/// `advance`.
///
/// Examples:
///     >>> clock = ManualClock()
///     >>> throttler = Throttler([RateLimit("/depth", 1, time_interval=60)], clock=clock)
///     >>> throttler.charge("/depth"), throttler.charge("/depth")
///     (True, False)
///     >>> clock.advance(60)
///     >>> throttler.charge("/depth")
///     True
#[pyclass(name = "ManualClock", module = "sluicegate.testing", frozen)]
#[derive(Default)]
pub struct PyManualClock {
    pub clock: ManualClock,
}

#[pymethods]
impl PyManualClock {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Seconds since the clock was made.
    #[getter]
    fn now(&self) -> f64 {
        seconds(self.clock.now())
    }

    /// Moves the time forward. The wall clock moves with it.
    ///
    /// Args:
    ///     seconds: How far: 0 or more.
    ///
    /// Raises:
    ///     ValueError: ``seconds`` is negative or not finite.
    ///     TypeError: ``seconds`` is not a number.
    fn advance(&self, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        self.clock.advance(numbers::span("the time to move on by", seconds)?);
        Ok(())
    }

    /// What the wall clock shows, in seconds since 1970-01-01 00:00 UTC. It begins at 0.0.
    #[getter]
    fn wall(&self) -> f64 {
        self.clock.wall() as f64 / 1e9
    }

    /// Sets the wall clock, forward or back, while no time passes. It runs on from there.
    ///
    /// Args:
    ///     seconds: Seconds since 1970-01-01 00:00 UTC.
    ///
    /// Raises:
    ///     ValueError: ``seconds`` is not finite, or more than 9e9 before or after 1970.
    ///     TypeError: ``seconds`` is not a number.
    fn set_wall(&self, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        self.clock.set_wall(numbers::wall("the wall time", seconds)?);
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("<ManualClock at {} s>", self.now())
    }
}
