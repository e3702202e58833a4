//! Everything that a store says of its budgets, as plain data, for the command line.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::member::{self, ScopeOverview};
use crate::share::{Kind, LimitOverview, MemberOverview, PartOverview};

fn seconds(span: u64) -> f64 {
    std::time::Duration::from_nanos(span).as_secs_f64()
}

/// Returns who holds what of the budgets in a store, without disturbing anybody.
///
/// It is a list with a dictionary for each account and address. All values are such that
/// ``json.dumps`` can write them; spans are in seconds.
///
/// - ``scope``: ``"account:NAME"`` or ``"address:NAME"``
/// - ``learning``: whether the store has lost something, so that nobody gets more for a while
/// - ``members``: dictionaries with ``id``, ``pid``, ``host``, ``command``, ``started`` (seconds
///   since 1970), ``dead`` (whether it has ended without giving back what it held), ``lease``
///   (until it counts as dead; None for a file), ``called_for`` (since it was called and has not
///   come; None if it is not called), ``ticket`` (None, or a dictionary with ``waited`` and
///   ``needs``, units by limit id)
/// - ``limits``: dictionaries with ``limit_id``, ``limit``, ``time_interval``, ``kind``
///   (``"rolling"`` or ``"quota"``), ``resets`` (a text, or None), ``used``, ``free`` (that no
///   member has; below 0 while a lowered limit is paid off), ``coming_free`` (lists of [seconds,
///   units]), ``foreign`` (of these, what others have used), ``kept`` (of ``foreign``, what the
///   exchange does not count now: it is kept for others who may come again), ``locked_up`` (what
///   members held that have died), ``reserved`` (free units that are kept for higher
///   priorities than the lowest; None of an entry that stands for what lower ones may use of
///   another), ``paused`` (seconds) and ``pause_reason``, and ``members``: for each of the members
///   above None, or a dictionary with ``held``, and ``used`` and ``demand`` as it last told
///
/// Args:
///     url: The address of the store.
///
/// Raises:
///     StoreError: The store cannot be read.
#[pyfunction]
pub fn share_overview<'py>(py: Python<'py>, url: &str) -> PyResult<Bound<'py, PyList>> {
    let scopes = py.detach(|| member::overview_of(url))?;
    let all = PyList::empty(py);
    for ScopeOverview { scope: document, overview, dead, reserved } in scopes {
        let scope = PyDict::new(py);
        scope.set_item("scope", document)?;
        scope.set_item("learning", overview.learning)?;
        let members: Vec<_> = (overview.members.iter().zip(dead))
            .map(|(member, dead)| member_of(py, member, dead))
            .collect::<PyResult<_>>()?;
        scope.set_item("members", members)?;
        let limits: Vec<_> = (overview.limits.iter().zip(reserved))
            .map(|(limit, reserved)| limit_of(py, limit, reserved))
            .collect::<PyResult<_>>()?;
        scope.set_item("limits", limits)?;
        all.append(scope)?;
    }
    Ok(all)
}

/// Returns how often this process asked its stores, and the seconds of waiting and of asking.
#[pyfunction]
pub fn share_visits() -> (u64, f64, f64) {
    let (count, waited, took) = member::visits();
    (count, seconds(waited), seconds(took))
}

fn member_of<'py>(py: Python<'py>, member: &MemberOverview, dead: bool) -> PyResult<Bound<'py, PyDict>> {
    let values = PyDict::new(py);
    values.set_item("id", format!("{:016x}", member.id.0))?;
    values.set_item("pid", member.about.pid)?;
    values.set_item("host", &member.about.host)?;
    values.set_item("command", &member.about.command)?;
    values.set_item("started", member.about.started as f64 / 1e9)?;
    values.set_item("dead", dead)?;
    values.set_item("lease", member.lease.map(seconds))?;
    values.set_item("called_for", member.called_for.map(seconds))?;
    let ticket = member.ticket.as_ref().map(|(waited, needs)| {
        let ticket = PyDict::new(py);
        ticket.set_item("waited", seconds(*waited))?;
        let by_id = PyDict::new(py);
        needs.iter().try_for_each(|(id, units)| by_id.set_item(id, units))?;
        ticket.set_item("needs", by_id)?;
        PyResult::Ok(ticket)
    });
    values.set_item("ticket", ticket.transpose()?)?;
    Ok(values)
}

fn limit_of<'py>(
    py: Python<'py>,
    limit: &LimitOverview,
    reserved: Option<u64>,
) -> PyResult<Bound<'py, PyDict>> {
    let values = PyDict::new(py);
    values.set_item("limit_id", &limit.id)?;
    values.set_item("limit", limit.limit)?;
    values.set_item("time_interval", seconds(limit.interval))?;
    let (kind, resets) = match &limit.kind {
        Kind::Rolling => ("rolling", None),
        Kind::Quota(text) => ("quota", Some(text)),
    };
    values.set_item("kind", kind)?;
    values.set_item("resets", resets)?;
    values.set_item("used", limit.used())?;
    values.set_item("free", limit.pool)?;
    let coming: Vec<_> = limit.quarantine.iter().map(|&(after, units)| (seconds(after), units)).collect();
    values.set_item("coming_free", coming)?;
    values.set_item("foreign", limit.foreign)?;
    values.set_item("kept", limit.kept)?;
    values.set_item("locked_up", limit.locked_up)?;
    values.set_item("reserved", reserved)?;
    let (paused, reason) = limit.pause.as_ref().map_or((0, ""), |(left, reason)| (*left, reason));
    values.set_item("paused", seconds(paused))?;
    values.set_item("pause_reason", reason)?;
    let part = |part: &Option<PartOverview>| {
        let Some(PartOverview { held, used, demand }) = part else { return Ok(None) };
        let values = PyDict::new(py);
        values.set_item("held", held)?;
        values.set_item("used", used)?;
        values.set_item("demand", demand)?;
        PyResult::Ok(Some(values))
    };
    let members: Vec<_> = limit.members.iter().map(part).collect::<PyResult<_>>()?;
    values.set_item("members", members)?;
    Ok(values)
}
