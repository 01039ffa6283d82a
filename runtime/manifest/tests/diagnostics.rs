//! Diagnostics: turns one change of a right product folder into the finding that it must give, with its place.
#![allow(clippy::unwrap_used)] // a test may panic

use std::collections::BTreeMap;
use std::path::Path;
use terrane_diagnostics::Diagnostic;
use terrane_manifest::{Connector, Layer, Publish, load};

fn lab() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../query/tests/products/lab");
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                files.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

fn findings(files: &BTreeMap<String, String>) -> Vec<Diagnostic> {
    load(files).map_or_else(|errors| errors, |loaded| loaded.warnings)
}

const ODPS: &str = "dataproduct.odps.yaml";
const READINGS: &str = "contracts/readings.odcs.yaml";
const STATIONS: &str = "contracts/stations.odcs.yaml";
const MODEL: &str = "models/output/stations.sql";

#[test]
fn the_right_folder_loads() {
    let product = load(&lab()).unwrap_or_else(|e| panic!("{}", terrane_diagnostics::render_all(&e))).product;
    assert_eq!(product.id, "lab");
    let readings = product.dataset(Layer::Output, "readings").unwrap();
    let key: Vec<&str> = readings.primary_key().iter().map(|f| f.name.as_str()).collect();
    assert_eq!(key, ["station_code", "taken_at"]);
    assert_eq!(readings.field("amount").unwrap().physical.to_string(), "numeric(30,6)");
    assert_eq!(readings.relationships[0].target.graphql_type, "Station");
    assert_eq!(product.input_ports[0].connector, Connector::Push);
    assert_eq!(product.models[0].depends_on[0].table, "raw");
}

#[test]
fn the_form_of_a_rule_is_read_as_the_same_rule() {
    let product = load(&lab()).unwrap().product;
    let texts = [
        "{id: a, metric: missingValues, arguments: {missingValues: [x, ~, 1]}, mustNotBe: 3, unit: percent}",
        "{id: b, metric: invalidValues, arguments: {validValues: [1, 2], pattern: '^x'}, mustBeBetween: [1, 2.5]}",
        "{id: c, metric: nullValues, mustNotBeBetween: [0, 1], severity: info, schedule: '0 3 * * *', name: n}",
        "{id: d, type: sql, query: 'SELECT count(*) FROM {object}', mustBeGreaterOrEqualTo: 5, businessImpact: i}",
        "{id: e, type: text, description: look, dimension: accuracy}",
        "{id: f, metric: duplicateValues, mustBeLessThan: 1, severity: warning}",
    ];
    for text in texts {
        let read = |text: &str| product.read_rule("readings", Some("amount"), text);
        let rule = read(text).unwrap_or_else(|found| panic!("{text}: {found:?}"));
        assert_eq!(read(&rule.form().to_string()), Ok(rule), "{text}");
    }
}

#[test]
fn indexes_are_read_with_their_order() {
    let mut files = lab();
    let property =
        "value: Reading, vendor: terrane}, {property: index, value: [\"region, big DESC nulls first, day\"]}";
    let text = files.get_mut(READINGS).unwrap();
    *text = text.replacen("value: Reading, vendor: terrane}", property, 1);
    let product = load(&files).unwrap().product;
    let index = &product.dataset(Layer::Output, "readings").unwrap().indexes[0];
    let read: Vec<_> = index.columns.iter().map(|c| (c.field.as_str(), c.descending, c.nulls_first)).collect();
    assert_eq!(read, [("region", false, false), ("big", true, true), ("day", false, false)]);
}

