//! `TTLCache` and `LRUCache`, with the manners of the classes of those names in cachetools.
//!
//! Every operation follows one pattern: [`Cache::run`] locks the state and lets the map do its
//! work. If the map must ask something of Python (are these keys equal? is that time over?), the
//! lock is released, Python is asked, and the work is begun again with the answer known. What the
//! map takes out is dropped after the lock is released, for dropping may run Python code too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};
use pyo3::{IntoPyObjectExt, intern};

use super::cache_iter::CacheIterator;
use super::cache_key::{Glance, Key, Oracle, Query, Unknown};
use super::cache_stats::CacheStats;
use super::cache_time::{CacheTimer, Frozen, Moment, number_to_object};
use crate::cache::{Bin, Entry, Found, Number, Placed, Store};

pub(super) type Shelf = Store<Key, Py<PyAny>, Moment>;
pub(super) type Item = Entry<Key, Py<PyAny>, Moment>;
type Garbage = Bin<Key, Py<PyAny>, Moment>;

/// What time it always is in a cache without a clock: long before its entries end. A fraction, as
/// their end is: two of a kind compare faster.
const NO_TIME: Moment = Moment::Number(Number::Float(0.0));

/// A value, the time it has left, and its stamp.
type LiveEntry<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, u64);

const DEFAULT_MAXSIZE: i64 = 100;
const DEFAULT_TTL: i64 = 300;
const TOO_LARGE: &str = "value too large";

/// The methods of a subclass that this module must call instead of doing their work itself.
#[derive(Clone, Copy, Debug, Default)]
struct Overrides {
    contains: bool,
    getitem: bool,
    setitem: bool,
    delitem: bool,
    missing: bool,
    popitem: bool,
    expire: bool,
}

impl Overrides {
    /// Looked up when the cache is made: a call should not pay for it.
    fn of(class: &Bound<'_, PyType>, base: &Bound<'_, PyType>) -> PyResult<Self> {
        if class.is(base) {
            return Ok(Self::default());
        }
        let differs = |name: &str| -> PyResult<bool> {
            if !base.hasattr(name)? {
                return Ok(false);
            }
            Ok(!class.getattr(name)?.is(&base.getattr(name)?))
        };
        Ok(Self {
            contains: differs("__contains__")?,
            getitem: differs("__getitem__")?,
            setitem: differs("__setitem__")?,
            delitem: differs("__delitem__")?,
            missing: differs("__missing__")?,
            popitem: differs("popitem")?,
            expire: differs("expire")?,
        })
    }

    /// Whether making room must go through Python.
    fn evicts(self) -> bool {
        self.popitem || self.delitem || self.expire
    }

    fn reads(self) -> bool {
        self.contains || self.getitem
    }
}

/// All that changes.
pub(super) struct State {
    pub(super) store: Shelf,
    maxsize: Py<PyAny>,
    ttl: Moment,
    /// The same for the native clock.
    span: Option<Duration>,
    timer: Option<Py<CacheTimer>>,
}

impl State {
    /// Counts a read, and takes its value.
    #[inline(always)]
    fn note_read<'py>(
        &mut self,
        py: Python<'py>,
        found: Found,
        touch_over: bool,
    ) -> Option<Bound<'py, PyAny>> {
        match found {
            Found::Alive(slot) => {
                self.store.counts.hits += 1;
                self.store.touch(slot);
                return self
                    .store
                    .at(slot)
                    .map(|entry| entry.value.bind(py).clone());
            }
            Found::Over(slot) if touch_over => self.store.touch(slot),
            Found::Over(_) | Found::Absent => {}
        }
        self.store.counts.misses += 1;
        None
    }
}

/// The common part of the caches.
#[pyclass(
    frozen,
    subclass,
    dict,
    weakref,
    mapping,
    generic,
    module = "sluicegate._core"
)]
pub(super) struct Cache {
    overrides: Overrides,
    timed: bool,
    /// Whether `getsizeof` is asked for the size of a value.
    sized: AtomicBool,
    /// Whether the time can be read without asking Python or the state.
    native: AtomicBool,
    /// How many threads hold the timer's time still.
    frozen: Arc<AtomicUsize>,
    /// None until `__init__` was called.
    ///
    /// Boxed, because Python 3.11 may collect garbage when it has allocated an object and PyO3 has
    /// not yet written the Rust value into it (`object.__new__` makes the instance's dict then).
    /// `__traverse__` looks at zeroed memory in that case: an unlocked mutex around no box.
    state: Mutex<Option<Box<State>>>,
    /// The threads in whose `repr` of this cache we are: a cache may hold itself.
    printing: Mutex<Vec<ThreadId>>,
}

