//! Taking expired entries out before something is counted, listed or stored.

use pyo3::prelude::*;

use crate::python::once::intern;

use super::timer::Frozen;
use super::{Cache, Entries, Removed};

impl Cache {
    /// Takes expired entries out, by way of `expire()` if a subclass has its own.
    pub(super) fn settle(slf: &Bound<'_, Self>, frozen: Option<&Frozen>) -> PyResult<()> {
        let (this, py) = (slf.get(), slf.py());
        match frozen {
            Some(frozen) if this.overrides.expire => {
                slf.call_method1(intern!(py, "expire"), (frozen.time.to_object(py)?,))?;
                Ok(())
            }
            Some(_) => {
                let mut removed = Removed::new();
                this.run(py, None, |contents, answers| contents.store.expire(answers, &mut removed))
            }
            None => Ok(()),
        }
    }

    /// What `len()` and `currsize` return, once the expired entries are out.
    pub(super) fn measure<R>(slf: &Bound<'_, Self>, measure: impl Fn(&Entries) -> R) -> PyResult<R> {
        let (this, py) = (slf.get(), slf.py());
        if this.overrides.expire {
            let frozen = this.freeze(py)?;
            Self::settle(slf, frozen.as_ref())?;
            return this.with(|contents| measure(&contents.store));
        }
        let mut removed = Removed::new();
        this.run(py, None, |contents, answers| {
            answers.now()?;
            contents.store.expire(answers, &mut removed)?;
            Ok(measure(&contents.store))
        })
    }
}
