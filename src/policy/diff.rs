//! `terrane policy diff`: turns two states of policies into who can do what after that they couldn't before, and the reverse.

use super::judged::{Judged, MeshPolicy, Verdict, graph_field, products};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use terrane_policy::RoleSet;

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

/// Role, product, object, action.
type Cell = (String, String, String, String);
type Verdicts = BTreeMap<Cell, Verdict>;

/// Print what differs.
pub fn run(arguments: &DiffArguments) -> Result<()> {
    let (before, after) = match (MeshPolicy::is_at(&arguments.before), MeshPolicy::is_at(&arguments.after)) {
        (true, true) => {
            let of = products(&arguments.products, None)?;
            let rules = [MeshPolicy::load(&arguments.before)?, MeshPolicy::load(&arguments.after)?];
            let [before, after] = mesh_verdicts(&of, &rules);
            (before, after)
        }
        (false, false) => {
            let folder = arguments.product.as_deref();
            let [before, after] = [products(&arguments.before, folder)?, products(&arguments.after, folder)?];
            let roles: BTreeSet<String> = [&before, &after].into_iter().flat_map(|all| roles_of(all)).collect();
            (product_verdicts(&before, &roles), product_verdicts(&after, &roles))
        }
        _ => bail!("one of the two is of mesh rules, and the other of products; compare equal things"),
    };
    let lines = differences(&before, &after);
    let mut out = std::io::stdout();
    for (_, line) in &lines {
        writeln!(out, "{line}").context("write what differs")?;
    }
    let gained = lines.iter().filter(|(gained, _)| *gained).count();
    eprintln!("{gained} more can be done, {} less", lines.len() - gained);
    if arguments.deny_more && gained > 0 {
        bail!("{gained} things can be done that couldn't be done before");
    }
    Ok(())
}

fn roles_of(products: &[Judged]) -> BTreeSet<String> {
    products.iter().flat_map(|judged| judged.product.role_names()).collect()
}

fn product_verdicts(products: &[Judged], roles: &BTreeSet<String>) -> Verdicts {
    let mut cells = Verdicts::new();
    for judged in products {
        let questions = judged.questions();
        for role in roles {
            let verdict = judged.verdicts(&RoleSet::new([role.as_str()]));
            for (object, action) in &questions {
                let cell = (role.clone(), judged.product.id.clone(), object.clone(), action.clone());
                cells.insert(cell, verdict(object, action));
            }
        }
    }
    cells
}

/// What the mesh's rules leave to roles, of the products' fields and of what the rules name.
fn mesh_verdicts(products: &[Judged], rules: &[MeshPolicy; 2]) -> [Verdicts; 2] {
    let mut roles = roles_of(products);
    roles.extend(rules.iter().flat_map(|rules| rules.roles()).map(str::to_owned));
    let mut fields: BTreeSet<String> = rules.iter().flat_map(|rules| rules.objects()).map(str::to_owned).collect();
    for judged in products {
        let objects = judged.questions().into_iter().filter(|(_, action)| action == "read");
        fields.extend(objects.filter_map(|(object, _)| graph_field(&judged.product, &object)));
    }
    rules.each_ref().map(|rules| {
        let cells = roles.iter().flat_map(|role| fields.iter().map(move |field| (role, field)));
        let verdict = |(role, field): (&String, &String)| {
            let denied = !rules.denials(&RoleSet::new([role.as_str()]), field).is_empty();
            let cell = (role.clone(), "the mesh".to_owned(), field.clone(), "read".to_owned());
            (cell, if denied { Verdict::Deny } else { Verdict::Allow })
        };
        cells.map(verdict).collect()
    })
}

/// Whether something is gained, and the line that says what.
fn differences(before: &Verdicts, after: &Verdicts) -> Vec<(bool, String)> {
    let cells: BTreeSet<&Cell> = before.keys().chain(after.keys()).collect();
    let of = |verdicts: &Verdicts, cell: &Cell| verdicts.get(cell).copied().unwrap_or(Verdict::Deny);
    let mut lines = Vec::new();
    for cell in cells {
        let (old, new) = (of(before, cell), of(after, cell));
        if old != new {
            let (role, product, object, action) = cell;
            let sign = if new > old { '+' } else { '-' };
            let change = format!("{} → {}", old.word(), new.word());
            lines.push((new > old, format!("{sign} {role}  {action} {object} of {product}  ({change})")));
        }
    }
    lines
}
