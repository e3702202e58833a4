//! What a store's user should know goes to Python's log.

use pyo3::prelude::*;

use crate::member::Notice;

use super::at_exit;
use crate::python::waiting::undisturbed::undisturbed;

/// Logs it as `sluicegate`, from the thread that takes part.
pub fn log(notice: Notice) {
    at_exit::unless_ending(|| {
        undisturbed(|py| {
            let logger = py.import("logging")?.call_method1("getLogger", ("sluicegate",))?;
            // The text may hold a per cent sign, which is no place for an argument.
            match &notice {
                Notice::Warning(text) => logger.call_method1("warning", ("%s", text)),
                Notice::Info(text) => logger.call_method1("info", ("%s", text)),
            }
            .map(drop)
        });
    });
}
