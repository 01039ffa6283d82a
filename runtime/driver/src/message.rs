//! Messages: turns a statement's values into `Bind` and `Execute`, and received bytes into the bounds of messages
//! (PostgreSQL's frontend/backend protocol 3.0).

use bytes::{BufMut as _, BytesMut};
use postgres_protocol::types::{ArrayDimension, array_to_sql};
use postgres_protocol::{IsNull, message::frontend};
use std::error::Error;
use std::io;
use terrane_query::Bind;

/// Object ids of the element types that arrays are sent with (`pg_type.dat`).
const TEXT: u32 = 25;
const INT8: u32 = 20;
const FLOAT8: u32 = 701;
const BOOL: u32 = 16;

/// The name under which the statement `id` is prepared, on every connection.
pub(crate) fn statement_name(id: u64) -> String {
    format!("s{id}")
}

/// `Bind` and `Execute` of the statement `name`, everything in binary form.
pub(crate) fn bind_and_execute(name: &str, binds: &[Bind], max_rows: i32, out: &mut BytesMut) -> io::Result<()> {
    frontend::bind("", name, [1], binds, write_bind, [1], out).map_err(|error| match error {
        frontend::BindError::Conversion(error) => io::Error::new(io::ErrorKind::InvalidInput, error),
        frontend::BindError::Serialization(error) => error,
    })?;
    frontend::execute("", max_rows, out)
}

fn write_bind(bind: &Bind, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
    match bind {
        Bind::Text(value) => Ok(value.as_deref().map_or(IsNull::Yes, |text| {
            out.extend_from_slice(text.as_bytes());
            IsNull::No
        })),
        Bind::Int8(value) => Ok(put(*value, out, BytesMut::put_i64)),
        Bind::Float8(value) => Ok(put(*value, out, BytesMut::put_f64)),
        Bind::Bool(value) => Ok(put(value.map(u8::from), out, BytesMut::put_u8)),
        Bind::TextArray(items) => write_array(TEXT, items.iter(), out, |text: &String, out| {
            out.extend_from_slice(text.as_bytes());
        }),
        Bind::Int8Array(items) => write_array(INT8, items.iter(), out, |v, out| out.put_i64(*v)),
        Bind::Float8Array(items) => write_array(FLOAT8, items.iter(), out, |v, out| out.put_f64(*v)),
        Bind::BoolArray(items) => write_array(BOOL, items.iter(), out, |v, out| out.put_u8(u8::from(*v))),
    }
}

fn put<T>(value: Option<T>, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut, T)) -> IsNull {
    let Some(value) = value else { return IsNull::Yes };
    write(out, value);
    IsNull::No
}

fn write_array<'v, T: 'v>(
    element: u32,
    items: impl ExactSizeIterator<Item = &'v Option<T>>,
    out: &mut BytesMut,
    write: impl Fn(&T, &mut BytesMut),
) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
    let length = i32::try_from(items.len())?;
    // an empty array has no dimension
    let dimension = (length > 0).then_some(ArrayDimension { len: length, lower_bound: 1 });
    array_to_sql(
        dimension,
        element,
        items,
        |item, out| {
            Ok(item.as_ref().map_or(IsNull::Yes, |item| {
                write(item, out);
                IsNull::No
            }))
        },
        out,
    )?;
    Ok(IsNull::No)
}

/// The tag of the message at `at` and where it ends; `None` while it is incomplete.
pub(crate) fn bounds(bytes: &[u8], at: usize) -> io::Result<Option<(u8, usize)>> {
    let Some(header) = bytes.get(at..at + 5) else { return Ok(None) };
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
    if length < 4 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message without a length"));
    }
    let end = at + 1 + length;
    Ok((bytes.len() >= end).then_some((header[0], end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_whole_messages_only() {
        let bytes = [b'C', 0, 0, 0, 6, 1, 2, b'Z', 0, 0, 0, 5, b'I'];
        assert_eq!(bounds(&bytes, 0).unwrap(), Some((b'C', 7)));
        assert_eq!(bounds(&bytes, 7).unwrap(), Some((b'Z', 13)));
        assert_eq!(bounds(&bytes[..12], 7).unwrap(), None);
        assert_eq!(bounds(&bytes, 13).unwrap(), None);
        assert!(bounds(&[b'Z', 0, 0, 0, 3], 0).is_err());
    }
}
