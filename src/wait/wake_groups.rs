//! Wake groups: who polls the gate when the clock alone lets the next request through.
//!
//! Those who wait form wake groups, and each group that has waiters polls by itself: one that is busy, away or dead delays
//! no other. An event loop is a group, with one timer for all that wait in it; so is a tokio runtime. A thread in which
//! signal handlers run (Python's main thread) is a group of its own: a handler may take it away from its wait at any
//! moment, and may wait here itself. All other threads, which nothing takes away from their wait, are one group: of them
//! the oldest keeps watch. It waits with a deadline, and hands the watch on when it goes, so that one instant wakes one
//! thread, however many wait.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::thread::ThreadId;

use crate::clock::Nanos;
use crate::gate::Place;

use super::effects::Effects;
use super::turn::Turn;

/// The timer of an event loop.
pub(crate) trait Timer: Send + Sync + fmt::Debug {
    /// Asks for a call of [`Throttler::poll`](super::Throttler::poll) at `at`, in place of any later instant asked
    /// for before. Called without any lock held.
    fn ring_at(&self, at: Nanos);

    /// Nobody waits here any more. Called without any lock held.
    fn silence(&self);

    /// Whether all who wait here run, or none: the tasks of one event loop.
    fn runs_all(&self) -> bool;
}

/// A timer that is so late was lost (an exception in the loop's own code may cost it a call), or its loop is blocked: it
/// is set anew as soon as anything happens.
const LOST: Nanos = 1_000_000_000;

/// Whether a timer that should have gone off at `at` never will.
pub(super) fn is_lost(at: Nanos, now: Nanos) -> bool {
    at.saturating_add(LOST) < now
}

/// Where a request waits.
#[derive(Clone, Debug)]
pub(crate) enum WakeGroup {
    /// In a thread that nothing takes away from its wait, with all others of this kind.
    Threads,
    /// In a thread in which signal handlers run. Where one waits, those that it has interrupted are not in the queue.
    Thread(ThreadId),
    /// In an event loop, or in a tokio runtime, that has this timer.
    Loop(Arc<dyn Timer>),
}

impl WakeGroup {
    pub fn is(&self, other: &WakeGroup) -> bool {
        match (self, other) {
            (Self::Threads, Self::Threads) => true,
            (Self::Thread(a), Self::Thread(b)) => a == b,
            (Self::Loop(a), Self::Loop(b)) => std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b)),
            _ => false,
        }
    }

    /// Whether it may be long before a waiter comes for its grant: its thread may be in a signal handler, its loop busy
    /// or stopped.
    pub fn may_be_away(&self) -> bool {
        !matches!(self, Self::Threads)
    }
}

#[derive(Debug)]
struct Group {
    group: WakeGroup,
    waiting: usize,
    /// The waiters, of threads; an event loop's are only counted.
    members: BTreeMap<Place, Arc<Turn>>,
    /// When this group polls of its own accord: a timer is set for then or earlier, or will be by an effect that is under
    /// way. `None` until somebody asks for it.
    rings_at: Option<Nanos>,
}

impl Group {
    /// The waiter that keeps watch for its group.
    fn keeper(&self) -> Option<(Place, &Arc<Turn>)> {
        self.members.first_key_value().map(|(&place, turn)| (place, turn))
    }

    /// Changes who waits. A new keeper does not know yet when to poll.
    fn change(&mut self, f: impl FnOnce(&mut Self)) {
        let before = self.keeper().map(|(place, _)| place);
        f(self);
        if self.keeper().map(|(place, _)| place) != before {
            self.rings_at = None;
        }
    }
}

/// All groups with waiters.
#[derive(Debug, Default)]
pub(super) struct WakeGroups(Vec<Group>);

impl WakeGroups {
    fn get(&self, group: &WakeGroup) -> Option<&Group> {
        self.0.iter().find(|other| other.group.is(group))
    }

    fn get_mut(&mut self, group: &WakeGroup) -> Option<&mut Group> {
        self.0.iter_mut().find(|other| other.group.is(group))
    }

