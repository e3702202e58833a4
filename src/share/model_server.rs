//! How the model's server counts, by brute force: windows that roll, that begin at the multiples of their length by its own clock,
//! or that a first request opens; quotas; and what runs at once. Processes count all of these as shared limits are counted.

use crate::clock::Nanos;

use super::model::{Cluster, WALL};
use super::model_gate::Block;
use super::model_world::{MS, Random, World};
use super::state::MemberId;
use super::terms::Kind;

/// Clocks of processes are this far from the server's, in millionths of the interval.
pub(super) const DRIFT: u64 = 300;

/// How the server counts a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Counting {
    /// Each unit for an interval; of a quota, until the next boundary.
    #[default]
    ByKind,
    /// In windows that begin at the multiples of the interval by the server's clock, which is ahead by this. `known`: so well
    /// do processes know that clock.
    Aligned { ahead: Nanos, known: Option<Nanos> },
    /// In windows that the first request opens.
    First,
    /// From its arrival until its answer.
    Concurrent,
}

/// The server's side of a world.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    /// By limit; those beyond the last are counted by their kind.
    pub counting: Vec<Counting>,
    /// Whether answers tell when a window ends.
    pub tells_end: bool,
    /// Whether processes expect others to go on as they did.
    pub expects: bool,
}

/// A request that has left, as far as one limit is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub left: Nanos,
    /// When it ended for its process.
    pub ended: Nanos,
    /// When it ended for the server.
    pub until: Nanos,
    pub owner: MemberId,
}

/// When a request had left, when the server counted, and when the window of that began at the earliest, where that is known.
pub(super) type Truly = (Nanos, Nanos, Option<Nanos>);

impl World {
    /// How the server counts a limit.
    pub(super) fn counting(&self, limit: usize) -> Counting {
        self.server.counting.get(limit).copied().unwrap_or_default()
    }

    /// The same with a server that counts in some other way than processes do.
    pub(super) fn with_server(mut self) -> Self {
        let random = &mut Random(self.seed ^ 0xa116);
        let changes = |limit: usize| {
            let change = |fault: &super::model_world::Fault| matches!(fault, super::model_world::Fault::Table(at, ..) if *at == limit);
            self.faults.iter().any(|fault| change(&fault.1))
        };
        let counting = (self.table.iter().enumerate()).map(|(limit, terms)| match random.within(0, 100) {
            _ if terms.kind != Kind::Rolling || changes(limit) => Counting::ByKind,
            0..25 => Counting::Aligned {
                ahead: random.within(0, terms.interval),
                known: random.chance(60).then(|| random.within(0, terms.interval / 16)),
            },
            25..40 => Counting::First,
            40..50 => Counting::Concurrent,
            _ => Counting::ByKind,
        });
        let counting: Vec<Counting> = counting.collect();
        for (terms, counting) in self.table.iter_mut().zip(&counting) {
            if *counting == Counting::Concurrent {
                terms.interval = 0;
            }
        }
        self.foreign.retain(|one| counting[one.1] != Counting::Concurrent);
        self.server = Server { counting, tells_end: random.chance(40), expects: random.chance(70) };
        self
    }
}

impl Cluster {
    /// How long the server's windows are: no longer than by any process's clock.
    fn length(&self, limit: usize) -> Nanos {
        let interval = self.table[limit].interval;
        interval - interval * DRIFT / 1_000_000
    }

