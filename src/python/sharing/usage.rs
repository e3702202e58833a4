//! A shared limit for Python: all of its members together, and each of them.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::Error;
use crate::member::{MemberUsage, SharedUsage};
use crate::wait::Throttler;

/// One process's part of a shared limit.
#[pyclass(name = "ShareMember", module = "sluicegate", frozen, get_all, eq)]
#[derive(Clone, Debug, PartialEq)]
pub struct PyShareMember {
    /// The number of the process on its host.
    pid: u32,
    /// The name of its host.
    host: String,
    /// How it was started.
    command: String,
    /// How many units it has, used or free.
    held: u64,
    /// How many units it used and waited for when it last told.
    demand: u64,
    /// For how many seconds it has been asked for units and has not come: it may be stopped.
    ///
    /// It is ``None`` if it is not asked.
    called_for: Option<f64>,
}

/// How much of a limit all processes use that share it. `Usage.shared` makes it.
#[pyclass(name = "SharedUsage", module = "sluicegate", frozen, get_all, eq)]
#[derive(Clone, Debug, PartialEq)]
pub struct PySharedUsage {
    /// The id of the limit.
    limit_id: String,
    /// Whose budget it is: ``"account:NAME"`` or ``"address:NAME"``.
    scope: String,
    /// How many units fit in a window, for all processes together.
    limit: u64,
    /// How many of them are used or in flight.
    ///
    /// What this process uses is exact. Of the others it is what they used when they last told, and
    /// the few units that they held ready for their next requests.
    used: u64,
    /// How many of them no process has: who needs them takes them.
    free: u64,
    /// The length of the window in seconds.
    time_interval: f64,
    /// The processes that share it.
    members: Vec<PyShareMember>,
}

impl From<MemberUsage> for PyShareMember {
    fn from(MemberUsage { pid, host, command, held, demand, called_for }: MemberUsage) -> Self {
        Self { pid, host, command, held, demand, called_for }
    }
}

impl From<SharedUsage> for PySharedUsage {
    fn from(usage: SharedUsage) -> Self {
        let SharedUsage { id, scope, limit, interval, used, free, members } = usage;
        let members = members.into_iter().map(PyShareMember::from).collect();
        Self { limit_id: id, scope, limit, used, free, time_interval: interval.as_secs_f64(), members }
    }
}

#[pymethods]
impl PyShareMember {
    /// All of these values by name, as a dictionary that ``json.dumps`` can write.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Self { pid, host, command, held, demand, called_for } = self;
        let values = PyDict::new(py);
        values.set_item("pid", pid)?;
        values.set_item("host", host)?;
        values.set_item("command", command)?;
        values.set_item("held", held)?;
        values.set_item("demand", demand)?;
        values.set_item("called_for", called_for)?;
        Ok(values)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Self { pid, held, demand, .. } = self;
        let host = self.host.as_str().into_pyobject(py)?.repr()?;
        let command = self.command.as_str().into_pyobject(py)?.repr()?;
        let called_for = self.called_for.map_or_else(|| "None".to_owned(), |span| span.to_string());
        Ok(format!(
            "ShareMember(pid={pid}, host={host}, command={command}, held={held}, demand={demand}, \
             called_for={called_for})"
        ))
    }
}

#[pymethods]
impl PySharedUsage {
    /// All of these values by name, as a dictionary that ``json.dumps`` can write.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Self { limit_id, scope, limit, used, free, time_interval, members } = self;
        let values = PyDict::new(py);
        values.set_item("limit_id", limit_id)?;
        values.set_item("scope", scope)?;
        values.set_item("limit", limit)?;
        values.set_item("used", used)?;
        values.set_item("free", free)?;
        values.set_item("time_interval", time_interval)?;
        let members: Vec<_> = members.iter().map(|member| member.as_dict(py)).collect::<PyResult<_>>()?;
        values.set_item("members", members)?;
        Ok(values)
    }

    fn __repr__(&self) -> String {
        let Self { limit_id, scope, limit, used, free, members, .. } = self;
        format!(
            "<SharedUsage of {limit_id:?} in {scope}: {used} of {limit} used, {free} free, {} members>",
            members.len()
        )
    }
}

/// The whole of a limit of a throttler, from the store. Other threads run meanwhile.
pub fn shared_usage(py: Python<'_>, throttler: &Throttler, id: &str) -> Result<Option<PySharedUsage>, Error> {
    Ok(py.detach(|| throttler.shared_usage(id))?.map(PySharedUsage::from))
}
