//! The Helm chart index of `charts.openshift.io`, a repository index as Helm defines it, as certsuite reads it.

use std::io::{self, Read};

use super::yaml::{Document, Kind, Node, NodeId, YamlError};
use crate::base::limits;

/// What certsuite reads of one version of a chart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChartVersion {
    /// The key of the list in which it stands.
    pub list: String,
    /// The chart's name, as the version itself states it; empty if it states none. certsuite compares this one, so
    /// it need not be the key of the list.
    pub name: String,
    /// Its version; empty if it states none.
    pub version: String,
    /// The constraint on the cluster's Kubernetes version; empty where the chart states none.
    pub kube_version: String,
}

/// A chart index that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ChartIndexError {
    /// certsuite could not load it, and with it the whole catalog.
    #[error("certsuite cannot load the chart index: {0}")]
    Yaml(#[from] YamlError),
    /// A limit is exceeded.
    #[error("the chart index {0}")]
    Limit(String),
    /// The bytes could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ChartVersion {
    /// The name for people: its own, or else that of its list.
    #[must_use]
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { &self.list } else { &self.name }
    }
}

/// A chart index: its YAML as served, and what certsuite reads of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChartIndex {
    yaml: Vec<u8>,
    versions: Vec<ChartVersion>,
}

impl ChartIndex {
    /// Parses `yaml` as certsuite does.
    ///
    /// # Errors
    /// If certsuite could not load it, or it is larger than [`limits`] has it.
    pub fn parse(yaml: impl Into<Vec<u8>>) -> Result<Self, ChartIndexError> {
        let yaml = yaml.into();
        if yaml.len() > limits::CHART_INDEX_BYTES {
            let max = crate::base::text::size(limits::CHART_INDEX_BYTES as u64);
            return Err(ChartIndexError::Limit(format!("has more than {max}")));
        }
        let document = Document::parse(&yaml)?;
        let mut decoder = Decoder { document: &document, versions: Vec::new(), steps: 0, aliased: 0, depth: 0 };
        decoder.index()?;
        let mut versions = decoder.versions;
        versions.sort_by(|a, b| a.list.cmp(&b.list));
        Ok(Self { yaml, versions })
    }

    /// Reads `from` to its end and parses it.
    ///
    /// # Errors
    /// Those of [`Self::parse`] and of `from`.
    pub fn read(from: impl Read) -> Result<Self, ChartIndexError> {
        let mut yaml = Vec::new();
        from.take(limits::CHART_INDEX_BYTES as u64 + 1).read_to_end(&mut yaml)?;
        Self::parse(yaml)
    }

    /// The index as served.
    #[must_use]
    pub fn yaml(&self) -> &[u8] {
        &self.yaml
    }

    /// Every version of every chart, by the key of its list, then in the order of the index.
    #[must_use]
    pub fn versions(&self) -> &[ChartVersion] {
        &self.versions
    }

    /// The YAML alone.
    #[must_use]
    pub fn into_yaml(self) -> Vec<u8> {
        self.yaml
    }

    /// The versions alone.
    #[must_use]
    pub fn into_versions(self) -> Vec<ChartVersion> {
        self.versions
    }
}

/// Reads from the document what certsuite reads, as yaml.v3 decodes it.
struct Decoder<'a> {
    document: &'a Document,
    versions: Vec<ChartVersion>,
    /// Nodes that were read, and how many of them through an alias.
    steps: u64,
    aliased: u64,
    /// How many aliases lead to where the decoder is.
    depth: u32,
}

type Decoded<T> = Result<T, YamlError>;

/// Takes the first key of a mapping that is merged, and how many merges lead to it.
type Each<'e, D> = &'e mut dyn FnMut(&mut D, Option<NodeId>, u32) -> Decoded<()>;

