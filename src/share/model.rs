//! A cluster in one process on a manual clock: processes with small gates, a store that loses replies and forgets, and a
//! server that notes when each unit arrives.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use crate::clock::Nanos;

use super::gate_view::Rules;
use super::membership::Membership;
use super::model_gate::{ModelGate, ModelLimit, ModelRequest};
use super::model_news::Said;
use super::model_parts::skew;
pub(super) use super::model_parts::{Event, Process, Told};
use super::model_server::{Span, Truly};
use super::model_world::{MS, Random, World};
use super::state::{About, MemberId, ScopeState};
use super::terms::{Kind, OnConflict, Terms};
use super::visit::Answer;

/// The wall clock at the start. Boundaries of quotas are multiples of their period.
pub(super) const WALL: Nanos = 10_000_000_000_000;

/// See the [module](self).
pub(super) struct Cluster {
    pub world: World,
    pub random: Random,
    pub events: BinaryHeap<Reverse<(Nanos, u64, usize)>>,
    pub bodies: Vec<Option<Event>>,
    pub now: Nanos,
    pub processes: Vec<Process>,
    pub table: Arc<[Terms]>,
    pub document: Option<ScopeState>,
    pub history: VecDeque<(Nanos, ScopeState)>,
    pub incarnation: u64,
    pub step: i64,
    pub store_skew: i64,
    pub next_id: u64,
    pub next_request: u64,
    /// When units arrived at the server: (when, limit, units).
    pub arrivals: Vec<(Nanos, usize, u64)>,
    /// The request of each of them.
    pub spans: Vec<Span>,
    /// Units of others at the server.
    pub foreign: Vec<(Nanos, usize, u64)>,
    pub told: Vec<Told>,
    /// What the exchange has said to processes, and what was broken of it.
    pub said: Vec<Said>,
    pub broken: Vec<String>,
    /// When the exchange had counted what an open question is about: (limit, number of the tally).
    pub counting: HashMap<(usize, u64), Truly>,
    /// What is done to the cluster waits until then: the memory of a loss must not die with its only witness.
    pub fragile_until: Nanos,
    pub visits: u64,
    pub writes: u64,
    pub passed: u64,
    /// How many requests were made within blocks of which the gate does not know.
    pub nested: u64,
    /// How long requests waited, by the process's clock.
    pub waits: Vec<Nanos>,
    pub keep_waits: bool,
    /// How long each visit took, where these are kept.
    pub visiting: Vec<std::time::Duration>,
}

impl Cluster {
    pub fn new(world: World) -> Self {
        let mut random = Random(world.seed ^ 0x5eed);
        let store_skew = skew(&mut random, &world);
        let mut cluster = Self {
            table: world.table.clone().into(),
            random,
            events: BinaryHeap::new(),
            bodies: Vec::new(),
            now: 0,
            processes: Vec::new(),
            document: None,
            history: VecDeque::new(),
            incarnation: 1,
            step: 0,
            store_skew,
            next_id: 0,
            next_request: 0,
            arrivals: Vec::new(),
            spans: Vec::new(),
            foreign: Vec::new(),
            told: Vec::new(),
            said: Vec::new(),
            broken: Vec::new(),
            counting: HashMap::new(),
            fragile_until: 0,
            visits: 0,
            writes: 0,
            passed: 0,
            nested: 0,
            waits: Vec::new(),
            keep_waits: false,
            visiting: Vec::new(),
            world,
        };
        for at in 0..cluster.world.processes {
            cluster.start(at);
        }
        for (at, process, route) in cluster.world.requests.clone() {
            let needs = cluster.world.routes[route].clone();
            cluster.schedule(at, Event::Arrives(process, needs));
        }
        for (at, limit, units) in cluster.world.foreign.clone() {
            cluster.schedule(at, Event::Foreign(limit, units));
        }
        for (at, process, limit, saying) in cluster.world.said.clone() {
            cluster.schedule(at, Event::Tells(process, limit, saying));
        }
        for nth in 0..cluster.world.faults.len() {
            cluster.schedule(cluster.world.faults[nth].0, Event::Fault(nth));
        }
        cluster
    }

    pub(super) fn schedule(&mut self, at: Nanos, event: Event) {
        self.bodies.push(Some(event));
        self.events.push(Reverse((at.max(self.now), self.bodies.len() as u64, self.bodies.len() - 1)));
    }

    /// A request of a process, from outside.
    pub fn ask(&mut self, process: usize, needs: Vec<(usize, u64)>) {
        self.schedule(self.now, Event::Arrives(process, needs));
    }

    pub fn alive(&self) -> Vec<usize> {
        (0..self.processes.len()).filter(|&at| self.processes[at].alive).collect()
    }

    pub fn queued(&self) -> usize {
        self.processes.iter().filter(|one| one.alive).map(|one| one.gate.queue.len()).sum()
    }

    pub fn run_until(&mut self, end: Nanos) {
        while let Some(&Reverse((at, _, body))) = self.events.peek() {
            if at > end {
                break;
            }
            self.events.pop();
            self.now = at;
            let event = self.bodies[body].take().expect("each event comes once");
            self.happen(event);
        }
        self.now = end;
    }

