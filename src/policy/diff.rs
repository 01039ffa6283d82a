//! `terrane policy diff`: turns two states of policies into who can do what after that they couldn't before, and the reverse.

use super::judged::{Judged, MeshPolicy, graph_field, products};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use terrane_policy::RoleSet;
use terrane_query::{Verdict, effect};

/// Compare policies.
#[derive(Args)]
pub struct DiffArguments {
    /// Before: a folder of products, a product's folder, its policy.csv, a policies folder, or a file of mesh rules (mesh.csv)
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// After: the same kind of thing
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    /// The product's folder, where policy files are compared that are not in it
    #[arg(long, value_name = "DIR")]
    product: Option<PathBuf>,
    /// The products whose fields are looked at, where mesh rules are compared
    #[arg(long, default_value = "products", value_name = "DIR")]
    products: PathBuf,
    /// Fail where somebody can do what he couldn't before
    #[arg(long)]
    deny_more: bool,
}

/// A decision that is another one: role, product, object, action, and before and after in words.
struct Difference {
    cell: [String; 4],
    before: String,
    after: String,
    gained: bool,
}

/// Print what differs.
pub fn run(arguments: &DiffArguments) -> Result<()> {
    let mut lines = match (MeshPolicy::is_at(&arguments.before), MeshPolicy::is_at(&arguments.after)) {
        (true, true) => {
            let of = products(&arguments.products, None)?;
            of_mesh(&of, &[MeshPolicy::load(&arguments.before)?, MeshPolicy::load(&arguments.after)?])
        }
        (false, false) => {
            let folder = arguments.product.as_deref();
            of_products(&products(&arguments.before, folder)?, &products(&arguments.after, folder)?)?
        }
        _ => bail!("one of the two is of mesh rules, and the other of products; compare equal things"),
    };
    lines.sort_by(|a, b| a.cell.cmp(&b.cell));
    let mut out = std::io::stdout();
    for Difference { cell: [role, product, object, action], before, after, gained } in &lines {
        let line = line((role, action, object, product), (before, after), *gained);
        writeln!(out, "{line}").context("write what differs")?;
    }
    let gained = lines.iter().filter(|line| line.gained).count();
    eprintln!("{gained} more can be done, {} less", lines.len() - gained);
    if arguments.deny_more && gained > 0 {
        bail!("{gained} things can be done that couldn't be done before");
    }
    Ok(())
}

/// `+ reader  read countries.population of countries  (deny → allow)`.
pub fn line(
    (role, action, object, product): (&str, &str, &str, &str),
    (before, after): (&str, &str),
    gained: bool,
) -> String {
    let sign = if gained { '+' } else { '-' };
    format!("{sign} {role}  {action} {object} of {product}  ({before} → {after})")
}

/// What changes at each product; one that is on one side only allows nothing on the other.
fn of_products(before: &[Judged], after: &[Judged]) -> Result<Vec<Difference>> {
    let ids: BTreeSet<&str> = before.iter().chain(after).map(|judged| judged.product.id.as_str()).collect();
    let mut lines = Vec::new();
    for id in ids {
        let of = |all: &'_ [Judged]| all.iter().position(|judged| judged.product.id == id);
        let (old, new) = (of(before).map(|place| &before[place]), of(after).map(|place| &after[place]));
        let changes = match (old, new) {
            (Some(old), Some(new)) => effect(old.parts(), new.parts()),
            (Some(old), None) => effect(old.parts(), (&old.product, &old.closed()?)),
            (None, Some(new)) => effect((&new.product, &new.closed()?), new.parts()),
            (None, None) => Vec::new(),
        };
        lines.extend(changes.into_iter().map(|change| {
            let (before, after, gained) = (change.before.words(), change.after.words(), change.widens());
            Difference { cell: [change.role, id.to_owned(), change.object, change.action], before, after, gained }
        }));
    }
    Ok(lines)
}

/// What changes of what the mesh's rules leave to roles, of the products' fields and of what the rules name.
fn of_mesh(products: &[Judged], rules: &[MeshPolicy; 2]) -> Vec<Difference> {
    let mut roles: BTreeSet<String> = products.iter().flat_map(|judged| judged.product.role_names()).collect();
    roles.extend(rules.iter().flat_map(|rules| rules.roles()).map(str::to_owned));
    let mut fields: BTreeSet<String> = rules.iter().flat_map(|rules| rules.objects()).map(str::to_owned).collect();
    for judged in products {
        let objects = judged.questions().into_iter().filter(|(_, action)| action == "read");
        fields.extend(objects.filter_map(|(object, _)| graph_field(&judged.product, &object)));
    }
    let cells = roles.iter().flat_map(|role| fields.iter().map(move |field| (role, field)));
    let difference = |(role, field): (&String, &String)| {
        let [before, after] = rules.each_ref().map(|rules| {
            let denied = !rules.denials(&RoleSet::new([role.as_str()]), field).is_empty();
            if denied { Verdict::Deny } else { Verdict::Allow }
        });
        let cell = [role.clone(), "the mesh".to_owned(), field.clone(), "read".to_owned()];
        let [old, new] = [before, after].map(|verdict| verdict.word().to_owned());
        (before != after).then_some(Difference { cell, before: old, after: new, gained: after > before })
    };
    cells.filter_map(difference).collect()
}
