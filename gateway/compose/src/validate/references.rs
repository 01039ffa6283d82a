//! Type references: checks that fields, arguments, unions and `implements` name types of the graph, not those that specifications own.

use crate::names::{Names, Symbol};
use crate::report::Report;
use crate::schema::{At, Subgraph};

const BUILT_IN: [Symbol; 5] = [Symbol::INT, Symbol::FLOAT, Symbol::STRING, Symbol::BOOLEAN, Symbol::ID];

/// Reports uses of types that the subgraph's SDL may have for federation's sake (`_Any`, `_Entity`, `link__Import`, …):
/// they are no part of the graph, and neither is what would have them.
pub fn check(subgraph: &Subgraph, names: &Names, report: &mut Report) {
    let mut one = |place: String, base: Symbol, at: At| {
        if BUILT_IN.contains(&base) || subgraph.types.contains_key(&base) {
            return;
        }
        let message =
            format!("[{}] `{place}` uses `{}`, a type of federation's own machinery", subgraph.name, &names[base]);
        report.error("INVALID_GRAPHQL", message, "use a type of the graph", &[(subgraph.id, at)]);
    };
    for ty in subgraph.types.values() {
        for &named in ty.members.iter().chain(ty.interfaces.iter()) {
            one(names[ty.name].to_owned(), named, ty.at);
        }
        for field in ty.fields.values() {
            let coordinate = format!("{}.{}", &names[ty.name], &names[field.name]);
            for arg in field.args.values() {
                one(format!("{coordinate}({}:)", &names[arg.name]), arg.ty.base, arg.at);
            }
            one(coordinate, field.ty.base, field.at);
        }
    }
}
