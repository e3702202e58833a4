//! Python's numbers as the map's, and back.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};

use crate::cache::Number;

pub(super) fn number(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Number> {
    if let Ok(whole) = object.extract::<i64>() {
        return Ok(Number::Int(whole));
    }
    object.extract::<f64>().map(Number::Float).map_err(|_| {
        let kind = object.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("{what} must be a number, not {kind}"))
    })
}

pub(super) fn number_to_object(number: Number, py: Python<'_>) -> Bound<'_, PyAny> {
    match number {
        Number::Int(whole) => PyInt::new(py, whole).into_any(),
        Number::Float(fraction) => PyFloat::new(py, fraction).into_any(),
    }
}
