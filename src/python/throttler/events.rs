//! Events for Python: the callbacks of a throttler, and the lines of its log.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::{PyKeyboardInterrupt, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::clock::{Clock, Nanos};
use crate::python::waiting::at_exit::unless_ended;
use crate::python::waiting::undisturbed::{report, undisturbed};
use crate::wait::{Event, EventKind, Listener, Throttler};

use crate::python::numbers;

/// Something that happened to the limits of a throttler. `Throttler.on` says who gets it.
///
/// As text it is the line that the log gets.
///
/// Examples:
///     >>> events = []
///     >>> _ = throttler.on(events.append)
///     >>> throttler.pause("/depth", 31, reason="HTTP 429")
///     True
///     >>> print(events[0])
///     "/depth" is paused for 31 s: HTTP 429
#[pyclass(name = "ThrottlerEvent", module = "sluicegate", frozen, eq)]
#[derive(Clone, Debug, PartialEq)]
pub struct PyEvent {
    /// What happened: one of five words.
    ///
    /// ``"paused"``, ``"resumed"``, ``"foreign"`` (others have used units), ``"limit"`` (the
    /// exchange changed it) or ``"waited"`` (a request has waited for long).
    #[pyo3(get)]
    kind: &'static str,
    /// The id of the limit. ``None``: all limits.
    ///
    /// Of ``"waited"`` it is the id that the request named.
    #[pyo3(get)]
    limit_id: Option<String>,
    /// When it happened, in seconds since 1970-01-01 00:00 UTC, by the clock of this machine.
    #[pyo3(get)]
    time: f64,
    /// Of ``"paused"``, how many seconds the pause lasts. It is 0.0 if the event tells none.
    ///
    /// Of ``"waited"``, how many seconds the request has waited so far.
    #[pyo3(get)]
    seconds: f64,
    /// Of ``"foreign"``, how many units of others were not known before.
    ///
    /// Of ``"waited"``, how many times its weights the request takes. Otherwise it is 0.
    #[pyo3(get)]
    units: u64,
    /// Of ``"limit"``, how many units may be used from now on. Otherwise it is ``None``.
    ///
    /// It is this throttler's share, and no more than the table says.
    #[pyo3(get)]
    limit: Option<u64>,
    /// Of ``"paused"``, why. It is empty if nobody said why.
    #[pyo3(get)]
    reason: String,
    text: String,
}

fn name_of(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Paused { .. } => "paused",
        EventKind::Resumed => "resumed",
        EventKind::ForeignUse { .. } => "foreign",
        EventKind::LimitChanged { .. } => "limit",
        EventKind::Waited { .. } => "waited",
    }
}

impl PyEvent {
    fn new(event: &Event, clock: &Clock) -> Self {
        let ago = clock.now().saturating_sub(event.at);
        let mut new = Self {
            kind: name_of(&event.kind),
            limit_id: event.id.as_deref().map(str::to_owned),
            time: (i128::from(clock.wall()) - i128::from(ago)) as f64 / 1e9,
            seconds: 0.0,
            units: 0,
            limit: None,
            reason: String::new(),
            text: event.to_string(),
        };
        match &event.kind {
            EventKind::Paused { length, reason } => {
                (new.seconds, new.reason) = (length.as_secs_f64(), reason.to_string());
            }
            EventKind::Resumed => {}
            EventKind::ForeignUse { units } => new.units = *units,
            EventKind::LimitChanged { limit } => new.limit = Some(*limit),
            EventKind::Waited { length, units } => (new.seconds, new.units) = (length.as_secs_f64(), *units),
        }
        new
    }
}

#[pymethods]
impl PyEvent {
    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        format!("<ThrottlerEvent {}: {}>", self.kind, self.text)
    }
}

/// One line for each limit and kind of event in so long,
const PACE: Nanos = 10_000_000_000;
/// and so many lines of a kind: a ban of an account is an event of each of its limits, which may be a thousand.
const MOST: u64 = 20;

/// What the log has of the events of a kind, or of a kind and an id.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    /// When the first of these lines was written.
    since: Nanos,
    lines: u64,
    /// How many events got none since the last line.
    left_out: u64,
}

