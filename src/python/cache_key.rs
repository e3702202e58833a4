//! What the map must ask of Python, asked while nothing is locked.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

use super::cache_time::Moment;
use crate::cache::Judge;

/// A stored key, with what makes it comparable without Python.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) object: Py<PyAny>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Exactly `str`, and its UTF-8 is known to exist: reading it again can neither fail nor
    /// allocate.
    Text,
    /// Exactly `int`, and small.
    Whole(i64),
    /// Only Python can compare it.
    Other,
}

impl Key {
    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            object: self.object.clone_ref(py),
            kind: self.kind,
        }
    }
}

/// A key somebody asks for, hashed.
pub(super) struct Query<'a, 'py> {
    pub(super) object: &'a Bound<'py, PyAny>,
    pub(super) hash: u64,
    text: Option<&'a str>,
    kind: Kind,
}

impl<'a, 'py> Query<'a, 'py> {
    /// Hashes the key, which may run Python code and fail.
    #[inline]
    pub(super) fn new(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        let hash = object.hash()?.cast_unsigned() as u64;
        let mut query = Self {
            object,
            hash,
            text: None,
            kind: Kind::Other,
        };
        if let Ok(text) = object.cast_exact::<PyString>() {
            // A lone surrogate has no UTF-8: such a key is left to Python.
            if let Ok(text) = text.to_str() {
                (query.text, query.kind) = (Some(text), Kind::Text);
            }
        } else if object.is_exact_instance_of::<PyInt>()
            && let Ok(whole) = object.extract::<i64>()
        {
            query.kind = Kind::Whole(whole);
        }
        Ok(query)
    }

    pub(super) fn to_key(&self) -> Key {
        Key {
            object: self.object.clone().unbind(),
            kind: self.kind,
        }
    }
}

/// A question that only Python can answer.
enum Ask {
    Same(Py<PyAny>),
    Now,
    Over(Moment),
    Deadline(Moment),
}

/// There is a question to answer first.
pub(super) struct Unknown;

/// Answers the map from what it knows, and finds out the rest between two attempts.
pub(super) struct Oracle<'a, 'py> {
    py: Python<'py>,
    query: Option<&'a Query<'a, 'py>>,
    now: Option<Moment>,
    deadline: Option<Moment>,
    same: Vec<(Py<PyAny>, bool)>,
    over: Vec<(Moment, bool)>,
    ask: Option<Ask>,
}

/// How often the keys may change while they are being compared. A dict would go on for ever.
const PATIENCE: usize = 10_000;

impl<'a, 'py> Oracle<'a, 'py> {
    pub(super) fn new(py: Python<'py>, query: Option<&'a Query<'a, 'py>>) -> Self {
        Self {
            py,
            query,
            now: None,
            deadline: None,
            same: Vec::new(),
            over: Vec::new(),
            ask: None,
        }
    }

    /// Fixes the instant of the operation.
    #[inline]
    pub(super) fn set_now(&mut self, now: Moment) {
        self.now = Some(now);
    }

    pub(super) fn knows_now(&self) -> bool {
        self.now.is_some()
    }

    /// The instant of the operation.
    pub(super) fn now(&mut self) -> Result<&Moment, Unknown> {
        if self.now.is_none() {
            self.ask = Some(Ask::Now);
        }
        self.now.as_ref().ok_or(Unknown)
    }

    /// When the time of something stored now is over.
    #[inline]
    pub(super) fn deadline(&mut self, ttl: &Moment) -> Result<Moment, Unknown> {
        if let Some(Moment::Number(now)) = self.now
            && let Moment::Number(ttl) = ttl
        {
            return Ok(Moment::Number(now.plus(*ttl)));
        }
        if let Some(known) = &self.deadline {
            return Ok(known.clone_ref(self.py));
        }
        self.now()?;
        self.ask = Some(Ask::Deadline(ttl.clone_ref(self.py)));
        Err(Unknown)
    }

    /// Asks Python the open question. Whoever calls this holds no lock.
    pub(super) fn answer(&mut self, read: impl FnOnce() -> PyResult<Moment>) -> PyResult<()> {
        if self.same.len() > PATIENCE {
            return Err(PyRuntimeError::new_err(
                "the cache's keys keep changing while they are compared",
            ));
        }
        match self.ask.take() {
            Some(Ask::Same(stored)) => {
                let Some(query) = self.query else {
                    return Ok(());
                };
                // The stored key comes first, as in a dict.
                let same = stored.bind(self.py).eq(query.object)?;
                self.same.push((stored, same));
            }
            Some(Ask::Now) => self.now = Some(read()?),
            Some(Ask::Over(expires)) => {
                let Some(now) = &self.now else { return Ok(()) };
                let over = !now.to_object(self.py)?.lt(expires.to_object(self.py)?)?;
                self.over.push((expires, over));
            }
            Some(Ask::Deadline(ttl)) => {
                let Some(now) = &self.now else { return Ok(()) };
                self.deadline = Some(now.plus(&ttl, self.py)?);
            }
            None => {}
        }
        Ok(())
    }

    fn same_from_memory(&mut self, stored: &Key) -> Result<bool, Unknown> {
        if let Some((_, same)) = self.same.iter().find(|(key, _)| key.is(&stored.object)) {
            return Ok(*same);
        }
        self.ask = Some(Ask::Same(stored.object.clone_ref(self.py)));
        Err(Unknown)
    }

    fn over_from_memory(&mut self, expires: &Moment) -> Result<bool, Unknown> {
        self.now()?;
        if let Some((_, over)) = self.over.iter().find(|(moment, _)| moment.is(expires)) {
            return Ok(*over);
        }
        self.ask = Some(Ask::Over(expires.clone_ref(self.py)));
        Err(Unknown)
    }
}

impl Judge<Key, Moment> for Oracle<'_, '_> {
    type Unknown = Unknown;

    #[inline]
    fn same(&mut self, stored: &Key) -> Result<bool, Unknown> {
        let Some(query) = self.query else {
            return Ok(false);
        };
        if query.object.is(&stored.object) {
            return Ok(true);
        }
        match (stored.kind, query.kind) {
            (Kind::Text, Kind::Text) => {
                let stored = stored.object.bind(self.py).cast_exact::<PyString>();
                Ok(stored.is_ok_and(|text| text.to_str().ok() == query.text))
            }
            (Kind::Whole(stored), Kind::Whole(asked)) => Ok(stored == asked),
            (Kind::Text, Kind::Whole(_)) | (Kind::Whole(_), Kind::Text) => Ok(false),
            _ => self.same_from_memory(stored),
        }
    }

    #[inline]
    fn over(&mut self, expires: &Moment) -> Result<bool, Unknown> {
        match (&self.now, expires) {
            (Some(Moment::Number(now)), Moment::Number(expires)) => Ok(!now.before(*expires)),
            _ => self.over_from_memory(expires),
        }
    }
}
