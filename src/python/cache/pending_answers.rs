//! Answers for the map that take Python: asked while nothing is locked, and remembered until the operation is done.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::cache::Compare;

use super::key::{Key, Query};
use super::time::TimeValue;

/// A question that only Python can answer, apart from whether keys are the same.
enum Question {
    Now,
    HasExpired(TimeValue),
    Deadline(TimeValue),
}

/// Only Python can answer: see [`PendingAnswers::resolve`].
pub(super) struct Pending;

/// Answers the map from what it knows, and asks Python for the rest between two attempts.
pub(super) struct PendingAnswers<'a, 'py> {
    py: Python<'py>,
    query: Option<&'a Query<'a, 'py>>,
    now: Option<TimeValue>,
    /// Apart, because hardly any operation needs it.
    memory: Option<Box<Memory>>,
}

/// What Python has been asked, and is asked next.
#[derive(Default)]
struct Memory {
    deadline: Option<TimeValue>,
    /// By the address of the stored key, which is kept so that no other takes its address.
    same: HashMap<usize, (Py<PyAny>, bool)>,
    /// The latest answers only: an operation asks again for the entry where it stopped.
    expired: VecDeque<(TimeValue, bool)>,
    /// The stored keys that may be the one in question, in the order of the map. All of them are
    /// compared before the map is asked again, or equal hashes would cost the cube of their number.
    rivals: Vec<Py<PyAny>>,
    rounds: usize,
    question: Option<Question>,
}

/// How often the keys may change while they are being compared. A dict would go on for ever.
const MOST_ROUNDS: usize = 10_000;

/// How many answers about the time of entries are remembered.
const LATEST: usize = 4;

impl<'a, 'py> PendingAnswers<'a, 'py> {
    #[inline]
    pub(super) fn new(py: Python<'py>, query: Option<&'a Query<'a, 'py>>) -> Self {
        Self { py, query, now: None, memory: None }
    }

    /// Fixes the instant of the operation.
    #[inline]
    pub(super) fn set_now(&mut self, now: TimeValue) {
        self.now = Some(now);
    }

    #[inline]
    pub(super) fn knows_now(&self) -> bool {
        self.now.is_some()
    }

    /// The instant of the operation.
    #[inline]
    pub(super) fn now(&mut self) -> Result<&TimeValue, Pending> {
        if self.now.is_none() {
            return Err(self.ask(Question::Now));
        }
        self.now.as_ref().ok_or(Pending)
    }

    /// When an entry that is stored now expires: `ttl` after now, and that is `span` if the
    /// clock is native.
    #[inline]
    pub(super) fn deadline(&mut self, ttl: &TimeValue, span: Option<Duration>) -> Result<TimeValue, Pending> {
        if let Some(deadline) = self.now.as_ref().and_then(|now| now.after(ttl, span)) {
            return Ok(deadline);
        }
        self.slow_deadline(ttl)
    }

    #[cold]
    fn slow_deadline(&mut self, ttl: &TimeValue) -> Result<TimeValue, Pending> {
        self.now()?;
        let memory = self.memory.get_or_insert_default();
        if let Some(known) = &memory.deadline {
            return Ok(known.clone_ref(self.py));
        }
        let ttl = ttl.clone_ref(self.py);
        Err(self.ask(Question::Deadline(ttl)))
    }

    /// Asks Python the pending question. The caller holds no lock.
    #[cold]
    pub(super) fn resolve(&mut self, read: impl FnOnce() -> PyResult<TimeValue>) -> PyResult<()> {
        self.compare_rivals()?;
        let memory = self.memory.get_or_insert_default();
        match (memory.question.take(), &self.now) {
            (Some(Question::Now), _) => self.now = Some(read()?),
            (Some(Question::HasExpired(expires)), Some(now)) => {
                let expired = !now.to_object(self.py)?.lt(expires.to_object(self.py)?)?;
                memory.expired.truncate(LATEST - 1);
                memory.expired.push_front((expires, expired));
            }
            (Some(Question::Deadline(ttl)), Some(now)) => {
                memory.deadline = Some(now.plus(&ttl, self.py)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Asks which of the rivals is the key, if any.
    fn compare_rivals(&mut self) -> PyResult<()> {
        let memory = self.memory.get_or_insert_default();
        let Some(query) = self.query.filter(|_| !memory.rivals.is_empty()) else {
            return Ok(());
        };
        memory.rounds += 1;
        if memory.rounds > MOST_ROUNDS {
            return Err(PyRuntimeError::new_err("the cache's keys keep changing while they are compared"));
        }
        for stored in std::mem::take(&mut memory.rivals) {
            // The stored key comes first, as in a dict.
            let same = stored.bind(self.py).eq(query.object)?;
            memory.same.insert(stored.as_ptr() as usize, (stored, same));
            if same {
                break;
            }
        }
        Ok(())
    }

    #[cold]
    fn ask(&mut self, question: Question) -> Pending {
        self.memory.get_or_insert_default().question = Some(question);
        Pending
    }

    #[cold]
    fn same_from_memory(&mut self, stored: &Key) -> Result<bool, Pending> {
        let memory = self.memory.get_or_insert_default();
        if let Some((_, same)) = memory.same.get(&(stored.object.as_ptr() as usize)) {
            return Ok(*same);
        }
        memory.rivals.push(stored.object.clone_ref(self.py));
        Err(Pending)
    }

    #[cold]
    fn expired_from_memory(&mut self, expires: &TimeValue) -> Result<bool, Pending> {
        self.now()?;
        let known = self.memory.get_or_insert_default().expired.iter();
        if let Some((_, expired)) = known.clone().find(|(time, _)| time.is(expires)) {
            return Ok(*expired);
        }
        let expires = expires.clone_ref(self.py);
        Err(self.ask(Question::HasExpired(expires)))
    }
}

impl Compare<Key, TimeValue> for PendingAnswers<'_, '_> {
    type Pending = Pending;

    #[inline]
    fn same_key(&mut self, stored: &Key) -> Result<bool, Pending> {
        match self.query.map(|query| query.is(stored)) {
            None => Ok(false),
            Some(Some(same)) => Ok(same),
            Some(None) => self.same_from_memory(stored),
        }
    }

    #[inline]
    fn has_expired(&mut self, expires: &TimeValue) -> Result<bool, Pending> {
        match self.now.as_ref().and_then(|now| now.before(expires)) {
            Some(before) => Ok(!before),
            None => self.expired_from_memory(expires),
        }
    }
}