    pub fn join(&mut self, place: Place, turn: &Arc<Turn>) {
        let group = match self.0.iter().position(|other| other.group.is(&turn.group)) {
            Some(at) => &mut self.0[at],
            None => {
                let group = turn.group.clone();
                self.0.push(Group { group, waiting: 0, members: BTreeMap::new(), rings_at: None });
                self.0.last_mut().expect("just pushed")
            }
        };
        group.waiting += 1;
        if !matches!(turn.group, WakeGroup::Loop(_)) {
            group.change(|group| drop(group.members.insert(place, turn.clone())));
        }
    }

    pub fn leave(&mut self, place: Place, turn: &Turn, effects: &mut Effects) {
        let Some(at) = self.0.iter().position(|other| other.group.is(&turn.group)) else { return };
        let group = &mut self.0[at];
        group.waiting -= 1;
        group.change(|group| {
            if let Some(turn) = group.members.remove(&place) {
                effects.drop_later(turn);
            }
        });
        if group.waiting == 0
            && let WakeGroup::Loop(timer) = self.0.swap_remove(at).group
        {
            effects.silence(timer);
        }
    }

    /// The waits that a new one of `group` has interrupted: it runs in a signal handler.
    pub fn interrupted(&self, group: &WakeGroup) -> Vec<(Place, Arc<Turn>)> {
        let nests = matches!(group, WakeGroup::Thread(_));
        let members = self.get(group).filter(|_| nests).map(|group| &group.members);
        members.into_iter().flatten().map(|(&place, turn)| (place, turn.clone())).collect()
    }

    /// Whether anybody of `group` waits.
    pub fn has(&self, group: &WakeGroup) -> bool {
        self.get(group).is_some()
    }

    /// Whether anybody waits who may run where a waiter of `group` does not.
    pub fn wait_beside(&self, group: &WakeGroup) -> bool {
        let all = matches!(group, WakeGroup::Loop(timer) if timer.runs_all());
        self.0.iter().any(|other| !(all && other.group.is(group)))
    }

    /// Whether the waiter at `place` keeps watch for its group.
    pub fn keeps_watch(&self, group: &WakeGroup, place: Place) -> bool {
        let keeper = self.get(group).and_then(Group::keeper);
        keeper.is_some_and(|(keeper, _)| keeper == place)
    }

    /// When a group polls the gate of its own accord; `None` where nobody waits.
    pub fn rings_at(&self, group: &WakeGroup) -> Option<Nanos> {
        self.get(group)?.rings_at
    }

    /// A group's timer has gone off or could not be set, or its keeper polls.
    pub fn unset(&mut self, group: &WakeGroup) {
        if let Some(group) = self.get_mut(group) {
            group.rings_at = None;
        }
    }

    /// Has every group poll the gate at `wake`, unless it will do so before. `polls`: this one is polling, and learns it
    /// as it does.
    pub fn set(&mut self, now: Nanos, wake: Option<Nanos>, polls: Option<&WakeGroup>, effects: &mut Effects) {
        // Asked for late, it polls now, and is not lost.
        let Some(at) = wake.map(|at| at.max(now)) else { return };
        for group in &mut self.0 {
            if group.rings_at.is_some_and(|rings_at| rings_at <= at && !is_lost(rings_at, now)) {
                continue;
            }
            group.rings_at = Some(at);
            if polls.is_some_and(|polls| polls.is(&group.group)) {
                continue;
            }
            match (&group.group, group.keeper()) {
                (WakeGroup::Loop(timer), _) => effects.ring(timer, at),
                (_, keeper) => keeper.into_iter().for_each(|(_, turn)| effects.wake(turn)),
            }
        }
    }

    /// Every group, with when it claims to poll.
    #[cfg(test)]
    pub fn each(&self) -> impl Iterator<Item = (&WakeGroup, Option<Nanos>)> {
        self.0.iter().map(|group| (&group.group, group.rings_at))
    }

    /// Forgets everybody. What must be dropped without the lock comes back.
    pub fn clear(&mut self) -> impl Sized + use<> {
        std::mem::take(&mut self.0)
    }
}
