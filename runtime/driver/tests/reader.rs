//! Readers on a real server: what one statement does never changes the answer of another.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use terrane_driver::{Ask, DriverError, Reader, ReaderOptions, Rows, Target};
use terrane_query::{Bind, RowSource as _};
use terrane_testkit::fresh_database;

struct Statement {
    id: u64,
    text: Arc<str>,
    pace: AtomicU32,
}

impl Statement {
    fn new(text: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), text: text.into(), pace: AtomicU32::new(0) }
    }

    /// One that is taken to be quick from the start: it travels with others.
    fn quick(text: &str) -> Self {
        let statement = Self::new(text);
        statement.pace.store(1, Ordering::Relaxed);
        statement
    }

    fn ask<'a>(&'a self, binds: &'a [Bind]) -> Ask<'a> {
        Ask { id: self.id, text: &self.text, binds, pace: &self.pace, primary: false }
    }
}

async fn options(settings: &[(&str, &str)]) -> ReaderOptions {
    let url = fresh_database().await;
    ReaderOptions::new(Target::from_url(&url, settings).unwrap(), Duration::from_secs(10))
}

fn number(rows: &mut Rows) -> i64 {
    assert!(rows.advance());
    i64::from_be_bytes(rows.column(0).unwrap().try_into().unwrap())
}

fn code(error: &DriverError) -> &str {
    match error {
        DriverError::Database { code, .. } => code,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_kind_of_value_arrives() {
    let reader = Reader::start(options(&[]).await);
    let text = "SELECT ($1::text = 'é')::int + ($2::int8 = -7)::int + ($3::float8 = 0.5)::int + ($4::bool)::int \
                + (cardinality($5::text[]) = 2 AND ($5::text[])[2] IS NULL)::int + (cardinality($6::int8[]) = 0)::int \
                + (($7::float8[])[1] = 1.5)::int + (($8::bool[])[1])::int + ($9::text IS NULL)::int::int8";
    let statement = Statement::new(text);
    let binds = [
        Bind::Text(Some("é".to_owned())),
        Bind::Int8(Some(-7)),
        Bind::Float8(Some(0.5)),
        Bind::Bool(Some(true)),
        Bind::TextArray(vec![Some("a".to_owned()), None]),
        Bind::Int8Array(Vec::new()),
        Bind::Float8Array(vec![Some(1.5)]),
        Bind::BoolArray(vec![Some(true)]),
        Bind::Text(None),
    ];
    assert_eq!(number(&mut reader.fetch(&statement.ask(&binds)).await.unwrap()), 9);
}

#[tokio::test]
async fn statements_that_travel_together_get_their_own_answers_and_errors() {
    let reader = Reader::start(options(&[]).await);
    let divide = Arc::new(Statement::quick("SELECT 100 / $1::int8"));
    let tasks: Vec<_> = (0..200i64)
        .map(|i| {
            let (reader, divide) = (reader.clone(), Arc::clone(&divide));
            tokio::spawn(async move {
                let binds = [Bind::Int8(Some(i % 10))];
                reader.fetch(&divide.ask(&binds)).await.map(|mut rows| number(&mut rows))
            })
        })
        .collect();
    for (i, task) in (0..200i64).zip(tasks) {
        match (i % 10, task.await.unwrap()) {
            (0, answer) => assert_eq!(code(&answer.unwrap_err()), "22012", "division by zero"),
            (by, answer) => assert_eq!(answer.unwrap(), 100 / by),
        }
    }
}

#[tokio::test]
async fn a_slow_statement_does_not_hold_the_quick_ones_up() {
    let mut options = options(&[]).await;
    options.connections = 3;
    let reader = Reader::start(options);
    let sleep = Arc::new(Statement::quick("SELECT 1::int8 FROM pg_sleep(3)"));
    let slow = {
        let (reader, sleep) = (reader.clone(), Arc::clone(&sleep));
        tokio::spawn(async move { reader.fetch(&sleep.ask(&[])).await.map(|mut rows| number(&mut rows)) })
    };
    let quick = Statement::quick("SELECT $1::int8");
    let started = Instant::now();
    let mut finished_before = 0;
    while !slow.is_finished() {
        let binds = [Bind::Int8(Some(finished_before))];
        assert_eq!(number(&mut reader.fetch(&quick.ask(&binds)).await.unwrap()), finished_before);
        finished_before += 1;
    }
    assert_eq!(slow.await.unwrap().unwrap(), 1);
    assert!(finished_before > 10, "{finished_before} quick statements in {:?}", started.elapsed());
    assert!(sleep.pace.load(Ordering::Relaxed) > 1000, "it is known to be slow now");
}

#[tokio::test]
async fn nobody_waits_then_the_statement_is_cancelled() {
    let reader = Reader::start(options(&[]).await);
    let sleep = Statement::new("SELECT 1 FROM pg_sleep(600) /* cancel me */");
    let running = Statement::new(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%cancel' || ' me%'",
    );
    let ask = sleep.ask(&[]);
    assert!(tokio::time::timeout(Duration::from_millis(300), reader.fetch(&ask)).await.is_err());
    while number(&mut reader.fetch(&running.ask(&[])).await.unwrap()) > 0 {}
}

#[tokio::test]
async fn time_limits_and_sizes_are_errors_of_one_statement() {
    let mut options = options(&[("statement_timeout", "100")]).await;
    options.largest_answer = 1_000_000;
    let reader = Reader::start(options);
    let sleep = Statement::new("SELECT 1 FROM pg_sleep(60)");
    assert!(matches!(reader.fetch(&sleep.ask(&[])).await, Err(DriverError::Timeout)));
    let large = Statement::new("SELECT repeat('x', 1000) FROM generate_series(1, 10000)");
    assert!(matches!(reader.fetch(&large.ask(&[])).await, Err(DriverError::TooLarge(_))));
    let one = Statement::new("SELECT 1::int8");
    assert_eq!(number(&mut reader.fetch(&one.ask(&[])).await.unwrap()), 1);
}

#[tokio::test]
async fn more_than_may_wait_is_refused() {
    let mut options = options(&[]).await;
    (options.connections, options.waiting, options.wait) = (1, 2, Duration::from_millis(200));
    let reader = Reader::start(options);
    let sleep = Arc::new(Statement::new("SELECT 1::int8 FROM pg_sleep(1)"));
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let (reader, sleep) = (reader.clone(), Arc::clone(&sleep));
            tokio::spawn(async move { reader.fetch(&sleep.ask(&[])).await.map(|mut rows| number(&mut rows)) })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|a| matches!(a, Ok(1))).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|a| matches!(a, Err(DriverError::Busy))).count(), 5, "{answers:?}");
}

