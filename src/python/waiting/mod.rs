//! How Python waits for its turn: on a future of an event loop, or on a lock of a thread.
//!
//! Begin with `future.rs` for asyncio and with `threads.rs` for threads. The throttler's classes use what is here, and
//! nothing here knows them: what waits in an event loop is a [`future::LoopWaiter`].

pub mod at_exit;
mod event_loop;
pub mod fork;
pub mod future;
mod future_waker;
pub mod innermost;
mod lock_waker;
mod loops;
pub mod ready;
pub mod threads;
pub mod undisturbed;

pub use self::loops::Loops;

use pyo3::prelude::*;

/// Installs what forks and the end of the program need. What a wait imports is imported now: an import that is under way
/// when a process forks never ends in the child.
pub fn install(py: Python<'_>) -> PyResult<()> {
    for module in ["contextvars", "threading"] {
        py.import(module)?;
    }
    fork::install(py)
}
