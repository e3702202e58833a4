//! Units that others use beside a budget: what one member hears, all leave to them.

use proptest::prelude::*;

use crate::clock::Nanos;

use super::gate_view::{GateView, Rules, SettledUnits};
use super::membership::Membership;
use super::model_world::MS;
use super::overview::overview;
use super::reclaim::FreeAt;
use super::rules_tests::{File, SECOND, member, terms, wants};
use super::state::{About, MemberId};
use super::tally::{Counted, HeardNews, News};
use super::terms::OnConflict;

pub(super) const LIMIT: u64 = 100;

/// A process with one limit of 60 s, in whose window so many units are.
pub(super) struct Process {
    pub me: Membership,
    pub used: u64,
    pub wanted: u64,
    /// Units left, and when that was heard; the request had left 100 ms before.
    pub heard: Option<(i64, Nanos)>,
    /// Of the exchange's window, if it ends for all units at once: how long it had gone on then, and how much longer it goes on.
    pub window: Option<(Nanos, Nanos)>,
    /// Units of `used` in that window.
    pub in_window: u64,
    /// Units of `used` that the exchange may not have counted.
    pub unsure: u64,
    /// Whether others are expected to go on as they did.
    pub expect: bool,
}

impl Process {
    pub fn new(id: u64, used: u64) -> Self {
        let me = member(id, OnConflict::Refuse, vec![terms(LIMIT, 60)]);
        let (window, in_window, unsure) = (None, 0, 0);
        Self { me, used, wanted: LIMIT, heard: None, window, in_window, unsure, expect: true }
    }

    pub fn free(&self) -> u64 {
        self.me.effective(0).saturating_sub(self.used)
    }

    pub fn views(&self, now: Nanos) -> Vec<GateView> {
        let is_of_window =
            self.window.is_some() || self.me.asked_since(0).is_some_and(|asked| asked.1.is_some());
        let units = if is_of_window { self.in_window } else { self.used };
        let counted = Counted { units, unsure: self.unsure };
        let heard = self.heard.map(|(remaining, at)| HeardNews {
            news: News {
                remaining,
                age: now - at + 100 * MS,
                ends_in: None,
                window: self.window.map(|(began, ends)| (began + now - at, (ends + at).saturating_sub(now))),
                expect: self.expect,
                counted,
            },
            number: at,
            ago: now - at,
            found: None,
        });
        let views = wants(self.used, self.wanted).into_iter();
        views.map(|view| GateView { heard, counted, ..view }).collect()
    }

    pub fn visit(&mut self, file: &mut File) {
        let views = self.views(file.now);
        file.visit(&mut self.me, &views).expect("the tables agree");
    }
}

/// Visits for so many rounds.
pub(super) fn go_round(file: &mut File, all: &mut [&mut Process], rounds: usize) {
    for _ in 0..rounds {
        file.now += 50 * MS;
        all.iter_mut().for_each(|one| one.visit(file));
    }
}

/// Two processes that have used 10 and 40, and hold all the rest.
pub(super) fn two(file: &mut File) -> (Process, Process) {
    file.now = SECOND;
    let (mut one, mut two) = (Process::new(1, 10), Process::new(2, 40));
    go_round(file, &mut [&mut one, &mut two], 8);
    assert_eq!(one.me.effective(0) + two.me.effective(0), LIMIT);
    (one, two)
}

#[test]
fn what_one_hears_all_leave_to_others_until_the_exchange_has_forgotten_it() {
    let mut file = File::default();
    let (mut one, mut two) = two(&mut file);
    // Others have used 38 beside the 50 of both.
    one.heard = Some((12, file.now));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert!(one.free() + two.free() <= 12, "as many are expected to come again soon");
    file.now += 4 * SECOND;
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.free() + two.free(), 12);
    // An interval later, and an eighth for those who come again.
    file.now += 56 * SECOND;
    go_round(&mut file, &mut [&mut one, &mut two], 4);
    assert_eq!(one.free() + two.free(), 12, "kept for those who come again");
    file.now += 8 * SECOND;
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.me.effective(0) + two.me.effective(0), LIMIT);
}

#[test]
fn others_who_come_in_the_place_of_older_ones_are_not_free_when_those_would_be() {
    let mut file = File::default();
    let (mut one, mut two) = two(&mut file);
    one.heard = Some((12, file.now));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    // As many others as before, but nobody knows which: all of them may have come just now.
    file.now += 40 * SECOND;
    two.heard = Some((12, file.now));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    file.now += 58 * SECOND;
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.free() + two.free(), 12, "98 s after the first number, 58 s after the last");
    file.now += 12 * SECOND;
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.free() + two.free(), 50, "nobody has come again");
}

