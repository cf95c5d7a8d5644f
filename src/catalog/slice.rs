//! A list as Go's decoder keeps it.

use std::ops::Deref;

/// Text of a slot that is kept for the next entry, in bytes. Stops slots that were once long from filling the memory.
const KEPT_BYTES: usize = 256;

/// A list into which JSON is decoded more than once, as into a Go slice.
///
/// A shorter list cuts it, but what is cut off stays behind its end: a later, longer list begins with what stood there.
/// `null` and an empty list make it new.
#[derive(Debug, Clone, Default)]
pub struct Slice<T> {
    slots: Vec<T>,
    /// Slots from the start that hold what was decoded since the list was new.
    used: usize,
    len: usize,
}

/// What a slot can hold.
pub trait Slot: Default {
    /// Makes it empty; it may keep memory for what comes next.
    fn reset(&mut self);
}

impl Slot for String {
    fn reset(&mut self) {
        if self.capacity() > KEPT_BYTES {
            *self = Self::new();
        }
        self.clear();
    }
}

impl<T: Slot> Slice<T> {
    /// Makes the list new.
    pub(super) fn renew(&mut self) {
        self.slots.iter_mut().take(self.used).for_each(Slot::reset);
        (self.used, self.len) = (0, 0);
    }

    /// The slot at `position`, to decode into; slots are taken one after another from the first.
    pub(super) fn slot(&mut self, position: usize) -> &mut T {
        let position = position.min(self.used);
        if position == self.slots.len() {
            self.slots.push(T::default());
        }
        self.used = self.used.max(position + 1);
        &mut self.slots[position]
    }

    /// Ends a list of `len` slots.
    pub(super) fn end(&mut self, len: usize) {
        if len == 0 {
            self.renew();
        }
        self.len = len.min(self.used);
    }
}

impl<T> Deref for Slice<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.slots[..self.len]
    }
}

impl<T> From<Vec<T>> for Slice<T> {
    fn from(slots: Vec<T>) -> Self {
        let len = slots.len();
        Self { slots, used: len, len }
    }
}

impl<T> FromIterator<T> for Slice<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        items.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a, T> IntoIterator for &'a Slice<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> IntoIterator for Slice<T> {
    type Item = T;
    type IntoIter = std::iter::Take<std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.slots.into_iter().take(self.len)
    }
}

impl<T: PartialEq> PartialEq for Slice<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Slice<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_comes_back_in_a_longer_list_and_not_in_a_new_one() {
        let mut list = Slice::<String>::default();
        let mut decode = |texts: &[&str]| {
            for (position, text) in texts.iter().enumerate() {
                list.slot(position).push_str(text);
            }
            list.end(texts.len());
            list.join(" ")
        };
        assert_eq!(decode(&["a", "b", "c"]), "a b c");
        assert_eq!(decode(&["d"]), "ad");
        assert_eq!(decode(&["", "e", "", "f"]), "ad be c f");
        assert_eq!(decode(&[]), "");
        assert_eq!(decode(&["", "g"]), " g");
    }
}
