//! `repr` of a cache, which may hold itself.

use std::thread;

use pyo3::prelude::*;

use super::Cache;
use super::number::number_to_object;

impl Cache {
    pub(super) fn repr(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let frozen = this.freeze(slf.py())?;
        Self::settle(slf, frozen.as_ref())?;
        let here = thread::current().id();
        let inside = {
            let mut printing = this.printing.lock();
            let inside = printing.contains(&here);
            if !inside {
                printing.push(here);
            }
            inside
        };
        let entries = if inside {
            "{...}".to_owned()
        } else {
            let entries = Self::print(slf);
            this.printing.lock().retain(|thread| *thread != here);
            entries?
        };
        let maxsize = this.with(|contents| contents.maxsize.clone_ref(slf.py()))?;
        Ok(format!(
            "{}({entries}, maxsize={}, currsize={})",
            slf.get_type().name()?,
            maxsize.bind(slf.py()).repr()?,
            number_to_object(this.with(|contents| contents.store.size())?, slf.py()).repr()?,
        ))
    }

    /// `repr` of the entries as of a dict.
    fn print(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (entries, by_birth, _) = slf.get().snapshot(slf.py())?;
        let mut parts = Vec::with_capacity(entries.len());
        for place in by_birth {
            let entry = &entries[place];
            let (key, value) = (entry.key.object.bind(slf.py()), entry.value.bind(slf.py()));
            parts.push(format!("{}: {}", key.repr()?, value.repr()?));
        }
        Ok(format!("{{{}}}", parts.join(", ")))
    }
}
