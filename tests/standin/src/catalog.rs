//! What a stand-in serves: made up, recorded, or given by a test.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use yaml_rust2::YamlLoader;

use crate::alter::{self, Undated};
use crate::clock::{self, SECOND};
use crate::doc::Doc;
use crate::fields::Fields;
use crate::made_up::{MadeUp, bundles, charts, images};
use crate::store::Collection;

/// Documents and a chart index, ready to be served. Cloning is cheap for the documents' texts.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub(crate) images: Collection,
    pub(crate) bundles: Collection,
    pub(crate) charts: Arc<str>,
    /// Where documents that come while serving are drawn from.
    pub(crate) made_up: MadeUp,
}

impl Catalog {
    /// A catalog of the given documents and chart index (YAML).
    ///
    /// # Panics
    /// If one of the values is not an object.
    pub fn new(images: Vec<Value>, bundles: Vec<Value>, charts: String) -> Self {
        Catalog {
            images: collection(images, Fields::of_images()),
            bundles: collection(bundles, Fields::of_bundles()),
            charts: charts.into(),
            made_up: MadeUp::default(),
        }
    }

    /// A catalog without anything in it.
    pub fn empty() -> Self {
        Catalog::new(Vec::new(), Vec::new(), "apiVersion: v1\nentries: {}\n".to_owned())
    }

    /// A made-up catalog.
    pub fn made_up(made_up: &MadeUp) -> Self {
        let mut image_fields = Fields::of_images();
        let image_bulk = bulk_texts(images::bulk(made_up.seed), &mut image_fields);
        let mut bundle_fields = Fields::of_bundles();
        let bundle_bulk = bulk_texts(bundles::bulk(made_up.seed), &mut bundle_fields);
        Catalog {
            images: Collection::new(images::images(made_up), image_bulk, image_fields),
            bundles: Collection::new(bundles::bundles(made_up), bundle_bulk, bundle_fields),
            charts: charts::index(made_up).into(),
            made_up: made_up.clone(),
        }
    }

    /// Replaces the images by recorded ones: a JSON object of documents keyed by digest, plain or
    /// compressed with zstd. Fields that the records lack are filled in: `image_id` from
    /// `docker_image_digest`, `creation_date` from the time within `_id`, `last_update_date` from
    /// `creation_date`, and some `isv_pid`.
    pub fn with_recorded_images(mut self, file: &Path) -> io::Result<Self> {
        let records: Value = parse(file, &read(file)?)?;
        let Value::Object(records) = records else {
            return Err(invalid(file, "is not an object of documents"));
        };
        let mut documents = Vec::with_capacity(records.len());
        for (digest, mut document) in records {
            complete(&mut document).ok_or_else(|| invalid(file, &format!("holds no document under {digest}")))?;
            documents.push(document);
        }
        self.images = collection(documents, Fields::of_images());
        Ok(self)
    }

    /// Replaces the bundles by recorded ones: one JSON document a line, plain or compressed.
    pub fn with_recorded_bundles(mut self, file: &Path) -> io::Result<Self> {
        let mut documents = Vec::new();
        for line in read(file)?.lines().filter(|line| !line.trim().is_empty()) {
            let document: Value = parse(file, line)?;
            if !document.is_object() {
                return Err(invalid(file, "holds a line that is not a document"));
            }
            documents.push(document);
        }
        self.bundles = collection(documents, Fields::of_bundles());
        Ok(self)
    }

    /// Replaces the chart index by a recorded one, plain or compressed.
    pub fn with_recorded_charts(mut self, file: &Path) -> io::Result<Self> {
        let text = read(file)?;
        if YamlLoader::load_from_str(&text).is_err() {
            return Err(invalid(file, "is not YAML"));
        }
        self.charts = text.into();
        Ok(self)
    }

    /// Takes `creation_date` from so many certified images and bundles (of the certified and Red
    /// Hat's organizations), evenly spread; fewer if there are fewer.
    pub fn with_undated(mut self, images: usize, bundles: usize, undated: Undated) -> Self {
        // Nothing is served yet, so nothing changes in anybody's eyes.
        let mut event = 0;
        alter::undate(&mut self.images, images, undated, &mut event);
        alter::undate(&mut self.bundles, bundles, undated, &mut event);
        self.images.forget_changes();
        self.bundles.forget_changes();
        self
    }

