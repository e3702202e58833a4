//! The rules one by one, by visits made by hand: tables that differ, clean ends, long windows, documents of others.

use proptest::prelude::*;

use crate::clock::Nanos;

use super::gate_view::{GateView, Rules, SettledUnits, Waiting};
use super::line::Class;
use super::membership::Membership;
use super::model::Cluster;
use super::model_server::Server;
use super::model_world::{MS, World};
use super::overview::overview;
use super::reclaim::FreeAt;
use super::state::{About, BadDocument, MemberId, ScopeState};
use super::terms::{Conflict, Kind, OnConflict, Terms};
use super::time::Moment;
use super::visit::{Answer, Request};

pub(super) const SECOND: Nanos = 1_000 * MS;
const MINUTE: i64 = 60_000 * MS as i64;

/// A store like a file: it knows who lives, and its clock is everybody's.
#[derive(Default)]
pub(super) struct File {
    pub document: Option<ScopeState>,
    pub now: Nanos,
    pub dead: Vec<MemberId>,
    pub incarnation: u64,
    pub elders: Vec<MemberId>,
}

impl File {
    pub fn visit(&mut self, me: &mut Membership, gates: &[GateView]) -> Result<Answer, Box<Conflict>> {
        self.waits(me, gates, &[])
    }

    fn waits(
        &mut self,
        me: &mut Membership,
        gates: &[GateView],
        waiting: &[Waiting],
    ) -> Result<Answer, Box<Conflict>> {
        let request = me.request(self.now, gates, waiting);
        match self.take(&request) {
            Ok(mut answer) => {
                me.answered(self.now, &mut answer);
                Ok(answer)
            }
            Err(conflict) => {
                me.refused(&conflict);
                Err(conflict)
            }
        }
    }

    /// Its clean end.
    pub fn end(&mut self, me: &mut Membership, gates: &[GateView]) {
        let answer = self.take(&me.leave(self.now, gates)).expect("it may go");
        assert!(answer.limits.is_empty());
    }

    /// A visit with this request, now; its answer may get lost.
    pub fn take(&mut self, request: &Request) -> Result<Answer, Box<Conflict>> {
        let moment = Moment {
            now: self.now,
            wall: self.now as i64,
            local: self.now,
            timeline: "boot",
            incarnation: &self.incarnation.to_string(),
            is_dead: &|id| self.dead.contains(&id),
            elders: &|| self.elders.clone(),
            boundary_after: &|_, wall| Some((wall / MINUTE + 1) * MINUTE),
            fresh: 7 + self.incarnation,
        };
        let (state, answer) = ScopeState::visit(self.document.clone(), request, &moment)?;
        assert_eq!(state.check(), Ok(()));
        self.document = Some(state);
        Ok(answer)
    }

    /// Until nobody has anything more to say.
    pub fn settle(&mut self, all: &mut [(&mut Membership, Vec<GateView>)]) {
        for _ in 0..6 {
            self.now += 10 * MS;
            for (me, gates) in all.iter_mut() {
                self.visit(me, gates).expect("the tables agree");
            }
        }
    }
}

pub(super) fn terms(limit: u64, seconds: Nanos) -> Terms {
    Terms {
        id: "WEIGHT".to_owned(),
        limit,
        interval: seconds * SECOND,
        kind: Kind::Rolling,
        reserve: Vec::new(),
    }
}

pub(super) fn member(id: u64, on_conflict: OnConflict, table: Vec<Terms>) -> Membership {
    let about =
        About { pid: 40 + id as u32, host: "home".to_owned(), command: "bot.py".to_owned(), started: 0 };
    let rules = Rules { lease: None, arrival: 5 * SECOND, margin: 0, on_conflict };
    Membership::new(MemberId(id), about, rules, table.into())
}

pub(super) fn wants(used: u64, waiting: u64) -> Vec<GateView> {
    vec![GateView { used, waiting, need: waiting.min(1), ..GateView::default() }]
}

#[test]
fn tables_that_differ_are_refused_with_who_holds_which() {
    let mut file = File::default();
    let mut first = member(1, OnConflict::Refuse, vec![terms(1_200, 60)]);
    file.visit(&mut first, &wants(0, 3)).expect("it is alone");
    let before = file.document.clone();
    let mut second = member(2, OnConflict::Refuse, vec![terms(6_000, 60)]);
    let conflict = file.visit(&mut second, &wants(0, 1)).expect_err("the limits differ");
    assert_eq!(
        conflict.to_string(),
        "limit \"WEIGHT\" is 6000 per 60 s here, but 1200 per 60 s in a process that shares it (process 41 on home: bot.py). \
         Give both the same table, or share with conflict=\"smallest\" (the smaller limit and the longer interval hold)"
    );
    assert_eq!((file.document.clone(), second.effective(0)), (before, 0));
    // Once the other is gone, nobody holds anything else.
    file.dead.push(MemberId(1));
    second.set_table(vec![terms(6_000, 60)].into());
    assert!(file.visit(&mut second, &wants(0, 1)).is_ok());
}

