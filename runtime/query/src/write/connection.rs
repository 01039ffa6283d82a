//! Connections: turns the rows of a page into edges, nodes and page info.

use super::aggregate::count;
use super::record::{Columns, Elements, NoColumns, Record};
use super::{At, WriteError, Writer};
use crate::cursor::write_cursor;
use crate::layout::{ConnectionLayout, ConnectionMember, EdgeMember, Entry, PageMember};
use terrane_graphql::json::write_bool;

/// Takes a row; false when no more are wanted.
pub(super) type Each<'e, 's> = dyn FnMut(&mut Writer<'s>, &dyn Columns) -> Result<bool, WriteError> + 'e;

/// What was seen of a page while its rows were written.
#[derive(Default)]
struct Page {
    count: i64,
    more: bool,
    start: Vec<u8>,
    end: Vec<u8>,
}

impl<'s> Writer<'s> {
    /// Write a connection whose page is an array of records; `outer` is the row that it is in.
    pub(super) fn connection_array(
        &mut self,
        out: &mut Vec<u8>,
        layout: &'s ConnectionLayout,
        outer: &dyn Columns,
        array: Option<&[u8]>,
    ) -> Result<(), WriteError> {
        let Some(array) = array else { return self.connection(out, layout, outer, |_, _| Ok(())) };
        let elements = Elements::new(array)?;
        if !layout.backward {
            return self.connection(out, layout, outer, |writer, each| {
                let mut record = Record::default();
                for item in elements {
                    record.read(item?.ok_or(WriteError::Unexpected("a null record"))?)?;
                    if !each(writer, &record)? {
                        break;
                    }
                }
                Ok(())
            });
        }
        // a page from the end was read in reverse; its extra row, which says that there are more, is the last read
        let mut items = elements.collect::<Result<Vec<_>, _>>()?;
        let size = self.bound.pages[layout.page.0].size;
        let more = items.len() as i64 > size;
        items.truncate(usize::try_from(size).unwrap_or(0));
        let mut extra = more.then_some(());
        self.connection(out, layout, outer, |writer, each| {
            let mut record = Record::default();
            for item in items.iter().rev() {
                record.read(item.ok_or(WriteError::Unexpected("a null record"))?)?;
                each(writer, &record)?;
            }
            if extra.take().is_some() {
                each(writer, &NoColumns)?;
            }
            Ok(())
        })
    }

    /// Write a connection; `rows` feeds its rows in the page's order, then maybe one more.
    pub(super) fn connection(
        &mut self,
        out: &mut Vec<u8>,
        layout: &'s ConnectionLayout,
        outer: &dyn Columns,
        rows: impl FnOnce(&mut Self, &mut Each<'_, 's>) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let size = self.bound.pages[layout.page.0].size;
        let mut page = Page::default();
        // members that hold rows are written side by side while the rows pass: the first, when the response begins with
        // it, straight into the response, the others into buffers
        let mut buffers: Vec<Vec<u8>> = layout.members.iter().map(|_| Vec::new()).collect();
        out.push(b'{');
        let direct = layout.members.first().is_some_and(|m| holds_rows(&m.value));
        if direct {
            layout.members[0].key.write(out, true);
        }
        rows(self, &mut |writer, columns| {
            if page.count == size {
                page.more = true;
                return Ok(false);
            }
            for (index, member) in layout.members.iter().enumerate().filter(|(_, m)| holds_rows(&m.value)) {
                let target = if direct && index == 0 { &mut *out } else { &mut buffers[index] };
                target.push(if page.count == 0 { b'[' } else { b',' });
                writer.path.push(At::Key(&member.key));
                writer.path.push(At::Index(usize::try_from(page.count).unwrap_or(usize::MAX)));
                writer.row(target, layout, &member.value, columns)?;
                writer.path.truncate(writer.path.len() - 2);
            }
            if !layout.cursor.is_empty() {
                page.end.clear();
                cursor(&mut page.end, layout, columns)?;
                if page.count == 0 {
                    page.start.clone_from(&page.end);
                }
            }
            page.count += 1;
            Ok(true)
        })?;
        for (index, (member, buffer)) in layout.members.iter().zip(&buffers).enumerate() {
            if !(direct && index == 0) {
                member.key.write(out, index == 0);
                out.extend_from_slice(buffer);
            }
            match &member.value {
                ConnectionMember::Constant(json) => out.extend_from_slice(json),
                ConnectionMember::Nodes(_) | ConnectionMember::Edges(_) => {
                    out.extend_from_slice(if page.count == 0 { b"[]" } else { b"]" });
                }
                ConnectionMember::PageInfo(members) => self.page_info(out, layout, members, &page),
                ConnectionMember::Total => count(out, layout.total.and_then(|column| outer.column(column)))?,
                ConnectionMember::Aggregate(object) => self.aggregate(out, layout, &member.key, object, outer)?,
                ConnectionMember::Groups { index, object } => {
                    self.groups(out, layout.groups[*index], &member.key, object, outer)?;
                }
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn row(
        &mut self,
        out: &mut Vec<u8>,
        layout: &'s ConnectionLayout,
        member: &'s ConnectionMember,
        columns: &dyn Columns,
    ) -> Result<(), WriteError> {
        match member {
            ConnectionMember::Nodes(object) => self.object(out, object, columns),
            ConnectionMember::Edges(members) => {
                out.push(b'{');
                for (index, Entry { key, value }) in members.iter().enumerate() {
                    key.write(out, index == 0);
                    match value {
                        EdgeMember::Constant(json) => out.extend_from_slice(json),
                        EdgeMember::Cursor => cursor(out, layout, columns)?,
                        EdgeMember::Node(object) => {
                            self.path.push(At::Key(key));
                            self.object(out, object, columns)?;
                            self.path.pop();
                        }
                    }
                }
                out.push(b'}');
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn page_info(&self, out: &mut Vec<u8>, layout: &ConnectionLayout, members: &[Entry<PageMember>], page: &Page) {
        let skipped = self.bound.pages[layout.page.0].has_offset;
        out.push(b'{');
        for (index, Entry { key, value }) in members.iter().enumerate() {
            key.write(out, index == 0);
            let cursor = |out: &mut Vec<u8>, text: &[u8]| {
                out.extend_from_slice(if text.is_empty() { b"null" } else { text });
            };
            match value {
                PageMember::Constant(json) => out.extend_from_slice(json),
                PageMember::HasNext => write_bool(out, if layout.backward { layout.has_before } else { page.more }),
                PageMember::HasPrevious => {
                    write_bool(out, if layout.backward { page.more } else { layout.has_after || skipped });
                }
                PageMember::Start => cursor(out, &page.start),
                PageMember::End => cursor(out, &page.end),
            }
        }
        out.push(b'}');
    }
}

fn holds_rows(member: &ConnectionMember) -> bool {
    matches!(member, ConnectionMember::Nodes(_) | ConnectionMember::Edges(_))
}

fn cursor(out: &mut Vec<u8>, layout: &ConnectionLayout, columns: &dyn Columns) -> Result<(), WriteError> {
    let parts = layout.cursor.iter().map(|(column, pg)| (columns.column(*column), *pg));
    write_cursor(out, layout.order_mark, parts).map_err(|_| WriteError::Truncated)
}
