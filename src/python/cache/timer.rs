//! The timer of a cache: the native clock or a Python callable, and its time held still for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyWeakrefReference};

use crate::python::asyncio::asyncio;
use crate::python::once::intern;

use super::clock::{Tick, monotonic};
use super::time::TimeValue;

/// Who holds the time still: a thread, or one of its asyncio tasks.
#[derive(Debug)]
struct Holder {
    thread: ThreadId,
    /// Weakly: a task may hold an iterator that holds the time.
    task: Option<Py<PyAny>>,
}

impl Holder {
    /// Who runs now. This may run Python code.
    fn here(py: Python<'_>) -> PyResult<Self> {
        let task = current_task(py)?.map(|task| PyWeakrefReference::new(&task)).transpose()?;
        let task = task.map(|task| task.into_any().unbind());
        Ok(Self { thread: thread::current().id(), task })
    }

    /// Tasks have one weak reference each, so comparing those takes no Python.
    fn is(&self, other: &Self) -> bool {
        let same = match (&self.task, &other.task) {
            (Some(task), Some(other)) => task.is(other),
            (None, None) => true,
            _ => false,
        };
        same && self.thread == other.thread
    }
}

/// The asyncio task that runs in this thread, if any.
fn current_task(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let Some(asyncio) = asyncio(py)? else { return Ok(None) };
    let running = asyncio.call_method0(intern!(py, "_get_running_loop"))?;
    if running.is_none() {
        return Ok(None);
    }
    let task = asyncio.call_method1(intern!(py, "current_task"), (running,))?;
    Ok(Some(task).filter(|task| !task.is_none()))
}

/// The stay of a thread or a task in a frozen instant.
#[derive(Debug)]
struct Freeze {
    id: u64,
    holder: Holder,
    depth: usize,
    time: TimeValue,
}

#[derive(Default)]
struct Freezes {
    last_id: u64,
    all: Vec<Freeze>,
}

impl Freezes {
    fn of(&mut self, holder: &Holder) -> Option<&mut Freeze> {
        self.all.iter_mut().find(|freeze| freeze.holder.is(holder))
    }
}

/// The timer of a cache: called, it returns the time; as a context manager, it holds the time still.
///
/// Time is held still for the thread that asks for it, and within asyncio for the task only. Others
/// still see entries expire.
#[pyclass(frozen, module = "sluicegate._core")]
pub struct CacheTimer {
    /// None: the native clock.
    function: Option<Py<PyAny>>,
    /// How many hold the time still; the cache looks at this before it asks for the time.
    frozen: Arc<AtomicUsize>,
    freezes: Mutex<Freezes>,
}

impl CacheTimer {
    /// A timer that counts in `frozen` how many hold it still.
    pub(super) fn counted(
        py: Python<'_>,
        function: Option<Py<PyAny>>,
        frozen: Arc<AtomicUsize>,
    ) -> PyResult<Self> {
        monotonic(py)?;
        Ok(Self { function, frozen, freezes: Mutex::default() })
    }

    pub(super) fn is_native(&self) -> bool {
        self.function.is_none()
    }

    /// The time as this thread or task sees it.
    pub(super) fn read(&self, py: Python<'_>) -> PyResult<TimeValue> {
        if self.frozen.load(Ordering::Relaxed) != 0 {
            let here = Holder::here(py)?;
            if let Some(freeze) = self.freezes.lock().of(&here) {
                return Ok(freeze.time.clone_ref(py));
            }
        }
        match &self.function {
            Some(function) => Ok(TimeValue::new(&function.bind(py).call0()?)),
            None => Ok(TimeValue::Native(Tick::now())),
        }
    }

    /// Holds the time still, until [`Self::release`] is called with the number returned.
    fn hold(&self, py: Python<'_>) -> PyResult<(u64, TimeValue)> {
        let time = self.read(py)?;
        let holder = Holder::here(py)?;
        let mut freezes = self.freezes.lock();
        if let Some(freeze) = freezes.of(&holder) {
            freeze.depth += 1;
            let id = freeze.id;
            drop(freezes);
            return Ok((id, time));
        }
        freezes.last_id += 1;
        let id = freezes.last_id;
        freezes.all.push(Freeze { id, holder, depth: 1, time: time.clone_ref(py) });
        self.frozen.fetch_add(1, Ordering::Relaxed);
        Ok((id, time))
    }

    fn release(&self, id: u64) {
        let mut freezes = self.freezes.lock();
        let Some(place) = freezes.all.iter().position(|freeze| freeze.id == id) else {
            return;
        };
        freezes.all[place].depth -= 1;
        if freezes.all[place].depth == 0 {
            let freeze = freezes.all.swap_remove(place);
            self.frozen.fetch_sub(1, Ordering::Relaxed);
            drop(freezes);
            drop(freeze);
        }
    }
}

/// Holds a timer's time still until it is dropped, in whatever thread that happens.
pub(super) struct Frozen {
    timer: Py<CacheTimer>,
    id: u64,
    pub(super) time: TimeValue,
}

impl Frozen {
    pub(super) fn new(timer: &Bound<'_, CacheTimer>) -> PyResult<Self> {
        let (id, time) = timer.get().hold(timer.py())?;
        Ok(Self { timer: timer.clone().unbind(), id, time })
    }

    pub(super) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.timer)?;
        self.time.visit(visit)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.timer.get().release(self.id);
    }
}

#[pymethods]
impl CacheTimer {
    #[new]
    #[pyo3(signature = (timer=None))]
    pub(super) fn new(py: Python<'_>, timer: Option<Py<PyAny>>) -> PyResult<Self> {
        Self::counted(py, timer, Arc::default())
    }

    fn __call__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.read(py)?.to_object(py)
    }

    fn __enter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.hold(py)?.1.to_object(py)
    }

    #[pyo3(signature = (*_exc))]
    fn __exit__(&self, py: Python<'_>, _exc: &Bound<'_, PyTuple>) -> PyResult<()> {
        let here = Holder::here(py)?;
        let id = self.freezes.lock().of(&here).map(|freeze| freeze.id);
        if let Some(id) = id {
            self.release(id);
            return Ok(());
        }
        Err(PyRuntimeError::new_err(
            "this thread or task does not hold the cache's time: `with cache.timer` \
            must end in the thread, and in the asyncio task, in which it began",
        ))
    }

    fn __getattr__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        match &self.function {
            Some(function) => function.bind(py).getattr(name),
            None => monotonic(py)?.getattr(name),
        }
    }

    pub(super) fn __copy__(&self, py: Python<'_>) -> PyResult<Self> {
        Self::new(py, self.function(py))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyAny>, (Option<Py<PyAny>>,)) {
        (slf.get_type().into_any(), (slf.get().function(slf.py()),))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(function) = &self.function {
            visit.call(function)?;
        }
        Ok(())
    }
}

impl CacheTimer {
    /// The Python callable it was given, if any.
    pub(super) fn function(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.function.as_ref().map(|function| function.clone_ref(py))
    }
}
