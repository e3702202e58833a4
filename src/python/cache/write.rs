//! `cache[key] = value`.

use std::sync::atomic::Ordering;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::cache::{Insertion, Number};
use crate::python::once::intern;

use super::key::Query;
use super::number::number;
use super::overrides::{PATIENCE, is_gone};
use super::quick_answers::QuickAnswers;
use super::time::TimeValue;
use super::{Cache, CacheEntry, Removed};

const TOO_LARGE: &str = "value too large";

impl Cache {
    /// Stores a value.
    #[inline(always)]
    pub(super) fn write(
        slf: &Bound<'_, Self>,
        query: &Query<'_, '_>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let this = slf.get();
        // What is dropped at the end of this function is dropped without the lock.
        let mut removed = Removed::new();
        let mut item = Some(CacheEntry {
            key: query.to_key(),
            value: value.clone().unbind(),
            expires: TimeValue::NEVER,
            size: Number::Int(1),
        });
        let slowly = this.sized.load(Ordering::Relaxed) || this.overrides.evicts();
        if !slowly && let Some(insertion) = this.write_quickly(query, &mut item, &mut removed) {
            return match insertion {
                Insertion::TooLarge => Err(PyValueError::new_err(TOO_LARGE)),
                _ => Ok(()),
            };
        }
        Self::write_slowly(slf, query, value, item, removed)
    }

    #[cold]
    fn write_slowly(
        slf: &Bound<'_, Self>,
        query: &Query<'_, '_>,
        value: &Bound<'_, PyAny>,
        mut item: Option<CacheEntry>,
        mut removed: Removed,
    ) -> PyResult<()> {
        let (this, py) = (slf.get(), slf.py());
        let overrides = this.overrides;
        let sized = this.sized.load(Ordering::Relaxed);
        let slowly = sized || overrides.evicts();
        let frozen = if slowly { this.freeze(py)? } else { None };
        if slowly {
            Self::settle(slf, frozen.as_ref())?;
        }
        if sized && let Some(item) = &mut item {
            let size = slf.call_method1(intern!(py, "getsizeof"), (value,))?;
            item.size = number(&size, "the size of a value")?;
            if this.with(|contents| contents.store.limit())?.before(item.size) {
                return Err(PyValueError::new_err(TOO_LARGE));
            }
            if item.size.before(Number::Int(0)) {
                return Err(PyValueError::new_err("value size must be non-negative"));
            }
        }
        let mut patience = PATIENCE;
        loop {
            let insertion = this.run(py, Some(query), |contents, answers| {
                answers.now()?;
                let expires = answers.deadline(&contents.ttl, contents.span)?;
                if !slowly {
                    contents.store.expire(answers, &mut removed)?;
                }
                // The item keeps what the map has no use for; a number needs no dropping.
                if let Some(item) = &mut item {
                    item.expires = expires;
                }
                contents.store.insert(query.hash, answers, &mut item, !overrides.evicts(), &mut removed)
            })?;
            match insertion {
                Insertion::Stored => return Ok(()),
                Insertion::TooLarge => return Err(PyValueError::new_err(TOO_LARGE)),
                Insertion::Empty => return Err(Self::empty(slf)),
                Insertion::NeedsRoom => match slf.call_method0(intern!(py, "popitem")) {
                    Ok(_) => this.with(|contents| contents.store.counts.evictions += 1)?,
                    // Another thread has emptied the cache: there is room now.
                    Err(error) if patience > 0 && is_gone(py, &error) => patience -= 1,
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Stores a value if no answer is pending; most often none is.
    #[inline(always)]
    fn write_quickly(
        &self,
        query: &Query<'_, '_>,
        item: &mut Option<CacheEntry>,
        removed: &mut Removed,
    ) -> Option<Insertion> {
        let now = self.quick()?;
        let mut guard = self.contents.lock();
        let contents = guard.as_mut()?;
        let answers = &mut QuickAnswers { query, now };
        if let Some(instant) = answers.now.instant() {
            let expires = TimeValue::Native(instant.checked_add(contents.span?)?);
            contents.store.expire(answers, removed).ok()?;
            if let Some(item) = item {
                item.expires = expires;
            }
        }
        contents.store.insert(query.hash, answers, item, true, removed).ok()
    }
}
