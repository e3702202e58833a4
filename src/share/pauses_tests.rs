//! Pauses that one member was told of: each member keeps them, also one that joins later, and none grows on the way.

use std::sync::Arc;

use proptest::prelude::*;

use crate::clock::Nanos;

use super::gate_view::GateView;
use super::membership::Membership;
use super::model_world::MS;
use super::pauses::SAME_END;
use super::rules_tests::{File, SECOND, member, terms, wants};
use super::state::MemberId;
use super::terms::{OnConflict, Terms};
use super::visit::Answer;

/// A process, as its gate is paused: its first limit, and the whole scope.
struct Process {
    me: Membership,
    paused_until: Nanos,
    scope_paused_until: Nanos,
    reason: Arc<str>,
}

impl Process {
    fn new(id: u64) -> Self {
        Self::with(id, &["POOL"])
    }

    fn with(id: u64, limits: &[&str]) -> Self {
        let table = limits.iter().map(|id| Terms { id: (*id).to_owned(), ..terms(100, 60) });
        let me = member(id, OnConflict::Refuse, table.collect());
        Self { me, paused_until: 0, scope_paused_until: 0, reason: "".into() }
    }

    fn views(&self, now: Nanos) -> Vec<GateView> {
        let left = self.paused_until.saturating_sub(now);
        let pause = Some((left, self.reason.clone())).filter(|_| left > 0);
        let mut views = vec![wants(0, 5)[0].clone(); self.me.table().len()];
        views[0].pause = pause;
        views
    }

    fn pause(&mut self, until: Nanos, reason: &str) {
        if until > self.paused_until {
            (self.paused_until, self.reason) = (until, reason.into());
        }
    }

    fn pause_scope(&mut self, now: Nanos, until: Nanos, reason: &str) {
        self.pause(until, reason);
        if until > self.scope_paused_until {
            self.scope_paused_until = until;
            self.me.pause_scope(now, until - now, reason.into());
        }
    }

    fn visit(&mut self, file: &mut File) -> Answer {
        let views = self.views(file.now);
        let answer = file.visit(&mut self.me, &views).expect("the tables agree");
        for pause in &answer.pauses {
            if pause.limit == 0 && pause.left > self.paused_until.saturating_sub(file.now) + SAME_END {
                self.pause(file.now + pause.left, &pause.reason);
            }
        }
        if let Some(pause) = &answer.scope_pause
            && pause.left > self.scope_paused_until.saturating_sub(file.now) + SAME_END
        {
            self.pause_scope(file.now, file.now + pause.left, &pause.reason);
        }
        answer
    }

    fn is_due(&mut self, now: Nanos) -> bool {
        let views = self.views(now);
        self.me.next_visit(now, &views, &[]).is_some_and(|at| at <= now)
    }
}

#[test]
fn who_is_told_to_pause_visits_at_once_and_all_others_are_called() {
    let mut file = File::default();
    let (mut first, mut second) = (Process::new(1), Process::new(2));
    for _ in 0..4 {
        file.now += 20 * MS;
        first.visit(&mut file);
        second.visit(&mut file);
    }
    file.now += SECOND;
    second.visit(&mut file);
    first.visit(&mut file);
    assert!(!first.is_due(file.now + MS));
    first.pause(file.now + 31 * SECOND, "HTTP 429");
    assert!(first.is_due(file.now + MS));
    assert_eq!(first.visit(&mut file).wake, [MemberId(2)]);
    assert!(!first.is_due(file.now + MS), "it is told");
    second.visit(&mut file);
    assert_eq!((second.paused_until, &*second.reason), (first.paused_until, "HTTP 429"));
    assert!(!second.is_due(file.now + MS), "the store knows");
}

#[test]
fn who_joins_during_a_pause_learns_it_and_nobody_after_it() {
    let mut file = File::default();
    let mut first = Process::new(1);
    first.pause(31 * SECOND, "HTTP 418");
    first.visit(&mut file);
    // Its process ends; the ban goes on.
    file.dead.push(MemberId(1));
    file.now += 30 * SECOND;
    let mut second = Process::new(2);
    second.visit(&mut file);
    assert_eq!(second.paused_until, 31 * SECOND);
    file.now += SECOND;
    let mut third = Process::new(3);
    assert_eq!(third.visit(&mut file).pauses, []);
}

