//! Waiting in a thread, which parks.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::clock::{Nanos, nanos};
use crate::error::Error;
use crate::gate::Rank;

use super::enter::Admission;
use super::pass::{HeldUnits, Pass};
use super::polling::ThreadPoll;
use super::throttler::Throttler;
use super::turn::{Turn, WaitHandle};
use super::wake_groups::WakeGroup;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The shortest that a thread parks: never for no time at all, so that whatever span it gets, each park lets others run.
pub(crate) const SHORTEST_PARK: Nanos = 1_000;

impl Throttler {
    /// Waits for the turn of a request for `id`, in this thread. `units` multiplies each of its weights. Without a
    /// `timeout`, it waits for as long as it takes.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`], [`Error::Invalid`] for 0 units, [`Error::NeverPasses`], [`Error::Timeout`].
    pub fn enter_blocking(&self, id: &str, units: u64, timeout: Option<Duration>) -> Result<Pass, Error> {
        self.enter_blocking_as(id, units, timeout, None)
    }

    /// The same for a request of this class; `None`: of the class that the table has for it.
    pub(super) fn enter_blocking_as(
        &self,
        id: &str,
        units: u64,
        timeout: Option<Duration>,
        rank: Option<Rank>,
    ) -> Result<Pass, Error> {
        let mut held = self.request(id, units, rank)?;
        let new_turn = || Turn::new(WakeGroup::Threads, Waker::from(Arc::new(Unpark(thread::current()))));
        if let Admission::Waiting(ticket) = self.enter(&mut held, timeout.map(nanos), new_turn)? {
            let park = |span: Option<Nanos>| {
                match span {
                    Some(span) => thread::park_timeout(Duration::from_nanos(span)),
                    None => thread::park(),
                }
                Ok(())
            };
            held = self.wait::<Error>(&ticket, park)?;
        }
        Ok(Pass::new(self.clone(), held))
    }

    /// Waits for a ticket's turn, parking the thread with `park`: until it is woken, and no longer than the span that
    /// it is given. It may wake early.
    pub(crate) fn wait<E: From<Error>>(
        &self,
        ticket: &WaitHandle,
        mut park: impl FnMut(Option<Nanos>) -> Result<(), E>,
    ) -> Result<HeldUnits, E> {
        let clock = self.clock();
        loop {
            match self.poll_in_thread(ticket.turn()) {
                ThreadPoll::Over(outcome) => return Ok(outcome?),
                // A manual clock has no timers: the thread that moves it wakes us.
                ThreadPoll::Park(at) => {
                    park(at.filter(|_| !clock.is_manual()).map(|at| span_until(at, clock.now())))?
                }
            }
        }
    }
}

/// How long to park until `at`.
fn span_until(at: Nanos, now: Nanos) -> Nanos {
    at.saturating_sub(now).max(SHORTEST_PARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_park_is_of_no_length_whatever_the_gate_asks_for() {
        assert_eq!([0, 41, 42, 43].map(|at| span_until(at, 42)), [SHORTEST_PARK; 4]);
        assert_eq!(span_until(1_000_000, 42), 999_958);
    }
}
