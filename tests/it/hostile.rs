//! Hostile and damaged archives: each is refused with exit code 4 and a cause in words, and nothing changes on disk.

use std::fs;
use std::path::PathBuf;

use oct::base::digest::Sha256Digest;
use oct::base::failure::{Class, Classified as _};
use oct::base::progress::Silent;
use oct::ops::Error;
use oct::trust::Keyring;

use crate::forge::{
    self, EMPTY_FRAME, Forge, Layers, Member, assemble, change_line, compress, header, open_tar, skippable, tar,
    throw_away_key, try_import,
};

const HELM: &str = "data/helm/helm.db";
const CONTAINERS: &str = "data/containers/containers.db";
const PAGE: &str = "data/operators/operator_catalog_page_0_3.db";

/// A folder with a catalog installed, and a place for files to import.
struct Scene {
    parent: tempfile::TempDir,
    forge: Forge,
    keyring: Keyring,
}

impl Scene {
    fn new() -> Self {
        let scene = Self::empty();
        let old = Forge { layers: Layers::valid(2, "2026-03-01T00:00:00Z"), key: throw_away_key() };
        let file = scene.parent.path().join("old.tar.zst");
        fs::write(&file, old.valid()).unwrap();
        try_import(&file, &scene.dir(), &old.keyring(), &Silent).unwrap();
        fs::remove_file(file).unwrap();
        scene
    }

    fn empty() -> Self {
        let forge = Forge::new();
        Self { parent: crate::install_support::scratch(), keyring: forge.keyring(), forge }
    }

    fn dir(&self) -> PathBuf {
        self.parent.path().join("db")
    }

    fn attempt(&self, bytes: &[u8]) -> Result<(), Error> {
        let stick = self.parent.path().join("stick.tar.zst");
        fs::write(&stick, bytes).unwrap();
        let outcome = try_import(&stick, &self.dir(), &self.keyring, &Silent).map(|_| ());
        fs::remove_file(stick).unwrap();
        outcome
    }

    /// Refused in these words, and everything as before.
    fn refused(&self, name: &str, bytes: &[u8], words: &str) -> Option<String> {
        let before = forge::everything(self.parent.path());
        let outcome = self.attempt(bytes);
        if forge::everything(self.parent.path()) != before {
            return Some(format!("{name}: the disk has changed"));
        }
        let Err(error) = outcome else { return Some(format!("{name}: imported")) };
        let mut said = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            said.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        if error.class() != Class::Verification || error.class().exit_code() != 4 {
            return Some(format!("{name}: class {:?}: {said}", error.class()));
        }
        (!said.contains(words)).then(|| format!("{name}: `{words}` is not in: {said}"))
    }

    fn all_refused(&self, cases: &[Case], at_least: usize) {
        assert!(cases.len() >= at_least, "{} cases", cases.len());
        let wrong: Vec<_> = cases.iter().filter_map(|(name, bytes, words)| self.refused(name, bytes, words)).collect();
        assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
        // The scene is such that the flawless archive passes.
        self.attempt(&self.forge.valid()).unwrap();
        crate::install_support::assert_tidy(&self.dir(), "afterwards");
    }
}

