//! What the map must ask of Python, asked while nothing is locked.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

use super::cache::hash;
use super::cache_clock::Tick;
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
    /// Exactly `int`, and so small that its hash tells which: see [`tells`].
    Whole,
    /// Only Python can compare it.
    Other,
}

/// Whether the hash of a whole number is the number itself, and of no other that this is true of.
/// (-1 has the hash of -2; and on systems of 32 bits, hashes are so much smaller.)
fn tells(whole: i64) -> bool {
    const BOUND: i64 = if cfg!(target_pointer_width = "64") { (1 << 61) - 1 } else { (1 << 31) - 1 };
    whole > -BOUND && whole < BOUND && whole != -1
}

impl Key {
    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { object: self.object.clone_ref(py), kind: self.kind }
    }
}

/// A key somebody asks for, hashed.
pub(super) struct Query<'a, 'py> {
    pub(super) object: &'a Bound<'py, PyAny>,
    pub(super) hash: u64,
    /// What a text says, once it was looked into.
    text: Option<&'a str>,
    kind: Kind,
}

impl<'a, 'py> Query<'a, 'py> {
    /// Hashes the key, which may run Python code and fail.
    #[inline(always)]
    pub(super) fn new(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        let mut query = Self::unread(object)?;
        query.read();
        Ok(query)
    }

    /// The same, but a text is not looked into: that is needed only if another object may be equal.
    #[inline(always)]
    pub(super) fn unread(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        let mut query = Self { object, hash: hash(object)?, text: None, kind: Kind::Other };
        if object.is_exact_instance_of::<PyString>() {
            query.kind = Kind::Text;
        } else if object.is_exact_instance_of::<PyInt>() && object.extract::<i64>().is_ok_and(tells) {
            query.kind = Kind::Whole;
        }
        Ok(query)
    }

    /// Whether it is a text that was looked into.
    #[inline(always)]
    pub(super) fn was_read(&self) -> bool {
        self.text.is_some()
    }

    /// Looks into a text. Returns whether that has told anything.
    pub(super) fn read(&mut self) -> bool {
        if !matches!(self.kind, Kind::Text) || self.text.is_some() {
            return false;
        }
        self.text = self.object.cast_exact::<PyString>().ok().and_then(|text| text.to_str().ok());
        if self.text.is_none() {
            // A lone surrogate has no UTF-8: such a key is left to Python.
            self.kind = Kind::Other;
        }
        true
    }

    /// Whether it is the stored key, if that takes no Python to tell.
    #[inline(always)]
    fn is(&self, stored: &Key) -> Option<bool> {
        if self.object.is(&stored.object) {
            return Some(true);
        }
        match (stored.kind, self.kind) {
            (Kind::Text, Kind::Text) => {
                let text = self.text?;
                let stored = stored.object.bind(self.object.py());
                let stored = stored.cast_exact::<PyString>();
                Some(stored.is_ok_and(|stored| stored.to_str().is_ok_and(|stored| stored == text)))
            }
            // Their hashes are the same.
            (Kind::Whole, Kind::Whole) => Some(true),
            (Kind::Text, Kind::Whole) | (Kind::Whole, Kind::Text) => Some(false),
            _ => None,
        }
    }

    /// A stored key that is looked up again.
    pub(super) fn again(object: &'a Bound<'py, PyAny>, key: &Key, hash: u64) -> Self {
        let text = object.cast_exact::<PyString>().ok().and_then(|text| text.to_str().ok());
        Self { object, hash, text, kind: key.kind }
    }

    pub(super) fn to_key(&self) -> Key {
        Key { object: self.object.clone().unbind(), kind: self.kind }
    }
}

/// Answers at once or not at all: it keeps no memory of questions, and is the faster for it.
pub(super) struct Glance<'a, 'py> {
    pub(super) query: &'a Query<'a, 'py>,
    pub(super) now: Now,
}

/// The instant of an operation that looks at the cache once.
#[derive(Clone, Copy)]
pub(super) enum Now {
    /// Of a cache without a clock: nothing is ever over.
    Never,
    /// Of the native clock, which is not read before somebody wants to know: a miss does not.
    Unread,
    Native(Tick),
}

impl Now {
    /// Reads the native clock, if there is one.
    #[inline(always)]
    pub(super) fn instant(&mut self) -> Option<Tick> {
        if let Self::Unread = self {
            *self = Self::Native(Tick::now());
        }
        match self {
            Self::Native(instant) => Some(*instant),
            Self::Never | Self::Unread => None,
        }
    }
}

impl Judge<Key, Moment> for Glance<'_, '_> {
    type Unknown = Unknown;

    #[inline(always)]
    fn same(&mut self, stored: &Key) -> Result<bool, Unknown> {
        self.query.is(stored).ok_or(Unknown)
    }

    #[inline(always)]
    fn over(&mut self, expires: &Moment) -> Result<bool, Unknown> {
        if let (Now::Unread, Moment::Native(expires)) = (self.now, expires)
            && expires.is_far()
        {
            return Ok(false);
        }
        match (self.now.instant(), expires) {
            (None, _) => Ok(false),
            (Some(now), Moment::Native(expires)) => Ok(now >= *expires),
            (Some(now), Moment::Number(_)) => {
                Moment::Native(now).before(expires).map(|before| !before).ok_or(Unknown)
            }
            (Some(_), Moment::Object(_)) => Err(Unknown),
        }
    }
}