/// A default that was or was not given; `None` is one.
enum Default<'py> {
    Missing,
    Given(Bound<'py, PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Default<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self::Given(object.to_owned()))
    }
}

impl Cache {
    fn new(class: &Bound<'_, PyType>, base: &Bound<'_, PyType>, timed: bool) -> PyResult<Self> {
        Ok(Self {
            overrides: Overrides::of(class, base)?,
            timed,
            sized: AtomicBool::new(false),
            native: AtomicBool::new(false),
            frozen: Arc::default(),
            state: Mutex::new(None),
            printing: Mutex::new(Vec::new()),
        })
    }

    /// The time, if telling it takes neither Python nor the lock.
    #[inline(always)]
    fn quick(&self) -> Option<Moment> {
        if !self.timed {
            return Some(NO_TIME);
        }
        let quick = self.native.load(Ordering::Relaxed) && self.frozen.load(Ordering::Relaxed) == 0;
        quick.then(|| Moment::Native(Instant::now()))
    }

    /// Does one operation: see the top of the module.
    #[inline]
    fn run<R>(
        &self,
        py: Python<'_>,
        query: Option<&Query<'_, '_>>,
        work: impl FnMut(&mut State, &mut Oracle<'_, '_>) -> Result<R, Unknown>,
    ) -> PyResult<R> {
        self.run_at(&mut Oracle::new(py, query), py, work)
    }

    #[inline]
    fn run_at<R>(
        &self,
        oracle: &mut Oracle<'_, '_>,
        py: Python<'_>,
        mut work: impl FnMut(&mut State, &mut Oracle<'_, '_>) -> Result<R, Unknown>,
    ) -> PyResult<R> {
        if !oracle.knows_now()
            && let Some(now) = self.quick()
        {
            oracle.set_now(now);
        }
        loop {
            let timer = {
                let mut guard = self.state.lock();
                let Some(state) = guard.as_mut() else {
                    drop(guard);
                    return Err(self.not_initialised());
                };
                match work(state, oracle) {
                    Ok(result) => return Ok(result),
                    Err(Unknown) => state.timer.as_ref().map(|timer| timer.clone_ref(py)),
                }
            };
            oracle.answer(|| match &timer {
                Some(timer) => timer.get().read(py),
                None => Ok(NO_TIME),
            })?;
        }
    }

