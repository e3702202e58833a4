//! Waiting in a tokio task, and the timer of its runtime.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::clock::{Clock, Nanos, nanos};
use crate::error::Error;
use crate::gate::Rank;

use super::enter::Admission;
use super::loop_timer::{Call, EventLoop, LoopTimer};
use super::pass::Pass;
use super::route::Route;
use super::throttler::Throttler;
use super::turn::Turn;
use super::wake_groups::WakeGroup;

impl Throttler {
    /// Waits for the turn of a request for `id`, in a tokio task (feature `tokio`). `units` multiplies each of its
    /// weights. Without a `timeout`, it waits for as long as it takes. Dropping the future leaves the queue. A future that
    /// is not polled within a second of being let through may lose its turn to others; polled later, it waits on at its
    /// old place.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`], [`Error::Invalid`] for 0 units, [`Error::NeverPasses`], [`Error::Timeout`].
    ///
    /// # Panics
    /// Where it must wait, outside of a tokio runtime with timers.
    pub async fn enter_async(&self, id: &str, units: u64, timeout: Option<Duration>) -> Result<Pass, Error> {
        self.enter_async_as(id, units, timeout, None).await
    }

    /// The same for a request of this class; `None`: of the class that the table has for it.
    pub(super) async fn enter_async_as(
        &self,
        id: &str,
        units: u64,
        timeout: Option<Duration>,
        rank: Option<Rank>,
    ) -> Result<Pass, Error> {
        let mut held = self.request(id, units, rank)?;
        let new_turn = || Turn::new(WakeGroup::Loop(self.runtime_timer()), Waker::noop().clone());
        if let Admission::Waiting(ticket) = self.enter(&mut held, timeout.map(nanos), new_turn)? {
            held = poll_fn(|context| {
                ticket.set_waker(context.waker());
                ticket.take().map_or(Poll::Pending, Poll::Ready)
            })
            .await?;
        }
        Ok(Pass::new(self.clone(), held))
    }

    /// The timer of the runtime that runs here: one for all that wait in it.
    fn runtime_timer(&self) -> Arc<RuntimeTimer> {
        let runtime = Handle::current();
        if !self.clock().is_manual() {
            // This panics in a runtime without timers, in which nobody would ever be woken.
            drop(sleep_until(Instant::now()));
        }
        let mut shared = self.shared.lock();
        let known = shared.runtimes.iter().find(|(id, _)| *id == runtime.id());
        if let Some(timer) = known.and_then(|(_, timer)| timer.upgrade()) {
            return timer;
        }
        let id = runtime.id();
        let timer = LoopTimer::new(Runtime(runtime), self);
        shared.runtimes.retain(|(_, timer)| timer.strong_count() > 0);
        shared.runtimes.push((id, Arc::downgrade(&timer)));
        timer
    }
}

impl Route {
    /// Waits for the turn of a request, in a tokio task (feature `tokio`): as [`Throttler::enter_async`].
    ///
    /// # Errors
    /// As [`Route::try_enter`], and [`Error::Timeout`].
    ///
    /// # Panics
    /// Where it must wait, outside of a tokio runtime with timers.
    pub async fn enter_async(&self, units: u64, timeout: Option<Duration>) -> Result<Pass, Error> {
        match self.enter_at_once(units) {
            Some(pass) => Ok(pass),
            None => self.throttler().enter_async_as(self.id(), units, timeout, self.rank()).await,
        }
    }
}

pub(super) type Runtimes = Vec<(Id, Weak<RuntimeTimer>)>;

type RuntimeTimer = LoopTimer<Runtime>;

/// A runtime, whose timer is a task of its own, so that no task that waits can keep the others from their turn by not
/// being polled.
#[derive(Debug)]
pub(super) struct Runtime(Handle);

impl EventLoop for Runtime {
    type Handle = AbortHandle;
    type Error = Infallible;

    /// A future may be left alone while others of its runtime are polled.
    const RUNS_ALL: bool = false;

    /// Tasks can be spawned from anywhere.
    const SETS_TIMERS_ANYWHERE: bool = true;

    fn call_at(&self, clock: &Clock, at: Nanos, call: Call<Self>) -> Result<Option<AbortHandle>, Infallible> {
        let Some(at) = clock.to_std(at).map(Instant::from_std) else { return Ok(None) };
        let task = self.0.spawn(async move {
            sleep_until(at).await;
            let Ok(()) = call.call();
        });
        Ok(Some(task.abort_handle()))
    }

    fn call_soon(&self, call: Call<Self>) -> Result<(), Infallible> {
        self.0.spawn(async move {
            let Ok(()) = call.call();
        });
        Ok(())
    }

    fn cancel(&self, handle: &AbortHandle) -> Result<(), Infallible> {
        handle.abort();
        Ok(())
    }

    fn report(&self, error: Infallible) {
        match error {}
    }
}
