//! Waiting in a tokio task.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::nanos;
use crate::error::Error;

use super::pass::{Charge, Pass};
use super::throttler::{Entry, Throttler};
use super::turn::Turn;
use super::watch::{Looker, Station};

impl Throttler {
    /// Waits for the turn of a request for `id`, in a tokio task (feature `tokio`). `units` multiplies each of its
    /// weights. Without a `timeout`, it waits for as long as it takes. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`], [`Error::Invalid`] for 0 units, [`Error::NeverPasses`], [`Error::Timeout`].
    pub async fn enter_async(&self, id: &str, units: u64, timeout: Option<Duration>) -> Result<Pass, Error> {
        let route = self.route(id)?;
        self.check_units(&route, units)?;
        let new_turn = || Turn::new(Station::Tasks, Waker::noop().clone());
        let mut charge = Charge::new(route, units);
        let ticket = match self.enter(&mut charge, timeout.map(nanos), new_turn)? {
            Entry::Entered => return Ok(Pass::new(self.clone(), charge)),
            Entry::Waiting(ticket) => ticket,
        };
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        let charge = poll_fn(|context| {
            ticket.set_waker(context.waker());
            loop {
                if let Some(outcome) = ticket.take() {
                    return Poll::Ready(outcome);
                }
                if !self.keeps_watch(ticket.turn()) {
                    timer = None;
                    return Poll::Pending;
                }
                let next = self.poll(Looker::Waiter(ticket.turn()));
                if let Some(outcome) = ticket.take() {
                    return Poll::Ready(outcome);
                }
                let Some(at) = next.and_then(|at| self.clock().to_std(at)).map(Instant::from_std) else {
                    return Poll::Pending;
                };
                match &mut timer {
                    Some(timer) => timer.as_mut().reset(at),
                    None => timer = Some(Box::pin(sleep_until(at))),
                }
                if timer.as_mut().is_some_and(|timer| timer.as_mut().poll(context).is_pending()) {
                    return Poll::Pending;
                }
            }
        })
        .await?;
        Ok(Pass::new(self.clone(), charge))
    }
}