#[test]
fn a_pause_of_the_scope_holds_for_limits_that_others_have_and_for_those_that_come_later() {
    let mut file = File::default();
    let mut first = Process::with(1, &["ORDERS of BTC"]);
    let mut second = Process::with(2, &["ORDERS of BTC", "ORDERS of ETH"]);
    first.visit(&mut file);
    second.visit(&mut file);
    file.now += SECOND;
    first.visit(&mut file);
    first.pause_scope(file.now, file.now + 900 * SECOND, "locked out");
    assert!(first.is_due(file.now + MS));
    assert_eq!(first.visit(&mut file).wake, [MemberId(2)]);
    assert!(!first.is_due(file.now + MS), "it is told");
    let heard = second.visit(&mut file).pauses;
    let told: Vec<_> = heard.iter().map(|pause| (pause.limit, pause.left, &*pause.reason)).collect();
    assert_eq!(told, [(0, 900 * SECOND, "locked out"), (1, 900 * SECOND, "locked out")]);
    assert!(!second.is_due(file.now + MS), "the store knows");
    // Whoever told of it is gone, and so is every limit that was paused.
    file.now += 100 * SECOND;
    let mut third = Process::with(3, &["ORDERS of SOL"]);
    let heard = third.visit(&mut file);
    assert_eq!(
        (third.paused_until, heard.scope_pause.map(|pause| pause.left)),
        (901 * SECOND, Some(800 * SECOND))
    );
    file.now += 800 * SECOND;
    let heard = Process::with(4, &["ORDERS of XRP"]).visit(&mut file);
    assert_eq!((heard.pauses, heard.scope_pause), (vec![], None));
}

#[test]
fn a_store_that_forgets_hears_of_the_pause_again() {
    let mut file = File::default();
    let (mut first, mut second) = (Process::new(1), Process::new(2));
    first.pause(31 * SECOND, "HTTP 429");
    first.visit(&mut file);
    file.document = None;
    file.incarnation += 1;
    file.now += SECOND;
    first.visit(&mut file);
    second.visit(&mut file);
    assert_eq!(second.paused_until, 31 * SECOND);
}

proptest! {
    /// Told back and forth in any order, each pause ends for everybody when the latest does that anybody was told of, and at
    /// most one visit's allowance apart.
    #[test]
    fn the_latest_end_holds_for_all_and_no_pause_grows(
        steps in prop::collection::vec(
            (0..4_usize, 0..200_u64, prop::option::of((1..3_000_u64, any::<bool>()))), 1..60
        ),
    ) {
        let mut file = File::default();
        let mut all: Vec<Process> = (1..=4).map(Process::new).collect();
        let (mut latest, mut latest_of_scope) = (0, 0);
        for (who, later, pause) in steps {
            file.now += later * MS;
            if let Some((length, of_scope)) = pause {
                let until = file.now + length * MS;
                latest = latest.max(until);
                if of_scope {
                    latest_of_scope = latest_of_scope.max(until);
                    all[who].pause_scope(file.now, until, "told");
                } else {
                    all[who].pause(until, "told");
                }
            }
            all[who].visit(&mut file);
            prop_assert!(all.iter().all(|one| one.paused_until <= latest));
            prop_assert!(all.iter().all(|one| one.scope_paused_until <= latest_of_scope));
        }
        // All of them were called.
        for _ in 0..2 {
            all.iter_mut().for_each(|one| drop(one.visit(&mut file)));
        }
        if latest > file.now + SAME_END {
            for one in &all {
                prop_assert!(one.paused_until + 2 * SAME_END >= latest, "{} of {latest}", one.paused_until);
            }
        }
        if latest_of_scope > file.now + SAME_END {
            for one in &all {
                let until = one.scope_paused_until;
                prop_assert!(until + 2 * SAME_END >= latest_of_scope, "{until} of {latest_of_scope}");
            }
        }
        // Nobody is stuck: after the last end the store says nothing of it.
        file.now = file.now.max(latest);
        for one in &mut all {
            let heard = one.visit(&mut file);
            prop_assert_eq!((heard.pauses, heard.scope_pause), (vec![], None));
            prop_assert!(one.paused_until <= file.now);
        }
    }
}
