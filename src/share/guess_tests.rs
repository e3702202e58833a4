//! What is locked up beside units that others have certainly used: guesses, made anew with each number of the exchange.

use super::rules_tests::{File, SECOND};
use super::tally_tests::{LIMIT, go_round, two};

#[test]
fn in_the_first_window_what_is_in_flight_may_be_of_others_and_in_the_next_it_is_known_that_there_are_none() {
    let mut file = File::default();
    let (mut one, mut two) = two(&mut file);
    for process in [&mut one, &mut two] {
        (process.unsure, process.in_window) = (10, process.used);
    }
    // Of the 50 of both, 20 are in flight: 45 are of both, or 30 are, and 15 of others.
    one.window = Some((10 * SECOND, 50 * SECOND));
    one.heard = Some((55, file.now));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.free() + two.free(), LIMIT - 50 - 15);
    // By then they should be answered.
    file.now += 4 * SECOND;
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.free() + two.free(), LIMIT - 50);
    file.now += 56 * SECOND;
    one.heard = Some((55, file.now));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    assert_eq!(one.free() + two.free(), LIMIT - 50);
}

#[test]
fn where_windows_end_for_all_at_once_what_others_will_use_until_then_is_kept_for_them() {
    let mut file = File::default();
    let (mut one, mut two) = two(&mut file);
    // A sixth of the window is over. What the two have used they used before it began: others have used 5 in it.
    one.heard = Some((95, file.now));
    one.window = Some((10 * SECOND, 50 * SECOND));
    go_round(&mut file, &mut [&mut one, &mut two], 6);
    // 5, and 25 more and a part of that: 50 are used, and 16 free.
    let free = one.free() + two.free();
    assert!((14..=18).contains(&free), "{free}");
    // The window ends. 5 stay locked up for an interval, and an eighth.
    file.now += 51 * SECOND;
    (one.used, two.used) = (0, 0);
    go_round(&mut file, &mut [&mut one, &mut two], 8);
    assert_eq!(one.free() + two.free(), 95);
    file.now += 18 * SECOND;
    go_round(&mut file, &mut [&mut one, &mut two], 8);
    assert_eq!(one.free() + two.free(), LIMIT);
}