impl Written {
    fn is_recent(&self, now: Nanos) -> bool {
        self.lines > 0 && now.saturating_sub(self.since) < PACE
    }

    /// Whether one more line is too many.
    fn is_full(&mut self, now: Nanos, most: u64) -> bool {
        if !self.is_recent(now) {
            (self.since, self.lines) = (now, 0);
        }
        let is_full = self.lines >= most;
        self.left_out += u64::from(is_full);
        is_full
    }

    /// Counts a line. How many events were left out before it.
    fn write(&mut self) -> u64 {
        self.lines += 1;
        std::mem::take(&mut self.left_out)
    }
}

/// Which events get a line in the log.
#[derive(Default)]
struct Pace {
    of_kind: HashMap<&'static str, Written>,
    of_limit: HashMap<(&'static str, Option<Arc<str>>), Written>,
}

impl Pace {
    /// How many like it were left out since the last line; `None` if this one is left out as well.
    fn admit(&mut self, event: &Event) -> Option<u64> {
        let (kind, now) = (name_of(&event.kind), event.at);
        if self.of_limit.len() == self.of_limit.capacity() {
            self.of_limit.retain(|_, written| written.left_out > 0 || written.is_recent(now));
        }
        let of_limit = self.of_limit.entry((kind, event.id.clone())).or_default();
        if of_limit.is_full(now, 1) {
            return None;
        }
        let of_kind = self.of_kind.entry(kind).or_default();
        if of_kind.is_full(now, MOST) {
            return None;
        }
        Some(of_limit.write() + of_kind.write())
    }
}

/// Writes events to the log as `sluicegate`.
#[derive(Default)]
struct Log(Mutex<Pace>);

impl Log {
    fn write(&self, event: &Event) {
        let Some(left_out) = self.0.lock().admit(event) else { return };
        let mut line = event.to_string();
        if left_out > 0 {
            line += &format!(" ({left_out} more of this kind since the last line)");
        }
        let level = match event.kind {
            EventKind::Resumed | EventKind::ForeignUse { .. } => "info",
            _ => "warning",
        };
        unless_ended(|| {
            undisturbed(|py| {
                let logger = py.import("logging")?.call_method1("getLogger", ("sluicegate",))?;
                // The text may hold a per cent sign, which is no place for an argument.
                logger.call_method1(level, ("%s", &line)).map(drop)
            });
        });
    }
}

struct Registered {
    number: u64,
    callback: Py<PyAny>,
    listener: Option<Listener>,
}

#[derive(Default)]
struct All {
    registered: Vec<Registered>,
    next_number: u64,
}

/// The callbacks of a throttler. They are kept by its Python object alone, so that the garbage collector sees them. Locked
/// only by a thread that has the interpreter, and no Python code runs meanwhile.
#[derive(Default)]
pub struct Callbacks {
    all: Mutex<All>,
    log: Arc<Log>,
}

impl Callbacks {
    /// Has each event written to the log.
    pub fn log(&self, throttler: &Throttler) {
        let log = self.log.clone();
        throttler.on_event(None, move |event| log.write(event));
    }

    pub fn add(
        self: &Arc<Self>,
        throttler: &Throttler,
        callback: &Bound<'_, PyAny>,
        waited_longer_than: Option<Duration>,
    ) -> PyResult<()> {
        check(callback)?;
        let number = {
            let mut all = self.all.lock();
            let number = all.next_number;
            all.next_number += 1;
            all.registered.push(Registered { number, callback: callback.clone().unbind(), listener: None });
            number
        };
        let (callbacks, clock): (Weak<Self>, Clock) = (Arc::downgrade(self), throttler.clock());
        let listener = throttler.on_event(waited_longer_than, move |event| {
            if let Some(callbacks) = callbacks.upgrade() {
                callbacks.call(number, event, &clock);
            }
        });
        let unused = {
            let mut all = self.all.lock();
            match all.registered.iter_mut().find(|other| other.number == number) {
                Some(registered) => registered.listener.replace(listener),
                None => Some(listener),
            }
        };
        if let Some(listener) = unused {
            listener.remove();
        }
        Ok(())
    }

