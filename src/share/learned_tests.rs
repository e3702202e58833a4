//! Limits that the exchange has changed: what one member is told holds for all, also for one that joins later.

use proptest::prelude::*;

use crate::clock::Nanos;

use super::gate_view::GateView;
use super::learned::ToldLimit;
use super::membership::Membership;
use super::model_world::MS;
use super::rules_tests::{File, SECOND, member, terms, wants};
use super::state::MemberId;
use super::terms::{OnConflict, Terms};
use super::visit::Answer;

const LIMIT: u64 = 100;

/// A process with one limit, all of whose units are wanted.
struct Process {
    id: MemberId,
    me: Membership,
    told: Option<ToldLimit>,
    used: u64,
}

impl Process {
    fn new(id: u64) -> Self {
        Self {
            id: MemberId(id),
            me: member(id, OnConflict::Refuse, vec![terms(LIMIT, 60)]),
            told: None,
            used: 0,
        }
    }

    fn views(&self, now: Nanos) -> Vec<GateView> {
        let told = self.told.map(|told| (told.limit, told.age(now)));
        wants(self.used, LIMIT).into_iter().map(|view| GateView { told, ..view }).collect()
    }

    fn hears(&mut self, limit: u64, now: Nanos) {
        self.told = Some(ToldLimit::of(limit, 0, now));
    }

    fn visit(&mut self, file: &mut File) -> Answer {
        let views = self.views(file.now);
        let answer = file.visit(&mut self.me, &views).expect("the tables agree");
        let told = answer.limits[0].told.map(|(limit, age)| ToldLimit::of(limit, age, file.now));
        if let Some(told) = told.filter(|told| told.replaces(self.told)) {
            self.told = Some(told);
        }
        answer
    }

    fn is_due(&mut self, now: Nanos) -> bool {
        let views = self.views(now);
        self.me.next_visit(now, &views, &[]).is_some_and(|at| at <= now)
    }
}

fn limits(all: &[Process]) -> Vec<Option<u64>> {
    all.iter().map(|one| one.told.map(|told| told.limit)).collect()
}

fn allowed(all: &[Process]) -> u64 {
    all.iter().map(|one| one.me.effective(0)).sum()
}

#[test]
fn who_is_told_of_another_limit_visits_at_once_and_all_others_learn_it() {
    let mut file = File::default();
    let mut all = [Process::new(1), Process::new(2)];
    for _ in 0..4 {
        file.now += 20 * MS;
        all.iter_mut().for_each(|one| drop(one.visit(&mut file)));
    }
    assert_eq!(allowed(&all), LIMIT);
    file.now += SECOND;
    all.iter_mut().rev().for_each(|one| drop(one.visit(&mut file)));
    all[0].hears(40, file.now);
    assert!(all[0].is_due(file.now + MS));
    assert_eq!(all[0].visit(&mut file).wake, [MemberId(2)]);
    all[1].visit(&mut file);
    assert!(all.iter_mut().all(|one| !one.is_due(file.now)), "both know");
    assert_eq!((limits(&all), allowed(&all)), (vec![Some(40); 2], 20), "the first has yet to give back");
    file.now += 20 * MS;
    all.iter_mut().for_each(|one| drop(one.visit(&mut file)));
    all.iter_mut().for_each(|one| drop(one.visit(&mut file)));
    assert_eq!((limits(&all), allowed(&all)), (vec![Some(40); 2], 40));
    // The exchange raises it again, and tells the other one.
    file.now += SECOND;
    all[1].hears(70, file.now);
    for _ in 0..3 {
        all.iter_mut().for_each(|one| drop(one.visit(&mut file)));
        file.now += 20 * MS;
    }
    assert_eq!((limits(&all), allowed(&all)), (vec![Some(70); 2], 70));
    // More than the table allows is never given out.
    all[0].hears(1_000, file.now);
    for _ in 0..3 {
        all.iter_mut().for_each(|one| drop(one.visit(&mut file)));
        file.now += 20 * MS;
    }
    assert_eq!(allowed(&all), LIMIT);
}

#[test]
fn nobody_uses_what_another_has_yet_to_give_back() {
    let mut file = File::default();
    let (mut first, mut second) = (
        member(1, OnConflict::Refuse, vec![terms(20, 60)]),
        member(2, OnConflict::Refuse, vec![terms(20, 60)]),
    );
    for _ in 0..6 {
        file.now += 20 * MS;
        file.visit(&mut first, &wants(0, 20)).expect("the tables agree");
        file.visit(&mut second, &wants(0, 20)).expect("the tables agree");
    }
    assert_eq!((first.effective(0), second.effective(0)), (10, 10));
    file.visit(&mut second, &wants(0, 2)).expect("the tables agree");
    // The exchange tells the first that there are 10. As far as it knows, the other wants 2.
    let told = |waiting: u64| -> Vec<GateView> {
        wants(0, waiting).into_iter().map(|view| GateView { told: Some((10, 0)), ..view }).collect()
    };
    file.visit(&mut first, &told(20)).expect("the tables agree");
    assert_eq!(first.effective(0), 8);
    // But that one wants more by now.
    file.visit(&mut second, &told(20)).expect("the tables agree");
    assert_eq!(second.effective(0), 2, "the first has yet to hear that it should have less");
    for _ in 0..4 {
        file.now += 20 * MS;
        file.visit(&mut first, &told(20)).expect("the tables agree");
        file.visit(&mut second, &told(20)).expect("the tables agree");
    }
    assert_eq!((first.effective(0), second.effective(0)), (5, 5));
}

