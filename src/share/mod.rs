//! The rules of a budget that several processes share: who holds how many units of each limit, as a pure state machine.
//!
//! No clock, no I/O, no lock, no thread. A *scope* (an account or an address) has one small document in a store, a
//! [`ScopeState`]. A process is a *member* of it. Each change is one [`ScopeState::visit`]: the store reads the document,
//! the visit changes it, the store writes it if nobody else has meanwhile. The member's own part is a [`Membership`]: what
//! it holds, what its gate may use, what it must give back, and when it must visit next.
//!
//! What keeps every window of the server whole:
//!
//! - Of each limit, in every state: what the members hold + the pool + the quarantine = the limit. The pool is negative
//!   while a lowered limit is being paid off.
//! - A unit moves only when it is free in hand: neither in flight nor in the window. So its next use begins at least one
//!   interval after the answer to its last one, in whichever process, and no common clock is needed.
//! - A member shrinks its gate first and then writes the release; it reads what was committed first and then grows. So
//!   the gates' limits never add up to more than what is held, whatever is lost in between.
//! - What the dead held stays in quarantine until nothing that they sent can arrive any more, and one interval longer.
//!
//! What the exchange says to one member holds for all: a pause (`pauses.rs`), a limit that changed (`learned.rs`) and units
//! that others have used (`tally.rs`) are in the document, too.
//!
//! Units are not pushed to members: what is meant for one stays in the pool, the member is woken, and takes it when it
//! visits. So a stopped process receives nothing, and there is no unit on the way that could be lost.

mod calls;
mod gate_view;
mod hand;
mod join;
mod learn;
mod learned;
mod line;
mod membership;
mod overview;
mod pauses;
mod reclaim;
mod state;
mod tally;
mod targets;
mod terms;
mod time;
mod visit;
mod water;

#[cfg(test)]
mod calls_tests;
#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod counted_tests;
#[cfg(test)]
mod learn_tests;
#[cfg(test)]
mod learned_tests;
#[cfg(test)]
mod lease_tests;
#[cfg(test)]
mod line_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod model_bounds;
#[cfg(test)]
mod model_foreign;
#[cfg(test)]
mod model_gate;
#[cfg(test)]
mod model_news;
#[cfg(test)]
mod model_parts;
#[cfg(test)]
mod model_server;
#[cfg(test)]
mod model_store;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod model_world;
#[cfg(test)]
mod pauses_tests;
#[cfg(test)]
mod quota_tests;
#[cfg(test)]
mod reserves_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tally_tests;
#[cfg(test)]
mod traffic_tests;

pub(crate) use gate_view::{GateView, Rules, SettledUnits, Waiting};
pub(crate) use learned::ToldLimit;
pub(crate) use line::Class;
pub(crate) use membership::Membership;
pub(crate) use overview::{LimitOverview, MemberOverview, Overview, PartOverview, overview};
pub(crate) use pauses::{Pause, SAME_END, ScopePause};
pub(crate) use reclaim::FreeAt;
pub(crate) use state::{About, BadDocument, MemberId, ScopeState};
pub(crate) use tally::{Counted, HeardNews, News};
pub(crate) use terms::{Conflict, Kind, OnConflict, Terms};
pub(crate) use time::Moment;
pub(crate) use visit::{Answer, Request};
