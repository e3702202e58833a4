//! A table of limits from Python objects, read by their attributes: Hummingbot's own `RateLimit` fits as well as ours.

use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeWarning, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::clock::nanos;
use crate::error::closest;
use crate::limit::{Kind, Link, Period, RateLimit, Resets, Scope, Zone};

use super::period;
use crate::python::numbers;

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
    let units = attribute(row, ROW, "limit")?;
    let kind = kind_of(row, &of("kind"))?;
    let zone = row.getattr_opt("timezone")?.filter(|zone| !zone.is_none());
    if let Some(zone) = zone.as_ref().filter(|_| !matches!(kind, Kind::Quota(_))) {
        let zone = numbers::shown(zone);
        return Err(PyValueError::new_err(format!(
            "{} must be None for a limit that is no quota, and has no boundaries in any time zone, not {zone}; \
             did you mean kind=\"quota\"?",
            of("timezone")
        )));
    }
    let mut limit = if units.is_none() {
        if kind != Kind::Rolling {
            let must = format!(
                "a number of units for kind={:?}; without a limit there is nothing to count",
                name_of(kind)
            );
            return Err(numbers::wrong_value(&of("limit"), &must, &units));
        }
        RateLimit::route(id.clone())
    } else {
        let units = numbers::limit(&of("limit"), &units)?;
        read_counted(row, &of("time_interval"), RateLimit::new(id.clone(), units, Duration::ZERO).kind(kind))?
    };
    if let (Kind::Quota(resets), Some(zone)) = (&mut limit.kind, zone) {
        resets.zone = period::zone(&of("timezone"), &zone)?;
    }
    limit.scope = scope_of(row, &of("scope"))?;
    if let Some(reserve) = row.getattr_opt("reserve")?.filter(|reserve| !reserve.is_none()) {
        limit.reserve = read_reserve(&of("reserve"), &reserve)?;
    }
    if let Some(priority) = row.getattr_opt("priority")? {
        limit.priority = numbers::priority(&of("priority"), &priority)?;
    }
    if let Some(weight) = row.getattr_opt("weight")? {
        let units = numbers::units(&of("weight"), 0, &weight)?;
        if limit.kind != Kind::Route {
            limit.weight = units;
        } else if units > 1 {
            let must = "0 or 1 where limit=None: the weights of linked_limits say what a request takes";
            return Err(numbers::wrong_value(&of("weight"), must, &weight));
        }
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

/// Units by priority.
fn read_reserve(what: &str, reserve: &Bound<'_, PyAny>) -> PyResult<BTreeMap<i16, u64>> {
    let must = "a dict of units by priority, as in {1: 600}, or None";
    let dict = reserve.cast::<PyDict>().map_err(|_| numbers::wrong_type(what, must, reserve))?;
    let entry = |(priority, units): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let priority = numbers::priority(&format!("a priority in {what}"), &priority)?;
        Ok((priority, numbers::units(&format!("{what} for priority {priority}"), 1, &units)?))
    };
    // A list of them, as a number may be an object whose code changes the dictionary.
    dict.items().iter().map(|pair| entry(pair.extract()?)).collect()
}