    /// The window that the server counts at `at`: when it began, and when it ends if that is for all units at once.
    pub(super) fn window(&self, limit: usize, at: Nanos, is_slack: bool) -> (Nanos, Option<Nanos>) {
        let interval = self.table[limit].interval;
        let aligned = |ahead: Nanos, length: Nanos| {
            let began = (ahead + at) / length * length;
            (began.saturating_sub(ahead), Some(began + length - ahead))
        };
        match self.world.counting(limit) {
            Counting::ByKind if self.table[limit].kind == Kind::Rolling => {
                let length = if is_slack { self.length(limit) } else { interval };
                ((at + 1).saturating_sub(length), None)
            }
            Counting::ByKind => aligned(WALL, interval),
            Counting::Aligned { ahead, .. } => aligned(ahead, self.length(limit)),
            Counting::First => {
                let all = self.arrivals.iter().chain(&self.foreign);
                let mut starts: Vec<Nanos> =
                    all.filter(|one| one.1 == limit && one.0 <= at).map(|one| one.0).collect();
                starts.sort_unstable();
                let length = self.length(limit);
                let opens = |open: Option<Nanos>, start| match open {
                    Some(open) if start < open + length => Some(open),
                    _ => Some(start),
                };
                let open = starts.into_iter().fold(None, opens).filter(|open| at < open + length);
                (open.unwrap_or(at), Some(open.unwrap_or(at) + length))
            }
            Counting::Concurrent => (at, None),
        }
    }

    /// What the server counts at `at`. `is_slack`: windows that roll are shorter by what clocks may be off.
    pub(super) fn at_server(&self, limit: usize, at: Nanos, is_slack: bool) -> u64 {
        if self.world.counting(limit) == Counting::Concurrent {
            let runs = |(one, span): &(&(Nanos, usize, u64), &Span)| {
                one.1 == limit && (one.0..span.until).contains(&at)
            };
            return self.arrivals.iter().zip(&self.spans).filter(runs).map(|(one, _)| one.2).sum();
        }
        let (began, _) = self.window(limit, at, is_slack);
        let all = self.arrivals.iter().chain(&self.foreign);
        all.filter(|one| one.1 == limit && (began..=at).contains(&one.0)).map(|one| one.2).sum()
    }

    /// The most that the server ever counted of a limit, of which nobody else took any.
    pub(super) fn most_at_server(&self, limit: usize, since: Nanos) -> u64 {
        let of = self.arrivals.iter().filter(|one| one.1 == limit && one.0 >= since);
        of.map(|one| self.at_server(limit, one.0, true)).max().unwrap_or(0)
    }

    /// Blocks have ended.
    pub(super) fn end_spans(&mut self, blocks: &[Block]) {
        for block in blocks {
            for span in self.spans[block.first..].iter_mut().take(block.needs.len()) {
                (span.ended, span.until) = (self.now, span.until.min(self.now));
            }
        }
    }

    /// A process has ended: the server ends what runs for it.
    pub(super) fn end_process(&mut self, at: usize) {
        self.note_lapse(at);
        let owner = self.processes[at].id;
        let open = self.spans.iter_mut().zip(&self.arrivals).filter(|(span, _)| span.owner == owner);
        open.for_each(|(span, one)| span.until = span.until.min(self.now.max(one.0 + 1)));
    }

    /// Should a process's lease have ended: what it has in flight for longer than it may still arrive is no longer counted.
    pub(super) fn note_lapse(&mut self, at: usize) {
        let process = &self.processes[at];
        let Some(ended) = process.membership.lives_until().filter(|&end| end > 0) else { return };
        let Some(ago) = self.local_of(at).checked_sub(ended) else { return };
        let (lapsed, owner) = (self.now.saturating_sub(ago), process.id);
        let ends = lapsed + self.world.arrival;
        let open = self.spans.iter_mut().filter(|span| span.owner == owner && span.left <= lapsed + MS);
        open.for_each(|span| span.until = span.until.min(ends.max(span.left)));
    }

    /// What an answer tells of the server's window at `counted`, by the process's clock, if the process knows the server's:
    /// when it began at the earliest and ends at the latest; and the first of the two truly.
    pub(super) fn known_window(
        &self,
        at: usize,
        limit: usize,
        left: Nanos,
        counted: Nanos,
    ) -> Option<((Nanos, Nanos), Nanos)> {
        let Counting::Aligned { known: Some(known), .. } = self.world.counting(limit) else { return None };
        let (began, ends) = self.window(limit, counted, false);
        let (ends, unsure) = (ends?, known + MS);
        if left < began + unsure || self.now + unsure >= ends {
            return None;
        }
        let local = self.local_of(at);
        let earliest = began.saturating_sub(unsure);
        Some(((local - (self.now - earliest), local + (ends + unsure - self.now)), earliest))
    }
}