type Case = (String, Vec<u8>, &'static str);

fn case(name: &str, bytes: Vec<u8>, words: &'static str) -> Case {
    (name.to_owned(), bytes, words)
}

#[test]
fn manifests() {
    let scene = Scene::new();
    let forge = &scene.forge;
    let body = compress(&forge.layers.tar());
    let manifest = forge.layers.manifest(&body);
    let text = manifest.to_text();
    let mut cases = Vec::new();
    let mut replaced = |name: &str, from: &str, to: &str, words| {
        assert!(text.contains(from), "{name}");
        cases.push(case(name, forge.of_text(&text.replacen(from, to, 1), &body), words));
    };
    for (name, path, words) in [
        ("parent folder", "../../etc/cron.d/x", "begins with a dot"),
        ("parent folder inside", "data/../../x", "begins with a dot"),
        ("absolute", "/etc/passwd", "absolute"),
        ("NUL", "data/helm/helm.db\\u0000.txt", "character"),
        ("control character", "data/helm/\\u001b[2J", "character"),
        ("backslash", "data\\\\helm\\\\helm.db", "character"),
        ("case twin", "data/helm/Helm.db", "in the place of `data/helm/helm.db`"),
        ("Unicode twin", "data/h\u{435}lm/helm.db", "character"),
        ("decomposed letter", "data/helm/he\u{301}lm.db", "character"),
        ("right to left", "data/helm/\u{202e}bd.mleh", "character"),
        ("hidden file", "data/helm/.helm.db", "begins with a dot"),
        ("into oct's own folder", ".oct/lock", "begins with a dot"),
        ("trailing slash", "data/helm/helm.db/", "empty component"),
        ("double slash", "data//helm/helm.db", "empty component"),
        ("duplicate path", CONTAINERS, "in the place of `data/helm/helm.db`"),
        ("foreign file", "data/operators/evil.db", "in the place of `data/helm/helm.db`"),
    ] {
        replaced(name, HELM, path, words);
    }
    replaced("over-long path", HELM, &"d/".repeat(60), "more than 100 bytes");
    replaced("later format version", "\"version\": 1", "\"version\": 2", "format version 2");
    replaced("version 0", "\"version\": 1", "\"version\": 0", "format version 0");
    replaced("another format", "oct-catalog", "other-catalog", "`other-catalog`");
    replaced("no version", "\"version\": 1,", "", "version");
    replaced("version twice", "\"version\": 1,", "\"version\": 1, \"version\": 1,", "duplicate field");
    replaced("unknown field", "\"tool\"", "\"run\": \"rm\", \"tool\"", "unknown field");
    replaced("no date", forge::CREATED, "yesterday", "not of oct's form");
    replaced("another date than signed", forge::CREATED, "2027-01-01T00:00:00Z", "trusted comment");
    replaced("negative size", "\"size\": ", "\"size\": -", "not of oct's form");
    replaced("size beyond 64 bits", "\"size\": ", "\"size\": 99999999999999999999", "not of oct's form");
    replaced(
        "digest in capitals",
        &manifest.content.to_string(),
        &manifest.content.to_string().to_uppercase(),
        "SHA-256",
    );
    replaced("operators beyond counting", "\"operators\": 3", "\"operators\": 18446744073709551615", "operators");
    let deep = format!("\"tool\": {}{}", "[".repeat(50_000), "]".repeat(50_000));
    replaced("deep JSON", "\"tool\": \"oct 0.0.0\"", &deep, "not of oct's form");
    let mut changed = |name: &str, words, change: &dyn Fn(&mut oct::trust::manifest::Manifest)| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        cases.push(case(name, forge.of_text(&manifest.to_text(), &body), words));
    };
    changed("missing member", "is missing", &|m| m.files.truncate(3));
    changed("extra member", "one too many", &|m| m.files.push(m.files[0].clone()));
    changed("wrong order", "in the place of", &|m| m.files.swap(0, 1));
    changed("too many members", "more than 2048 files", &|m| m.files = vec![m.files[0].clone(); 2_049]);
    changed("member beyond the limit", "has more than", &|m| m.files[0].size = (2 << 30) + 1);
    changed("total beyond the limit", "the files have more", &|m| m.files.iter_mut().for_each(|f| f.size = 2 << 30));
    changed("ratio", "for each byte read", &|m| m.files[0].size = 1 << 30);
    changed("content digest", "content digest", &|m| m.content = Sha256Digest::of(b"?"));
    changed("digest of the body", "SHA-256 is not the signed one", &|m| m.body.sha256 = Sha256Digest::of(b"?"));
    changed("body cut", "is incomplete: it has", &|m| m.body.size += 400_000_000);
    changed("body too long", "after its end", &|m| m.body.size -= 1);
    changed("empty body", "after its end", &|m| m.body.size = 0);
    changed("digest of a file", "has SHA-256", &|m| {
        m.files[1].sha256 = Sha256Digest::of(b"?");
        m.content = oct::trust::manifest::content_digest(&m.files);
    });
    changed("size of a file", "in the place of", &|m| m.files[1].size += 1);
    changed("one digest more", "keys in containers.db", &|m| m.counts.digests += 1);
    changed("one image more", "containers in archive.json", &|m| m.counts.containers += 1);
    changed("one chart less", "chart versions", &|m| m.counts.charts -= 1);
    cases.push(case("no JSON", forge.of_text("hello", &body), "not of oct's form"));
    cases.push(case("empty manifest", forge.of_text("", &body), "not of oct's form"));
    cases.push(case("JSON behind JSON", forge.of_text(&format!("{text}{{}}"), &body), "trailing"));
    scene.all_refused(&cases, 45);
}

