//! What the sink makes of a value is what Postgres makes of the same text: every type, chosen and random values.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use sqlx::AssertSqlSafe;
use std::fmt::Write as _;
use support::Lab;

/// (physical type, logical type, values). Postgres says which of them are right, and what they are.
const VALUES: &[(&str, &str, &[&str])] = &[
    ("text", "string", &["", " a ", "NULL", "\\N", "Å\u{301}\t\"", "☃", "\u{10ffff}"]),
    ("varchar(3)", "string", &["abc", "abcd", "abc  ", "ÅÄÖ", "ÅÄÖx", ""]),
    ("char(2)", "string", &["a", "ab", "abc", "ab   ", "åä", "åäö"]),
    (
        "smallint",
        "integer",
        &["32767", "-32768", "32768", " 7 ", "+7", "-0", "007", "1.0", "1e2", "", "x", "- 1", "--1"],
    ),
    ("integer", "integer", &["2147483647", "-2147483648", "2147483648", "-2147483649", "99999999999999999999"]),
    (
        "bigint",
        "integer",
        &["9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809", "0"],
    ),
    (
        "real",
        "number",
        &["1.5", "0.1", "1e38", "1e39", "-1e39", "nan", "Infinity", "-inf", ".5", "5.", "1e", "0x1", "abc"],
    ),
    ("double precision", "number", &["0.1", "1e308", "1e309", "-1e-3", "NaN", "inf", "-Infinity", " 2 ", "", "1,5"]),
    (
        "numeric",
        "number",
        &[
            "0",
            "0.00",
            "-0.0",
            "1",
            "10000",
            "9999",
            "10000.0001",
            "0.0001",
            "0.00001",
            "123456789012345678901234567890.5",
            "1e10",
            "1E-10",
            "-1.5e3",
            ".5",
            "5.",
            ".",
            "-",
            "",
            "NaN",
            "1e",
            "abc",
            " 1 ",
            "00012.3400",
            "1_000",
        ],
    ),
    (
        "numeric(5,2)",
        "number",
        &[
            "999.99",
            "999.994",
            "999.995",
            "-999.995",
            "1000",
            "0.005",
            "0.004",
            "99.999",
            "999.9949999",
            "1e2",
            "1e3",
            "NaN",
        ],
    ),
    ("numeric(3,0)", "number", &["999", "999.4", "999.5", "0.5", "1000", "-999.49"]),
    (
        "boolean",
        "boolean",
        &["t", "TRUE", "yes", "y", "on", "1", "f", "False", "no", "n", "off", "0", "maybe", "2", "", " true "],
    ),
    (
        "date",
        "date",
        &[
            "2026-01-31",
            "2024-02-29",
            "2023-02-29",
            "1900-02-29",
            "2000-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "0001-01-01",
            "0044-03-15 BC",
            "0001-01-01 BC",
            "9999-12-31",
            "10000-01-01",
            "20260131",
            "2026/01/31",
            "infinity",
            "-infinity",
            "2026-01-31T10:00:00Z",
            "2026-01-31 25:00",
            "0000-01-01",
            "2026-04-31",
            "hello",
            "",
        ],
    ),
    (
        "time",
        "time",
        &[
            "23:59:59",
            "24:00:00",
            "24:00:01",
            "00:00",
            "12:34:56.789",
            "12:34:56.7891234",
            "12:60",
            "noon?",
            "",
            "23:59:60",
        ],
    ),
    (
        "timestamp",
        "timestamp",
        &[
            "2026-01-31T23:59:59",
            "2026-01-31 23:59:59.999999",
            "2026-01-31",
            "2026-01-31T24:00:00",
            "1969-12-31 23:59:59.5",
            "2026-01-31T10:00:00+02:00",
            "2026-01-31T10:00:00Z",
            "2026-01-31 10:00:00.1234567",
            "infinity",
            "0044-03-15 10:00:00 BC",
            "294276-12-31 23:59:59",
            "294277-01-01",
            "4713-01-01 00:00:00 BC",
            "2026-01-31T25:00:00",
            "soon",
            "",
        ],
    ),
    (
        "timestamptz",
        "timestamp",
        &[
            "2026-01-31T23:59:59Z",
            "2026-01-31T23:59:59+02:00",
            "2026-01-31T23:59:59-0330",
            "2026-01-31 23:59:59+05",
            "2026-01-31 23:59:59",
            "2026-01-31",
            "2026-01-31T00:00:00+15:59",
            "2026-01-31T00:00:00+16:00",
            "-infinity",
            "1883-11-18 12:03:58+00:00:30",
            "2026-01-31T00:00:00+2",
            "2026-02-30T00:00:00Z",
        ],
    ),
    (
        "uuid",
        "string",
        &[
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
            "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "",
        ],
    ),
    ("json", "object", &["{\"a\": [1, null]}", "[]", "1", "\"x\"", "{", "nul", "", " {} ", "{\"a\":1,}", "01"]),
    (
        "jsonb",
        "object",
        &["{\"a\": 1.50}", "\"\\u0000\"", "\"\\\\u0000\"", "\"\\u0041\"", "[1,2", "null", "{\"b\":1,\"a\":2}"],
    ),
    (
        "text[]",
        "array",
        &["{}", "{a,b}", "{\"a,b\",NULL,\"NULL\"}", "{a\\,b}", "{ a , b }", "{a", "a,b", "{\"\"}", "{,}", "{a,}"],
    ),
    ("integer[]", "array", &["{1,2,NULL}", "{1,x}", "{ 3 }", "{2147483648}"]),
    ("numeric(4,1)[]", "array", &["{1.25,999.9}", "{1000}"]),
];

