//! What the model's cluster does not do by itself: the store, which runs the rules, loses replies and forgets; and what
//! goes wrong with processes.

use super::model::{Cluster, Event, Process, WALL};
use super::model_world::{Fault, MS};
use super::state::{MemberId, ScopeState};
use super::time::Moment;
use super::visit::Request;

impl Cluster {
    pub(super) fn is_lost(&mut self) -> bool {
        let calm = self.now >= self.world.calm_from || self.now < self.fragile_until;
        !calm && self.random.chance(self.world.lossy)
    }

    pub(super) fn commit(&mut self, at: usize, request: &Request) {
        let same = self.processes[at].id == request.member;
        let stopped = same && self.now < self.processes[at].stopped_until;
        if stopped && self.random.chance(50) {
            // It was stopped before the request had left.
            let until = self.processes[at].stopped_until;
            return self.schedule(until, Event::Commit(at, Box::new(request.clone())));
        }
        if (!same || !self.processes[at].alive) && self.world.lease.is_none() {
            // A file is written by the process itself.
            return;
        }
        let leases = self.world.lease.is_some();
        let stale = if leases { self.random.within(0, 50 * MS) } else { 0 };
        let incarnation = self.incarnation.to_string();
        let processes = &self.processes;
        let lives = |id: MemberId| processes.iter().any(|one| one.alive && one.id == id);
        let is_dead = |id: MemberId| !leases && !lives(id);
        let elders = || -> Vec<MemberId> {
            let old = processes.iter().filter(|one| one.alive && !leases && one.joined < self.incarnation);
            old.map(|one| one.id).collect()
        };
        let boundary_after = |text: &str, wall: i64| {
            let period: i64 = text.parse().ok()?;
            Some((wall / period + 1) * period)
        };
        let moment = Moment {
            now: (WALL + self.now - stale).saturating_add_signed(self.step),
            wall: (WALL + self.now) as i64 + self.store_skew,
            local: self.local_of(at),
            timeline: "line",
            incarnation: &incarnation,
            is_dead: &is_dead,
            elders: &elders,
            boundary_after: &boundary_after,
            fresh: self.random.clone().next() | 1,
        };
        self.visits += 1;
        let mut document = self.document.take();
        if self.visits.is_multiple_of(16) {
            let bytes = document.as_ref().map(ScopeState::encode);
            document = bytes.map(|bytes| ScopeState::decode(&bytes).expect("what was written can be read"));
        }
        let old = if leases { None } else { document.clone() };
        let before = document.as_ref().map_or_else(Vec::new, ScopeState::tallies);
        let began = std::time::Instant::now();
        let (state, answer) = ScopeState::visit(document, request, &moment).expect("nothing is refused");
        if self.keep_waits {
            self.visiting.push(began.elapsed());
        }
        assert_eq!(state.check(), Ok(()));
        let overdue = self.overdue(&state, moment.wall);
        self.broken.extend(overdue);
        self.random.next();
        if answer.write {
            self.note_tallies(at, request, &before, &state.tallies());
            self.note_said(request, &state);
        }
        self.document = if answer.write { Some(state) } else { old };
        self.writes += u64::from(answer.write);
        if leases && let Some(state) = &self.document {
            self.history.push_back((self.now, state.clone()));
            self.history.retain(|(at, _)| at + 2_000 * MS > self.now);
        }
        for id in &answer.wake {
            let Some(at) = (0..self.processes.len()).find(|&at| self.processes[at].id == *id) else {
                continue;
            };
            let takes = self.random.within(0, 10 * MS);
            if !(leases && self.is_lost()) {
                self.schedule(self.now + takes, Event::Woken(at, *id));
            }
        }
        if same {
            let takes = self.random.within(0, 5 * MS);
            let id = request.member;
            let event = match self.is_lost() {
                true => Event::Retry(at, id),
                false => Event::Answered(at, id, self.visits, Box::new(answer)),
            };
            self.schedule(self.now + takes, event);
        }
    }

    pub(super) fn fault(&mut self, nth: usize) {
        if self.now < self.fragile_until {
            return self.schedule(self.fragile_until, Event::Fault(nth));
        }
        let fault = self.world.faults[nth].1.clone();
        let back = self.now + self.random.within(1, 2_000) * MS;
        match fault {
            Fault::Crash(at) | Fault::Stop(at, _) | Fault::Leave(at) | Fault::Fork(at)
                if at >= self.processes.len() || !self.processes[at].alive => {}
            Fault::Crash(at) => {
                self.end_process(at);
                self.processes[at].alive = false;
                self.schedule(back, Event::Restart(at));
            }
            Fault::Stop(at, lasts) => self.processes[at].stopped_until = self.now + lasts,
            Fault::Leave(at) if self.now < self.processes[at].stopped_until => {
                self.schedule(self.processes[at].stopped_until, Event::Fault(nth));
            }
            Fault::Leave(at) => {
                self.processes[at].leaving = true;
                self.visit(at);
                self.schedule(back, Event::Restart(at));
            }
            Fault::Fork(_) => self.start(self.processes.len()),
            Fault::Forget => self.forget(None),
            Fault::RollBack => {
                let old = self.random.within(0, self.history.len() as u64 + 1) as usize;
                if let Some((_, state)) = self.history.get(old) {
                    self.forget(Some(state.clone()));
                }
            }
            Fault::Step(by) => self.step = (self.step + by).max(-(WALL as i64) / 2),
            Fault::Table(limit, units, interval) => {
                let mut table = self.table.to_vec();
                (table[limit].limit, table[limit].interval) = (units, interval);
                self.table = table.into();
                for at in 0..self.processes.len() {
                    let later = self.now + self.random.within(0, 500) * MS;
                    self.schedule(later, Event::Table(at));
                }
            }
        }
    }

    fn forget(&mut self, left: Option<ScopeState>) {
        let file = self.world.lease.is_none();
        let witness = |one: &Process| {
            one.alive
                && self.now >= one.stopped_until
                && self.document.as_ref().is_some_and(|doc| doc.position(one.id).is_some())
        };
        if file && !self.processes.iter().any(witness) {
            return;
        }
        self.incarnation += 1;
        let lost = self.document.iter().flat_map(ScopeState::tallies);
        let paid: Vec<String> = lost.filter(|one| one.3 >= 0).map(|one| one.0).collect();
        self.document = left;
        self.history.clear();
        // What was found of others is lost with the document, where those who hold too much have not given it back yet.
        self.told.retain(|told| told.spread_at.is_some() && paid.contains(&self.table[told.limit].id));
        self.forget_said();
        if file {
            self.fragile_until = self.now + 300 * MS;
            for at in self.alive() {
                self.schedule(self.now, Event::Woken(at, self.processes[at].id));
            }
        }
    }
}
