//! Leases: until when a member lives, by its own clock and by the scope's.

use super::gate_view::Rules;
use super::membership::Membership;
use super::model_world::MS;
use super::rules_tests::{File, SECOND, leased, terms, wants};
use super::state::{About, MemberId};
use super::terms::OnConflict;

fn is_member(server: &File, id: u64) -> bool {
    server.document.as_ref().is_some_and(|document| document.position(MemberId(id)).is_some())
}

fn come(server: &mut File, me: &mut Membership) {
    server.visit(me, &wants(0, 1)).expect("the tables agree");
}

/// Only who was there before can tell how much time has passed until a newcomer came. Who tells it later must not shorten the
/// newcomer's lease.
#[test]
fn a_newcomer_lives_for_its_lease_though_another_makes_the_clock_go_on() {
    let mut server = File { now: 3 * SECOND, ..File::default() };
    let (mut first, mut newcomer) = (leased(1, vec![terms(100, 1)]), leased(2, vec![terms(100, 1)]));
    come(&mut server, &mut first);
    server.now += 8 * SECOND;
    come(&mut server, &mut newcomer);
    server.now += SECOND;
    come(&mut server, &mut first);
    server.now = newcomer.lives_until().expect("a lease") - 1;
    come(&mut server, &mut first);
    assert!(is_member(&server, 2), "by its own clock it lives");
    server.now += 9 * SECOND;
    come(&mut server, &mut first);
    assert!(!is_member(&server, 2), "8 s later, and what a server's time may be old");
}

/// Whatever the member's clock says and however old the store's time is: it sends nothing any more when it counts as dead.
#[test]
fn a_member_counts_as_dead_after_its_own_lease_has_ended() {
    let mut server = File { now: 3 * SECOND, ..File::default() };
    let (mut first, mut second) = (leased(1, vec![terms(100, 1)]), leased(2, vec![terms(100, 1)]));
    for _ in 0..3 {
        server.now += SECOND;
        come(&mut server, &mut first);
        come(&mut server, &mut second);
    }
    let ends = second.lives_until().expect("a lease");
    while is_member(&server, 2) {
        server.now += 10 * MS;
        come(&mut server, &mut first);
    }
    assert!(server.now >= ends + 50 * MS && server.now < ends + 100 * MS, "{} and {ends}", server.now);
}

/// Somebody may be there whom the server has forgotten, and who cannot reach it: until its lease has ended, what it sent then has
/// arrived, and that has left the window, nobody gets anything.
#[test]
fn the_first_of_a_server_waits_for_a_lease_an_arrival_and_an_interval() {
    let mut server = File { now: 3 * SECOND, ..File::default() };
    let rules =
        Rules { lease: Some(10 * SECOND), arrival: 2 * SECOND, margin: 0, on_conflict: OnConflict::Refuse };
    let mut first = Membership::new(MemberId(1), About::default(), rules, vec![terms(100, 5)].into());
    let began = server.now;
    come(&mut server, &mut first);
    while first.effective(0) == 0 {
        server.now += 10 * MS;
        come(&mut server, &mut first);
    }
    let waited = server.now - began;
    assert!((17_100 * MS..17_120 * MS).contains(&waited), "{waited}");
}

/// One whom a server has forgotten and who has been in time goes on with what it had; one who comes later has lost it.
#[test]
fn what_one_held_of_a_lost_document_counts_until_others_may_have_it() {
    for (after, keeps) in [(9_900 * MS, true), (11_200 * MS, false)] {
        let mut server = File { now: 3 * SECOND, ..File::default() };
        let (mut first, mut other) = (leased(1, vec![terms(100, 1)]), leased(2, vec![terms(100, 1)]));
        for _ in 0..8 {
            server.now += 2 * SECOND;
            come(&mut server, &mut first);
        }
        let held = first.effective(0);
        assert!(held > 0);
        (server.document, server.incarnation) = (None, 1);
        let lost = server.now;
        while server.now < lost + after {
            come(&mut server, &mut other);
            server.now += 100 * MS;
        }
        let before = server.document.as_ref().expect("written").tallies()[0].3;
        come(&mut server, &mut first);
        let pool = server.document.as_ref().expect("written").tallies()[0].3;
        assert_eq!(
            before - pool,
            if keeps { held as i64 } else { first.effective(0) as i64 },
            "after {after}"
        );
    }
}