#[test]
fn headers_and_signatures() {
    let scene = Scene::new();
    let forge = &scene.forge;
    let body = compress(&forge.layers.tar());
    let text = forge.layers.manifest(&body).to_text();
    let good = forge.sign(&text);
    let stranger = throw_away_key();
    let strange = stranger.sign(&mut text.as_bytes(), &forge.comment()).unwrap();
    let with = |signatures: &[String]| assemble(&header(&text, signatures), &body);
    let one = |signature: String| with(&[signature]);
    let head = header(&text, std::slice::from_ref(&good));
    let valid = assemble(&head, &body);
    let spaced = String::from_utf8(head.clone()).unwrap().replacen(':', ": ", 1).into_bytes();
    let escaped = String::from_utf8(head.clone()).unwrap().replacen("manifest", "m\\u0061nifest", 1).into_bytes();
    let twice = String::from_utf8(head.clone()).unwrap().replacen('{', "{\"manifest\":\"x\",", 1).into_bytes();
    let more = String::from_utf8(head.clone()).unwrap().replacen('{', "{\"x\":1,", 1).into_bytes();
    let mut binary = head.clone();
    binary[20] = 0xff;
    let mut long = valid.clone();
    long[13..17].copy_from_slice(&((1u32 << 20) + 1).to_le_bytes());
    let mut beyond = valid.clone();
    beyond[13..17].copy_from_slice(&(1u32 << 20).to_le_bytes());
    let no_header = [&EMPTY_FRAME[..], &body].concat();
    let gz = |bytes: &[u8]| [&[0x1f, 0x8b, 8, 0][..], bytes].concat();
    let other = forge.key.sign(&mut &b"another file"[..], &forge.comment()).unwrap();
    let of_archive = forge.key.sign(&mut text.as_bytes(), "file:other.tar created:2026-03-04T05:06:07Z").unwrap();
    let cases = [
        case("no signature", with(&[]), "no signature"),
        case("nine signatures", with(&vec![good.clone(); 9]), "9 signatures"),
        case("a stranger's signature", one(strange.clone()), "not trusted"),
        case("stranger first, bad second", with(&[strange.clone(), other.clone()]), "does not match"),
        case("good first, bad second", with(&[good.clone(), other.clone()]), "does not match"),
        case("good first, malformed second", with(&[good.clone(), "x".into()]), "malformed"),
        case("signature of another file", one(other), "does not match"),
        case("comment of another file", one(of_archive), "trusted comment"),
        case("legacy", one(change_line(&good, 1, |bytes| bytes[1] = b'd')), "legacy"),
        case("unknown algorithm", one(change_line(&good, 1, |bytes| bytes[0] = b'X')), "algorithm"),
        case("short signature", one(change_line(&good, 1, |bytes| bytes.truncate(60))), "second line"),
        case("long signature", one(change_line(&good, 1, |bytes| bytes.push(0))), "second line"),
        case("other key id", one(change_line(&good, 1, |bytes| bytes[2] ^= 1)), "not trusted"),
        case("changed signature", one(change_line(&good, 1, |bytes| bytes[40] ^= 1)), "does not match"),
        case("changed global signature", one(change_line(&good, 3, |bytes| bytes[40] ^= 1)), "does not match"),
        case("short global signature", one(change_line(&good, 3, |bytes| bytes.truncate(9))), "fourth line"),
        case("changed comment", one(good.replace("created:2026", "created:2027")), "does not match"),
        case("no comment", one(good.replace("\ntrusted comment: ", "\ncomment: ")), "trusted comment"),
        case("other untrusted comment", one(good.replacen("signature by oct", "signature by 0ct", 1)), "first line"),
        case("five lines", one(format!("{good}\n")), "four lines"),
        case("three lines", one(good.lines().take(3).map(|line| format!("{line}\n")).collect()), "four lines"),
        case("no line break", one(good.trim_end().to_owned()), "line break"),
        case("carriage returns", one(good.replace('\n', "\r\n")), "first line"),
        case("empty signature", one(String::new()), "line break"),
        case("a key instead", one(forge.key.public().text().to_owned()), "four lines"),
        case("spaced JSON", assemble(&spaced, &body), "spelled differently"),
        case("escaped JSON", assemble(&escaped, &body), "spelled differently"),
        case("a field twice", assemble(&twice, &body), "duplicate field"),
        case("an unknown field", assemble(&more, &body), "unknown field"),
        case("no text", assemble(&binary, &body), "not of oct's form"),
        case("empty header", assemble(b"", &body), "not of oct's form"),
        case("deep header", assemble(&[b'['; 60_000], &body), "not of oct's form"),
        case("header above its limit", long, "header of 1.0 MB"),
        case("header beyond the file", beyond, "cut within its header"),
        case("no header", no_header, "header is missing"),
        case("no empty frame", valid[9..].to_vec(), "first frame is missing"),
        case("foreign skippable frame", [&EMPTY_FRAME[..], &skippable(1, &head), &body].concat(), "header is missing"),
        case(
            "skippable before the header",
            [&EMPTY_FRAME[..], &skippable(2, b"x"), &valid[9..]].concat(),
            "header is missing",
        ),
        case("two headers", [&valid[..17 + head.len()], &skippable(0, &head), &body].concat(), "after its end"),
        case("header after the body", [&valid[..], &skippable(0, &head)].concat(), "after its end"),
        case(
            "header only after the body",
            [&EMPTY_FRAME[..], &body, &skippable(0, &head)].concat(),
            "header is missing",
        ),
        case("a trailing byte", [&valid[..], &[0]].concat(), "after its end"),
        case("a trailing empty frame", [&valid[..], &EMPTY_FRAME].concat(), "after its end"),
        case("the archive twice", [&valid[..], &valid].concat(), "after its end"),
        case("the empty frame twice", [&EMPTY_FRAME[..], &valid].concat(), "header is missing"),
        case("no body", valid[..17 + head.len()].to_vec(), "is incomplete: it has"),
        case("empty file", vec![], "an empty file"),
        case("zeros", vec![0; 9_000], "zeros"),
        case("gzip", gz(&valid), "gzip, not zstd"),
        case("xz", [b"\xfd7zXZ\0", &valid[..]].concat(), "xz, not zstd"),
        case("bzip2", [b"BZh9", &valid[..]].concat(), "bzip2, not zstd"),
        case("zip", [b"PK\x03\x04", &valid[..]].concat(), "a zip file"),
        case("tar", forge.layers.tar(), "not compressed"),
        case("plain zstd", body.clone(), "without oct's signed header"),
        case("HTML", b"<!DOCTYPE html><title>Login</title>".to_vec(), "an HTML page"),
        case("JSON", b"{\"data\":[]}".to_vec(), "JSON"),
        case("a signature file", good.clone().into_bytes(), "minisign"),
        case("a checksum file", format!("{}  catalog.tar.zst\n", Sha256Digest::of(b"")).into_bytes(), "checksum file"),
        case("noise", (0..999u32).map(|i| ((i * i * 31) >> 3) as u8 | 0x80).collect(), "another or damaged"),
    ];
    scene.all_refused(&cases, 55);
}

