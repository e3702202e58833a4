//! Requests that could never pass, in a table that is accepted as it is.

use std::time::Duration;

use sluicegate::{Error, Options, RateLimit, Throttler};

#[test]
fn a_request_that_could_never_pass_is_refused_and_the_rest_of_its_table_works() {
    let minute = Duration::from_secs(60);
    let table = [
        RateLimit::new("POOL", 100, minute),
        RateLimit::new("/light", 100, minute).link("POOL", 1),
        RateLimit::new("/heavy", 100, minute).link("POOL", 20),
    ];
    let share = Options { limits_share_percentage: 10.0, ..Options::default() };
    assert!(matches!(Throttler::new(&table, share), Err(Error::NeverPasses { .. })));

    let throttler = Throttler::new(&table, Options { hopeless_routes: true, ..share }).expect("accepted");
    let refused = throttler.enter_blocking("/heavy", 1, Some(Duration::ZERO));
    assert!(matches!(refused, Err(Error::NeverPasses { units: 20, available: 10, .. })));
    drop(throttler.enter_blocking("/light", 1, None).expect("it fits"));
    assert_eq!(throttler.usage("POOL").expect("known").used, 1);
}