    /// Adds to so many certified images and bundles (of the certified and Red Hat's
    /// organizations), evenly spread, a document with the same `_id` and an earlier
    /// `creation_date`.
    pub fn with_twins(mut self, images: usize, bundles: usize) -> Self {
        let mut event = 0;
        alter::twin(&mut self.images, images, &mut event);
        alter::twin(&mut self.bundles, bundles, &mut event);
        self.images.forget_changes();
        self.bundles.forget_changes();
        self
    }

    /// How many images there are.
    pub fn image_count(&self) -> usize {
        self.images.living().len()
    }

    /// How many bundles there are.
    pub fn bundle_count(&self) -> usize {
        self.bundles.living().len()
    }
}

fn collection(documents: Vec<Value>, mut fields: Fields) -> Collection {
    let docs = documents
        .iter()
        .map(|document| {
            assert!(document.is_object(), "a document must be an object");
            fields.learn(document);
            Doc::from_text(document.to_string())
        })
        .collect();
    Collection::new(docs, Arc::new([]), fields)
}

fn bulk_texts(variants: Vec<Value>, fields: &mut Fields) -> Arc<[String]> {
    variants
        .iter()
        .map(|variant| {
            fields.learn(variant);
            variant.to_string()
        })
        .collect()
}

fn complete(document: &mut Value) -> Option<()> {
    let members = document.as_object_mut()?;
    let id = members.get("_id")?.as_str()?;
    let seconds = i64::from(u32::from_str_radix(id.get(..8)?, 16).ok()?);
    if let Some(digest) = members.get("docker_image_digest").cloned() {
        members.entry("image_id").or_insert(digest);
    }
    let created = members.entry("creation_date").or_insert_with(|| json!(clock::format(seconds * SECOND))).clone();
    members.entry("last_update_date").or_insert(created);
    members.entry("isv_pid").or_insert_with(|| json!("recorded-partner"));
    Some(())
}

fn read(file: &Path) -> io::Result<String> {
    const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    let bytes = std::fs::read(file).map_err(named)?;
    let mut text = String::new();
    if bytes.starts_with(&ZSTD_MAGIC) {
        zstd::Decoder::new(bytes.as_slice())
            .and_then(|mut decoder| decoder.read_to_string(&mut text))
            .map_err(named)?;
        return Ok(text);
    }
    String::from_utf8(bytes).map_err(|_| invalid(file, "is not UTF-8"))
}

fn parse(file: &Path, text: &str) -> io::Result<Value> {
    serde_json::from_str(text).map_err(|error| invalid(file, &format!("is not JSON: {error}")))
}

fn invalid(file: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} {what}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is gone when the test ends.
    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str, bytes: &[u8]) -> Self {
            let name = format!("standin-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, bytes).expect("the temporary folder is writable");
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn recorded_images_are_completed() {
        let records = json!({
            "sha256:1": {"_id": "5f059f17bed8bd4f99d2018f", "certified": true,
                         "docker_image_digest": "sha256:1", "repositories": []},
        });
        let packed = zstd::encode_all(records.to_string().as_bytes(), 1).expect("zstd works");
        let file = Scratch::new("images.zst", &packed);
        let catalog = Catalog::empty().with_recorded_images(&file.0).expect("the file is right");
        let doc = catalog.images.doc(0);
        let value: Value = serde_json::from_str(&doc.text).expect("documents are JSON");
        assert_eq!(value["image_id"], "sha256:1");
        assert_eq!(value["creation_date"], "2020-07-08T10:25:27+00:00");
        assert_eq!(value["last_update_date"], value["creation_date"]);
        assert!(doc.partner);
    }

    #[test]
    fn recorded_bundles_are_lines() {
        let file = Scratch::new("bundles", b"{\"_id\":\"1\"}\n\n{\"_id\":\"2\"}\n");
        let catalog = Catalog::empty().with_recorded_bundles(&file.0).expect("the file is right");
        assert_eq!(catalog.bundle_count(), 2);
        let file = Scratch::new("broken", b"{\"_id\":\n");
        assert!(Catalog::empty().with_recorded_bundles(&file.0).is_err());
    }
}
