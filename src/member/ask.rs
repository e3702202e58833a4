//! One visit of one scope: the store's document goes through the rules.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Instant;

use crate::clock::{Clock, boottime};
use crate::share::{Answer, BadDocument, Conflict, Moment, Request, ScopeState};
use crate::store::{Read, StoreError, StoreErrorKind, Write};

use super::fork;
use super::part::Part;
use super::seat::{Seat, id};
use super::visits;

/// Why a visit did not come about.
pub(super) enum Failed {
    Store(StoreError),
    Disagrees(Box<Conflict>),
}

/// Takes a request to the store, and brings its answer back.
pub(super) fn ask(seat: &Seat, part: &mut Part, request: &Request) -> Result<Answer, Failed> {
    let mut outcome: Option<Result<Answer, Failed>> = None;
    let mut seen = String::new();
    let part_now = &*part;
    let began = Instant::now();
    let (mut turn, mut ahead) = (began, 0);
    let mut change = |read: &Read<'_>| {
        (turn, ahead) = (read.began, Clock::monotonic().wall() - read.wall);
        let visited = visit(part_now, request, read);
        read.incarnation.clone_into(&mut seen);
        let (write, result) = match visited {
            Ok((state, answer)) => {
                let wake = answer.wake.iter().map(|id| crate::store::MemberId(id.0)).collect();
                let write = answer.write.then(|| Write { bytes: state.encode(), wake, durable: false });
                (write, Ok(answer))
            }
            Err(failed) => (None, Err(failed)),
        };
        outcome = Some(result);
        write
    };
    let written = fork::guarded(|| match &mut *seat.store.lock() {
        Some(store) => store.update(&part_now.document, &mut change),
        None => Err(StoreError::away("the store is closed")),
    });
    visits::count(turn - began, turn.elapsed());
    written.map_err(Failed::Store)?;
    (part.seen, part.ahead) = (seen, ahead);
    outcome.unwrap_or_else(|| Err(Failed::Store(StoreError::away("the store did not read"))))
}

fn visit(part: &Part, request: &Request, read: &Read<'_>) -> Result<(ScopeState, Answer), Failed> {
    let bad = |error: BadDocument| Failed::Store(StoreError::new(StoreErrorKind::Corrupt, error));
    let document = read.bytes.map(ScopeState::decode).transpose().map_err(bad)?;
    let is_dead = |member: crate::share::MemberId| (read.is_dead)(crate::store::MemberId(member.0));
    let moment = Moment {
        now: read.now,
        wall: read.wall,
        local: boottime(),
        timeline: read.timeline,
        incarnation: read.incarnation,
        is_dead: &is_dead,
        elders: &|| (read.elders)().into_iter().map(id).collect(),
        boundary_after: &|text, wall| part.quotas.get(text).map(|resets| resets.after(wall)),
        fresh: RandomState::new().build_hasher().finish(),
    };
    ScopeState::visit(document, request, &moment).map_err(Failed::Disagrees)
}
