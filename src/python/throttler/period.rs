//! Periods and time zones as Python writes them.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::limit::{Period, Zone};
use crate::python::seconds;

use crate::python::numbers;

/// Returns the seconds of a period, as `RateLimit.time_interval` takes it.
///
/// A period is a whole number and a unit: ``ns``, ``us`` or ``µs``, ``ms``, ``s``, ``m``, ``h``
/// or ``d``.
///
/// Args:
///     text: The period.
///     quota: Whether ``text`` may also be a time of day, such as ``"@0815"`` or ``"@081530"``,
///         which stands for one day. The default is False.
///
/// Raises:
///     ValueError: ``text`` is not a period, is 0 or is longer than 100 years. The message shows
///         it and says what would be right.
///     TypeError: ``text`` is not a ``str``.
///
/// Examples:
///     >>> parse_period("100ms")
///     0.1
#[pyfunction]
#[pyo3(signature = (text, *, quota=false))]
pub fn parse_period(text: &Bound<'_, PyAny>, quota: bool) -> PyResult<f64> {
    let text = string("a period", "a str such as \"60s\"", text)?;
    let text = text.to_cow()?;
    Ok(seconds(if quota { Period::parse(&text)?.nanos() } else { Period::parse_span(&text)? }))
}

/// Checks that the IANA database has a time zone of this name.
///
/// Args:
///     name: The name, such as ``"Asia/Shanghai"`` or ``"UTC"``.
///
/// Raises:
///     ValueError: There is no such time zone. The message names the closest one.
///     TypeError: ``name`` is not a ``str``.
#[pyfunction]
pub fn check_timezone(name: &Bound<'_, PyAny>) -> PyResult<()> {
    zone("timezone", name).map(drop)
}

/// A time zone by its name.
pub fn zone(what: &str, name: &Bound<'_, PyAny>) -> PyResult<Zone> {
    Ok(Zone::named(&string(what, "a str such as \"Asia/Shanghai\"", name)?.to_cow()?)?)
}

fn string<'a, 'py>(
    what: &str,
    must: &str,
    value: &'a Bound<'py, PyAny>,
) -> PyResult<&'a Bound<'py, PyString>> {
    value
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("{what} must be {must}, not {}", numbers::shown(value))))
}