/// File, what is replaced by what, the code that must be found, and where.
const CHANGES: &[(&str, &str, &str, &str, u32)] = &[
    (ODPS, "kind: DataProduct", "kind: DataProduct\nflavour: sweet", "MANIFEST_UNKNOWN_FIELD", 4),
    (ODPS, "id: lab\n", "", "MANIFEST_MISSING_FIELD", 2),
    (ODPS, "id: lab", "id: Lab/1", "PRODUCT_ID", 2),
    (ODPS, "v1.1.0", "v0.9.0", "MANIFEST_VERSION", 2),
    (ODPS, "version: 1.0.0\nstatus", "version: one\nstatus", "MANIFEST_VERSION", 6),
    (ODPS, "version: 1.0.0\nstatus", "version: 1.0\nstatus", "MANIFEST_TYPE", 6),
    (ODPS, "status: active", "status: asleep", "PRODUCT_STATUS", 2),
    (ODPS, "contractId: raw}", "contractId: rare}", "PORT_CONTRACT", 9),
    (ODPS, "name: readings, version", "name: stations, version", "MANIFEST_DUPLICATE", 12),
    (ODPS, "role: owner", "role: guest", "PRODUCT_OWNER", 2),
    (ODPS, "kind: DataProduct", "kind: [", "MANIFEST_YAML", 5),
    (ODPS, "id: lab", "id: lab\nid: lab", "MANIFEST_YAML", 0),
    (STATIONS, "physicalType: text}", "physicalType: money}", "FIELD_TYPE", 10),
    (
        STATIONS,
        "logicalType: string, physicalType: text}",
        "logicalType: integer, physicalType: text}",
        "FIELD_TYPE",
        10,
    ),
    (STATIONS, "{name: name,", "{name: code,", "MANIFEST_DUPLICATE", 10),
    (STATIONS, "{name: name,", "{name: name, physicalName: code,", "MANIFEST_DUPLICATE", 6),
    (STATIONS, "{name: name,", "{name: na\\\"me,", "FIELD_NAME", 10),
    (STATIONS, "{name: name,", "{name: n, classification: cosmic,", "FIELD_CLASSIFICATION", 10),
    (
        STATIONS,
        "{name: name,",
        "{name: name, customProperties: [{property: graphqlName, value: code}],",
        "GRAPHQL_NAME_COLLISION",
        6,
    ),
    (STATIONS, "value: Station,", "value: Query,", "GRAPHQL_NAME", 6),
    (STATIONS, "primaryKey: true, ", "", "FIELD_KEY", 1),
    (
        STATIONS,
        "  - name: stations\n",
        "  - name: stations\n    quality: [{metric: rowCount}]\n",
        "QUALITY_OPERATOR",
        7,
    ),
    (
        STATIONS,
        "  - name: stations\n",
        "  - name: stations\n    quality: [{metric: rowCount, mustBe: 1, mustNotBe: 2}]\n",
        "QUALITY_OPERATOR",
        7,
    ),
    (
        STATIONS,
        "  - name: stations\n",
        "  - name: stations\n    quality: [{type: sql, query: DROP TABLE x, mustBe: 1}]\n",
        "QUALITY_SQL",
        7,
    ),
    (
        STATIONS,
        "  - name: stations\n",
        "  - name: stations\n    quality: [{metric: rowCount, mustBe: 1, dimension: validity}]\n",
        "QUALITY_DIMENSION",
        7,
    ),
    (
        STATIONS,
        "  - name: stations\n",
        "  - name: stations\n    quality: [{metric: nullValues, mustBe: 0}]\n",
        "QUALITY_METRIC",
        7,
    ),
    (
        STATIONS,
        "value: Station, vendor: terrane}",
        "value: Station}, {property: index, value: name}",
        "DATASET_INDEX",
        7,
    ),
    (
        STATIONS,
        "value: Station, vendor: terrane}",
        "value: Station}, {property: index, value: [\"code, nobody\"]}",
        "DATASET_INDEX",
        7,
    ),
    (
        STATIONS,
        "value: Station, vendor: terrane}",
        "value: Station}, {property: index, value: [\"code; DROP TABLE x\"]}",
        "DATASET_INDEX",
        7,
    ),
    (
        STATIONS,
        "value: Station, vendor: terrane}",
        "value: Station}, {property: index, value: [\"name, code desc, name\"]}",
        "DATASET_INDEX",
        7,
    ),
    (
        READINGS,
        "value: Reading, vendor: terrane}",
        "value: Reading}, {property: index, value: [\"doc\"]}",
        "DATASET_INDEX",
        7,
    ),
    (READINGS, "to: stations.code", "to: stations.nothing", "RELATIONSHIP_TO", 1),
    (READINGS, "to: stations.code", "to: nowhere.code", "RELATIONSHIP_TO", 1),
    (
        READINGS,
        "to: stations.code",
        "to: ../../x/contracts/x.odcs.yaml#/schema/x/properties/y",
        "RELATIONSHIP_TARGET_TYPE",
        15,
    ),
    (READINGS, "to: stations.code", "to: 'http://x'", "RELATIONSHIP_TO", 15),
    (READINGS, "value: station,", "value: region,", "GRAPHQL_NAME_COLLISION", 6),
    (READINGS, "region = ANY(:claim.regions)", "region = pg_sleep(9)", "ROW_FILTER", 47),
    (READINGS, "region = ANY(:claim.regions)", "other = ANY(:claim.regions)", "ROW_FILTER", 1),
    (READINGS, "searchLanguage, value: english", "searchLanguage, value: klingon", "SEARCH_LANGUAGE", 7),
    (READINGS, "searchLanguage, value: english", "searchLanguage, value: 7", "MANIFEST_TYPE", 7),
    (READINGS, "searchable, value: true", "searchable, value: often", "MANIFEST_TYPE", 20),
    (
        READINGS,
        "physicalType: smallint}",
        "physicalType: smallint, customProperties: [{property: searchable, value: true}]}",
        "FIELD_SEARCH",
        21,
    ),
    (MODEL, "SELECT", "DELETE FROM input.raw; SELECT", "MODEL_SQL", 1),
    (MODEL, "input.raw", "input.row", "MODEL_TABLE", 1),
    (MODEL, "input.raw", "output.stations", "MODEL_CYCLE", 1),
    (MODEL, "input.raw", "raw", "MODEL_SQL", 1),
];

