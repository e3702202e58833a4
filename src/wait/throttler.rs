//! The throttler: a gate, a clock, and one lock around both.

use std::sync::{Arc, Weak};
use std::task::Waker;

use parking_lot::{Mutex, MutexGuard};

use crate::clock::{Clock, Nanos};
use crate::error::Error;
use crate::gate::{Gate, Hold, Options, Route, Usage};
use crate::limit::RateLimit;

use super::effects::Effects;
use super::groups::WakeGroup;
use super::pass::{HeldUnits, Pass};
use super::shared::{Shared, ThreadPoll};
use super::turn::{Claim, Phase, Ticket, Turn};

/// Decides when requests may leave. Clones share one table, one queue and one account of what is used; any number of
/// threads, tasks and event loops may use it at once.
///
/// ```
/// use sluicegate::{Options, RateLimit, Throttler};
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// let throttler = Throttler::new(
///     &[
///         RateLimit::new("REQUEST_WEIGHT", 6000, minute),
///         RateLimit::new("/depth", 6000, minute).link("REQUEST_WEIGHT", 100),
///     ],
///     Options::default(),
/// )?;
/// {
///     let _pass = throttler.enter_blocking("/depth", 1, None)?;
///     // Send the request, read the answer. The pass ends with this block.
/// }
/// let usage = throttler.usage("REQUEST_WEIGHT")?;
/// assert_eq!((usage.used, usage.in_flight), (100, 0));
/// # Ok::<(), sluicegate::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Throttler {
    pub(super) shared: Arc<Mutex<Shared>>,
}

/// A throttler that does not keep itself alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakThrottler(Weak<Mutex<Shared>>);

impl WeakThrottler {
    pub fn upgrade(&self) -> Option<Throttler> {
        Some(Throttler { shared: self.0.upgrade()? })
    }
}

/// What became of a request that asked to enter.
#[derive(Debug)]
pub(crate) enum Admission {
    Entered,
    Waiting(Ticket),
}

impl Throttler {
    /// A throttler on the machine's monotonic clock.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that cannot be, [`Error::UnknownLink`] for a link to an id that the table does not
    /// have, [`Error::NeverPasses`] for a weight that never fits.
    pub fn new(table: &[RateLimit], options: Options) -> Result<Self, Error> {
        Self::with_clock(table, options, Clock::monotonic())
    }

    /// A throttler on the given clock. On a manual one, see [`ManualClock`](super::ManualClock).
    ///
    /// # Errors
    /// As [`Throttler::new`].
    pub fn with_clock(table: &[RateLimit], options: Options, clock: Clock) -> Result<Self, Error> {
        let shared = Shared::new(clock, Gate::new(table, options)?, table.to_vec());
        Ok(Self { shared: Arc::new(Mutex::new(shared)) })
    }

    /// Replaces the table, whole or not at all. What is used of ids that stay, stays used. Requests that wait for an id
    /// that is gone, or that no longer fit, fail.
    ///
    /// # Errors
    /// As [`Throttler::new`]; then nothing has changed.
    pub fn set_rate_limits(&self, table: &[RateLimit]) -> Result<(), Error> {
        self.locked(|shared, now, effects| shared.set_table(now, table.to_vec(), effects))?;
        self.look_at_nested();
        Ok(())
    }

    /// Adds limits to the table, whole or not at all; ids that it has already are left as they are.
    ///
    /// # Errors
    /// As [`Throttler::new`]; then nothing has changed.
    pub fn add_rate_limits(&self, more: &[RateLimit]) -> Result<(), Error> {
        self.locked(|shared, now, effects| {
            let known = |limit: &&RateLimit| shared.gate.lookup(&limit.id).is_err();
            let new: Vec<RateLimit> = more.iter().filter(known).cloned().collect();
            let table = [shared.table.as_slice(), &new].concat();
            shared.set_table(now, table, effects)
        })?;
        self.look_at_nested();
        Ok(())
    }

    /// The table in force.
    pub fn rate_limits(&self) -> Vec<RateLimit> {
        self.shared.lock().table.clone()
    }

    /// What a request for an id takes, by the table in force.
    pub(crate) fn lookup(&self, id: &str) -> Result<Arc<Route>, Error> {
        self.shared.lock().gate.lookup(id).cloned()
    }

    /// Checks that a request for `units` times the route's weights could ever pass.
    pub(crate) fn check_units(&self, route: &Route, units: u64) -> Result<(), Error> {
        let mut shared = self.shared.lock();
        let route = shared.gate.lookup(route.id())?.clone();
        shared.gate.check_units(&route, units)?;
        if units > 1 {
            shared.gate.expect_units(&route, units);
        }
        Ok(())
    }