    pub(super) fn local_of(&self, at: usize) -> Nanos {
        self.local(at)
    }

    fn local(&self, at: usize) -> Nanos {
        let process = &self.processes[at];
        let drift = self.now as i64 / 1_000_000 * process.ppm;
        (WALL + self.now).saturating_add_signed(process.skew + drift)
    }

    /// The true instant at which a process's clock shows at least this.
    fn truly(&self, at: usize, local: Nanos) -> Nanos {
        let ahead = local.saturating_sub(self.local(at));
        self.now + ahead + ahead / 5_000 + u64::from(ahead > 0)
    }

    pub fn start(&mut self, at: usize) {
        self.next_id += 1;
        let id = MemberId(self.next_id);
        let rules = Rules {
            lease: self.world.lease,
            arrival: self.world.arrival,
            margin: self.world.margin as i64,
            on_conflict: OnConflict::Smallest,
        };
        let limit = |terms: &Terms| ModelLimit {
            interval: terms.interval,
            period: (terms.kind != Kind::Rolling).then_some(terms.interval),
            margin: self.world.margin,
            concurrent: terms.interval == 0,
            ..ModelLimit::default()
        };
        let gate = ModelGate {
            limits: self.table.iter().map(limit).collect(),
            queue: Vec::new(),
            patience: self.world.patience,
            by_start: self.world.by_start,
        };
        let most_drift = self.most_drift();
        let process = Process {
            id,
            alive: true,
            stopped_until: 0,
            ppm: self.random.within(0, 2 * most_drift + 1) as i64 - most_drift as i64,
            skew: skew(&mut self.random, &self.world),
            membership: Membership::new(id, About::default(), rules, self.table.clone()),
            gate,
            asking: false,
            leaving: false,
            polls_at: None,
            joined: self.incarnation,
            news: vec![Truly::default(); self.table.len()],
            answered: 0,
        };
        if at < self.processes.len() {
            self.processes[at] = process;
        } else {
            self.processes.push(process);
        }
        self.poll(at);
    }

    fn most_drift(&self) -> u64 {
        let quotas = self.world.table.iter().any(|terms| terms.kind != Kind::Rolling);
        if quotas { 100.min(self.world.margin / 4 / (self.world.calm_from / 1_000_000 * 4)) } else { 100 }
    }

    fn happen(&mut self, event: Event) {
        let owner = match &event {
            Event::Poll(at, id) | Event::Woken(at, id) | Event::Retry(at, id) => Some((*at, Some(*id))),
            Event::Answered(at, id, ..) | Event::Ends(at, id, _) => Some((*at, Some(*id))),
            Event::Hears(at, id, ..) => Some((*at, Some(*id))),
            Event::Nested(at, id, _) => Some((*at, Some(*id))),
            Event::Arrives(at, _) | Event::Table(at) | Event::Tells(at, ..) => Some((*at, None)),
            Event::Commit(..) | Event::Restart(_) | Event::Fault(_) | Event::Foreign(..) => None,
        };
        if let Some((at, id)) = owner {
            let Some(process) = self.processes.get(at) else { return };
            if !process.alive || id.is_some_and(|id| id != process.id) {
                return;
            }
            if self.now < process.stopped_until {
                let until = process.stopped_until;
                return self.schedule(until, event);
            }
        }
        match event {
            // One that an earlier poll has made needless.
            Event::Poll(at, _) if self.processes[at].polls_at.is_none_or(|polls| polls > self.now) => {}
            Event::Poll(at, _) => {
                self.processes[at].polls_at = None;
                self.poll(at);
            }
            Event::Woken(at, _) => {
                self.processes[at].membership.woken();
                self.poll(at);
            }
            Event::Commit(at, request) => self.commit(at, &request),
            Event::Answered(at, _, visit, mut answer) => {
                self.processes[at].answered = visit;
                self.answered(at, &mut answer);
                self.learn_said(at, visit, &answer);
                self.spread();
                self.spread_limits();
            }
            Event::Hears(at, _, limits, since, truly) => {
                self.hear(at, &limits, since, truly);
                self.poll(at);
            }
            Event::Tells(at, limit, saying) => {
                self.tell(at, limit, saying);
                self.poll(at);
            }
            Event::Foreign(limit, units) => self.come(limit, units),
            Event::Retry(at, _) => {
                self.processes[at].asking = false;
                self.visit(at);
            }
            Event::Ends(at, _, blocks) => {
                let local = self.local(at);
                let gate = &mut self.processes[at].gate;
                blocks.iter().for_each(|block| gate.end(local, &block.needs));
                blocks[1..].iter().for_each(|outer| gate.nest(&outer.needs, true));
                self.end_spans(&blocks);
                self.poll(at);
            }
            Event::Nested(at, _, request) => {
                let request = ModelRequest { since: self.local(at), ..*request };
                self.processes[at].gate.join(request);
                self.poll(at);
            }
            Event::Arrives(at, needs) => {
                let request = ModelRequest { since: self.local(at), ..self.new_request(needs, Vec::new()) };
                self.processes[at].gate.join(request);
                self.poll(at);
            }
            Event::Table(at) => {
                let table = self.table.clone();
                for (limit, terms) in self.processes[at].gate.limits.iter_mut().zip(table.iter()) {
                    limit.interval = terms.interval;
                }
                self.processes[at].membership.set_table(table);
                self.poll(at);
            }
            Event::Restart(at) if !self.processes[at].alive => self.start(at),
            Event::Restart(_) => {}
            Event::Fault(nth) => self.fault(nth),
        }
    }

