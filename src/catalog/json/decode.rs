//! Values into fields, by Go's rules.

use std::io::Read;

use super::{Json, JsonError, Result, Value};
use crate::base::limits;
use crate::catalog::slice::{Slice, Slot};

impl<R: Read> Json<R> {
    /// Reads the fields of an object whose names are among `names`, all of them in small letters; passes over the others.
    /// `null` has none; anything else is mistyped.
    pub(in crate::catalog) fn fields(
        &mut self,
        value: Value,
        names: &[&str],
        mut field: impl FnMut(&mut Self, usize, Value) -> Result<()>,
    ) -> Result<()> {
        match value {
            Value::Object => {
                let (mut first, mut count) = (true, 0);
                while self.key(&mut first)? {
                    count += 1;
                    if count > limits::FIELDS {
                        return Err(self.limit(format!("an object with more than {} fields", limits::FIELDS)));
                    }
                    let name = self.name_among(names);
                    let value = self.value()?;
                    match name {
                        Some(name) => field(self, name, value)?,
                        None => self.skip(value)?,
                    }
                }
                Ok(())
            }
            Value::Null => Ok(()),
            other => self.mistyped(other, "an object"),
        }
    }

    /// Reads a list, whose items `item` reads into their slots.
    pub(in crate::catalog) fn list_into<T: Slot>(
        &mut self,
        value: Value,
        list: &mut Slice<T>,
        item: &mut impl FnMut(&mut Self, Value, &mut T) -> Result<()>,
    ) -> Result<()> {
        match value {
            Value::List => {
                let (mut first, mut len) = (true, 0);
                while self.item(&mut first)? {
                    let value = self.value()?;
                    item(self, value, list.slot(len))?;
                    len += 1;
                }
                list.end(len);
                Ok(())
            }
            Value::Null => {
                list.renew();
                Ok(())
            }
            other => self.mistyped(other, "a list"),
        }
    }

    pub(in crate::catalog) fn text_into(&mut self, value: Value, text: &mut String) -> Result<()> {
        match value {
            Value::Text => self.take_text(text),
            Value::Null => Ok(()),
            other => self.mistyped(other, "a text"),
        }
    }

    pub(in crate::catalog) fn bool_into(&mut self, value: Value, target: &mut bool) -> Result<()> {
        match value {
            Value::Bool(new) => *target = new,
            Value::Null => {}
            other => self.mistyped(other, "a boolean")?,
        }
        Ok(())
    }

    /// Reads a whole number without sign; `null` leaves `target` as it is.
    pub(in crate::catalog) fn number_into(&mut self, value: Value, target: &mut Option<u64>) -> Result<()> {
        match value {
            Value::Number(Some(new)) => *target = Some(new),
            Value::Null => {}
            other => self.mistyped(other, "a whole number")?,
        }
        Ok(())
    }

    /// Passes over a value that has not the type of its field, and remembers the first such one.
    pub(in crate::catalog) fn mistyped(&mut self, value: Value, due: &str) -> Result<()> {
        if self.mistyped.is_none() {
            let found = match value {
                Value::Null => "null",
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                Value::Text => "a text",
                Value::List => "a list",
                Value::Object => "an object",
            };
            let (line, column) = self.began;
            self.mistyped = Some(JsonError::Mistyped { line, column, what: format!("{found} instead of {due}") });
        }
        self.skip(value)
    }
}