    /// Reads or changes what needs no answers.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> PyResult<R> {
        let mut guard = self.state.lock();
        if let Some(state) = guard.as_mut() {
            return Ok(work(state));
        }
        drop(guard);
        Err(self.not_initialised())
    }

    #[cold]
    fn not_initialised(&self) -> PyErr {
        let name = if self.timed { "TTLCache" } else { "LRUCache" };
        PyRuntimeError::new_err(format!(
            "{name}.__init__() was not called: a subclass with an __init__ of its own must call \
             super().__init__(...)"
        ))
    }

    pub(super) fn is_timed(&self) -> bool {
        self.timed
    }

    /// Holds the time still while Python code that belongs to one operation runs.
    pub(super) fn freeze(&self, py: Python<'_>) -> PyResult<Option<Frozen>> {
        let timer = self.with(|state| state.timer.as_ref().map(|timer| timer.clone_ref(py)))?;
        timer.map(|timer| Frozen::new(timer.bind(py))).transpose()
    }

    fn initialise(
        slf: &Bound<'_, Self>,
        maxsize: Default<'_>,
        ttl: Moment,
        timer: Option<Py<CacheTimer>>,
        getsizeof: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let maxsize = match maxsize {
            Default::Given(maxsize) => maxsize,
            Default::Missing => DEFAULT_MAXSIZE.into_bound_py_any(py)?,
        };
        let limit = number(&maxsize, "maxsize")?;
        if limit.before(Number::Int(0)) {
            return Err(PyValueError::new_err("maxsize must be non-negative"));
        }
        if let Some(getsizeof) = getsizeof {
            slf.setattr(intern!(py, "getsizeof"), getsizeof)?;
        }
        let own = py.get_type::<Self>().getattr(intern!(py, "getsizeof"))?;
        let state = State {
            store: Store::new(limit, timer.is_some()),
            maxsize: maxsize.unbind(),
            span: span(&ttl),
            ttl,
            timer,
        };
        let sized = !slf.getattr(intern!(py, "getsizeof"))?.is(&own);
        slf.get().put(state, sized);
        befriend_cachetools(py);
        Ok(())
    }

    fn put(&self, state: State, sized: bool) {
        let native = state
            .timer
            .as_ref()
            .is_some_and(|timer| timer.get().is_native());
        self.native.store(native, Ordering::Relaxed);
        self.sized.store(sized, Ordering::Relaxed);
        let old = self.state.lock().replace(Box::new(state));
        drop(old);
    }

    /// Takes out what is over, by way of `expire()` if a subclass has its own.
    fn settle(slf: &Bound<'_, Self>, frozen: Option<&Frozen>) -> PyResult<()> {
        let (this, py) = (slf.get(), slf.py());
        match frozen {
            Some(frozen) if this.overrides.expire => {
                slf.call_method1(intern!(py, "expire"), (frozen.time.to_object(py)?,))?;
                Ok(())
            }
            Some(_) => {
                let mut bin = Garbage::new();
                this.run(py, None, |state, oracle| {
                    state.store.expire(oracle, &mut bin)
                })
            }
            None => Ok(()),
        }
    }

    /// What `len()` and `currsize` tell, once what is over is out.
    fn measure<R>(slf: &Bound<'_, Self>, measure: impl Fn(&Shelf) -> R) -> PyResult<R> {
        let (this, py) = (slf.get(), slf.py());
        if this.overrides.expire {
            let frozen = this.freeze(py)?;
            Self::settle(slf, frozen.as_ref())?;
            return this.with(|state| measure(&state.store));
        }
        let mut bin = Garbage::new();
        this.run(py, None, |state, oracle| {
            oracle.now()?;
            state.store.expire(oracle, &mut bin)?;
            Ok(measure(&state.store))
        })
    }

    /// `get()`.
    #[inline(always)]
    fn get<'py>(
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
        if slf.contains(key)? {
            return slf.get_item(key).map(Some);
        }
        this.with(|state| state.store.counts.misses += 1)?;
        Ok(default.cloned())
    }

    /// The value of a live entry, which becomes the one used last. With `touch_over`, so does one
    /// whose time is over, though it has no value any more.
    #[inline(always)]
    fn read<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        touch_over: bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (py, hash) = (key.py(), hash(key)?);
        let Some(now) = self.quick() else {
            return self.read_slowly(key, hash, None, touch_over);
        };
        if let Some(state) = self.state.lock().as_mut() {
            // Most often the key is the very object that is stored.
            let found = state.store.find(hash, &mut Glance { key, now: &now });
            if let Ok(found) = found {
                return Ok(state.note_read(py, found, touch_over));
            }
        }
        self.read_slowly(key, hash, Some(now), touch_over)
    }

    #[cold]
    fn read_slowly<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        hash: u64,
        now: Option<Moment>,
        touch_over: bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (py, query) = (key.py(), Query::hashed(key, hash));
        let mut oracle = Oracle::new(py, Some(&query));
        if let Some(now) = now {
            oracle.set_now(now);
        }
        self.run_at(&mut oracle, py, |state, oracle| {
            if !touch_over {
                oracle.now()?;
            }
            let found = state.store.find(hash, oracle)?;
            Ok(state.note_read(py, found, touch_over))
        })
    }

    /// The value of a live entry, for a caller that does not count as a reader.
    fn peek<'py>(&self, query: &Query<'_, 'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = query.object.py();
        self.run(py, Some(query), |state, oracle| {
            oracle.now()?;
            let Found::Alive(slot) = state.store.find(query.hash, oracle)? else {
                return Ok(None);
            };
            state.store.touch(slot);
            Ok(state
                .store
                .at(slot)
                .map(|entry| entry.value.bind(py).clone()))
        })
    }

    /// Stores a value.
    fn write(
        slf: &Bound<'_, Self>,
        query: &Query<'_, '_>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let (this, py) = (slf.get(), slf.py());
        // What is dropped at the end of this function is dropped without the lock.
        let mut bin = Garbage::new();
        let mut item = Some(Item {
            key: query.to_key(),
            value: value.clone().unbind(),
            expires: NO_TIME,
            size: Number::Int(1),
        });
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
            if this.with(|state| state.store.limit())?.before(item.size) {
                return Err(PyValueError::new_err(TOO_LARGE));
            }
            if item.size.before(Number::Int(0)) {
                return Err(PyValueError::new_err("value size must be non-negative"));
            }
        }
        if !slowly && let Some(placed) = this.write_at_a_glance(query, &mut item, &mut bin) {
            return match placed {
                Placed::TooLarge => Err(PyValueError::new_err(TOO_LARGE)),
                _ => Ok(()),
            };
        }
        loop {
            let placed = this.run(py, Some(query), |state, oracle| {
                oracle.now()?;
                let expires = oracle.deadline(&state.ttl, state.span)?;
                if !slowly {
                    state.store.expire(oracle, &mut bin)?;
                }
                // The item keeps what the map has no use for; a number needs no dropping.
                if let Some(item) = &mut item {
                    item.expires = expires;
                }
                state
                    .store
                    .place(query.hash, oracle, &mut item, !overrides.evicts(), &mut bin)
            })?;
            match placed {
                Placed::Stored => return Ok(()),
                Placed::TooLarge => return Err(PyValueError::new_err(TOO_LARGE)),
                Placed::Empty => return Err(empty(slf)),
                Placed::NeedsRoom => {
                    slf.call_method0(intern!(py, "popitem"))?;
                    this.with(|state| state.store.counts.evictions += 1)?;
                }
            }
        }
    }

    /// Stores what takes no question to be answered; most often that is so.
    #[inline(always)]
    fn write_at_a_glance(
        &self,
        query: &Query<'_, '_>,
        item: &mut Option<Item>,
        bin: &mut Garbage,
    ) -> Option<Placed> {
        let now = self.quick()?;
        let mut guard = self.state.lock();
        let state = guard.as_mut()?;
        let judge = &mut Glance {
            key: query.object,
            now: &now,
        };
        let expires = now.after(&state.ttl, state.span)?;
        state.store.expire(judge, bin).ok()?;
        if let Some(item) = item {
            item.expires = expires;
        }
        state.store.place(query.hash, judge, item, true, bin).ok()
    }

    fn missing<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().overrides.missing {
            return slf.call_method1(intern!(slf.py(), "__missing__"), (key,));
        }
        Err(key_error(key))
    }

    /// A copy of what is stored, oldest first, and the two other orders.
    fn snapshot(&self, py: Python<'_>) -> PyResult<(Vec<Item>, Vec<usize>, Vec<usize>)> {
        self.with(|state| {
            let entries = state
                .store
                .by_age()
                .map(|entry| clone_entry(entry, py))
                .collect();
            (entries, state.store.by_birth(), state.store.by_use())
        })
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

#[pymethods]
impl Cache {
    #[inline]
    fn __getitem__<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Asking for an entry that is over counts as using it, as in cachetools.
        let found = slf.get().read(key, true)?;
        found.map_or_else(|| Self::missing(slf, key), Ok)
    }

    fn __setitem__(
        slf: &Bound<'_, Self>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        Self::write(slf, &Query::new(key)?, value)
    }

    fn __delitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let query = Query::new(key)?;
        let (entry, alive) = slf.get().run(slf.py(), Some(&query), |state, oracle| {
            Ok(match state.store.find(query.hash, oracle)? {
                Found::Alive(slot) => (state.store.remove(slot), true),
                Found::Over(slot) => {
                    state.store.counts.expirations += 1;
                    (state.store.remove(slot), false)
                }
                Found::Absent => (None, false),
            })
        })?;
        drop(entry);
        if alive { Ok(()) } else { Err(key_error(key)) }
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let query = Query::new(key)?;
        self.run(key.py(), Some(&query), |state, oracle| {
            Ok(matches!(
                state.store.find(query.hash, oracle)?,
                Found::Alive(_)
            ))
        })
    }

    #[allow(clippy::unused_self)]
    fn __missing__(&self, key: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Err(key_error(key))
    }

    fn __len__(slf: &Bound<'_, Self>) -> PyResult<usize> {
        Self::measure(slf, Store::len)
    }

    fn __iter__(slf: &Bound<'_, Self>) -> CacheIterator {
        CacheIterator::new(slf)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
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
        let maxsize = this.with(|state| state.maxsize.clone_ref(slf.py()))?;
        Ok(format!(
            "{}({entries}, maxsize={}, currsize={})",
            slf.get_type().name()?,
            maxsize.bind(slf.py()).repr()?,
            number_to_object(this.with(|state| state.store.size())?, slf.py()).repr()?,
        ))
    }

    fn __eq__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        abc(slf.py(), "Mapping")?.call_method1(intern!(slf.py(), "__eq__"), (slf, other))
    }

    /// Remove `key` and return its value; if it is missing, return `default` or raise KeyError.
    #[pyo3(signature = (key, default=Default::Missing))]
    fn pop<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Default<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        if this.overrides.reads() || this.overrides.delitem {
            let _frozen = this.freeze(slf.py())?;
            if slf.contains(key)? {
                let value = slf.get_item(key)?;
                slf.del_item(key)?;
                return Ok(value);
            }
        } else {
            let query = Query::new(key)?;
            let entry = this.run(slf.py(), Some(&query), |state, oracle| {
                oracle.now()?;
                Ok(match state.store.find(query.hash, oracle)? {
                    Found::Alive(slot) => state.store.remove(slot),
                    _ => None,
                })
            })?;
            if let Some(entry) = entry {
                return Ok(entry.value.into_bound(slf.py()));
            }
        }
        match default {
            Default::Given(default) => Ok(default),
            Default::Missing => Err(key_error(key)),
        }
    }

    /// Return the value of `key`; if it is missing, store `default` first.
    #[pyo3(signature = (key, default=None))]
    fn setdefault<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (this, py) = (slf.get(), slf.py());
        let default = default.cloned().unwrap_or_else(|| py.None().into_bound(py));
        let overrides = this.overrides;
        let _frozen = this.freeze(py)?;
        if overrides.reads() || overrides.setitem {
            if slf.contains(key)? {
                return slf.get_item(key);
            }
            slf.set_item(key, &default)?;
            return Ok(default);
        }
        let query = Query::new(key)?;
        if let Some(value) = this.peek(&query)? {
            return Ok(value);
        }
        Self::write(slf, &query, &default)?;
        Ok(default)
    }

    /// Remove and return the `(key, value)` pair least recently used that has not expired.
    fn popitem<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (this, py) = (slf.get(), slf.py());
        if !this.overrides.expire && !this.overrides.delitem {
            let mut bin = Garbage::new();
            let entry = this.run(py, None, |state, oracle| {
                oracle.now()?;
                state.store.expire(oracle, &mut bin)?;
                Ok(state
                    .store
                    .least_used()
                    .and_then(|slot| state.store.remove(slot)))
            })?;
            let Some(entry) = entry else {
                return Err(empty(slf));
            };
            return (entry.key.object, entry.value).into_pyobject(py);
        }
        let frozen = this.freeze(py)?;
        Self::settle(slf, frozen.as_ref())?;
        let oldest = this.with(|state| {
            let entry = state
                .store
                .least_used()
                .and_then(|slot| state.store.at(slot));
            entry.map(|entry| (entry.key.object.clone_ref(py), entry.value.clone_ref(py)))
        })?;
        let Some((key, value)) = oldest else {
            return Err(empty(slf));
        };
        slf.del_item(&key)?;
        (key, value).into_pyobject(py)
    }

    /// Remove all entries.
    fn clear(&self) -> PyResult<()> {
        let entries = self.with(|state| state.store.clear())?;
        drop(entries);
        Ok(())
    }

    /// The keys that have not expired, as a view.
    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        abc(slf.py(), "KeysView")?.call1((slf,))
    }

    /// The values that have not expired, as a view.
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        abc(slf.py(), "ValuesView")?.call1((slf,))
    }

    /// The `(key, value)` pairs that have not expired, as a view.
    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        abc(slf.py(), "ItemsView")?.call1((slf,))
    }

    /// Store all pairs of a mapping or an iterable, and all keyword arguments.
    #[pyo3(signature = (*args, **kwargs))]
    fn update(
        slf: &Bound<'_, Self>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let mut all = vec![slf.clone().into_any()];
        all.extend(args.iter());
        let update = abc(py, "MutableMapping")?.getattr(intern!(py, "update"))?;
        update.call(PyTuple::new(py, all)?, kwargs)?;
        Ok(())
    }

    /// The size that counts for a value.
    #[staticmethod]
    fn getsizeof(value: &Bound<'_, PyAny>) -> i64 {
        let _ = value;
        1
    }

    /// The maximum size of the cache.
    #[getter]
    fn maxsize(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.with(|state| state.maxsize.clone_ref(py))
    }

    /// The current size of the cache.
    #[getter]
    fn currsize<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Ok(number_to_object(Self::measure(slf, Store::size)?, slf.py()))
    }

    /// Counters since the cache was made.
    fn stats(&self) -> PyResult<CacheStats> {
        Ok(CacheStats(self.with(|state| state.store.counts)?))
    }

    /// `(value, remaining, stamp)` of a live entry: how much time it has left, and a number that
    /// changes when it is stored again. Only with `read` is this a use that the statistics count.
    #[pyo3(signature = (key, read=false))]
    fn _entry<'py>(&self, key: &Bound<'py, PyAny>, read: bool) -> PyResult<Option<LiveEntry<'py>>> {
        let (py, query) = (key.py(), Query::new(key)?);
        let found = self.run(py, Some(&query), |state, oracle| {
            let now = oracle.now()?.clone_ref(py);
            let Found::Alive(slot) = state.store.find(query.hash, oracle)? else {
                state.store.counts.misses += u64::from(read);
                return Ok(None);
            };
            if read {
                state.store.counts.hits += 1;
                state.store.touch(slot);
            }
            Ok(state.store.at(slot).map(|entry| {
                let expires = entry.expires.clone_ref(py);
                (
                    entry.value.bind(py).clone(),
                    expires,
                    now,
                    state.store.stamp(slot),
                )
            }))
        })?;
        let Some((value, expires, now, stamp)) = found else {
            return Ok(None);
        };
        let remaining = match (expires.number(), now.number()) {
            (Some(expires), Some(now)) => number_to_object(expires.minus(now), py),
            _ => expires.to_object(py)?.sub(now.to_object(py)?)?,
        };
        Ok(Some((value, remaining, stamp)))
    }

    /// Adds to the counters of the loads.
    #[pyo3(signature = (*, loads=0, joined=0, errors=0, error_hits=0, refreshes=0, seconds=None))]
    fn _count(
        &self,
        loads: u64,
        joined: u64,
        errors: u64,
        error_hits: u64,
        refreshes: u64,
        seconds: Option<f64>,
    ) -> PyResult<()> {
        self.with(|state| {
            let counts = &mut state.store.counts;
            counts.loads += loads;
            counts.joined += joined;
            counts.errors += errors;
            counts.error_hits += error_hits;
            counts.refreshes += refreshes;
            if let Some(seconds) = seconds {
                counts.called(seconds);
            }
        })
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (this, py) = (slf.get(), slf.py());
        let class = slf.get_type();
        let copy = class.call_method1(intern!(py, "__new__"), (&class,))?;
        let attributes = copy.getattr(intern!(py, "__dict__"))?;
        attributes.call_method1(
            intern!(py, "update"),
            (slf.getattr(intern!(py, "__dict__"))?,),
        )?;
        let copied = copy.cast::<Self>()?.get();
        let timer = this.with(|state| {
            let timer = state.timer.as_ref();
            timer.map(|timer| timer.get().function(py))
        })?;
        let timer = match timer {
            Some(timer) => Some(Py::new(
                py,
                CacheTimer::counted(py, timer, Arc::clone(&copied.frozen))?,
            )?),
            None => None,
        };
        let (entries, by_birth, by_use) = this.snapshot(py)?;
        let mut hashed = Vec::with_capacity(entries.len());
        for entry in entries {
            hashed.push((Query::new(entry.key.object.bind(py))?.hash, entry));
        }
        let state = this.with(|state| {
            let mut store = Store::new(state.store.limit(), timer.is_some());
            store.restore(hashed, &by_birth, &by_use);
            State {
                store,
                maxsize: state.maxsize.clone_ref(py),
                ttl: state.ttl.clone_ref(py),
                span: state.span,
                timer,
            }
        })?;
        copied.put(state, this.sized.load(Ordering::Relaxed));
        Ok(copy)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let make = py.import("copyreg")?.getattr(intern!(py, "__newobj__"))?;
        let state = slf.call_method0(intern!(py, "__getstate__"))?;
        (make, (slf.get_type(),), state).into_pyobject(py)
    }

    /// The attributes, and under a name of its own what the cache holds.
    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let (this, py) = (slf.get(), slf.py());
        let (entries, by_birth, by_use) = this.snapshot(py)?;
        let items = PyList::empty(py);
        for entry in entries {
            items.append((
                entry.key.object,
                entry.value,
                entry.expires.to_object(py)?,
                number_to_object(entry.size, py),
            ))?;
        }
        let (maxsize, ttl, timer) = this.with(|state| {
            let timer = state
                .timer
                .as_ref()
                .and_then(|timer| timer.get().function(py));
            (state.maxsize.clone_ref(py), state.ttl.clone_ref(py), timer)
        })?;
        let held = PyDict::new(py);
        held.set_item("maxsize", maxsize)?;
        held.set_item("ttl", ttl.to_object(py)?)?;
        held.set_item("timer", timer)?;
        held.set_item("sized", this.sized.load(Ordering::Relaxed))?;
        held.set_item("items", items)?;
        held.set_item("by_birth", by_birth)?;
        held.set_item("by_use", by_use)?;
        let state = slf
            .getattr(intern!(py, "__dict__"))?
            .cast::<PyDict>()?
            .copy()?;
        state.set_item(STATE, held)?;
        Ok(state)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        let (this, py) = (slf.get(), slf.py());
        let state = state.copy()?;
        let Some(held) = state.get_item(STATE)? else {
            return Err(PyValueError::new_err(
                "this is not the state of a sluicegate cache",
            ));
        };
        state.del_item(STATE)?;
        slf.getattr(intern!(py, "__dict__"))?
            .call_method1(intern!(py, "update"), (state,))?;
        let maxsize = held.get_item("maxsize")?;
        let timer = match this.timed {
            true => Some(Py::new(
                py,
                CacheTimer::counted(
                    py,
                    held.get_item("timer")?.extract()?,
                    Arc::clone(&this.frozen),
                )?,
            )?),
            false => None,
        };
        let mut entries = Vec::new();
        for item in held.get_item("items")?.try_iter()? {
            let (key, value, expires, size): (
                Bound<'_, PyAny>,
                Py<PyAny>,
                Bound<'_, PyAny>,
                Bound<'_, PyAny>,
            ) = item?.extract()?;
            let query = Query::new(&key)?;
            let expires = Moment::new(&expires);
            let size = number(&size, "size")?;
            entries.push((
                query.hash,
                Item {
                    key: query.to_key(),
                    value,
                    expires,
                    size,
                },
            ));
        }
        let mut store = Store::new(number(&maxsize, "maxsize")?, this.timed);
        let by_birth: Vec<usize> = held.get_item("by_birth")?.extract()?;
        let by_use: Vec<usize> = held.get_item("by_use")?.extract()?;
        store.restore(entries, &by_birth, &by_use);
        let ttl = Moment::new(&held.get_item("ttl")?);
        let sized = held.get_item("sized")?.extract()?;
        this.put(
            State {
                store,
                maxsize: maxsize.unbind(),
                span: span(&ttl),
                ttl,
                timer,
            },
            sized,
        );
        let frozen = this.freeze(py)?;
        Self::settle(slf, frozen.as_ref())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // No Python object is made, called or dropped under the lock, so the collector never
        // starts there; if another thread has it all the same, leaving the entries out only means
        // that they are not collected this time.
        let Some(guard) = self.state.try_lock() else {
            return Ok(());
        };
        let Some(state) = guard.as_ref() else {
            return Ok(());
        };
        visit.call(&state.maxsize)?;
        visit.call(&state.timer)?;
        state.ttl.visit(&visit)?;
        for entry in state.store.by_age() {
            visit.call(&entry.key.object)?;
            visit.call(&entry.value)?;
            entry.expires.visit(&visit)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let state = self.state.lock().take();
        drop(state);
    }
}

