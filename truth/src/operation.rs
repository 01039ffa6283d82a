//! Operations: the IR of a random operation, made by a walk over what clients see, and its text.

use crate::random::Random;
use crate::world::{Argument, Base, Kind, TypeId, World};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// An operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Whether it is a mutation.
    pub mutation: bool,
    /// Its selections.
    pub selections: Vec<Selection>,
    /// Its variables: name, type, default, and the given value.
    pub variables: Vec<Variable>,
}

/// A variable.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type, as GraphQL text.
    pub ty: String,
    /// Its default, as GraphQL text.
    pub default: Option<&'static str>,
    /// What the request gives.
    pub value: Option<Value>,
}

/// A selection.
#[derive(Debug, Clone)]
pub struct Selection {
    /// `name`, `alias: name(arguments)`, or a fragment's `... on Type`; without directives.
    pub text: String,
    /// Variables of its directives: (`skip`, `include` or `defer`, the variable). A `defer` may have none.
    pub directives: Vec<(&'static str, String)>,
    /// What is selected below it.
    pub below: Vec<Selection>,
    /// Whether it is a fragment, and if so whether it is written as a named one.
    pub fragment: Option<bool>,
}

impl Operation {
    /// The operation's text. Variables that nothing uses are left out.
    pub fn text(&self) -> String {
        let mut named = Vec::new();
        let body = print(&self.selections, &mut named, 1);
        let fragments = named.concat();
        let used = |variable: &&Variable| {
            let word = format!("${}", variable.name);
            let mut found = body.match_indices(&word).chain(fragments.match_indices(&word));
            found.any(|(at, _)| at > 0)
        };
        let variables: Vec<String> = self
            .variables
            .iter()
            .filter(used)
            .map(|v| format!("${}: {}{}", v.name, v.ty, v.default.map(|d| format!(" = {d}")).unwrap_or_default()))
            .collect();
        let variables = if variables.is_empty() { String::new() } else { format!("({})", variables.join(", ")) };
        let kind = if self.mutation { "mutation" } else { "query" };
        format!("{kind}{variables} {{\n{body}}}\n{fragments}")
    }

    /// The variables of the request.
    pub fn values(&self) -> Map<String, Value> {
        let given = |v: &Variable| v.value.clone().map(|value| (v.name.clone(), value));
        self.variables.iter().filter_map(given).collect()
    }
}

fn print(selections: &[Selection], named: &mut Vec<String>, depth: usize) -> String {
    let mut text = String::new();
    for selection in selections {
        let directives =
            selection.directives.iter().fold(String::new(), |text, (name, variable)| match variable.as_str() {
                "" => format!("{text} @{name}"),
                _ => format!("{text} @{name}(if: ${variable})"),
            });
        if selection.fragment == Some(true) {
            let at = named.len();
            named.push(String::new());
            let below = print(&selection.below, named, 1);
            let on = selection.text.trim_start_matches("... ");
            named[at] = format!("fragment N{at} {on} {{\n{below}}}\n");
            let _ = writeln!(text, "{}...N{at}{directives}", "  ".repeat(depth));
            continue;
        }
        let _ = write!(text, "{}{}{directives}", "  ".repeat(depth), selection.text);
        if !selection.below.is_empty() {
            let below = print(&selection.below, named, depth + 1);
            let _ = write!(text, " {{\n{below}{}}}", "  ".repeat(depth));
        }
        text.push('\n');
    }
    text
}

struct Walk<'a> {
    world: &'a World,
    random: Random,
    variables: Vec<Variable>,
    left: usize,
    aliases: usize,
}

/// A random operation over a world. It may be invalid where fields conflict; who uses it validates it.
pub fn operation(world: &World, seed: u64) -> Operation {
    let mut random = Random::new(seed);
    let mutation = !world.ty(TypeId(1)).graphs.is_empty() && random.once_in(8);
    let size = 3 + random.below(40);
    let mut walk = Walk { world, random, variables: Vec::new(), left: size, aliases: 0 };
    let selections = walk.selections(TypeId(u32::from(mutation)), 0);
    Operation { mutation, selections, variables: walk.variables }
}