#[test]
fn who_joins_later_learns_it_also_once_the_one_who_was_told_is_dead() {
    let mut file = File::default();
    let mut first = Process::new(1);
    first.hears(40, file.now);
    first.visit(&mut file);
    file.dead.push(MemberId(1));
    file.now += 100 * SECOND;
    let mut second = Process::new(2);
    second.visit(&mut file);
    assert_eq!(second.told.map(|told| told.limit), Some(40));
    file.now += SECOND;
    second.visit(&mut file);
    assert!(second.me.effective(0) <= 40);
}

#[test]
fn who_joins_later_learns_it_also_once_all_have_left_and_nothing_is_used() {
    let mut file = File::default();
    let mut first = Process::new(1);
    first.hears(40, file.now);
    first.visit(&mut file);
    file.now += SECOND;
    let views = first.views(file.now);
    file.end(&mut first.me, &views);
    // Whoever comes with another table meanwhile sees to it that nothing is kept that nobody needs.
    file.now += 1000 * SECOND;
    let mut other = Process::new(2);
    other.me.set_table(vec![Terms { id: "y".into(), ..terms(7, 1) }].into());
    other.visit(&mut file);
    file.now += 1000 * SECOND;
    let mut second = Process::new(3);
    second.visit(&mut file);
    assert_eq!(second.told.map(|told| told.limit), Some(40));
}

#[test]
fn what_one_was_told_before_it_was_stopped_does_not_replace_what_another_was_told_since() {
    let mut file = File::default();
    let (mut stopped, mut other) = (Process::new(1), Process::new(2));
    stopped.hears(40, file.now);
    let views = stopped.views(file.now);
    let late = stopped.me.request(file.now, &views, &[]);
    file.now += 5 * SECOND;
    other.hears(30, file.now);
    other.visit(&mut file);
    file.now += 5 * SECOND;
    let mut answer = file.take(&late).expect("the tables agree");
    assert_eq!(answer.limits[0].told, Some((30, 5 * SECOND)));
    // It was stopped again before it heard the answer.
    file.now += 7 * SECOND;
    stopped.me.answered(file.now, &mut answer);
    assert_eq!(answer.limits[0].told, Some((30, 12 * SECOND)));
}

#[test]
fn what_is_told_again_as_its_answer_got_lost_is_no_younger_for_it() {
    let mut file = File { now: SECOND, ..File::default() };
    let mut one = Process::new(1);
    one.visit(&mut file);
    one.hears(40, file.now);
    one.me.request(file.now, &one.views(file.now), &[]);
    file.now += 7 * SECOND;
    let request = one.me.request(file.now, &one.views(file.now), &[]);
    let answer = file.take(&request).expect("it is alone");
    assert_eq!(answer.limits[0].told, Some((40, 7 * SECOND)));
}

#[test]
fn another_table_holds_until_the_exchange_says_it_again() {
    let mut file = File::default();
    let mut only = Process::new(1);
    only.hears(40, file.now);
    only.visit(&mut file);
    file.now += SECOND;
    only.me.set_table(vec![terms(200, 60)].into());
    only.told = None;
    for _ in 0..3 {
        only.visit(&mut file);
        file.now += SECOND;
    }
    assert!(only.told.is_none() && only.me.effective(0) >= LIMIT, "it wants so many");
}

proptest! {
    /// In any order, with members that die and a store that forgets: the latest news reaches everybody, what all gates may use
    /// is never more than it allows once all have heard it, and nothing is lost when it allows more again.
    #[test]
    fn the_latest_limit_holds_for_all(
        steps in prop::collection::vec(
            (0..4_usize, 20..200_u64, prop::option::weighted(0.3, 1..150_u64), 0..12_u8), 1..60,
        ),
    ) {
        let mut file = File::default();
        let mut all: Vec<Process> = (1..=4).map(Process::new).collect();
        let (mut latest, mut ids) = (None, 4);
        for (who, later, told, fault) in steps {
            file.now += later * MS;
            match fault {
                0 => {
                    file.dead.push(all[who].id);
                    ids += 1;
                    all[who] = Process::new(ids);
                }
                1 if all.iter().all(|one| one.told == all[0].told) => {
                    file.document = None;
                    file.incarnation += 1;
                }
                _ => {}
            }
            if let Some(limit) = told {
                all[who].hears(limit, file.now);
                latest = Some(limit);
            }
            all[who].visit(&mut file);
            if all[who].told.is_some() {
                // What it has just told is in the store.
                prop_assert_eq!(limits(&all[who..=who]), vec![latest]);
            }
        }
        for _ in 0..6 {
            file.now += 20 * MS;
            all.iter_mut().for_each(|one| drop(one.visit(&mut file)));
        }
        prop_assert!(latest.is_none() || limits(&all) == vec![latest; 4], "{:?}, not {:?}", limits(&all), latest);
        let most = latest.unwrap_or(LIMIT).min(LIMIT);
        prop_assert!(allowed(&all) <= most);
        // Nothing is lost: once the quarantine is over, all of it can be had.
        file.now += 200 * SECOND;
        for _ in 0..12 {
            file.now += 20 * MS;
            all.iter_mut().for_each(|one| drop(one.visit(&mut file)));
        }
        prop_assert_eq!(allowed(&all), most);
    }
}
