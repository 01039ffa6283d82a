//! Decisions over a small supergraph.

#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;

const SUPERGRAPH: &str = r#"
schema @link(url: "https://specs.apollo.dev/link/v1.0") @link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION)
  @link(url: "https://specs.apollo.dev/authenticated/v0.1", for: SECURITY)
  @link(url: "https://specs.apollo.dev/requiresScopes/v0.1", for: SECURITY)
  @link(url: "https://specs.apollo.dev/policy/v0.1", for: SECURITY)
  @link(url: "https://specs.terrane.dev/describes/v0.1", import: ["@describes"]) { query: Query }
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
directive @join__type(graph: join__Graph!, key: join__FieldSet) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR
directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
directive @authenticated on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM
directive @requiresScopes(scopes: [[requiresScopes__Scope!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM
directive @policy(policies: [[policy__Policy!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM
directive @describes(type: String!, fields: [String!]) repeatable on OBJECT | INPUT_OBJECT | ENUM | FIELD_DEFINITION | ARGUMENT_DEFINITION
scalar join__FieldSet
scalar link__Import
scalar requiresScopes__Scope
scalar policy__Policy
enum link__Purpose { SECURITY EXECUTION }
enum join__Graph { A @join__graph(name: "a", url: "") }
type Query @join__type(graph: A) {
  countries(filter: CountryFilter, orderBy: [CountryOrder!], search: String @describes(type: "Country", fields: ["areaKm2"])): [Country] 
  person: Person @authenticated
  level: Level
}
type Country @join__type(graph: A) { code: ID areaKm2: Float population: Int }
input CountryFilter @join__type(graph: A) @describes(type: "Country") { code: String areaKm2: Float population: Int and: [CountryFilter!] }
input CountryOrder @join__type(graph: A) { field: CountryOrderField }
enum CountryOrderField @join__type(graph: A) @describes(type: "Country") { CODE AREA_KM2 POPULATION }
type Figures @join__type(graph: A) @describes(type: "Country") { areaKm2: Float population: Int }
type Person @join__type(graph: A) { name: String mail: Mail salary: Int @requiresScopes(scopes: [["pay", "read"], ["admin"]]) iban: String @policy(policies: [["bank"], ["audit", "bank2"]]) }
scalar Mail @join__type(graph: A) @requiresScopes(scopes: [["mail"]])
enum Level @join__type(graph: A) @authenticated { HIGH }
"#;

fn caller(roles: &[&str], scopes: &[&str], signed_in: bool) -> Caller {
    let set = |names: &[&str]| RoleSet::new(names.iter().copied());
    Caller { roles: set(roles), scopes: set(scopes), signed_in, ..Caller::anonymous() }
}

fn policy(lines: Option<&str>) -> (GraphPolicy, Supergraph) {
    let supergraph = Supergraph::parse(SUPERGRAPH).unwrap();
    let rules = SharedRules::new(MeshRules::new(lines).unwrap());
    (GraphPolicy::new(rules, &supergraph), supergraph)
}

fn denied(policy: &GraphPolicy, caller: &Caller) -> Vec<String> {
    let access = policy.access(caller);
    let found = policy.fields.iter().filter(|(of, field)| access.denies(of, field));
    found.map(|(of, field)| format!("{of}.{field}")).collect()
}

#[test]
fn requirements_hold_for_the_type_the_field_and_the_value() {
    let (policy, _) = policy(Some("p, clerk, policy:bank, hold, allow\np, auditor, policy:*, hold, allow"));
    let everything = ["Query.person", "Query.level", "Person.mail", "Person.salary", "Person.iban"];
    assert_eq!(denied(&policy, &caller(&["x"], &[], false)), everything);
    assert_eq!(denied(&policy, &caller(&["x"], &["pay", "mail"], true)), ["Person.salary", "Person.iban"]);
    assert_eq!(denied(&policy, &caller(&["clerk"], &["pay", "read"], true)), ["Person.mail"]);
    assert_eq!(denied(&policy, &caller(&["auditor"], &["admin", "mail"], true)), [""; 0]);
}

#[test]
fn without_any_line_no_policy_holds() {
    let (policy, _) = policy(None);
    assert_eq!(denied(&policy, &caller(&["clerk"], &["admin", "mail"], true)), ["Person.iban"]);
}

#[test]
fn only_what_a_line_denies_is_denied_and_what_speaks_of_it() {
    let (policy, _) = policy(Some(
        "p, clerk, Country.areaKm2, read, deny\np, guest, Country.*, read, deny\ng, visitor, guest\np, clerk, policy:bank, hold, allow",
    ));
    let full = |role: &str| caller(&[role], &["admin", "mail"], true);
    assert_eq!(denied(&policy, &full("clerk")), ["Country.areaKm2", "Figures.areaKm2"]);
    let access = policy.access(&full("clerk"));
    assert_eq!(access.denied_member("CountryFilter", "areaKm2"), Some("Country.areaKm2"));
    assert_eq!(access.denied_member("CountryOrderField", "AREA_KM2"), Some("Country.areaKm2"));
    assert_eq!(access.denied_member("CountryFilter", "population"), None);
    assert!(access.touches("CountryOrder") && access.touches("CountryFilter") && !access.touches("Level"));
    assert!(denied(&policy, &full("visitor")).contains(&"Country.code".to_owned()));
}

#[test]
fn equal_decisions_share_a_number_and_new_rules_hold_at_once() {
    let lines = "p, a, Country.code, read, deny\np, b, Country.code, read, deny\np, c, Country.population, read, deny";
    let (policy, _) = policy(Some(lines));
    let number = |role: &str| policy.access(&caller(&[role], &["admin", "mail", role], true)).number;
    assert_eq!(number("a"), number("b"));
    assert_ne!(number("a"), number("c"));
    let before = number("a");
    policy.rules.replace(MeshRules::new(Some("p, a, Country.population, read, deny")).unwrap());
    assert_eq!(
        (number("a"), number("b") == before),
        (policy.access(&caller(&["a"], &["admin", "mail"], true)).number, false)
    );
    assert!(denied(&policy, &caller(&["a"], &[], true)).contains(&"Figures.population".to_owned()));
    assert!(!denied(&policy, &caller(&["a"], &[], true)).contains(&"Country.code".to_owned()));
}

#[test]
fn inputs_are_checked_in_texts_and_in_variables() {
    let (policy, supergraph) = policy(Some("p, clerk, Country.areaKm2, read, deny"));
    let access = policy.access(&caller(&["clerk"], &[], true));
    let schema = supergraph.api_schema();
    let check = |text: &str, variables: serde_json::Value| {
        let document = apollo_compiler::ExecutableDocument::parse_and_validate(schema, text, "o").unwrap();
        let checks =
            check_arguments(schema, &access, &document, document.operations.get(None).unwrap()).map_err(|errors| {
                errors.iter().map(|e| format!("{}@{}", e.message, e.locations[0].column)).collect::<Vec<_>>()
            })?;
        check_variables(schema, &access, &checks, variables.as_object()).map_err(|e| vec![e.message])
    };
    let none = || serde_json::json!({});
    let speaks = |errors: Result<(), Vec<String>>, what: &str| {
        let errors = errors.unwrap_err();
        assert!(errors.len() == 1 && errors[0].contains(what) && errors[0].contains("`Country.areaKm2`"), "{errors:?}");
    };
    speaks(check("{ countries(filter: {areaKm2: 1.0}) { code } }", none()), "`CountryFilter.areaKm2`");
    speaks(check("{ countries(filter: {and: [{and: {areaKm2: 1.0}}]}) { code } }", none()), "`CountryFilter.areaKm2`");
    speaks(
        check("{ ...F } fragment F on Query { countries(orderBy: {field: AREA_KM2}) { code } }", none()),
        "AREA_KM2",
    );
    speaks(check("{ countries(search: \"x\") { code } }", none()), "`Query.countries(search:)`");
    speaks(check("query($s: String) { countries(search: $s) { code } }", none()), "`Query.countries(search:)`");
    speaks(check("query($f: CountryFilter = {areaKm2: 2}) { countries(filter: $f) { code } }", none()), "areaKm2");
    let by_variable = "query($f: CountryFilter) { countries(filter: $f) { code } }";
    speaks(check(by_variable, serde_json::json!({"f": {"and": [{"areaKm2": 1}]}})), "variable `$f`");
    let order = "query($o: CountryOrderField) { countries(orderBy: [{field: $o}]) { code } }";
    speaks(check(order, serde_json::json!({"o": "AREA_KM2"})), "variable `$o`");
    assert_eq!(check(order, serde_json::json!({"o": "CODE"})), Ok(()));
    assert_eq!(check(by_variable, serde_json::json!({"f": {"population": 1}})), Ok(()));
    assert_eq!(check("{ countries(filter: {population: 1}, search: null) { areaKm2 } }", none()), Ok(()));
}
