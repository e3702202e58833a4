//! Waiting in a tokio task.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::clock::{Nanos, nanos};
use crate::error::Error;

use super::pass::{Charge, Pass};
use super::throttler::{Entry, Throttler, WeakThrottler};
use super::turn::Turn;
use super::watch::{Alarm, Looker, Station};

impl Throttler {
    /// Waits for the turn of a request for `id`, in a tokio task (feature `tokio`). `units` multiplies each of its
    /// weights. Without a `timeout`, it waits for as long as it takes. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`], [`Error::Invalid`] for 0 units, [`Error::NeverPasses`], [`Error::Timeout`].
    ///
    /// # Panics
    /// Where it must wait, outside of a tokio runtime with timers.
    pub async fn enter_async(&self, id: &str, units: u64, timeout: Option<Duration>) -> Result<Pass, Error> {
        let route = self.route(id)?;
        self.check_units(&route, units)?;
        let new_turn = || Turn::new(Station::Loop(self.runtime_alarm()), Waker::noop().clone());
        let mut charge = Charge::new(route, units);
        if let Entry::Waiting(ticket) = self.enter(&mut charge, timeout.map(nanos), new_turn)? {
            charge = poll_fn(|context| {
                ticket.set_waker(context.waker());
                ticket.take().map_or(Poll::Pending, Poll::Ready)
            })
            .await?;
        }
        Ok(Pass::new(self.clone(), charge))
    }

    /// The timer of the runtime that runs here: one for all that wait in it.
    fn runtime_alarm(&self) -> Arc<RuntimeAlarm> {
        let runtime = Handle::current();
        let mut state = self.state.lock();
        let known = state.runtimes.iter().find(|(id, _)| *id == runtime.id());
        if let Some(alarm) = known.and_then(|(_, alarm)| alarm.upgrade()) {
            return alarm;
        }
        let id = runtime.id();
        let throttler = self.downgrade();
        let alarm = Arc::new_cyclic(|me| RuntimeAlarm {
            me: me.clone(),
            runtime,
            throttler,
            timer: Mutex::new(None),
        });
        state.runtimes.retain(|(_, alarm)| alarm.strong_count() > 0);
        state.runtimes.push((id, Arc::downgrade(&alarm)));
        alarm
    }
}

pub(super) type Runtimes = Vec<(Id, Weak<RuntimeAlarm>)>;

/// The one timer of a runtime: a task of its own, so that no task that waits can keep the others from their turn by
/// not being polled.
#[derive(Debug)]
pub(super) struct RuntimeAlarm {
    me: Weak<RuntimeAlarm>,
    runtime: Handle,
    throttler: WeakThrottler,
    timer: Mutex<Option<(Nanos, AbortHandle)>>,
}

impl RuntimeAlarm {
    fn ring(self: Arc<Self>) {
        *self.timer.lock() = None;
        let Some(throttler) = self.throttler.upgrade() else { return };
        let station = Station::Loop(self.clone());
        if let Some(at) = throttler.poll(Looker::Loop(&station)) {
            self.ring_at(at);
        }
    }
}

impl Alarm for RuntimeAlarm {
    fn ring_at(&self, at: Nanos) {
        // A manual clock has no timers: whoever moves it looks.
        let clock = self.throttler.upgrade().map(|throttler| throttler.clock());
        let Some(instant) = clock.and_then(|clock| clock.to_std(at)).map(Instant::from_std) else { return };
        let mut timer = self.timer.lock();
        if timer.as_ref().is_some_and(|&(known, _)| known <= at) {
            return;
        }
        let me = self.me.clone();
        let task = self.runtime.spawn(async move {
            sleep_until(instant).await;
            if let Some(alarm) = me.upgrade() {
                alarm.ring();
            }
        });
        if let Some((_, old)) = timer.replace((at, task.abort_handle())) {
            old.abort();
        }
    }

    fn silence(&self) {
        if let Some((_, timer)) = self.timer.lock().take() {
            timer.abort();
        }
    }
}
