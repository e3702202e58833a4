//! The cost of the decision itself, without Python.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sluicegate::{Hold, MAX_LIMIT, Options, RateLimit, Throttler};

const DAY: Duration = Duration::from_secs(86_400);

/// A throttler whose "/x" takes from so many pools beside its own limit.
fn throttler(pools: usize, hold: Hold) -> Throttler {
    let mut table: Vec<_> =
        (0..pools).map(|pool| RateLimit::new(format!("POOL{pool}"), MAX_LIMIT, DAY)).collect();
    let request = (0..pools)
        .fold(RateLimit::new("/x", MAX_LIMIT, DAY), |limit, pool| limit.link(format!("POOL{pool}"), 1));
    table.push(request);
    Throttler::new(&table, Options { hold, ..Options::default() }).expect("a fine table")
}

fn uncontended_pass(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("uncontended pass");
    for hold in [Hold::Response, Hold::Start] {
        for pools in [1, 4] {
            let throttler = throttler(pools, hold);
            group.bench_function(BenchmarkId::new(format!("{hold:?}"), pools), |bencher| {
                bencher.iter(|| drop(black_box(throttler.try_enter("/x", 1).expect("known"))));
            });
        }
    }
    group.finish();
}

fn pass_with_a_full_window_behind(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pass with so many charges in the window");
    for charges in [0, 1_000, 1_000_000] {
        let throttler = throttler(1, Hold::Response);
        (0..charges).for_each(|_| drop(throttler.try_enter("/x", 1).expect("known")));
        group.bench_function(BenchmarkId::from_parameter(charges), |bencher| {
            bencher.iter(|| drop(black_box(throttler.try_enter("/x", 1).expect("known"))));
        });
    }
    group.finish();
}

/// By a route that was looked up once, with two limits; beside governor's one approximate limit.
fn known_route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("two limits, a known route");
    let throttler = throttler(1, Hold::Response);
    let route = throttler.route("/x").expect("known");
    group.bench_function("charge", |bencher| bencher.iter(|| black_box(route.charge(1).expect("fits"))));
    group.bench_function("enter and leave", |bencher| {
        bencher.iter(|| drop(black_box(route.try_enter(1).expect("fits"))));
    });
    let quota = governor::Quota::per_second(std::num::NonZeroU32::MAX);
    let direct = governor::RateLimiter::direct(quota);
    group.bench_function("governor, direct", |bencher| bencher.iter(|| black_box(direct.check().is_ok())));
    let keyed = governor::RateLimiter::keyed(quota);
    group.bench_function("governor, keyed", |bencher| {
        bencher.iter(|| black_box(keyed.check_key(&"/x").is_ok()))
    });
    group
        .bench_function("reading the clock", |bencher| bencher.iter(|| black_box(std::time::Instant::now())));
    group.finish();
}

criterion_group!(benches, known_route, uncontended_pass, pass_with_a_full_window_behind);
criterion_main!(benches);
