//! A small gate for the model: windows of stamps, an effective limit for each, and requests in order of class and arrival.

use crate::clock::Nanos;

use super::gate_view::{GateView, SettledUnits, Waiting};
use super::line::Class;
use super::model_server::Truly;
use super::reclaim::FreeAt;
use super::tally::{Counted, HeardNews, News};

/// One limit of a model gate. Instants are the process's own.
#[derive(Clone, Debug, Default)]
pub(super) struct ModelLimit {
    pub effective: u64,
    pub in_flight: u64,
    /// Those of them that are in blocks within which another request is made, of which the gate does not know.
    pub unknown: u64,
    pub interval: Nanos,
    /// The period of a quota; its boundaries are multiples of it, by the process's own clock.
    pub period: Option<Nanos>,
    pub margin: Nanos,
    /// Units are held until their request ends, and no longer.
    pub concurrent: bool,
    /// What the exchange told, and when.
    pub told: Option<(u64, Nanos)>,
    /// Until when it is paused.
    pub paused_until: Nanos,
    /// When units were used up, and how many.
    pub stamps: Vec<(Nanos, u64)>,
    /// Units that have left the window: when, and how many.
    pub left: Vec<(Nanos, u64)>,
    /// Units of others: until when they count, and how many.
    pub others: Vec<(Nanos, u64)>,
    /// The last answer that told how much is left.
    pub heard: Option<ModelAnswer>,
    /// When units of others were last found.
    pub found_at: Option<Nanos>,
}

/// What an answer told, by the process's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModelAnswer {
    pub remaining: i64,
    /// When the request left.
    pub since: Nanos,
    pub at: Nanos,
    /// When the exchange's window ends, if it said so.
    pub until: Option<Nanos>,
    /// When it began at the earliest and ends at the latest, if its clock is known.
    pub window: Option<(Nanos, Nanos)>,
    pub expect: bool,
    pub truly: Truly,
}

impl ModelLimit {
    fn frees_at(&self, stamp: Nanos) -> Nanos {
        match self.period {
            None => stamp + self.interval,
            Some(period) => ((stamp + self.margin) / period + 1) * period + self.margin,
        }
    }

    /// When units come free next, own ones or those of others.
    fn next_end(&self) -> Option<Nanos> {
        let own = self.stamps.iter().map(|stamp| self.frees_at(stamp.0));
        own.chain(self.others.iter().map(|one| one.0)).min()
    }

    fn expire(&mut self, now: Nanos) {
        let all = std::mem::take(&mut self.stamps);
        let (left, stay) = all.into_iter().partition(|&(stamp, _)| self.frees_at(stamp) <= now);
        self.stamps = stay;
        let left: Vec<(Nanos, u64)> = left;
        for (stamp, units) in left {
            self.left.push((self.frees_at(stamp), units));
        }
        self.others.retain(|&(until, _)| until > now);
    }

    /// What may be used.
    fn allowed(&self) -> u64 {
        self.told.map_or(self.effective, |(units, _)| units.min(self.effective))
    }

    fn used(&self) -> u64 {
        self.in_flight + self.stamps.iter().chain(&self.others).map(|stamp| stamp.1).sum::<u64>()
    }

    /// What the exchange may have counted since then.
    fn counted_since(&self, (since, began): (Nanos, Option<Nanos>)) -> Counted {
        let left = self.left.iter().filter(|one| one.0 > since);
        let all: u64 = self.stamps.iter().chain(left).map(|one| one.1).sum();
        let came = self.stamps.iter().filter(|stamp| began.is_none_or(|began| stamp.0 >= began));
        let units = self.in_flight + if began.is_some() { came.map(|one| one.1).sum() } else { all };
        let later = self.stamps.iter().filter(|stamp| stamp.0 >= since);
        Counted { units, unsure: self.in_flight + later.map(|stamp| stamp.1).sum::<u64>() }
    }

