//! Every format, dialect and packing ends in the same rows; bad rows are told of with their place, field and reason.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use support::{Lab, what};
use terrane_ingest::{Drift, Encoding, IngestError, Receive};
use terrane_store::BatchMode;
use tokio::io::AsyncWriteExt as _;

const FIELDS: &str = "
    properties:
      - {name: code, logicalType: string, physicalType: char(2), required: true}
      - {name: full_name, physicalName: name, businessName: Name of the country, logicalType: string}
      - {name: population, logicalType: integer, physicalType: bigint}
";

const EVERYTHING: &str = "
    customProperties: [{property: ingest, value: {sheet: Data}}]
    properties:
      - {name: code, logicalType: string, physicalType: char(2), required: true}
      - {name: name, logicalType: string}
      - {name: population, logicalType: integer}
      - {name: share, logicalType: number, physicalType: real}
      - {name: price, logicalType: number, physicalType: 'numeric(10,2)'}
      - {name: active, logicalType: boolean}
      - {name: since, logicalType: date}
      - {name: at, logicalType: timestamp}
      - {name: alarm, logicalType: time}
      - {name: tags, logicalType: array, items: {logicalType: string}}
      - {name: extra, logicalType: object, physicalType: jsonb}
";

fn with_options(options: &str) -> String {
    format!("    customProperties: [{{property: ingest, value: {options}}}]{FIELDS}")
}

const LINE: &str = "SELECT concat_ws('|', code, name, population) FROM input.raw ORDER BY population NULLS LAST";

async fn lines(lab: &Lab) -> Vec<String> {
    lab.column(LINE).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn delimited_text_is_read_in_the_dialect_that_is_declared_or_found() {
    let norway = ["NO|Norge, \"land\"|5"];
    // found out: the delimiter, the order of columns, and which name is meant
    for body in [
        "code,full_name,population\nNO,\"Norge, \"\"land\"\"\",5\n",
        "\u{feff}Population;CODE;name\r\n5;NO;\"Norge, \"\"land\"\"\"\r\n",
        "code\tName of the country\tpopulation\nNO\t\"Norge, \"\"land\"\"\"\t5",
        "Code|FullName|POPULATION\nNO|\"Norge, \"\"land\"\"\"|5\n\n\n",
    ] {
        let lab = Lab::open(FIELDS).await;
        let taken = lab.send("text/csv", body.as_bytes()).await.unwrap();
        assert_eq!((taken.batch.rows, taken.drift.len()), (1, 0), "{body}");
        assert_eq!(lines(&lab).await, norway, "{body}");
    }
    // declared by the contract
    for (options, body) in [
        ("{csv: {delimiter: ';', quote: \"'\"}}", b"code;name\nNO;'Norge, \"land\"'\n".as_slice()),
        ("{csv: {escape: '\\'}}", b"code,name\nNO,\"Norge, \\\"land\\\"\"\n"),
        ("{csv: {quote: '', delimiter: ';'}}", b"code;name\nNO;Norge, \"land\"\n"),
        ("{csv: {header: false, columns: [name, code]}}", b"\"Norge, \"\"land\"\"\",NO\n"),
        ("{csv: {header: false, columns: [name, code]}}", b"\xef\xbb\xbf\"Norge, \"\"land\"\"\",NO\n"),
        ("{csv: {skipLines: 2, comment: '#'}}", b"A report\n\ncode,name\n#,x\nNO,\"Norge, \"\"land\"\"\"\n"),
        ("{extraColumns: ignore}", b"more,code,name\n1,NO,\"Norge, \"\"land\"\"\"\n"),
    ] {
        let lab = Lab::open(&with_options(options)).await;
        lab.send("text/csv", body).await.unwrap_or_else(|e| panic!("{options}: {e}"));
        assert_eq!(lines(&lab).await, ["NO|Norge, \"land\""], "{options}");
    }
    let lab = Lab::open(&with_options("{csv: {nulls: ['', '-', 'n/a']}}")).await;
    lab.send("text/csv", b"code,name,population\nNO,-,5\nNA,NA,n/a\n").await.unwrap();
    assert_eq!(lines(&lab).await, ["NO|5", "NA|NA"]);
    // declared by the sender
    let lab = Lab::open(FIELDS).await;
    lab.send("text/csv; charset=iso-8859-1", b"code,name\nAX,\xc5land\n").await.unwrap();
    lab.send("text/csv; header=absent; delimiter=\";\"", b"CI;C\xc3\xb4te;1\n").await.unwrap();
    lab.send("text/tab-separated-values", b"code\tname\tpopulation\nSE\ta,b\t2\n").await.unwrap();
    assert_eq!(lines(&lab).await, ["CI|Côte|1", "SE|a,b|2", "AX|Åland"]);
}

#[tokio::test]
async fn json_is_taken_as_an_array_and_in_lines() {
    let lab = Lab::open(FIELDS).await;
    let array = br#" [ {"code": "NO", "full_name": "a]},{\"[", "population": 1},
        {"population": "2", "CODE": "SE"} ,{"code":"DK","name":null,"population":3}] "#;
    assert_eq!(lab.send("application/json", array).await.unwrap().batch.rows, 3);
    assert_eq!(lines(&lab).await, ["NO|a]},{\"[|1", "SE|2", "DK|3"]);
    lab.send("application/json", b"{\"code\":\"FI\",\"population\":4}\n\n{\"code\":\"IS\",\"population\":5}")
        .await
        .unwrap();
    assert_eq!(lines(&lab).await[3..], ["FI|4", "IS|5"]);
    for body in ["[{\"code\":\"NO\"}", "[{\"code\":\"NO\"},]", "[,]", "[] x", "\"x\"", "[{\"code\":\"NO\"}{}]", ""] {
        let error = lab.send("application/json", body.as_bytes()).await.unwrap_err();
        assert_eq!(error.code(), "BAD_ROW", "{body}: {error}");
    }
    assert_eq!(lab.send("application/json", b"[ ]").await.unwrap().batch.rows, 0);
    assert_eq!(lab.count().await, 5);
}

