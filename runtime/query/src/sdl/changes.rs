//! Changes in SDL: turns datasets with a key into the types and root fields by which their changes are followed.

use super::{TEXT, print_column, print_description};
use crate::catalog::{Catalog, Entity};
use std::fmt::Write as _;

const FOLLOW_DOC: &str = "What changes, in the order in which it is published: from now on, or after a position that was seen. \
                          The first event tells the position that it begins at. `filter` asks for fields of the row itself.";

/// `type Subscription`, and what all changes have in common.
pub(super) fn print_subscription(catalog: &Catalog, out: &mut String) {
    if catalog.changes.is_empty() {
        return;
    }
    out.push_str("\ntype Subscription {\n");
    for (name, id) in &catalog.changes {
        let kind = &catalog.entity(*id).type_name;
        print_description(out, Some(FOLLOW_DOC), "  ");
        writeln!(out, "  {name}(after: String, filter: {kind}Filter): {kind}Changes").expect(TEXT);
    }
    out.push_str(
        "}\n\n\"What has happened to a row, in the eyes of who asks: a row that it may no longer see was deleted.\"\nenum \
         ChangeOperation {\n  INSERT\n  UPDATE\n  DELETE\n}\n",
    );
}

/// The types of one dataset's changes.
pub(super) fn print_types(catalog: &Catalog, entity: &Entity, out: &mut String) {
    let kind = &entity.type_name;
    write!(
        out,
        "\ntype {kind}Changes {{\n  \"All changes up to this position were told: who goes on after it misses nothing and sees \
         nothing twice.\"\n  position: String!\n  changes: [{kind}Change!]!\n}}\n\ntype {kind}Change {{\n  operation: \
         ChangeOperation!\n  position: String!\n  \"The version that was published.\"\n  version: BigInt!\n  at: DateTime!\n  key: \
         {kind}Key!\n  \"The row as it is after the change; null where it was deleted.\"\n  row: {kind}\n}}\n"
    )
    .expect(TEXT);
    writeln!(out, "\ntype {kind}Key @describes(type: \"{kind}\") {{").expect(TEXT);
    for column in &entity.key {
        print_column(catalog, entity.column(*column), out);
    }
    out.push_str("}\n");
}