/// A question that only Python can answer, apart from whether keys are the same.
enum Ask {
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
    /// Apart, because hardly any operation needs it.
    memory: Option<Box<Memory>>,
}

/// What Python has been asked, and is asked next.
#[derive(Default)]
struct Memory {
    deadline: Option<Moment>,
    /// By the address of the stored key, which is kept so that no other takes its address.
    same: HashMap<usize, (Py<PyAny>, bool)>,
    /// The latest answers only: an operation asks again for the entry where it stopped.
    over: VecDeque<(Moment, bool)>,
    /// The stored keys that may be the one in question, in the order of the map. All of them are
    /// compared before the map is asked again, or equal hashes would cost the cube of their number.
    rivals: Vec<Py<PyAny>>,
    rounds: usize,
    ask: Option<Ask>,
}

/// How often the keys may change while they are being compared. A dict would go on for ever.
const PATIENCE: usize = 10_000;

/// How many answers about the time of entries are remembered.
const LATEST: usize = 4;

impl<'a, 'py> Oracle<'a, 'py> {
    #[inline]
    pub(super) fn new(py: Python<'py>, query: Option<&'a Query<'a, 'py>>) -> Self {
        Self { py, query, now: None, memory: None }
    }

    /// Fixes the instant of the operation.
    #[inline]
    pub(super) fn set_now(&mut self, now: Moment) {
        self.now = Some(now);
    }

    #[inline]
    pub(super) fn knows_now(&self) -> bool {
        self.now.is_some()
    }

    /// The instant of the operation.
    #[inline]
    pub(super) fn now(&mut self) -> Result<&Moment, Unknown> {
        if self.now.is_none() {
            return Err(self.ask(Ask::Now));
        }
        self.now.as_ref().ok_or(Unknown)
    }

    /// When the time of something stored now is over: `ttl` after now, and that is `span` if the
    /// clock is native.
    #[inline]
    pub(super) fn deadline(&mut self, ttl: &Moment, span: Option<Duration>) -> Result<Moment, Unknown> {
        if let Some(deadline) = self.now.as_ref().and_then(|now| now.after(ttl, span)) {
            return Ok(deadline);
        }
        self.slow_deadline(ttl)
    }

    #[cold]
    fn slow_deadline(&mut self, ttl: &Moment) -> Result<Moment, Unknown> {
        self.now()?;
        let memory = self.memory.get_or_insert_default();
        if let Some(known) = &memory.deadline {
            return Ok(known.clone_ref(self.py));
        }
        let ttl = ttl.clone_ref(self.py);
        Err(self.ask(Ask::Deadline(ttl)))
    }

    /// Asks Python the open question. Whoever calls this holds no lock.
    #[cold]
    pub(super) fn answer(&mut self, read: impl FnOnce() -> PyResult<Moment>) -> PyResult<()> {
        self.compare_rivals()?;
        let memory = self.memory.get_or_insert_default();
        match (memory.ask.take(), &self.now) {
            (Some(Ask::Now), _) => self.now = Some(read()?),
            (Some(Ask::Over(expires)), Some(now)) => {
                let over = !now.to_object(self.py)?.lt(expires.to_object(self.py)?)?;
                memory.over.truncate(LATEST - 1);
                memory.over.push_front((expires, over));
            }
            (Some(Ask::Deadline(ttl)), Some(now)) => {
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
        if memory.rounds > PATIENCE {
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
    fn ask(&mut self, ask: Ask) -> Unknown {
        self.memory.get_or_insert_default().ask = Some(ask);
        Unknown
    }

    #[cold]
    fn same_from_memory(&mut self, stored: &Key) -> Result<bool, Unknown> {
        let memory = self.memory.get_or_insert_default();
        if let Some((_, same)) = memory.same.get(&(stored.object.as_ptr() as usize)) {
            return Ok(*same);
        }
        memory.rivals.push(stored.object.clone_ref(self.py));
        Err(Unknown)
    }

    #[cold]
    fn over_from_memory(&mut self, expires: &Moment) -> Result<bool, Unknown> {
        self.now()?;
        let known = self.memory.get_or_insert_default().over.iter();
        if let Some((_, over)) = known.clone().find(|(moment, _)| moment.is(expires)) {
            return Ok(*over);
        }
        let expires = expires.clone_ref(self.py);
        Err(self.ask(Ask::Over(expires)))
    }
}

impl Judge<Key, Moment> for Oracle<'_, '_> {
    type Unknown = Unknown;

    #[inline]
    fn same(&mut self, stored: &Key) -> Result<bool, Unknown> {
        match self.query.map(|query| query.is(stored)) {
            None => Ok(false),
            Some(Some(same)) => Ok(same),
            Some(None) => self.same_from_memory(stored),
        }
    }

    #[inline]
    fn over(&mut self, expires: &Moment) -> Result<bool, Unknown> {
        match self.now.as_ref().and_then(|now| now.before(expires)) {
            Some(before) => Ok(!before),
            None => self.over_from_memory(expires),
        }
    }
}