    /// Takes a callback back, however often it was given. Whether it was there.
    pub fn remove(&self, callback: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = callback.py();
        let all = self.all.lock();
        let known: Vec<_> =
            all.registered.iter().map(|other| (other.number, other.callback.clone_ref(py))).collect();
        drop(all);
        let mut numbers = Vec::new();
        for (number, other) in known {
            // Bound methods are equal, and not the same.
            if other.bind(py).is(callback) || other.bind(py).eq(callback)? {
                numbers.push(number);
            }
        }
        let removed: Vec<_> = {
            let mut all = self.all.lock();
            all.registered.extract_if(.., |other| numbers.contains(&other.number)).collect()
        };
        for listener in removed.iter().filter_map(|other| other.listener.as_ref()) {
            listener.remove();
        }
        Ok(!removed.is_empty())
    }

    fn call(&self, number: u64, event: &Event, clock: &Clock) {
        if matches!(event.kind, EventKind::Waited { .. }) {
            self.log.write(event);
        }
        unless_ended(|| {
            undisturbed(|py| {
                let callback = {
                    let all = self.all.lock();
                    let registered = all.registered.iter().find(|other| other.number == number);
                    registered.map(|registered| registered.callback.clone_ref(py))
                };
                if let Some(callback) = callback
                    && let Err(error) = callback.call1(py, (PyEvent::new(event, clock),))
                {
                    // Ctrl-C is the program's, and comes again where Python looks for it.
                    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
                        report(py, error);
                    } else {
                        error.write_unraisable(py, Some(callback.bind(py)));
                    }
                }
                Ok(())
            });
        });
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(all) = self.all.try_lock() else { return Ok(()) };
        all.registered.iter().try_for_each(|registered| visit.call(&registered.callback))
    }

    pub fn clear(&self) {
        // Dropped without the lock: that may run Python code.
        let _all = std::mem::take(&mut self.all.lock().registered);
    }
}

/// Checks that events can be given to it.
fn check(callback: &Bound<'_, PyAny>) -> PyResult<()> {
    let refuse = |must: &str| {
        let shown = numbers::shown(callback);
        Err(PyTypeError::new_err(format!("callback must be {must}, not {shown}")))
    };
    if !callback.is_callable() {
        return refuse("a function of one argument, the event");
    }
    let inspect = callback.py().import("inspect")?;
    if inspect.call_method1("iscoroutinefunction", (callback,))?.is_truthy()? {
        return refuse("a plain function, because nobody would await it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_limit_and_kind_in_ten_seconds_and_a_count_of_those_left_out() {
        let second = 1_000_000_000;
        let foreign = EventKind::ForeignUse { units: 1 };
        let event = |id: &str, at: u64, kind: &EventKind| Event {
            id: Some(id.into()),
            at: at * second,
            kind: kind.clone(),
        };
        let mut pace = Pace::default();
        let mut admit = |id: &str, at: u64, kind: &EventKind| pace.admit(&event(id, at, kind));
        assert_eq!([0, 1, 9].map(|at| admit("a", at, &foreign)), [Some(0), None, None]);
        assert_eq!((admit("b", 9, &foreign), admit("a", 9, &EventKind::Resumed)), (Some(0), Some(0)));
        assert_eq!([10, 11, 20, 99].map(|at| admit("a", at, &foreign)), [Some(2), None, Some(1), Some(0)]);
    }

    #[test]
    fn a_thousand_limits_at_once_get_few_lines_and_no_room_for_ever() {
        let mut pace = Pace::default();
        let mut admitted = |number: u64, at: u64| {
            let id = Some(format!("{number}").into());
            let admitted = pace.admit(&Event { id, at: at * PACE, kind: EventKind::Resumed });
            (admitted, pace.of_limit.len())
        };
        let lines = (0..1_000).filter(|&number| admitted(number, 0).0.is_some()).count();
        assert_eq!(lines as u64, MOST);
        assert_eq!(admitted(1_000, 1).0, Some(1_000 - MOST), "the next line tells how many");
        let kept = (0..100_000).map(|number| admitted(number, number).1).max();
        assert!(kept <= Some(4_000), "{kept:?} of 100,000");
    }
}