#[test]
fn the_overview_tells_units_of_others_from_those_that_a_dead_member_held() {
    for expect in [true, false] {
        let mut file = File::default();
        let (mut one, mut two) = two(&mut file);
        (one.expect, one.heard) = (expect, Some((12, file.now)));
        go_round(&mut file, &mut [&mut one, &mut two], 6);
        file.now += 4 * SECOND;
        go_round(&mut file, &mut [&mut one, &mut two], 6);
        let seen = |file: &File| {
            let state = file.document.as_ref().expect("written");
            overview(state, file.now, 0).limits.remove(0)
        };
        let before = seen(&file);
        assert_eq!((before.foreign, before.kept, before.locked_up), (38, 0, 0), "expected again: {expect}");
        let held = before.members[1].expect("it is a member").held;
        file.dead.push(MemberId(2));
        go_round(&mut file, &mut [&mut one], 1);
        let after = seen(&file);
        assert_eq!((after.foreign, after.locked_up), (38, held));
        file.now += 58 * SECOND;
        let kept = if expect { 38 } else { 0 };
        assert_eq!((seen(&file).foreign, seen(&file).kept), (kept, kept));
    }
}

#[test]
fn what_the_members_have_used_is_nobody_elses() {
    let mut file = File::default();
    let (mut one, mut two) = two(&mut file);
    one.heard = Some((50, file.now));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.me.effective(0) + two.me.effective(0), LIMIT);
}

#[test]
fn one_who_does_not_answer_counts_as_if_it_had_used_nothing() {
    let mut file = File::default();
    let (mut one, two) = two(&mut file);
    one.heard = Some((30, file.now));
    // The other is stopped.
    for _ in 0..60 {
        go_round(&mut file, &mut [&mut one], 1);
    }
    let held = two.me.effective(0);
    assert!(held > 0 && one.free() <= 30_u64.saturating_sub(held), "{held} and {}", one.free());
}

#[test]
fn what_a_dead_member_had_used_is_not_taken_from_the_others_as_well() {
    let mut file = File::default();
    let (mut one, two) = two(&mut file);
    let held = two.me.effective(0);
    file.dead.push(MemberId(2));
    // It was right: 50 are used.
    one.heard = Some((50, file.now));
    go_round(&mut file, &mut [&mut one], 8);
    assert_eq!(one.me.effective(0), LIMIT - held, "it keeps what it held");
    file.now += 70 * SECOND;
    (one.used, one.heard) = (0, None);
    go_round(&mut file, &mut [&mut one], 8);
    assert_eq!(one.me.effective(0), LIMIT);
}

/// What a process has in use, when it has heard that so many units are left.
fn hears(now: Nanos, used: u64, need: u64, remaining: i64) -> Vec<GateView> {
    let counted = Counted { units: used, unsure: 0 };
    let news = News { remaining, age: 100 * MS, ends_in: None, window: None, expect: false, counted };
    let heard = Some(HeardNews { news, number: now, ago: 0, found: None });
    vec![GateView { used, need, waiting: need, heard, counted, ..GateView::default() }]
}

/// What no member has used and may use: free in the pool, or in the members' hands.
fn free_in_all(file: &File, all: &[(&Membership, u64)]) -> i64 {
    let pool = file.document.as_ref().expect("written").tallies()[0].3;
    let free = |&(me, used): &(&Membership, u64)| me.effective(0).saturating_sub(used) as i64;
    pool.max(0) + all.iter().map(free).sum::<i64>()
}

#[test]
fn what_was_posted_when_an_answer_got_lost_is_counted_once() {
    let mut file = File { now: SECOND, ..File::default() };
    let new = |id| member(id, OnConflict::Refuse, vec![terms(LIMIT, 120)]);
    let (mut one, mut two) = (new(1), new(2));
    let wanted = |used, need| {
        let counted = Counted { units: used, unsure: 0 };
        vec![GateView { need, counted, ..wants(used, need).remove(0) }]
    };
    for _ in 0..4 {
        file.now += 50 * MS;
        file.visit(&mut one, &wanted(0, 40)).expect("the tables agree");
        file.visit(&mut two, &wanted(1, 0)).expect("the tables agree");
    }
    assert!(one.effective(0) >= 40);
    // The second has heard something. Before the first knows of that question, it has used 40 and posts them; and it has heard
    // that others have used 30.
    file.visit(&mut two, &hears(file.now, 1, 0, 98)).expect("the tables agree");
    let mut views = hears(file.now, 40, 0, 29);
    views[0].settled = vec![SettledUnits { units: 40, free: FreeAt::In(119 * SECOND) }];
    let request = one.request(file.now, &views, &[]);
    assert_eq!(request.posts.len(), 1);
    file.take(&request).expect("the tables agree");
    // Its answer gets lost. Others do not wait for it.
    for _ in 0..3 {
        file.now += 2 * SECOND;
        file.visit(&mut two, &wanted(1, 0)).expect("the tables agree");
    }
    let request = one.request(file.now, &views, &[]);
    let mut answer = file.take(&request).expect("the tables agree");
    one.answered(file.now, &mut answer);
    for _ in 0..4 {
        file.now += 50 * MS;
        file.visit(&mut two, &wanted(1, 0)).expect("the tables agree");
        file.visit(&mut one, &wanted(0, 0)).expect("the tables agree");
    }
    assert_eq!(free_in_all(&file, &[(&one, 0), (&two, 1)]), 29);
}

