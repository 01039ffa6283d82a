//! `terrane policy test`: turns a file of expectations into those that the policies don't meet.

use super::judged::{Judged, products, role_set};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use terrane_query::Verdict;

const FORM: &str = "ROLE[+ROLE…], PRODUCT, OBJECT, ACTION, allow|deny|mask";

/// Test policies.
#[derive(Args)]
pub struct TestArguments {
    /// Expectations, one a line: ROLE[+ROLE…], PRODUCT, OBJECT, ACTION, allow|deny|mask. PRODUCT and ACTION may be `*`, and
    /// OBJECT may end in `*`; a line holds for all that it covers, and has to cover something
    #[arg(value_name = "FILE", default_value = "policies/expectations.csv")]
    file: PathBuf,
    /// A folder with one product folder each, or one product's folder
    #[arg(long, default_value = "products", value_name = "DIR")]
    products: PathBuf,
}

struct Expectation {
    line: usize,
    roles: String,
    product: String,
    object: String,
    action: String,
    verdict: Verdict,
}

/// Print what differs; that is a failure.
pub fn run(arguments: &TestArguments) -> Result<()> {
    let file = arguments.file.display();
    let text = fs::read_to_string(&arguments.file).with_context(|| {
        format!("read the expectations {file}: a file of lines `{FORM}`; another one is named as an argument")
    })?;
    let expectations = read(&text).with_context(|| file.to_string())?;
    let products = products(&arguments.products, None)?;
    let (mut asked, mut failed) = (0, 0);
    let mut out = std::io::stdout();
    for expected in &expectations {
        let differences = check(expected, &products);
        asked += differences.asked;
        if differences.asked == 0 {
            failed += 1;
            writeln!(out, "{file}:{}: nothing of the products is covered by this line", expected.line)
                .context("write what differs")?;
        }
        for text in &differences.found {
            writeln!(out, "{file}:{}: {text}", expected.line).context("write what differs")?;
        }
        failed += differences.found.len();
    }
    if failed > 0 {
        bail!("{failed} expectations are not met, of {asked} decisions that were looked at");
    }
    eprintln!("{} expectations are met, by {asked} decisions", expectations.len());
    Ok(())
}

struct Differences {
    asked: usize,
    found: Vec<String>,
}

fn check(expected: &Expectation, products: &[Judged]) -> Differences {
    let mut differences = Differences { asked: 0, found: Vec::new() };
    let roles = role_set(&expected.roles);
    for judged in products.iter().filter(|judged| covers(&expected.product, &judged.product.id)) {
        let verdict = judged.verdicts(&roles);
        for (object, action) in judged.questions() {
            if !covers(&expected.object, &object) || !covers(&expected.action, &action) {
                continue;
            }
            differences.asked += 1;
            let found = verdict(&object, &action);
            if found != expected.verdict {
                differences.found.push(format!(
                    "{} {action} {object} of {}: expected {}, found {}",
                    expected.roles,
                    judged.product.id,
                    expected.verdict.word(),
                    found.word()
                ));
            }
        }
    }
    differences
}

/// Exactly, or as a prefix before a `*`.
fn covers(named: &str, asked: &str) -> bool {
    named.strip_suffix('*').map_or(named == asked, |prefix| asked.starts_with(prefix))
}

fn read(text: &str) -> Result<Vec<Expectation>> {
    let mut expectations = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts: Vec<&str> = line.split(',').map(str::trim).collect();
        let read = match parts.as_slice() {
            [roles, product, object, action, verdict] if !parts.contains(&"") => {
                Verdict::parse(verdict).map(|verdict| Expectation {
                    line: index + 1,
                    roles: (*roles).to_owned(),
                    product: (*product).to_owned(),
                    object: (*object).to_owned(),
                    action: (*action).to_owned(),
                    verdict,
                })
            }
            _ => None,
        };
        expectations
            .push(read.with_context(|| format!("line {}: `{line}` is no expectation; write {FORM}", index + 1))?);
    }
    match expectations.is_empty() {
        true => bail!("there is no expectation in it; write lines {FORM}"),
        false => Ok(expectations),
    }
}
