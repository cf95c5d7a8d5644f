//! Walks documents as JSON text, without building values: a page of 500 documents is then cut out
//! of the stored texts in well under a millisecond. All functions expect valid JSON without
//! white space between tokens, which is how every document is stored.

/// The position after the string that starts (with its quote) at `at`.
fn skip_string(bytes: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    loop {
        match bytes[i] {
            b'"' => return i + 1,
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
}

/// The position after the value that starts at `at`.
pub(crate) fn skip_value(bytes: &[u8], at: usize) -> usize {
    let mut i = at;
    match bytes[i] {
        b'"' => skip_string(bytes, i),
        b'{' | b'[' => {
            let mut depth = 0usize;
            loop {
                match bytes[i] {
                    b'"' => {
                        i = skip_string(bytes, i);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return i + 1;
                        }
                    }
                    _ => {}
                }
                i += 1;
            }
        }
        _ => {
            while i < bytes.len() && !matches!(bytes[i], b',' | b'}' | b']') {
                i += 1;
            }
            i
        }
    }
}

/// Iterates over the members of the object at `at`: key (without quotes, escapes untouched),
/// start of the key's quote, start of the value. The caller says where the value ends by `next`.
pub(crate) struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// One member of an object.
pub(crate) struct Member<'a> {
    pub(crate) key: &'a [u8],
    /// Where the member begins (the quote of its key).
    pub(crate) start: usize,
    /// Where its value begins.
    pub(crate) value: usize,
}

impl<'a> Members<'a> {
    /// `at` is the position of the opening brace.
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Members { bytes, at: at + 1 }
    }

    /// The next member; `after` is the position after the previous member's value (ignored on the
    /// first call).
    pub(crate) fn next(&mut self) -> Option<Member<'a>> {
        let start = match self.bytes[self.at] {
            b',' => self.at + 1,
            b'}' => return None,
            _ => self.at,
        };
        let key_end = skip_string(self.bytes, start);
        Some(Member { key: &self.bytes[start + 1..key_end - 1], start, value: key_end + 1 })
    }

    /// Tells where the value of the last member ended.
    pub(crate) fn ended(&mut self, at: usize) {
        self.at = at;
    }

    /// The position after the closing brace; call it once `next` has returned `None`.
    pub(crate) fn end(&self) -> usize {
        self.at + 1
    }
}

/// Calls `visit` with the position of each element of the array at `at`; `visit` returns the
/// position after the element. Returns the position after the closing bracket.
pub(crate) fn elements(bytes: &[u8], at: usize, mut visit: impl FnMut(usize) -> usize) -> usize {
    let mut i = at + 1;
    loop {
        match bytes[i] {
            b']' => return i + 1,
            b',' => i += 1,
            _ => i = visit(i),
        }
    }
}

/// Calls `found` with the text of each value at `path`, going through arrays on the way and into
/// an array at its end. Stops early when `found` returns true, and then returns true.
pub(crate) fn any_value(bytes: &[u8], at: usize, path: &[String], found: &mut impl FnMut(&str) -> bool) -> bool {
    match (bytes[at], path.split_first()) {
        (b'[', _) => {
            let mut hit = false;
            elements(bytes, at, |i| {
                hit = hit || any_value(bytes, i, path, found);
                skip_value(bytes, i)
            });
            hit
        }
        (_, None) => {
            let value = &bytes[at..skip_value(bytes, at)];
            found(std::str::from_utf8(value).unwrap_or_default())
        }
        (b'{', Some((first, rest))) => {
            let mut members = Members::new(bytes, at);
            while let Some(member) = members.next() {
                if member.key == first.as_bytes() {
                    return any_value(bytes, member.value, rest, found);
                }
                members.ended(skip_value(bytes, member.value));
            }
            false
        }
        _ => false,
    }
}

