//! `TTLCache` and `LRUCache`, with the manners of the classes of those names in cachetools.
//!
//! Every operation follows one pattern: [`Cache::run`] locks the state and lets the map do its
//! work. If the map must ask something of Python (are these keys equal? is that time over?), the
//! lock is released, Python is asked, and the work is begun again with the answer known. What the
//! map takes out is dropped after the lock is released, for dropping may run Python code too.

mod classes;
mod methods;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};
use pyo3::{IntoPyObjectExt, intern};
use spin::mutex::SpinMutex;

use super::cache_key::{Glance, Key, Now, Oracle, Query, Unknown};
use super::cache_time::{CacheTimer, Frozen, Moment};
use crate::cache::{Bin, Entry, Found, Number, Placed, Store};

pub(super) use classes::{LruCache, TtlCache, register};

pub(super) type Shelf = Store<Key, Py<PyAny>, Moment>;
pub(super) type Item = Entry<Key, Py<PyAny>, Moment>;
type Garbage = Bin<Key, Py<PyAny>, Moment>;

/// What time it always is in a cache without a clock, and when its entries end.
const NEVER: Moment = Moment::Number(Number::Float(f64::INFINITY));
const NO_TIME: Moment = Moment::Number(Number::Float(0.0));

impl From<Now> for Moment {
    fn from(mut now: Now) -> Self {
        now.instant().map_or(NO_TIME, Self::Native)
    }
}

/// A value, the time it has left, and its stamp.
type LiveEntry<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, u64);

const DEFAULT_MAXSIZE: i64 = 100;
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

    /// Whether an operation may be made of several, between which another thread comes.
    fn any(self) -> bool {
        self.reads() || self.setitem || self.evicts()
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
                return self.store.at(slot).map(|entry| entry.value.bind(py).clone());
            }
            Found::Over(slot) if touch_over => self.store.touch(slot),
            Found::Over(_) | Found::Absent => {}
        }
        self.store.counts.misses += 1;
        None
    }
}

