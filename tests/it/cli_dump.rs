//! The old container's contract, by its entry command with another target.

use std::fs;
use std::path::Path;

use crate::cli_support::{Desk, Run, server};

fn dump(desk: &Desk, environment: &[(&str, &str)], more: &[&str]) -> Run {
    let fixed = ["dump", "--target", "dump", "--bundle", "baked", "--json"];
    let mut command = desk.command(&[&fixed, more].concat());
    command.envs(environment.iter().copied()).output().unwrap().into()
}

/// The tree in the README of the old tool.
fn assert_tree(folder: &Path) {
    let mut names: Vec<_> =
        fs::read_dir(folder.join("data")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["archive.json", "containers", "helm", "operators"]);
    for file in ["containers/containers.db", "helm/helm.db", "operators/operator_catalog_page_0_500.db"] {
        assert!(folder.join("data").join(file).is_file(), "{file}");
    }
    let work = fs::read_dir(folder)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with(".oct-dump-"));
    assert_eq!(work.count(), 0);
}

#[test]
fn with_dump_only_the_baked_bundle_without_it_the_catalog_of_now() {
    let desk = Desk::new();
    let first = server(400, 3);
    desk.bundle(&first, "baked", &["--level", "1"]).expect(0);
    fs::copy(desk.join("oct.pub"), desk.join("baked/oct.pub")).unwrap();
    // As the mount of the old container: a folder with something in it.
    fs::create_dir_all(desk.join("dump/data/containers")).unwrap();
    fs::write(desk.join("dump/data/containers/containers.db"), "{}").unwrap();
    fs::write(desk.join("dump/mine.txt"), "stays").unwrap();

    let baked = dump(&desk, &[("OCT_DUMP_ONLY", "true")], &[]).expect(0).json();
    assert_eq!(baked["outcome"], "dumped");
    assert_tree(&desk.join("dump"));
    assert_eq!(dump(&desk, &[("OCT_DUMP_ONLY", "true")], &[]).expect(0).json()["outcome"], "unchanged");

    let second = server(500, 4);
    let (catalog, charts) = (second.catalog_url(), second.charts_url());
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let urls = ["--catalog-url", catalog.as_str(), "--charts-url", charts.as_str()];
    let fetched = dump(&desk, &[("OCT_DUMP_ONLY", "false")], &urls).expect(0).json();
    assert_eq!((&fetched["outcome"], &fetched["counts"]["containers"]), (&"dumped".into(), &500.into()));
    assert_tree(&desk.join("dump"));

    let kept = dump(&desk, &[("OCT_DUMP_ONLY", "true")], &[]).expect(0).json();
    assert_eq!(kept["outcome"], "kept");
    let forced = [("OCT_DUMP_ONLY", "true"), ("OCT_FORCE_REGENERATE_DB", "true")];
    assert_eq!(dump(&desk, &forced, &[]).expect(0).json()["counts"], baked["counts"]);
    assert_eq!(fs::read_to_string(desk.join("dump/mine.txt")).unwrap(), "stays");
}

#[test]
fn an_altered_image_or_a_dead_source_leaves_what_is_there() {
    let desk = Desk::new();
    let server = server(200, 3);
    desk.bundle(&server, "baked", &["--level", "1"]).expect(0);
    // No key in the image vouches for the bundle.
    dump(&desk, &[("OCT_DUMP_ONLY", "true")], &[]).expect(4);
    assert!(!desk.join("dump/data").exists());
    let urls = ["--catalog-url", "http://127.0.0.1:9/", "--charts-url", "http://127.0.0.1:9/i", "--patience", "1s"];
    dump(&desk, &[], &urls).expect(3);
    assert!(!desk.join("dump/data").exists());
}

#[test]
fn the_image_is_labelled_with_this_version() {
    let text = fs::read_to_string(Path::new(crate::ROOT).join("Dockerfile")).unwrap();
    let label = format!("org.opencontainers.image.version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&label), "the Dockerfile lacks {label}");
}
