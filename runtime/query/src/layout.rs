//! Layout: the shape of a response and where in the rows of a statement its values are.

use crate::scalar::Scalar;
use terrane_manifest::PgType;

/// An object of the response: its members in response order.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObjectLayout {
    pub(crate) members: Vec<Entry<ValueLayout>>,
}

/// A response key as it is written: `,"key":`. GraphQL names need no escapes.
#[derive(Debug, Clone)]
pub(crate) struct Key(Box<str>);

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self(format!(",\"{key}\":").into())
    }
}

impl Key {
    /// Append it, without the comma where it is the object's first.
    pub(crate) fn write(&self, out: &mut Vec<u8>, first: bool) {
        out.extend_from_slice(&self.0.as_bytes()[usize::from(first)..]);
    }
}

impl std::ops::Deref for Key {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0[2..self.0.len() - 2]
    }
}

/// A response key with what is written after it.
#[derive(Debug, Clone)]
pub(crate) struct Entry<T> {
    /// The response key.
    pub(crate) key: Key,
    pub(crate) value: T,
}

/// A value of the response.
#[derive(Debug, Clone)]
pub(crate) enum ValueLayout {
    /// The value of a column.
    Scalar { column: usize, pg: PgType, array: bool },
    /// Objects in the JSON of a column: one or a list, in one JSON value or in an array of them.
    Json { column: usize, pg: PgType, array: bool, list: bool, object: JsonLayout },
    /// Text that does not depend on rows: a type name.
    Constant(Vec<u8>),
    /// A count, which is never null.
    Count { column: usize },
    /// What the caller may not read: null and an error.
    Denied(DeniedId),
    /// An object in the same row; null when one of these columns is.
    Inline { object: ObjectLayout, presence: Vec<usize> },
    /// A record in a column, or null.
    Record { column: usize, object: ObjectLayout },
    /// An array of records in a column; null where the `presence` column is, else a list.
    List { column: usize, object: ObjectLayout, presence: Option<usize> },
    /// A connection whose page is an array of records in a column.
    Connection(ConnectionLayout),
}

/// An object that is read from JSON: its members in response order.
#[derive(Debug, Clone)]
pub(crate) struct JsonLayout {
    pub(crate) members: Vec<Entry<JsonMember>>,
}

/// A member of an object that is read from JSON.
#[derive(Debug, Clone)]
pub(crate) enum JsonMember {
    Constant(Vec<u8>),
    Field { key: String, kind: JsonKind, list: bool, required: bool },
}

/// What a member's values, or the items of its list, must be.
#[derive(Debug, Clone)]
pub(crate) enum JsonKind {
    Scalar(Scalar),
    Object(JsonLayout),
}

/// A denied selection of the operation; its label is in [`crate::Statement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeniedId(pub(crate) usize);

/// A page of the operation; its bounds are known when values are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageId(pub(crate) usize);

/// A connection.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionLayout {
    /// Column with the array of records, when rows are needed at all.
    pub(crate) rows: Option<usize>,
    /// Column with the count of all rows.
    pub(crate) total: Option<usize>,
    /// Column with the record of all aggregates, when anything of them needs rows.
    pub(crate) aggregate: Option<usize>,
    /// Columns with arrays of records, one for each field of groups.
    pub(crate) groups: Vec<usize>,
    pub(crate) page: PageId,
    pub(crate) backward: bool,
    pub(crate) has_after: bool,
    pub(crate) has_before: bool,
    /// Tells cursors of this order from others.
    pub(crate) order_mark: u64,
    /// Columns of a row that make its cursor.
    pub(crate) cursor: Vec<(usize, PgType)>,
    pub(crate) members: Vec<Entry<ConnectionMember>>,
}

/// A member of a connection object.
#[derive(Debug, Clone)]
pub(crate) enum ConnectionMember {
    Constant(Vec<u8>),
    Nodes(ObjectLayout),
    Edges(Vec<Entry<EdgeMember>>),
    PageInfo(Vec<Entry<PageMember>>),
    Total,
    /// Figures of all rows.
    Aggregate(ObjectLayout),
    /// Figures of each group, in this one of [`ConnectionLayout::groups`].
    Groups {
        index: usize,
        object: ObjectLayout,
    },
}

/// A member of an edge.
#[derive(Debug, Clone)]
pub(crate) enum EdgeMember {
    Constant(Vec<u8>),
    Cursor,
    Node(ObjectLayout),
}

/// A member of a `PageInfo`.
#[derive(Debug, Clone)]
pub(crate) enum PageMember {
    Constant(Vec<u8>),
    HasNext,
    HasPrevious,
    Start,
    End,
}

/// A root field of the response.
#[derive(Debug, Clone)]
pub(crate) enum RootLayout {
    Value(ValueLayout),
    /// `_entities`: which representation list, and for each group its column (an array of records whose first column
    /// is the position in the group's keys) and its object.
    Entities {
        root: usize,
        groups: Vec<EntityGroup>,
    },
}

/// The entities of one type in one `_entities` field.
#[derive(Debug, Clone)]
pub(crate) struct EntityGroup {
    /// Column with the records; none when the type's rows are not needed or not allowed.
    pub(crate) column: Option<usize>,
    pub(crate) object: ObjectLayout,
    pub(crate) denied: Option<DeniedId>,
}

/// How the rows of a statement make the response.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// No statement: nothing of the operation needs rows.
    Nothing(Vec<Entry<RootLayout>>),
    /// One root lookup: at most one row, its columns are the object's.
    Row { key: Key, object: ObjectLayout },
    /// One root list: its rows are the statement's.
    Rows { key: Key, connection: ConnectionLayout },
    /// `_entities` of one type: a row for each entity found, its position first.
    EntityRows { key: Key, root: usize, groups: Vec<EntityGroup>, group: usize },
    /// Exactly one row, with records in its columns.
    Record(Vec<Entry<RootLayout>>),
    /// A batch of changes: a row for each that the caller sees.
    Changes { key: Key, members: Vec<Entry<ChangesMember>> },
}

/// A member of a batch of changes.
#[derive(Debug, Clone)]
pub(crate) enum ChangesMember {
    Constant(Vec<u8>),
    Position,
    Changes(ObjectLayout),
}