/// The name under which the pickled state of a cache is kept among the attributes of its instance.
const STATE: &str = "_sluicegate_cache";

/// A map with room for `maxsize`, whose entries last for `ttl` after they were stored.
///
/// When there is no room, the entry used longest ago goes. `timer` tells the time (by default a
/// monotonic clock that costs no Python call); `getsizeof` tells what a value counts for (by
/// default 1). May be used from several threads at once.
#[pyclass(name = "TTLCache", extends = Cache, frozen, subclass, mapping, module = "sluicegate")]
pub(super) struct TtlCache;

#[pymethods]
impl TtlCache {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(maxsize=100, ttl=300, timer=None, getsizeof=None)"
    )]
    fn __new__(
        cls: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let base = Cache::new(cls, &cls.py().get_type::<Self>(), true)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self))
    }

    #[pyo3(signature = (maxsize=Default::Missing, ttl=Default::Missing, timer=None, getsizeof=None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        maxsize: Default<'_>,
        ttl: Default<'_>,
        timer: Option<Bound<'_, PyAny>>,
        getsizeof: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        if let Some(timer) = timer.as_ref().filter(|timer| !timer.is_callable()) {
            let kind = timer.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "timer must be callable, not {kind}"
            )));
        }
        let ttl = match ttl {
            Default::Given(ttl) => Moment::new(&ttl),
            Default::Missing => Moment::Number(Number::Int(DEFAULT_TTL)),
        };
        let frozen = Arc::clone(&slf.as_super().get().frozen);
        let timer = Py::new(
            py,
            CacheTimer::counted(py, timer.map(Bound::unbind), frozen)?,
        )?;
        Cache::initialise(slf.as_super(), maxsize, ttl, Some(timer), getsizeof)
    }

    /// Return the value of `key`, or `default`.
    // Python calls a method of the exact class faster than an inherited one.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Cache::get(slf.as_super(), key, default)
    }

    /// How long the cache's entries last.
    #[getter]
    fn ttl<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.as_super()
            .get()
            .with(|state| state.ttl.clone_ref(py))?
            .to_object(py)
    }

    /// The timer of the cache; `with cache.timer as time:` holds its time still.
    #[getter]
    fn timer(slf: &Bound<'_, Self>) -> PyResult<Option<Py<CacheTimer>>> {
        let py = slf.py();
        slf.as_super()
            .get()
            .with(|state| state.timer.as_ref().map(|timer| timer.clone_ref(py)))
    }

    /// Remove the entries that have expired by `time` (by default: now), and return them as a list
    /// of `(key, value)` pairs.
    #[pyo3(signature = (time=None))]
    fn expire<'py>(
        slf: &Bound<'py, Self>,
        time: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let (this, py) = (slf.as_super().get(), slf.py());
        let mut bin = Garbage::new();
        let mut oracle = Oracle::new(py, None);
        if let Some(time) = time {
            oracle.set_now(Moment::new(time));
        }
        this.run_at(&mut oracle, py, |state, oracle| {
            oracle.now()?;
            state.store.expire(oracle, &mut bin)
        })?;
        PyList::new(
            py,
            bin.into_iter().map(|entry| (entry.key.object, entry.value)),
        )
    }
}

