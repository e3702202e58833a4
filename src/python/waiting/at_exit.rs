//! The end of the program: threads that wait are called out of their locks before the interpreter is torn down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use super::lock_waker::LockWaker;

/// The threads that wait on a lock, and how the program's end finds them there.
///
/// A daemon thread that comes back from its wait while the interpreter is being torn down is ended by it there and
/// then (before Python 3.14), which Rust does not survive. So when the program ends, the waiting threads are called
/// out of their locks, leave the queue, and end; and no thread waits any more.
struct Parking {
    wakers: Vec<Arc<LockWaker>>,
    /// The thread that ends the program, which may wait on: its `atexit` callbacks may.
    ended_by: Option<ThreadId>,
}

static PARKING: Mutex<Parking> = Mutex::new(Parking { wakers: Vec::new(), ended_by: None });

/// Ends this thread if the program ends: quietly, as `threading` does not report a `SystemExit`.
pub fn check_end() -> PyResult<()> {
    let ended_by = PARKING.lock().ended_by;
    match ended_by {
        Some(thread) if thread != thread::current().id() => Err(PySystemExit::new_err(())),
        _ => Ok(()),
    }
}

/// How many callbacks of programs run, or are about to look whether they may.
static CALLBACKS: AtomicUsize = AtomicUsize::new(0);

/// Runs `f`, which calls what a program wants to be called, unless the program ends: as a daemon thread that waits, one in a
/// callback would not survive that.
pub fn unless_ended(f: impl FnOnce()) {
    struct Done;
    impl Drop for Done {
        fn drop(&mut self) {
            // In the child of a fork, it may have been forgotten meanwhile.
            let less = |count: usize| count.checked_sub(1);
            let _ = CALLBACKS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        }
    }
    CALLBACKS.fetch_add(1, Ordering::SeqCst);
    let _done = Done;
    if check_end().is_ok() {
        f();
    }
}

/// One wait on a lock.
pub(super) struct Parked<'a>(&'a Arc<LockWaker>);

impl<'a> Parked<'a> {
    pub(super) fn new(waker: &'a Arc<LockWaker>) -> Self {
        PARKING.lock().wakers.push(waker.clone());
        Self(waker)
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        // The waker is dropped after the lock is released: its last reference may run Python code.
        let _waker = {
            let mut parking = PARKING.lock();
            let at = parking.wakers.iter().position(|waker| Arc::ptr_eq(waker, self.0));
            at.map(|at| parking.wakers.swap_remove(at))
        };
    }
}

#[pyfunction]
fn call_out_waiting_threads(py: Python<'_>) -> PyResult<()> {
    PARKING.lock().ended_by = Some(thread::current().id());
    // They come at once; but the end of a program waits for no thread for ever.
    for _ in 0..1000 {
        let wakers = PARKING.lock().wakers.clone();
        if wakers.is_empty() && CALLBACKS.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        for waker in wakers {
            waker.release(py)?;
        }
        py.detach(|| thread::sleep(Duration::from_millis(1)));
    }
    Ok(())
}

/// In the child of a fork, no thread waits but in its parent.
pub(super) fn forget_others() {
    let _wakers = std::mem::take(&mut PARKING.lock().wakers);
    CALLBACKS.store(0, Ordering::SeqCst);
}

/// Has the program's end call waiting threads out.
pub fn install(py: Python<'_>) -> PyResult<()> {
    let call_out = wrap_pyfunction!(call_out_waiting_threads, py)?;
    py.import("atexit")?.call_method1("register", (call_out,)).map(drop)
}