/// The common part of the caches.
#[pyclass(frozen, subclass, dict, weakref, mapping, generic, module = "sluicegate._core")]
pub(super) struct Cache {
    overrides: Overrides,
    timed: bool,
    /// Whether `getsizeof` is asked for the size of a value.
    sized: AtomicBool,
    /// Whether the time can be read without asking Python or the state.
    native: AtomicBool,
    /// Whether the last text that was asked for was equal to the stored one, but another object: a
    /// guess at the next, whether it must be looked into.
    copies: AtomicBool,
    /// How many hold the timer's time still.
    frozen: Arc<AtomicUsize>,
    /// None until `__init__` was called.
    ///
    /// Nobody ever waits for this lock: only who has the interpreter takes it, and gives it back
    /// before the interpreter (see the module `_core`). Of those that need no `unsafe`, a spin lock
    /// is the cheapest: it is given back by a plain store.
    ///
    /// Boxed, because Python 3.11 may collect garbage when it has allocated an object and PyO3 has
    /// not yet written the Rust value into it (`object.__new__` makes the instance's dict then).
    /// `__traverse__` looks at zeroed memory in that case: an unlocked mutex around no box.
    state: SpinMutex<Option<Box<State>>>,
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
            copies: AtomicBool::new(false),
            frozen: Arc::default(),
            state: SpinMutex::new(None),
            printing: Mutex::new(Vec::new()),
        })
    }

    /// The time, if telling it takes neither Python nor the lock.
    #[inline(always)]
    fn quick(&self) -> Option<Now> {
        if !self.timed {
            return Some(Now::Never);
        }
        let quick = self.native.load(Ordering::Relaxed) && self.frozen.load(Ordering::Relaxed) == 0;
        quick.then_some(Now::Unread)
    }

    /// Does one operation: see the top of the module.
    #[inline]
    pub(super) fn run<R>(
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
            oracle.set_now(now.into());
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
        classes::befriend_cachetools(py);
        Ok(())
    }

    fn put(&self, state: State, sized: bool) {
        let native = state.timer.as_ref().is_some_and(|timer| timer.get().is_native());
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
                this.run(py, None, |state, oracle| state.store.expire(oracle, &mut bin))
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
        if slf.contains(key)?
            && let Some(value) = unless_gone(slf.py(), slf.get_item(key))?
        {
            return Ok(Some(value));
        }
        this.with(|state| state.store.counts.misses += 1)?;
        Ok(default.cloned())
    }

    /// The value of a live entry, which becomes the one used last. With `touch_over`, so does one
    /// whose time is over, though it has no value any more.
    #[inline(always)]
    fn read<'py>(&self, key: &Bound<'py, PyAny>, touch_over: bool) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (py, mut query) = (key.py(), Query::unread(key)?);
        // Most programs ask for the very objects that they stored, or for none of them.
        if self.copies.load(Ordering::Relaxed) {
            query.read();
        }
        let Some(now) = self.quick() else {
            query.read();
            return self.read_slowly(&query, None, touch_over);
        };
        if let Some(found) = self.read_at_a_glance(py, &query, now, touch_over) {
            return Ok(found);
        }
        if query.read() {
            self.copies.store(true, Ordering::Relaxed);
            if let Some(found) = self.read_at_a_glance(py, &query, now, touch_over) {
                return Ok(found);
            }
        }
        self.read_slowly(&query, Some(now), touch_over)
    }

    /// The same, if it takes no question to be answered.
    #[inline(always)]
    fn read_at_a_glance<'py>(
        &self,
        py: Python<'py>,
        query: &Query<'_, 'py>,
        now: Now,
        touch_over: bool,
    ) -> Option<Option<Bound<'py, PyAny>>> {
        let mut guard = self.state.lock();
        let state = guard.as_mut()?;
        let found = state.store.find(query.hash, &mut Glance { query, now }).ok()?;
        if let Found::Alive(slot) = found
            && query.was_read()
            && state.store.at(slot).is_some_and(|entry| entry.key.object.is(query.object))
        {
            self.copies.store(false, Ordering::Relaxed);
        }
        Some(state.note_read(py, found, touch_over))
    }

    #[cold]
    fn read_slowly<'py>(
        &self,
        query: &Query<'_, 'py>,
        now: Option<Now>,
        touch_over: bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = query.object.py();
        let mut oracle = Oracle::new(py, Some(query));
        if let Some(now) = now {
            oracle.set_now(now.into());
        }
        self.run_at(&mut oracle, py, |state, oracle| {
            if !touch_over {
                oracle.now()?;
            }
            let found = state.store.find(query.hash, oracle)?;
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
            Ok(state.store.at(slot).map(|entry| entry.value.bind(py).clone()))
        })
    }

    /// Stores a value.
    #[inline(always)]
    fn write(slf: &Bound<'_, Self>, query: &Query<'_, '_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let this = slf.get();
        // What is dropped at the end of this function is dropped without the lock.
        let mut bin = Garbage::new();
        let mut item = Some(Item {
            key: query.to_key(),
            value: value.clone().unbind(),
            expires: NEVER,
            size: Number::Int(1),
        });
        let slowly = this.sized.load(Ordering::Relaxed) || this.overrides.evicts();
        if !slowly && let Some(placed) = this.write_at_a_glance(query, &mut item, &mut bin) {
            return match placed {
                Placed::TooLarge => Err(PyValueError::new_err(TOO_LARGE)),
                _ => Ok(()),
            };
        }
        Self::write_slowly(slf, query, value, item, bin)
    }

    #[cold]
    fn write_slowly(
        slf: &Bound<'_, Self>,
        query: &Query<'_, '_>,
        value: &Bound<'_, PyAny>,
        mut item: Option<Item>,
        mut bin: Garbage,
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
            if this.with(|state| state.store.limit())?.before(item.size) {
                return Err(PyValueError::new_err(TOO_LARGE));
            }
            if item.size.before(Number::Int(0)) {
                return Err(PyValueError::new_err("value size must be non-negative"));
            }
        }
        let mut patience = PATIENCE;
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
                state.store.place(query.hash, oracle, &mut item, !overrides.evicts(), &mut bin)
            })?;
            match placed {
                Placed::Stored => return Ok(()),
                Placed::TooLarge => return Err(PyValueError::new_err(TOO_LARGE)),
                Placed::Empty => return Err(Self::empty(slf)),
                Placed::NeedsRoom => match slf.call_method0(intern!(py, "popitem")) {
                    Ok(_) => this.with(|state| state.store.counts.evictions += 1)?,
                    // Another thread has emptied the cache: there is room now.
                    Err(error) if patience > 0 && is_gone(py, &error) => patience -= 1,
                    Err(error) => return Err(error),
                },
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
        let judge = &mut Glance { query, now };
        if let Some(instant) = judge.now.instant() {
            let expires = Moment::Native(instant.checked_add(state.span?)?);
            state.store.expire(judge, bin).ok()?;
            if let Some(item) = item {
                item.expires = expires;
            }
        }
        state.store.place(query.hash, judge, item, true, bin).ok()
    }

    /// `popitem()` of a subclass with a `__delitem__` of its own: that must take the entry out.
    fn popitem_by_key<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (this, py) = (slf.get(), slf.py());
        for _ in 0..PATIENCE {
            let oldest = this.with(|state| {
                let slot = state.store.least_used()?;
                let (key, value) = state.store.at(slot).map(|entry| (&entry.key.object, &entry.value))?;
                Some((state.store.place_of(slot), key.clone_ref(py), value.clone_ref(py)))
            })?;
            let Some((place, key, value)) = oldest else {
                break;
            };
            let Err(error) = slf.del_item(&key) else {
                return (key, value).into_pyobject(py);
            };
            // If another thread was first, it is the turn of the next one.
            if this.with(|state| state.store.still(place).is_some())? || !is_gone(py, &error) {
                return Err(error);
            }
        }
        Err(Self::empty(slf))
    }

    fn missing<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().overrides.missing {
            return slf.call_method1(intern!(slf.py(), "__missing__"), (key,));
        }
        Err(slf.get().key_error(key))
    }

    /// A copy of what is stored, oldest first, and the two other orders.
    fn snapshot(&self, py: Python<'_>) -> PyResult<(Vec<Item>, Vec<usize>, Vec<usize>)> {
        self.with(|state| {
            let entries = state.store.by_age().map(|entry| clone_entry(entry, py)).collect();
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

/// A TTL that the native clock can add to an instant without becoming a number: one that is not
/// negative. An infinite one is made so long that nobody sees the end of it.
fn span(ttl: &Moment) -> Option<Duration> {
    const FOREVER: f64 = 1e9;
    let seconds = ttl.number()?.as_f64();
    if seconds.is_nan() { None } else { Duration::try_from_secs_f64(seconds.min(FOREVER)).ok() }
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
        let kind = object.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("{what} must be a number, not {kind}"))
    })
}

