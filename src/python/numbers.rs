//! Python's arguments as whole units, spans of time, texts and switches, with errors that show the value.

use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString};

use crate::clock::WallNanos;
use crate::gate::{MAX_INTERVAL, Rank};
use crate::limit::{MAX_LIMIT, PRIORITIES};

/// "a whole number…, not 'x' (str)".
pub fn wrong_type(what: &str, must: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let kind = value.get_type();
    let kind = kind.name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{what} must be {must}, not {} ({kind})", shown(value)))
}

pub fn wrong_value(what: &str, must: &str, value: &Bound<'_, PyAny>) -> PyErr {
    PyValueError::new_err(format!("{what} must be {must}, not {}", shown(value)))
}

/// Characters of a value that an error shows: of longer ones the beginning and the end.
const SHOWN: usize = 200;

/// A value as an error shows it.
pub fn shown(value: &Bound<'_, PyAny>) -> String {
    let text = match value.repr() {
        Ok(repr) => repr.to_string(),
        // Python refuses to write down an int of thousands of digits.
        Err(_) if value.is_instance_of::<PyInt>() => return "a number of thousands of digits".to_owned(),
        Err(_) => return "an object without a repr".to_owned(),
    };
    let length = text.chars().count();
    if length <= SHOWN {
        return text;
    }
    let begin: String = text.chars().take(120).collect();
    let end: String = text.chars().skip(length - 40).collect();
    format!("{begin}…{end}")
}

/// True or False, and nothing that Python would take for it.
pub fn switch(what: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value.extract().map_err(|_| wrong_type(what, "True or False", value))
}

/// A text; empty if there is none. What of it is no Unicode, as half of a surrogate pair, is replaced.
pub fn text_or_empty(what: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<String> {
    let Some(value) = value else { return Ok(String::new()) };
    let text = value.cast::<PyString>().map_err(|_| wrong_type(what, "a str", value))?;
    Ok(text.to_string_lossy().into_owned())
}

/// A float from anything that is a number: int, float, Decimal, Fraction, numpy's.
pub fn float(what: &str, must: &str, value: &Bound<'_, PyAny>) -> PyResult<f64> {
    if value.is_instance_of::<PyBool>() {
        return Err(wrong_type(what, must, value));
    }
    value.extract::<f64>().map_err(|error| {
        let py = value.py();
        if error.is_instance_of::<pyo3::exceptions::PyOverflowError>(py) {
            wrong_value(what, must, value)
        } else if error.is_instance_of::<PyTypeError>(py) {
            wrong_type(what, must, value)
        } else {
            error
        }
    })
}

/// A limit: whole units, rounded down; what is too large to count means "no limit".
pub fn limit(what: &str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let must = "a number of units, 1 or more";
    if let Some(units) = whole(value) {
        return if units >= 1 { Ok(units.unsigned_abs()) } else { Err(wrong_value(what, must, value)) };
    }
    let units = float(what, must, value)?;
    if units >= 1.0 && units.is_finite() { Ok(units as u64) } else { Err(wrong_value(what, must, value)) }
}

/// A weight or a count of units: whole, at least `least`, and no more than any limit has.
pub fn units(what: &str, least: u64, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let must = format!("a whole number of units, {least} or more");
    let units = match whole(value) {
        Some(units) => u64::try_from(units).ok(),
        None => {
            let units = float(what, &must, value)?;
            (units.fract() == 0.0 && units >= 0.0).then_some(units as u64)
        }
    };
    let units = units.filter(|&units| units >= least).ok_or_else(|| wrong_value(what, &must, value))?;
    if units > MAX_LIMIT {
        return Err(wrong_value(what, "at most 2**62 units, more than any limit has", value));
    }
    Ok(units)
}

/// A priority: a whole number.
pub fn priority(what: &str, value: &Bound<'_, PyAny>) -> PyResult<i16> {
    let must = "a whole number from -1000 to 1000";
    let priority = match whole(value) {
        Some(priority) => i16::try_from(priority).ok(),
        None => {
            let priority = float(what, must, value)?;
            (priority.fract() == 0.0).then_some(priority as i16)
        }
    };
    priority.filter(|priority| PRIORITIES.contains(priority)).ok_or_else(|| wrong_value(what, must, value))
}

/// The class that a request names, if it names one.
#[inline]
pub fn rank(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Rank>> {
    let Some(value) = value.filter(|value| !value.is_none()) else { return Ok(None) };
    Ok(Some(Rank::of(priority("priority", value)?)?))
}

/// A Python int; what does not fit in 64 bits is cut to what does.
fn whole(value: &Bound<'_, PyAny>) -> Option<i64> {
    if value.is_instance_of::<PyBool>() {
        return None;
    }
    let value = value.cast::<PyInt>().ok()?;
    let cut = || if value.lt(0).unwrap_or(false) { i64::MIN } else { i64::MAX };
    Some(value.extract().unwrap_or_else(|_| cut()))
}

/// Seconds, over 0.
pub fn interval(what: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let must = "a number of seconds, over 0 and at most 100 years";
    let seconds = float(what, must, value)?;
    let fits = |span: &Duration| !span.is_zero() && *span <= MAX_INTERVAL;
    Duration::try_from_secs_f64(seconds).ok().filter(fits).ok_or_else(|| wrong_value(what, must, value))
}

/// For how long a pause lasts: seconds, 0 or more and at most 100 years.
pub fn pause(value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let must = "a number of seconds, 0 or more and at most 100 years";
    let seconds = float("the seconds of a pause", must, value)?;
    let fits = |span: &Duration| *span <= MAX_INTERVAL;
    let span = Duration::try_from_secs_f64(seconds).ok().filter(fits);
    span.ok_or_else(|| wrong_value("the seconds of a pause", must, value))
}

/// Units to add or to give back: whole. What is more than any limit has is cut to that.
pub fn signed(what: &str, value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let must = "a whole number of units";
    if let Some(units) = whole(value) {
        return Ok(units);
    }
    let units = float(what, must, value)?;
    if units.fract() == 0.0 { Ok(units as i64) } else { Err(wrong_value(what, must, value)) }
}

/// Seconds since the Unix epoch, within 292 years of it.
pub fn wall(what: &str, value: &Bound<'_, PyAny>) -> PyResult<WallNanos> {
    let must = "a number of seconds since 1970, from -9e9 to 9e9";
    let seconds = float(what, must, value)?;
    if seconds.is_nan() || seconds.abs() > 9e9 {
        return Err(wrong_value(what, must, value));
    }
    // Whole seconds and the rest of them apart: a float does not hold both to the nanosecond.
    let whole = seconds.floor();
    Ok(whole as WallNanos * 1_000_000_000 + ((seconds - whole) * 1e9).round() as WallNanos)
}

/// Seconds, 0 or more; `None` and infinity are no timeout.
pub fn timeout(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    let Some(value) = value.filter(|value| !value.is_none()) else { return Ok(None) };
    let must = "a number of seconds, 0 or more, or None";
    let seconds = float("timeout", must, value)?;
    if seconds.is_nan() || seconds < 0.0 {
        return Err(wrong_value("timeout", must, value));
    }
    // What no span holds is as good as no timeout.
    Ok(Duration::try_from_secs_f64(seconds).ok())
}

/// Seconds, 0 or more.
pub fn span(what: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let must = "a number of seconds, 0 or more";
    let seconds = float(what, must, value)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        let must = if seconds > 0.0 { "a number of seconds below 2**64" } else { must };
        wrong_value(what, must, value)
    })
}