#[test]
fn with_smallest_the_smaller_limit_and_the_longer_interval_hold_for_all() {
    let mut file = File::default();
    let mut first = member(1, OnConflict::Smallest, vec![terms(100, 10)]);
    let mut second = member(2, OnConflict::Smallest, vec![terms(60, 30)]);
    file.settle(&mut [(&mut first, wants(0, 500))]);
    assert_eq!(first.effective(0), 100);
    let answer =
        file.visit(&mut member(3, OnConflict::Smallest, vec![terms(90, 10)]), &wants(0, 0)).expect("it may");
    assert_eq!(answer.wake, [MemberId(1)], "all must hear of it");
    file.dead.push(MemberId(3));
    file.settle(&mut [(&mut second, wants(0, 500)), (&mut first, wants(0, 500))]);
    assert_eq!((first.in_effect(0), second.in_effect(0)), ((60, 30 * SECOND), (60, 30 * SECOND)));
    // The first gave back 70, free by the longer interval: 40 of them paid for the smaller limit.
    assert_eq!((first.effective(0), second.effective(0)), (30, 30));
}

#[test]
fn a_clean_end_gives_free_units_at_once_and_used_ones_when_they_leave_the_window() {
    let mut file = File::default();
    let mut first = member(1, OnConflict::Refuse, vec![terms(100, 10)]);
    file.settle(&mut [(&mut first, wants(0, 100))]);
    let settled = vec![SettledUnits { units: 30, free: FreeAt::In(4 * SECOND) }];
    let gates = vec![GateView { used: 50, settled, ..GateView::default() }];
    let now = file.now;
    file.end(&mut first, &gates);
    assert_eq!(first.effective(0), 0);
    let mut next = member(2, OnConflict::Refuse, vec![terms(100, 10)]);
    for (after, units) in [(0, 50), (3_990 * MS, 50), (4_200 * MS, 80), (14_900 * MS, 80), (15_100 * MS, 100)]
    {
        file.now = now + after;
        file.visit(&mut next, &wants(0, 100)).expect("it is alone");
        assert_eq!(next.effective(0), units, "after {after} ns");
    }
}

#[test]
fn what_the_dead_held_comes_back_after_an_arrival_and_an_interval() {
    let mut file = File::default();
    let mut first = member(1, OnConflict::Refuse, vec![terms(100, 10)]);
    let mut second = member(2, OnConflict::Refuse, vec![terms(100, 10)]);
    file.settle(&mut [(&mut first, wants(0, 100)), (&mut second, wants(0, 100))]);
    assert_eq!((first.effective(0), second.effective(0)), (50, 50));
    file.dead.push(MemberId(1));
    file.visit(&mut second, &wants(0, 100)).expect("the tables agree");
    let died = file.now;
    let seen = overview(file.document.as_ref().expect("written"), file.now, 0);
    assert_eq!((seen.limits[0].quarantine.clone(), seen.members.len()), (vec![(15 * SECOND, 50)], 1));
    for (after, units) in [(15 * SECOND - 1, 50), (15 * SECOND, 100)] {
        file.now = died + after;
        file.visit(&mut second, &wants(0, 100)).expect("the tables agree");
        assert_eq!(second.effective(0), units);
    }
}

#[test]
fn units_that_are_free_by_a_shorter_interval_rest_when_a_longer_one_comes() {
    let mut file = File::default();
    let mut first = member(1, OnConflict::Smallest, vec![terms(100, 10)]);
    let mut second = member(2, OnConflict::Smallest, vec![terms(100, 30)]);
    file.visit(&mut first, &wants(0, 40)).expect("it is alone");
    let in_hand = first.effective(0);
    // It gives up 30 with a gate that does not know of the longer interval yet.
    file.visit(&mut first, &wants(0, 0)).expect("it is alone");
    let mut late = first.request(file.now, &wants(0, 0), &[]);
    late.limits[0].released = 30;
    let free = 100 - in_hand;
    let changed = file.now;
    file.visit(&mut second, &wants(0, 100)).expect("the smaller holds");
    assert_eq!(second.effective(0), 0, "{free} in the pool were free for 10 s only");
    file.take(&late).expect("the smaller holds");
    for (after, units) in
        [(20 * SECOND - 1, 0), (20 * SECOND, free), (30 * SECOND - 1, free), (30 * SECOND, free + 30)]
    {
        file.now = changed + after;
        file.visit(&mut second, &wants(0, 100)).expect("the smaller holds");
        assert_eq!(second.effective(0), units, "after {after} ns");
    }
}

