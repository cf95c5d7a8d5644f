//! `include` and `exclude`: which parts of an answer are sent.

use crate::json_text::{Members, elements, skip_value};

/// A set of dotted paths as a tree.
#[derive(Debug, Clone, Default)]
struct Node {
    /// A path ends here: everything below belongs to it.
    whole: bool,
    children: Vec<(String, Node)>,
}

impl Node {
    fn add(&mut self, path: &str) {
        let mut node = self;
        for part in path.split('.') {
            let index = match node.children.iter().position(|(name, _)| name == part) {
                Some(index) => index,
                None => {
                    node.children.push((part.to_owned(), Node::default()));
                    node.children.len() - 1
                }
            };
            node = &mut node.children[index].1;
        }
        node.whole = true;
    }

    fn child(&self, key: &[u8]) -> Option<&Node> {
        self.children.iter().find(|(name, _)| name.as_bytes() == key).map(|(_, node)| node)
    }
}

/// What of a document or envelope is sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Projection {
    include: Option<Node>,
    exclude: Option<Node>,
}

impl Projection {
    /// From the two query parameters, each a list of dotted paths separated by commas.
    pub(crate) fn new(include: Option<&str>, exclude: Option<&str>) -> Self {
        let tree = |list: Option<&str>| {
            let mut root = Node::default();
            let paths = list?.split(',').map(str::trim).filter(|path| !path.is_empty());
            paths.for_each(|path| root.add(path));
            (!root.children.is_empty()).then_some(root)
        };
        Projection { include: tree(include), exclude: tree(exclude) }
    }

    /// The projection that applies to the values of one key, or `None` if the key is left out.
    pub(crate) fn of(&self, key: &str) -> Option<Projection> {
        let include = match &self.include {
            None => None,
            Some(root) => match root.child(key.as_bytes())? {
                node if node.whole => None,
                node => Some(node.clone()),
            },
        };
        let exclude = match self.exclude.as_ref().and_then(|n| n.child(key.as_bytes())) {
            Some(node) if node.whole => return None,
            other => other.cloned(),
        };
        Some(Projection { include, exclude })
    }

    /// Appends the projection of a document (an object in compact form).
    pub(crate) fn write(&self, document: &str, out: &mut Vec<u8>) {
        match (&self.include, &self.exclude) {
            (None, None) => out.extend_from_slice(document.as_bytes()),
            (Some(include), None) => {
                write_included(document.as_bytes(), 0, include, out);
            }
            (None, Some(exclude)) => {
                write_rest(document.as_bytes(), 0, exclude, out);
            }
            (Some(include), Some(exclude)) => {
                let mut scratch = Vec::new();
                write_included(document.as_bytes(), 0, include, &mut scratch);
                write_rest(&scratch, 0, exclude, out);
            }
        }
    }
}

/// Writes the parts of the value at `at` that `node` names; returns the position after the value.
fn write_included(bytes: &[u8], at: usize, node: &Node, out: &mut Vec<u8>) -> usize {
    match bytes[at] {
        b'{' => {
            out.push(b'{');
            let mut first = true;
            let mut members = Members::new(bytes, at);
            while let Some(member) = members.next() {
                let child = node.child(member.key);
                // A scalar has no member to include, but a null stays visible as one.
                let kept = child.filter(|c| c.whole || matches!(bytes[member.value], b'{' | b'[' | b'n'));
                let Some(child) = kept else {
                    members.ended(skip_value(bytes, member.value));
                    continue;
                };
                if !first {
                    out.push(b',');
                }
                first = false;
                out.extend_from_slice(&bytes[member.start..member.value]);
                let end = if child.whole {
                    let end = skip_value(bytes, member.value);
                    out.extend_from_slice(&bytes[member.value..end]);
                    end
                } else {
                    write_included(bytes, member.value, child, out)
                };
                members.ended(end);
            }
            out.push(b'}');
            members.end()
        }
        b'[' => {
            out.push(b'[');
            let mut first = true;
            let end = elements(bytes, at, |i| {
                if !matches!(bytes[i], b'{' | b'[') {
                    return skip_value(bytes, i);
                }
                if !first {
                    out.push(b',');
                }
                first = false;
                write_included(bytes, i, node, out)
            });
            out.push(b']');
            end
        }
        _ => copy(bytes, at, out),
    }
}

