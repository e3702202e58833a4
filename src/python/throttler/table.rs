//! A table of limits from Python objects, read by their attributes: Hummingbot's own `RateLimit` fits as well as ours.

use std::collections::HashMap;
use std::ffi::CString;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeWarning, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::clock::nanos;
use crate::limit::{Link, Period, RateLimit, Resets, Scope, Zone};

use super::{numbers, period};

/// How a throttler is made.
pub const EXAMPLE: &str = "write Throttler([RateLimit(\"/depth\", limit=20, time_interval=1)])";

/// Reads a table. Any iterable of limits will do.
pub fn read(limits: &Bound<'_, PyAny>) -> PyResult<Vec<RateLimit>> {
    let rows = limits.try_iter().map_err(|_| {
        PyTypeError::new_err(format!(
            "rate_limits must be a list of RateLimit, not {}: {EXAMPLE}",
            numbers::shown(limits)
        ))
    })?;
    rows.map(|row| read_limit(&row?)).collect()
}

/// Refuses or warns of what no exchange publishes and a slip of the pen makes.
pub fn check_for_slips(py: Python<'_>, table: &[RateLimit]) -> PyResult<()> {
    let mut seen: HashMap<&str, &RateLimit> = HashMap::new();
    for limit in table {
        let id = limit.id.as_str();
        if limit.links.iter().any(|link| link.id == id) {
            return Err(PyValueError::new_err(format!(
                "limit {id:?} is linked to itself: leave the link out, and give the limit the weight of both"
            )));
        }
        if seen.insert(id, limit).is_some_and(|before| before != limit) {
            let message =
                format!("the table has two different limits with the id {id:?}: the last one counts");
            PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &CString::new(message)?, 1)?;
        }
    }
    Ok(())
}

/// Checks one limit of a table: its types, and the range of its values.
///
/// Args:
///     rate_limit: An object with the attributes of `RateLimit`.
///
/// Raises:
///     ValueError: A value is out of range. The message shows it and says what would be right.
///     TypeError: A value has the wrong type.
#[pyfunction]
pub fn check_rate_limit(rate_limit: &Bound<'_, PyAny>) -> PyResult<()> {
    read_limit(rate_limit).map(drop)
}

/// Checks one `LinkedLimitWeightPair`.
///
/// Args:
///     link: An object with the attributes ``limit_id`` and ``weight``.
///
/// Raises:
///     ValueError: The weight is out of range.
///     TypeError: A value has the wrong type.
#[pyfunction]
pub fn check_link(link: &Bound<'_, PyAny>) -> PyResult<()> {
    read_link(link, "a link", "the link").map(drop)
}

fn read_limit(row: &Bound<'_, PyAny>) -> PyResult<RateLimit> {
    let id = id_of(row, ROW, "limit_id")?;
    let of = |name: &str| format!("{name} of {id:?}");
    let units = numbers::limit(&of("limit"), &attribute(row, ROW, "limit")?)?;
    let interval = attribute(row, ROW, "time_interval")?;
    let zone = row.getattr_opt("timezone")?.filter(|zone| !zone.is_none());
    let mut limit = match kind_of(row, &of("kind"))? {
        LimitKind::Rolling if zone.is_some() => {
            let zone = numbers::shown(&zone.expect("it is there"));
            return Err(PyValueError::new_err(format!(
                "{} must be None for a rolling window, which has no boundaries in any time zone, not {zone}; \
                 did you mean kind=\"quota\"?",
                of("timezone")
            )));
        }
        LimitKind::Rolling => {
            let span = match interval.cast::<PyString>() {
                Ok(text) => Duration::from_nanos(Period::parse_span(&text.to_cow()?)?),
                Err(_) => numbers::interval(&of("time_interval"), &interval)?,
            };
            RateLimit::new(id.clone(), units, span)
        }
        LimitKind::Quota => {
            let period = match interval.cast::<PyString>() {
                Ok(text) => Period::parse(&text.to_cow()?)?,
                Err(_) => Period::Span(nanos(numbers::interval(&of("time_interval"), &interval)?)),
            };
            let zone = zone.map_or(Ok(Zone::Machine), |zone| period::zone(&of("timezone"), &zone))?;
            RateLimit::quota(id.clone(), units, Resets { period, zone })
        }
    };
    limit.scope = scope_of(row, &of("scope"))?;
    if let Some(weight) = row.getattr_opt("weight")? {
        limit.weight = numbers::units(&of("weight"), 0, &weight)?;
    }
    let Some(links) = row.getattr_opt("linked_limits")?.filter(|links| !links.is_none()) else {
        return Ok(limit);
    };
    let links = links.try_iter().map_err(|_| {
        let links = numbers::shown(&links);
        PyTypeError::new_err(format!(
            "linked_limits of {id:?} must be a list of LinkedLimitWeightPair or None, not {links}"
        ))
    })?;
    for link in links {
        limit.links.push(read_link(&link?, &format!("a link of {id:?}"), &format!("the link from {id:?}"))?);
    }
    Ok(limit)
}

