//! Periods and time zones as Python writes them.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::limit::{Period, Zone};

use super::{numbers, seconds};

/// The seconds of a period such as `"100ms"`. A time of day, `"@0815"`, is a day, and for quotas only.
#[pyfunction]
#[pyo3(signature = (text, *, quota=false))]
pub fn parse_period(text: &Bound<'_, PyAny>, quota: bool) -> PyResult<f64> {
    let text = string("a period", text)?;
    let text = text.to_cow()?;
    Ok(seconds(if quota { Period::parse(&text)?.nanos() } else { Period::parse_span(&text)? }))
}

/// Checks the name of a time zone.
#[pyfunction]
pub fn check_timezone(name: &Bound<'_, PyAny>) -> PyResult<()> {
    zone("timezone", name).map(drop)
}

/// A time zone by its name.
pub fn zone(what: &str, name: &Bound<'_, PyAny>) -> PyResult<Zone> {
    Ok(Zone::named(&string(what, name)?.to_cow()?)?)
}

fn string<'a, 'py>(what: &str, value: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyString>> {
    value
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("{what} must be a str, not {}", numbers::shown(value))))
}
