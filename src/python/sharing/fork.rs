//! `os.fork` while a budget is shared: the child is a new member with nothing in hand.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::member;

#[pyfunction]
fn before_fork(py: Python<'_>) {
    // Who must get out of a gate may have to wake a waiter, and needs the interpreter for it.
    member::before_fork(|wait| py.detach(wait));
}

#[pyfunction]
fn after_fork_in_parent() {
    member::after_fork_in_parent();
}

#[pyfunction]
fn after_fork_in_child(py: Python<'_>) -> PyResult<()> {
    member::after_fork_in_child();
    super::at_exit::watch_multiprocessing(py)
}

/// The hooks run in the child in the order in which they were registered: those of the gates come first.
pub fn install(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    // Windows has no fork.
    let Some(register) = os.getattr_opt("register_at_fork")? else { return Ok(()) };
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(before_fork, py)?)?;
    hooks.set_item("after_in_parent", wrap_pyfunction!(after_fork_in_parent, py)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(after_fork_in_child, py)?)?;
    register.call((), Some(&hooks)).map(drop)
}
