//! Feeds composition what nobody should write: it turns into diagnostics, in bounded time, without a panic.

use std::fmt::Write as _;
use terrane_compose::{Composition, Subgraph, compose};
use terrane_diagnostics::Diagnostic;

const LINK: &str = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [\"@key\", \"@external\", \
                    \"@requires\", \"@shareable\", \"@provides\"])\n";

fn subgraph(name: &str, sdl: &str) -> Subgraph {
    Subgraph { name: name.to_owned(), url: String::new(), sdl: format!("{sdl}\n{LINK}") }
}

/// Composes on a stack as small as a server's worker has. What took more than linear time would not end soon here.
fn bounded(subgraphs: Vec<Subgraph>) -> Result<Composition, Vec<Diagnostic>> {
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    worker.spawn(move || compose(&subgraphs)).expect("a thread starts").join().expect("no panic")
}

fn codes(outcome: Result<Composition, Vec<Diagnostic>>) -> Vec<&'static str> {
    outcome.err().unwrap_or_default().iter().map(|found| found.code).collect()
}

#[test]
fn nothing_at_all() {
    assert_eq!(codes(bounded(vec![])), ["NO_QUERIES"]);
    assert_eq!(
        codes(compose(&[Subgraph { name: "a".into(), url: String::new(), sdl: String::new() }])),
        ["INVALID_GRAPHQL"]
    );
    let twice = vec![subgraph("a", "type Query { a: Int }"), subgraph("a", "type Query { b: Int }")];
    assert_eq!(codes(bounded(twice)), ["DUPLICATE_SUBGRAPH_NAME"]);
}

#[test]
fn every_truncation() {
    let sdl = "type Query { p(a: [Int!] = [1, 2]): P @shareable }\n\"\"\"d\"\"\" type P implements I @key(fields: \"id o { x }\") \
               { id: ID! o: O }\ninterface I { id: ID! }\nunion U = P | O\nenum E { A B }\ninput N { n: N }\ntype O { x: Int }";
    for end in 0..sdl.len() {
        let _ = compose(&[subgraph("a", &sdl[..end])]);
        let _ = compose(&[Subgraph { name: "a".into(), url: String::new(), sdl: sdl[..end].to_owned() }]);
        let _ = compose(&[subgraph("a", &sdl[end..])]);
    }
}

#[test]
fn deep_nesting() {
    let depth = 20_000;
    let lists = format!("type Query {{ q: {}Int{} }}", "[".repeat(depth), "]".repeat(depth));
    let values = format!("type Query {{ q(a: [Int] = {}1{}): Int }}", "[".repeat(depth), "]".repeat(depth));
    let objects = format!("type Query {{ q(a: Int = {}1{}): Int }}", "{a:".repeat(depth), "}".repeat(depth));
    let keys = format!(
        "type Query {{ q: P }} type P @key(fields: \"{}x{}\") {{ x: Int p: P }}",
        "p{".repeat(depth),
        "}".repeat(depth)
    );
    let fragments = format!(
        "type Query {{ q: P }} type P @key(fields: \"{}x{}\") {{ x: Int }}",
        "...{".repeat(depth),
        "}".repeat(depth)
    );
    for sdl in [lists, values, objects, keys, fragments] {
        assert!(bounded(vec![subgraph("a", &sdl)]).is_err());
    }
    let forty = format!("type Query {{ q: {}Int{} }}", "[".repeat(40), "]".repeat(40));
    assert_eq!(codes(bounded(vec![subgraph("a", &forty)])), ["INVALID_GRAPHQL"]);
}

#[test]
fn cyclic_definitions() {
    assert_eq!(
        codes(bounded(vec![subgraph("a", "type Query { i: I }\ninterface I implements I { x: Int }")])).first(),
        Some(&"INVALID_GRAPHQL")
    );
    let requires = |one: &str, two: &str| {
        let root = if one == "x" { "type Query { t: T }\n" } else { "" };
        format!(
            "{root}type T @key(fields: \"id\") {{ id: ID! {one}: Int @requires(fields: \"{two}\") {two}: Int @external }}"
        )
    };
    let outcome = bounded(vec![subgraph("a", &requires("x", "y")), subgraph("b", &requires("y", "x"))]);
    assert!(codes(outcome).iter().all(|code| *code == "SATISFIABILITY_ERROR"));
}

