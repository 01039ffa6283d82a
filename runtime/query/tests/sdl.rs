//! SDL: contracts that use everything the schema can be made of, turned into the schemas committed beside them; and names
//! that cannot be, into diagnostics. `UPDATE=1` rewrites the schemas.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{access, load_folder, schema};
use terrane_diagnostics::Diagnostic;
use terrane_query::DataSchema;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products").join(name)
}

#[test]
fn the_schemas_of_the_test_products_are_committed() {
    for name in ["lab", "vault"] {
        let path = folder(name).join("schema.graphql");
        let sdl = schema(&load_folder(&folder(name))).sdl().to_owned();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &sdl).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), sdl, "{name}");
    }
}

#[test]
fn every_scalar_of_ours_says_where_it_is_specified() {
    for name in ["lab", "vault"] {
        let schema = schema(&load_folder(&folder(name)));
        let scalars = schema.sdl().lines().filter(|l| l.starts_with("scalar ")).collect::<Vec<_>>();
        assert!(scalars.len() >= 7, "{scalars:?}");
        for line in scalars {
            assert!(line.contains(" @specifiedBy(url: \"https://"), "{line}");
        }
    }
}

#[test]
fn introspection_tells_what_the_contract_says() {
    let product = load_folder(&folder("vault"));
    let (schema, access) = (schema(&product), access(&product, &["anonymous"]));
    let text = "{ date: __type(name: \"Date\") { specifiedByURL description } \
                profile: __type(name: \"PersonProfile\") { description fields(includeDeprecated: true) { name description isDeprecated \
                deprecationReason type { kind name ofType { name } } } } }";
    let prepared = schema.prepare(text, None, &access).unwrap();
    let (_, values) = prepared.plan(Some(&Map::new())).unwrap();
    let answer = Value::Object(prepared.introspect(&values).unwrap());
    assert_eq!(answer["date"]["specifiedByURL"], "https://www.rfc-editor.org/rfc/rfc3339#section-5.6");
    assert_eq!(answer["profile"]["description"], "What people say of themselves.");
    let field =
        |name: &str| answer["profile"]["fields"].as_array().unwrap().iter().find(|f| f["name"] == name).unwrap();
    let level = json!({"name": "level", "description": "From 1 to 9.", "isDeprecated": false, "deprecationReason": null,
        "type": {"kind": "NON_NULL", "name": null, "ofType": {"name": "Int"}}});
    assert_eq!(field("level"), &level);
    assert_eq!(field("weight")["deprecationReason"], "No longer supported");
}

/// File, what is replaced by what, and the code and words of what must be found.
const NAMES: &[(&str, &str, &str, &str, &str)] = &[
    ("people", "graphqlType, value: Person,", "graphqlType, value: Team,", "GRAPHQL_NAME_COLLISION", "type `Team`"),
    (
        "people",
        "graphqlType, value: Person,",
        "graphqlType, value: TeamFilter,",
        "GRAPHQL_NAME_COLLISION",
        "type `TeamFilter`",
    ),
    (
        "people",
        "graphqlType, value: Person,",
        "graphqlType, value: StringFilter,",
        "GRAPHQL_NAME_COLLISION",
        "type `StringFilter`",
    ),
    ("people", "graphqlType, value: Person,", "graphqlType, value: PageInfo,", "GRAPHQL_NAME", "`PageInfo`"),
    ("people", "graphqlType, value: Person,", "graphqlType, value: per son,", "GRAPHQL_NAME", "`per son`"),
    ("people", "graphqlType, value: Person,", "graphqlType, value: __Person,", "GRAPHQL_NAME", "`__Person`"),
    (
        "people",
        "value: Person, vendor: terrane}",
        "value: Person}\n      - {property: graphqlList, value: teams}",
        "GRAPHQL_NAME_COLLISION",
        "root field `teams`",
    ),
    (
        "people",
        "value: Person, vendor: terrane}",
        "value: Person}\n      - {property: graphqlLookup, value: team}",
        "GRAPHQL_NAME_COLLISION",
        "root field `team`",
    ),
    (
        "people",
        "graphqlField, value: team,",
        "graphqlField, value: name,",
        "GRAPHQL_NAME_COLLISION",
        "relationship field `name`",
    ),
    (
        "people",
        "graphqlReverseField, value: members,",
        "graphqlReverseField, value: title,",
        "GRAPHQL_NAME_COLLISION",
        "reverse field `title`",
    ),
    (
        "people",
        "graphqlReverseField, value: reports,",
        "graphqlReverseField, value: team,",
        "GRAPHQL_NAME_COLLISION",
        "`team`",
    ),
    ("people", "graphqlField, value: team,", "graphqlField, value: the team,", "GRAPHQL_NAME", "`the team`"),
    (
        "people",
        "{name: grade,",
        "{name: grade, customProperties: [{property: graphqlName, value: name}],",
        "GRAPHQL_NAME_COLLISION",
        "called `name`",
    ),
    ("people", "{name: grade,", "{name: '9', physicalName: grade,", "GRAPHQL_NAME", "`9`"),
    (
        "people",
        "graphqlType, value: Address,",
        "graphqlType, value: PersonProfile,",
        "GRAPHQL_NAME_COLLISION",
        "type `PersonProfile`",
    ),
    ("people", "graphqlType, value: Address,", "graphqlType, value: Mood,", "GRAPHQL_NAME_COLLISION", "type `Mood`"),
    ("people", "{name: motto,", "{name: level, physicalName: motto,", "GRAPHQL_NAME_COLLISION", "`level`"),
];

#[test]
fn names_that_cannot_be_are_found() {
    for (contract, from, to, code, words) in NAMES {
        let mut files = BTreeMap::new();
        support::read(&folder("vault"), &folder("vault"), &mut files);
        let text = files.get_mut(&format!("contracts/{contract}.odcs.yaml")).unwrap();
        assert!(text.contains(from), "{contract} has no `{from}`");
        *text = text.replacen(from, to, 1);
        let found: Vec<Diagnostic> = match terrane_manifest::load(&files) {
            Ok(loaded) => DataSchema::build(&loaded.product, support::PORTS).err().unwrap_or_default(),
            Err(found) => found,
        };
        let hit = found.iter().find(|d| d.code == *code && d.message.contains(words));
        let hit = hit.unwrap_or_else(|| panic!("{to}: no {code} with {words} in {found:#?}"));
        assert!(hit.hint.is_some() && !hit.locations.is_empty(), "{hit:?}");
    }
}