    /// Enters without waiting, or not at all.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`], [`Error::Invalid`] for 0 units, [`Error::NeverPasses`].
    pub fn try_enter(&self, id: &str, units: u64) -> Result<Option<Pass>, Error> {
        let route = self.lookup(id)?;
        self.check_units(&route, units)?;
        let mut held = HeldUnits::new(route, units);
        // Where others wait, only the queue can tell whether this one may go before them.
        let new_turn = || Turn::new(WakeGroup::Threads, Waker::noop().clone());
        match self.enter(&mut held, Some(0), new_turn) {
            Ok(Admission::Entered) => Ok(Some(Pass::new(self.clone(), held))),
            Ok(Admission::Waiting(_)) | Err(Error::Timeout { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Charges a request now and for good, if there is room: there is no [`Pass`] to drop, and nothing gives the units
    /// back. Their interval begins now, whatever the [`Hold`](crate::Hold). Returns whether there was room.
    ///
    /// For requests whose end nobody tells. Where the end is known, use [`Throttler::try_enter`].
    ///
    /// # Errors
    /// As [`Throttler::try_enter`].
    pub fn charge(&self, id: &str, units: u64) -> Result<bool, Error> {
        let at_once = {
            let mut shared = self.shared.lock();
            let route = shared.gate.lookup(id)?.clone();
            shared.gate.check_units(&route, units)?;
            let now = shared.now();
            shared.gate.try_acquire(now, &route, units)
        };
        Ok(at_once || self.try_enter(id, units)?.is_some())
    }

    /// The same as [`Throttler::charge`], by its older name.
    ///
    /// # Errors
    /// As [`Throttler::try_enter`].
    #[inline]
    pub fn try_acquire(&self, id: &str, units: u64) -> Result<bool, Error> {
        self.charge(id, units)
    }

    /// How long a request that came now would wait, in nanoseconds; 0 only if it could pass at once. Requests in flight
    /// count as answered at once, so it may take longer.
    ///
    /// # Errors
    /// As [`Throttler::try_enter`].
    pub fn wait_time(&self, id: &str, units: u64) -> Result<Nanos, Error> {
        self.locked(|shared, now, effects| {
            let route = shared.gate.lookup(id)?.clone();
            shared.gate.check_units(&route, units)?;
            shared.advance(now, effects);
            Ok(shared.gate.wait_time(now, &route, units))
        })
    }

    /// The usage of one limit.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`].
    pub fn usage(&self, id: &str) -> Result<Usage, Error> {
        let mut shared = self.shared.lock();
        let route = shared.gate.lookup(id)?.clone();
        let now = shared.now();
        Ok(shared.gate.usage(now, &route))
    }

    /// The usage of every limit, at one instant.
    pub fn usages(&self) -> Vec<Usage> {
        let mut shared = self.shared.lock();
        let now = shared.now();
        let routes: Vec<_> = shared.gate.routes().cloned().collect();
        routes.iter().map(|route| shared.gate.usage(now, route)).collect()
    }

    // ---- for those who wait

    /// Enters if that can be done at once, and says in which epoch. The route must fit the table in force.
    #[inline]
    pub(crate) fn enter_at_once(&self, route: &Route, units: u64) -> Option<u32> {
        let mut shared = self.shared.lock();
        let Shared { gate, clock, epoch, .. } = &mut *shared;
        let entered = units > 0 && gate.is_current(route) && gate.try_enter(clock, route, units);
        entered.then_some(*epoch)
    }

    /// Charges for good if that can be done at once. The route must fit the table in force.
    #[inline]
    pub(super) fn charge_at_once(&self, route: &Route, units: u64) -> bool {
        let mut shared = self.shared.lock();
        let Shared { gate, clock, .. } = &mut *shared;
        if units == 0 || !gate.is_current(route) {
            return false;
        }
        let now = gate.now(clock);
        gate.try_acquire(now, route, units)
    }

    /// Enters, or joins the queue for at most `timeout`.
    pub(crate) fn enter(
        &self,
        held: &mut HeldUnits,
        timeout: Option<Nanos>,
        turn: impl FnOnce() -> Turn,
    ) -> Result<Admission, Error> {
        if let Some(epoch) = self.enter_at_once(&held.route, held.units) {
            held.epoch = epoch;
            // Nobody asked: it may be.
            held.is_tight = true;
            return Ok(Admission::Entered);
        }
        let turn = Arc::new(turn());
        self.locked(|shared, now, effects| {
            shared.refresh(held)?;
            let others = shared.gate.waits_for(&held.route);
            let deadline = timeout.map(|timeout| now.saturating_add(timeout));
            let changes = shared.join(now, held, deadline, &turn, effects);
            // Behind others of the same route it cannot pass yet, and they are being looked after; but somebody must
            // look when its own time is up.
            if !others || changes || deadline.is_some() {
                shared.advance(now, effects);
            } else {
                shared.set_timers(now, None, effects);
            }
            Ok(())
        })?;
        let ticket = Ticket::new(self.clone(), turn);
        match ticket.take() {
            None => Ok(Admission::Waiting(ticket)),
            Some(Ok(granted)) => {
                *held = granted;
                Ok(Admission::Entered)
            }
            Some(Err(error)) => Err(error),
        }
    }

    /// A waiter comes for its outcome.
    pub(super) fn claim(&self, turn: &Arc<Turn>) -> Claim {
        self.locked(|shared, now, effects| shared.claim(now, turn, effects))
    }

    /// A waiter whose grant has lapsed returns to its old place in the queue.
    pub(super) fn rejoin(&self, turn: &Arc<Turn>) {
        self.locked(|shared, now, effects| shared.rejoin(now, turn, effects));
        self.look_at_nested();
    }

    /// A thread is about to wait in which an event loop runs: none of those who wait in that can come before its wait is
    /// over. They return to their old places as they come.
    pub(crate) fn block(&self, event_loop: &WakeGroup) {
        self.locked(|shared, now, effects| {
            shared.set_loop_aside(event_loop, effects);
            shared.advance(now, effects);
        });
    }

    /// A waiting thread polls: its outcome, or for how long to park.
    pub(super) fn poll_in_thread(&self, turn: &Arc<Turn>) -> ThreadPoll {
        self.locked(|shared, now, effects| shared.poll_in_thread(now, turn, effects))
    }

    /// Takes a waiting request out of the queue, or gives back what it was granted.
    pub(crate) fn cancel(&self, turn: &Arc<Turn>) {
        let _dropped_without_the_lock = self.locked(|shared, now, effects| {
            let phase = std::mem::replace(&mut *turn.phase.lock(), Phase::Over);
            let waiter = match phase {
                Phase::Waiting(place) => {
                    shared.groups.leave(place, turn, effects);
                    shared.gate.remove(place)
                }
                Phase::Granted(held, _) if held.epoch == shared.epoch => {
                    shared.gate.give_back(&held.route, held.units);
                    None
                }
                _ => return None,
            };
            shared.advance(now, effects);
            waiter
        });
    }

    pub(super) fn set_waker(&self, turn: &Turn, waker: &Waker) {
        let old = {
            let _lock = self.shared.lock();
            let mut current = turn.waker.lock();
            if current.will_wake(waker) {
                return;
            }
            std::mem::replace(&mut *current, waker.clone())
        };
        drop(old);
    }

    /// A request's block has ended.
    #[inline]
    pub(crate) fn leave(&self, route: &Route, units: u64, epoch: u32) {
        if route.hold == Hold::Start {
            return;
        }
        let mut shared = self.shared.lock();
        if epoch != shared.epoch {
            return;
        }
        let now = shared.now();
        shared.gate.leave(now, route, units);
        if shared.gate.is_waited_for(route) {
            Self::advance(shared, now);
        }
    }

    /// Lets others through. Apart, so that leaving where nobody waits stays short.
    #[cold]
    #[inline(never)]
    fn advance(mut shared: MutexGuard<'_, Shared>, now: Nanos) {
        let mut effects = Effects::default();
        shared.advance(now, &mut effects);
        drop(shared);
        effects.carry_out();
    }

    /// An event loop's timer has gone off. Returns when it must ring again.
    pub(crate) fn poll(&self, group: &WakeGroup) -> Option<Nanos> {
        self.locked(|shared, now, effects| shared.poll(now, group, effects))
    }

    /// When an event loop's timer must ring; `None` where nobody waits.
    pub(crate) fn rings_at(&self, group: &WakeGroup) -> Option<Nanos> {
        self.shared.lock().groups.rings_at(group)
    }

    /// An event loop's timer could not be set: it shall be asked for again at the next occasion.
    pub(crate) fn unset(&self, group: &WakeGroup) {
        self.shared.lock().groups.unset(group);
    }

    /// When the next waiting request can pass, should nothing happen before.
    pub fn wake_at(&self) -> Option<Nanos> {
        self.shared.lock().next_pass()
    }

    /// The instant now, on this throttler's clock.
    pub fn now(&self) -> Nanos {
        self.shared.lock().now()
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.shared.lock().clock.clone()
    }

    /// Polls the gate now: for a manual clock, which has no timers. Whoever moves it goes on to `end`.
    pub(super) fn poll_on_the_way_to(&self, end: Nanos) {
        self.locked(|shared, now, effects| {
            shared.claimable = shared.claimable.max(end);
            shared.advance(now, effects);
        });
    }

    /// Runs `f` under the lock, and what it leaves to be done without it.
    pub(super) fn locked<T>(&self, f: impl FnOnce(&mut Shared, Nanos, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let result = {
            let mut shared = self.shared.lock();
            let now = shared.now();
            f(&mut shared, now, &mut effects)
        };
        effects.carry_out();
        result
    }

    pub(crate) fn downgrade(&self) -> WeakThrottler {
        WeakThrottler(Arc::downgrade(&self.shared))
    }
}