/// A map with room for `maxsize`, from which the entry used longest ago goes when there is none.
///
/// `getsizeof` tells what a value counts for (by default 1). May be used from several threads at
/// once.
#[pyclass(name = "LRUCache", extends = Cache, frozen, subclass, mapping, module = "sluicegate")]
pub(super) struct LruCache;

#[pymethods]
impl LruCache {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(maxsize=100, getsizeof=None)"
    )]
    fn __new__(
        cls: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let base = Cache::new(cls, &cls.py().get_type::<Self>(), false)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self))
    }

    #[pyo3(signature = (maxsize=Default::Missing, getsizeof=None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        maxsize: Default<'_>,
        getsizeof: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let forever = Moment::Number(Number::Float(f64::INFINITY));
        Cache::initialise(slf.as_super(), maxsize, forever, None, getsizeof)
    }

    /// Return the value of `key`, or `default`.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Cache::get(slf.as_super(), key, default)
    }
}

/// A TTL that the native clock can add to an instant without becoming a number: one that is not
/// negative. An infinite one is made so long that nobody sees the end of it.
fn span(ttl: &Moment) -> Option<Duration> {
    const FOREVER: f64 = 1e9;
    let seconds = ttl.number()?.as_f64();
    if seconds.is_nan() {
        None
    } else {
        Duration::try_from_secs_f64(seconds.min(FOREVER)).ok()
    }
}