/// What had been locked up for the longer interval is so no more, and is again when the longer one comes back: once.
#[test]
fn units_are_locked_up_for_the_interval_in_force_however_often_it_changes() {
    let mut file = File::default();
    let mut first = member(1, OnConflict::Smallest, vec![terms(100, 10)]);
    file.settle(&mut [(&mut first, wants(0, 100))]);
    file.dead.push(MemberId(1));
    let mut next = member(2, OnConflict::Smallest, vec![terms(100, 10)]);
    file.visit(&mut next, &wants(0, 100)).expect("it is alone");
    let died = file.now;
    for id in 3..9 {
        let mut longer = member(id, OnConflict::Smallest, vec![terms(100, 14)]);
        file.visit(&mut longer, &wants(0, 0)).expect("the longer holds");
        file.end(&mut longer, &wants(0, 0));
    }
    for (after, units) in [(15 * SECOND - 1, 0), (15 * SECOND, 100)] {
        file.now = died + after;
        file.visit(&mut next, &wants(0, 100)).expect("it is alone");
        assert_eq!(next.effective(0), units, "after {after} ns");
    }
}

#[test]
fn a_lease_counts_from_the_request_and_ends_for_the_member_first() {
    let rules = Rules { lease: Some(10 * SECOND), arrival: 0, margin: 0, on_conflict: OnConflict::Refuse };
    let mut me = Membership::new(MemberId(1), About::default(), rules, vec![terms(100, 10)].into());
    assert_eq!(me.lives_until(), Some(0), "nothing passes before the first answer");
    let mut file = File { now: 3 * SECOND, ..File::default() };
    let mut answer = file.visit(&mut me, &wants(0, 1)).expect("it is alone");
    let request = me.request(5 * SECOND, &wants(0, 1), &[]);
    assert_eq!(request.witness, Some((7, 0, 2 * SECOND)));
    let ends = file.document.as_ref().expect("written").members[0].lease_end.expect("a lease");
    assert_eq!(me.lives_until(), Some(3 * SECOND + 9_990 * MS));
    assert!(ends > 10 * SECOND, "by the scope's clock, which showed 0");
    me.answered(8 * SECOND, &mut answer);
    assert_eq!(me.lives_until(), Some(5 * SECOND + 9_990 * MS));
}

/// One of a server, with a lease of 10 s.
pub(super) fn leased(id: u64, table: Vec<Terms>) -> Membership {
    let rules = Rules { lease: Some(10 * SECOND), arrival: 0, margin: 0, on_conflict: OnConflict::Refuse };
    Membership::new(MemberId(id), About::default(), rules, table.into())
}

#[test]
fn a_table_of_one_who_has_ended_without_a_witness_counts_for_a_lease_more_and_not_for_ever() {
    let mut server = File { now: 3 * SECOND, ..File::default() };
    let mut first = leased(1, vec![terms(100, 1)]);
    server.visit(&mut first, &wants(0, 0)).expect("it is alone");
    // Killed at once. An hour later one comes with another table, in which the quota differs, too.
    server.now += 3_600 * SECOND;
    let other = || vec![Terms { kind: Kind::Quota("1m UTC".to_owned()), ..terms(200, 1) }];
    let mut second = leased(2, other());
    let mut refusals = 0;
    loop {
        match server.visit(&mut second, &wants(0, 1)) {
            Ok(_) => break,
            Err(conflict) => {
                assert!(conflict.is_overdue && refusals < 13, "{conflict}");
                assert!(
                    conflict.to_string().contains("which has not come for longer than its lease"),
                    "{conflict}"
                );
            }
        }
        (refusals, server.now) = (refusals + 1, server.now + SECOND);
    }
    assert_eq!(refusals, 11, "the lease, and a little more");
    assert_eq!(server.document.expect("written").members.len(), 1);
}

#[test]
fn one_who_was_refused_by_the_table_of_an_absent_member_is_refused_by_its_return() {
    let mut server = File { now: 3 * SECOND, ..File::default() };
    let mut first = leased(1, vec![terms(100, 1)]);
    server.visit(&mut first, &wants(0, 0)).expect("it is alone");
    // The store's clock steps: nothing has happened.
    server.now += 3_600 * SECOND;
    let mut second = leased(2, vec![terms(200, 1)]);
    assert!(server.visit(&mut second, &wants(0, 1)).expect_err("the tables differ").is_overdue);
    for _ in 0..10 {
        server.now += 3 * SECOND;
        server.visit(&mut first, &wants(0, 0)).expect("its table is known");
        assert!(!server.visit(&mut second, &wants(0, 1)).expect_err("the tables differ").is_overdue);
    }
}

