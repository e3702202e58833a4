//! The counter of a bucket as a model of the gate's world has it: own units and those of others, which drain first.

use crate::clock::Nanos;
use crate::limit::RateLimit;

use super::model::What;

/// A level at an instant, in units × nanoseconds.
#[derive(Clone, Copy)]
pub(super) struct Counter {
    pub at: Nanos,
    pub own: u128,
    pub others: u128,
    pub drain: u64,
    nominal: u64,
    pub unit: u128,
}

impl Counter {
    pub fn new(limit: &RateLimit) -> Self {
        let unit = limit.interval.as_nanos();
        Self { at: 0, own: 0, others: 0, drain: limit.limit, nominal: limit.limit, unit }
    }

    pub fn all(&self) -> u128 {
        self.own + self.others
    }

    /// The same at `at`.
    pub fn to(mut self, at: Nanos) -> Self {
        let drained = u128::from(self.drain) * u128::from(at - self.at);
        self.own = self.own.saturating_sub(drained.saturating_sub(self.others));
        self.others = self.others.saturating_sub(drained);
        Self { at, ..self }
    }

    pub fn add(&mut self, units: u64) {
        self.own += u128::from(units) * self.unit;
    }

    /// A change at `now`. `base` is the counter of which this is a part, which is told of it after this one.
    pub fn change(&mut self, now: Nanos, what: What, base: Option<Self>) {
        *self = self.to(now);
        let before = base.map_or(self.others, |base| base.to(now).others);
        match what {
            What::Tell(units) => self.drain = self.nominal.min(units),
            What::TellBeside(units, _) => (self.drain, self.others) = (self.nominal.min(units), before),
            What::Foreign(units, _) | What::ForeignBeside(units, ..) => {
                self.others = before + u128::from(units) * self.unit;
            }
            _ => {}
        }
    }
}
