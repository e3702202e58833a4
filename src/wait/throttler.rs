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
use super::pass::{Charge, Pass};
use super::state::{State, Step};
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
    pub(super) state: Arc<Mutex<State>>,
}

/// A throttler that does not keep itself alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakThrottler(Weak<Mutex<State>>);

impl WeakThrottler {
    pub fn upgrade(&self) -> Option<Throttler> {
        Some(Throttler { state: self.0.upgrade()? })
    }
}

/// What became of a request that asked to enter.
#[derive(Debug)]
pub(crate) enum Entry {
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
        let state = State::new(clock, Gate::new(table, options)?, table.to_vec());
        Ok(Self { state: Arc::new(Mutex::new(state)) })
    }

    /// Replaces the table, whole or not at all. What is used of ids that stay, stays used. Requests that wait for an id
    /// that is gone, or that no longer fit, fail.
    ///
    /// # Errors
    /// As [`Throttler::new`]; then nothing has changed.
    pub fn set_rate_limits(&self, table: &[RateLimit]) -> Result<(), Error> {
        self.locked(|state, now, effects| state.set_table(now, table.to_vec(), effects))?;
        self.look_at_nested();
        Ok(())
    }

    /// Adds limits to the table, whole or not at all; ids that it has already are left as they are.
    ///
    /// # Errors
    /// As [`Throttler::new`]; then nothing has changed.
    pub fn add_rate_limits(&self, more: &[RateLimit]) -> Result<(), Error> {
        self.locked(|state, now, effects| {
            let known = |limit: &&RateLimit| state.gate.lookup(&limit.id).is_err();
            let new: Vec<RateLimit> = more.iter().filter(known).cloned().collect();
            let table = [state.table.as_slice(), &new].concat();
            state.set_table(now, table, effects)
        })?;
        self.look_at_nested();
        Ok(())
    }

    /// The table in force.
    pub fn rate_limits(&self) -> Vec<RateLimit> {
        self.state.lock().table.clone()
    }

    /// What a request for an id takes, by the table in force.
    pub(crate) fn lookup(&self, id: &str) -> Result<Arc<Route>, Error> {
        self.state.lock().gate.lookup(id).cloned()
    }

    /// Checks that a request for `units` times the route's weights could ever pass.
    pub(crate) fn check_units(&self, route: &Route, units: u64) -> Result<(), Error> {
        let mut state = self.state.lock();
        let route = state.gate.lookup(route.id())?.clone();
        state.gate.check_units(&route, units)?;
        if units > 1 {
            state.gate.expect_units(&route, units);
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
        let mut charge = Charge::new(route, units);
        // Where others wait, only the queue can tell whether this one may go before them.
        let new_turn = || Turn::new(WakeGroup::Threads, Waker::noop().clone());
        match self.enter(&mut charge, Some(0), new_turn) {
            Ok(Entry::Entered) => Ok(Some(Pass::new(self.clone(), charge))),
            Ok(Entry::Waiting(_)) | Err(Error::Timeout { .. }) => Ok(None),
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
            let mut state = self.state.lock();
            let route = state.gate.lookup(id)?.clone();
            state.gate.check_units(&route, units)?;
            let now = state.now();
            state.gate.try_acquire(now, &route, units)
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
        self.locked(|state, now, effects| {
            let route = state.gate.lookup(id)?.clone();
            state.gate.check_units(&route, units)?;
            state.advance(now, effects);
            Ok(state.gate.wait_time(now, &route, units))
        })
    }

    /// The usage of one limit.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`].
    pub fn usage(&self, id: &str) -> Result<Usage, Error> {
        let mut state = self.state.lock();
        let route = state.gate.lookup(id)?.clone();
        let now = state.now();
        Ok(state.gate.usage(now, &route))
    }

    /// The usage of every limit, at one instant.
    pub fn usages(&self) -> Vec<Usage> {
        let mut state = self.state.lock();
        let now = state.now();
        let routes: Vec<_> = state.gate.routes().cloned().collect();
        routes.iter().map(|route| state.gate.usage(now, route)).collect()
    }

    // ---- for those who wait

    /// Enters if that can be done at once, and says in which epoch. The route must fit the table in force.
    #[inline]
    pub(crate) fn enter_at_once(&self, route: &Route, units: u64) -> Option<u32> {
        let mut state = self.state.lock();
        let State { gate, clock, epoch, .. } = &mut *state;
        let entered = units > 0 && gate.is_current(route) && gate.try_enter(clock, route, units);
        entered.then_some(*epoch)
    }

    /// Charges for good if that can be done at once. The route must fit the table in force.
    #[inline]
    pub(super) fn charge_at_once(&self, route: &Route, units: u64) -> bool {
        let mut state = self.state.lock();
        let State { gate, clock, .. } = &mut *state;
        if units == 0 || !gate.is_current(route) {
            return false;
        }
        let now = gate.now(clock);
        gate.try_acquire(now, route, units)
    }

    /// Enters, or joins the queue for at most `timeout`.
    pub(crate) fn enter(
        &self,
        charge: &mut Charge,
        timeout: Option<Nanos>,
        turn: impl FnOnce() -> Turn,
    ) -> Result<Entry, Error> {
        if let Some(epoch) = self.enter_at_once(&charge.route, charge.units) {
            charge.epoch = epoch;
            // Nobody asked: it may be.
            charge.is_tight = true;
            return Ok(Entry::Entered);
        }
        let turn = Arc::new(turn());
        self.locked(|state, now, effects| {
            state.refresh(charge)?;
            let others = state.gate.waits_for(&charge.route);
            let deadline = timeout.map(|timeout| now.saturating_add(timeout));
            let changes = state.join(now, charge, deadline, &turn, effects);
            // Behind others of the same route it cannot pass yet, and they are being looked after; but somebody must
            // look when its own time is up.
            if !others || changes || deadline.is_some() {
                state.advance(now, effects);
            } else {
                state.set_timers(now, None, effects);
            }
            Ok(())
        })?;
        let ticket = Ticket::new(self.clone(), turn);
        match ticket.take() {
            None => Ok(Entry::Waiting(ticket)),
            Some(Ok(granted)) => {
                *charge = granted;
                Ok(Entry::Entered)
            }
            Some(Err(error)) => Err(error),
        }
    }

    /// A waiter comes for its outcome.
    pub(super) fn claim(&self, turn: &Arc<Turn>) -> Claim {
        self.locked(|state, now, effects| state.claim(now, turn, effects))
    }

    /// A waiter whose grant has lapsed returns to its old place in the queue.
    pub(super) fn rejoin(&self, turn: &Arc<Turn>) {
        self.locked(|state, now, effects| state.rejoin(now, turn, effects));
        self.look_at_nested();
    }

    /// A thread is about to wait in which an event loop runs: none of those who wait in that can come before its wait is
    /// over. They return to their old places as they come.
    pub(crate) fn block(&self, event_loop: &WakeGroup) {
        self.locked(|state, now, effects| {
            state.set_loop_aside(event_loop, effects);
            state.advance(now, effects);
        });
    }

    /// One step of a thread's wait.
    pub(super) fn step(&self, turn: &Arc<Turn>) -> Step {
        self.locked(|state, now, effects| state.step(now, turn, effects))
    }

    /// Takes a waiting request out of the queue, or gives back what it was granted.
    pub(crate) fn cancel(&self, turn: &Arc<Turn>) {
        let _dropped_without_the_lock = self.locked(|state, now, effects| {
            let phase = std::mem::replace(&mut *turn.phase.lock(), Phase::Over);
            let waiter = match phase {
                Phase::Waiting(place) => {
                    state.groups.leave(place, turn, effects);
                    state.gate.remove(place)
                }
                Phase::Granted(charge, _) if charge.epoch == state.epoch => {
                    state.gate.give_back(&charge.route, charge.units);
                    None
                }
                _ => return None,
            };
            state.advance(now, effects);
            waiter
        });
    }

    pub(super) fn set_waker(&self, turn: &Turn, waker: &Waker) {
        let old = {
            let _state = self.state.lock();
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
        let mut state = self.state.lock();
        if epoch != state.epoch {
            return;
        }
        let now = state.now();
        state.gate.leave(now, route, units);
        if state.gate.is_waited_for(route) {
            Self::advance(state, now);
        }
    }

    /// Lets others through. Apart, so that leaving where nobody waits stays short.
    #[cold]
    #[inline(never)]
    fn advance(mut state: MutexGuard<'_, State>, now: Nanos) {
        let mut effects = Effects::default();
        state.advance(now, &mut effects);
        drop(state);
        effects.carry_out();
    }

    /// An event loop's timer has gone off. Returns when it must ring again.
    pub(crate) fn poll(&self, group: &WakeGroup) -> Option<Nanos> {
        self.locked(|state, now, effects| state.poll(now, group, effects))
    }

    /// When an event loop's timer must ring; `None` where nobody waits.
    pub(crate) fn rings_at(&self, group: &WakeGroup) -> Option<Nanos> {
        self.state.lock().groups.rings_at(group)
    }

    /// An event loop's timer could not be set: it shall be asked for again at the next occasion.
    pub(crate) fn unset(&self, group: &WakeGroup) {
        self.state.lock().groups.unset(group);
    }

    /// When the next waiting request can pass, should nothing happen before.
    pub fn wake_at(&self) -> Option<Nanos> {
        self.state.lock().next_pass()
    }

    /// The instant now, on this throttler's clock.
    pub fn now(&self) -> Nanos {
        self.state.lock().now()
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.state.lock().clock.clone()
    }

    /// Polls the gate now: for a manual clock, which has no timers. Whoever moves it goes on to `end`.
    pub(super) fn poll_on_the_way_to(&self, end: Nanos) {
        self.locked(|state, now, effects| {
            state.claimable = state.claimable.max(end);
            state.advance(now, effects);
        });
    }

    /// Runs `f` under the lock, and what it leaves to be done without it.
    pub(super) fn locked<T>(&self, f: impl FnOnce(&mut State, Nanos, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let result = {
            let mut state = self.state.lock();
            let now = state.now();
            f(&mut state, now, &mut effects)
        };
        effects.carry_out();
        result
    }

    pub(crate) fn downgrade(&self) -> WeakThrottler {
        WeakThrottler(Arc::downgrade(&self.state))
    }
}
