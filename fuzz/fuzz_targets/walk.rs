//! Walks: turns bytes into an operation, each byte being the choice at one step of a walk over a schema.

use apollo_compiler::Schema;
use apollo_compiler::ast::Type;
use apollo_compiler::schema::{ExtendedType, FieldDefinition, InputValueDefinition};
use std::fmt::Write as _;

const DEEPEST: usize = 12;

struct Walk<'a> {
    schema: &'a Schema,
    bytes: std::slice::Iter<'a, u8>,
    text: String,
    aliases: u32,
}

/// The operation that `bytes` choose. Their end ends every selection set.
pub fn operation(schema: &Schema, bytes: &[u8]) -> String {
    let mut walk = Walk { schema, bytes: bytes[1..].iter(), text: String::new(), aliases: 0 };
    let root = match (&schema.schema_definition.mutation, bytes[0] % 8) {
        (Some(mutation), 0) => {
            walk.text.push_str("mutation($v: Boolean = true, $w: Boolean = false) ");
            mutation.as_str()
        }
        _ => {
            walk.text.push_str("query($v: Boolean = true, $w: Boolean = false) ");
            "Query"
        }
    };
    walk.selections(root, 0);
    // Both variables are used, or the operation would not be valid.
    walk.text.truncate(walk.text.len() - 1);
    walk.text.push_str("u_: __typename @include(if: $v) @skip(if: $w) }");
    walk.text
}

impl Walk<'_> {
    fn choose(&mut self) -> Option<usize> {
        self.bytes.next().map(|&byte| byte as usize)
    }

    fn directives(&mut self, choice: usize) {
        self.text.push_str(match choice % 16 {
            0 => " @include(if: $v)",
            1 => " @skip(if: $v)",
            2 => " @include(if: $w)",
            3 => " @include(if: $v) @skip(if: $w)",
            _ => "",
        });
    }

    fn selections(&mut self, ty: &str, depth: usize) {
        self.text.push_str("{ ");
        let before = self.text.len();
        while let Some(choice) = self.choose() {
            if choice % 16 == 15 || self.text.len() > 1 << 14 {
                break;
            }
            if choice % 16 >= 12 {
                self.fragment(ty, depth, choice / 16);
            } else {
                self.field(ty, depth, choice);
            }
        }
        if self.text.len() == before {
            self.text.push_str("__typename ");
        }
        self.text.push('}');
    }

    fn fragment(&mut self, ty: &str, depth: usize, choice: usize) {
        if depth >= DEEPEST {
            return;
        }
        let own: Vec<String> = self.possible(ty);
        let fits = |name: &str| self.possible(name).iter().any(|one| own.contains(one));
        let mut names: Vec<&str> = self.schema.types.keys().map(|name| name.as_str()).collect();
        names.retain(|name| fits(name));
        let Some(on) = names.get(choice % names.len().max(1)).map(|name| (*name).to_owned()) else { return };
        let _ = write!(self.text, "... on {on}");
        self.directives(choice);
        if choice % 5 == 0 {
            self.text.push_str(" @defer");
        }
        self.text.push(' ');
        self.selections(&on, depth + 1);
        self.text.push(' ');
    }

    fn possible(&self, ty: &str) -> Vec<String> {
        match self.schema.types.get(ty) {
            Some(ExtendedType::Object(_)) => vec![ty.to_owned()],
            Some(ExtendedType::Union(union)) => union.members.iter().map(ToString::to_string).collect(),
            Some(ExtendedType::Interface(_)) => {
                let types = self.schema.types.iter();
                let objects = types.filter_map(|(name, ty)| ty.as_object().map(|object| (name, object)));
                let implements = objects.filter(|(_, object)| object.implements_interfaces.iter().any(|i| i.name == ty));
                implements.map(|(name, _)| name.to_string()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn field(&mut self, ty: &str, depth: usize, choice: usize) {
        let fields: Vec<FieldDefinition> = match self.schema.types.get(ty) {
            Some(ExtendedType::Object(object)) => object.fields.values().map(|f| (***f).clone()).collect(),
            Some(ExtendedType::Interface(interface)) => interface.fields.values().map(|f| (***f).clone()).collect(),
            _ => Vec::new(),
        };
        let Some(field) = fields.get((choice / 12 + choice % 12) % (fields.len() + 1)) else {
            self.text.push_str("__typename ");
            return;
        };
        let composite = matches!(
            self.schema.types.get(field.ty.inner_named_type()),
            Some(ExtendedType::Object(_) | ExtendedType::Interface(_) | ExtendedType::Union(_))
        );
        if composite && depth >= DEEPEST {
            return;
        }
        // Without a fresh alias the same field may clash with another one of its name: such operations are not valid.
        if choice % 3 == 0 {
            self.aliases += 1;
            let _ = write!(self.text, "a{}: ", self.aliases);
        }
        self.text.push_str(&field.name);
        self.arguments(&field.arguments, choice);
        self.directives(choice / 3);
        self.text.push(' ');
        if composite {
            self.selections(field.ty.inner_named_type(), depth + 1);
            self.text.push(' ');
        }
    }

    fn arguments(&mut self, arguments: &[apollo_compiler::Node<InputValueDefinition>], choice: usize) {
        let needed =
            |argument: &&apollo_compiler::Node<InputValueDefinition>| argument.is_required() || choice % 2 == 0;
        let given: Vec<String> =
            arguments.iter().filter(needed).map(|a| format!("{}: {}", a.name, self.value(&a.ty, choice))).collect();
        if !given.is_empty() {
            let _ = write!(self.text, "({})", given.join(", "));
        }
    }

    fn value(&self, ty: &Type, choice: usize) -> String {
        if ty.is_list() {
            return format!("[{}]", self.value(ty.item_type(), choice));
        }
        match self.schema.types.get(ty.inner_named_type()) {
            Some(ExtendedType::Enum(values)) => {
                values.values.keys().nth(choice % values.values.len()).map_or("null".to_owned(), ToString::to_string)
            }
            Some(ExtendedType::InputObject(input)) => {
                let fields = input.fields.values().filter(|f| f.is_required() || choice % 5 == 0);
                let fields: Vec<String> =
                    fields.map(|f| format!("{}: {}", f.name, self.value(&f.ty, choice / 5 + 1))).collect();
                format!("{{{}}}", fields.join(", "))
            }
            _ => match ty.inner_named_type().as_str() {
                "Boolean" => (choice % 2 == 0).to_string(),
                "Int" | "Float" => (choice % 4).to_string(),
                _ => format!("\"{}\"", choice % 4),
            },
        }
    }
}