#[test]
fn every_wrong_change_is_found_at_its_place() {
    let mut missed = Vec::new();
    for (file, from, to, code, line) in CHANGES {
        let mut files = lab();
        let text = files.get_mut(*file).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        *text = text.replacen(from, to, 1);
        let found = findings(&files);
        let places: Vec<String> =
            found.iter().map(|d| format!("{} {:?} {}", d.code, d.locations.first(), d.message)).collect();
        let hit = found.iter().any(|d| {
            d.code == *code && d.locations.iter().any(|l| l.source == *file && (*line == 0 || l.line == *line))
        });
        if !hit {
            missed.push(format!("`{to}` in {file}: no {code} at line {line} in {places:#?}"));
        }
        assert!(found.iter().all(|d| d.hint.is_some()), "every finding says what to do");
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// An input port that reads from a JetStream, and an output port that publishes to one.
fn streaming(connector: &str, publish: &str) -> BTreeMap<String, String> {
    let property = |name: &str, value: &str| {
        format!(", customProperties: [{{property: {name}, vendor: terrane, value: {value}}}]}}")
    };
    let mut files = lab();
    let text = files.get_mut(ODPS).unwrap();
    *text = text.replacen("contractId: raw}", &format!("contractId: raw{}", property("connector", connector)), 1);
    let changes = property("changes", &format!("{{retention: 1d, publish: {publish}}}"));
    *text = text.replacen("contractId: stations}", &format!("contractId: stations{changes}"), 1);
    files
}

const FROM: &str = "{kind: jetstream, stream: LAB_RAW, subject: \"lab.*.raw.>\"}";
const TO: &str = "{kind: jetstream, stream: LAB, subject: lab.stations, role: anonymous}";

#[test]
fn ports_name_streams_and_subjects() {
    let product =
        load(&streaming(FROM, TO)).unwrap_or_else(|e| panic!("{}", terrane_diagnostics::render_all(&e))).product;
    let connector = &product.input_ports[0].connector;
    let (stream, subject) = ("LAB_RAW".to_owned(), "lab.*.raw.>".to_owned());
    assert_eq!(*connector, Connector::JetStream { stream, subject });
    assert!(!connector.is_pulled());
    let publish = product.output_ports[0].changes.as_ref().unwrap().publish.clone();
    let (stream, subject, role) = ("LAB".to_owned(), "lab.stations".to_owned(), "anonymous".to_owned());
    assert_eq!(publish, Some(Publish { stream, subject, role }));
    for (from, to, code, words) in [
        (FROM.replace("LAB_RAW", "LAB.RAW"), TO.to_owned(), "PORT_STREAM", "is no name of a stream"),
        (FROM.replace(".>", ".>.x"), TO.to_owned(), "PORT_STREAM", "is no subject"),
        (FROM.replace("subject", "topic"), TO.to_owned(), "MANIFEST_MISSING_FIELD", "has no `subject`"),
        (FROM.to_owned(), TO.replace("LAB", "L A B"), "PORT_STREAM", "is no name of a stream"),
        (FROM.to_owned(), TO.replace("lab.stations", "lab.*"), "PORT_CHANGES", "no subject to publish to"),
        (FROM.to_owned(), TO.replace("jetstream", "kafka"), "PORT_CHANGES", "to a JetStream only"),
        (FROM.to_owned(), TO.replace("anonymous", "nobody"), "PORT_CHANGES", "which is no role"),
        (FROM.to_owned(), TO.replace(", role: anonymous", ""), "MANIFEST_MISSING_FIELD", "has no `role`"),
    ] {
        let found = findings(&streaming(&from, &to));
        let hit = found.iter().find(|d| d.code == code && d.message.contains(words));
        let hit = hit.unwrap_or_else(|| panic!("{from} {to}: {found:#?}"));
        let line = if from == FROM { 11 } else { 9 };
        assert_eq!((hit.locations[0].source.as_str(), hit.locations[0].line), (ODPS, line), "{from} {to}");
    }
    // a stream belongs to one port
    let mut files = streaming(FROM, TO);
    let text = files.get_mut(ODPS).unwrap();
    let changes = format!(", customProperties: [{{property: changes, vendor: terrane, value: {{publish: {TO}}}}}]}}");
    *text = text.replacen("contractId: readings}", &format!("contractId: readings{changes}"), 1);
    let found = findings(&files);
    assert!(found.iter().any(|d| d.code == "PORT_CHANGES" && d.message.contains("as another port does")), "{found:#?}");
}

#[test]
fn what_is_published_must_not_depend_on_who_asks() {
    let publish = "{kind: jetstream, stream: LAB, subject: lab.stations, role: ROLE}";

    // which role is published, what filters `own` and `inherited` have, and whether that can be published
    for (role, own, inherited, refused) in [
        ("own", Some("code = :claim.code"), None, true),
        ("own", Some("code IN ('a', :claim.code)"), None, true),
        ("own", Some("NOT (code = ANY(:claim.codes))"), None, true),
        ("own", Some("code = 'a' OR code = :claim.code"), None, true),
        ("own", Some("code = 'a'"), Some("code = :claim.code"), false),
        ("own", None, Some("code = :claim.code"), false),
        ("heir", None, Some("code = :claim.code"), true),
        ("heir", None, Some("code IS NOT NULL"), false),
        ("heir", None, None, false),
    ] {
        let mut files = streaming(FROM, &publish.replace("ROLE", role));
        let text = files.get_mut(STATIONS).unwrap();
        let roles = |name: &str, filter: Option<&str>| match filter {
            None => format!("  - {{role: {name}}}\n"),
            Some(filter) => format!(
                "  - {{role: {name}, customProperties: [{{property: rowFilter, value: \"{filter}\", vendor: terrane}}]}}\n"
            ),
        };
        let added = format!("roles:\n{}{}", roles("own", own), roles("inherited", inherited));
        assert!(text.contains("roles:\n"), "{text}");
        *text = text.replacen("roles:\n", &added, 1);
        files.entry("policy.csv".to_owned()).or_default().push_str("\ng, heir, inherited\n");
        let found = findings(&files);
        let hit = found.iter().find(|d| d.code == "PORT_CHANGES" && d.message.contains("rowFilter"));
        assert_eq!(hit.is_some(), refused, "{role} {own:?} {inherited:?}: {found:#?}");
        assert!(hit.is_none_or(|d| d.message.contains(":claim.code") && d.hint.is_some()), "{found:#?}");
    }
}

#[test]
fn missing_and_superfluous_files_are_found() {
    assert_eq!(findings(&BTreeMap::new())[0].code, "MANIFEST_NO_DESCRIPTOR");
    for (path, text, code) in [
        ("models/output/nobody.sql", "SELECT code FROM input.raw", "MODEL_CONTRACT"),
        ("models/input/x.sql", "SELECT 1", "MODEL_FILE"),
        ("models/output/X y.sql", "SELECT 1", "MODEL_FILE"),
        ("models/abstraction/up.sql", "SELECT code FROM output.stations", "MODEL_LAYER"),
        ("policy.csv", "p, reader, stations.code, read", "POLICY_LINE"),
        ("policy.csv", "p, reader, stations.nothing, read, allow", "POLICY_OBJECT"),
    ] {
        let mut files = lab();
        files.insert(path.to_owned(), text.to_owned());
        assert!(findings(&files).iter().any(|d| d.code == code), "{path}: {code}");
    }
    let mut files = lab();
    files.remove(MODEL);
    assert!(findings(&files).iter().any(|d| d.code == "MODEL_MISSING"));
}

#[test]
fn all_findings_come_at_once_and_in_one_order() {
    let mut files = lab();
    for (file, from, to) in
        [(ODPS, "status: active", "status: asleep"), (READINGS, "v3.2.0", "v1"), (STATIONS, "kind:", "sort: x\nkind:")]
    {
        let text = files.get_mut(file).unwrap();
        *text = text.replacen(from, to, 1);
    }
    let first = findings(&files);
    assert!(first.len() >= 3);
    assert_eq!(first, findings(&files));
}

#[test]
fn hostile_yaml_ends_in_findings() {
    let bomb: String = (0..40).map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}, *a{0}]\n", i.max(1) - 1)).collect();
    for text in
        ["[".repeat(100_000), format!("a0: &a0 [x]\n{bomb}"), "\u{0}".to_owned(), "- 1".to_owned(), String::new()]
    {
        let mut files = lab();
        files.insert(ODPS.to_owned(), text);
        assert!(load(&files).is_err());
    }
}

