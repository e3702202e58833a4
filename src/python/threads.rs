//! How a Python thread waits: on a lock of the interpreter's own, so that the interpreter is released meanwhile and
//! Ctrl-C still works, without polling.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use parking_lot::Mutex;

use pyo3::exceptions::{PyRuntimeError, PySystemExit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::clock::Nanos;
use crate::wait::{Admission, Deadlock, HeldUnits, Nested, Throttler, Turn, WakeGroup};

use super::asyncio::{Loops, running_loop};
use super::{innermost, seconds, undisturbed};

/// A Python lock that is held while its thread has nothing to wake for.
struct Bell(Py<PyAny>);

impl Bell {
    fn ring(&self, py: Python<'_>) -> PyResult<()> {
        match self.0.call_method0(py, pyo3::intern!(py, "release")) {
            // It rings already: the thread has not been back to look since.
            Err(error) if error.is_instance_of::<PyRuntimeError>(py) => Ok(()),
            rung => rung.map(drop),
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        undisturbed(|py| self.ring(py));
    }
}

/// The threads that wait on a lock, and how the program's end finds them there.
///
/// A daemon thread that comes back from its wait while the interpreter is being torn down is ended by it there and
/// then (before Python 3.14), which Rust does not survive. So when the program ends, those who wait are called out of
/// their locks, leave the queue, and end; and nobody waits any more.
struct Parking {
    bells: Vec<Arc<Bell>>,
    /// The thread that ends the program, which may wait on: its `atexit` callbacks may.
    ended_by: Option<ThreadId>,
}

static PARKING: Mutex<Parking> = Mutex::new(Parking { bells: Vec::new(), ended_by: None });

/// Ends this thread if the program ends: quietly, as `threading` does not report a `SystemExit`.
fn check_end() -> PyResult<()> {
    let ended_by = PARKING.lock().ended_by;
    match ended_by {
        Some(thread) if thread != thread::current().id() => Err(PySystemExit::new_err(())),
        _ => Ok(()),
    }
}

/// One wait on a lock.
struct Parked<'a>(&'a Arc<Bell>);

impl<'a> Parked<'a> {
    fn new(bell: &'a Arc<Bell>) -> Self {
        PARKING.lock().bells.push(bell.clone());
        Self(bell)
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        // The bell is dropped after the lock is released: its last reference may run Python code.
        let _bell = {
            let mut parking = PARKING.lock();
            let at = parking.bells.iter().position(|bell| Arc::ptr_eq(bell, self.0));
            at.map(|at| parking.bells.swap_remove(at))
        };
    }
}

#[pyfunction]
fn call_out_waiting_threads(py: Python<'_>) -> PyResult<()> {
    PARKING.lock().ended_by = Some(thread::current().id());
    // They come at once; but the end of a program waits for nobody for ever.
    for _ in 0..1000 {
        let bells = PARKING.lock().bells.clone();
        if bells.is_empty() {
            return Ok(());
        }
        for bell in bells {
            bell.ring(py)?;
        }
        py.detach(|| thread::sleep(Duration::from_millis(1)));
    }
    Ok(())
}

/// In the child of a fork, no thread waits but in its parent.
pub fn forget_others() {
    let _bells = std::mem::take(&mut PARKING.lock().bells);
}

/// Has the program's end call waiting threads out.
pub fn install(py: Python<'_>) -> PyResult<()> {
    let call_out = wrap_pyfunction!(call_out_waiting_threads, py)?;
    py.import("atexit")?.call_method1("register", (call_out,)).map(drop)
}

/// The longest that a Python lock waits at a time; it is asked again after that.
const LONGEST: f64 = 1e6;

fn new_lock(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static ALLOCATE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    ALLOCATE.import(py, "_thread", "allocate_lock")?.call0()
}

/// Where this thread waits. Signal handlers run in the main thread, whatever it waits for.
fn wake_group(py: Python<'_>) -> PyResult<WakeGroup> {
    static MAIN_THREAD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static GET_IDENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let main = MAIN_THREAD.import(py, "threading", "main_thread")?.call0()?;
    let here = GET_IDENT.import(py, "threading", "get_ident")?.call0()?;
    let is_main = main.getattr(pyo3::intern!(py, "ident"))?.eq(here)?;
    Ok(if is_main { WakeGroup::Thread(thread::current().id()) } else { WakeGroup::Threads })
}

/// Enters, or waits for the turn in this thread.
pub(crate) fn enter(
    py: Python<'_>,
    throttler: &Throttler,
    loops: &Loops,
    mut charge: HeldUnits,
    timeout: Option<Nanos>,
) -> PyResult<HeldUnits> {
    check_end()?;
    let acquire = pyo3::intern!(py, "acquire");
    let group = wake_group(py)?;
    let lock = new_lock(py)?;
    lock.call_method0(acquire)?;
    let bell = Arc::new(Bell(lock.clone().unbind()));
    let waker = Waker::from(bell.clone());
    let id = charge.route.id.clone();
    match throttler.enter(&mut charge, timeout, || Turn::new(group, waker))? {
        Admission::Entered => Ok(charge),
        Admission::Waiting(ticket) => {
            let outer = innermost::enclosing(py)?;
            if let Ok(event_loop) = running_loop(py) {
                // First, as it is not these grants that never end.
                loops.group_of(&event_loop).iter().for_each(|group| throttler.block(group));
                if let Some(deadlock) = throttler.never_passes(ticket.turn(), &outer) {
                    return Err(never_passes(&id, &deadlock));
                }
            }
            let nested = Nested::new(outer, throttler, ticket.turn());
            let charge = throttler.wait(&ticket, |span: Option<Nanos>| {
                let timeout = span.map_or(-1.0, |span| seconds(span).min(LONGEST));
                let _parked = Parked::new(&bell);
                check_end()?;
                lock.call_method1(acquire, (true, timeout))?;
                // A lock that is free at once looks at no signals.
                py.check_signals()?;
                // The place in the queue is left before the program's end goes on.
                check_end().inspect_err(|_| throttler.cancel(ticket.turn()))
            })?;
            if let Some(nested) = nested {
                nested.pass();
            }
            Ok(charge)
        }
    }
}

/// A wait in the thread of an event loop, for units that only this loop could free.
fn never_passes(id: &str, deadlock: &Deadlock) -> PyErr {
    let Deadlock { limit, units, available, by } = deadlock;
    let by = match by.iter().map(|id| format!("{id:?}")).collect::<BTreeSet<_>>() {
        by if by.is_empty() => String::new(),
        by => format!(" (of {})", by.into_iter().collect::<Vec<_>>().join(", ")),
    };
    PyRuntimeError::new_err(format!(
        "`with` for {id:?} would wait for ever: blocks of this event loop{by} hold {units} of the {available} \
         units of {limit:?}, and none of them can end while `with` blocks the loop: use `async with`"
    ))
}
