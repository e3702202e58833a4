//! The options of a throttler, from Python's arguments.

use std::ffi::CString;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeWarning, PyValueError};
use pyo3::prelude::*;

use crate::gate::{Hold, MAX_PATIENCE, Options};

use crate::python::numbers;

/// Reads the options that were given.
pub fn read(
    safety_margin_pct: Option<&Bound<'_, PyAny>>,
    limits_share_percentage: Option<&Bound<'_, PyAny>>,
    hold: Option<&Bound<'_, PyAny>>,
    patience: Option<&Bound<'_, PyAny>>,
) -> PyResult<Options> {
    let mut options = Options::default();
    if let Some(margin) = safety_margin_pct {
        let must = "a share of the interval from 0 to 1 (0.05 is 5 %)";
        options.safety_margin = numbers::float("safety_margin_pct", must, margin)?;
    }
    if let Some(share) = limits_share_percentage {
        let must = "a percentage over 0 and up to 100";
        options.limits_share_percentage = numbers::float("limits_share_percentage", must, share)?;
        warn_of_share(share.py(), options.limits_share_percentage)?;
    }
    if let Some(hold) = hold {
        options.hold = read_hold(hold)?;
    }
    options.patience = patience.map(read_patience).transpose()?;
    Ok(options)
}

/// 0.5 is easily written for a half.
fn warn_of_share(py: Python<'_>, share: f64) -> PyResult<()> {
    if !(share > 0.0 && share < 1.0) {
        return Ok(());
    }
    let message = CString::new(format!(
        "limits_share_percentage={share} is less than one percent; for a share of {share}, write {}",
        share * 100.0
    ))?;
    PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1)
}

fn read_hold(hold: &Bound<'_, PyAny>) -> PyResult<Hold> {
    match hold.extract::<String>().as_deref() {
        Ok("response") => Ok(Hold::Response),
        Ok("start") => Ok(Hold::Start),
        _ => Err(numbers::wrong_value("hold", "'response' or 'start'", hold)),
    }
}

fn read_patience(value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let must = "a number of seconds over 0 and up to 2592000 (30 days), or None";
    let seconds = numbers::float("patience", must, value)?;
    let patience = Duration::try_from_secs_f64(seconds).ok();
    let fits = |patience: &Duration| !patience.is_zero() && *patience <= MAX_PATIENCE;
    patience.filter(fits).ok_or_else(|| numbers::wrong_value("patience", must, value))
}

/// What Python calls it.
pub fn name_of(hold: Hold) -> &'static str {
    match hold {
        Hold::Response => "response",
        Hold::Start => "start",
    }
}

/// A test's clock moves by hand, and that of other processes does not.
pub fn manual_clock_shared() -> PyErr {
    PyValueError::new_err(
        "a throttler with share cannot have a ManualClock: other processes live by the machine's clock. \
         Leave out clock or share",
    )
}
