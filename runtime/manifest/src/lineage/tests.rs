//! What is read from the SQL, by examples of each way in which it can be written.

use super::*;

fn table(name: &str) -> TableRef {
    let (layer, table) = name.split_once('.').unwrap();
    TableRef { layer: Layer::parse(layer).unwrap(), table: table.to_owned() }
}

fn tables() -> Tables {
    let known = [
        ("input.people", "id name country born _batch _position"),
        ("input.trips", "person place day cost _batch _position"),
        ("abstraction.places", "code country label tags"),
    ];
    let columns = |names: &str| names.split(' ').map(str::to_owned).collect();
    known.iter().map(|(name, names)| (table(name), columns(names))).collect()
}

/// `name: direct sources | indirect sources`, a line each.
fn lines(sql: &str) -> Vec<String> {
    let tables = tables();
    let mut resolver = Resolver::new(&tables);
    let derived = resolver.query(&parse(sql).unwrap(), &[], None);
    let say = |of: &BTreeSet<ColumnRef>| {
        let names: Vec<String> = of.iter().map(|c| format!("{}.{}", c.table.table, c.column)).collect();
        names.join(" ")
    };
    let mut lines: Vec<String> = columns_of(&derived)
        .iter()
        .map(|c| format!("{}: {} | {}", c.name, say(&c.direct), say(&c.indirect)).trim().to_owned())
        .collect();
    lines.extend(resolver.unknown.iter().map(|name| format!("! {name}")));
    if resolver.unknown_stars {
        lines.push("! *".to_owned());
    }
    lines
}

#[test]
fn select_lists_have_their_columns_and_names() {
    assert_eq!(
        lines("SELECT id, p.name AS label, upper(country)::text, born + 1 FROM input.people p"),
        ["id: people.id |", "label: people.name |", "upper: people.country |", "?column?: people.born |"]
    );
    assert_eq!(lines("SELECT input.people.id FROM input.people"), ["id: people.id |"]);
    assert_eq!(lines("SELECT ID, \"Id\" FROM input.people"), ["id: people.id |", "Id:  |", "! Id"]);
}

#[test]
fn conditions_joins_and_groups_decide() {
    assert_eq!(
        lines(
            "SELECT t.place, sum(t.cost) AS cost, count(*) AS n FROM input.trips t JOIN input.people p ON p.id = t.person \
             WHERE p.country = 'NO' GROUP BY 1 HAVING max(t.day) > '2020-01-01'"
        ),
        [
            "place: trips.place | people.country people.id trips.day trips.person trips.place",
            "cost: trips.cost | people.country people.id trips.day trips.person trips.place",
            "n:  | people.country people.id trips.day trips.person trips.place",
        ]
    );
}

#[test]
fn ctes_and_subqueries_are_looked_through() {
    assert_eq!(
        lines(
            "WITH a AS (SELECT id AS k, name FROM input.people), b (k, n) AS (SELECT person, count(*) FROM input.trips \
             GROUP BY person) SELECT a.k, name, n, (SELECT max(cost) FROM input.trips x WHERE x.person = a.k) AS most \
             FROM a LEFT JOIN b USING (k)"
        ),
        [
            "k: people.id | people.id trips.person",
            "name: people.name | people.id trips.person",
            "n:  | people.id trips.person",
            "most: trips.cost | people.id trips.person",
        ]
    );
    assert_eq!(
        lines("SELECT d.z FROM (SELECT q.id AS z FROM (SELECT * FROM input.people) q WHERE q.born > 1) d"),
        ["z: people.id | people.born"]
    );
    // an inner name hides an outer one, and another query's names are not seen
    assert_eq!(
        lines("WITH people AS (SELECT day AS id FROM input.trips) SELECT id, cost FROM people"),
        ["id: trips.day |", "cost:  |", "! cost"]
    );
}

