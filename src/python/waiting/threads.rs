//! How a Python thread waits: on a lock of the interpreter's own, so that the interpreter is released meanwhile and
//! Ctrl-C still works, without polling.

use std::collections::BTreeSet;
use std::task::Waker;
use std::thread;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::clock::Nanos;
use crate::python::once::{Once, intern};
use crate::wait::{Admission, Deadlock, HeldUnits, Nested, Throttler, Turn, WakeGroup};

use super::at_exit::{Parked, check_end};
use super::event_loop::running_loop;
use super::innermost;
use super::lock_waker::LockWaker;
use super::loops::Loops;

/// Where this thread waits. Signal handlers run in the main thread, whatever it waits for.
fn wake_group(py: Python<'_>) -> PyResult<WakeGroup> {
    static MAIN_THREAD: Once<Py<PyAny>> = Once::new();
    static GET_IDENT: Once<Py<PyAny>> = Once::new();
    let main = MAIN_THREAD.import(py, "threading", "main_thread")?.call0()?;
    let here = GET_IDENT.import(py, "threading", "get_ident")?.call0()?;
    let is_main = main.getattr(intern!(py, "ident"))?.eq(here)?;
    Ok(if is_main { WakeGroup::Thread(thread::current().id()) } else { WakeGroup::Threads })
}

/// Enters, or waits for the turn in this thread.
pub(crate) fn enter(
    py: Python<'_>,
    throttler: &Throttler,
    loops: &Loops,
    mut held: HeldUnits,
    timeout: Option<Nanos>,
) -> PyResult<HeldUnits> {
    check_end()?;
    let group = wake_group(py)?;
    let lock = LockWaker::new(py)?;
    let waker = Waker::from(lock.clone());
    let id = held.route.id.clone();
    match throttler.enter(&mut held, timeout, || Turn::new(group, waker))? {
        Admission::Entered => Ok(held),
        Admission::Waiting(ticket) => {
            let outer = innermost::enclosing(py)?;
            if let Ok(event_loop) = running_loop(py) {
                // First, as it is not these grants that never end.
                loops.group_of(&event_loop).iter().for_each(|group| throttler.block(group));
                if let Some(held) = throttler.never_passes(ticket.turn(), &outer) {
                    return Err(never_passes(&id, &held));
                }
            }
            let nested = Nested::new(outer, throttler, ticket.turn());
            let held = throttler.wait(&ticket, |span: Option<Nanos>| {
                let _parked = Parked::new(&lock);
                check_end()?;
                lock.wait(py, span)?;
                // A lock that is free at once looks at no signals.
                py.check_signals()?;
                // The place in the queue is left before the program's end goes on.
                check_end().inspect_err(|_| throttler.cancel(ticket.turn()))
            })?;
            if let Some(nested) = nested {
                nested.pass();
            }
            Ok(held)
        }
    }
}

/// A wait in the thread of an event loop, for units that only this loop could free.
fn never_passes(id: &str, held: &Deadlock) -> PyErr {
    let Deadlock { limit, units, available, by } = held;
    let by = match by.iter().map(|id| format!("{id:?}")).collect::<BTreeSet<_>>() {
        by if by.is_empty() => String::new(),
        by => format!(" (of {})", by.into_iter().collect::<Vec<_>>().join(", ")),
    };
    PyRuntimeError::new_err(format!(
        "`with` for {id:?} would wait for ever: blocks of this event loop{by} hold {units} of the {available} \
         units of {limit:?}, and none of them can end while `with` blocks the loop: use `async with`"
    ))
}
