//! Who looks at the gate when the clock alone lets the next request through.
//!
//! Every event loop and every tokio runtime with waiters has a timer of its own, so that one that is busy or dead delays
//! nobody else. Of all waiting threads one keeps watch for the others: the oldest, which waits with a deadline, and
//! hands the watch on when it goes.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use crate::clock::Nanos;
use crate::gate::Place;

use super::turn::Turn;

/// A timer of somebody who waits.
pub(crate) trait Alarm: Send + Sync + fmt::Debug {
    /// Asks for a call of [`Throttler::poll`](super::Throttler::poll) at `at`, in place of any later instant asked
    /// for before. Called without any lock held.
    fn ring_at(&self, at: Nanos);

    /// Nobody waits here any more. Called without any lock held.
    fn silence(&self);
}

/// Where a request waits.
#[derive(Clone, Debug)]
pub(crate) enum Station {
    /// In a thread, with all other waiting threads.
    Threads,
    /// In an event loop, or in a tokio runtime, that has this timer.
    #[cfg_attr(
        not(any(feature = "python", feature = "tokio")),
        expect(dead_code, reason = "threads have no loop")
    )]
    Loop(Arc<dyn Alarm>),
}

impl Station {
    fn is(&self, other: &Station) -> bool {
        match (self, other) {
            (Self::Threads, Self::Threads) => true,
            (Self::Loop(a), Self::Loop(b)) => std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b)),
            _ => false,
        }
    }
}

/// Who looks at the gate, and will be told by the answer when to look again.
#[derive(Clone, Copy)]
pub(crate) enum Looker<'a> {
    /// The timer of an event loop.
    #[cfg_attr(
        not(any(feature = "python", feature = "tokio")),
        expect(dead_code, reason = "threads have no loop")
    )]
    Loop(&'a Station),
    /// A waiter that keeps watch for its station, as long as it waits.
    Waiter(&'a Turn),
}

impl<'a> Looker<'a> {
    pub fn station(self) -> &'a Station {
        match self {
            Self::Loop(station) => station,
            Self::Waiter(turn) => &turn.station,
        }
    }
}

/// What must happen once the lock is released.
#[derive(Debug, Default)]
#[must_use = "somebody waits for this"]
pub(crate) struct Effects {
    wakers: Vec<Waker>,
    rings: Vec<(Arc<dyn Alarm>, Nanos)>,
    silenced: Vec<Arc<dyn Alarm>>,
}

impl Effects {
    pub fn wake(&mut self, waker: Waker) {
        self.wakers.push(waker);
    }

    /// Does it. Whoever is woken may let go of its own place at once, and so wake the next one: that is done after,
    /// not within, however long the chain.
    #[inline]
    pub fn carry_out(self) {
        if !(self.wakers.is_empty() && self.rings.is_empty() && self.silenced.is_empty()) {
            self.carry_out_in_turn();
        }
    }

    fn carry_out_in_turn(self) {
        thread_local! {
            /// What this thread has yet to carry out, while it does.
            static AGENDA: RefCell<Option<VecDeque<Effects>>> = const { RefCell::new(None) };
        }
        /// Leaves the agenda behind even if a waker panics.
        struct Done;
        impl Drop for Done {
            fn drop(&mut self) {
                AGENDA.take();
            }
        }
        let mut next = Some(self);
        let nested = AGENDA.with_borrow_mut(|agenda| match agenda {
            Some(agenda) => {
                agenda.extend(next.take());
                true
            }
            None => {
                *agenda = Some(VecDeque::new());
                false
            }
        });
        if nested {
            return;
        }
        let _done = Done;
        while let Some(Self { wakers, rings, silenced }) = next {
            wakers.into_iter().for_each(Waker::wake);
            rings.into_iter().for_each(|(alarm, at)| alarm.ring_at(at));
            silenced.into_iter().for_each(|alarm| alarm.silence());
            next = AGENDA.with_borrow_mut(|agenda| agenda.as_mut().and_then(VecDeque::pop_front));
        }
    }
}

/// The waiters of one station. An event loop's are only counted; of the others, the oldest keeps watch.
#[derive(Debug)]
struct Group {
    station: Station,
    waiting: usize,
    members: BTreeMap<Place, Arc<Turn>>,
    rings_at: Option<Nanos>,
}

/// All stations with waiters.
#[derive(Debug, Default)]
pub(super) struct Watch {
    groups: Vec<Group>,
}

impl Watch {
    fn group(&mut self, station: &Station) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.station.is(station))
    }

    pub fn join(&mut self, place: Place, turn: &Arc<Turn>) {
        let group = match self.groups.iter().position(|group| group.station.is(&turn.station)) {
            Some(at) => &mut self.groups[at],
            None => {
                let station = turn.station.clone();
                self.groups.push(Group { station, waiting: 0, members: BTreeMap::new(), rings_at: None });
                self.groups.last_mut().expect("just pushed")
            }
        };
        group.waiting += 1;
        if !matches!(turn.station, Station::Loop(_)) {
            group.members.insert(place, turn.clone());
        }
    }

    pub fn leave(&mut self, place: Place, turn: &Turn, effects: &mut Effects) {
        let Some(at) = self.groups.iter().position(|group| group.station.is(&turn.station)) else { return };
        let group = &mut self.groups[at];
        group.waiting -= 1;
        if group.members.first_key_value().is_some_and(|(&first, _)| first == place) {
            // The watch passes to the next one, who has not been told when to look.
            group.rings_at = None;
        }
        group.members.remove(&place);
        if group.waiting == 0
            && let Station::Loop(alarm) = self.groups.swap_remove(at).station
        {
            effects.silenced.push(alarm);
        }
    }

    /// Whether the waiter at `place` keeps watch for its station.
    pub fn keeps_watch(&self, station: &Station, place: Place) -> bool {
        let group = self.groups.iter().find(|group| group.station.is(station));
        let first = group.and_then(|group| group.members.first_key_value());
        first.is_some_and(|(&first, _)| first == place)
    }

    /// When a station looks at the gate of its own accord; `None` where nobody waits.
    pub fn rings_at(&mut self, station: &Station) -> Option<Nanos> {
        self.group(station)?.rings_at
    }

    /// A station's timer has gone off, or its watch is looking of its own accord.
    pub fn looked(&mut self, station: &Station) {
        if let Some(group) = self.group(station) {
            group.rings_at = None;
        }
    }

    /// Has every station look at the gate at `wake`, unless it will do so before. `told`: this one knows already.
    pub fn set(&mut self, wake: Option<Nanos>, told: Option<&Station>, effects: &mut Effects) {
        let Some(at) = wake else { return };
        for group in &mut self.groups {
            if group.rings_at.is_some_and(|rings_at| rings_at <= at) {
                continue;
            }
            group.rings_at = Some(at);
            if told.is_some_and(|told| told.is(&group.station)) {
                continue;
            }
            match &group.station {
                Station::Loop(alarm) => effects.rings.push((alarm.clone(), at)),
                _ => effects.wakers.extend(group.members.first_key_value().map(|(_, turn)| turn.waker())),
            }
        }
    }

    /// Forgets everybody. What must be dropped without the lock comes back.
    #[cfg(feature = "python")]
    pub fn clear(&mut self) -> impl Sized + use<> {
        std::mem::take(&mut self.groups)
    }
}