    /// Learns how much the exchange had left.
    pub fn hear(&mut self, answer: ModelAnswer) {
        self.expire(answer.at);
        self.left.retain(|one| one.0 + 20_000_000_000 > answer.at);
        let others = self.others.iter().map(|one| one.1).sum::<u64>();
        let known = self.counted_since((answer.since, None)).units + others;
        let new = i128::from(self.effective) - i128::from(known) - i128::from(answer.remaining);
        if new > 0 {
            let end = self.frees_at(answer.at);
            self.others.push((answer.until.map_or(end, |until| until.min(end)), new as u64));
            self.found_at = Some(answer.at);
        }
        self.heard = Some(answer);
    }

    /// What others used until then is in the document.
    pub fn forget_others(&mut self, heard: Nanos) {
        if self.heard.is_some_and(|answer| answer.at <= heard) {
            self.others.clear();
        }
    }

    fn news(&self, now: Nanos) -> Option<HeardNews> {
        let ModelAnswer { remaining, since, at, until, window, expect, .. } = self.heard?;
        if window.is_some_and(|(_, ends)| ends <= now) {
            return None;
        }
        let counted = self.counted_since((since, window.map(|window| window.0)));
        let window = window.map(|(began, ends)| (now - began, ends - now));
        let ends_in = until.map(|until| until.saturating_sub(now));
        let news = News { remaining, age: now - since, ends_in, window, expect, counted };
        Some(HeardNews { news, number: at, ago: now - at, found: self.found_at.map(|at| now - at) })
    }
}

/// A request that waits at a model gate, or runs.
#[derive(Clone, Debug)]
pub(super) struct ModelRequest {
    pub number: u64,
    pub since: Nanos,
    /// `None`: before all, as it is within the block of another.
    pub priority: Option<i16>,
    /// (limit, units), by index into the process's table.
    pub needs: Vec<(usize, u64)>,
    pub arrives_after: Nanos,
    /// `None`: its answer never comes.
    pub ends_after: Option<Nanos>,
    /// What it takes that is made within its block, which ends with that.
    pub inner: Option<Vec<(usize, u64)>>,
    /// The blocks that it is within.
    pub outer: Vec<Block>,
}

/// What the block of a request holds while it runs.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// (limit, units), by index into the process's table.
    pub needs: Vec<(usize, u64)>,
    /// The first of its arrivals, of which there is one for each limit.
    pub first: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ModelGate {
    pub limits: Vec<ModelLimit>,
    /// In the order in which they go.
    pub queue: Vec<ModelRequest>,
    pub patience: Option<Nanos>,
    /// Charged at the start, not at the end.
    pub by_start: bool,
}

impl ModelGate {
    /// A request joins the queue: behind those of its class and of higher ones. With a patience, those that have risen to
    /// its class are before it.
    pub fn join(&mut self, request: ModelRequest) {
        let key = |one: &ModelRequest| {
            let above = one.priority.map(i64::from);
            above.map(|above| match self.patience {
                Some(patience) => one.since as i64 - above * patience as i64,
                None => -above,
            })
        };
        let place = self.queue.partition_point(|other| key(other) <= key(&request));
        self.queue.insert(place, request);
    }

    /// Lets through what may pass, in order: a request passes no older one that shares a limit with it.
    pub fn pass(&mut self, now: Nanos, lives_until: Option<Nanos>) -> Vec<ModelRequest> {
        self.limits.iter_mut().for_each(|limit| limit.expire(now));
        if lives_until.is_some_and(|until| now >= until) {
            return Vec::new();
        }
        let mut blocked = vec![false; self.limits.len()];
        let (mut passed, mut queue) = (Vec::new(), Vec::new());
        for request in std::mem::take(&mut self.queue) {
            let fits = request.needs.iter().all(|&(at, units)| {
                let limit = &self.limits[at];
                !blocked[at] && limit.paused_until <= now && limit.used() + units <= limit.allowed()
            });
            if fits {
                for &(at, units) in &request.needs {
                    match self.by_start && !self.limits[at].concurrent {
                        true => self.limits[at].stamps.push((now, units)),
                        false => self.limits[at].in_flight += units,
                    }
                }
                passed.push(request);
            } else {
                request.needs.iter().for_each(|&(at, _)| blocked[at] = true);
                queue.push(request);
            }
        }
        self.queue = queue;
        passed
    }