/// A limit that counts something, with the interval in which it does.
fn read_counted(row: &Bound<'_, PyAny>, what: &str, limit: RateLimit) -> PyResult<RateLimit> {
    let interval = attribute(row, ROW, "time_interval")?;
    if limit.kind == Kind::Concurrent {
        let is_none = interval.is_none() || interval.extract::<f64>().is_ok_and(|seconds| seconds == 0.0);
        let must = "None for kind=\"concurrent\", which counts what is in flight";
        return if is_none { Ok(limit) } else { Err(numbers::wrong_value(what, must, &interval)) };
    }
    let text = interval.cast::<PyString>().ok();
    let period = match (text, limit.kind) {
        (Some(text), Kind::Quota(_)) => Period::parse(&text.to_cow()?)?,
        (Some(text), _) => Period::Span(Period::parse_span(&text.to_cow()?)?),
        (None, _) => Period::Span(nanos(numbers::interval(what, &interval)?)),
    };
    let kind = match limit.kind {
        Kind::Quota(resets) => Kind::Quota(Resets { period, ..resets }),
        kind => kind,
    };
    Ok(RateLimit { interval: Duration::from_nanos(period.nanos()), kind, ..limit })
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

/// A quota as far as its kind alone says it.
const QUOTA: Kind = Kind::Quota(Resets { period: Period::Daily(0), zone: Zone::Machine });

/// What Python calls them.
const KINDS: [(&str, Kind); 6] = [
    ("rolling", Kind::Rolling),
    ("quota", QUOTA),
    ("bucket", Kind::Bucket),
    ("concurrent", Kind::Concurrent),
    ("fixed", Kind::Fixed),
    ("first", Kind::First),
];

fn name_of(kind: Kind) -> &'static str {
    let same = |&&(_, other): &&(&str, Kind)| std::mem::discriminant(&other) == std::mem::discriminant(&kind);
    KINDS.iter().find(same).map_or("", |&(name, _)| name)
}

/// Rolling, unless the limit says otherwise: Hummingbot's say nothing.
fn kind_of(row: &Bound<'_, PyAny>, what: &str) -> PyResult<Kind> {
    let Some(named) = row.getattr_opt("kind")? else { return Ok(Kind::Rolling) };
    let name = named.extract::<String>().ok();
    if let Some(&(_, kind)) = KINDS.iter().find(|&&(known, _)| name.as_deref() == Some(known)) {
        return Ok(kind);
    }
    let known: Vec<String> = KINDS.iter().map(|(name, _)| format!("'{name}'")).collect();
    let must = format!("one of {}", known.join(", "));
    let error = numbers::wrong_value(what, &must, &named);
    match name.and_then(|name| closest(&name, KINDS.iter().map(|&(known, _)| known))) {
        Some(close) => {
            Err(PyValueError::new_err(format!("{}; did you mean '{close}'?", error.value(row.py()))))
        }
        None => Err(error),
    }
}

/// That of an account, unless the limit says otherwise: Hummingbot's say nothing.
fn scope_of(row: &Bound<'_, PyAny>, what: &str) -> PyResult<Scope> {
    row.getattr_opt("scope")?.map_or(Ok(Scope::Account), |scope| scope_named(&scope, what))
}

pub fn scope_named(scope: &Bound<'_, PyAny>, what: &str) -> PyResult<Scope> {
    match scope.extract::<String>().as_deref() {
        Ok("account") => Ok(Scope::Account),
        Ok("address") => Ok(Scope::Address),
        _ => Err(numbers::wrong_value(what, "'account' or 'address'", scope)),
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
        if limit.kind == Kind::Route {
            kwargs.set_item("limit", py.None())?;
        } else {
            kwargs.set_item("limit", limit.limit)?;
            kwargs.set_item("weight", limit.weight)?;
        }
        match limit.kind {
            Kind::Concurrent | Kind::Route => {}
            Kind::Quota(Resets { period: period @ Period::Daily(_), .. }) => {
                kwargs.set_item("time_interval", period.to_string())?;
            }
            _ => kwargs.set_item("time_interval", limit.interval.as_secs_f64())?,
        }
        if !matches!(limit.kind, Kind::Rolling | Kind::Route) {
            kwargs.set_item("kind", name_of(limit.kind))?;
        }
        if let Kind::Quota(Resets { zone: Zone::Named(zone), .. }) = limit.kind {
            kwargs.set_item("timezone", zone.name())?;
        }
        let scope = match limit.scope {
            Scope::Account => "account",
            Scope::Address => "address",
        };
        kwargs.set_item("scope", scope)?;
        kwargs.set_item("priority", limit.priority)?;
        if !limit.reserve.is_empty() {
            kwargs.set_item("reserve", limit.reserve.clone())?;
        }
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
