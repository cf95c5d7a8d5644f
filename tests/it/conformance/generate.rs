//! Folders, chart indexes, constraints and questions: well-formed ones, and odd ones of every kind that people have.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use oct::catalog::ContainerEntry;
use oct::catalog::folder::Contents;
use serde_json::{Value, json};

/// Path and bytes; a path that ends in `/folder` is an empty folder, bytes that begin with `link:` are a link's target.
pub type Files = Vec<(String, Vec<u8>)>;

/// Makes the same things in each run.
pub struct Generator {
    pub(super) rng: fastrand::Rng,
    /// Percent of what is made odd.
    odd: u32,
    /// What the last folder holds, to ask for.
    known: Vec<Value>,
}

const DIGESTS: [&str; 5] = ["sha256:aa", "sha256:bb", "sha256:cc", "sha256:\u{e9}", "x"];
const REGISTRIES: [&str; 4] = ["quay.io", "registry.access.redhat.com", "registry.redhat.io", ""];
const REPOSITORIES: [&str; 3] = ["a/b", "c", "a"];
const TAGS: [&str; 4] = ["1", "latest", "v2", ""];
const CSVS: [&str; 7] = ["op.v1", "op.v2", "o2.v1", "op.v1.op.v2", "plain", ".v1", "op."];
const OCPS: [&str; 4] = ["4.9", "4.12", "", "4"];
pub(super) const NAMES: [&str; 4] = ["c", "d", "null", "x y"];
const VERSIONS: [&str; 14] = [
    "1.2.3",
    "v1.27.4",
    "1.20",
    "1",
    "1.0.0-rc.1",
    "1.2.3-0+b",
    "1.25.0-eks-1",
    "01.2.3",
    "1.2.3.4",
    "n/a",
    "",
    " 1.2.3",
    "0.0.0",
    "99999999999999999999.0.0",
];

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed), odd: 0, known: Vec::new() }
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(..100) < percent
    }

    /// Whether the next thing is to be odd.
    fn odd(&mut self) -> bool {
        self.odd > 0 && self.chance(self.odd)
    }

    pub fn version(&mut self) -> String {
        match self.rng.u32(..4) {
            0 => self.pick(&VERSIONS).to_owned(),
            _ => {
                let mut version = format!("{}.{}.{}", self.rng.u32(..3), self.rng.u32(..30), self.rng.u32(..6));
                if self.chance(25) {
                    version += self.pick(&["-rc.1", "-alpha", "-0", "+build", "-rc.1+b", "-eks-5", "-"]);
                }
                if self.chance(30) { format!("v{version}") } else { version }
            }
        }
    }

    pub fn constraint(&mut self) -> String {
        let mut constraint = String::new();
        for number in 0..self.rng.usize(1..=3) {
            if number > 0 {
                constraint += self.pick(&[" ", ", ", ",", " || ", "||", " | ", " , ", "  "]);
            }
            if self.chance(8) {
                let _ = write!(constraint, "{} - {}", self.version(), self.version());
                continue;
            }
            constraint +=
                self.pick(&["", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^", ">= ", "< ", "!", "=="]);
            constraint += &match self.rng.u32(..6) {
                0 => {
                    self.pick(&["*", "x", "1.x", "1.2.X", "1.*.3", "1.20.x-0", "*.1", "", "1.20-0", "v1.x"]).to_owned()
                }
                1 => format!("{}.{}", self.rng.u32(..3), self.rng.u32(..30)),
                2 => format!("{}", self.rng.u32(..3)),
                3 => format!("{}-0", self.version()),
                _ => self.version(),
            };
        }
        constraint
    }

    /// A text in quotes, as JSON of Go's taste.
    fn text(&mut self, text: &str) -> Vec<u8> {
        let mut json = vec![b'"'];
        for c in text.chars() {
            if self.odd > 0 && self.chance(3) {
                json.extend(format!("\\u{:04x}", u32::from(c)).bytes());
            } else {
                json.extend(c.encode_utf8(&mut [0; 4]).bytes());
            }
        }
        if self.odd() && self.chance(15) {
            let odd: [&[u8]; 8] = [
                b"\\ud83d",
                b"\xff",
                b"\xe2\x82",
                b"\\ud83d\\ude00",
                b"\\n\\/",
                b"\xed\xa0\x80",
                b"\\ude00\\u0041",
                b"\x01",
            ];
            json.extend_from_slice(self.pick(&odd));
        }
        json.push(b'"');
        json
    }

    /// A field's name, at times in other letters.
    fn name(&mut self, name: &str) -> Vec<u8> {
        if self.odd() && self.chance(30) {
            let other = match self.rng.u32(..4) {
                0 => name.to_uppercase(),
                1 => name.replacen('s', "\u{17f}", 1),
                2 => name.replacen('e', "E", 1),
                _ => format!("{name}x"),
            };
            return self.text(&other);
        }
        self.text(name)
    }

    fn of(&mut self, texts: &[&str]) -> Vec<u8> {
        let text = self.pick(texts);
        if self.odd() && self.chance(25) {
            let odd: [&[u8]; 8] = [b"null", b"1", b"true", b"[]", b"{}", b"null", b"null", b"1.5e3"];
            return self.pick(&odd).to_vec();
        }
        self.text(text)
    }

    /// An object of these fields, at times without one, with one twice, or with one that nobody knows.
    fn object(&mut self, fields: Vec<(&str, Vec<u8>)>) -> Vec<u8> {
        let mut json = vec![b'{'];
        for (name, value) in fields {
            let missing = self.odd() && self.chance(30);
            if missing {
                continue;
            }
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend(self.name(name));
            json.push(b':');
            json.extend(value);
            if self.odd() && self.chance(10) {
                let odd: [&[u8]; 5] =
                    [b" , \"x\" : {\"data\":[1,{}]}", b",\"y\":1e999", b"\n\t", b",\"\":\"\"", b",\"data\" :null"];
                json.extend_from_slice(self.pick(&odd));
            }
        }
        json.push(b'}');
        json
    }

    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Vec<u8>) -> Vec<u8> {
        if self.odd() && self.chance(20) {
            let odd: [&[u8]; 6] = [b"null", b"[]", b"{}", b"\"a\"", b"[null]", b"[null,{}]"];
            return self.pick(&odd).to_vec();
        }
        let items: Vec<_> = (0..self.rng.usize(..4)).map(|_| item(self)).collect();
        [&b"["[..], &items.join(&b','), b"]"].concat()
    }

    fn entry(&mut self) -> Vec<u8> {
        if self.odd() && self.chance(20) {
            return b"null".to_vec();
        }
        let repositories = |this: &mut Self| {
            this.list(|this| {
                let tags = |this: &mut Self| {
                    this.list(|this| {
                        let tag = this.of(&TAGS);
                        this.object(vec![("name", tag)])
                    })
                };
                let (registry, repository) = (this.of(&REGISTRIES), this.of(&REPOSITORIES));
                let mut fields = vec![("registry", registry), ("repository", repository), ("tags", tags(this))];
                if this.odd() && this.chance(20) {
                    fields.push(("tags", tags(this)));
                    fields.push(("tags", tags(this)));
                }
                this.object(fields)
            })
        };
        let mut fields = vec![
            ("_id", self.of(&["5f059f17bed8bd4f99d20100", "i", ""])),
            ("creation_date", self.of(&["2020-10-20T18:17:55+00:00"])),
            ("certified", b"true".to_vec()),
            ("image_id", self.of(&DIGESTS)),
            ("repositories", repositories(self)),
        ];
        if self.odd() && self.chance(25) {
            fields.push(("repositories", repositories(self)));
            fields.push(("repositories", repositories(self)));
        }
        self.object(fields)
    }

    fn containers(&mut self) -> Vec<u8> {
        let mut entries = Vec::new();
        for _ in 0..self.rng.usize(..5) {
            let digest = self.pick(&DIGESTS);
            entries.push([self.text(digest), b":".to_vec(), self.entry()].concat());
        }
        let json = [&b"{"[..], &entries.join(&b','), b"}"].concat();
        self.spoil(json)
    }

    fn page(&mut self) -> Vec<u8> {
        let rows = |this: &mut Self| {
            this.list(|this| {
                let fields = vec![
                    ("csv_name", this.of(&CSVS)),
                    ("ocp_version", this.of(&OCPS)),
                    ("channel_name", this.of(&["s"])),
                ];
                this.object(fields)
            })
        };
        let mut fields = vec![("data", rows(self)), ("page", b"0".to_vec()), ("page_size", b"500".to_vec())];
        if self.odd() && self.chance(30) {
            let odd: [&[u8]; 6] = [b"-1", b"1.0", b"null", b"\"1\"", b"18446744073709551615", b"18446744073709551616"];
            fields.push(("total", self.pick(&odd).to_vec()));
        }
        if self.odd() && self.chance(20) {
            fields.push(("data", rows(self)));
        }
        if self.odd() && self.chance(5) {
            fields.push(("nodeName", self.of(&["n"])));
        }
        let json = self.object(fields);
        self.spoil(json)
    }

    /// At times, a text that is broken somewhere.
    fn spoil(&mut self, mut json: Vec<u8>) -> Vec<u8> {
        if !(self.odd() && self.chance(15)) {
            return json;
        }
        let at = self.rng.usize(..=json.len());
        match self.rng.u32(..7) {
            0 => json.truncate(at),
            1 => json.extend_from_slice(b"x"),
            2 => drop(json.splice(0..0, *b"\xef\xbb\xbf")),
            3 => json = b"<html>no</html>".to_vec(),
            4 => json = self.pick(&[&b"null"[..], b"[]", b"", b" ", b"7", b"{}"]).to_vec(),
            5 => json.insert(at, self.rng.u8(..)),
            _ => json.extend_from_slice(b" \r\n\t"),
        }
        json
    }

    /// A folder; every third is well-formed.
    pub fn folder(&mut self) -> Files {
        self.odd = self.pick(&[0, 20, 60]);
        let mut files = vec![("data/containers/containers.db".to_owned(), self.containers())];
        for number in 0..self.rng.usize(1..5) {
            files.push((format!("data/operators/operator_catalog_page_{number}_500.db"), self.page()));
        }
        if self.odd() {
            let stray: [(&str, &[u8]); 9] = [
                ("._operator_catalog_page_0_500.db", b"\0\x05\x16\x07\0"),
                (".keep", b""),
                ("Thumbs.db", b"\xd0\xcf\x11\xe0"),
                ("folder", b""),
                ("dangling", b"link:nowhere"),
                ("zz-linked", b"link:operator_catalog_page_0_500.db"),
                ("README", b"x"),
                ("operator_catalog_page_9.html", b"<html></html>"),
                ("empty.json", b"{}"),
            ];
            let (name, bytes) = self.pick(&stray);
            files.push((format!("data/operators/{name}"), bytes.to_vec()));
        }
        let index = if self.odd() { self.index() } else { self.plain_index() };
        files.push(("data/helm/helm.db".to_owned(), index));
        files
    }

    /// Remembers what a folder holds, to ask for it.
    pub fn learn(&mut self, images: &BTreeMap<String, ContainerEntry>, contents: &Contents) {
        self.known.clear();
        for (digest, entry) in images {
            self.known.push(json!({"kind": "container", "digest": digest}));
            for place in &entry.repositories {
                for tag in &place.tags {
                    self.known.push(json!({"kind": "container", "registry": place.registry, "repository": place.repository, "tag": tag.name}));
                }
            }
        }
        for row in &contents.operators {
            self.known.push(json!({"kind": "operator", "csv": row.csv_name, "ocp": row.ocp_version}));
        }
        for chart in contents.charts.versions() {
            self.known.push(json!({"kind": "chart", "name": chart.name, "version": chart.version, "kube": "v1.27.4"}));
        }
    }

    /// A question, more often than not about what the last folder holds.
    pub fn question(&mut self) -> Value {
        if !self.known.is_empty() && self.chance(60) {
            let mut known = self.known[self.rng.usize(..self.known.len())].clone();
            if self.chance(20) && known["kind"] == "chart" {
                known["kube"] = self.version().into();
            }
            if self.chance(20) && known["kind"] == "operator" {
                known["ocp"] = self.pick(&OCPS).into();
            }
            return known;
        }
        match self.rng.u32(..4) {
            0 => json!({"kind": "container", "digest": self.pick(&DIGESTS)}),
            1 => {
                json!({"kind": "container", "registry": self.pick(&REGISTRIES), "repository": self.pick(&REPOSITORIES), "tag": self.pick(&TAGS)})
            }
            2 => json!({"kind": "operator", "csv": self.pick(&CSVS), "ocp": self.pick(&OCPS)}),
            _ => {
                json!({"kind": "chart", "name": self.pick(&NAMES), "version": self.pick(&["1.0.0", "2", "1.10", ""]), "kube": self.version()})
            }
        }
    }
}
