//! Waiting, against the model: whatever happens to those who wait, every group polls in time, and all that live get through.

use proptest::prelude::*;

use crate::gate::Hold;

use super::model::{Event, IDS, LOOPS, MS, Model, RunsIn};

fn run_model(hold: Hold, events: &[Event]) {
    let mut model = Model::new(hold);
    for &event in events {
        model.happen(event);
        model.check();
    }
    model.everybody_alive_gets_through();
}

fn places() -> impl Strategy<Value = RunsIn> {
    prop_oneof![Just(RunsIn::Thread), Just(RunsIn::Main), (0..LOOPS).prop_map(RunsIn::Loop)]
}

fn events() -> impl Strategy<Value = Event> {
    let loops = 0..LOOPS;
    let timeout = prop_oneof![3 => Just(None), 1 => (1..2_000u64).prop_map(|ms| Some(ms * MS))];
    prop_oneof![
        4 => prop_oneof![0..MS, (1..400u64).prop_map(|ms| ms * MS), Just(1_200 * MS)].prop_map(Event::Pass),
        4 => Just(Event::Jump),
        8 => (places(), 0..IDS.len(), timeout).prop_map(|(place, id, timeout)| Event::Join { place, id, timeout }),
        10 => places().prop_map(Event::Run),
        2 => Just(Event::Ask),
        2 => any::<usize>().prop_map(Event::Cancel),
        2 => any::<usize>().prop_map(Event::Leave),
        2 => Just(Event::Signal),
        1 => any::<bool>().prop_map(|raises| Event::Return { raises }),
        2 => (loops.clone(), prop_oneof![1..4u32, Just(1_000u32), Just(0u32)])
            .prop_map(|(at, times)| Event::Fail { at, times }),
        1 => (loops.clone(), any::<bool>()).prop_map(|(at, blocked)| Event::Block { at, blocked }),
        1 => loops.clone().prop_map(Event::Lose),
        1 => loops.clone().prop_map(Event::RingEarly),
        1 => loops.prop_map(Event::Close),
        1 => Just(Event::Exit),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn every_group_polls_in_time_and_everybody_alive_gets_through(
        start in any::<bool>(),
        events in prop::collection::vec(events(), 1..60),
    ) {
        run_model(if start { Hold::Start } else { Hold::Response }, &events);
    }
}

const fn join(place: RunsIn, id: usize) -> Event {
    Event::Join { place, id, timeout: None }
}

#[test]
fn a_timer_whose_setting_is_interrupted_is_set_all_the_same() {
    let fail = Event::Fail { at: 0, times: 1 };
    let at_loop = RunsIn::Loop(0);
    run_model(Hold::Start, &[join(at_loop, 0), join(at_loop, 3), Event::Jump, fail, Event::Run(at_loop)]);
    run_model(Hold::Start, &[fail, join(at_loop, 0)]);
}

#[test]
fn a_timer_that_cannot_be_set_is_claimed_by_nobody() {
    run_model(Hold::Start, &[Event::Fail { at: 0, times: 1_000 }, join(RunsIn::Loop(0), 0)]);
    // Nor one that another thread asks for.
    let events = [join(RunsIn::Loop(0), 3), Event::Fail { at: 0, times: 1_000 }, join(RunsIn::Thread, 0)];
    run_model(Hold::Start, &events);
}

#[test]
fn threads_keep_watch_while_the_main_thread_is_in_a_handler() {
    run_model(Hold::Start, &[join(RunsIn::Main, 3), Event::Signal, join(RunsIn::Thread, 0)]);
    run_model(Hold::Start, &[join(RunsIn::Main, 3), join(RunsIn::Thread, 0), Event::Signal]);
}

#[test]
fn a_handler_keeps_watch_over_its_own_wait_and_then_hands_it_on() {
    run_model(Hold::Start, &[join(RunsIn::Main, 3), Event::Signal, join(RunsIn::Main, 0)]);
    let back = [Event::Jump, Event::Run(RunsIn::Main), Event::Return { raises: false }];
    run_model(
        Hold::Start,
        &[&[join(RunsIn::Main, 3), Event::Signal, join(RunsIn::Main, 0)], &back[..]].concat(),
    );
}

#[test]
fn threads_that_leave_at_the_programs_end_keep_no_watch() {
    run_model(
        Hold::Start,
        &[join(RunsIn::Thread, 3), join(RunsIn::Thread, 0), Event::Exit, join(RunsIn::Main, 0)],
    );
}

#[test]
fn what_a_blocked_loop_was_granted_goes_to_others() {
    let block = Event::Block { at: 0, blocked: true };
    run_model(Hold::Start, &[join(RunsIn::Loop(0), 0), join(RunsIn::Thread, 0), block]);
    run_model(Hold::Response, &[join(RunsIn::Loop(0), 0), join(RunsIn::Loop(1), 0), Event::Close(0)]);
}

#[test]
fn who_joins_behind_a_blocked_loop_is_given_what_its_loop_lets_lapse() {
    // The first of them was granted, and did not come while only its own loop waited.
    let at_loop = RunsIn::Loop(0);
    let block = Event::Block { at: 0, blocked: true };
    let pass = Event::Pass(1_200 * MS);
    let (a, b) = (join(at_loop, 0), join(RunsIn::Loop(1), 0));
    let events = [a, a, block, pass, Event::Ask, pass, Event::Ask, b];
    run_model(Hold::Response, &events);
}

/// Found by the model: the second of these calls took the timer of the first for one that was lost.
#[test]
fn a_timer_that_is_asked_for_late_is_not_lost() {
    let pass = |ms| Event::Pass(ms * MS);
    let timeout = Some(MS);
    let at_loop = RunsIn::Loop(0);
    run_model(
        Hold::Response,
        &[
            join(at_loop, 3),
            join(RunsIn::Thread, 2),
            pass(1_200),
            join(RunsIn::Thread, 0),
            pass(101),
            Event::Cancel(1),
            Event::Join { place: at_loop, id: 3, timeout },
            Event::Run(at_loop),
        ],
    );
}