#[test]
fn tars() {
    let scene = Scene::new();
    let forge = &scene.forge;
    let members: Vec<_> = forge.layers.files.iter().map(|(path, bytes)| Member::file(path, bytes)).collect();
    let mut cases = Vec::new();
    let mut changed = |name: &str, words, change: &dyn Fn(&mut Vec<Member>)| {
        let mut members = members.clone();
        change(&mut members);
        cases.push(case(name, forge.of_tar(&tar(&members)), words));
    };
    for (name, path) in [
        ("parent folder", &b"data/../../../tmp/x"[..]),
        ("absolute", b"/etc/passwd"),
        ("NUL", b"data/helm\0/helm.db"),
        ("case twin", b"data/helm/HELM.db"),
        ("Unicode twin", "data/h\u{435}lm/helm.db".as_bytes()),
        ("no text", b"data/\xff\xfe"),
        ("escape sequence", b"data/\x1b]0;x\x07"),
        ("dot in front", b"./data/helm/helm.db"),
        ("a hundred bytes", &[b'a'; 100]),
    ] {
        changed(name, "in the place of the file `data/helm/helm.db`", &|m| m[2].name = path.to_vec());
    }
    for (name, kind, words) in [
        ("hard link", b'1', "the hard link"),
        ("symbolic link", b'2', "the symbolic link"),
        ("character device", b'3', "the device"),
        ("block device", b'4', "the device"),
        ("folder", b'5', "the folder"),
        ("fifo", b'6', "the fifo"),
        ("contiguous file", b'7', "in the place of"),
        ("old regular file", 0, "in the place of"),
        ("unknown kind", b'Z', "an unknown member"),
    ] {
        changed(name, words, &|m| m[2].kind = kind);
        changed(&format!("{name}, as one more"), words, &|m| {
            m.insert(2, Member::of_kind("data/helm/helm.db", kind, "/etc/passwd"))
        });
    }
    changed("GNU sparse file", "the sparse file", &|m| m[2].kind = b'S');
    changed("GNU long name", "a GNU long name", &|m| {
        m.insert(2, Member { kind: b'L', ..Member::file("././@LongLink", &[b'x'; 300]) });
    });
    changed("GNU long link", "a GNU long name", &|m| {
        m.insert(2, Member { kind: b'K', ..Member::file("././@LongLink", &[b'x'; 300]) });
    });
    changed("PAX size lie", "a PAX extension", &|m| {
        m.insert(2, Member { kind: b'x', ..Member::file("PaxHeaders/x", b"12 size=1\n") });
    });
    changed("PAX path", "a PAX extension", &|m| {
        m.insert(2, Member { kind: b'x', ..Member::file("PaxHeaders/x", b"18 path=/etc/shadow\n") });
    });
    changed("PAX global header", "a PAX extension", &|m| {
        m.insert(0, Member { kind: b'g', ..Member::file("pax_global_header", b"12 size=1\n") });
    });
    changed("member longer than said", "", &|m| m[2].content.extend([b'x'; 600]));
    changed("member shorter than said", "", &|m| m[2].content.clear());
    changed("header says more", "in the place of", &|m| m[2].size += 512);
    changed("header says less", "in the place of", &|m| m[2].size = 0);
    changed("duplicate member", "in the place of", &|m| m.insert(2, m[1].clone()));
    changed("extra member", "", &|m| m.push(Member::file("data/operators/evil.db", b"{}")));
    changed("extra member in front", "in the place of", &|m| m.insert(0, Member::file("evil", b"x")));
    changed("missing member", "", &|m| {
        m.remove(3);
    });
    changed("no member", "the end of the tar", &Vec::clear);
    changed("wrong order", "in the place of", &|m| m.swap(1, 2));
    changed("set-user-id", "but with another mode, owner", &|m| m[1].mode = 0o4755);
    changed("executable", "but with another mode, owner", &|m| m[1].mode = 0o755);
    changed("an owner", "but with another mode, owner", &|m| m[1].patch = Some(|block| block[113] = b'7'));
    changed("a time", "but with another mode, owner", &|m| m[1].patch = Some(|block| block[146] = b'7'));
    changed("a name prefix", "in the place of", &|m| {
        m[1].patch = Some(|block| block[345..349].copy_from_slice(b"/etc"))
    });
    changed("a user name", "but with another mode, owner", &|m| {
        m[1].patch = Some(|block| block[265..269].copy_from_slice(b"root"))
    });
    changed("binary size", "in the place of", &|m| {
        m[1].patch = Some(|block| {
            block[124..136].fill(0);
            block[124] = 0x80;
            block[135] = 9;
        })
    });
    changed("unreadable size", "", &|m| m[1].patch = Some(|block| block[124..136].fill(b'x')));
    changed("bad checksum", "", &|m| m[1].patch_late = Some(|block| block[150] ^= 1));
    changed("another byte in a file", "has SHA-256", &|m| {
        let last = m[0].content.len() - 2;
        m[0].content[last] ^= 1;
    });
    let open = open_tar(&members);
    let ended = |end: &[u8]| forge.of_tar(&[&open[..], end].concat());
    let whole = forge.layers.tar();
    let frame = compress(&whole);
    let of_body = |body: Vec<u8>| forge.of_body(&forge.layers, &body);
    let mut padded = whole.clone();
    let padding = 512 + forge.layers.files[0].1.len();
    padded[padding] = b'!';
    let checked = {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        std::io::Write::write_all(&mut encoder, &whole).unwrap();
        encoder.finish().unwrap()
    };
    let mut bad_check = checked.clone();
    *bad_check.last_mut().unwrap() ^= 1;
    let mut wide = frame.clone();
    // Not a single segment, and a window of 2^41 bytes.
    wide[4] &= !0x20;
    wide.insert(5, 0xf8);
    let half = whole.len() / 2;
    cases.extend([
        case("no end", ended(&[]), ""),
        case("half an end", ended(&[0; 512]), ""),
        case("something in the end", ended(&[&[0; 1023][..], &[1]].concat()), ""),
        case("more zeros", ended(&[0; 2048]), ""),
        case("another tar behind the end", forge.of_tar(&[&whole[..], &whole].concat()), ""),
        case("something in a file's padding", forge.of_tar(&padded), "padding"),
        case("an empty body", of_body(compress(b"")), ""),
        case("a bomb of zeros", of_body(compress(&vec![0; 64 << 20])), ""),
        case("a bomb behind the tar", of_body(compress(&[&whole[..], &vec![0; 64 << 20]].concat())), ""),
        case("two frames", of_body([compress(&whole[..half]), compress(&whole[half..])].concat()), ""),
        case("a frame behind the frame", of_body([&frame[..], &EMPTY_FRAME].concat()), "follows"),
        case("a skippable frame behind the frame", of_body([&frame[..], &skippable(0, b"x")].concat()), "follows"),
        case("a skippable frame before the frame", of_body([&skippable(5, b"x"), &frame[..]].concat()), "zstd frame"),
        case("an empty frame before the frame", of_body([&EMPTY_FRAME[..], &frame].concat()), ""),
        case("a byte behind the frame", of_body([&frame[..], &[0]].concat()), "follows"),
        case("a frame cut short", of_body(frame[..frame.len() - 9].to_vec()), ""),
        case("a wrong frame checksum", of_body(bad_check), ""),
        case("a window of terabytes", of_body(wide), ""),
        case("a body that is not compressed", of_body(whole.clone()), "zstd frame"),
        case("a body of nothing", of_body(vec![]), "zstd frame"),
    ]);
    scene.all_refused(&cases, 65);
}

