//! `Throttler` for Python: its arguments and methods, converted. What they do is in `wait/`.
//!
//! Long because a class has one block of methods, with all that `help()` tells.

mod clock;
mod events;
mod options;
mod period;
mod routes;
mod table;
mod task;
mod usage;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::clock::{Clock, nanos};
use crate::gate::{Observation, Options, Route};
use crate::limit::RateLimit;
use crate::python::numbers;
use crate::wait::Throttler;

use super::waiting::{Loops, fork};
use super::{meter, seconds, sharing};

use self::events::Callbacks;
use self::routes::{RouteHandle, Routes};

pub use self::clock::PyManualClock;
pub use self::events::PyEvent;
pub use self::options::manual_clock_shared;
pub use self::period::{check_timezone, parse_period};
pub use self::table::{check_link, check_rate_limit};
pub use self::task::Task;
pub use self::usage::PyUsage;

/// Decides when a request may leave, so that no limit of its table is exceeded.
///
/// One throttler may be used by any number of threads and event loops at once. It also works
/// after ``os.fork``: the child starts with the same used units, and then counts on its own. With
/// ``share``, the child takes part in the budget as one more process, which has nothing at first.
///
/// Args:
///     rate_limits: The table of limits: a list, or any other iterable. The limits are read at
///         once, by their attributes: ``limit_id``, ``limit`` and ``time_interval``, and, where an
///         object has them, ``weight``, ``linked_limits``, ``kind``, ``timezone``, ``scope``,
///         ``priority`` and ``reserve``. To change a limit afterwards has no effect. If two limits
///         have the same id, the last one counts; if they differ, a ``RuntimeWarning`` says so.
///     safety_margin_pct: A share of each interval, from 0 to 1, by which units stay used longer.
///         0.05 makes 60 s count as 63 s. The default is 0. A quota ends at its boundary anyway.
///     limits_share_percentage: The share of every limit that this throttler may use, in percent:
///         above 0 and at most 100, which is the default. The share of a limit is rounded down,
///         and is at least 1.
///     hold: When the interval of a request's units begins. ``"response"``, the default: when the
///         block ends, so that the exchange never sees more than the limit, however long requests
///         take to arrive. ``"start"``: when the block begins; if the latency varies, the exchange
///         may see more than the limit.
///     clock: A `sluicegate.testing.ManualClock`, for tests. By default the machine's monotonic
///         clock.
///     share: Where the limits are shared with other processes: the address of a store, such as
///         ``"sqlite:////var/lib/bots/budget.db"`` or ``"redis://host:6379/0"``, or a
///         `sluicegate.Share`. All throttlers that name the same store have one budget together.
///         By default nothing is shared.
///     patience: How many seconds a waiting request takes to rise by one class, so that nobody
///         starves while requests of higher priorities keep coming: over 0, up to 2592000 (30
///         days). Once it has risen to the highest priority, it goes before all that come later.
///         The default is ``None``: a request waits for as long as higher ones come.
///
/// Raises:
///     ValueError: A value is out of range, a link names an id that is not in the table or the
///         limit itself, or a weight is so large that a request could never pass; or another
///         process that shares a limit has other values for it. The message shows the value and
///         says what would be right.
///     TypeError: A value has the wrong type.
///     StoreError: The store of ``share`` cannot be used. The message says why, and what helps.
///
/// Examples:
///     >>> throttler = Throttler([RateLimit("/depth", limit=20, time_interval=1)])
///     >>> with throttler.execute_task("/depth"):
///     ...     pass  # send the request, read the answer
///     >>> throttler.usage("/depth").used
///     1
#[pyclass(name = "Throttler", module = "sluicegate", frozen, subclass, weakref)]
pub struct PyThrottler {
    inner: OnceLock<Inner>,
    routes: Routes,
    callbacks: Arc<Callbacks>,
}

struct Inner {
    throttler: Throttler,
    loops: Arc<Loops>,
    options: Options,
}

const NO_CONTEXT: &str = "a Throttler cannot be entered; enter the context of one request";
const ONE_REQUEST: &str = "throttler.execute_task(limit_id):";

impl PyThrottler {
    fn inner(&self) -> PyResult<&Inner> {
        self.inner.get().ok_or_else(|| {
            PyRuntimeError::new_err("this throttler has no table: its class does not call super().__init__()")
        })
    }

    /// A throttler that gets its table later.
    pub fn empty(py: Python<'_>) -> Self {
        Self { inner: OnceLock::new(), routes: Routes::new(py), callbacks: Arc::default() }
    }

