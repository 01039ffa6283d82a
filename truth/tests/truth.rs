//! Compares the federated answers of random operations over random graphs with those of the graphs in one piece.
//!
//! `TRUTH_OPERATIONS` is how many operations are compared (10,000 unless told), `TRUTH_SEED` the first world's seed. A
//! failure prints a case that is as small as shrinking gets it: the subgraphs, the operation, both answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use terrane_truth::{Bench, Failure, operation, shrink, world};

const OPERATIONS_PER_WORLD: usize = 25;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("it is a number"))
}

#[derive(Default)]
struct Totals {
    operations: AtomicUsize,
    requests: AtomicUsize,
    with_errors: AtomicUsize,
    with_hops: AtomicUsize,
}

/// Compare some operations over the world of a seed.
fn compare(seed: u64, totals: &Totals) -> Result<(), String> {
    let told = |failure: Failure, operation| {
        let kind = failure.kind;
        let (world, operation, failure) = shrink(world(seed), operation, failure, 3000);
        format!("seed {seed}: {kind:?}\n{}{}", Bench::describe(&world, &operation), failure.text)
    };
    let bench = match Bench::new(world(seed)) {
        Ok(bench) => bench,
        Err(failure) => return Err(told(failure, operation(&world(seed), seed))),
    };
    for number in 0..OPERATIONS_PER_WORLD as u64 {
        let operation = operation(bench.world(), seed.wrapping_mul(1000) + number);
        match bench.check(&operation) {
            Ok(None) => {}
            Ok(Some(exercise)) => {
                totals.operations.fetch_add(1, Ordering::Relaxed);
                totals.requests.fetch_add(exercise.requests, Ordering::Relaxed);
                totals.with_errors.fetch_add(usize::from(exercise.errors > 0), Ordering::Relaxed);
                totals.with_hops.fetch_add(usize::from(exercise.requests > 1), Ordering::Relaxed);
            }
            Err(failure) => return Err(told(failure, operation)),
        }
    }
    Ok(())
}

#[test]
fn federated_answers_are_the_true_ones() {
    let wanted = number("TRUTH_OPERATIONS", 10_000);
    let first = number("TRUTH_SEED", 1);
    let failures_shown = number("TRUTH_FAILURES", 3);
    let (next, totals) = (AtomicUsize::new(first), Totals::default());
    let failures = std::sync::Mutex::new(Vec::new());
    let started = Instant::now();
    let enough = || failures.lock().map_or(0, |failures| failures.len()) >= failures_shown;
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        for _ in 0..threads {
            scope.spawn(|| {
                while totals.operations.load(Ordering::Relaxed) < wanted && !enough() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if let Err(told) = compare(seed as u64, &totals) {
                        failures.lock().expect("no thread panics with it").push(told);
                    }
                }
            });
        }
    });
    let [operations, requests, with_errors, with_hops] =
        [&totals.operations, &totals.requests, &totals.with_errors, &totals.with_hops]
            .map(|total| total.load(Ordering::Relaxed));
    println!(
        "{operations} operations over {} worlds in {:?}: {requests} subgraph requests, {with_hops} operations with \
         several, {with_errors} with errors",
        next.load(Ordering::Relaxed) - first,
        started.elapsed()
    );
    let failures = failures.into_inner().expect("no thread panics with it");
    assert!(failures.is_empty(), "{}", failures.join("\n==========\n"));
    assert!(with_hops * 3 > operations, "too few operations need several requests");
    assert!(with_errors * 10 > operations, "too few operations have errors");
}