/// One has answered and posts what it has used, before the other has answered.
#[test]
fn what_is_posted_while_others_have_yet_to_answer_is_counted_once() {
    let mut file = File { now: SECOND, ..File::default() };
    let new = |id| member(id, OnConflict::Refuse, vec![terms(LIMIT, 120)]);
    let (mut one, mut two) = (new(1), new(2));
    let uses = |used, need, settled| {
        let counted = Counted { units: used, unsure: 0 };
        let settled = vec![SettledUnits { units: settled, free: FreeAt::In(119 * SECOND) }];
        vec![GateView { need, counted, settled, ..wants(used, need).remove(0) }]
    };
    for _ in 0..4 {
        file.now += 50 * MS;
        file.visit(&mut one, &uses(0, 40, 0)).expect("the tables agree");
        file.visit(&mut two, &uses(1, 0, 0)).expect("the tables agree");
    }
    // Others have used 30; the first hears of it, and posts the 40 that it has used.
    file.visit(&mut one, &hears(file.now, 40, 0, 29)).expect("the tables agree");
    file.now += 50 * MS;
    file.visit(&mut one, &uses(40, 0, 40)).expect("the tables agree");
    for _ in 0..4 {
        file.now += 50 * MS;
        file.visit(&mut two, &uses(1, 0, 0)).expect("the tables agree");
        file.visit(&mut one, &uses(0, 0, 0)).expect("the tables agree");
    }
    assert_eq!(free_in_all(&file, &[(&one, 0), (&two, 1)]), 29);
}

#[test]
fn a_question_is_about_the_time_since_the_request_left_also_if_it_was_told_late() {
    let mut file = File { now: SECOND, ..File::default() };
    let new = |id| member(id, OnConflict::Refuse, vec![terms(LIMIT, 60)]);
    let (mut one, mut two) = (new(1), new(2));
    file.settle(&mut [(&mut one, wants(0, 10)), (&mut two, wants(0, 10))]);
    // Its request had left 100 ms before. It is sent twice to the store before that answers.
    let heard = file.now;
    one.request(file.now, &hears(file.now, 0, 0, 40), &[]);
    file.now += 300 * MS;
    let request = one.request(file.now, &hears(heard, 0, 0, 40), &[]);
    let mut answer = file.take(&request).expect("the tables agree");
    one.answered(file.now, &mut answer);
    file.now += 10 * MS;
    file.visit(&mut two, &wants(0, 10)).expect("the tables agree");
    assert_eq!(two.asked_since(0), Some((heard - 100 * MS, None)));
}

/// It may be in the exchange's number or not. Beside others it counts as if it was not.
#[test]
fn what_was_in_flight_when_the_exchange_counted_is_kept_back_until_it_should_be_answered() {
    let mut file = File { now: SECOND, ..File::default() };
    let mut me = member(1, OnConflict::Refuse, vec![terms(LIMIT, 64)]);
    file.settle(&mut [(&mut me, wants(0, LIMIT))]);
    for _ in 0..2 {
        file.now += 10 * SECOND;
        let mut views = hears(file.now, 40, LIMIT, 30);
        for news in views.iter_mut().flat_map(|view| &mut view.heard).map(|heard| &mut heard.news) {
            (news.expect, news.counted.unsure) = (true, 10);
        }
        file.visit(&mut me, &views).expect("it is alone");
        file.now += 100 * MS;
        file.visit(&mut me, &wants(40, LIMIT)).expect("it is alone");
    }
    assert_eq!(free_in_all(&file, &[(&me, 40)]), 20, "30 are left, and 10 may not be counted");
    file.now += 4 * SECOND;
    file.settle(&mut [(&mut me, wants(40, LIMIT))]);
    assert_eq!(free_in_all(&file, &[(&me, 40)]), 30);
}