/// A mask, and the words of the finding that it must give; empty for masks that are right.
const MASKS: &[(&str, &str)] = &[
    ("{field: region, kind: hash}", ""),
    ("{field: readings.region, kind: partial, first: 1, last: 2}", ""),
    ("{field: tag, kind: hash}", ""),
    ("{field: whole, kind: bucket, width: 10}", ""),
    ("{field: amount, kind: bucket, width: 0.25}", ""),
    ("{field: day, kind: bucket, unit: month}", ""),
    ("{field: taken_at, kind: bucket, unit: hour}", ""),
    ("{field: words, kind: \"null\"}", ""),
    ("{field: mood, kind: \"null\"}", ""),
    ("hash", "must be a mapping"),
    ("{kind: hash}", "has no `field`"),
    ("{field: region}", "has no `kind`"),
    ("{field: nothing, kind: hash}", "is no field of this contract"),
    ("{field: stations.code, kind: hash}", "is no field of this contract"),
    ("{field: region, kind: blur}", "unknown kind `blur`"),
    ("{field: region, kind: hash, colour: red}", "no field `colour`"),
    ("{field: region, kind: hash, width: 3}", "which `hash` does not take"),
    ("{field: whole, kind: hash}", "`hash` makes text"),
    ("{field: region, kind: partial}", "how many characters"),
    ("{field: region, kind: partial, first: -1}", "how many characters"),
    ("{field: whole, kind: partial, first: 1}", "`partial` keeps characters of a text"),
    ("{field: region, kind: bucket, width: 3}", "`width` makes buckets of numbers"),
    ("{field: whole, kind: bucket, width: 0.5}", "a whole `width`"),
    ("{field: whole, kind: bucket, width: 0}", "how wide its buckets are"),
    ("{field: whole, kind: bucket}", "how wide its buckets are"),
    ("{field: whole, kind: bucket, unit: year}", "`unit` makes buckets of dates"),
    ("{field: day, kind: bucket, unit: hour}", "the `unit` of a date is month or year"),
    ("{field: day, kind: bucket, unit: week}", "how wide its buckets are"),
    ("{field: hour, kind: bucket, unit: hour}", "`unit` makes buckets of dates"),
    ("{field: words, kind: hash}", "a list can only be masked with `null`"),
    ("{field: mood, kind: hash}", "any other value is not one of them"),
    ("{field: station_code, kind: \"null\"}", "makes the key `station_code` null"),
    ("{field: region, kind: hash}, {field: readings.region, kind: hash}", "a second time"),
];