impl Walk<'_> {
    fn selections(&mut self, id: TypeId, depth: usize) -> Vec<Selection> {
        let mut selections = Vec::new();
        let count = 1 + self.random.below(4);
        for _ in 0..count {
            if self.left == 0 && !selections.is_empty() {
                break;
            }
            self.left = self.left.saturating_sub(1);
            let is_abstract = matches!(self.world.ty(id).kind, Kind::Interface | Kind::Union);
            let fragment = depth > 0 && self.random.once_in(if is_abstract { 2 } else { 8 });
            let made = if fragment || self.world.ty(id).kind == Kind::Union {
                self.fragment(id, depth)
            } else {
                self.field(id, depth)
            };
            selections.extend(made);
        }
        if selections.is_empty() {
            selections.push(leaf("__typename".to_owned()));
        }
        selections
    }

    fn fragment(&mut self, id: TypeId, depth: usize) -> Option<Selection> {
        if depth > 7 {
            return None;
        }
        let own = self.world.possible(id, None);
        let fits = |other: &TypeId| {
            let ty = self.world.ty(*other);
            !ty.graphs.is_empty()
                && ty.kind != Kind::Root
                && self.world.possible(*other, None).iter().any(|m| own.contains(m))
        };
        let others: Vec<TypeId> = self.world.ids().filter(fits).collect();
        let on = *self.random.pick(&others);
        let mut directives = self.directives();
        if self.random.once_in(4) {
            let variable = if self.random.once_in(4) { self.condition() } else { String::new() };
            directives.push(("defer", variable));
        }
        let below = self.selections(on, depth + 1);
        let text = format!("... on {}", self.world.ty(on).name);
        Some(Selection { text, directives, below, fragment: Some(self.random.once_in(4)) })
    }

    fn field(&mut self, id: TypeId, depth: usize) -> Option<Selection> {
        if self.random.once_in(10) {
            return Some(leaf(if self.random.once_in(3) {
                "t: __typename".to_owned()
            } else {
                "__typename".to_owned()
            }));
        }
        let fields = self.world.visible_fields(id);
        if fields.is_empty() {
            return None;
        }
        let field = (*self.random.pick(&fields)).clone();
        if field.ty.composite().is_some() && depth > 7 {
            return None;
        }
        let mut text = field.name.clone();
        if !field.args.is_empty() || self.random.once_in(6) {
            // Fields with arguments get an alias, or they would mostly conflict with each other.
            self.aliases += 1;
            let alias = if self.random.once_in(4) { "same".to_owned() } else { format!("x{}", self.aliases) };
            text = format!("{alias}: {text}");
        }
        text.push_str(&self.arguments(&field.args));
        // A mutation field that is left out at first and asked for later runs in its first place; that is no difference
        // that clients could build on.
        let directives = if id == TypeId(1) { Vec::new() } else { self.directives() };
        let below = match field.ty.composite() {
            Some(composite) => self.selections(composite, depth + 1),
            None => Vec::new(),
        };
        Some(Selection { text, directives, below, fragment: None })
    }

    fn directives(&mut self) -> Vec<(&'static str, String)> {
        let mut directives = Vec::new();
        for name in ["skip", "include"] {
            if self.random.once_in(14) {
                let variable = self.condition();
                directives.push((name, variable));
            }
        }
        directives
    }

    /// One of two boolean variables.
    fn condition(&mut self) -> String {
        let number = self.random.below(2);
        let variable = format!("b{number}");
        if !self.variables.iter().any(|known| known.name == variable) {
            let value = json!(self.random.once_in(2));
            let (ty, default) = ("Boolean!".to_owned(), None);
            self.variables.push(Variable { name: variable.clone(), ty, default, value: Some(value) });
        }
        variable
    }

    fn arguments(&mut self, args: &[Argument]) -> String {
        let mut given = Vec::new();
        for argument in args {
            let optional = argument.default.is_some() || !argument.ty.non_null;
            if optional && self.random.once_in(3) {
                continue;
            }
            let value = if self.random.once_in(3) { self.variable(argument) } else { self.literal(argument) };
            given.push(format!("{}: {value}", argument.name));
        }
        if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) }
    }

    fn literal(&mut self, argument: &Argument) -> String {
        let choices: &[&str] = match (argument.ty.base, argument.ty.lists.is_empty()) {
            // All of one length: validation takes a list and a longer one that starts with it for the same.
            (Base::Int, false) => &["[7, 0]", "[1, 2]", "[3, 3]"],
            (Base::Int, true) => &["0", "-5", "42"],
            (Base::Color, _) => &["RED", "BLUE"],
            (Base::Boolean, _) => &["true", "false"],
            (Base::Range, _) => &["{}", "{low: 2}", "{high: 4, colors: [BLUE, RED]}", "{low: null}"],
            _ => &["\"\"", "\"a\\\"b\"", "\"\\u00fc\""],
        };
        (*self.random.pick(choices)).to_owned()
    }

    fn variable(&mut self, argument: &Argument) -> String {
        let name = format!("v{}", self.variables.len());
        let value = match (argument.ty.base, argument.ty.lists.is_empty()) {
            (Base::Int, false) => json!([self.random.below(9), 1]),
            (Base::Int, true) => json!(self.random.below(9)),
            (Base::Color, _) => json!("GREEN"),
            (Base::Boolean, _) => json!(self.random.once_in(2)),
            (Base::Range, _) => json!({ "high": self.random.below(9) }),
            _ => json!("some \"text\" ü"),
        };
        let optional = argument.default.is_some() || !argument.ty.non_null;
        let value = if optional && !argument.ty.non_null && self.random.once_in(4) { None } else { Some(value) };
        let default = if argument.ty.base == Base::Int && argument.ty.lists.is_empty() && self.random.once_in(3) {
            Some("11")
        } else {
            None
        };
        let ty = self.world.type_text(&argument.ty);
        self.variables.push(Variable { name: name.clone(), ty, default, value });
        format!("${name}")
    }
}

fn leaf(text: String) -> Selection {
    Selection { text, directives: Vec::new(), below: Vec::new(), fragment: None }
}
