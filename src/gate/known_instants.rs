//! The instants at which the clock alone changes anything in a model of the gate's world: what may wake the gate.

use std::collections::BTreeSet;

use crate::clock::Nanos;
use crate::limit::Kind;

use super::bucket_model::Counter;
use super::model::{Change, END, Request, Run, What};
use super::table::Hold;

impl Run<'_> {
    /// The requests whose units count down, and from when on.
    fn stamped(&self) -> impl Iterator<Item = (&Request, Nanos)> {
        let stamped = if self.gate.options.hold == Hold::Start { &self.started } else { &self.ended };
        self.world.requests.iter().zip(stamped).filter_map(|(one, at)| Some((one, (*at)?)))
    }

    /// When a unit of any bucket has drained.
    fn drained_at(&self) -> BTreeSet<Nanos> {
        let table = &self.world.table;
        let buckets: Vec<usize> = (0..table.len()).filter(|&at| table[at].kind == Kind::Bucket).collect();
        let mut counters: Vec<Counter> = table.iter().map(Counter::new).collect();
        let mut drained = BTreeSet::new();
        for now in 0..=END {
            for &limit in &buckets {
                let units = |counter: &Counter| counter.all().div_ceil(counter.unit);
                let counter = &mut counters[limit];
                let before = units(counter);
                *counter = counter.to(now);
                if units(counter) < before {
                    drained.insert(now);
                }
                for (request, _) in self.stamped().filter(|&(_, at)| at == now) {
                    counter.add(self.world.weight(request.route, limit) * request.units);
                }
            }
            let is_bucket = |change: &&Change| table[change.limit].kind == Kind::Bucket;
            for &Change { limit, what, .. } in
                self.world.changes.iter().filter(|change| change.at == now).filter(is_bucket)
            {
                let base = match what {
                    What::TellBeside(_, base) | What::ForeignBeside(.., base) => Some(counters[base]),
                    _ => None,
                };
                counters[limit].change(now, what, base);
                if let What::Correct(units) = what {
                    counters[limit].add(units.unsigned_abs());
                }
            }
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
        instants.extend(self.drained_at());
        let quotas = (0..self.world.table.len()).filter(is_quota);
        instants.extend(self.world.changes.iter().filter_map(|&Change { at, limit, what }| match what {
            What::Allow(_) | What::Tell(_) | What::TellBeside(..) | What::GoFirst(_) => None,
            What::Pause(length) | What::PauseAll(length) => Some(at + length),
            What::Correct(_) => Some(self.world.end(limit, at)),
            What::Foreign(_, later) | What::ForeignBeside(_, later, _) => {
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
