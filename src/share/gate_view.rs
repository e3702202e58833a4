//! What a process's side of a scope is told of its gate, and the rules by which it takes part.

use std::sync::Arc;

use crate::clock::{Nanos, WallNanos};

use super::line::Class;
use super::reclaim::FreeAt;
use super::tally::{Counted, HeardNews};
use super::terms::OnConflict;

/// How a process takes part.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// For how long it lives without a visit; `None` where the store knows who lives.
    pub lease: Option<Nanos>,
    /// For how long what it sent may still arrive.
    pub arrival: Nanos,
    /// How far clocks of the wall may be apart: what came so near before a boundary of a quota counts on both sides of it.
    pub margin: WallNanos,
    pub on_conflict: OnConflict,
}

/// What the gate has of one limit now.
#[derive(Clone, Debug, Default)]
pub(crate) struct GateView {
    /// Units in the window and in flight.
    pub used: u64,
    /// Units that requests in the queue take, in all.
    pub waiting: u64,
    /// The most that one of them takes.
    pub need: u64,
    /// Units in flight of blocks within which any request may be that waits.
    pub unknown: u64,
    /// When units of `used` come free next.
    pub frees_at: Option<Nanos>,
    /// Those of `used` that are in the window. Needed of long windows, and of all when the member leaves.
    pub settled: Vec<SettledUnits>,
    /// What is left of a pause, and why.
    pub pause: Option<(Nanos, Arc<str>)>,
    /// What the exchange has told that the limit is, and how long ago.
    pub told: Option<(u64, Nanos)>,
    /// What the exchange has told last to be left.
    pub heard: Option<HeardNews>,
    /// What it may have counted of this process since [`Membership::asked_since`].
    pub counted: Counted,
}

/// Units in a gate's window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SettledUnits {
    pub units: u64,
    /// When they leave it: [`FreeAt::In`] of a rolling window, [`FreeAt::Boundary`] of a quota.
    pub free: FreeAt,
}

/// A request that waits at the gate.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// Its number; another one for each request of this process.
    pub request: u64,
    pub waited: Nanos,
    pub class: Class,
    /// What it takes: (index into the table, units).
    pub needs: Vec<(usize, u64)>,
}

impl Waiting {
    /// Its class, with what is meant for the process of each limit: before all where others wait for what its blocks hold, as
    /// these may wait for it.
    pub(super) fn class_beside(&self, gates: &[GateView], target: impl Fn(usize) -> u64) -> Class {
        let hangs_on_it = self.needs.iter().any(|&(at, _)| gates[at].unknown > target(at));
        if hangs_on_it { Class { priority: None, ..self.class } } else { self.class }
    }
}
