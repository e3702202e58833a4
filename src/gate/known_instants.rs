//! The instants at which the clock alone changes anything in a model of the gate's world: what may wake the gate.

use std::collections::BTreeSet;

use crate::clock::Nanos;
use crate::limit::{Kind, RateLimit};

use super::model::{Change, END, Request, Run, What};
use super::table::Hold;

impl Run<'_> {
    /// The requests whose units count down, and from when on.
    fn stamped(&self) -> impl Iterator<Item = (&Request, Nanos)> {
        let stamped = if self.gate.options.hold == Hold::Start { &self.started } else { &self.ended };
        self.world.requests.iter().zip(stamped).filter_map(|(one, at)| Some((one, (*at)?)))
    }

    /// When a unit of a bucket has drained.
    fn drained_at(&self, limit: usize) -> Vec<Nanos> {
        let RateLimit { limit: drain, .. } = self.world.table[limit];
        let interval = self.world.interval(limit);
        let mut stamps = vec![0; END as usize + 1];
        for (request, at) in self.stamped() {
            stamps[at as usize] += self.world.weight(request.route, limit) * request.units;
        }
        for change in self.world.changes.iter().filter(|change| change.limit == limit) {
            match change.what {
                What::Foreign(units, later) | What::ForeignBeside(units, later) if later > 0 => {
                    stamps[change.at as usize] += units
                }
                What::Correct(units) => stamps[change.at as usize] += units.unsigned_abs(),
                _ => {}
            }
        }
        let mut level = 0_u64;
        let mut drained = Vec::new();
        for (at, units) in (0..).zip(stamps) {
            let before = level.div_ceil(interval);
            level = level.saturating_sub(drain);
            if level.div_ceil(interval) < before {
                drained.push(at);
            }
            level += units * interval;
        }
        drained
    }

    /// When a request reaches the highest class of the table, or of a request.
    fn risen_at(&self) -> impl Iterator<Item = Nanos> {
        let world = self.world;
        let highest: BTreeSet<u16> =
            world.requests.iter().map(|one| one.rank.0).chain([world.highest().0]).collect();
        let risen = move |(patience, one): (Nanos, &Request)| {
            let (rank, arrives) = (one.rank.0, one.arrives);
            let above = highest.range(..rank).map(move |highest| Nanos::from(rank - highest));
            above.map(move |classes| arrives + patience * classes).collect::<Vec<_>>()
        };
        let each = world
            .patience
            .into_iter()
            .flat_map(|patience| world.requests.iter().map(move |one| (patience, one)));
        each.flat_map(risen)
    }

    /// Every instant at which the clock alone changes anything: what was stamped comes free, a window of a quota ends, a
    /// request gives up, or it has risen to the highest class.
    pub(super) fn known_instants(&self) -> BTreeSet<Nanos> {
        let mut instants: BTreeSet<Nanos> =
            self.world.requests.iter().filter_map(|one| one.gives_up).collect();
        instants.extend(self.risen_at());
        let is_quota = |&limit: &usize| matches!(self.world.table[limit].kind, Kind::Quota(_));
        for (request, at) in self.stamped() {
            instants.extend(self.world.takes(request.route).map(|limit| self.world.end(limit, at)));
        }
        for limit in (0..self.world.table.len()).filter(|&limit| self.world.table[limit].kind == Kind::Bucket)
        {
            instants.extend(self.drained_at(limit));
        }
        let quotas = (0..self.world.table.len()).filter(is_quota);
        instants.extend(self.world.changes.iter().filter_map(|&Change { at, limit, what }| match what {
            What::Allow(_) | What::Tell(_) | What::TellBeside(_) | What::GoFirst(_) => None,
            What::Pause(length) | What::PauseAll(length) => Some(at + length),
            What::Correct(_) => Some(self.world.end(limit, at)),
            What::Foreign(_, later) | What::ForeignBeside(_, later) => {
                Some(self.world.foreign_end(limit, at, later))
            }
        }));
        instants.extend(quotas.flat_map(|limit| {
            let boundary = move |&at: &Nanos| Some(self.world.end(limit, at)).filter(|&end| end < END);
            std::iter::successors(Some(0), boundary).skip(1)
        }));
        instants
    }
}
