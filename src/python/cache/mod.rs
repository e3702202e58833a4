//! `TTLCache` and `LRUCache`, with the manners of the classes of those names in cachetools.
//!
//! Every operation follows one pattern: [`Cache::run`] locks the contents and lets the map do its work. If an answer is
//! pending (are these keys equal? has that entry expired?), the lock is released, Python is asked, and the work is begun
//! again with the answer known. What the map takes out is dropped after the lock is released, for dropping may run Python
//! code too.

mod arguments;
mod classes;
mod clock;
mod expire;
mod iter;
mod key;
mod methods;
mod number;
mod overrides;
mod pending_answers;
mod pickling;
mod quick_answers;
mod read;
mod registry;
mod repr;
mod stats;
mod time;
mod timer;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyType;
use spin::mutex::SpinMutex;

use crate::cache::{Entry, Store};

use self::key::{Key, Query};
use self::overrides::Overrides;
use self::pending_answers::{Pending, PendingAnswers};
use self::quick_answers::Now;
use self::stats::LoadCounts;
use self::time::TimeValue;
use self::timer::Frozen;

pub(super) use self::classes::{LruCache, TtlCache, register};
pub(super) use self::registry::{CacheReport, reports};
pub(super) use self::stats::CacheStats;
pub(super) use self::timer::CacheTimer;

type Entries = Store<Key, Py<PyAny>, TimeValue>;
type CacheEntry = Entry<Key, Py<PyAny>, TimeValue>;
/// See [`crate::cache::Removed`].
type Removed = crate::cache::Removed<Key, Py<PyAny>, TimeValue>;

/// All that changes.
struct Contents {
    store: Entries,
    loads: LoadCounts,
    maxsize: Py<PyAny>,
    ttl: TimeValue,
    /// The same for the native clock.
    span: Option<Duration>,
    timer: Option<Py<CacheTimer>>,
}

/// The common part of the caches.
#[pyclass(frozen, subclass, dict, weakref, mapping, generic, module = "sluicegate._core")]
pub(super) struct Cache {
    overrides: Overrides,
    timed: bool,
    /// Whether `getsizeof` is asked for the size of a value.
    sized: AtomicBool,
    /// Whether the time can be read without asking Python or the contents.
    native: AtomicBool,
    /// Whether the last text that was asked for was equal to the stored one, but another object: a
    /// guess at the next, whether it must be looked into.
    copies: AtomicBool,
    /// How many hold the timer's time still.
    frozen: Arc<AtomicUsize>,
    /// None until `__init__` was called.
    ///
    /// No thread ever waits for this lock: only the thread that has the interpreter takes it, and gives it back
    /// before the interpreter (see the module `_core`). Of those that need no `unsafe`, a spin lock
    /// is the cheapest: it is given back by a plain store.
    ///
    /// Boxed, because Python 3.11 may collect garbage when it has allocated an object and PyO3 has
    /// not yet written the Rust value into it (`object.__new__` makes the instance's dict then).
    /// `__traverse__` looks at zeroed memory in that case: an unlocked mutex around no box.
    contents: SpinMutex<Option<Box<Contents>>>,
    /// The threads in whose `repr` of this cache we are: a cache may hold itself.
    printing: Mutex<Vec<ThreadId>>,
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
            contents: SpinMutex::new(None),
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
    fn run<R>(
        &self,
        py: Python<'_>,
        query: Option<&Query<'_, '_>>,
        work: impl FnMut(&mut Contents, &mut PendingAnswers<'_, '_>) -> Result<R, Pending>,
    ) -> PyResult<R> {
        self.run_at(&mut PendingAnswers::new(py, query), py, work)
    }

    #[inline]
    fn run_at<R>(
        &self,
        answers: &mut PendingAnswers<'_, '_>,
        py: Python<'_>,
        mut work: impl FnMut(&mut Contents, &mut PendingAnswers<'_, '_>) -> Result<R, Pending>,
    ) -> PyResult<R> {
        if !answers.knows_now()
            && let Some(now) = self.quick()
        {
            answers.set_now(now.into());
        }
        loop {
            let timer = {
                let mut guard = self.contents.lock();
                let Some(contents) = guard.as_mut() else {
                    drop(guard);
                    return Err(self.not_initialised());
                };
                match work(contents, answers) {
                    Ok(result) => return Ok(result),
                    Err(Pending) => contents.timer.as_ref().map(|timer| timer.clone_ref(py)),
                }
            };
            answers.resolve(|| match &timer {
                Some(timer) => timer.get().read(py),
                None => Ok(TimeValue::ZERO),
            })?;
        }
    }

    /// Reads or changes what needs no answers.
    fn with<R>(&self, work: impl FnOnce(&mut Contents) -> R) -> PyResult<R> {
        let mut guard = self.contents.lock();
        if let Some(contents) = guard.as_mut() {
            return Ok(work(contents));
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

    /// Holds the time still while Python code that belongs to one operation runs.
    fn freeze(&self, py: Python<'_>) -> PyResult<Option<Frozen>> {
        let timer = self.with(|contents| contents.timer.as_ref().map(|timer| timer.clone_ref(py)))?;
        timer.map(|timer| Frozen::new(timer.bind(py))).transpose()
    }
}