fn clone_entry(entry: &Item, py: Python<'_>) -> Item {
    Item {
        key: entry.key.clone_ref(py),
        value: entry.value.clone_ref(py),
        expires: entry.expires.clone_ref(py),
        size: entry.size,
    }
}

fn number(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Number> {
    if let Ok(whole) = object.extract::<i64>() {
        return Ok(Number::Int(whole));
    }
    object.extract::<f64>().map(Number::Float).map_err(|_| {
        let kind = object
            .get_type()
            .name()
            .map_or_else(|_| "?".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("{what} must be a number, not {kind}"))
    })
}

#[inline(always)]
pub(super) fn hash(key: &Bound<'_, PyAny>) -> PyResult<u64> {
    Ok(key.hash()?.cast_unsigned() as u64)
}

fn key_error(key: &Bound<'_, PyAny>) -> PyErr {
    // In a tuple of its own, or a tuple as a key would be taken for the error's arguments.
    PyKeyError::new_err((key.clone().unbind(),))
}

fn empty(slf: &Bound<'_, Cache>) -> PyErr {
    let name = slf
        .get_type()
        .name()
        .map_or_else(|_| "cache".to_owned(), |name| name.to_string());
    let error = PyKeyError::new_err(format!("{name} is empty"));
    error.set_cause(slf.py(), None);
    error
}

/// A class of `collections.abc`.
fn abc<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("collections.abc").map(Bound::unbind))?;
    module.bind(py).getattr(name)
}