/// Every level has two fields that both require both fields of the next level: 2^60 paths, 60 levels.
#[test]
fn requires_are_no_tree() {
    let mut a = "type Query { t: T }\ntype T @key(fields: \"id\") { id: ID!\n".to_owned();
    let mut b = "type T @key(fields: \"id\") { id: ID!\n".to_owned();
    for level in 0..60 {
        let (here, there) = if level % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
        for side in ["l", "r"] {
            let below = level + 1;
            let requires = if level < 59 { format!("@requires(fields: \"l{below} r{below}\")") } else { String::new() };
            writeln!(here, "{side}{level}: Int {requires}").expect("a String takes any text");
            if level > 0 {
                writeln!(there, "{side}{level}: Int @external").expect("a String takes any text");
            }
        }
    }
    let outcome = bounded(vec![subgraph("a", &format!("{a}}}")), subgraph("b", &format!("{b}}}"))]);
    assert_eq!(codes(outcome), Vec::<&str>::new());
}

/// Types without keys that refer to each other everywhere: many paths, few sets of places.
#[test]
fn shared_values_are_no_tree() {
    let types = 24;
    let sdl = |root: usize| {
        let mut sdl = format!("type Query {{ q{root}: V{root} }}\n");
        for ty in 0..types {
            let fields: String = (0..types).map(|other| format!(" f{other}: V{other}")).collect();
            writeln!(sdl, "type V{ty} @shareable {{ x: Int{fields} }}").expect("a String takes any text");
        }
        sdl
    };
    let subgraphs = (0..12).map(|index| subgraph(&format!("s{index}"), &sdl(index))).collect();
    assert_eq!(codes(bounded(subgraphs)), Vec::<&str>::new());
}

#[test]
fn ten_megabytes() {
    let mut fields = "type Query {\n".to_owned();
    while fields.len() < 2 << 20 {
        writeln!(fields, "  field{}(argument: String = \"value\"): String", fields.len())
            .expect("a String takes any text");
    }
    assert!(bounded(vec![subgraph("a", &format!("{fields}}}"))]).is_ok());
    assert!(bounded(vec![subgraph("a", &fields)]).is_err());
    let comment = format!("type Query {{ a: Int }}\n#{}\n", "x".repeat(10 << 20));
    assert!(bounded(vec![subgraph("a", &comment)]).is_ok());
    let noise = "{ ( } @ ".repeat(1_300_000);
    assert!(bounded(vec![subgraph("a", &noise)]).is_err());
}

#[test]
fn many_findings_stay_readable() {
    let mut sdl = "type Query {\n".to_owned();
    for index in 0..5_000 {
        writeln!(sdl, "  f{index}: Int").expect("a String takes any text");
    }
    sdl.push('}');
    let found = bounded(vec![subgraph("a", &sdl), subgraph("b", &sdl)]).expect_err("nothing is shareable");
    assert!(found.len() <= 1_001, "{} findings", found.len());
}

/// Documents of one kind of thing, as many as fit: what is done for each must not look at all others.
#[test]
fn much_of_one_kind() {
    const SIZE: usize = 1 << 19;
    type Each = fn(usize) -> String;
    let fill = |start: &str, each: Each, end: &str| {
        let mut text = format!("type Query {{ t: T }} {start}");
        for number in 0.. {
            if text.len() > SIZE {
                break;
            }
            text.push_str(&each(number));
        }
        text + end
    };
    let interface = |n| {
        let (key, fields) = ("@key(fields: \"id\")", format!("id: ID! i: I{n}"));
        format!("interface I{n} {key} {{ id: ID! }} type A{n} implements I{n} {key} {{ {fields} }} ")
    };
    let entity = "type T @key(fields: \"id\") { id: ID! ";
    let kinds: [(&str, Each, &str); 6] = [
        (entity, |n| format!("f{n}: Int "), "}"),
        ("type T { a: Int } ", |n| format!("directive @d{n}(a: Int) on FIELD "), ""),
        ("type T { i: I0 } ", interface, ""),
        ("type T { i: I } interface I { a: Int } ", |n| format!("type A{n} implements I {{ a: Int }} "), ""),
        ("type T { e: E } enum E { ", |n| format!("V{n} "), "}"),
        ("type T ", |n| format!("@key(fields: \"id{}\") ", " id".repeat(n % 50)), " { id: ID! }"),
    ];
    for (start, each, end) in kinds {
        assert!(bounded(vec![subgraph("a", &fill(start, each, end))]).is_ok(), "{start}");
    }
    let all = |each: Each| (0..SIZE / 50).map(each).collect::<String>();
    let fields = format!("type Query {{ t: T }} {entity} {}}}", all(|n| format!("f{n}: Int\n")));
    let taken = all(|n| format!("f{n}: Int @federation__override(from: \"a\", label: \"l{n}\")\n"));
    assert!(bounded(vec![subgraph("a", &fields), subgraph("b", &format!("{entity} {taken}}}"))]).is_ok());
    let (members, types) = (all(|n| format!("| M{n} ")), all(|n| format!("type M{n} {{ a: Int }} ")));
    let union = format!("type Query {{ u: U }} union U = {members} {types}");
    assert!(bounded(vec![subgraph("a", &union)]).is_ok());
}
