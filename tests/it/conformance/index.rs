//! Chart indexes: plain ones, odd ones, and ones that are broken somewhere.

use std::fmt::Write as _;

use super::generate::{Generator, NAMES};

impl Generator {
    pub(super) fn plain_index(&mut self) -> Vec<u8> {
        let mut yaml = "apiVersion: v1\nentries:\n".to_owned();
        for list in &NAMES[..self.rng.usize(..3)] {
            let _ = writeln!(yaml, "  {list}:");
            for _ in 0..self.rng.usize(1..3) {
                let (name, version) = (self.pick(&NAMES[..2]), self.pick(&["1.0.0", "2", "1.10"]));
                let _ =
                    writeln!(yaml, "  - name: {name}\n    version: {version}\n    description: >-\n      a\n      b");
                if self.chance(50) {
                    let constraint = self.constraint().replace('\'', "''");
                    let _ = writeln!(yaml, "    kubeVersion: '{constraint}'");
                }
            }
        }
        yaml.into_bytes()
    }

    /// A chart index that may be odd.
    pub fn index(&mut self) -> Vec<u8> {
        let mut yaml = if self.chance(50) { self.plain_index() } else { self.odd_index() };
        for _ in 0..self.pick(&[0, 0, 1, 1, 2, 4]) {
            self.spoil_index(&mut yaml);
        }
        yaml
    }

    fn scalar(&mut self) -> String {
        const SCALARS: [&str; 48] = [
            "a",
            "1.10",
            "null",
            "~",
            "",
            "'a'",
            "\"a\"",
            "'it''s'",
            "\"\\n\\x41\\u00e9\"",
            "\"a\\/b\"",
            "\"\\'\"",
            "true",
            "0x10",
            "2020-01-01",
            "1_000",
            "!!str 1",
            "!!int 7",
            "!!int a",
            "!!float 1.5",
            "!!bool yes",
            "!!null ~",
            "!x a",
            "&a b",
            "*a",
            "<<",
            "\"<<\"",
            "a b  c",
            "a#b",
            "a #b",
            "a: b",
            "a:b",
            "- a",
            "[a, b]",
            "{a: b}",
            "[",
            "{a",
            "|\n      x\n       y\n",
            ">\n      x\n\n      y\n",
            "|-\n      x",
            ">+\n      x\n",
            "%a",
            "@a",
            "`a",
            "a\n      b",
            "\"a\n      b\"",
            "'a\n\n      b'",
            "\"\\\n      a\"",
            "!!binary YQ==",
        ];
        self.pick(&SCALARS).to_owned()
    }

    fn odd_index(&mut self) -> Vec<u8> {
        let mut yaml = self
            .pick(&[
                "",
                "",
                "",
                "%YAML 1.1\n---\n",
                "%YAML 1.2\n---\n",
                "---\n",
                "# c\n",
                "%TAG !e! tag:x,2000:\n---\n",
                "\u{feff}",
            ])
            .to_owned();
        if self.chance(30) {
            yaml += self.pick(&[
                "x: &x {name: c, version: '1'}\n",
                "x: &x\n  - name: c\n",
                "x: &x {c: [{name: c}]}\n",
                "x: {a: 1, a: 2}\n",
                "x:\n- - - a\n",
            ]);
        }
        yaml += self.pick(&[
            "entries:\n",
            "entries:\n",
            "entries:\n",
            "\"entries\":\n",
            "entries: &e\n",
            "entries: !!map\n",
            "? entries\n:\n",
        ]);
        for _ in 0..self.rng.usize(..4) {
            let key = match self.rng.u32(..4) {
                0 => self.scalar(),
                _ => self.pick(&NAMES).to_owned(),
            };
            let merge = self.chance(5);
            let _ = writeln!(
                yaml,
                "  {}:{}",
                if merge { "<<" } else { &key },
                self.pick(&["", "", "", " *x", " null", " []", " &l", " 7"])
            );
            for _ in 0..self.rng.usize(..3) {
                let dash = self.pick(&["  - ", "  - ", "    - ", "  -   ", "  -\n    "]);
                let mut indent = "    ";
                if dash.starts_with("    ") {
                    indent = "      ";
                }
                let first = self.pick(&[
                    "name: c\n",
                    "null\n",
                    "*x\n",
                    "<<: *x\n",
                    "version: 1\n",
                    "{name: c, version: 1}\n",
                    "? name\n",
                    "name:   c   # d\n",
                ]);
                let _ = write!(yaml, "{dash}{first}");
                for field in ["version", "kubeVersion", "description", "name"] {
                    if self.chance(40) {
                        let value = self.scalar();
                        let _ = writeln!(yaml, "{indent}{field}: {value}");
                    }
                }
            }
        }
        yaml += self.pick(&["", "", "generated: x\n", "---\nx: 1\n", "...\n", "---\n[\n", "... # c\n", "\t\n", "#"]);
        yaml.into_bytes()
    }

    fn spoil_index(&mut self, yaml: &mut Vec<u8>) {
        let at = self.rng.usize(..=yaml.len());
        match self.rng.u32(..8) {
            0 => {
                const PIECES: [&str; 44] = [
                    "\t",
                    " ",
                    "\n",
                    "\r",
                    "\r\n",
                    ": ",
                    ":",
                    "- ",
                    "-",
                    "? ",
                    "#",
                    " #",
                    "'",
                    "\"",
                    "\\",
                    "[",
                    "]",
                    "{",
                    "}",
                    ",",
                    "&a ",
                    "*a ",
                    "!",
                    "!!str ",
                    "!<tag:yaml.org,2002:str> ",
                    "|",
                    ">",
                    "%",
                    "@",
                    "`",
                    "---",
                    "...",
                    "\n---\n",
                    "\n...\n",
                    "\u{a0}",
                    "\u{85}",
                    "\u{2028}",
                    "\u{feff}",
                    "\u{7f}",
                    "\0",
                    "~",
                    "<<: ",
                    "\\u00e9",
                    "\n\n",
                ];
                let piece = self.pick(&PIECES);
                yaml.splice(at..at, piece.bytes());
            }
            1 if at < yaml.len() => drop(yaml.remove(at)),
            2 => yaml.truncate(at),
            3 => {
                let piece = yaml[at..(at + self.rng.usize(..40)).min(yaml.len())].to_vec();
                let to = self.rng.usize(..=yaml.len());
                yaml.splice(to..to, piece);
            }
            4 if at < yaml.len() => yaml[at] = self.pick(b" \n\t:-#'\"[]{},&*!|>%@`?~\\a1\r"),
            5 => {
                let scalar = self.scalar();
                yaml.splice(at..at, scalar.bytes());
            }
            6 if self.chance(10) => {
                let text = String::from_utf8_lossy(yaml).into_owned();
                let little = self.chance(50);
                let unit = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
                *yaml = format!("\u{feff}{text}").encode_utf16().flat_map(unit).collect();
            }
            _ => {}
        }
    }
}