#[test]
fn masks_fit_their_fields() {
    for (mask, words) in MASKS {
        let mut files = lab();
        let text = files.get_mut(READINGS).unwrap();
        let property =
            format!("{{property: masks, vendor: terrane, value: [\n{mask}]}}, {{property: maxClassification");
        *text = text.replacen("{property: maxClassification", &property, 1);
        let found = findings(&files);
        let masks: Vec<_> = load(&files)
            .map(|l| l.product.contracts.iter().flat_map(|c| &c.roles).map(|r| r.masks.len()).sum())
            .into_iter()
            .collect();
        if words.is_empty() {
            assert_eq!((found.as_slice(), masks.as_slice()), ([].as_slice(), [1].as_slice()), "{mask}");
            continue;
        }
        let hit = found.iter().find(|d| d.message.contains(words)).unwrap_or_else(|| panic!("{mask}: {found:#?}"));
        assert_eq!((hit.locations[0].source.as_str(), hit.locations[0].line), (READINGS, 44), "{mask}");
        assert!(hit.hint.is_some());
    }
}

#[test]
fn second_keys_are_unique_and_of_fields_that_can_be_compared() {
    let key = |value: &str| {
        format!("{{property: graphqlKeys, value: {value}, vendor: terrane}}, {{property: graphqlType, value: Reading")
    };
    for (value, words) in [
        ("[[region, small], [tag]]", ""),
        ("region", "must be a list"),
        ("[region]", "must be a list"),
        ("[[]]", "is empty"),
        ("[[region, nothing]]", "names `nothing`, which is no field"),
        ("[[doc]]", "has `doc`, a jsonb, which can be no key"),
        ("[[exact]]", "has `exact`, a double precision"),
        ("[[words]]", "has `words`, a text[]"),
        ("[[region, region]]", "names a field twice"),
        ("[[station_code, taken_at]]", "is a key already"),
        ("[[tag], [tag]]", "is a key already"),
    ] {
        let mut files = lab();
        let text = files.get_mut(READINGS).unwrap();
        *text = text.replacen("{property: graphqlType, value: Reading", &key(value), 1);
        let found = findings(&files);
        if words.is_empty() {
            assert_eq!(found, [], "{value}");
            let product = load(&files).unwrap().product;
            assert_eq!(
                product.dataset(Layer::Output, "readings").unwrap().second_keys,
                [vec!["region", "small"], vec!["tag"]]
            );
            continue;
        }
        let hit = found.iter().find(|d| d.message.contains(words)).unwrap_or_else(|| panic!("{value}: {found:#?}"));
        assert_eq!((hit.locations[0].source.as_str(), hit.locations[0].line), (READINGS, 7), "{value}");
    }
    for (unique, value, words) in
        [("true", "true", ""), ("false", "true", "is a key and not unique"), ("true", "1", "must be true or false")]
    {
        let mut files = lab();
        let text = files.get_mut(READINGS).unwrap();
        let to =
            format!("{{name: tag, unique: {unique}, customProperties: [{{property: graphqlKey, value: {value}}}],");
        *text = text.replacen("{name: tag,", &to, 1);
        let found = findings(&files);
        assert_eq!(found.is_empty(), words.is_empty(), "{value}: {found:?}");
        assert!(found.iter().all(|d| d.message.contains(words)), "{found:?}");
    }
}

