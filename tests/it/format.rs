//! The published format: its test vectors, read by code that knows nothing but FORMAT.md, and made again by `oct`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cli_support::{Desk, Run, tree};

const EMPTY_FRAME: [u8; 9] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];

fn vectors() -> PathBuf {
    Path::new(crate::ROOT).join("packaging/vectors")
}

fn index() -> Value {
    json(&fs::read(vectors().join("vectors.json")).unwrap())
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an archive consists of.
struct Read {
    manifest: Value,
    signatures: Vec<String>,
    body: Vec<u8>,
}

/// The frames of an archive, as FORMAT.md lays them out.
fn frames(bytes: &[u8]) -> Read {
    let rest = bytes.strip_prefix(&EMPTY_FRAME).unwrap().strip_prefix(b"\x50\x2a\x4d\x18").unwrap();
    let (length, rest) = rest.split_first_chunk::<4>().unwrap();
    let (header, body) = rest.split_at(u32::from_le_bytes(*length) as usize);
    let header = json(header);
    let manifest = json(header["manifest"].as_str().unwrap().as_bytes());
    let signatures = header["signatures"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned());
    Read { manifest, signatures: signatures.collect(), body: body.to_vec() }
}

/// The members of the body.
fn members(body: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut tar = tar::Archive::new(zstd::Decoder::new(body).unwrap());
    let entries = tar.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (path, bytes)
    });
    entries.collect()
}

#[test]
fn the_good_vectors_are_as_the_format_says() {
    let good = index()["good"].as_array().unwrap().clone();
    assert_eq!(good.len(), 2);
    let schema = json(&fs::read(Path::new(crate::ROOT).join("packaging/schemas/oct-catalog.v1.json")).unwrap());
    for vector in good {
        let name = vector["file"].as_str().unwrap();
        let read = frames(&fs::read(vectors().join(name)).unwrap());
        let manifest = &read.manifest;
        assert!(jsonschema::is_valid(&schema, manifest), "{name}: {manifest:#}");
        assert_eq!((&manifest["created"], &manifest["content"]), (&vector["created"], &vector["content"]));
        assert_eq!(manifest["body"]["size"], read.body.len());
        assert_eq!(manifest["body"]["sha256"], hex(&read.body));
        let members = members(&read.body);
        assert_eq!(
            members.keys().collect::<Vec<_>>(),
            vector["members"].as_array().unwrap().iter().collect::<Vec<_>>()
        );
        let mut listing = String::new();
        for (file, (path, bytes)) in manifest["files"].as_array().unwrap().iter().zip(&members) {
            assert_eq!(
                (&file["path"], &file["size"], &file["sha256"]),
                (&Value::from(&**path), &bytes.len().into(), &hex(bytes).into())
            );
            listing.push_str(&format!("{}  {path}\n", hex(bytes)));
        }
        assert_eq!(manifest["content"], hex(listing.as_bytes()));
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(read.signatures.len(), vector["keys"].as_array().unwrap().len());
        for signature in read.signatures {
            let lines = lines(&signature);
            assert_eq!(lines.len(), 4);
            assert_eq!(lines[0], "untrusted comment: signature by oct, see the trusted comment");
            let comment =
                format!("trusted comment: file:manifest.json created:{}", vector["created"].as_str().unwrap());
            assert_eq!(lines[2], comment);
        }
        for key in vector["keys"].as_array().unwrap() {
            let (file, key) = (vectors().join(name), vectors().join(key.as_str().unwrap()));
            Desk::bare().ok(&["verify", file.to_str().unwrap(), "--key", key.to_str().unwrap()]);
        }
    }
}

#[test]
fn the_bad_vectors_are_refused_each_with_its_code() {
    let desk = Desk::bare();
    let key = vectors().join("test.pub");
    let bad = index()["bad"].as_array().unwrap().clone();
    for vector in &bad {
        let name = vector["file"].as_str().unwrap();
        let file = vectors().join(name);
        let run = desk.run(&["import", file.to_str().unwrap(), "--to", "db", "--key", key.to_str().unwrap(), "--json"]);
        assert_eq!(run.expect(4).json()["error"]["code"], vector["code"], "{name}");
        assert!(!desk.join("db/data").exists(), "{name}");
    }
    let listed: Vec<_> = bad.iter().map(|vector| vectors().join(vector["file"].as_str().unwrap())).collect();
    for file in tree(&vectors().join("bad")).into_keys() {
        assert!(listed.contains(&file), "{} is not in vectors.json", file.display());
    }
}

/// The vectors' secret keys with the mode that `oct` asks for.
fn keys(desk: &Desk) {
    for name in ["test.key", "second.key"] {
        let to = desk.join(name);
        fs::copy(vectors().join(name), &to).unwrap();
        fs::set_permissions(to, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn the_vectors_can_be_made_again() {
    let desk = Desk::bare();
    keys(&desk);
    let folder = vectors().join("db");
    let mut command =
        desk.command(&["bundle", "--from-db", folder.to_str().unwrap(), "--out", "out", "--secret-key", "test.key"]);
    Run::from(command.env("SOURCE_DATE_EPOCH", "1772600767").output().unwrap()).expect(0);
    let name = "catalog-2026030405.tar.zst";
    let [made, given] = [desk.join("out"), vectors()].map(|place| frames(&fs::read(place.join(name)).unwrap()));
    assert_eq!(members(&made.body), members(&given.body));
    let without_place = |mut manifest: Value| {
        // The name of the tool, the place of the folder, and what a compressor makes of it.
        manifest["sources"][0]["url"].take();
        manifest["tool"].take();
        manifest["body"].take();
        manifest
    };
    assert_eq!(without_place(made.manifest), without_place(given.manifest));
    assert_eq!(made.signatures.len(), 1);
}

#[test]
fn the_list_of_the_vectors_is_one_of_a_site() {
    let desk = Desk::bare();
    let site = standin::Site::start("127.0.0.1", vectors());
    for key in ["test.pub", "second.pub"] {
        let key = vectors().join(key);
        let run = desk.run(&["list", &site.url(), "--key", key.to_str().unwrap(), "--json"]).expect(0);
        assert_eq!(run.json()["archives"].as_array().unwrap().len(), 2, "{}", run.out);
    }
    let key = vectors().join("test.pub");
    desk.ok(&["pull", &site.url(), "--out", "in", "--key", key.to_str().unwrap()]);
    let newest = "catalog-2026030505.tar.zst";
    assert_eq!(fs::read(desk.join("in").join(newest)).unwrap(), fs::read(vectors().join(newest)).unwrap());
    desk.ok(&["import", "in", "--to", "db", "--key", key.to_str().unwrap()]);
}

#[test]
fn the_folder_of_the_vectors_is_what_the_archive_unpacks_to() {
    let given = frames(&fs::read(vectors().join("catalog-2026030405.tar.zst")).unwrap());
    let unpacked = members(&given.body).into_iter().map(|(path, bytes)| (vectors().join("db").join(path), bytes));
    assert_eq!(unpacked.collect::<BTreeMap<_, _>>(), tree(&vectors().join("db")));
}
