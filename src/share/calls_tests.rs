//! Who is called must be served: a call in vain is a visit in vain, and two who call each other in vain never end.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::gate_view::GateView;
use super::membership::Membership;
use super::model_world::MS;
use super::rules_tests::{File, member, terms, wants};
use super::state::MemberId;
use super::terms::{Kind, OnConflict, Terms};

const LIMITS: usize = 3;

/// Processes with some limits, all of whose requests are answered at some later time: what is used stays so.
struct World {
    file: File,
    limit: u64,
    all: Vec<Process>,
}

struct Process {
    me: Membership,
    /// By limit: units that its requests have taken, and those that wait for more.
    used: [u64; LIMITS],
    waiting: [u64; LIMITS],
}

impl Process {
    fn new(id: u64, limit: u64) -> Self {
        let table = (0..LIMITS)
            .map(|nth| Terms {
                id: format!("limit {nth}"),
                limit,
                interval: 10_000 * MS,
                kind: Kind::Rolling,
                reserve: Vec::new(),
            })
            .collect();
        Self { me: member(id, OnConflict::Refuse, table), used: [0; LIMITS], waiting: [0; LIMITS] }
    }

    /// Requests that wait take what there is.
    fn pass(&mut self) {
        for at in 0..LIMITS {
            let more = self.me.effective(at).saturating_sub(self.used[at]).min(self.waiting[at]);
            self.used[at] += more;
            self.waiting[at] -= more;
        }
    }

    fn views(&self) -> Vec<GateView> {
        let view = |at: usize| GateView {
            used: self.used[at],
            waiting: self.waiting[at],
            need: self.waiting[at].min(1),
            ..GateView::default()
        };
        (0..LIMITS).map(view).collect()
    }
}

impl World {
    fn new(processes: u64, limit: u64) -> Self {
        let all = (1..=processes).map(|id| Process::new(id, limit)).collect();
        Self { file: File::default(), limit, all }
    }

    /// One visits, and then all who are called, until nobody is. How many visits that took; `None`: it does not end.
    fn visit(&mut self, first: usize) -> Option<usize> {
        let mut called = VecDeque::from([MemberId(first as u64 + 1)]);
        let mut visits = 0;
        while let Some(id) = called.pop_front() {
            visits += 1;
            if visits > 20 * self.all.len() {
                return None;
            }
            let process = &mut self.all[id.0 as usize - 1];
            process.pass();
            let views = process.views();
            let answer = self.file.visit(&mut process.me, &views).expect("one table");
            process.pass();
            called.extend(answer.wake);
        }
        Some(visits)
    }

    /// Units that somebody waits for, and nobody uses.
    fn idle(&self) -> u64 {
        let idle = |at: usize| {
            let used: u64 = self.all.iter().map(|one| one.used[at]).sum();
            let waiting: u64 = self.all.iter().map(|one| one.waiting[at]).sum();
            waiting.min(self.limit.saturating_sub(used))
        };
        (0..LIMITS).map(idle).sum()
    }
}

proptest! {
    #[test]
    fn those_who_are_called_come_to_an_end_and_leave_nothing_idle_that_is_waited_for(
        processes in 2..7_u64,
        limit in 1..30_u64,
        steps in prop::collection::vec((0..7_usize, 0..LIMITS, 0..12_u64, prop::bool::ANY), 1..60),
    ) {
        let mut world = World::new(processes, limit);
        for (process, at, units, ends) in steps {
            let process = process % processes as usize;
            world.file.now += 300 * MS;
            let one = &mut world.all[process];
            if ends {
                one.used[at] -= units.min(one.used[at]);
            } else {
                one.waiting[at] += units;
            }
            prop_assert!(world.visit(process).is_some(), "they call each other for ever");
        }
        // Everybody has said what it wants by now, and has heard what it should have.
        for _ in 0..3 {
            for process in 0..processes as usize {
                world.file.now += 300 * MS;
                prop_assert!(world.visit(process).is_some(), "they call each other for ever");
            }
        }
        prop_assert_eq!(world.idle(), 0);
    }
}

#[test]
fn the_members_of_a_file_watch_each_other_in_a_ring() {
    let mut file = File::default();
    let mut members: Vec<Membership> =
        (1..=4).map(|id| member(id, OnConflict::Refuse, vec![terms(100, 1)])).collect();
    let watched =
        |file: &mut File, me: &mut Membership| file.visit(me, &wants(0, 0)).expect("one table").watch;
    assert_eq!(watched(&mut file, &mut members[0]), None, "it is alone");
    for (before, member) in (1..).zip(&mut members[1..]) {
        assert_eq!(watched(&mut file, member), Some(MemberId(before)));
    }
    assert_eq!(watched(&mut file, &mut members[0]), Some(MemberId(4)));
    // Who watched the one that died takes over whom that one watched.
    file.dead.push(MemberId(3));
    assert_eq!(watched(&mut file, &mut members[3]), Some(MemberId(2)));
    file.dead.extend([MemberId(1), MemberId(2)]);
    assert_eq!(watched(&mut file, &mut members[3]), None);
}
