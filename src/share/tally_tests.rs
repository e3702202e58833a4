//! Units that others use beside a budget: what one member hears, all leave to them.

use proptest::prelude::*;

use crate::clock::Nanos;

use super::gate_view::GateView;
use super::membership::Membership;
use super::model_world::MS;
use super::overview::overview;
use super::rules_tests::{File, SECOND, member, terms, wants};
use super::state::MemberId;
use super::tally::{Counted, HeardNews, News};
use super::terms::OnConflict;

const LIMIT: u64 = 100;

/// A process with one limit of 60 s, in whose window so many units are.
struct Process {
    me: Membership,
    used: u64,
    wanted: u64,
    /// Units left, and when that was heard; the request had left 100 ms before.
    heard: Option<(i64, Nanos)>,
    /// Of the exchange's window, if it ends for all units at once: how long it had gone on then, and how much longer it goes on.
    window: Option<(Nanos, Nanos)>,
    /// Units of `used` in that window.
    in_window: u64,
    /// Units of `used` that the exchange may not have counted.
    unsure: u64,
    /// Whether others are expected to go on as they did.
    expect: bool,
}

impl Process {
    fn new(id: u64, used: u64) -> Self {
        let me = member(id, OnConflict::Refuse, vec![terms(LIMIT, 60)]);
        let (window, in_window, unsure) = (None, 0, 0);
        Self { me, used, wanted: LIMIT, heard: None, window, in_window, unsure, expect: true }
    }

    fn free(&self) -> u64 {
        self.me.effective(0).saturating_sub(self.used)
    }

    fn views(&self, now: Nanos) -> Vec<GateView> {
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

    fn visit(&mut self, file: &mut File) {
        let views = self.views(file.now);
        file.visit(&mut self.me, &views).expect("the tables agree");
    }
}

/// Visits for so many rounds.
fn go_round(file: &mut File, all: &mut [&mut Process], rounds: usize) {
    for _ in 0..rounds {
        file.now += 50 * MS;
        all.iter_mut().for_each(|one| one.visit(file));
    }
}

/// Two processes that have used 10 and 40, and hold all the rest.
fn two(file: &mut File) -> (Process, Process) {
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
fn in_the_first_window_what_is_in_flight_may_be_of_others_and_in_the_next_it_is_known_that_there_are_none() {
    let mut file = File::default();
    let (mut one, mut two) = two(&mut file);
    for process in [&mut one, &mut two] {
        (process.unsure, process.in_window) = (10, process.used);
    }
    // Of the 50 of both, 20 are in flight: 45 are of both, or 30 are, and 15 of others.
    one.window = Some((10 * SECOND, 50 * SECOND));
    one.heard = Some((55, file.now));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.free() + two.free(), LIMIT - 50 - 15);
    // By then they should be answered.
    file.now += 4 * SECOND;
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.free() + two.free(), LIMIT - 50);
    file.now += 56 * SECOND;
    one.heard = Some((55, file.now));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.free() + two.free(), LIMIT - 50);
}

#[test]
fn where_windows_end_for_all_at_once_what_others_will_use_until_then_is_kept_for_them() {
    let mut file = File::default();
    let (mut one, mut two) = two(&mut file);
    // A sixth of the window is over. What the two have used they used before it began: others have used 5 in it.
    one.heard = Some((95, file.now));
    one.window = Some((10 * SECOND, 50 * SECOND));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    // 5, and 25 more and a part of that: 50 are used, and 16 free.
    let free = one.free() + two.free();
    assert!((14..=18).contains(&free), "{free}");
    // The window ends. 5 stay locked up for an interval, and an eighth.
    file.now += 51 * SECOND;
    (one.used, two.used) = (0, 0);
    go_round(&mut file, &mut [&mut one, &mut two], 8);
    assert_eq!(one.free() + two.free(), 95);
    file.now += 18 * SECOND;
    go_round(&mut file, &mut [&mut one, &mut two], 8);
    assert_eq!(one.free() + two.free(), LIMIT);
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
