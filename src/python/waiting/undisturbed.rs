//! Running Python code where an exception can be given to no caller: while an object is dropped, or on behalf of another
//! thread.

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

/// Runs Python code that the end of another one's wait calls for; what it raises is reported, and nothing more.
///
/// That may be anywhere: also while an object is dropped because an exception passes by, and that exception must come
/// through. And a signal may come in between: what its handler raises is no business of the waiter, so that `f`, which
/// must do no harm when it is run twice, is run again. A process that is shutting down runs nothing any more.
pub fn undisturbed(f: impl Fn(Python<'_>) -> PyResult<()>) {
    Python::try_attach(|py| {
        let passing_by = PyErr::take(py);
        for _ in 0..3 {
            let Err(error) = f(py) else { break };
            report(py, error);
        }
        if let Some(exception) = passing_by {
            exception.restore(py);
        }
    });
}

/// Reports an error that no caller can be given. Ctrl-C is delivered again, where Python looks for it.
pub fn report(py: Python<'_>, error: PyErr) {
    let again = error.is_instance_of::<PyKeyboardInterrupt>(py)
        && py.import("_thread").and_then(|thread| thread.call_method0("interrupt_main")).is_ok();
    if !again {
        error.write_unraisable(py, None);
    }
}
