//! What a process has of one limit of a scope, and what it has told and heard of it.

use crate::clock::Nanos;

use super::gate_view::GateView;
use super::learned::ToldLimit;
use super::tally::spacing;
use super::visit::Granted;

/// What the process has of one limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hand {
    /// What is certainly the process's.
    pub held: u64,
    pub granted: Granted,
    /// The demand it last told.
    pub told: u64,
    /// Since when it does not use all that it holds while others want it.
    pub idle_since: Option<Nanos>,
    /// Until when the store knows of a pause.
    pub paused_until: Nanos,
    /// What the store knows that the exchange has told of the limit.
    pub learned: Option<ToldLimit>,
    /// The question that this process has yet to answer: its number, since when it asks, and when the window began.
    pub question: Option<(u64, Nanos, Option<Nanos>)>,
    /// When the exchange's number was last compared with what all use.
    pub compared_at: Option<Nanos>,
    /// The number of what was last told, and when it was heard.
    pub heard: u64,
    pub heard_at: Nanos,
    /// When this process last said what it had used.
    pub counted_at: Nanos,
    /// Whether it has lost units that its gate had in use: others lock them up.
    pub has_lost: bool,
    /// The last question that was settled.
    pub settled: Option<u64>,
    /// Whether the others' units that it had heard of by then are in the document since the last answer.
    pub is_settled: bool,
}

impl Hand {
    /// When all should compare what they use with what was heard; `None` if nothing new was, or nothing that this process's
    /// own units would not explain.
    pub(super) fn compare_at(&self, now: Nanos, gate: &GateView, interval: Nanos) -> Option<Nanos> {
        let heard = gate.heard.filter(|heard| heard.number > self.heard)?;
        let limit = self.granted.told.map_or(self.granted.limit, |(told, _)| told.min(self.granted.limit));
        let in_window = heard.news.window.map_or(u64::MAX, |_| heard.news.counted.units);
        let explained = i128::from(limit) - i128::from(gate.used.min(in_window));
        let found = heard.found.is_some_and(|ago| now.saturating_sub(ago) > self.heard_at);
        let after = spacing(interval.max(self.granted.interval), self.granted.members, found);
        let due = self.compared_at.map_or(0, |at| at.saturating_add(after));
        (i128::from(heard.news.remaining) < explained).then_some(due)
    }
}