#[tokio::test]
async fn columnar_files_of_other_peoples_writers_are_read_by_name_or_first_bytes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files/");
    let sql = "SELECT jsonb_build_array(code, name, population, share, price, active, since, at AT TIME ZONE 'UTC', alarm, \
               tags, extra)::text FROM input.raw ORDER BY code";
    let norway = "[\"NO\", \"Norge ☃\", 5400000, 0.25, 12.50, true, \"1814-05-17\", \"2026-01-31T23:59:59.25\", \
                  \"06:30:15\", [\"nordic\", null, \"a,\\\"b\"], {\"area\": 385207, \"capital\": \"Oslo\"}]";
    let nothing = "[\"XX\", null, null, null, null, null, null, null, null, null, null]";
    for name in ["rows.parquet", "rows.arrow", "rows.arrows", "rows.avro", "rows.xlsx", "rows-1904.xlsx"] {
        let lab = Lab::open(EVERYTHING).await;
        let body = std::fs::read(format!("{folder}{name}")).unwrap();
        let taken = lab.send_as(&what(), &body).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(taken.batch.rows, 3, "{name}");
        let rows: Vec<String> = lab.column(sql).await.into_iter().flatten().collect();
        assert_eq!(rows[1], norway, "{name}");
        assert_eq!(rows[2], nothing, "{name}");
        if !name.ends_with(".xlsx") {
            assert!(rows[0].contains("-0.01") && rows[0].contains("1969-12-31T23:00:00.000001"), "{name}: {}", rows[0]);
            // half a file says so, and leaves nothing
            let error = lab.send_as(&what(), &body[..body.len() / 2]).await.unwrap_err();
            assert!(error.is_client(), "{name}: {error}");
        }
        assert_eq!(lab.count().await, 3, "{name}");
    }
    // a type of another kind is taken where its values fit, and noted
    let other =
        EVERYTHING.replace("{name: population, logicalType: integer}", "{name: population, logicalType: string}");
    let lab = Lab::open(&other).await;
    let body = std::fs::read(format!("{folder}rows.parquet")).unwrap();
    let drift = lab.send("application/vnd.apache.parquet", &body).await.unwrap().drift;
    assert!(matches!(drift.as_slice(), [Drift::Type { field, .. }] if field == "population"), "{drift:?}");
}

async fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packed = GzipEncoder::new(Vec::new());
    packed.write_all(content).await.unwrap();
    packed.shutdown().await.unwrap();
    packed.into_inner()
}

async fn zstd(content: &[u8]) -> Vec<u8> {
    let mut packed = ZstdEncoder::new(Vec::new());
    packed.write_all(content).await.unwrap();
    packed.shutdown().await.unwrap();
    packed.into_inner()
}

#[tokio::test]
async fn every_format_is_unpacked_as_a_packed_body_and_as_a_packed_file() {
    let file = |name: &str| std::fs::read(format!("{}/tests/files/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let lab = Lab::open(EVERYTHING).await;
    let replace = Receive { mode: BatchMode::Replace, ..what() };
    for (name, format, content) in [
        ("x.csv", "text/csv", b"code,population\nNO,1\nSE,2\nDK,3\n".to_vec()),
        ("x.tsv", "text/tab-separated-values", b"code\tpopulation\nNO\t1\nSE\t2\nDK\t3\n".to_vec()),
        ("x.json", "application/json", b"[{\"code\":\"NO\"},{\"code\":\"SE\"},{\"code\":\"DK\"}]".to_vec()),
        ("x.ndjson", "application/x-ndjson", b"{\"code\":\"NO\"}\n{\"code\":\"SE\"}\n{\"code\":\"DK\"}\n".to_vec()),
        ("rows.parquet", "application/vnd.apache.parquet", file("rows.parquet")),
        ("rows.arrow", "application/vnd.apache.arrow.file", file("rows.arrow")),
        ("rows.arrows", "application/vnd.apache.arrow.stream", file("rows.arrows")),
        ("rows.avro", "application/avro", file("rows.avro")),
        ("rows.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", file("rows.xlsx")),
    ] {
        for (packed, ending, encoding) in
            [(gzip(&content).await, "gz", Encoding::Gzip), (zstd(&content).await, "zst", Encoding::Zstd)]
        {
            let name = format!("{name}.{ending}");
            // by its first bytes, by its name, by the word of the sender, and by the format's name alone
            for what in [
                replace.clone(),
                Receive { name: Some(&name), ..replace.clone() },
                Receive { content_type: Some(format), encoding, ..replace.clone() },
                Receive { content_type: Some(format), ..replace.clone() },
            ] {
                let taken = lab.send_as(&what, &packed).await.unwrap_or_else(|e| panic!("{name} {what:?}: {e}"));
                assert_eq!((taken.batch.rows, lab.count().await), (3, 3), "{name} {what:?}");
            }
            // half of it says so, and what was there stays
            let error = lab.send_as(&replace, &packed[..packed.len() / 2]).await.unwrap_err();
            assert!(error.is_client() && lab.count().await == 3, "{name}: {error}");
        }
    }
}

#[tokio::test]
async fn bad_rows_are_told_of_and_the_contract_says_what_becomes_of_the_rest() {
    let body = b"code,name,population\nNO,a,1\nSEE,b,2\nDK,c,many\nFI,d\n,e,x\nIS,f,3\n";
    let expected = [
        (2, Some("code"), Some("SEE"), "is longer than 2 characters"),
        (3, Some("population"), Some("many"), "is no whole number"),
        (4, None, None, "has 2 values where there are 3 columns"),
        (5, Some("code"), None, "is required, and has no value"),
        (5, Some("population"), Some("x"), "is no whole number"),
    ];
    // refused whole, with everything that is wrong
    let lab = Lab::open(FIELDS).await;
    let error = lab.send("text/csv", body).await.unwrap_err();
    assert!(error.to_string().starts_with("4 bad rows; row 2, field `code`: is longer"), "{error}");
    assert!(!error.to_string().contains("many"));
    let IngestError::BadRows { rows: 4, more: false, rejects } = &error else { panic!("{error:?}") };
    let found: Vec<_> =
        rejects.iter().map(|r| (r.row, r.field.as_deref(), r.value.as_deref(), r.reason.as_str())).collect();
    assert_eq!(found, expected);
    assert_eq!(lab.count().await, 0);
    let kept = lab.store.rejects(None, Some("raw"), 10).await.unwrap();
    assert!(kept.len() == 5 && kept.iter().all(|r| r.refused && r.batch == kept[0].batch), "{kept:?}");
    // gone on over
    let lab = Lab::open(&with_options("{onBadRows: reject, maxRejects: 4}")).await;
    let taken = lab.send("text/csv", body).await.unwrap();
    assert_eq!((taken.batch.rows, taken.batch.rejected), (2, 4));
    assert_eq!(lines(&lab).await, ["NO|a|1", "IS|f|3"]);
    let kept = lab.store.rejects(Some(taken.batch.id), None, 10).await.unwrap();
    assert!(kept.len() == 5 && kept.iter().all(|r| !r.refused), "{kept:?}");
    // up to a limit
    let lab = Lab::open(&with_options("{onBadRows: reject, maxRejects: 3}")).await;
    lab.send("text/csv", b"code\nNO\n").await.unwrap();
    let error = lab.send("text/csv", body).await.unwrap_err();
    assert!(matches!(error, IngestError::BadRows { rows: 4, more: true, .. }), "{error:?}");
    assert_eq!(lab.count().await, 1, "nothing of a refused batch stays, and nothing goes");
}

#[tokio::test]
async fn a_batch_ends_in_one_transaction_whatever_comes_in_the_middle() {
    let lab = Lab::open(FIELDS).await;
    lab.send("text/csv", b"code,population\nNO,1\n").await.unwrap();
    // much more than a piece, then a quote that never ends
    let mut body = b"code,name,population\n".to_vec();
    for i in 0..200_000 {
        body.extend_from_slice(format!("SE,name of {i},{i}\n").as_bytes());
    }
    let whole = body.len();
    body.extend_from_slice(b"DK,\"x");
    let replace = Receive { content_type: Some("text/csv"), mode: BatchMode::Replace, ..what() };
    body.extend(std::iter::repeat_n(b'x', 20 * 1024 * 1024));
    let error = lab.send_as(&replace, &body).await.unwrap_err();
    assert!(matches!(error, IngestError::Malformed { row: 200_001, .. }), "{error:?}");
    assert_eq!(lines(&lab).await, ["NO|1"]);
    // the same key twice is one batch, also at once
    let keyed = Receive { key: Some("k"), ..replace.clone() };
    let (first, second) = tokio::join!(lab.send_as(&keyed, &body[..whole]), lab.send_as(&keyed, &body[..whole]));
    let (first, second) = (first.unwrap().batch, second.unwrap().batch);
    assert_eq!((first.id, first.rows), (second.id, 200_000));
    assert!(first.repeated != second.repeated);
    assert_eq!(lab.count().await, 200_000);
    // what Postgres alone can judge is told with its row
    let json = "    properties: [{name: j, logicalType: object, physicalType: jsonb}]\n";
    let lab = Lab::open(json).await;
    let error = lab.send("text/csv", b"j\n1\n1e400000\n").await.unwrap_err();
    assert!(error.to_string().starts_with("row 2: ") && error.is_client(), "{error}");
}

#[tokio::test]
async fn columns_that_differ_from_the_contract_are_refused_or_noted() {
    let lab = Lab::open(FIELDS).await;
    let error = lab.send("text/csv", b"code,surprise\nNO,1\n").await.unwrap_err();
    assert_eq!(error.code(), "UNKNOWN_COLUMN");
    let error = lab.send("text/csv", b"name\nNorge\n").await.unwrap_err();
    assert_eq!(error.code(), "MISSING_COLUMN");
    let error = lab.send("text/csv", b"code,CODE\nNO,NO\n").await.unwrap_err();
    assert_eq!(error.code(), "BAD_ROW");
    let lab = Lab::open(&with_options("{extraColumns: ignore}")).await;
    let taken = lab.send("text/csv", b"code,surprise\nNO,1\n").await.unwrap();
    let expected =
        [Drift::Extra("surprise".into()), Drift::Missing("full_name".into()), Drift::Missing("population".into())];
    assert_eq!(taken.drift, expected);
    let taken =
        lab.send("application/json", b"[{\"code\":\"SE\",\"new\":1},{\"code\":\"DK\",\"new\":2}]").await.unwrap();
    assert_eq!(taken.drift, [Drift::Extra("new".into())]);
}
