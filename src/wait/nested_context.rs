//! A task that makes requests within requests, for tests.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::error::Error;
use crate::gate::Options;
use crate::limit::RateLimit;

use super::block::{Block, Entered};
use super::enter::Admission;
use super::manual_clock::ManualClock;
use super::nested::Nested;
use super::pass::HeldUnits;
use super::throttler::Throttler;
use super::turn::{Turn, WaitHandle};
use super::wake_groups::WakeGroup;

pub(super) const INTERVAL: Duration = Duration::from_secs(10);

pub(super) fn throttler(clock: &ManualClock, limits: &[u64]) -> Throttler {
    let table: Vec<_> =
        limits.iter().zip('a'..).map(|(&limit, id)| RateLimit::new(id, limit, INTERVAL)).collect();
    clock.throttler(&table, Options::default()).expect("a fine table")
}

/// A task with the blocks that it is in: what a context of Python's is.
#[derive(Default)]
pub(super) struct Context {
    /// As a context keeps it, whether it still runs or not.
    pub innermost: Option<Arc<Block>>,
    pub blocks: Vec<Arc<Block>>,
    pub waits: Option<(WaitHandle, Option<Arc<Nested>>)>,
}

impl Context {
    /// Enters, or joins the queue.
    pub fn ask(&mut self, throttler: &Throttler, id: &str, units: u64) {
        let mut held = HeldUnits::new(&throttler.lookup(id).expect("a known id"), units, None);
        throttler.check_units(&held.route, units).expect("units that fit");
        let turn = || Turn::new(WakeGroup::Threads, Waker::noop().clone());
        match throttler.enter(&mut held, None, turn).expect("no time-out") {
            Admission::Entered => self.begin(throttler, held),
            Admission::Waiting(ticket) => {
                let around = self.innermost.clone().map_or_else(Vec::new, Block::all_running);
                let nested = Nested::new(around, throttler, ticket.turn());
                self.waits = Some((ticket, nested));
                self.claim(throttler);
            }
        }
    }

    /// The same as Python does it: a block that is not tight is known to nobody.
    pub fn ask_as_python(&mut self, throttler: &Throttler, id: &str, units: u64) {
        let route = throttler.lookup(id).expect("a known id");
        if throttler.check_units(&route, units).is_err() {
            return;
        }
        match throttler.enter_block(&route, units) {
            Some(Entered { epoch, is_tight }) => {
                let held = HeldUnits { epoch, is_tight, ..HeldUnits::new(&route, units, None) };
                self.begin(throttler, held);
            }
            None => self.ask(throttler, id, units),
        }
    }

    fn begin(&mut self, throttler: &Throttler, held: HeldUnits) {
        if !held.is_tight {
            return self.blocks.push(Block::new(throttler.clone(), held, None));
        }
        let outer = self.innermost.clone().and_then(Block::running);
        let block = Block::new(throttler.clone(), held, outer);
        self.innermost = Some(block.clone());
        self.blocks.push(block);
    }

    /// Takes what it was granted.
    pub fn claim(&mut self, throttler: &Throttler) {
        let granted = self.waits.as_ref().and_then(|(ticket, _)| ticket.take());
        if let Some(held) = granted {
            if let Some((_, Some(nested))) = self.waits.take() {
                nested.pass();
            }
            match held {
                Ok(held) => self.begin(throttler, held),
                Err(error) => assert!(matches!(error, Error::NeverPasses { .. }), "{error}"),
            }
        }
    }

    pub fn leave(&mut self) {
        assert!(self.blocks.pop().expect("it is in a block").leave());
    }
}