/// Writes the value at `at` without the parts that `node` names.
fn write_rest(bytes: &[u8], at: usize, node: &Node, out: &mut Vec<u8>) -> usize {
    match bytes[at] {
        b'{' => {
            out.push(b'{');
            let mut first = true;
            let mut members = Members::new(bytes, at);
            while let Some(member) = members.next() {
                let child = node.child(member.key);
                if child.is_some_and(|c| c.whole) {
                    members.ended(skip_value(bytes, member.value));
                    continue;
                }
                if !first {
                    out.push(b',');
                }
                first = false;
                out.extend_from_slice(&bytes[member.start..member.value]);
                members.ended(match child {
                    Some(child) => write_rest(bytes, member.value, child, out),
                    None => copy(bytes, member.value, out),
                });
            }
            out.push(b'}');
            members.end()
        }
        b'[' => {
            out.push(b'[');
            let mut first = true;
            let end = elements(bytes, at, |i| {
                if !first {
                    out.push(b',');
                }
                first = false;
                write_rest(bytes, i, node, out)
            });
            out.push(b']');
            end
        }
        _ => copy(bytes, at, out),
    }
}

fn copy(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let end = skip_value(bytes, at);
    out.extend_from_slice(&bytes[at..end]);
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"_id":"1","r":[{"n":"a","tags":[{"d":1,"name":"x"}]},{"n":"b","tags":null},{"n":"c","tags":[]},{"n":"d"}],"s":{"t":[1,2],"u":3}}"#;

    fn project(include: Option<&str>, exclude: Option<&str>) -> String {
        let mut out = Vec::new();
        Projection::new(include, exclude).write(DOCUMENT, &mut out);
        String::from_utf8(out).expect("projections of text are text")
    }

    #[test]
    fn includes_reach_into_arrays_and_keep_nulls() {
        assert_eq!(
            project(Some("_id,r.tags.name"), None),
            r#"{"_id":"1","r":[{"tags":[{"name":"x"}]},{"tags":null},{"tags":[]},{}]}"#
        );
        assert_eq!(project(Some("s.t"), None), r#"{"s":{"t":[1,2]}}"#);
        assert_eq!(project(Some("s.u.v,absent"), None), r#"{"s":{}}"#);
        assert_eq!(project(Some("s,s.u"), None), r#"{"s":{"t":[1,2],"u":3}}"#);
        assert_eq!(project(None, None), DOCUMENT);
    }

    #[test]
    fn excludes_remove_only_what_they_name() {
        assert_eq!(project(None, Some("r.tags,s")), r#"{"_id":"1","r":[{"n":"a"},{"n":"b"},{"n":"c"},{"n":"d"}]}"#);
        assert_eq!(
            project(Some("r"), Some("r.tags.d,r.n")),
            r#"{"r":[{"tags":[{"name":"x"}]},{"tags":null},{"tags":[]},{}]}"#
        );
    }

    #[test]
    fn keys_of_the_envelope_are_chosen_the_same_way() {
        let only_names = Projection::new(Some("data.n"), None);
        assert!(only_names.of("total").is_none());
        let mut out = Vec::new();
        let data = only_names.of("data").expect("data is included");
        data.write(r#"{"m":1,"n":2}"#, &mut out);
        assert_eq!(out, br#"{"n":2}"#);
        let no_total = Projection::new(None, Some("total"));
        assert!(no_total.of("total").is_none());
        assert!(no_total.of("data").is_some());
    }
}