/// Makes the caches known as mappings: `isinstance(cache, MutableMapping)`.
pub(super) fn register(py: Python<'_>) -> PyResult<()> {
    let mapping = abc(py, "MutableMapping")?;
    mapping.call_method1(intern!(py, "register"), (py.get_type::<Cache>(),))?;
    Ok(())
}

/// Makes the caches known to cachetools, once that is imported: its `cached(cache, info=True)` asks
/// only its own kind for their `maxsize`.
fn befriend_cachetools(py: Python<'_>) {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.load(Ordering::Relaxed) {
        return;
    }
    let register = || -> PyResult<bool> {
        let modules = py
            .import("sys")?
            .getattr("modules")?
            .cast_into::<PyDict>()?;
        let Some(cachetools) = modules.get_item("cachetools")? else {
            return Ok(false);
        };
        for (name, class) in [
            ("TTLCache", py.get_type::<TtlCache>()),
            ("LRUCache", py.get_type::<LruCache>()),
        ] {
            cachetools
                .getattr(name)?
                .call_method1(intern!(py, "register"), (class,))?;
        }
        Ok(true)
    };
    // A cachetools that is only half imported, or not what it seems, is no reason to fail.
    if register().unwrap_or(false) {
        DONE.store(true, Ordering::Relaxed);
    }
}