/// Replaces or adds a member of the top-level object with the given JSON text.
pub(crate) fn with_member(text: &str, key: &str, value: &str) -> String {
    let bytes = text.as_bytes();
    let mut members = Members::new(bytes, 0);
    while let Some(member) = members.next() {
        let end = skip_value(bytes, member.value);
        if member.key == key.as_bytes() {
            return format!("{}{value}{}", &text[..member.value], &text[end..]);
        }
        members.ended(end);
    }
    let comma = if text == "{}" { "" } else { "," };
    format!("{}{comma}\"{key}\":{value}}}", &text[..text.len() - 1])
}

/// Takes away a member of the top-level object.
pub(crate) fn without_member(text: &str, key: &str) -> String {
    let bytes = text.as_bytes();
    let mut members = Members::new(bytes, 0);
    while let Some(member) = members.next() {
        let end = skip_value(bytes, member.value);
        if member.key == key.as_bytes() {
            // One comma goes along: that behind the member, or else that before it.
            return match (bytes[end], bytes[member.start - 1]) {
                (b',', _) => format!("{}{}", &text[..member.start], &text[end + 1..]),
                (_, b',') => format!("{}{}", &text[..member.start - 1], &text[end..]),
                _ => format!("{}{}", &text[..member.start], &text[end..]),
            };
        }
        members.ended(end);
    }
    text.to_owned()
}

/// The text of a top-level member's value.
pub(crate) fn member<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let bytes = text.as_bytes();
    let mut members = Members::new(bytes, 0);
    while let Some(member) = members.next() {
        let end = skip_value(bytes, member.value);
        if member.key == key.as_bytes() {
            return Some(&text[member.value..end]);
        }
        members.ended(end);
    }
    None
}

/// The content of a JSON string, given with its quotes; `None` for other values.
pub(crate) fn string(value: &str) -> Option<std::borrow::Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str::<String>(value).ok().map(Into::into) } else { Some(inner.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"a":1,"b":{"c":[{"d":"x"},{"d":"y,]}\""},7]},"e":[],"f":null}"#;

    fn values(path: &str) -> Vec<String> {
        let path: Vec<String> = path.split('.').map(Into::into).collect();
        let mut seen = Vec::new();
        any_value(TEXT.as_bytes(), 0, &path, &mut |value| {
            seen.push(value.to_owned());
            false
        });
        seen
    }

    #[test]
    fn paths_go_through_arrays() {
        assert_eq!(values("a"), ["1"]);
        assert_eq!(values("b.c.d"), [r#""x""#, r#""y,]}\"""#]);
        assert_eq!(values("f"), ["null"]);
        assert!(values("e").is_empty());
        assert!(values("b.z").is_empty());
    }

    #[test]
    fn members_are_replaced_or_added() {
        let changed = with_member(TEXT, "e", "[2]");
        assert_eq!(member(&changed, "e"), Some("[2]"));
        let added = with_member(TEXT, "g", "true");
        assert_eq!(member(&added, "g"), Some("true"));
        assert_eq!(with_member("{}", "g", "1"), r#"{"g":1}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&added).is_ok());
    }

    #[test]
    fn members_are_taken_away_with_one_comma() {
        assert_eq!(without_member(r#"{"a":1,"b":2,"c":3}"#, "a"), r#"{"b":2,"c":3}"#);
        assert_eq!(without_member(r#"{"a":1,"b":2,"c":3}"#, "b"), r#"{"a":1,"c":3}"#);
        assert_eq!(without_member(r#"{"a":1,"b":2,"c":3}"#, "c"), r#"{"a":1,"b":2}"#);
        assert_eq!(without_member(r#"{"a":1}"#, "a"), "{}");
        assert_eq!(without_member(r#"{"a":1}"#, "b"), r#"{"a":1}"#);
    }

    #[test]
    fn strings_lose_quotes_and_escapes() {
        assert_eq!(string(r#""a\"b""#).as_deref(), Some("a\"b"));
        assert_eq!(string("12"), None);
    }
}