    pub fn begin(&self, py: Python<'_>, throttler: Throttler, options: Options) -> PyResult<()> {
        fork::register(&throttler);
        self.callbacks.log(&throttler);
        if !throttler.clock().is_manual() {
            meter::offer(py);
        }
        let inner = Inner { throttler, loops: Arc::default(), options };
        let again = |_| PyRuntimeError::new_err("this throttler has its table: use set_rate_limits()");
        self.inner.set(inner).map_err(again)
    }

    pub fn throttler(&self) -> PyResult<&Throttler> {
        Ok(&self.inner()?.throttler)
    }

    pub fn route<'py>(&self, limit_id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, RouteHandle>> {
        self.routes.get(limit_id, || {
            let Inner { throttler, loops, .. } = self.inner()?;
            Ok((throttler, loops))
        })
    }

    /// A table for this throttler. Hummingbot's tables are taken as Hummingbot takes them.
    fn read(&self, rate_limits: &Bound<'_, PyAny>) -> PyResult<Vec<RateLimit>> {
        let table = table::read(rate_limits)?;
        if !self.inner()?.options.hopeless_routes {
            table::check_for_slips(rate_limits.py(), &table)?;
        }
        Ok(table)
    }

    /// How many times a route's weights a request takes.
    fn units(&self, route: &Route, units: Option<&Bound<'_, PyAny>>) -> PyResult<u64> {
        let Some(units) = units else { return Ok(1) };
        let units = numbers::units("units", 1, units)?;
        self.throttler()?.check_units(route, units)?;
        Ok(units)
    }
}

