//! Archives made in memory, layer by layer, by code of its own: what `oct` reads is not made by what `oct` writes with.
//! A test changes any layer and has the layers above it follow, signatures included, as somebody with the key could.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper may fail the test")]

use std::io::Cursor;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oct::base::digest::Sha256Digest;
use oct::base::member::MemberPath;
use oct::base::progress::Progress;
use oct::catalog::document::{Image, Operator};
use oct::catalog::provenance::Counts;
use oct::catalog::snapshot::Snapshot;
use oct::catalog::{ChartIndex, ContainersBuilder};
use oct::ops::import::{ImportOptions, ImportReport, import};
use oct::trust::manifest::{Body, FORMAT, File, Manifest, VERSION, content_digest};
use oct::trust::{KeyPair, Keyring, SigningKey};

/// The `created` of every archive here.
pub const CREATED: &str = "2026-03-04T05:06:07Z";
/// The empty zstd frame at the start.
pub const EMPTY_FRAME: [u8; 9] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];

/// A key that exists for one test.
pub fn throw_away_key() -> SigningKey {
    let pair = KeyPair::generate(None, "throw-away").unwrap();
    SigningKey::parse(pair.secret_text(), "a test", || Ok(None)).unwrap()
}

/// The layers of one archive.
#[derive(Clone)]
pub struct Layers {
    /// Path and content of each file, sorted.
    pub files: Vec<(String, Vec<u8>)>,
    pub counts: Counts,
    pub created: String,
}

/// Signs and packs.
pub struct Forge {
    pub key: SigningKey,
    pub layers: Layers,
}

fn image(number: u64) -> Image {
    let text = format!(
        r#"{{"_id":"{number:024x}","creation_date":"2025-01-02T03:04:05+00:00","architecture":"amd64","certified":true,
            "image_id":"sha256:{number:064x}","repositories":[{{"registry":"r.example","repository":"team/app{number}",
            "tags":[{{"name":"v{number}"}},{{"name":"latest"}}],"manifest_list_digest":"sha256:{:064x}"}}]}}"#,
        number + 1_000
    );
    let page = format!(r#"{{"data":[{text}],"page_size":1}}"#);
    match oct::pyxis::decode_images(page.into_bytes()).unwrap().remove(0).body {
        oct::pyxis::Body::Image(image) => *image,
        oct::pyxis::Body::Operator(_) => unreachable!(),
    }
}

const CHARTS: &str = "apiVersion: v1\nentries:\n  a:\n  - name: a\n    version: 1.0.0\n    kubeVersion: '>= 1.19'\n";

/// A small catalog but for its images, another one for each `flavour`.
fn snapshot(flavour: u64, created: &str) -> Snapshot {
    let operators = (1..=3).map(|number| Operator {
        csv_name: format!("op{flavour}.v1.0.{number}").into(),
        ocp_version: "4.16".into(),
        channel_name: "stable".into(),
    });
    Snapshot {
        created: created.parse().unwrap(),
        partial: None,
        images: 4,
        operators: operators.collect(),
        chart_index: ChartIndex::parse(CHARTS).unwrap(),
        sources: vec![],
    }
}

impl Layers {
    /// Valid ones.
    pub fn valid(flavour: u64, created: &str) -> Self {
        let snapshot = snapshot(flavour, created);
        let mut containers = ContainersBuilder::new(Cursor::new(Vec::new()));
        (1..=4).for_each(|number| containers.image(&image(flavour * 10 + number)).unwrap());
        let mut layout = snapshot.lay_out(containers, Cursor::new(Vec::new())).unwrap();
        let mut files = Vec::new();
        let read = layout.read(|file, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            files.push((file.path.as_str().to_owned(), bytes));
            Ok(())
        });
        read.unwrap();
        Self { files, counts: layout.counts(), created: created.into() }
    }

    /// The content of a file.
    pub fn file(&mut self, path: &str) -> &mut Vec<u8> {
        &mut self.files.iter_mut().find(|(known, _)| known == path).unwrap().1
    }

    /// An ordinary tar of the files.
    pub fn tar(&self) -> Vec<u8> {
        let members: Vec<_> = self.files.iter().map(|(path, bytes)| Member::file(path, bytes)).collect();
        tar(&members)
    }

    /// The manifest for these files and `body`.
    pub fn manifest(&self, body: &[u8]) -> Manifest {
        let files: Vec<_> = self
            .files
            .iter()
            .map(|(path, bytes)| File {
                path: MemberPath::new(path.clone()).unwrap(),
                size: bytes.len() as u64,
                sha256: Sha256Digest::of(bytes),
            })
            .collect();
        Manifest {
            format: FORMAT.into(),
            version: VERSION,
            created: self.created.parse().unwrap(),
            tool: "oct 0.0.0".into(),
            partial: None,
            sources: vec![],
            counts: self.counts,
            body: Body { size: body.len() as u64, sha256: Sha256Digest::of(body) },
            content: content_digest(&files),
            files,
        }
    }
}

/// A member of a tar, field by field.
#[derive(Clone)]
pub struct Member {
    pub name: Vec<u8>,
    pub kind: u8,
    pub link: Vec<u8>,
    pub mode: u32,
    pub size: u64,
    pub content: Vec<u8>,
    /// Applied to the 512 bytes before the checksum is made.
    pub patch: Option<fn(&mut [u8])>,
    /// Applied after that.
    pub patch_late: Option<fn(&mut [u8])>,
}

