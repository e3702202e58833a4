//! `ManualClock` for Python.

use pyo3::prelude::*;

use crate::wait::ManualClock;

use super::{numbers, seconds};

/// Time that stands still until a test moves it.
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

    /// Moves time on by so many seconds.
    fn advance(&self, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        self.clock.advance(numbers::span("the time to move on by", seconds)?);
        Ok(())
    }

    /// Seconds since the Unix epoch that the clock on the wall shows: 0 when the clock was made.
    #[getter]
    fn wall(&self) -> f64 {
        self.clock.wall() as f64 / 1e9
    }

    /// Sets the clock on the wall, forward or back, in no time.
    fn set_wall(&self, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        self.clock.set_wall(numbers::wall("the wall time", seconds)?);
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("<ManualClock at {} s>", self.now())
    }
}