impl<'a> Decoder<'a> {
    fn index(&mut self) -> Decoded<()> {
        let Some(root) = self.document.root() else { return Ok(()) };
        let Some(first) = self.map(root, "the index")? else { return Ok(()) };
        let Some(entries) = self.field(first, "entries", 0)? else { return Ok(()) };
        self.aliasing(entries, |this, entries| {
            let Some(first) = this.map(entries, "`entries`")? else { return Ok(()) };
            this.lists(first, 0)
        })
    }

    /// The lists of charts of a mapping, then those of the mappings that it merges.
    fn lists(&mut self, first: Option<NodeId>, merges: u32) -> Decoded<()> {
        let mut merged = None;
        for (key, value) in self.document.pairs(first) {
            self.step(key)?;
            match &self.document.node(key).kind {
                Kind::Merge => merged = Some(value),
                Kind::Text(list) => self.aliasing(value, |this, value| this.list(list, value))?,
                // yaml.v3 drops the value of a key that is null.
                _ => {}
            }
        }
        self.merges(merged, merges, &mut |this, source, merges| {
            // A merge must not bring a key that is already there: yaml.v3 and others differ on which one counts.
            for (key, _) in this.document.pairs(source) {
                if let Kind::Text(name) = &this.document.node(key).kind
                    && this.own(first, name)?.is_some()
                {
                    let name = crate::base::text::sanitize(name);
                    return Err(this.error(key, format!("`<<` brings the list `{name}` a second time")));
                }
            }
            this.lists(source, merges)
        })
    }