#[test]
fn recursive_queries_end() {
    assert_eq!(
        lines(
            "WITH RECURSIVE r (code, up) AS (SELECT code, country FROM abstraction.places UNION ALL SELECT r.code, \
             p.country FROM r JOIN abstraction.places p ON p.code = r.up) SELECT code, up FROM r"
        ),
        ["code: places.code | places.code places.country", "up: places.country | places.code places.country"]
    );
}

#[test]
fn unions_are_by_place() {
    assert_eq!(
        lines("SELECT id AS a, name FROM input.people UNION ALL SELECT person, place FROM input.trips"),
        ["a: people.id trips.person |", "name: people.name trips.place |"]
    );
    assert_eq!(lines("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v (n, s)"), ["n:  |", "s:  |"]);
}

#[test]
fn windows_filters_and_cases_are_of_the_value() {
    assert_eq!(
        lines(
            "SELECT rank() OVER (PARTITION BY country ORDER BY born) AS r, count(*) FILTER (WHERE name <> '') OVER w AS c, \
             CASE WHEN born > 1 THEN name END FROM input.people WINDOW w AS (ORDER BY id)"
        ),
        [
            "r: people.born people.country | people.id",
            "c: people.name | people.id",
            "case: people.born people.name | people.id",
        ]
    );
}

#[test]
fn functions_in_from_are_made_from_their_arguments() {
    assert_eq!(
        lines(
            "SELECT p.code, t.tag, n FROM abstraction.places p CROSS JOIN LATERAL unnest(p.tags) WITH ORDINALITY AS t (tag, n)"
        ),
        ["code: places.code |", "tag: places.tags |", "n: places.tags |"]
    );
    assert_eq!(
        lines("SELECT e.key, e.value FROM abstraction.places p, jsonb_each_text(p.tags) AS e"),
        ["key: places.tags |", "value: places.tags |"]
    );
    assert_eq!(lines("SELECT make_interval(days => born) AS i FROM input.people"), ["i: people.born |"]);
}

#[test]
fn stars_are_expanded_or_said_to_be_unknown() {
    assert_eq!(lines("SELECT p.*, x.code FROM abstraction.places p JOIN abstraction.places x ON true").len(), 5);
    assert_eq!(
        lines("SELECT * FROM input.trips a JOIN (SELECT place, 1 AS one FROM input.trips) b USING (place)")
            .iter()
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect::<Vec<_>>(),
        ["place", "person", "day", "cost", "_batch", "_position", "one"]
    );
    assert!(lines("SELECT * FROM jsonb_each('{}')").contains(&"! *".to_owned()));
}

#[test]
fn what_grows_without_bound_is_given_up() {
    let mut stars = "SELECT * FROM input.people".to_owned();
    for _ in 0..8 {
        stars = format!("SELECT x.*, x.*, x.*, x.*, x.*, x.* FROM ({stars}) x");
    }
    let mut recursive = "SELECT 1 AS a".to_owned();
    for _ in 0..15 {
        recursive = format!("WITH RECURSIVE r AS ({recursive}) SELECT a FROM r");
    }
    for sql in [stars, recursive] {
        let tables = tables();
        let mut resolver = Resolver::new(&tables);
        resolver.query(&parse(&sql).unwrap(), &[], None);
        assert!(resolver.is_exhausted(), "{} bytes", sql.len());
    }
}

fn driven(sql: &str, key: &[&str]) -> Result<String, String> {
    let key: Vec<String> = key.iter().map(|k| (*k).to_owned()).collect();
    let query = parse(sql).unwrap();
    let view = parse("SELECT person AS who, place, cost FROM input.trips WHERE cost > 0").unwrap();
    let mut tables = tables();
    tables.insert(table("abstraction.v"), vec!["who".into(), "place".into(), "cost".into()]);
    let views = BTreeMap::from([(table("abstraction.v"), &view)]);
    local::driver(&query, &key, &tables, &views).map(|d| format!("{}: {}", d.table.table, d.columns.join(", ")))
}

