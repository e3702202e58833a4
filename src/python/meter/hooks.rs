//! When the socket is offered, and when it goes: from the first throttler on, and not over a fork or the program's end.

use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::folder;
use super::server::Server;

/// What switches the meter off when it is `0`.
const VARIABLE: &str = "SLUICEGATE_METER";

enum State {
    /// No throttler was made yet.
    Unasked,
    Offered(Server),
    /// It is switched off, there is no private folder with room for a socket, or the program ends.
    Off,
}

/// Locked only by a thread that has the interpreter, and never while that is given up: a fork copies it free.
static STATE: Mutex<State> = Mutex::new(State::Unasked);

/// How many threads are about to fork. A socket that was offered meanwhile would be copied without its thread.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// Offers the socket, if that has not been done yet. Where it cannot be done, nobody sees this process, and that is all.
pub(super) fn offer() {
    let mut state = STATE.lock();
    if !matches!(*state, State::Unasked) || FORKING.load(Ordering::SeqCst) > 0 {
        return;
    }
    *state = State::Off;
    if env::var_os(VARIABLE).is_some_and(|value| value == "0") {
        return;
    }
    for folder in folder::private() {
        folder::tidy(&folder);
        if let Ok(server) = Server::begin(&folder) {
            *state = State::Offered(server);
            return;
        }
    }
}

/// Ends the thread, if it runs, and is in this state then.
fn end(py: Python<'_>, next: impl FnOnce(&State) -> State) {
    let before = {
        let mut state = STATE.lock();
        let next = next(&state);
        std::mem::replace(&mut *state, next)
    };
    if let State::Offered(server) = before {
        py.detach(|| server.end());
    }
}

#[pyfunction]
fn end_meter(py: Python<'_>) {
    end(py, |_| State::Off);
}

#[pyfunction]
fn end_meter_before_fork(py: Python<'_>) {
    FORKING.fetch_add(1, Ordering::SeqCst);
    end(py, |state| if matches!(state, State::Off) { State::Off } else { State::Unasked });
}

/// Offers it again, if there was ever a throttler.
fn offer_again() {
    if crate::python::waiting::fork::has_any() {
        offer();
    }
}

#[pyfunction]
fn offer_meter_in_parent() {
    FORKING.fetch_sub(1, Ordering::SeqCst);
    offer_again();
}

#[pyfunction]
fn offer_meter_in_child() {
    FORKING.store(0, Ordering::SeqCst);
    offer_again();
}

/// Has the meter look after forks and the program's end.
pub fn install(py: Python<'_>) -> PyResult<()> {
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(end_meter, py)?,))?;
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(end_meter_before_fork, py)?)?;
    hooks.set_item("after_in_parent", wrap_pyfunction!(offer_meter_in_parent, py)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(offer_meter_in_child, py)?)?;
    py.import("os")?.getattr("register_at_fork")?.call((), Some(&hooks)).map(drop)
}
