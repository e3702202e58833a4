//! What one visit costs where a scope is large: 100 members with 50 limits each.

use std::hint::black_box;
use std::time::Instant;

use crate::clock::Nanos;

use super::gate_view::{GateView, Rules};
use super::membership::Membership;
use super::state::{About, MemberId, ScopeState};
use super::tally::{Counted, HeardNews, News};
use super::terms::{Kind, OnConflict, Terms};
use super::time::Moment;
use super::visit::Request;

const SECOND: Nanos = 1_000_000_000;
const MEMBERS: u64 = 100;
const LIMITS: usize = 50;

/// 100 members that want all of 50 limits, after each has visited some times; and the next request of one of them. `beside`:
/// one of them has heard of each limit that others use most of it, and half of them have said what they use themselves.
fn crowd(beside: bool) -> (ScopeState, Request, Nanos) {
    let table = (0..LIMITS).map(|nth| Terms {
        id: format!("/api/v3/endpoint/{nth}"),
        limit: 200,
        interval: 10 * SECOND,
        kind: Kind::Rolling,
        reserve: Vec::new(),
    });
    let table: std::sync::Arc<[Terms]> = table.collect();
    let rules = Rules { lease: None, arrival: 5 * SECOND, margin: 0, on_conflict: OnConflict::Refuse };
    let mut members: Vec<Membership> = (0..MEMBERS)
        .map(|id| {
            let command = "python /home/bots/hummingbot/bin/hummingbot_quickstart.py --config pure.yml";
            let about = About {
                pid: 40_000 + id as u32,
                host: "trading-1".to_owned(),
                command: command.to_owned(),
                started: 1_700_000_000_000_000_000,
            };
            // As random as a store makes them.
            Membership::new(
                MemberId(id.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
                about,
                rules.clone(),
                table.clone(),
            )
        })
        .collect();
    let view = GateView { used: 2, waiting: 10, need: 1, ..GateView::default() };
    let mut views = vec![view; LIMITS];
    let (mut state, mut now) = (None, SECOND);
    let all = members.len();
    let rounds = if beside { 5 * all + all / 2 } else { 4 * all };
    for nth in 0..rounds {
        {
            let member = &mut members[nth % all];
            now += 1_000_000;
            // The second time, when all have answered the first question, and may have to give something back.
            let number = (nth / all) as u64;
            let hears = beside && [3 * all, 5 * all].contains(&nth);
            now += if hears { 10 * SECOND } else { 0 };
            views.iter_mut().for_each(|view| view.heard = hears.then(|| heard(number)));
            let request = member.request(now, &views, &[]);
            let (next, mut answer) =
                ScopeState::visit(state.take(), &request, &moment(now)).expect("one table");
            member.answered(now, &mut answer);
            state = Some(next);
        }
    }
    let request = members[0].request(now, &views, &[]);
    (state.expect("was visited"), request, now)
}

/// Of 200 units 10 are left, of which the members explain little.
fn heard(number: u64) -> HeardNews {
    let counted = Counted { units: 2, unsure: 0 };
    let news = News { remaining: 10, age: 50_000_000, ends_in: None, window: None, expect: true, counted };
    HeardNews { news, number, ago: 0, found: Some(0) }
}

fn moment(now: Nanos) -> Moment<'static> {
    Moment {
        now,
        wall: now as i64,
        local: now,
        timeline: "boot",
        incarnation: "1",
        is_dead: &|_| false,
        elders: &Vec::new,
        boundary_after: &|_, _| None,
        fresh: 7,
    }
}

#[test]
fn a_document_of_a_hundred_members_is_small_enough_to_travel() {
    let (state, _, _) = crowd(true);
    let bytes = state.encode();
    println!("{} bytes", bytes.len());
    assert!(bytes.len() < 64_000, "{} bytes", bytes.len());
    assert_eq!(ScopeState::decode(&bytes).as_ref(), Ok(&state));
}

#[test]
#[ignore = "measures"]
fn costs_of_a_visit_to_a_hundred_members() {
    for beside in [false, true] {
        println!("beside others: {beside}");
        costs(beside);
    }
}

fn costs(beside: bool) {
    let (state, request, now) = crowd(beside);
    let bytes = state.encode();
    let rounds = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let measure = |what: &str, work: &mut dyn FnMut()| {
        let mut times: Vec<_> = (0..rounds)
            .map(|_| {
                let begun = Instant::now();
                work();
                begun.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!("{what}: median {:?}, fastest {:?}", times[times.len() / 2], times[0]);
    };
    let open = state.tallies().iter().filter(|one| one.2 && one.3 < 0).count();
    println!("{} bytes, {open} of {LIMITS} limits short, with a question", bytes.len());
    measure("decode", &mut || drop(black_box(ScopeState::decode(&bytes))));
    measure("clone", &mut || drop(black_box(state.clone())));
    measure("check", &mut || drop(black_box(state.check())));
    measure("targets", &mut || drop(black_box(state.targets())));
    measure("clone and visit", &mut || {
        drop(black_box(ScopeState::visit(Some(state.clone()), &request, &moment(now + 5_000_000))));
    });
    measure("encode", &mut || drop(black_box(state.encode())));
}