/// What Postgres takes that we don't: dates in words and the like. Nothing here may be read as another value.
fn is_left_to_postgres(kind: &str, value: &str) -> bool {
    match kind {
        // Postgres reads a second of 60 as the next minute, and so do we; hexadecimal numbers are its own
        "real" | "double precision" => value.starts_with("0x"),
        "numeric" => value.contains('_'),
        _ => false,
    }
}

/// Random text near the kind's own notation.
fn random(kind: &str, seed: &mut u64) -> String {
    let mut next = |below: u64| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) % below
    };
    let mut text = String::new();
    match kind {
        "numeric" | "numeric(5,2)" | "numeric(3,0)" | "double precision" | "real" => {
            if next(3) == 0 {
                text.push('-');
            }
            for _ in 0..next(if kind == "numeric" { 40 } else { 5 }) {
                write!(text, "{}", next(10)).unwrap();
            }
            if next(2) == 0 {
                text.push('.');
                for _ in 0..next(if kind == "numeric" { 30 } else { 5 }) {
                    write!(text, "{}", next(10)).unwrap();
                }
            }
            if next(5) == 0 {
                write!(text, "e{}", next(60) as i64 - 30).unwrap();
            }
        }
        "date" => write!(text, "{:04}-{:02}-{:02}", next(3000), next(14), next(33)).unwrap(),
        "timestamp" | "timestamptz" => {
            let (y, mo, d) = (next(3000) + 1, next(12) + 1, next(31) + 1);
            write!(text, "{y:04}-{mo:02}-{d:02}T{:02}:{:02}:{:02}.{}", next(24), next(60), next(60), next(1_000_000))
                .unwrap();
            if next(2) == 0 {
                write!(text, "{}{:02}:{:02}", if next(2) == 0 { '+' } else { '-' }, next(15), next(60)).unwrap();
            }
        }
        "time" => write!(text, "{:02}:{:02}:{:02}.{}", next(25), next(61), next(60), next(10_000_000)).unwrap(),
        "smallint" | "integer" | "bigint" => write!(text, "{}", next(1 << 33) as i64 - (1 << 32)).unwrap(),
        _ => {}
    }
    text
}

#[tokio::test]
async fn a_value_is_taken_as_postgres_takes_it_or_refused_as_it_refuses_it() {
    let mut properties = String::from(
        "    customProperties: [{property: ingest, value: {onBadRows: reject, maxRejects: 100000}}]\n    properties:\n      - {name: n, logicalType: integer, required: true}\n",
    );
    for (i, (kind, logical, _)) in VALUES.iter().enumerate() {
        writeln!(properties, "      - {{name: c{i}, logicalType: {logical}, physicalType: \"{kind}\"}}").unwrap();
    }
    let lab = Lab::open(&properties).await;
    let mut seed = 42;
    let mut cases: Vec<(usize, String)> = Vec::new();
    for (i, (kind, _, values)) in VALUES.iter().enumerate() {
        cases.extend(values.iter().map(|v| (i, (*v).to_owned())));
        cases.extend((0..200).map(|_| (i, random(kind, &mut seed))).filter(|(_, v)| !v.is_empty()));
    }
    let mut body = String::new();
    for (n, (i, value)) in cases.iter().enumerate() {
        let line = serde_json::json!({"n": n, format!("c{i}"): value});
        writeln!(body, "{line}").unwrap();
    }
    let taken = lab.send("application/x-ndjson", body.as_bytes()).await.unwrap();
    assert_eq!(taken.batch.rows + taken.batch.rejected, cases.len() as u64);
    let (mut agreed, mut wrong) = (0, Vec::new());
    for (n, (i, value)) in cases.iter().enumerate() {
        let (kind, _, _) = VALUES[*i];
        let expected: Result<Option<String>, sqlx::Error> =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT $1::text::{kind}::text")))
                .bind(value)
                .fetch_one(lab.store.owner())
                .await;
        let got = lab.column(&format!("SELECT c{i}::text FROM input.raw WHERE n = {n}")).await;
        match (expected, got.first()) {
            (Ok(expected), Some(got)) if expected == *got => agreed += 1,
            (Err(_), None) => agreed += 1,
            (Ok(_), None) if is_left_to_postgres(kind, value) => {}
            // an explicit cast cuts what is too long, an assignment refuses it
            (Ok(_), None) if kind.contains("char(") => agreed += 1,
            (expected, got) => wrong.push(format!("{kind} {value:?}: Postgres {expected:?}, we {got:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(agreed > 1500, "{agreed}");
}
