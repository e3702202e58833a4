//! What members have used themselves is counted once, wherever it is by now: beside what others use.

use crate::clock::Nanos;

use super::gate_view::{GateView, Rules, SettledUnits};
use super::membership::Membership;
use super::model_world::MS;
use super::reclaim::FreeAt;
use super::rules_tests::{File, SECOND, member, terms, wants};
use super::state::{About, MemberId};
use super::tally::{Counted, HeardNews, News};
use super::terms::OnConflict;

const LIMIT: u64 = 100;

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