#[inline(always)]
pub(super) fn hash(key: &Bound<'_, PyAny>) -> PyResult<u64> {
    Ok(key.hash()?.cast_unsigned() as u64)
}

/// The attribute of an error that says: it was raised here, because there is no such entry.
const GONE: &str = "_sluicegate_gone";

/// How often other threads may take away what an operation was about to.
const PATIENCE: usize = 10_000;

impl Cache {
    fn key_error(&self, key: &Bound<'_, PyAny>) -> PyErr {
        // In a tuple of its own, or a tuple as a key would be taken for the error's arguments.
        self.marked(key.py(), PyKeyError::new_err((key.clone().unbind(),)))
    }

    fn empty(slf: &Bound<'_, Self>) -> PyErr {
        let name = slf.get_type().name().map_or_else(|_| "cache".to_owned(), |name| name.to_string());
        let error = PyKeyError::new_err(format!("{name} is empty"));
        error.set_cause(slf.py(), None);
        slf.get().marked(slf.py(), error)
    }

    /// Marks an error for [`is_gone`], if it can come back here through methods of a subclass.
    fn marked(&self, py: Python<'_>, error: PyErr) -> PyErr {
        if self.overrides.any() {
            // An error that cannot be marked is still the right one.
            let _ = error.value(py).setattr(intern!(py, GONE), true);
        }
        error
    }
}

/// Whether methods of a subclass failed because the entry was not there (any more), and not for a
/// reason of their own. It was there a moment before: another thread has taken it, or it expired.
#[cold]
fn is_gone(py: Python<'_>, error: &PyErr) -> bool {
    if !error.is_instance_of::<PyKeyError>(py) {
        return false;
    }
    let mut error = Some(error.value(py).clone().into_any());
    // A subclass may have made another error of ours: that is then the context of its own.
    for _ in 0..8 {
        let Some(this) = error.filter(|error| !error.is_none()) else {
            return false;
        };
        if this.hasattr(intern!(py, GONE)).unwrap_or(false) {
            return true;
        }
        error = this.getattr(intern!(py, "__context__")).ok();
    }
    false
}

/// Nothing instead of an error that says that the entry is gone.
fn unless_gone<R>(py: Python<'_>, result: PyResult<R>) -> PyResult<Option<R>> {
    match result {
        Err(error) if is_gone(py, &error) => Ok(None),
        result => result.map(Some),
    }
}

/// A class of `collections.abc`.
fn abc<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("collections.abc").map(Bound::unbind))?;
    module.bind(py).getattr(name)
}
