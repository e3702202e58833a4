//! All that is known of this process's throttlers and caches, at one moment, as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;

use crate::gate::{Counters, Usage, WAIT_BUCKETS};
use crate::python::cache::{self, CacheReport};
use crate::python::waiting::fork;
use crate::wait::Snapshot;

use super::json::Json;

/// What is read while the interpreter is held; the rest of the work is done without it.
pub(super) struct Read {
    throttlers: Vec<(u64, bool, Snapshot)>,
    caches: Vec<CacheReport>,
}

pub(super) fn read(py: Python<'_>) -> Read {
    let throttlers = (fork::live().into_iter())
        .filter(|(_, throttler)| !throttler.clock().is_manual())
        .map(|(number, throttler)| (number, throttler.is_shared(), throttler.snapshot()))
        .collect();
    Read { throttlers, caches: cache::reports(py) }
}

impl Read {
    pub(super) fn json(&self) -> String {
        let mut json = Json::default();
        json.object(|json| {
            json.key("pid").number(std::process::id());
            let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
            json.key("command").string(&words.join(" "));
            json.key("version").string(env!("CARGO_PKG_VERSION"));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            json.key("at").seconds(now);
            json.key("wait_buckets").list(WAIT_BUCKETS, Json::seconds);
            json.key("throttlers").list(&self.throttlers, throttler);
            json.key("caches").list(&self.caches, cache);
        });
        json.text.push('\n');
        json.text
    }
}

fn throttler(json: &mut Json, (number, shared, snapshot): &(u64, bool, Snapshot)) {
    let Snapshot { usages, counters, oldest_waits, waiting, member } = snapshot;
    json.object(|json| {
        json.key("throttler").number(*number);
        json.key("shared").boolean(*shared);
        // As the overview of a shared budget has it; empty without one.
        json.key("member").string(&member.map_or_else(String::new, |member| format!("{member:016x}")));
        json.key("limits").list(
            usages.iter().zip(counters).zip(oldest_waits),
            |json, ((usage, counts), oldest)| {
                limit(json, usage, counts, *oldest);
            },
        );
        json.key("waiting").list(waiting, |json, (id, requests, oldest)| {
            json.object(|json| {
                json.key("limit_id").string(id);
                json.key("requests").number(*requests as u64);
                json.key("oldest").seconds(*oldest);
            });
        });
    });
}

fn limit(json: &mut Json, usage: &Usage, counts: &Counters, oldest: Duration) {
    json.object(|json| {
        json.key("limit_id").string(&usage.id);
        json.key("limit").number(usage.limit);
        json.key("used").number(usage.used);
        json.key("in_flight").number(usage.in_flight);
        json.key("foreign").number(usage.foreign);
        json.key("reserved").number(usage.reserved);
        json.key("waiting").number(usage.waiting as u64);
        json.key("oldest_wait").seconds(oldest);
        json.key("time_interval").seconds(usage.interval);
        json.key("resets_in").seconds(usage.resets_in);
        json.key("paused").seconds(usage.paused);
        json.key("pause_reason").string(&usage.pause_reason);
        json.key("passed").number(counts.passed);
        json.key("refused").number(counts.refused);
        json.key("timed_out").number(counts.timed_out);
        json.key("pauses").number(counts.pauses);
        json.key("waited").seconds(counts.waits.total);
        json.key("waits").list(counts.waits.buckets, Json::number);
    });
}

fn cache(json: &mut Json, report: &CacheReport) {
    json.object(|json| {
        json.key("cache").string(&report.name);
        json.key("entries").number(report.entries as u64);
        for (name, count) in report.counts {
            json.key(name).number(count);
        }
        json.key("load_time").real(report.load_time);
    });
}

/// Returns all that is known of this process's throttlers and caches, as JSON.
#[pyfunction]
pub fn meter_snapshot(py: Python<'_>) -> String {
    let read = read(py);
    py.detach(|| read.json())
}
