//! Files of the output port: typed, filtered under the caller's policy, the same bytes each time, and cut off when broken.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array as _, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use http_body_util::BodyExt as _;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use support::{Lab, encoded, token};

const PATH: &str = "/output/readings";

#[tokio::test]
async fn formats_are_chosen_by_ending_or_accept_and_texts_are_packed_as_wished() {
    let lab = Lab::open(100).await;
    let token = token("reader", &json!({}));
    for (accept, expected) in [
        ("*/*", "text/csv; charset=utf-8; header=present"),
        ("application/json", "application/json"),
        ("text/html;q=0.9, application/x-ndjson;q=0.5", "application/x-ndjson"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("application/*;q=0.1, application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
    ] {
        let answer = lab.get(PATH, Some(&token), &[("accept", accept)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, expected), "{accept}");
    }
    let none = lab.get(PATH, Some(&token), &[("accept", "image/png")]).await;
    assert_eq!((none.status.as_u16(), none.code().as_str()), (406, "UNSUPPORTED_FORMAT"));
    assert!(none.text().contains("application/vnd.apache.parquet"));
    assert_eq!(lab.get("/output/readings.xls", Some(&token), &[]).await.status, 404);
    assert_eq!(lab.get("/output/nothing.csv", Some(&token), &[]).await.status, 404);

    let plain = lab.get("/output/readings.csv", Some(&token), &[]).await;
    for (wish, coding) in [("gzip", "gzip"), ("gzip;q=0.5, zstd", "zstd")] {
        let packed = lab.get("/output/readings.csv", Some(&token), &[("accept-encoding", wish)]).await;
        assert_eq!(packed.header("content-encoding"), coding);
        assert!(packed.body.len() < plain.body.len() / 2, "{} of {}", packed.body.len(), plain.body.len());
        assert_ne!(packed.header("etag"), plain.header("etag"), "a tag stands for bytes");
        assert_eq!(unpacked(&packed.body, coding).await, plain.body);
    }
    let parquet = lab.get("/output/readings.parquet", Some(&token), &[("accept-encoding", "gzip")]).await;
    assert_eq!(parquet.header("content-encoding"), "");
    let excel = lab.get("/output/readings.csv?bom=true", Some(&token), &[]).await;
    assert_eq!(excel.body, [b"\xef\xbb\xbf", plain.body.as_ref()].concat());
}

async fn unpacked(bytes: &[u8], coding: &str) -> Vec<u8> {
    use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
    use tokio::io::AsyncReadExt as _;
    let mut out = Vec::new();
    match coding {
        "gzip" => GzipDecoder::new(bytes).read_to_end(&mut out).await.unwrap(),
        _ => ZstdDecoder::new(bytes).read_to_end(&mut out).await.unwrap(),
    };
    out
}

#[tokio::test]
async fn values_keep_their_types_in_every_format() {
    let lab = Lab::open(16).await;
    let token = token("reader", &json!({}));
    let get = async |ending: &str| lab.get(&format!("{PATH}.{ending}"), Some(&token), &[]).await;
    let rows: Value = serde_json::from_str(&get("json").await.text()).unwrap();
    let first = &rows[0];
    // serde_json reads numbers as doubles where they are not whole: what stands there is compared as text
    let lines = get("ndjson").await.text();
    let line = lines.lines().next().unwrap();
    for part in [
        r#""station_code":"s000000001""#,
        r#""taken_at":"2026-01-01T01:00:00.25Z""#,
        r#""big":9007199254740994"#,
        r#""amount":-1.000001"#,
        r#""free":100000000000000000000"#,
        r#""day":"2000-01-01","hour":"23:59:59.5","local_time":"2026-01-01T00:00:00Z""#,
        r#""tag":"00000000-0000-0000-0000-000000000001","raw":{"a": 1},"doc":{"b": [1]},"code":"ab""#,
        r#""words":["x",null,"ü,\""],"numbers":[1,-1],"amounts":[0.5]"#,
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert_eq!(lines.lines().count(), 16);
    assert_eq!(&serde_json::from_str::<Value>(line).unwrap(), first);
    let csv = get("csv").await.text();
    assert!(csv.starts_with("station_code,taken_at,region,small,whole,big,"), "{csv}");
    assert!(!csv.contains("secret"));
    let expected =
        "\"a \"\"quoted\"\", label\n1\",very good,\"[\"\"x\"\",null,\"\"ü,\\\"\"\"\"]\",\"[1,-1]\",[0.5]\r\n";
    assert!(csv.contains(expected), "{csv}");
    assert!(csv.contains(",\"a \"\"quoted\"\", label\n8\",,\""), "no value is an empty field");

    let parquet = ParquetRecordBatchReaderBuilder::try_new(get("parquet").await.body).unwrap().build().unwrap();
    let parquet: Vec<RecordBatch> = parquet.map(Result::unwrap).collect();
    let body = get("arrow").await.body;
    let arrow: Vec<RecordBatch> =
        arrow_ipc::reader::StreamReader::try_new(body.as_ref(), None).unwrap().map(Result::unwrap).collect();
    assert_eq!(parquet, arrow);
    check_types(&parquet[0]);
}

fn check_types(batch: &RecordBatch) {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert_eq!(batch.num_rows(), 16);
    assert!(batch.column_by_name("secret").is_none());
    assert_eq!(column("small").as_primitive::<Int16Type>().value(0), 1);
    assert_eq!(column("whole").as_primitive::<Int32Type>().value(0), 1);
    assert_eq!(column("big").as_primitive::<Int64Type>().value(0), 9_007_199_254_740_994);
    assert!((column("ratio").as_primitive::<Float32Type>().value(0) - 0.125).abs() < f32::EPSILON);
    assert!((column("exact").as_primitive::<Float64Type>().value(0) - 1.0 / 3.0).abs() < f64::EPSILON);
    assert_eq!(column("amount").data_type(), &DataType::Decimal128(30, 6));
    assert_eq!(column("amount").as_primitive::<Decimal128Type>().value(15), -16_000_016);
    assert_eq!(column("free").as_string::<i32>().value(0), "100000000000000000000");
    assert!(!column("open").as_boolean().value(0) && column("open").as_boolean().value(1));
    assert_eq!(column("day").as_primitive::<Date32Type>().value(0), 10_957);
    assert_eq!(column("hour").as_primitive::<Time64MicrosecondType>().value(0), 86_399_500_000);
    assert_eq!(column("taken_at").data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(column("taken_at").as_primitive::<TimestampMicrosecondType>().value(0), 1_767_229_200_250_000);
    assert_eq!(column("local_time").data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None));
    assert_eq!(column("tag").as_string::<i32>().value(0), "00000000-0000-0000-0000-000000000001");
    assert_eq!(column("mood").null_count(), 2);
    let words = column("words").as_list::<i32>().value(0);
    assert_eq!((words.as_string::<i32>().value(0), words.is_null(1)), ("x", true));
    assert_eq!(column("numbers").as_list::<i32>().value(0).as_primitive::<Int32Type>().values(), &[1, -1]);
}

#[tokio::test]
async fn filter_order_fields_and_limit_are_those_of_the_data_port() {
    let lab = Lab::open(50).await;
    let token = token("reader", &json!({}));
    let get = async |query: &str| lab.get(&format!("{PATH}.csv?{query}"), Some(&token), &[]).await;
    let filter = encoded(r#"{"region": {"eq": "north"}, "or": [{"whole": {"lt": 10}}, {"mood": {"isNull": true}}]}"#);
    let order = encoded("mood desc nulls first, whole DESC");
    let answer = get(&format!("fields=whole,mood&limit=4&filter={filter}&order={order}")).await;
    assert_eq!(answer.text(), "whole,mood\r\n48,\r\n24,\r\n9,very good\r\n6,very good\r\n");
    let json_order = encoded(r#"[{"field": "WHOLE", "direction": "DESC"}]"#);
    assert_eq!(get(&format!("fields=whole&limit=1&order={json_order}")).await.text(), "whole\r\n50\r\n");
    let injected = encoded(r#"{"region": {"eq": "'; DROP TABLE output.readings; --"}}"#);
    assert_eq!(get(&format!("fields=whole&filter={injected}")).await.text(), "whole\r\n");
    for (query, code) in [
        (format!("filter={}", encoded("{")), "BAD_USER_INPUT"),
        (format!("filter={}", encoded(r#"{"nobody": {"eq": 1}}"#)), "BAD_USER_INPUT"),
        (format!("filter={}", encoded(r#"{"whole": {"eq": "x"}}"#)), "BAD_USER_INPUT"),
        (format!("filter={}", encoded(r#"{"secret": {"eq": "x"}}"#)), "FORBIDDEN"),
        ("order=secret".to_owned(), "FORBIDDEN"),
        ("order=whole%20upwards".to_owned(), "BAD_USER_INPUT"),
        ("order=whole;DROP".to_owned(), "BAD_USER_INPUT"),
        ("fields=whole,secret".to_owned(), "FORBIDDEN"),
        ("fields=whole,whole".to_owned(), "BAD_USER_INPUT"),
        ("fields=nobody".to_owned(), "BAD_USER_INPUT"),
        ("limit=-1".to_owned(), "BAD_USER_INPUT"),
    ] {
        let refused = get(&query).await;
        assert!(refused.status.is_client_error(), "{query}");
        assert_eq!(refused.code(), code, "{query}");
    }
    assert_eq!(lab.get("/output/readings.csv", None, &[]).await.code(), "FORBIDDEN");
}

#[tokio::test]
async fn row_filters_hold_and_tags_tell_claims_apart() {
    let lab = Lab::open(30).await;
    let north = token("local", &json!({"regions": ["north"]}));
    let again = token("local", &json!({"regions": ["north"], "other": 1}));
    let south = token("local", &json!({"regions": ["south"]}));
    let nowhere = token("local", &json!({}));
    let path = "/output/readings.csv?fields=region";
    let get = async |token: &str| lab.get(path, Some(token), &[]).await;
    let rows = async |token: &str, region: &str| get(token).await.text().lines().filter(|l| *l == region).count();
    assert_eq!((rows(&north, "north").await, rows(&north, "south").await), (10, 0));
    assert_eq!((rows(&south, "north").await, rows(&south, "south").await), (0, 20));
    assert_eq!(get(&nowhere).await.text(), "region\r\n");
    let tags = [get(&north).await, get(&again).await, get(&south).await];
    let tags = tags.map(|answer| answer.header("etag").to_owned());
    assert_eq!(tags[0], tags[1], "a claim that no filter uses changes nothing");
    assert_ne!(tags[0], tags[2]);
    let stolen = lab.get(path, Some(&south), &[("if-none-match", &tags[0])]).await;
    assert_eq!(stolen.status, 200);
}

#[tokio::test]
async fn a_version_gives_the_same_bytes_so_downloads_can_be_resumed() {
    let lab = Lab::open(3000).await;
    let token = token("reader", &json!({}));
    for (ending, coding) in
        [("csv", ""), ("csv", "gzip"), ("ndjson", "zstd"), ("json", ""), ("parquet", ""), ("arrow", "")]
    {
        let path = format!("{PATH}.{ending}");
        let accept = ("accept-encoding", coding);
        let head = lab.get(&path, Some(&token), &[accept, (":method", "HEAD")]).await;
        let whole = lab.get(&path, Some(&token), &[accept]).await;
        let etag = whole.header("etag").to_owned();
        assert_eq!((head.header("etag"), head.body.len()), (etag.as_str(), 0), "{ending}");
        let known = lab.get(&path, Some(&token), &[accept, (":method", "HEAD")]).await;
        assert_eq!(known.header("content-length"), whole.body.len().to_string());
        let (third, total) = (whole.body.len() / 3, whole.body.len());
        let mut joined = whole.body[..third].to_vec();
        for range in [format!("bytes={third}-{}", 2 * third), format!("bytes={}-", 2 * third + 1)] {
            let part = lab.get(&path, Some(&token), &[accept, ("range", &range), ("if-range", &etag)]).await;
            assert_eq!(part.status, 206, "{ending} {range}");
            assert!(part.header("content-range").ends_with(&format!("/{total}")));
            joined.extend(part.body);
        }
        assert_eq!(joined, whole.body, "{ending} {coding}");
        let after = lab.get(&path, Some(&token), &[accept, ("range", &format!("bytes={total}-"))]).await;
        assert_eq!((after.status.as_u16(), after.header("content-range")), (416, format!("bytes */{total}").as_str()));
        let same = lab.get(&path, Some(&token), &[accept, ("if-none-match", &format!("\"x\", {etag}"))]).await;
        assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));
    }
    let path = "/output/readings.csv";
    let before = lab.get(path, Some(&token), &[]).await.header("etag").to_owned();
    // a range of a file of which nobody knows the length yet is measured first
    let unknown = lab.get("/output/readings.csv?fields=whole", Some(&token), &[("range", "bytes=7-13")]).await;
    assert_eq!((unknown.status.as_u16(), unknown.text().as_str()), (206, "1\r\n2\r\n3"));
    lab.publish().await;
    let headers = [("range", "bytes=10-"), ("if-range", before.as_str())];
    let newer = lab.get(path, Some(&token), &headers).await;
    assert_eq!(newer.status, 200, "another version is sent whole");
    assert_ne!(newer.header("etag"), before);
}

/// Statements of exports that the server of `lab` runs.
async fn running(lab: &Lab) -> Vec<i32> {
    sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE \
         'SELECT t0.\"station_code\"%'",
    )
    .fetch_all(&lab.login)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_statement() {
    let lab = Lab::open(100_000).await;
    let token = token("reader", &json!({}));
    let mut body = lab.send("/output/readings.csv", Some(&token), &[]).await.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(running(&lab).await.len(), 1);
    drop(body);
    // each look is a round trip to the server: no clock is needed
    let mut looks = 0;
    while !running(&lab).await.is_empty() {
        looks += 1;
        assert!(looks < 10_000, "the statement still runs");
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_breaks_the_body_off() {
    let lab = Lab::open(100_000).await;
    let token = token("reader", &json!({}));
    let mut body = lab.send("/output/readings.json", Some(&token), &[]).await.into_body();
    body.frame().await.unwrap().unwrap();
    let process = running(&lab).await[0];
    let ended: bool =
        sqlx::query_scalar("SELECT pg_terminate_backend($1)").bind(process).fetch_one(&lab.login).await.unwrap();
    assert!(ended);
    let mut last = None;
    while let Some(frame) = body.frame().await {
        last = Some(frame);
    }
    let error = last.unwrap().unwrap_err().to_string();
    assert!(error.contains("could not be finished"), "{error}");
}
