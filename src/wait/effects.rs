//! What must happen once the lock is released: waiters to wake, timers to set.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use crate::clock::Nanos;

use super::block::Block;
use super::turn::Turn;
use super::wake_groups::{Timer, WakeGroup};

/// See the [module](self).
#[derive(Debug, Default)]
#[must_use = "somebody waits for this"]
pub(crate) struct Effects {
    /// Waking a thread runs no foreign code, so that comes first: whatever the rest runs into, the threads are awake.
    threads: Vec<Waker>,
    loops: Vec<Effect>,
    /// Dropping them may run foreign code.
    dropped: Vec<Arc<Turn>>,
    /// Blocks whose units are to be in flight again.
    blocks: Vec<Arc<Block>>,
}

#[derive(Debug)]
enum Effect {
    Wake(Waker),
    Ring(Arc<dyn Timer>, Nanos),
    Silence(Arc<dyn Timer>),
}

impl Effect {
    fn carry_out(self) {
        match self {
            Self::Wake(waker) => waker.wake(),
            Self::Ring(timer, at) => timer.ring_at(at),
            Self::Silence(timer) => timer.silence(),
        }
    }
}

/// How deep effects may nest: beyond that, what comes up within one is left to those around it. However long a chain of
/// waiters of which each lets the next one go, the stack stays flat.
const DEEPEST: u8 = 8;

/// What a thread has yet to carry out, while it does.
struct Agenda {
    depth: u8,
    due: VecDeque<Effect>,
}

thread_local! {
    static AGENDA: RefCell<Agenda> = const { RefCell::new(Agenda { depth: 0, due: VecDeque::new() }) };
}

impl Agenda {
    /// Runs `f` on this thread's agenda; `None` in a thread that is ending, and has none any more.
    fn with<T>(f: impl FnOnce(&mut Agenda) -> T) -> Option<T> {
        AGENDA.try_with(|agenda| f(&mut agenda.borrow_mut())).ok()
    }
}

impl Effects {
    pub fn wake(&mut self, turn: &Turn) {
        match turn.group {
            WakeGroup::Loop(_) => self.loops.push(Effect::Wake(turn.waker())),
            _ => self.threads.push(turn.waker()),
        }
    }

    /// Wakes a waiter if that is a thread.
    pub fn wake_thread(&mut self, turn: &Turn) {
        if !matches!(turn.group, WakeGroup::Loop(_)) {
            self.threads.push(turn.waker());
        }
    }

    pub fn ring(&mut self, timer: &Arc<dyn Timer>, at: Nanos) {
        self.loops.push(Effect::Ring(timer.clone(), at));
    }

    pub fn silence(&mut self, timer: Arc<dyn Timer>) {
        self.loops.push(Effect::Silence(timer));
    }

    pub fn drop_later(&mut self, turn: Arc<Turn>) {
        self.dropped.push(turn);
    }

    /// The units of these blocks, which were settled, are in flight again.
    pub fn hold_again(&mut self, blocks: impl Iterator<Item = Arc<Block>>) {
        self.blocks.extend(blocks);
    }

    /// Does it.
    #[inline]
    pub fn carry_out(self) {
        self.blocks.iter().for_each(|block| block.hold_again());
        if !(self.threads.is_empty() && self.loops.is_empty()) {
            self.carry_out_in_turn();
        }
    }

    fn carry_out_in_turn(self) {
        /// Also leaves when a waker panics; what is still due then is done with whatever comes next.
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                Agenda::with(|agenda| agenda.depth -= 1);
            }
        }
        let Self { threads, loops, dropped: _dropped, blocks: _ } = self;
        let mut due = Some(threads.into_iter().map(Effect::Wake).chain(loops));
        let entered = Agenda::with(|agenda| {
            agenda.due.extend(due.take().into_iter().flatten());
            let enters = agenda.depth < DEEPEST;
            agenda.depth += u8::from(enters);
            enters
        });
        match entered {
            Some(true) => {
                let _leave = Leave;
                // A signal handler may run within an effect, and wait here: so the innermost does all that is
                // due, also what those around it have begun.
                while let Some(effect) = Agenda::with(|agenda| agenda.due.pop_front()).flatten() {
                    effect.carry_out();
                }
            }
            Some(false) => {}
            None => due.into_iter().flatten().for_each(Effect::carry_out),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Wakes so many others, each of which wakes the next, and counts.
    struct Chain {
        left: usize,
        woken: Arc<AtomicUsize>,
    }

    impl Wake for Chain {
        fn wake(self: Arc<Self>) {
            self.woken.fetch_add(1, Ordering::SeqCst);
            if self.left > 0 {
                chain(self.left - 1, &self.woken).carry_out();
            }
        }
    }

    fn chain(left: usize, woken: &Arc<AtomicUsize>) -> Effects {
        let waker = Waker::from(Arc::new(Chain { left, woken: woken.clone() }));
        Effects { loops: vec![Effect::Wake(waker)], ..Effects::default() }
    }

    #[test]
    fn a_long_chain_of_wakers_keeps_the_stack_flat() {
        let woken = Arc::default();
        chain(1_000_000, &woken).carry_out();
        assert_eq!(woken.load(Ordering::SeqCst), 1_000_001);
    }

    /// As a signal handler that waits here, where it has interrupted a waker.
    struct Handler {
        woken: Arc<AtomicUsize>,
    }

    impl Wake for Handler {
        fn wake(self: Arc<Self>) {
            chain(0, &self.woken).carry_out();
            assert_eq!(self.woken.load(Ordering::SeqCst), 2, "its own, and what it has interrupted");
        }
    }

    #[test]
    fn what_an_interrupted_thread_has_yet_to_do_is_done_within_the_interruption() {
        let woken = Arc::default();
        let handler = Waker::from(Arc::new(Handler { woken: Arc::clone(&woken) }));
        let mut effects = chain(0, &woken);
        effects.loops.insert(0, Effect::Wake(handler));
        effects.carry_out();
        assert_eq!(woken.load(Ordering::SeqCst), 2);
    }
}