#[test]
fn data_that_certsuite_could_not_read() {
    let scene = Scene::new();
    let forge = &scene.forge;
    let mut cases = Vec::new();
    let mut replaced = |name: &str, path: &str, content: &[u8], words| {
        let mut layers = forge.layers.clone();
        *layers.file(path) = content.to_vec();
        cases.push(case(name, forge.of_layers(&layers), words));
    };
    let text = |path: &str| String::from_utf8(forge.layers.clone().file(path).clone()).unwrap();
    let containers = text(CONTAINERS);
    let lines: Vec<&str> = containers.lines().collect();
    let mut turned = lines.clone();
    turned.swap(1, 2);
    let mut doubled = lines.clone();
    doubled.insert(1, lines[1]);
    let deep = format!("{{\n\"k\":{{\"x\":{}{}}}\n}}\n", "[".repeat(90_000), "]".repeat(90_000));
    replaced("containers: deep JSON", CONTAINERS, deep.as_bytes(), "");
    replaced("containers: deep JSON in one line", CONTAINERS, deep.replace('\n', "").as_bytes(), "");
    replaced("containers: empty", CONTAINERS, b"", "");
    replaced("containers: a list", CONTAINERS, b"[]", "");
    replaced("containers: cut", CONTAINERS, &containers.as_bytes()[..containers.len() - 9], "");
    replaced("containers: out of order", CONTAINERS, (turned.join("\n") + "\n").as_bytes(), "out of order");
    replaced("containers: a key twice", CONTAINERS, (doubled.join("\n") + "\n").as_bytes(), "is a duplicate");
    replaced("containers: more behind", CONTAINERS, format!("{containers}{{}}").as_bytes(), "");
    replaced("containers: a number as a name", CONTAINERS, containers.replacen("\"amd64\"", "64", 1).as_bytes(), "");
    replaced("containers: no text", CONTAINERS, b"{\n\"\xff\":{}\n}\n", "");
    replaced("containers: fewer", CONTAINERS, b"{}", "keys in containers.db");
    let alias: String = (0..60).map(|i| format!("  b{i}: *a\n")).collect();
    let bomb = format!("entries:\n  a: &a [{}]\n{alias}", vec!["{version: 1}"; 3_000].join(", "));
    replaced("charts: aliases of a long list", HELM, bomb.as_bytes(), "");
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    replaced("charts: a billion laughs", HELM, format!("{laughs}entries: {{}}\n").as_bytes(), "");
    replaced("charts: deep", HELM, format!("entries: {}{}", "[".repeat(9_000), "]".repeat(9_000)).as_bytes(), "");
    replaced("charts: an alias of itself", HELM, b"entries: &e\n  a: *e\n", "");
    replaced("charts: HTML", HELM, b"<html>", "");
    replaced("charts: empty", HELM, b"", "");
    let page = text(PAGE);
    replaced("page: a null", PAGE, page.replacen("\"4.16\"", "null", 1).as_bytes(), "");
    replaced("page: an absent field", PAGE, page.replacen("\"ocp_version\":\"4.16\",", "", 1).as_bytes(), "incomplete");
    replaced("page: another number", PAGE, page.replace("\"page\":0", "\"page\":1").as_bytes(), "the page states");
    replaced("page: another total", PAGE, page.replace("\"total\":3", "\"total\":4").as_bytes(), "the page states");
    replaced("page: empty", PAGE, b"", "");
    replaced("page: deep", PAGE, "[".repeat(80_000).as_bytes(), "");
    replaced("counts: others", "data/archive.json", br#"{"containers":9,"operators":3,"charts":1}"#, "archive.json");
    replaced("counts: text", "data/archive.json", br#"{"containers":"4","operators":3,"charts":1}"#, "");
    scene.all_refused(&cases, 24);
}

/// What nobody with a key has touched: bits and lengths.
#[test]
fn every_flipped_bit_and_every_cut() {
    let scene = Scene::new();
    let valid = scene.forge.valid();
    let header_end = 17 + u32::from_le_bytes(valid[13..17].try_into().unwrap()) as usize;
    let stick = scene.parent.path().join("stick.tar.zst");
    let before = forge::everything(scene.parent.path());
    let refused = |what: String, bytes: &[u8]| {
        fs::write(&stick, bytes).unwrap();
        match try_import(&stick, &scene.dir(), &scene.keyring, &Silent) {
            Ok(_) => panic!("{what}: imported"),
            Err(error) => {
                assert_eq!(error.class(), Class::Verification, "{what}: {error}");
                assert!(!error.to_string().is_empty());
            }
        }
    };
    let mut bytes = valid.clone();
    for position in 0..header_end {
        for bit in 0..8 {
            bytes[position] ^= 1 << bit;
            refused(format!("bit {bit} of header byte {position}"), &bytes);
            bytes[position] ^= 1 << bit;
        }
    }
    for position in header_end..valid.len() {
        bytes[position] ^= 1 << (position % 8);
        refused(format!("a bit of body byte {position}"), &bytes);
        bytes[position] ^= 1 << (position % 8);
    }
    for length in 0..valid.len() {
        refused(format!("cut to {length}"), &valid[..length]);
    }
    fs::remove_file(&stick).unwrap();
    assert_eq!(forge::everything(scene.parent.path()), before);
    scene.attempt(&valid).unwrap();
}