fn read_link(link: &Bound<'_, PyAny>, a_link: &str, the_link: &str) -> PyResult<Link> {
    let id = id_of(link, a_link, "limit_id")?;
    let weight = match link.getattr_opt("weight")? {
        Some(weight) => numbers::units(&format!("weight of {the_link} to {id:?}"), 0, &weight)?,
        None => 1,
    };
    Ok(Link { id, weight })
}

/// What errors call one limit of a table.
const ROW: &str = "a rate limit";

enum LimitKind {
    Rolling,
    Quota,
}

/// Rolling, unless the limit says otherwise: Hummingbot's say nothing.
fn kind_of(row: &Bound<'_, PyAny>, what: &str) -> PyResult<LimitKind> {
    let Some(kind) = row.getattr_opt("kind")? else { return Ok(LimitKind::Rolling) };
    match kind.extract::<String>().as_deref() {
        Ok("rolling") => Ok(LimitKind::Rolling),
        Ok("quota") => Ok(LimitKind::Quota),
        _ => Err(numbers::wrong_value(what, "'rolling' or 'quota'", &kind)),
    }
}

/// That of an account, unless the limit says otherwise: Hummingbot's say nothing.
fn scope_of(row: &Bound<'_, PyAny>, what: &str) -> PyResult<Scope> {
    let Some(scope) = row.getattr_opt("scope")? else { return Ok(Scope::Account) };
    match scope.extract::<String>().as_deref() {
        Ok("account") => Ok(Scope::Account),
        Ok("address") => Ok(Scope::Address),
        _ => Err(numbers::wrong_value(what, "'account' or 'address'", &scope)),
    }
}

fn attribute<'py>(row: &Bound<'py, PyAny>, what: &str, name: &str) -> PyResult<Bound<'py, PyAny>> {
    row.getattr_opt(name)?.ok_or_else(|| {
        let write = if what == ROW {
            "RateLimit(\"/depth\", limit=20, time_interval=1)"
        } else {
            "LinkedLimitWeightPair(\"POOL\", weight=1)"
        };
        let row = numbers::shown(row);
        PyTypeError::new_err(format!(
            "{what} must have the attribute {name}, but {row} has not: write {write}"
        ))
    })
}

fn id_of(row: &Bound<'_, PyAny>, what: &str, name: &str) -> PyResult<String> {
    let id = attribute(row, what, name)?;
    id.extract().map_err(|_| {
        PyTypeError::new_err(format!("the {name} of {what} must be a str, not {}", numbers::shown(&id)))
    })
}

/// The table as `sluicegate.RateLimit` objects.
pub fn write<'py>(py: Python<'py>, table: &[RateLimit]) -> PyResult<Bound<'py, PyList>> {
    let module = py.import("sluicegate.limits")?;
    let (limit_class, link_class) = (module.getattr("RateLimit")?, module.getattr("LinkedLimitWeightPair")?);
    let rows = PyList::empty(py);
    for limit in table {
        let kwargs = PyDict::new(py);
        kwargs.set_item("limit_id", &limit.id)?;
        kwargs.set_item("limit", limit.limit)?;
        match limit.resets {
            None => kwargs.set_item("time_interval", limit.interval.as_secs_f64())?,
            Some(Resets { period, zone }) => {
                kwargs.set_item("kind", "quota")?;
                match period {
                    Period::Span(_) => kwargs.set_item("time_interval", limit.interval.as_secs_f64())?,
                    Period::Daily(_) => kwargs.set_item("time_interval", period.to_string())?,
                }
                if let Zone::Named(zone) = zone {
                    kwargs.set_item("timezone", zone.name())?;
                }
            }
        }
        kwargs.set_item("weight", limit.weight)?;
        let scope = match limit.scope {
            Scope::Account => "account",
            Scope::Address => "address",
        };
        kwargs.set_item("scope", scope)?;
        let links: Vec<_> = limit
            .links
            .iter()
            .map(|link| link_class.call1((&link.id, link.weight)))
            .collect::<PyResult<_>>()?;
        kwargs.set_item("linked_limits", links)?;
        rows.append(limit_class.call((), Some(&kwargs))?)?;
    }
    Ok(rows)
}