#[test]
fn an_answer_to_an_older_question_is_none_to_the_next() {
    let mut file = File::default();
    let (mut one, mut two) = two(&mut file);
    one.heard = Some((50, file.now));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    // What the second had used then has left its window since. Others have used 60.
    file.now += 50 * SECOND;
    two.used = 0;
    one.heard = Some((30, file.now));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    file.now += 4 * SECOND;
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.free() + two.free(), 30);
}

#[test]
fn what_one_had_used_that_was_taken_for_dead_is_counted_once() {
    let rules =
        Rules { lease: Some(10 * SECOND), arrival: SECOND, margin: 0, on_conflict: OnConflict::Refuse };
    let new =
        |id| Membership::new(MemberId(id), About::default(), rules.clone(), vec![terms(LIMIT, 60)].into());
    // Whether it has heard of others before it knows that it was taken for dead, or later.
    for at_once in [true, false] {
        let mut file = File { now: SECOND, ..File::default() };
        let (mut one, mut two) = (new(1), new(2));
        for _ in 0..40 {
            file.now += 2 * SECOND;
            file.visit(&mut one, &wants(0, 20)).expect("the tables agree");
            file.visit(&mut two, &wants(0, 80)).expect("the tables agree");
        }
        assert_eq!((one.effective(0), two.effective(0)), (20, 80));
        for _ in 0..8 {
            file.now += 2 * SECOND;
            file.visit(&mut two, &wants(0, 80)).expect("the tables agree");
        }
        assert_eq!(file.document.as_ref().expect("written").position(MemberId(1)), None);
        // It used 20 just before; others used 30.
        if !at_once {
            file.visit(&mut one, &wants(20, 0)).expect("the tables agree");
        }
        let views = hears(file.now, 20, 0, 50);
        for _ in 0..4 {
            file.now += 50 * MS;
            file.visit(&mut one, &views).expect("the tables agree");
            file.visit(&mut two, &wants(0, 80)).expect("the tables agree");
        }
        // What it used it has to hold again; that it was used is in the document, too.
        let held = free_in_all(&file, &[(&one, 0), (&two, 0)]);
        assert_eq!((one.effective(0), held), (20, 50), "heard at once: {at_once}");
    }
}

#[test]
fn numbers_that_cannot_be_stop_all_for_an_interval_and_break_nothing() {
    for remaining in [i64::MIN, -1_000_000, i64::MAX] {
        let mut file = File::default();
        let (mut one, mut two) = two(&mut file);
        one.heard = Some((remaining, file.now));
        go_round(&mut file, &mut [&mut one, &mut two], 6);
        let free = if remaining > 0 { 50 } else { 0 };
        assert_eq!(one.free() + two.free(), free, "{remaining}");
        file.now += 70 * SECOND;
        (one.used, two.used) = (0, 0);
        go_round(&mut file, &mut [&mut one, &mut two], 8);
        assert_eq!(one.me.effective(0) + two.me.effective(0), LIMIT, "{remaining}");
    }
}

proptest! {
    /// Who hears it, whatever all have used, and whether some want more or not: what is free in the whole budget is no
    /// more than what the exchange has left.
    #[test]
    fn what_is_free_in_the_whole_budget_is_no_more_than_the_exchange_has_left(
        uses in prop::collection::vec((0..40_u64, any::<bool>()), 1..5),
        hears in 0..5_usize,
        foreign in 0..120_u64,
    ) {
        let mut file = File { now: SECOND, ..File::default() };
        let mut all: Vec<Process> = (1..).zip(&uses).map(|(id, _)| Process::new(id, 0)).collect();
        let mut each: Vec<&mut Process> = all.iter_mut().collect();
        go_round(&mut file, &mut each, 10);
        let mut left = LIMIT;
        for (process, &(used, wants)) in each.iter_mut().zip(&uses) {
            process.used = used.min(process.me.effective(0));
            process.wanted = if wants { LIMIT } else { 0 };
            left -= process.used;
        }
        go_round(&mut file, &mut each, 4);
        let remaining = left as i64 - foreign as i64;
        let hears = hears % each.len();
        each[hears].heard = Some((remaining, file.now));
        go_round(&mut file, &mut each, 8);
        let free: u64 = all.iter().map(Process::free).sum();
        let pool = file.document.as_ref().map_or(0, |document| document.tallies()[0].3);
        let in_all = free as i64 + pool.max(0);
        prop_assert!(in_all <= remaining.max(0), "{in_all} of {remaining}");
        prop_assert!(foreign > 0 || in_all == remaining, "{in_all} of {remaining}: nobody else was there");
    }
}