    fn list(&mut self, list: &str, value: NodeId) -> Decoded<()> {
        let node = self.document.node(value);
        let first = match node.kind {
            Kind::Null => return Ok(()),
            Kind::List(first) => first,
            _ => {
                return Err(mistyped(
                    node,
                    &format!("the charts of `{}`", crate::base::text::sanitize(list)),
                    "a list",
                ));
            }
        };
        for item in self.document.items(first) {
            self.step(item)?;
            self.aliasing(item, |this, item| {
                let Some(first) = this.map(item, "a chart")? else { return Ok(()) };
                if this.versions.len() == limits::CHART_VERSIONS {
                    return Err(this.error(item, format!("more than {} chart versions", limits::CHART_VERSIONS)));
                }
                let list = list.to_owned();
                let (name, version) = (this.text(first, "name")?, this.text(first, "version")?);
                let kube_version = this.text(first, "kubeVersion")?;
                this.versions.push(ChartVersion { list, name, version, kube_version });
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The first key of a mapping; `None` for null, which has nothing.
    fn map(&mut self, id: NodeId, what: &str) -> Decoded<Option<Option<NodeId>>> {
        let node = self.document.node(id);
        match node.kind {
            Kind::Map(first) => Ok(Some(first)),
            Kind::Null => Ok(None),
            _ => Err(mistyped(node, what, "a mapping")),
        }
    }

    /// The text of a field; empty if it is absent or null.
    fn text(&mut self, first: Option<NodeId>, name: &str) -> Decoded<String> {
        let Some(value) = self.field(first, name, 0)? else { return Ok(String::new()) };
        self.step(value)?;
        let node = self.document.target(value);
        match &node.kind {
            Kind::Text(text) if text.len() > limits::TEXT_BYTES => {
                Err(self.error(value, format!("a `{name}` of more than {} bytes", limits::TEXT_BYTES)))
            }
            Kind::Text(text) => Ok(text.as_ref().to_owned()),
            Kind::Merge => Ok("<<".to_owned()),
            Kind::Null => Ok(String::new()),
            _ => Err(mistyped(node, &format!("`{name}`"), "a text")),
        }
    }

    /// The value of a field: the mapping's own, or else that of the first merged mapping that has it.
    fn field(&mut self, first: Option<NodeId>, name: &str, merges: u32) -> Decoded<Option<NodeId>> {
        let mut found = self.own(first, name)?;
        let merged = self.document.pairs(first).find(|(key, _)| self.document.node(*key).kind == Kind::Merge);
        self.merges(merged.map(|(_, value)| value), merges, &mut |this, source, merges| {
            if found.is_none() {
                found = this.field(source, name, merges)?;
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn own(&mut self, first: Option<NodeId>, name: &str) -> Decoded<Option<NodeId>> {
        for (key, value) in self.document.pairs(first) {
            self.step(key)?;
            if matches!(&self.document.node(key).kind, Kind::Text(text) if **text == *name) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Gives `each` the first key of every mapping that `<<` names: one, or a list of them.
    fn merges(&mut self, merged: Option<NodeId>, merges: u32, each: Each<'_, Self>) -> Decoded<()> {
        let Some(value) = merged else { return Ok(()) };
        if merges == limits::YAML_MERGES {
            return Err(self.error(value, format!("more than {merges} merges within merges")));
        }
        let document = self.document;
        let sources: Vec<NodeId> = match document.node(value).kind {
            Kind::List(first) => document.items(first).collect(),
            _ => vec![value],
        };
        for source in sources {
            self.step(source)?;
            self.aliasing(source, |this, source| match document.node(source).kind {
                Kind::Map(first) => each(this, first, merges + 1),
                _ => Err(this.error(source, "`<<` names something other than a mapping".into())),
            })?;
        }
        Ok(())
    }

    /// Runs `read` on a node or, for an alias, on its target; there, every step counts as one through an alias.
    fn aliasing(&mut self, id: NodeId, read: impl FnOnce(&mut Self, NodeId) -> Decoded<()>) -> Decoded<()> {
        let Kind::Alias(target) = self.document.node(id).kind else { return read(self, id) };
        self.depth += 1;
        let done = read(self, target);
        self.depth -= 1;
        done
    }

    /// Counts a node. yaml.v3 refuses a text if most of it is reached through aliases; its limit is not stricter than this.
    fn step(&mut self, id: NodeId) -> Decoded<()> {
        self.steps += 1;
        self.aliased += u64::from(self.depth > 0);
        if self.steps > limits::YAML_STEPS {
            return Err(self.error(id, format!("more than {} values to read", limits::YAML_STEPS)));
        }
        let excessive = self.aliased > 100 && self.steps > 1_000 && self.aliased * 10 > self.steps * 9;
        if excessive || self.aliased > limits::YAML_ALIASED {
            return Err(self.error(id, "aliases repeat too much of it".into()));
        }
        Ok(())
    }

    fn error(&self, id: NodeId, what: String) -> YamlError {
        YamlError { line: self.document.node(id).line, what }
    }
}

fn mistyped(node: &Node, what: &str, due: &str) -> YamlError {
    let found = match &node.kind {
        Kind::Null => "null".to_owned(),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a mapping".to_owned(),
        Kind::Text(text) => format!("`{}`", crate::base::text::sanitize(text)),
        Kind::Merge | Kind::Alias(_) => "another value".to_owned(),
    };
    YamlError { line: node.line, what: format!("{what} is {found}, but must be {due}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `list name version kubeVersion` of every version.
    fn read(yaml: impl AsRef<[u8]>) -> Result<Vec<String>, String> {
        let index = ChartIndex::parse(yaml.as_ref()).map_err(|error| error.to_string())?;
        let shown = |chart: &ChartVersion| {
            format!("{} {} {} {}", chart.list, chart.name, chart.version, chart.kube_version).trim_end().to_owned()
        };
        Ok(index.versions().iter().map(shown).collect())
    }

    #[test]
    fn what_yaml_v3_takes_is_taken() {
        let utf16 = |unit: fn(u16) -> [u8; 2]| {
            "\u{feff}entries: {c: [{name: \u{e9}}]}".encode_utf16().flat_map(unit).collect::<Vec<u8>>()
        };
        for (yaml, due) in [
            (
                &b"entries:\n  b:\n  - name: b\n    version: 1.10\n    kubeVersion: '>= 1.19'\n  a:\n  - version: 2\n"
                    [..],
                &["a  2", "b b 1.10 >= 1.19"][..],
            ),
            (b"entries:\n  c:\n  - null\n  - name: c\n  - ~\n  -\n", &["c c"]),
            (
                b"entries: {c: [{name: c, version: null}, {version: 0x10}, {name: true, version: 2020-01-01}]}",
                &["c c", "c  0x10", "c true 2020-01-01"],
            ),
            (b"entries: {null: [{name: a}], \"true\": [{name: b}], d: null, e: []}", &["true b"]),
            (b"", &[]),
            (b"# nothing\n", &[]),
            (b"apiVersion: v1\n", &[]),
            (b"entries:\n", &[]),
            (b"entries: {}\ngenerated: '2021-06-14T11:45:34.694098+00:00'\n", &[]),
            (b"entries: {c: [{name: c}]}\n---\nentries: 7\n", &["c c"]),
            (b"\xef\xbb\xbfentries: {c: [{name: c}]}", &["c c"]),
            (&utf16(u16::to_le_bytes), &["c \u{e9}"]),
            (&utf16(u16::to_be_bytes), &["c \u{e9}"]),
            (b"x: |\n  a\n  \tb\ty # \t\n# \t\nentries: {c: [{name: \"a\tb\"}]}", &["c a\tb"]),
            (b"%YAML 1.1\n--- # c\nentries: {c: [{name: c}]}", &["c c"]),
            (
                b"x: &x {version: 1, name: d}\nentries: {c: [{<<: *x, name: c}, {<<: [{version: 3}, *x]}]}",
                &["c c 1", "c d 3"],
            ),
            (b"x: &x [{name: c}]\nentries: {c: *x}", &["c c"]),
            (b"x: &x {a: [{name: a}]}\nentries: {<<: *x, b: [{name: b}]}", &["a a", "b b"]),
            (b"entries: !!map {c: !!seq [{name: !!str null, version: !!float 1.10}]}", &["c null 1.10"]),
        ] {
            let text = String::from_utf8_lossy(yaml);
            assert_eq!(read(yaml).map_err(|error| format!("{text}: {error}")).unwrap(), due, "{text}");
        }
    }

    #[test]
    fn what_yaml_v3_refuses_is_refused_with_its_line() {
        for (yaml, due) in [
            ("entries:\n  c: []\n  c: []\n", "line 3: the key `c` occurs twice"),
            ("entries: {}\nx:\n  y: [{a: 1, b: 2,\n a: 3}]\n", "line 4: the key `a` occurs twice"),
            ("entries: {}\nx: {a: 1, \"a\": 2}", "line 2: the key `a` occurs twice"),
            ("%YAML 1.2\n---\nentries: {}\n", "YAML 1.2"),
            ("entries: {}\nx: \"a\\/b\"\n", "line 2: the escape `\\/`"),
            ("%TAG !e! tag:x,2000:\n---\nentries: {}\n", "line 1: the directive `%TAG"),
            ("entries: {}\n...\n", "line 2: the end of a document"),
            ("--- {entries: {}}\n", "line 1: a value on the line of `---`"),
            ("entries: {}\n---\n[\n", "line 3"),
            ("entries:\t{}\n", "line 1: a tab between values"),
            ("entries: {}\n\t\n", "a tab between values"),
            ("x: a\n \tb\n", "line 1: a tab that indents"),
            ("x: |\n  \ta\n  b\n", "line 2: a tab that indents"),
            ("x: |\n   a\n  \tb\n", "line 3: while parsing"),
            ("x: &\u{e9} a\n", "line 1: the anchor `\u{e9}`"),
            ("x: &x{a: b}\n", "line 1: the anchor `x`"),
            ("x: {n? a: b}\n", "line 1: a `?` between brackets"),
            ("entries:\n: a\n", "line 2: a value without a key"),
            ("x: {a\n b: c}\n", "line 1: a key that goes over lines"),
            ("entries: {}\nx: !!int a\n", "line 2: `a` does not fit its tag `!!int`"),
            ("entries: {}\nx: !!bool 1\n", "line 2: `1` does not fit its tag `!!bool`"),
            ("entries: {}\nx: !!map [a]\n", "line 2: the value does not fit its tag `!!map`"),
            ("entries: {}\nx: !mine a\n", "line 2: the tag `!mine`"),
            ("entries: 7", "`entries` is `7`, but must be a mapping"),
            ("entries: []", "`entries` is a list"),
            ("entries: {c: 7}", "the charts of `c` is `7`"),
            ("entries: {c: [7]}", "a chart is `7`"),
            ("entries: {c: [{name: [a]}]}", "`name` is a list, but must be a text"),
            ("entries: {c: [{name: c, version: {}}]}", "`version` is a mapping"),
            ("<html>", "the index is `<html>`"),
            ("[]", "the index is a list"),
            ("entries: {c: [}", "line 1"),
            ("entries: {c: [*x]}", "line 1"),
            ("entries: {<<: 7}", "`<<` names something other"),
            ("x: &x {a: []}\nentries: {<<: *x, a: []}", "brings the list `a` a second time"),
            ("x: &x [*x]", "an anchor within itself"),
            ("? [a]\n: b\n", "a key that is not text"),
            ("x: &x a\ny: {*x : b}\n", "line 2: a key that is not text"),
            ("x: {~: a, \"null\": b}", "the key `null` occurs twice"),
            ("x: {<<: {}, \"<<\": b}", "the key `<<` occurs twice"),
            ("x: a\u{7}\n", "the character U+0007"),
            ("x: a\u{85}b\n", "the character U+0085"),
            ("x: a\ny: \u{2028}", "line 2: the character U+2028"),
        ] {
            let error = read(yaml).unwrap_err();
            assert!(
                error.starts_with("certsuite cannot load the chart index: line ") && error.contains(due),
                "{yaml}: {error}"
            );
        }
        assert!(read(b"\xff\xfea").unwrap_err().contains("not UTF-16"));
        assert!(read(b"a: b\nc: \xff").unwrap_err().contains("line 2: not UTF-8"));
    }

    #[test]
    fn what_would_take_long_or_much_is_refused() {
        let many = |text: &str, count: usize| text.repeat(count);
        let merging = (1..=200).map(|n| format!("a{n}: &a{n} {{<<: *a{}}}\n", n - 1)).collect::<String>();
        let doubling = (1..=24).map(|n| format!("a{n}: &a{n} {{<<: [*a{0}, *a{0}]}}\n", n - 1)).collect::<String>();
        let long_alias = format!(
            "entries:\n  a: &a [{}]\n{}",
            vec!["{version: 1}"; 1_000].join(","),
            (0..5_000).map(|n| format!("  b{n}: *a\n")).collect::<String>()
        );
        for (yaml, due) in [
            (format!("x: {}", many("[", 50_000)), ""),
            (format!("x: {}", many("{a: ", 50_000)), ""),
            (many("- ", 50_000), ""),
            (many("? ", 50_000), ""),
            (format!("x: [{}]", many("a,", limits::YAML_NODES)), "more than 1000000 values"),
            (format!("a0: &a0 {{}}\n{merging}entries: {{c: [*a200]}}"), "merges within merges"),
            (format!("a0: &a0 {{}}\n{doubling}entries: {{c: [*a24]}}"), "aliases repeat too much"),
            (long_alias, "aliases repeat too much"),
            (
                format!("entries: {{c: [{}]}}", many("{},", limits::CHART_VERSIONS + 1)),
                "more than 100000 chart versions",
            ),
            (format!("entries: {{c: [{{name: {}}}]}}", many("x", limits::TEXT_BYTES + 1)), "a `name` of more than"),
        ] {
            let error = read(&yaml).unwrap_err();
            assert!(error.contains(due), "{:.60}: {error}", yaml);
        }
        let long = vec![b' '; limits::CHART_INDEX_BYTES + 1];
        assert!(read(long).unwrap_err().contains("has more than 16.8 MB"));
    }
}