#[test]
fn a_forked_child_begins_with_nothing_in_hand() {
    let mut file = File::default();
    let mut parent = member(1, OnConflict::Refuse, vec![terms(10, 1)]);
    file.settle(&mut [(&mut parent, wants(0, 10))]);
    let mut child = member(2, OnConflict::Refuse, vec![terms(10, 1)]);
    assert_eq!(child.effective(0), 0);
    file.visit(&mut child, &wants(0, 10)).expect("the tables agree");
    assert_eq!((parent.effective(0), child.effective(0)), (10, 0));
}

#[test]
fn the_oldest_request_has_all_of_its_limits_reserved_first() {
    let table = || vec![terms(10, 1), Terms { id: "ORDERS".to_owned(), ..terms(2, 1) }];
    let busy = |units: u64| vec![wants(0, units).remove(0), wants(0, units).remove(0)];
    let waiting = |request, waited, weight| Waiting {
        request,
        waited,
        class: Class::default(),
        needs: vec![(0, weight), (1, 2)],
    };
    let mut file = File::default();
    let (mut first, mut second) =
        (member(1, OnConflict::Refuse, table()), member(2, OnConflict::Refuse, table()));
    file.settle(&mut [(&mut first, busy(10)), (&mut second, busy(10))]);
    for _ in 0..4 {
        file.waits(&mut first, &busy(10), &[waiting(1, SECOND, 8)]).expect("the tables agree");
        file.waits(&mut second, &busy(10), &[waiting(2, 2 * SECOND, 9)]).expect("the tables agree");
        file.now += 10 * MS;
    }
    assert_eq!([second.effective(0), second.effective(1)], [9, 2]);
    assert_eq!([first.effective(0), first.effective(1)], [1, 0]);
}

#[test]
fn a_crash_locks_up_little_of_a_long_window_and_spending_it_writes_seldom() {
    let day = Terms { id: "DAY".to_owned(), ..terms(6_400, 86_400) };
    let world = World {
        seed: 1,
        processes: 1,
        table: vec![day],
        routes: vec![vec![(0, 1)]],
        priorities: Vec::new(),
        patience: None,
        by_start: true,
        lease: None,
        arrival: 5 * SECOND,
        margin: 0,
        requests: (0..6_400).map(|nth| (nth * 10 * MS, 0, 0)).collect(),
        faults: Vec::new(),
        lossy: 0,
        calm_from: 1,
        nests: 0,
        foreign: Vec::new(),
        said: Vec::new(),
        server: Server::default(),
    };
    let mut cluster = Cluster::new(world);
    for second in 1..64 {
        cluster.run_until(second * SECOND);
        let state = cluster.document.as_ref().expect("it has joined");
        let held = state.members[0].parts[0].held;
        assert!(held <= 6_400 / 50, "{held} units in hand after {second} s");
    }
    cluster.run_until(80 * SECOND);
    assert_eq!((cluster.passed, cluster.queued()), (6_400, 0));
    println!("{} writes for a day's limit", cluster.writes);
    assert!(cluster.writes <= 200, "{} writes", cluster.writes);
}

#[test]
fn a_document_of_another_version_is_told_apart_from_a_damaged_one() {
    let mut bytes = ScopeState::default().encode();
    assert_eq!(ScopeState::decode(&bytes), Ok(ScopeState::default()));
    bytes[0] += 1;
    assert_eq!(ScopeState::decode(&bytes), Err(BadDocument::Format(bytes[0])));
    assert!(matches!(ScopeState::decode(&[]), Err(BadDocument::Damaged(_))));
}

proptest! {
    /// Whatever stands in the store: an error, or a state that adds up.
    #[test]
    fn a_damaged_document_does_no_harm(at in 0..400_usize, to in any::<u8>(), cut in 0..400_usize) {
        let mut file = File::default();
        let mut first = member(1, OnConflict::Refuse, vec![terms(100, 10)]);
        file.settle(&mut [(&mut first, wants(3, 90))]);
        let mut bytes = file.document.as_ref().expect("written").encode();
        let at = at % bytes.len();
        bytes[at] = to;
        bytes.truncate(cut.max(bytes.len() / 2));
        if let Ok(state) = ScopeState::decode(&bytes) {
            prop_assert_eq!(state.check(), Ok(()));
        }
    }
}
