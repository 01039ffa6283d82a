//! Changes: turns the rows of a batch of changes into the event that a subscription sends.

use super::{At, Current, WriteError, Writer};
use crate::layout::{ChangesMember, Entry};
use crate::write::RowSource;
use terrane_graphql::json::write_i64;

impl<'s> Writer<'s> {
    /// `{"position":"…","changes":[…]}`. The rows come once, and every list that is asked for is made of them.
    pub(super) fn changes(
        &mut self,
        out: &mut Vec<u8>,
        members: &'s [Entry<ChangesMember>],
        rows: &mut dyn RowSource,
    ) -> Result<(), WriteError> {
        let mut lists: Vec<Vec<u8>> = vec![Vec::new(); members.len()];
        let mut index = 0;
        while rows.advance() {
            for (member, list) in members.iter().zip(&mut lists) {
                let ChangesMember::Changes(object) = &member.value else { continue };
                if index > 0 {
                    list.push(b',');
                }
                self.path.extend([At::Key(&member.key), At::Index(index)]);
                self.object(list, object, &Current(rows))?;
                self.path.truncate(self.path.len() - 2);
            }
            index += 1;
        }
        out.push(b'{');
        for (index, (member, list)) in members.iter().zip(&lists).enumerate() {
            member.key.write(out, index == 0);
            match &member.value {
                ChangesMember::Constant(json) => out.extend_from_slice(json),
                ChangesMember::Position => {
                    out.push(b'"');
                    write_i64(out, self.bound.position);
                    out.push(b'"');
                }
                ChangesMember::Changes(_) => {
                    out.push(b'[');
                    out.extend_from_slice(list);
                    out.push(b']');
                }
            }
        }
        out.push(b'}');
        Ok(())
    }
}