#[tokio::test]
async fn a_table_of_other_columns_and_a_killed_connection_are_not_noticed() {
    let url = fresh_database().await;
    let owner = Reader::start(ReaderOptions::new(Target::from_url(&url, &[]).unwrap(), Duration::from_secs(10)));
    let run = async |text: &str| owner.fetch(&Statement::new(text).ask(&[])).await.map(drop);
    run("CREATE TABLE numbers AS SELECT 5::int8 AS n").await.unwrap();
    let reader = Reader::start(ReaderOptions::new(Target::from_url(&url, &[]).unwrap(), Duration::from_secs(10)));
    let read = Statement::quick("SELECT n FROM numbers");
    assert_eq!(number(&mut reader.fetch(&read.ask(&[])).await.unwrap()), 5);
    run("DROP TABLE numbers").await.unwrap();
    run("CREATE TABLE numbers AS SELECT 'six'::text AS n").await.unwrap();
    let mut rows = reader.fetch(&read.ask(&[])).await.unwrap();
    assert!(rows.advance());
    assert_eq!(rows.column(0), Some(&b"six"[..]));
    run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT n FROM%'").await.unwrap();
    assert!(reader.fetch(&read.ask(&[])).await.unwrap().advance());
}

#[tokio::test]
async fn a_wrong_password_says_so() {
    let url = fresh_database().await;
    let mut wrong = url::Url::parse(&url).unwrap();
    wrong.set_password(Some("wrong")).unwrap();
    let target = Target::from_url(wrong.as_str(), &[]).unwrap();
    let reader = Reader::start(ReaderOptions::new(target, Duration::from_secs(10)));
    let answer = reader.fetch(&Statement::new("SELECT 1").ask(&[])).await;
    assert!(matches!(answer, Err(DriverError::Refused(_))), "{answer:?}");
}