    pub fn end(&mut self, now: Nanos, needs: &[(usize, u64)]) {
        for &(at, units) in needs {
            let limit = &mut self.limits[at];
            if limit.concurrent {
                limit.in_flight -= units;
            } else if !self.by_start {
                limit.in_flight -= units;
                limit.stamps.push((now, units));
            }
        }
    }

    /// Whether the gate need not know of a request that has just passed: so little is in flight, and all are that light.
    /// Larger parts than those of the real gate, for fewer processes.
    pub fn is_roomy(&self, needs: &[(usize, u64)], heaviest: &[u64]) -> bool {
        !self.by_start
            && needs.iter().all(|&(at, _)| {
                let ModelLimit { in_flight, effective, .. } = self.limits[at];
                in_flight <= effective / 4 && heaviest[at] <= effective / 8
            })
    }

    /// Another request is made within a block, or has ended.
    pub fn nest(&mut self, block: &[(usize, u64)], ends: bool) {
        for &(at, units) in block {
            let unknown = &mut self.limits[at].unknown;
            *unknown = if ends { *unknown - units } else { *unknown + units };
        }
    }

    /// When something may pass that waits now, if nothing but time goes on.
    pub fn wake_at(&self, now: Nanos) -> Option<Nanos> {
        let waits = self.queue.iter().flat_map(|request| &request.needs);
        let next = waits.filter_map(|&(at, _)| {
            let limit = &self.limits[at];
            let pause = Some(limit.paused_until).filter(|&until| until > now);
            pause.or_else(|| limit.next_end())
        });
        next.min().map(|at| at.max(now + 1))
    }

    /// `asked`: since when the others ask what was used, by limit.
    pub fn views(
        &mut self,
        now: Nanos,
        with_all: bool,
        asked: impl Fn(usize) -> Option<(Nanos, Option<Nanos>)>,
    ) -> Vec<GateView> {
        let queue = &self.queue;
        let of = |at: usize| queue.iter().flat_map(|one| &one.needs).filter(move |need| need.0 == at);
        let mut views = Vec::new();
        for (at, limit) in self.limits.iter_mut().enumerate() {
            limit.expire(now);
            let settled = limit.stamps.iter().map(|&(stamp, units)| SettledUnits {
                units,
                free: match limit.period {
                    None => FreeAt::In(limit.frees_at(stamp) - now),
                    Some(_) => FreeAt::Boundary((limit.frees_at(stamp) - limit.margin) as i64),
                },
            });
            views.push(GateView {
                used: limit.used(),
                unknown: limit.unknown,
                waiting: of(at).map(|need| need.1).sum(),
                need: of(at).map(|need| need.1).max().unwrap_or(0),
                frees_at: limit.next_end(),
                settled: if with_all || limit.interval > super::terms::LONG {
                    settled.collect()
                } else {
                    Vec::new()
                },
                pause: (limit.paused_until > now).then(|| (limit.paused_until - now, "told".into())),
                heard: limit.news(now),
                counted: asked(at).map_or_else(Counted::default, |asked| limit.counted_since(asked)),
                told: limit.told.map(|(units, at)| (units, now.saturating_sub(at))),
            });
        }
        views
    }

    pub fn waiting(&self, now: Nanos) -> Vec<Waiting> {
        let mut heads: Vec<&ModelRequest> = Vec::new();
        for request in &self.queue {
            if !heads.iter().any(|head| head.needs == request.needs) {
                heads.push(request);
            }
        }
        let needs = |&(at, units): &(usize, u64)| (at, units + self.limits[at].unknown);
        let waiting = |head: &ModelRequest| Waiting {
            request: head.number,
            waited: now - head.since,
            class: Class { priority: head.priority, patience: self.patience },
            needs: head.needs.iter().map(needs).collect(),
        };
        heads.into_iter().map(waiting).collect()
    }

    /// Forgets the oldest units of a window: they are posted.
    pub fn drop_settled(&mut self, at: usize, mut units: u64) {
        self.limits[at].stamps.retain_mut(|stamp| {
            let gone = stamp.1.min(units);
            units -= gone;
            stamp.1 -= gone;
            stamp.1 > 0
        });
        assert_eq!(units, 0, "posted what was not in the window");
    }
}
