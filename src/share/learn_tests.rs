//! A store that has forgotten, like a file that was deleted: who goes on with what, and from when others get the rest.

use super::rules_tests::{File, SECOND, member, terms, wants};
use super::state::MemberId;
use super::terms::OnConflict;

#[test]
fn who_held_units_of_a_lost_document_goes_on_with_them_and_nobody_gets_them_twice() {
    let mut file = File::default();
    let mut first = member(1, OnConflict::Refuse, vec![terms(100, 10)]);
    file.settle(&mut [(&mut first, wants(0, 70))]);
    let held = first.effective(0);
    (file.document, file.incarnation) = (None, 1);
    file.visit(&mut first, &wants(5, 60)).expect("it is alone");
    assert_eq!(first.effective(0), held);
    let lost = file.now;
    let mut second = member(2, OnConflict::Refuse, vec![terms(100, 10)]);
    for (after, units) in [(0, 0), (15 * SECOND - 1, 0), (15 * SECOND, 100 - held)] {
        file.now = lost + after;
        file.visit(&mut second, &wants(0, 100)).expect("the tables agree");
        assert_eq!(second.effective(0).min(100 - held), units, "after {after} ns");
    }
}

/// Its gate keeps back what it has heard that others use: that is not the member's.
#[test]
fn nobody_claims_more_of_a_lost_document_than_it_held() {
    let mut file = File::default();
    let mut first = member(1, OnConflict::Refuse, vec![terms(100, 10)]);
    let mut second = member(2, OnConflict::Refuse, vec![terms(100, 10)]);
    file.settle(&mut [(&mut first, wants(0, 100)), (&mut second, wants(0, 100))]);
    assert_eq!(first.effective(0), 50);
    (file.document, file.incarnation) = (None, 1);
    file.visit(&mut first, &wants(80, 100)).expect("it is alone");
    assert_eq!(file.document.as_ref().expect("written").members[0].parts[0].held, 50);
}

#[test]
fn nobody_grows_while_one_lives_whom_a_lost_document_knew_nor_until_what_it_used_is_free() {
    let mut file = File { elders: vec![MemberId(1)], ..File::default() };
    let mut newcomer = member(2, OnConflict::Refuse, vec![terms(100, 10)]);
    for second in 0..30 {
        file.now = second * SECOND;
        file.visit(&mut newcomer, &wants(0, 100)).expect("it is alone");
        assert_eq!(newcomer.effective(0), 0);
    }
    // It used all that it had just now, and ended.
    file.elders.clear();
    for (at, units) in [(30, 0), (44, 0), (45, 100)] {
        file.now = at * SECOND;
        file.visit(&mut newcomer, &wants(0, 100)).expect("it is alone");
        assert_eq!(newcomer.effective(0), units, "at {at} s");
    }
}

#[test]
fn one_who_leaves_a_lost_document_first_is_a_witness_of_the_loss() {
    let mut file = File::default();
    let mut first = member(1, OnConflict::Refuse, vec![terms(100, 10)]);
    file.settle(&mut [(&mut first, wants(0, 100))]);
    (file.document, file.incarnation) = (None, 1);
    let request = first.leave(file.now, &wants(100, 0));
    assert!(file.take(&request).expect("it may go").write);
    let (left, mut next) = (file.now, member(2, OnConflict::Refuse, vec![terms(100, 10)]));
    for (after, units) in [(0, 0), (15 * SECOND - 1, 0), (15 * SECOND, 100)] {
        file.now = left + after;
        file.visit(&mut next, &wants(0, 100)).expect("it is alone");
        assert_eq!(next.effective(0), units, "after {after} ns");
    }
}

#[test]
fn a_release_that_was_made_for_a_lost_document_does_not_count_in_the_next() {
    let mut file = File::default();
    let mut first = member(1, OnConflict::Refuse, vec![terms(100, 10)]);
    let mut second = member(2, OnConflict::Refuse, vec![terms(100, 10)]);
    file.settle(&mut [(&mut first, wants(0, 100))]);
    file.visit(&mut second, &wants(0, 100)).expect("the tables agree");
    file.visit(&mut first, &wants(0, 100)).expect("the tables agree");
    // It gives 50 up; nothing comes back; the document is lost, and again nothing comes back.
    let request = first.request(file.now, &wants(0, 100), &[]);
    assert_eq!((request.limits[0].released, first.effective(0)), (50, 50));
    (file.document, file.incarnation) = (None, 1);
    for _ in 0..2 {
        let request = first.request(file.now, &wants(0, 100), &[]);
        file.take(&request).expect("it is alone");
    }
    assert_eq!(file.document.as_ref().expect("written").members[0].parts[0].held, 50);
}
