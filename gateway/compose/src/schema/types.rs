//! Type references: turns `[T!]!` into a name and a word of wrappers that copy and compare as two integers.

use crate::names::{Names, Symbol};
use apollo_compiler::ast::Type as AstType;

const NON_NULL: u64 = 1;
const LIST: u64 = 2;

/// A reference to a type: the named type and its wrappers, two bits each, the outermost in the lowest bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ty {
    /// The named type inside all wrappers.
    pub base: Symbol,
    wrappers: u64,
}

impl Ty {
    /// `name` without wrappers.
    pub fn named(base: Symbol) -> Self {
        Self { base, wrappers: 0 }
    }

    /// The reference that `ast` is; `None` when it has more wrappers than fit (15 lists of non-null items).
    pub fn from_ast(ast: &AstType, names: &mut Names) -> Option<Self> {
        let (mut wrappers, mut shift, mut rest) = (0, 0, ast);
        loop {
            if shift > 60 {
                return None;
            }
            match rest {
                AstType::Named(name) => return Some(Self { base: names.intern(name), wrappers }),
                AstType::NonNullNamed(name) => {
                    return Some(Self { base: names.intern(name), wrappers: wrappers | NON_NULL << shift });
                }
                AstType::List(inner) => {
                    wrappers |= LIST << shift;
                    shift += 2;
                    rest = inner;
                }
                AstType::NonNullList(inner) => {
                    wrappers |= (NON_NULL | LIST << 2) << shift;
                    shift += 4;
                    rest = inner;
                }
            }
        }
    }

    /// Whether the outermost wrapper is `!`.
    pub fn is_non_null(self) -> bool {
        self.wrappers & 3 == NON_NULL
    }

    /// The same without an outermost `!`.
    pub fn nullable(self) -> Self {
        if self.is_non_null() { Self { wrappers: self.wrappers >> 2, ..self } } else { self }
    }

    /// What the list holds, if the outermost wrapper is a list.
    pub fn item(self) -> Option<Self> {
        (self.wrappers & 3 == LIST).then_some(Self { wrappers: self.wrappers >> 2, ..self })
    }

    /// The same wrappers around another name.
    pub fn with_base(self, base: Symbol) -> Self {
        Self { base, ..self }
    }

    /// As GraphQL writes it.
    pub fn print(self, names: &Names) -> String {
        if self.is_non_null() {
            return self.nullable().print(names) + "!";
        }
        match self.item() {
            Some(item) => format!("[{}]", item.print(names)),
            None => names[self.base].to_owned(),
        }
    }

    /// Whether every value of `self` is a value of `other`, given the subtype relation of named types.
    pub fn is_subtype(self, other: Self, named: &dyn Fn(Symbol, Symbol) -> bool) -> bool {
        match (self.is_non_null(), other.is_non_null()) {
            (false, true) => return false,
            (true, _) => return self.nullable().is_subtype(other.nullable(), named),
            (false, false) => {}
        }
        match (self.item(), other.item()) {
            (Some(a), Some(b)) => a.is_subtype(b, named),
            (None, None) => self.base == other.base || named(self.base, other.base),
            _ => false,
        }
    }
}