impl Member {
    pub fn file(path: &str, content: &[u8]) -> Self {
        Self {
            name: path.as_bytes().to_vec(),
            kind: b'0',
            link: vec![],
            mode: 0o644,
            size: content.len() as u64,
            content: content.to_vec(),
            patch: None,
            patch_late: None,
        }
    }

    pub fn of_kind(path: &str, kind: u8, link: &str) -> Self {
        Self { kind, link: link.as_bytes().to_vec(), ..Self::file(path, b"") }
    }

    fn header(&self) -> [u8; 512] {
        let mut block = [0; 512];
        let octal = |block: &mut [u8], at: usize, width: usize, value: u64| {
            let text = format!("{value:0width$o}\0", width = width - 1);
            block[at..at + width].copy_from_slice(text.as_bytes());
        };
        let name = self.name.len().min(100);
        block[..name].copy_from_slice(&self.name[..name]);
        octal(&mut block, 100, 8, self.mode.into());
        octal(&mut block, 108, 8, 0);
        octal(&mut block, 116, 8, 0);
        octal(&mut block, 124, 12, self.size);
        octal(&mut block, 136, 12, 0);
        block[156] = self.kind;
        block[157..157 + self.link.len()].copy_from_slice(&self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        if let Some(patch) = self.patch {
            patch(&mut block);
        }
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        octal(&mut block, 148, 8, sum);
        if let Some(patch) = self.patch_late {
            patch(&mut block);
        }
        block
    }
}

/// A tar of these members, with its end.
pub fn tar(members: &[Member]) -> Vec<u8> {
    let mut bytes = open_tar(members);
    bytes.extend([0; 1024]);
    bytes
}

/// A tar without its end.
pub fn open_tar(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        bytes.extend(member.header());
        bytes.extend(&member.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes
}

/// One zstd frame.
pub fn compress(tar: &[u8]) -> Vec<u8> {
    zstd::encode_all(tar, 3).unwrap()
}

/// A skippable frame.
pub fn skippable(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [&[0x50 + kind, 0x2a, 0x4d, 0x18], &length[..], content].concat()
}

/// The header's JSON.
pub fn header(manifest: &str, signatures: &[String]) -> Vec<u8> {
    let [manifest, signatures] = [serde_json::to_string(manifest), serde_json::to_string(signatures)];
    format!("{{\"manifest\":{},\"signatures\":{}}}", manifest.unwrap(), signatures.unwrap()).into_bytes()
}

/// The whole file.
pub fn assemble(header: &[u8], body: &[u8]) -> Vec<u8> {
    [&EMPTY_FRAME[..], &skippable(0, header), body].concat()
}

impl Forge {
    pub fn new() -> Self {
        Self { key: throw_away_key(), layers: Layers::valid(1, CREATED) }
    }

    /// Whoever trusts the key.
    pub fn keyring(&self) -> Keyring {
        Keyring::new(vec![self.key.public().clone()])
    }

    pub fn comment(&self) -> String {
        format!("file:manifest.json created:{}", self.layers.created)
    }

    pub fn sign(&self, text: &str) -> String {
        self.key.sign(&mut text.as_bytes(), &self.comment()).unwrap()
    }

    /// An archive of a manifest's text, signed as it is.
    pub fn of_text(&self, text: &str, body: &[u8]) -> Vec<u8> {
        assemble(&header(text, &[self.sign(text)]), body)
    }

    /// An archive of a body, the manifest made for `layers`.
    pub fn of_body(&self, layers: &Layers, body: &[u8]) -> Vec<u8> {
        self.of_text(&layers.manifest(body).to_text(), body)
    }

    /// An archive of a tar.
    pub fn of_tar(&self, tar: &[u8]) -> Vec<u8> {
        self.of_body(&self.layers, &compress(tar))
    }

    /// An archive of other contents, everything else in order.
    pub fn of_layers(&self, layers: &Layers) -> Vec<u8> {
        self.of_body(layers, &compress(&layers.tar()))
    }

    /// A flawless archive.
    pub fn valid(&self) -> Vec<u8> {
        self.of_layers(&self.layers)
    }
}

/// Decodes a line of a signature, changes it, and puts it back.
pub fn change_line(signature: &str, line: usize, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut lines: Vec<String> = signature.lines().map(str::to_owned).collect();
    let mut bytes = STANDARD.decode(&lines[line]).unwrap();
    change(&mut bytes);
    lines[line] = STANDARD.encode(bytes);
    lines.join("\n") + "\n"
}

/// Imports as the command does.
pub fn try_import(
    file: &Path,
    to: &Path,
    keyring: &Keyring,
    progress: &dyn Progress,
) -> Result<ImportReport, oct::ops::Error> {
    let options = ImportOptions {
        to: to.to_owned(),
        allow_downgrade: true,
        adopt: false,
        max_age: None,
        dry_run: false,
        keep: 1,
        now: "2026-03-05T00:00:00Z".parse().unwrap(),
    };
    import(file, &options, keyring, progress)
}

/// Everything below a folder: path, kind and mode, content. The word of who holds a lock is left out.
pub fn everything(root: &Path) -> Vec<(PathBuf, String, Vec<u8>)> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let metadata = path.symlink_metadata().unwrap();
        let kind = format!("{:?} {:o}", metadata.file_type(), metadata.permissions().mode());
        let mut content = Vec::new();
        if metadata.is_dir() {
            pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if metadata.is_file() {
            content = std::fs::read(&path).unwrap();
        }
        found.push((path, kind, content));
    }
    found.sort();
    found
}
