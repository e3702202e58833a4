//! What a dead process held of a quota: it may have been used as late as its last request can arrive.

use super::gate_view::Rules;
use super::membership::Membership;
use super::rules_tests::{File, SECOND, terms, wants};
use super::state::{About, MemberId};
use super::terms::{Kind, OnConflict, Terms};

/// Dies at an instant, and says whether the other one has its units at those.
fn dies(margin: i64, death: u64, looks: [(u64, u64); 3]) {
    let table = || vec![Terms { kind: Kind::Quota("1m".to_owned()), ..terms(100, 60) }];
    let rules = Rules { lease: None, arrival: 5 * SECOND, margin, on_conflict: OnConflict::Refuse };
    let join = |id| Membership::new(MemberId(id), About::default(), rules.clone(), table().into());
    let (mut file, mut first, mut second) = (File::default(), join(1), join(2));
    file.settle(&mut [(&mut first, wants(0, 100)), (&mut second, wants(0, 100))]);
    (file.now, file.dead) = (death, vec![MemberId(1)]);
    for (at, units) in looks {
        file.now = at;
        file.visit(&mut second, &wants(0, 100)).expect("the tables agree");
        assert_eq!(second.effective(0), units, "dead at {death}, at {at}");
    }
}

#[test]
fn what_the_dead_held_comes_back_at_the_boundary_after_the_last_arrival() {
    // Dead 4 s before a boundary: what it sent may arrive after it.
    for (death, back) in [(50 * SECOND, 60 * SECOND), (56 * SECOND, 120 * SECOND)] {
        dies(0, death, [(death, 50), (back - 1, 50), (back, 100)]);
    }
}

#[test]
fn where_clocks_may_be_apart_it_comes_back_after_the_boundary_by_every_clock() {
    // Dead 6 s before a boundary: by a clock that is 2 s ahead, what it sent may arrive after it.
    for (death, back) in [(52 * SECOND, 62 * SECOND), (54 * SECOND, 122 * SECOND)] {
        dies(2 * SECOND as i64, death, [(death, 50), (back - 1, 50), (back, 100)]);
    }
}