#[test]
fn members_of_objects_are_checked() {
    let deep = "logicalType: object, properties: [{name: o, ".repeat(9) + "logicalType: string" + &"}]".repeat(9);
    for (member, code) in [
        ("name: zip-code, logicalType: string", ""),
        ("name: a, logicalType: string, physicalName: b c", ""),
        ("name: a, logicalType: array, items: {logicalType: object, properties: [{name: b, logicalType: date}]}", ""),
        ("name: a, logicalType: string, classification: internal", "FIELD_CLASSIFICATION"),
        ("name: a, logicalType: string, primaryKey: true", "FIELD_NESTED"),
        ("name: a, logicalType: string, unique: true", "FIELD_NESTED"),
        ("name: a, logicalType: string, relationships: [{to: stations.code}]", "FIELD_NESTED"),
        ("name: a, logicalType: colour", "FIELD_TYPE"),
        ("name: a, logicalType: integer, physicalType: text", "FIELD_TYPE"),
        ("name: '1', logicalType: string", "GRAPHQL_NAME"),
        ("name: a, logicalType: string}, {name: A, logicalType: string", "GRAPHQL_NAME_COLLISION"),
        ("name: a, logicalType: string}, {name: a_, physicalName: a, logicalType: string", "MANIFEST_DUPLICATE"),
        (
            "name: a, logicalType: object, customProperties: [{property: graphqlType, value: Query}], properties: [{name: b, logicalType: date}]",
            "GRAPHQL_NAME",
        ),
        (&format!("name: a, {deep}"), "FIELD_NESTED"),
    ] {
        let mut files = lab();
        let text = files.get_mut(READINGS).unwrap();
        *text = text.replacen("{name: doc,", &format!("{{name: doc, properties: [\n{{{member}}}],"), 1);
        let found = findings(&files);
        if code.is_empty() {
            assert_eq!(found, [], "{member}");
            let product = load(&files).unwrap().product;
            assert!(product.dataset(Layer::Output, "readings").unwrap().field("doc").unwrap().nested.is_some());
            continue;
        }
        let hit = found.iter().find(|d| d.code == code).unwrap_or_else(|| panic!("{member}: {found:#?}"));
        assert_eq!(hit.locations[0].line, 35, "{member}: {hit:?}");
    }
}
