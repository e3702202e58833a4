//! An event loop on a simulated machine, for the model of waiting: it can be blocked or closed, and its methods can fail.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::{Clock, Nanos};

use super::loop_timer::{Call, EventLoop};

/// An event loop on the simulated machine.
#[derive(Debug, Default)]
pub struct Machine {
    pub blocked: bool,
    pub closed: bool,
    pub soon: VecDeque<Call<SimLoop>>,
    pub timers: Vec<(Nanos, u64, Call<SimLoop>)>,
    pub made: u64,
    /// So many of its methods raise: half of them before they have done what they should, half of them after.
    pub failing: u32,
    /// It could not be set up at all, however often it was tried.
    pub failed: bool,
}

#[derive(Clone, Debug, Default)]
pub struct SimLoop(pub Arc<Mutex<Machine>>);

impl SimLoop {
    fn attempt<T>(&self, f: impl FnOnce(&mut Machine) -> T) -> Result<T, ()> {
        let mut machine = self.0.lock();
        if machine.failing == 0 {
            machine.failed = false;
            return Ok(f(&mut machine));
        }
        machine.failing -= 1;
        machine.failed = true;
        if machine.failing % 2 == 1 {
            f(&mut machine);
        }
        Err(())
    }
}

impl EventLoop for SimLoop {
    type Handle = u64;
    type Error = ();

    const RUNS_ALL: bool = true;
    const SETS_TIMERS_ANYWHERE: bool = false;

    fn call_at(&self, _clock: &Clock, at: Nanos, call: Call<Self>) -> Result<Option<u64>, ()> {
        self.attempt(|machine| {
            machine.made += 1;
            machine.timers.push((at, machine.made, call));
            Some(machine.made)
        })
    }

    fn call_soon(&self, call: Call<Self>) -> Result<(), ()> {
        self.attempt(|machine| {
            if !machine.closed {
                machine.soon.push_back(call);
            }
        })
    }

    fn cancel(&self, handle: &u64) -> Result<(), ()> {
        self.attempt(|machine| machine.timers.retain(|(_, id, _)| id != handle))
    }

    fn can_meet(&self, _clock: &Clock) -> bool {
        true
    }

    fn report(&self, (): ()) {}
}