    /// Lets pass what may, and visits if it is time.
    fn poll(&mut self, at: usize) {
        let now = self.local(at);
        let lives_until = self.processes[at].membership.lives_until();
        if !self.processes[at].leaving {
            let heaviest = self.world.heaviest();
            for request in self.processes[at].gate.pass(now, lives_until) {
                self.passed += 1;
                self.check_pauses(at, &request.needs);
                if self.keep_waits {
                    self.waits.push(now - request.since);
                }
                let arrives = self.now + if self.world.by_start { 0 } else { request.arrives_after };
                let first = self.arrivals.len();
                self.arrivals.extend(request.needs.iter().map(|&(limit, units)| (arrives, limit, units)));
                if !self.world.foreign.is_empty() && request.ends_after.is_some() && self.random.chance(70) {
                    let limits = request.needs.iter().map(|need| need.0).collect();
                    let heard = self.now + request.ends_after.unwrap_or(0);
                    let id = self.processes[at].id;
                    self.schedule(heard.max(arrives), Event::Hears(at, id, limits, now, (self.now, arrives)));
                }
                let ends = request.ends_after.map_or(self.world.calm_from, |after| self.now + after);
                let (left, ended, owner) = (self.now, ends.max(arrives), self.processes[at].id);
                self.spans.resize(self.arrivals.len(), Span { left, ended, until: ended, owner });
                let next = self.go_on(at, request, first, &heaviest);
                self.schedule(ends.max(arrives), next);
            }
        }
        let process = &mut self.processes[at];
        let views = process.gate.views(now, false, |limit| process.membership.asked_since(limit));
        let next = process.membership.next_visit(now, &views, &process.gate.waiting(now));
        let asking = process.asking;
        if next.is_some_and(|next| next <= now) && !asking {
            return self.visit(at);
        }
        let process = &self.processes[at];
        let wake = process.gate.wake_at(now);
        let next = next.filter(|_| !asking).into_iter().chain(wake).min().map(|local| self.truly(at, local));
        if let Some(next) = next.filter(|&next| self.processes[at].polls_at.is_none_or(|polls| next < polls))
        {
            let id = self.processes[at].id;
            self.processes[at].polls_at = Some(next);
            self.schedule(next, Event::Poll(at, id));
        }
    }

    pub(super) fn visit(&mut self, at: usize) {
        if self.processes[at].asking {
            return;
        }
        let now = self.local(at);
        let process = &mut self.processes[at];
        let views = process.gate.views(now, process.leaving, |limit| process.membership.asked_since(limit));
        let waiting = process.gate.waiting(now);
        let again = process.membership.is_unanswered();
        let request = match process.leaving {
            true => process.membership.leave(now, &views),
            false => process.membership.request(now, &views, &waiting),
        };
        process.asking = true;
        for limit in 0..process.gate.limits.len() {
            process.gate.limits[limit].effective = process.membership.effective(limit);
        }
        if !again {
            for (news, limit) in process.news.iter_mut().zip(&process.gate.limits) {
                *news = limit.heard.map_or_else(Truly::default, |heard| heard.truly);
            }
            request.posts.iter().filter(|_| !request.leaves).for_each(|&(limit, units, _)| {
                process.gate.drop_settled(limit, units);
            });
        }
        let id = process.id;
        if self.is_lost() {
            let later = self.now + self.random.within(1, 100) * MS;
            return self.schedule(later, Event::Retry(at, id));
        }
        let takes = self.random.within(0, 5 * MS);
        self.schedule(self.now + takes, Event::Commit(at, Box::new(request)));
    }

    fn answered(&mut self, at: usize, answer: &mut Answer) {
        self.note_lapse(at);
        let now = self.local(at);
        let process = &mut self.processes[at];
        process.asking = false;
        if process.leaving && answer.limits.is_empty() {
            process.alive = false;
            return self.end_process(at);
        }
        process.membership.answered(now, answer);
        for limit in 0..process.gate.limits.len() {
            if let Some(settled) = process.membership.settled_at(limit) {
                process.gate.limits[limit].forget_others(settled);
            }
            process.gate.limits[limit].effective = process.membership.effective(limit);
            if process.gate.limits[limit].period.is_none() {
                let longer =
                    process.membership.in_effect(limit).1.max(process.membership.table()[limit].interval);
                process.gate.limits[limit].interval = longer;
            }
        }
        if process.leaving {
            return self.visit(at);
        }
        self.poll(at);
    }
}
