//! `get()` and `cache[key]`.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;

use crate::cache::Found;

use super::key::Query;
use super::overrides::unless_gone;
use super::pending_answers::PendingAnswers;
use super::quick_answers::{Now, QuickAnswers};
use super::{Cache, Contents};

impl Contents {
    /// Counts a read, and takes its value.
    #[inline(always)]
    fn note_read<'py>(
        &mut self,
        py: Python<'py>,
        found: Found,
        touch_expired: bool,
    ) -> Option<Bound<'py, PyAny>> {
        match found {
            Found::Live(slot) => {
                self.store.counts.hits += 1;
                self.store.touch(slot);
                return self.store.at(slot).map(|entry| entry.value.bind(py).clone());
            }
            Found::Expired(slot) if touch_expired => self.store.touch(slot),
            Found::Expired(_) | Found::Absent => {}
        }
        self.store.counts.misses += 1;
        None
    }
}

impl Cache {
    /// `get()`.
    #[inline(always)]
    pub(super) fn get<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let this = slf.get();
        if this.overrides.reads() {
            return Self::get_slowly(slf, key, default);
        }
        Ok(this.read(key, false)?.or_else(|| default.cloned()))
    }

    #[cold]
    fn get_slowly<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let this = slf.get();
        let _frozen = this.freeze(slf.py())?;
        if slf.contains(key)?
            && let Some(value) = unless_gone(slf.py(), slf.get_item(key))?
        {
            return Ok(Some(value));
        }
        this.with(|contents| contents.store.counts.misses += 1)?;
        Ok(default.cloned())
    }

    /// The value of a live entry, which becomes the one used last. With `touch_expired`, so does an
    /// expired one, though it has no value any more.
    #[inline(always)]
    pub(super) fn read<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        touch_expired: bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (py, mut query) = (key.py(), Query::unread(key)?);
        // Most programs ask for the very objects that they stored, or for none of them.
        if self.copies.load(Ordering::Relaxed) {
            query.read();
        }
        let Some(now) = self.quick() else {
            query.read();
            return self.read_slowly(&query, None, touch_expired);
        };
        if let Some(found) = self.read_quickly(py, &query, now, touch_expired) {
            return Ok(found);
        }
        if query.read() {
            self.copies.store(true, Ordering::Relaxed);
            if let Some(found) = self.read_quickly(py, &query, now, touch_expired) {
                return Ok(found);
            }
        }
        self.read_slowly(&query, Some(now), touch_expired)
    }

    /// The same, if no answer is pending.
    #[inline(always)]
    fn read_quickly<'py>(
        &self,
        py: Python<'py>,
        query: &Query<'_, 'py>,
        now: Now,
        touch_expired: bool,
    ) -> Option<Option<Bound<'py, PyAny>>> {
        let mut guard = self.contents.lock();
        let contents = guard.as_mut()?;
        let found = contents.store.find(query.hash, &mut QuickAnswers { query, now }).ok()?;
        if let Found::Live(slot) = found
            && query.was_read()
            && contents.store.at(slot).is_some_and(|entry| entry.key.object.is(query.object))
        {
            self.copies.store(false, Ordering::Relaxed);
        }
        Some(contents.note_read(py, found, touch_expired))
    }

    #[cold]
    fn read_slowly<'py>(
        &self,
        query: &Query<'_, 'py>,
        now: Option<Now>,
        touch_expired: bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = query.object.py();
        let mut answers = PendingAnswers::new(py, Some(query));
        if let Some(now) = now {
            answers.set_now(now.into());
        }
        self.run_at(&mut answers, py, |contents, answers| {
            if !touch_expired {
                answers.now()?;
            }
            let found = contents.store.find(query.hash, answers)?;
            Ok(contents.note_read(py, found, touch_expired))
        })
    }

    /// The value of a live entry, for a caller that does not count as a reader.
    pub(super) fn peek<'py>(&self, query: &Query<'_, 'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = query.object.py();
        self.run(py, Some(query), |contents, answers| {
            answers.now()?;
            let Found::Live(slot) = contents.store.find(query.hash, answers)? else {
                return Ok(None);
            };
            contents.store.touch(slot);
            Ok(contents.store.at(slot).map(|entry| entry.value.bind(py).clone()))
        })
    }
}
