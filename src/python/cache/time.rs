//! Instants and durations as caches have them: of the native clock, numbers, or any Python object that can be added and
//! compared.

use std::time::Duration;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};

use crate::cache::Number;

use super::clock::{Tick, seconds};
use super::number::number_to_object;

/// An instant or a duration, as a timer and a TTL give them.
#[derive(Debug)]
pub(super) enum TimeValue {
    /// An instant of the native clock. Never made a number unless Python asks for one: two
    /// of them compare much faster.
    Native(Tick),
    Number(Number),
    /// Anything else that can be added and compared, such as a `datetime`.
    Object(Py<PyAny>),
}

impl TimeValue {
    /// When the entries of a cache without a clock expire.
    pub(super) const NEVER: Self = Self::Number(Number::Float(f64::INFINITY));
    /// What time it always is in a cache without a clock.
    pub(super) const ZERO: Self = Self::Number(Number::Float(0.0));

    pub(super) fn new(object: &Bound<'_, PyAny>) -> Self {
        if let Ok(seconds) = object.cast_exact::<PyFloat>() {
            return Self::Number(Number::Float(seconds.value()));
        }
        if object.is_exact_instance_of::<PyInt>()
            && let Ok(whole) = object.extract::<i64>()
        {
            return Self::Number(Number::Int(whole));
        }
        Self::Object(object.clone().unbind())
    }

    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Native(instant) => Self::Native(*instant),
            Self::Number(number) => Self::Number(*number),
            Self::Object(object) => Self::Object(object.clone_ref(py)),
        }
    }

    /// The number that this is, if that takes no Python.
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Self::Native(instant) => Some(Number::Float(seconds(*instant))),
            Self::Number(number) => Some(*number),
            Self::Object(_) => None,
        }
    }

    /// Whether this is before `other`, if that takes no Python.
    #[inline(always)]
    pub(super) fn before(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Native(a), Self::Native(b)) => Some(a < b),
            (Self::Number(a), Self::Number(b)) => Some(a.before(*b)),
            _ => self.before_slowly(other),
        }
    }

    /// The instant `ttl` later, if that takes no Python; `span` is the TTL for the native
    /// clock.
    #[inline(always)]
    pub(super) fn after(&self, ttl: &Self, span: Option<Duration>) -> Option<Self> {
        match (self, ttl) {
            (Self::Native(now), _) => now.checked_add(span?).map(Self::Native),
            (Self::Number(now), Self::Number(ttl)) => Some(Self::Number(now.plus(*ttl))),
            _ => None,
        }
    }

    #[cold]
    fn before_slowly(&self, other: &Self) -> Option<bool> {
        Some(self.number()?.before(other.number()?))
    }

    /// Whether they are the same object or, so to speak, the same number written the same way.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Object(a), Self::Object(b)) => a.is(b),
            (Self::Native(a), Self::Native(b)) => a == b,
            (Self::Number(Number::Int(a)), Self::Number(Number::Int(b))) => a == b,
            (Self::Number(Number::Float(a)), Self::Number(Number::Float(b))) => a.to_bits() == b.to_bits(),
            _ => false,
        }
    }

    pub(super) fn to_object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Native(instant) => PyFloat::new(py, seconds(*instant)).into_any(),
            Self::Number(number) => number_to_object(*number, py),
            Self::Object(object) => object.bind(py).clone(),
        })
    }

    /// The sum, by Python's rules.
    pub(super) fn plus(&self, other: &Self, py: Python<'_>) -> PyResult<Self> {
        if let (Some(a), Some(b)) = (self.number(), other.number()) {
            return Ok(Self::Number(a.plus(b)));
        }
        Ok(Self::new(&self.to_object(py)?.add(other.to_object(py)?)?))
    }

    pub(super) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Native(_) | Self::Number(_) => Ok(()),
            Self::Object(object) => visit.call(object),
        }
    }
}