#[pymethods]
impl PyThrottler {
    #[new]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(rate_limits, *, safety_margin_pct=None, limits_share_percentage=None, hold=None, clock=None, share=None, patience=None)"
    )]
    fn new(py: Python<'_>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::empty(py)
    }

    #[pyo3(
        signature = (
            rate_limits, *more, safety_margin_pct=None, limits_share_percentage=None, hold=None, clock=None,
            share=None, patience=None
        )
    )]
    #[allow(clippy::too_many_arguments, reason = "they are Python's, by name")]
    fn __init__(
        &self,
        py: Python<'_>,
        rate_limits: &Bound<'_, PyAny>,
        more: &Bound<'_, PyTuple>,
        safety_margin_pct: Option<&Bound<'_, PyAny>>,
        limits_share_percentage: Option<&Bound<'_, PyAny>>,
        hold: Option<&Bound<'_, PyAny>>,
        clock: Option<&Bound<'_, PyAny>>,
        share: Option<&Bound<'_, PyAny>>,
        patience: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        if !more.is_empty() {
            return Err(PyTypeError::new_err(format!(
                "a Throttler takes one list of RateLimit, and its options by name: {}",
                table::EXAMPLE
            )));
        }
        let options = options::read(safety_margin_pct, limits_share_percentage, hold, patience)?;
        let clock = clock.map(|clock| {
            let must = "a sluicegate.testing.ManualClock or None";
            clock.cast::<PyManualClock>().map_err(|_| numbers::wrong_type("clock", must, clock))
        });
        let table = table::read(rate_limits)?;
        table::check_for_slips(py, &table)?;
        let throttler = match (clock.transpose()?, share) {
            (Some(_), Some(_)) => return Err(options::manual_clock_shared()),
            (Some(manual), None) => manual.get().clock.throttler(&table, options)?,
            (None, Some(share)) => {
                sharing::throttler(py, &table, options, sharing::read(share)?, Clock::monotonic())?
            }
            (None, None) => Throttler::new(&table, options)?,
        };
        self.begin(py, throttler, options)
    }

    /// Returns the context of one request, for ``async with`` or, in a thread, for ``with``.
    ///
    /// To enter it waits until the request may leave. The block is where the request is sent and
    /// its answer is read. A context that is never entered limits nothing, and a
    /// ``RuntimeWarning`` says so.
    ///
    /// Requests of the same priority for the same id leave in the order in which they came. A later
    /// request never delays an earlier one, unless its priority is higher. A request of a lower
    /// priority never delays one of a higher that waits.
    ///
    /// Args:
    ///     limit_id: The id of a limit of the table.
    ///     units: How many times its weights the request takes: a whole number, 1 or more. The
    ///         default is 1.
    ///     timeout: The most seconds to wait. 0 does not wait at all: of a shared limit it sees
    ///         only the units that this process has. By default there is no timeout.
    ///     priority: Who goes first of those that wait: a whole number from -1000 to 1000. The
    ///         higher goes first, also before those of its id that came earlier; equal ones go in
    ///         the order of arrival. The default is the ``priority`` of the id in the table, which
    ///         is 0 if the table does not say it.
    ///
    /// Raises:
    ///     UnknownLimitError: No limit of the table has this id. The message names the closest id.
    ///     ValueError: ``units`` is not a whole number of 1 or more, or so large that the request
    ///         could never pass; or ``timeout`` is negative; or ``priority`` is out of range.
    ///     TypeError: ``limit_id`` is not a ``str``, or ``units``, ``timeout`` or ``priority`` is
    ///         not a number.
    ///     RateLimitTimeout: When it is entered: the request could not leave within ``timeout``.
    ///         Nothing was charged. `Task` tells what else can be raised there.
    ///
    /// Examples:
    ///     >>> async def depth(session):
    ///     ...     async with throttler.execute_task("/depth", timeout=5):
    ///     ...         async with session.get("/depth") as response:
    ///     ...             return await response.read()
    #[pyo3(signature = (limit_id, units=None, timeout=None, priority=None))]
    #[inline]
    fn execute_task<'py>(
        &self,
        limit_id: &Bound<'py, PyAny>,
        units: Option<&Bound<'py, PyAny>>,
        timeout: Option<&Bound<'py, PyAny>>,
        priority: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Task>> {
        let rank = numbers::rank(priority)?;
        let route = RouteHandle::of_rank(self.route(limit_id)?, rank)?;
        let units = self.units(&route.get().route, units)?;
        let timeout = numbers::timeout(timeout)?.map(nanos);
        // Made here: to hand it on by value copies it several times.
        Bound::new(limit_id.py(), Task::new(route.unbind(), units, timeout, rank))
    }

    /// Returns a decorator: each call of its function is one request.
    ///
    /// The call waits until the request may leave. The function's code is the block of the
    /// request, as within `execute_task`: a coroutine function waits without blocking its event
    /// loop, and any other function blocks its thread. Methods can be decorated, too. Generators
    /// cannot, because their code runs after the call.
    ///
    /// Args:
    ///     limit_id: The id of a limit of the table. It is looked up at each call.
    ///     units: How many times its weights each call takes: a whole number, 1 or more. The
    ///         default is 1.
    ///     timeout: The most seconds that a call waits, which then raises `RateLimitTimeout`. By
    ///         default there is no timeout.
    ///     priority: The priority of each call: see `execute_task`.
    ///
    /// Raises:
    ///     TypeError: ``limit_id`` is not a ``str``, as in ``@throttler.limit`` without an id; or
    ///         the decorated object is a generator function, a class, or nothing that can be
    ///         called. A call raises what `execute_task` does, and a ``TypeError`` if a plain
    ///         function returns a coroutine, whose code has not run yet.
    ///
    /// Examples:
    ///     >>> @throttler.limit("/depth")
    ///     ... def depth(symbol):
    ///     ...     return f"the book of {symbol}"  # send the request, read the answer
    ///     >>> depth("BTCUSDT")
    ///     'the book of BTCUSDT'
    #[pyo3(signature = (limit_id, *, units=None, timeout=None, priority=None))]
    fn limit<'py>(
        slf: &Bound<'py, Self>,
        limit_id: &Bound<'py, PyAny>,
        units: Option<&Bound<'py, PyAny>>,
        timeout: Option<&Bound<'py, PyAny>>,
        priority: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let decorating = slf.py().import("sluicegate._decorating")?;
        decorating.call_method1("limiting", (slf, limit_id, units, timeout, priority))
    }

    /// Charges a request now, for good, if there is room. Returns whether there was room.
    ///
    /// Nothing needs to be left or given back: the interval of the units begins now, whatever
    /// ``hold`` is. It never waits. Use it for requests whose end is not known, and for units that
    /// another program used; in all other cases use `execute_task`.
    ///
    /// Of a shared limit it sees only the units that this process has. It asks the others for more,
    /// so that the next one may pass.
    ///
    /// Args:
    ///     limit_id: The id of a limit of the table.
    ///     units: How many times its weights the request takes: a whole number, 1 or more. The
    ///         default is 1.
    ///     priority: As in `execute_task`: those of a lower priority that wait are not in its way.
    ///
    /// Raises:
    ///     UnknownLimitError: No limit of the table has this id.
    ///     ValueError: ``units`` is not a whole number of 1 or more, or so large that the request
    ///         could never pass; or ``priority`` is out of range.
    ///     TypeError: ``limit_id`` is not a ``str``, or ``units`` or ``priority`` is not a number.
    ///
    /// Examples:
    ///     >>> if throttler.charge("/depth"):
    ///     ...     print("send the request now")
    ///     send the request now
    #[pyo3(signature = (limit_id, units=None, priority=None))]
    fn charge(
        &self,
        limit_id: &Bound<'_, PyAny>,
        units: Option<&Bound<'_, PyAny>>,
        priority: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let rank = numbers::rank(priority)?;
        let handle = RouteHandle::of_rank(self.route(limit_id)?, rank)?;
        let route = &handle.get().route;
        let units = self.units(route, units)?;
        Ok(self.throttler()?.charge_as(route.id(), units, rank)?)
    }

    /// The older name of `charge`, which does the same.
    #[pyo3(signature = (limit_id, units=None, priority=None))]
    fn try_acquire(
        &self,
        limit_id: &Bound<'_, PyAny>,
        units: Option<&Bound<'_, PyAny>>,
        priority: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        self.charge(limit_id, units, priority)
    }

    /// Returns the seconds until a request that came now could leave. Nothing is charged.
    ///
    /// It is 0.0 only if the request could leave now. It is an estimate if requests are in flight,
    /// because nobody knows when they end: they count as if they had ended now. It is exact if one
    /// limit decides and ``hold`` is ``"start"``.
    ///
    /// Of a shared limit it sees only the units that this process has. It is infinite if they are
    /// too few, whatever comes free; others may have some. It asks them, so that the next one may
    /// pass.
    ///
    /// Args:
    ///     limit_id: The id of a limit of the table.
    ///     units: How many times its weights the request takes: a whole number, 1 or more. The
    ///         default is 1.
    ///     priority: As in `execute_task`: those of a lower priority that wait are not in its way.
    ///
    /// Raises:
    ///     UnknownLimitError: No limit of the table has this id.
    ///     ValueError: ``units`` is not a whole number of 1 or more, or so large that the request
    ///         could never pass; or ``priority`` is out of range.
    ///     TypeError: ``limit_id`` is not a ``str``, or ``units`` or ``priority`` is not a number.
    ///
    /// Examples:
    ///     >>> throttler.wait_time("/depth")
    ///     0.0
    #[pyo3(signature = (limit_id, units=None, priority=None))]
    fn wait_time(
        &self,
        limit_id: &Bound<'_, PyAny>,
        units: Option<&Bound<'_, PyAny>>,
        priority: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<f64> {
        let rank = numbers::rank(priority)?;
        let handle = RouteHandle::of_rank(self.route(limit_id)?, rank)?;
        let route = &handle.get().route;
        let units = self.units(route, units)?;
        Ok(seconds(self.throttler()?.wait_time_as(route.id(), units, rank)?))
    }

    /// Returns how much of a limit is used now, as a `Usage`; without an id, of every limit.
    ///
    /// Args:
    ///     limit_id: The id of a limit of the table. Without it the result is a dictionary of all
    ///         limits, by id, all read at the same instant.
    ///
    /// Raises:
    ///     UnknownLimitError: No limit of the table has this id.
    ///     TypeError: ``limit_id`` is not a ``str``.
    ///
    /// Examples:
    ///     >>> throttler.usage("/depth").remaining
    ///     18
    #[pyo3(signature = (limit_id=None))]
    fn usage<'py>(
        &self,
        py: Python<'py>,
        limit_id: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let throttler = self.throttler()?;
        if let Some(limit_id) = limit_id {
            let usage = throttler.usage(self.route(limit_id)?.get().route.id())?;
            return Ok(Bound::new(py, PyUsage::new(usage, throttler))?.into_any());
        }
        let usages = PyDict::new(py);
        for usage in throttler.usages() {
            let id = usage.id.clone();
            usages.set_item(id, PyUsage::new(usage, throttler))?;
        }
        Ok(usages.into_any())
    }

    /// Returns what has become of the requests of every limit, by id.
    ///
    /// A request counts for each limit that it takes from, and for the limit of its own id. The
    /// counters begin at 0 when the throttler is made, and in the child of a fork.
    ///
    /// Each value is a dictionary for ``json.dumps``:
    ///
    /// - ``passed``: how many requests passed, at once or after a wait
    /// - ``refused``: how many were told at once that there is no room: by `charge`, or with
    ///   ``timeout=0``
    /// - ``timed_out``: how many raised `RateLimitTimeout` after a wait
    /// - ``pauses``: how often the limit was paused
    /// - ``waits``: how many waited before they passed
    /// - ``waited``: how many seconds these waited, together
    /// - ``oldest_wait``: for how many seconds the oldest has waited that waits now; 0.0 if none
    ///   does
    ///
    /// Examples:
    ///     >>> throttler.counters()["/depth"].get("passed")
    ///     1
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for (counters, oldest) in self.throttler()?.counters_and_oldest_waits() {
            let values = PyDict::new(py);
            values.set_item("passed", counters.passed)?;
            values.set_item("refused", counters.refused)?;
            values.set_item("timed_out", counters.timed_out)?;
            values.set_item("pauses", counters.pauses)?;
            values.set_item("waits", counters.waits.count())?;
            values.set_item("waited", counters.waits.total.as_secs_f64())?;
            values.set_item("oldest_wait", oldest.as_secs_f64())?;
            all.set_item(counters.id, values)?;
        }
        Ok(all)
    }

    /// Learns from an answer of the exchange how much of a limit everybody uses.
    ///
    /// It only ever adds. What others have used is at least the exchange's number less all own
    /// units that may be in it: those in flight, and those that were in the window since the
    /// request left. So many units at least count until the window ends, and for one interval after
    /// this answer at most. A smaller number frees nothing. A smaller limit holds at once. A larger
    /// limit holds as far as the table allows: what the table says is never exceeded.
    ///
    /// With ``kind="bucket"`` there is one counter for everybody, here as at the exchange. It shows
    /// no less than the exchange's number from now on, less own units in flight that may be in it,
    /// and falls by ``limit`` an interval once, whoever has used the units. A limit that was told
    /// is its rate as well. With ``kind="concurrent"`` only ``limit`` is learned: nobody says when
    /// the requests of others end.
    ///
    /// Call it as soon as the answer is there, within the block of the request or after it.
    ///
    /// Args:
    ///     limit_id: The id of a limit of the table.
    ///     used: How many units everybody has used in this window, this request included.
    ///     remaining: How many units are left. If both are given, the smaller number of free units
    ///         counts.
    ///     limit: How large the limit is, for everybody together. By default as the exchange last
    ///         said, or as the table says.
    ///     reset: The seconds until the window ends. By default units of others count for one
    ///         interval, and those of a quota until its boundary. Of a bucket it tells nothing.
    ///     expect: Whether others are expected to go on as they did. If so, what they used in one
    ///         window is kept for them in the next, and given up as it turns out unused. Of what is
    ///         in flight, nothing counts as if it were in the number already. Of a bucket, room is
    ///         kept for twice what they use in the time that the answer took and one unit takes to
    ///         drain; the next answer gives it back.
    ///     age: How many seconds ago the request of this answer left: the numbers are of some
    ///         moment since then. By default a quarter of the interval, and at most 1 s.
    ///
    /// Returns:
    ///     How many units of others were not known before.
    ///
    /// Raises:
    ///     UnknownLimitError: No limit of the table has this id.
    ///     ValueError: None of ``used``, ``remaining`` and ``limit`` is given, or a value is
    ///         negative, not a number, or a ``limit`` below 1.
    ///     TypeError: A value has the wrong type.
    ///
    /// Examples:
    ///     >>> throttler.observe("/depth", used=5)  # 2 of them are our own
    ///     3
    #[pyo3(
        signature = (limit_id, *, used=None, remaining=None, limit=None, reset=None, expect=None, age=None),
        text_signature = "($self, limit_id, *, used=None, remaining=None, limit=None, reset=None, expect=False, age=None)"
    )]
    #[allow(clippy::too_many_arguments, reason = "they are Python's, by name")]
    fn observe(
        &self,
        limit_id: &Bound<'_, PyAny>,
        used: Option<&Bound<'_, PyAny>>,
        remaining: Option<&Bound<'_, PyAny>>,
        limit: Option<&Bound<'_, PyAny>>,
        reset: Option<&Bound<'_, PyAny>>,
        expect: Option<&Bound<'_, PyAny>>,
        age: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let handle = self.route(limit_id)?;
        let answer = Observation {
            used: used.map(|used| numbers::units("used", 0, used)).transpose()?,
            remaining: remaining.map(|left| numbers::units("remaining", 0, left)).transpose()?,
            limit: limit.map(|limit| numbers::limit("limit", limit)).transpose()?,
            reset: reset.map(|reset| numbers::span("reset", reset)).transpose()?,
            age: age.map(|age| numbers::span("age", age)).transpose()?,
            expect: expect.map(|expect| numbers::switch("expect", expect)).transpose()?.unwrap_or(false),
        };
        Ok(self.throttler()?.observe(handle.get().route.id(), answer)?.foreign)
    }

    /// Lets nothing leave for so many seconds: after a refusal, or during a ban.
    ///
    /// Of two pauses the one that ends later holds. So the refusals of requests that were in flight
    /// change nothing. Requests that wait keep their places, and leave in the same order when the
    /// pause is over. Requests in flight are not stopped.
    ///
    /// Args:
    ///     limit_id: The id of a limit of the table: nothing leaves that takes from it, nor a
    ///         request for this id. ``None``, the default: nothing leaves at all.
    ///     seconds: How long, from now on: 0 or more, at most 100 years.
    ///     reason: Why, for the log and for `Usage.pause_reason`.
    ///
    /// Returns:
    ///     Whether this pause ends later than one before it.
    ///
    /// Raises:
    ///     UnknownLimitError: No limit of the table has this id.
    ///     ValueError: ``seconds`` is negative, not a number, infinite, or over 100 years.
    ///     TypeError: A value has the wrong type.
    ///
    /// Examples:
    ///     >>> throttler.pause("/depth", 60, reason="HTTP 429")
    ///     True
    ///     >>> throttler.charge("/depth")
    ///     False
    #[pyo3(
        signature = (limit_id=None, seconds=None, reason=None),
        text_signature = "($self, limit_id=None, seconds=None, reason='')"
    )]
    fn pause(
        &self,
        py: Python<'_>,
        limit_id: Option<&Bound<'_, PyAny>>,
        seconds: Option<&Bound<'_, PyAny>>,
        reason: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let Some(seconds) = seconds else {
            return Err(PyTypeError::new_err("pause() needs seconds: throttler.pause(limit_id, 60)"));
        };
        let length = numbers::pause(seconds)?;
        let handle = limit_id.map(|limit_id| self.route(limit_id)).transpose()?;
        let id = handle.as_ref().map(|handle| handle.get().route.id());
        let later = self.throttler()?.pause(id, length, &numbers::text_or_empty("reason", reason)?)?;
        // Requests that take nothing of what is paused have another route now.
        self.routes.clear(py);
        Ok(later)
    }

    /// Lets nothing leave for so many seconds that takes from a limit of one scope.
    ///
    /// For a ban of one account and not of all who ask from this address, or the other way round.
    /// Limits that are added meanwhile are paused, too. Everything else is as for `pause`.
    ///
    /// Args:
    ///     scope: ``"account"`` or ``"address"``, as `RateLimit` has it.
    ///     seconds: How long, from now on: 0 or more, at most 100 years.
    ///     reason: Why, for the log and for `Usage.pause_reason`.
    ///
    /// Returns:
    ///     Whether any limit is paused for longer than before.
    ///
    /// Raises:
    ///     ValueError: ``scope`` is none of these; or ``seconds`` is negative, not a number,
    ///         infinite, or over 100 years.
    ///     TypeError: A value has the wrong type.
    ///
    /// Examples:
    ///     >>> throttler.pause_scope("address", 600, reason="HTTP 403")
    ///     False
    ///     >>> throttler.charge("/depth")  # a limit of the account
    ///     True
    #[pyo3(signature = (scope, seconds, reason=None), text_signature = "($self, scope, seconds, reason='')")]
    fn pause_scope(
        &self,
        py: Python<'_>,
        scope: &Bound<'_, PyAny>,
        seconds: &Bound<'_, PyAny>,
        reason: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let scope = table::scope_named(scope, "scope")?;
        let reason = numbers::text_or_empty("reason", reason)?;
        let later = self.throttler()?.pause_scope(scope, numbers::pause(seconds)?, &reason)?;
        // Requests that take nothing of what is paused have another route now.
        self.routes.clear(py);
        Ok(later)
    }

    /// Corrects what is counted, if the cost of a request is known only after it.
    ///
    /// Call it as soon as the answer is there, within the block of the request or right after it:
    /// later, what comes back may be missing twice, as it came free meanwhile. If you have the
    /// request's task, `Task.correct` gives back that request's own units.
    ///
    /// Args:
    ///     limit_id: The id of the limit. Limits linked to it are corrected on their own.
    ///     units: How many units more were used, which count from now on; or, below 0, how many
    ///         were not used after all. The oldest in the window are given back first, and then
    ///         those in flight: it is never over, whichever request it was. Units of others are
    ///         not given back.
    ///
    /// Returns:
    ///     How many units were counted or, below 0, given back: never more than there were.
    ///
    /// Raises:
    ///     UnknownLimitError: No limit of the table has this id.
    ///     ValueError: ``units`` is not a whole number.
    ///     TypeError: ``limit_id`` is not a ``str``, or ``units`` is not a number.
    ///
    /// Examples:
    ///     >>> throttler.correct("/depth", 3)  # it was a deep page
    ///     3
    #[pyo3(signature = (limit_id, units))]
    fn correct(&self, limit_id: &Bound<'_, PyAny>, units: &Bound<'_, PyAny>) -> PyResult<i64> {
        let handle = self.route(limit_id)?;
        Ok(self.throttler()?.correct(handle.get().route.id(), numbers::signed("units", units)?)?)
    }

    /// Has a function called with each event: a pause, its end, use by others, a changed limit.
    ///
    /// Each event is a `ThrottlerEvent`. It is also one line of the log (``"sluicegate"``), at most
    /// one for each limit and kind in ten seconds, and 20 of one kind. A line tells how many events
    /// it stands for.
    ///
    /// The callback is called in the thread that made it happen, or in one that waits; one event
    /// at a time, in order. It may use the throttler. It should be short, because that thread or
    /// event loop waits for it. If it raises an exception, ``sys.unraisablehook`` reports it. While
    /// no request waits, nothing is woken: the end of a pause is then told with the next request.
    ///
    /// Args:
    ///     callback: A function of one argument. It is kept for as long as the throttler is.
    ///     waited_longer_than: Has it called as well for each request that has waited for so many
    ///         seconds, once, while the request waits on. By default it is not.
    ///
    /// Returns:
    ///     The callback, so that ``@throttler.on`` can decorate it.
    ///
    /// Raises:
    ///     TypeError: ``callback`` cannot be called, or is a coroutine function; or
    ///         ``waited_longer_than`` is not a number.
    ///     ValueError: ``waited_longer_than`` is negative, not a number, or infinite.
    ///
    /// Examples:
    ///     >>> def tell(event):
    ///     ...     print(event.kind, event.limit_id, event.seconds, event.reason)
    ///     >>> _ = throttler.on(tell)
    ///     >>> throttler.pause("/depth", 60, reason="HTTP 429")
    ///     paused /depth 60.0 HTTP 429
    ///     True
    #[pyo3(signature = (callback, *, waited_longer_than=None))]
    fn on<'py>(
        &self,
        callback: Bound<'py, PyAny>,
        waited_longer_than: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let span = |span| numbers::span("waited_longer_than", span);
        let waited_longer_than = waited_longer_than.map(span).transpose()?;
        self.callbacks.add(self.throttler()?, &callback, waited_longer_than)?;
        Ok(callback)
    }

    /// Has a callback of `on` called no more. Another thread may be within it at this moment.
    ///
    /// Args:
    ///     callback: The function that was given to `on`. If it was given several times, all of
    ///         them end.
    ///
    /// Returns:
    ///     Whether it was there.
    fn off(&self, callback: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.callbacks.remove(callback)
    }

    /// Replaces the whole table. If it raises, nothing has changed.
    ///
    /// Used units stay used for every id that is in both tables. Requests that wait for an id that
    /// is no longer there fail with `UnknownLimitError`. Requests that could never pass in the new
    /// table fail with ``ValueError``.
    ///
    /// Args:
    ///     rate_limits: The new table, as for `Throttler`.
    ///
    /// Raises:
    ///     ValueError: As for `Throttler`.
    ///     TypeError: As for `Throttler`.
    fn set_rate_limits(&self, py: Python<'_>, rate_limits: &Bound<'_, PyAny>) -> PyResult<()> {
        self.throttler()?.set_rate_limits(&self.read(rate_limits)?)?;
        self.routes.clear(py);
        Ok(())
    }

    /// Adds limits to the table. If it raises, nothing has changed.
    ///
    /// Args:
    ///     rate_limits: Limits, as for `Throttler`. An id that the table has already is left as it
    ///         is.
    ///
    /// Raises:
    ///     ValueError: As for `Throttler`.
    ///     TypeError: As for `Throttler`.
    fn add_rate_limits(&self, py: Python<'_>, rate_limits: &Bound<'_, PyAny>) -> PyResult<()> {
        self.throttler()?.add_rate_limits(&self.read(rate_limits)?)?;
        self.routes.clear(py);
        Ok(())
    }

    /// Takes ids out of the table that count nothing by themselves, and that nobody waits for.
    fn _forget_routes(&self, py: Python<'_>, limit_ids: Vec<String>) -> PyResult<()> {
        self.throttler()?.forget_routes(&limit_ids.into_iter().collect())?;
        self.routes.clear(py);
        Ok(())
    }

    /// Tells what the clock of the exchange shows now: limits of ``kind="fixed"`` follow it.
    ///
    /// Each call adds to what is known: many coarse times make a fine one. If a call contradicts
    /// the ones before it, the exchange has set its clock, and the last one counts. The clock of
    /// this machine may step as it likes. Call it every few minutes, because clocks drift: what is
    /// known is taken to be worse by 6 ms for each minute since the last call.
    ///
    /// Args:
    ///     seconds: What the clock of the exchange shows, in seconds since 1970-01-01 00:00 UTC.
    ///         The header ``Date`` has whole seconds: it showed half a second more, give or take
    ///         half a second.
    ///     uncertainty: The most seconds by which ``seconds`` may be wrong, both ways: half of what
    ///         the request took, and half of the resolution.
    ///
    /// Raises:
    ///     ValueError: A value is not finite, ``uncertainty`` is negative, or ``seconds`` is more
    ///         than 9e9 before or after 1970.
    ///     TypeError: A value is not a number.
    ///
    /// Examples:
    ///     >>> throttler.set_server_time(1_790_000_000.25, uncertainty=0.05)
    fn set_server_time(&self, seconds: &Bound<'_, PyAny>, uncertainty: &Bound<'_, PyAny>) -> PyResult<()> {
        let shown = numbers::wall("the server time", seconds)?;
        let uncertainty = numbers::span("uncertainty", uncertainty)?;
        self.throttler()?.set_server_time(shown, uncertainty);
        Ok(())
    }

    /// Gives back what this throttler has of a shared budget, so that others have it at once.
    ///
    /// From now on nothing passes: requests that wait fail with `ClosedError`, and so do later
    /// ones. The end of the program does the same by itself. Nothing happens to a throttler that is
    /// not shared. To close it twice does no harm. ``contextlib.closing`` closes it at the end of a
    /// block.
    ///
    /// Args:
    ///     timeout: The most seconds to wait for the store. The default is 2. If it takes longer,
    ///         the throttler goes on giving back by itself.
    ///
    /// Returns:
    ///     Whether all is given back. If not, others get it as they would after a crash.
    ///
    /// Raises:
    ///     ValueError: ``timeout`` is negative or not a number.
    ///     TypeError: ``timeout`` is not a number.
    #[pyo3(signature = (timeout=None))]
    fn close(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let timeout = match timeout {
            Some(timeout) => numbers::span("timeout", timeout)?,
            None => Duration::from_secs(2),
        };
        Ok(sharing::close(py, self.throttler()?, timeout))
    }

    /// The table that is in force, as new `RateLimit` objects.
    #[getter]
    fn rate_limits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        table::write(py, &self.throttler()?.rate_limits())
    }

    /// Whether the table has a limit with this id: ``"/depth" in throttler``.
    fn __contains__(&self, limit_id: &Bound<'_, PyAny>) -> PyResult<bool> {
        let throttler = self.throttler()?;
        let Ok(limit_id) = limit_id.cast::<PyString>() else { return Ok(false) };
        Ok(limit_id.to_str().is_ok_and(|id| throttler.has(id)))
    }

    /// The share of each interval by which units stay used longer, from 0 to 1.
    #[getter]
    fn safety_margin_pct(&self) -> PyResult<f64> {
        Ok(self.inner()?.options.safety_margin)
    }

    /// How many seconds a waiting request takes to rise by one class; ``None``: it does not.
    #[getter]
    fn patience(&self) -> PyResult<Option<f64>> {
        Ok(self.inner()?.options.patience.map(|patience| patience.as_secs_f64()))
    }

    /// The share of every limit that this throttler may use, in percent.
    #[getter]
    fn limits_share_percentage(&self) -> PyResult<f64> {
        Ok(self.inner()?.options.limits_share_percentage)
    }

    /// When the interval of a request's units begins: ``"response"`` or ``"start"``.
    #[getter]
    fn hold(&self) -> PyResult<&'static str> {
        Ok(options::name_of(self.inner()?.options.hold))
    }

    fn __enter__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(format!("{NO_CONTEXT}: with {ONE_REQUEST}")))
    }

    fn __exit__(
        &self,
        _exc_type: &Bound<'_, PyAny>,
        _exc: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.__enter__()
    }

    fn __aenter__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(format!("{NO_CONTEXT}: async with {ONE_REQUEST}")))
    }

    fn __aexit__(
        &self,
        _exc_type: &Bound<'_, PyAny>,
        _exc: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.__aenter__()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.callbacks.traverse(&visit)
    }

    fn __clear__(&self) {
        self.callbacks.clear();
    }

    fn __repr__(&self) -> PyResult<String> {
        let count = self.throttler()?.rate_limits().len();
        Ok(format!("<Throttler with {count} rate limits, hold={:?}>", self.hold()?))
    }
}