#[test]
fn what_depends_on_its_key_alone_can_be_incremental() {
    for (sql, key, expected) in [
        ("SELECT id, name FROM input.people", vec!["id"], "people: id"),
        ("SELECT person AS p, day, sum(cost) AS c FROM input.trips GROUP BY person, day", vec!["p"], "trips: person"),
        ("SELECT person AS p, day, sum(cost) FROM input.trips GROUP BY 1, 2", vec!["p", "day"], "trips: person, day"),
        ("SELECT DISTINCT ON (id) id, name FROM input.people ORDER BY id, _position DESC", vec!["id"], "people: id"),
        (
            "SELECT * FROM (SELECT t.person, cost, row_number() OVER (PARTITION BY person ORDER BY day) AS n FROM \
             input.trips t) x WHERE n = 1",
            vec!["person"],
            "trips: person",
        ),
        (
            "WITH l AS (SELECT person, max(day) AS day FROM input.trips GROUP BY person) SELECT l.person, p.country FROM l \
             LEFT JOIN input.people p ON p.id = l.person",
            vec!["person"],
            "trips: person",
        ),
        ("SELECT who, sum(cost) AS c FROM abstraction.v GROUP BY who", vec!["who"], "trips: person"),
        (
            "SELECT p.id FROM input.people p WHERE EXISTS (SELECT FROM input.trips t WHERE t.person = p.id)",
            vec!["id"],
            "people: id",
        ),
    ] {
        assert_eq!(driven(sql, &key).as_deref(), Ok(expected), "{sql}");
    }
}

#[test]
fn what_could_change_elsewhere_cannot_be_incremental() {
    for (sql, key) in [
        ("SELECT upper(name) AS k FROM input.people", "k"),
        ("SELECT country FROM input.people", "id"),
        ("SELECT id, rank() OVER (ORDER BY born) AS r FROM input.people", "id"),
        ("SELECT id, rank() OVER w AS r FROM input.people WINDOW w AS (PARTITION BY country)", "id"),
        ("SELECT id FROM input.people ORDER BY born LIMIT 10", "id"),
        ("SELECT DISTINCT ON (country) country, id FROM input.people", "id"),
        ("SELECT a.id FROM input.people a JOIN input.people b ON a.country = b.country", "id"),
        ("SELECT id, (SELECT count(*) FROM input.people) AS n FROM input.people", "id"),
        ("SELECT p.id FROM input.trips t LEFT JOIN input.people p ON p.id = t.person", "id"),
        ("SELECT p.id FROM input.people p FULL JOIN input.trips t ON p.id = t.person", "id"),
        ("SELECT id, country FROM input.people GROUP BY GROUPING SETS ((id, country), (country))", "id"),
        ("SELECT id FROM input.people UNION ALL SELECT person FROM input.trips", "id"),
        ("SELECT id, now() - born AS age FROM input.people", "id"),
        ("WITH x AS (SELECT id, country FROM input.people) SELECT a.id FROM x a JOIN x b USING (country)", "id"),
        ("SELECT v.who FROM abstraction.v v JOIN input.trips t ON t.place = v.place", "who"),
        ("SELECT id FROM input.people TABLESAMPLE BERNOULLI (10)", "id"),
    ] {
        assert!(driven(sql, &[key]).is_err(), "{sql}");
    }
}

#[test]
fn a_sample_is_what_sql_says_and_not_what_a_text_says() {
    let samples = |sql: &str| local::samples(&parse(sql).unwrap());
    assert!(samples("SELECT id FROM input.people TABLESAMPLE SYSTEM (10)"));
    assert!(samples("SELECT 1 WHERE EXISTS (SELECT 1 FROM input.people p tablesample bernoulli (1) REPEATABLE (7))"));
    assert!(!samples("SELECT id, 'TABLESAMPLE' AS tablesample FROM input.people -- no TABLESAMPLE here"));
}
