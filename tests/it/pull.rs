//! `oct pull`: from a site, over a network that breaks, from publishers and servers that may be anybody.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use oct::trust::{Catalogs, Listed, SignedCatalogs, SigningKey};
use serde_json::{Value, json};
use standin::{Asked, Site, Standin};

use crate::cli_support::{Desk, Run, server};
use crate::publish::{DAY, NEW_YEAR, bundle_at};

/// A publisher with a site, and somebody who pulls from it.
struct World {
    publisher: Desk,
    catalog: Standin,
    site: Site,
    desk: Desk,
}

impl World {
    /// With one archive of New Year.
    fn new(seed: u64) -> Self {
        let world = Self::empty(seed);
        world.bundle(0, &[]);
        world
    }

    fn empty(seed: u64) -> Self {
        let (publisher, catalog, desk) = (Desk::new(), server(3_000, seed), Desk::bare());
        fs::create_dir(publisher.join("out")).unwrap();
        desk.run(&["trust", "add", publisher.join("oct.pub").to_str().unwrap()]).expect(0);
        let site = Site::start("127.0.0.1", publisher.join("out"));
        Self { publisher, catalog, site, desk }
    }

    /// One more archive, of a catalog that differs.
    fn bundle(&self, day: i64, more: &[&str]) {
        let gone = self.catalog.truth().certified[0].id.clone();
        assert!(self.catalog.remove(&gone));
        bundle_at(&self.publisher, &self.catalog, "out", NEW_YEAR + day * DAY, more).expect(0);
    }

    fn pull(&self, more: &[&str]) -> Run {
        self.pull_from(&[&self.site.url()], more)
    }

    fn pull_from(&self, urls: &[&str], more: &[&str]) -> Run {
        self.desk.run(
            &[&["pull"], urls, &["--out", "in", "--json", "--patience", "2s", "--stall-timeout", "2s"], more].concat(),
        )
    }

    fn key(&self) -> SigningKey {
        SigningKey::open(&self.publisher.join("oct.key"), || Ok(None)).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.publisher.join("out").join(name)
    }

    /// A server with what the publisher's site has now, which stays as it is.
    fn stale(&self) -> (Desk, Site) {
        let behind = Desk::bare();
        fs::create_dir(behind.join("out")).unwrap();
        for name in names(&self.publisher.join("out")) {
            fs::copy(self.file(&name), behind.join("out").join(&name)).unwrap();
        }
        let site = Site::start("127.0.0.2", behind.join("out"));
        (behind, site)
    }

    /// The publisher's list as it is.
    fn list(&self) -> Catalogs {
        serde_json::from_slice(&fs::read(self.file("catalogs.json")).unwrap()).unwrap()
    }

    /// Puts a list on the site, signed by the publisher.
    fn sign(&self, list: &Catalogs) {
        self.put(&list.sign(&[self.key()]).unwrap());
    }

    fn put(&self, list: &SignedCatalogs) {
        fs::write(self.file("catalogs.json"), list.text()).unwrap();
        fs::write(self.file("catalogs.json.minisig"), list.signature_text()).unwrap();
    }

    /// Names in the folder of the one who pulls, hidden ones too.
    fn names(&self) -> Vec<String> {
        names(&self.desk.join("in"))
    }

    /// Refused with this code, and nothing has the name of an archive.
    #[track_caller]
    fn refused(&self, code: i32, said: &str) -> Value {
        let run = self.pull(&[]).expect(code);
        assert!(run.err.contains(said), "{}", run.err);
        let left: Vec<_> = self.names().into_iter().filter(|name| name != ".oct-pull.json").collect();
        assert_eq!(left, Vec::<String>::new());
        run.json()["error"].clone()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn of_archives(asked: &[Asked]) -> Vec<&Asked> {
    asked.iter().filter(|asked| asked.file.ends_with(".zst")).collect()
}

const FIRST: &str = "catalog-2026010100.tar.zst";

#[test]
fn from_the_site_to_the_folder_that_certsuite_reads() {
    let world = World::new(51);
    let pulled = world.pull(&[]).expect(0).json();
    assert_eq!((&pulled["outcome"], &pulled["archive"]), (&json!("pulled"), &json!(format!("in/{FIRST}"))));
    for name in [FIRST.to_owned(), format!("{FIRST}.sha256"), format!("{FIRST}.minisig")] {
        let copy = fs::read(world.desk.join("in").join(&name)).unwrap();
        assert!(copy == fs::read(world.file(&name)).unwrap(), "{name} differs");
    }
    assert_eq!(world.names().len(), 4, "{:?}", world.names());
    let size = fs::metadata(world.file(FIRST)).unwrap().len();
    assert_eq!((&pulled["size"], &pulled["requests"]), (&json!(size), &json!(4)));
    let beside = pulled["bytes"].as_u64().unwrap() - size;
    assert!(beside < 2_000, "list and signatures are small: {beside}");
    world.desk.run(&["import", "in", "--to", "db"]).expect(0);
    world.desk.run(&["verify", "db"]).expect(0);

    // Nothing new: one conditional request, answered with less than 1 kB.
    world.site.asked();
    let unchanged = world.pull(&[]).expect(0).json();
    assert_eq!((&unchanged["outcome"], &unchanged["requests"]), (&json!("unchanged"), &json!(1)));
    let asked = world.site.asked();
    assert_eq!((asked.len(), asked[0].status, asked[0].file.as_str()), (1, 304, "catalogs.json"));
    assert!(asked[0].bytes < 1_000, "{asked:?}");
    // A server that knows no tags, only dates. They are whole seconds: the one of this second proves nothing.
    world.site.set(|knobs| knobs.etags = false);
    let dated = |date: SystemTime| {
        let list = fs::File::options().write(true).open(world.file("catalogs.json")).unwrap();
        list.set_modified(date).unwrap();
    };
    dated(SystemTime::now() + Duration::from_secs(60));
    for requests in [2, 2] {
        assert_eq!(world.pull(&[]).expect(0).json()["requests"], requests);
    }
    dated(SystemTime::now() - Duration::from_secs(60));
    for requests in [2, 1] {
        assert_eq!(world.pull(&[]).expect(0).json()["requests"], requests);
    }

    // The archive is gone, or was damaged: "not modified" would be a lie.
    let here = world.desk.join("in").join(FIRST);
    let bytes = fs::read(&here).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    fs::remove_file(&here).unwrap();
    assert_eq!(world.pull(&[]).expect(0).json()["outcome"], "pulled");
    for damaged in [&bytes[1..], &flipped] {
        for memory in [true, false] {
            if !memory {
                fs::remove_file(world.desk.join("in/.oct-pull.json")).unwrap();
            }
            fs::write(&here, damaged).unwrap();
            assert_eq!(world.pull(&["--check"]).expect(1).json()["outcome"], "newer");
            assert_eq!(world.pull(&[]).expect(0).json()["outcome"], "pulled");
            assert!(fs::read(&here).unwrap() == bytes);
        }
    }

    for day in [1, 2] {
        world.bundle(day, &[]);
        let pulled = world.pull(&["--retain", "2"]).expect(0).json();
        assert_eq!(pulled["outcome"], "pulled");
        assert_eq!(pulled["removed"].as_array().unwrap().len(), usize::from(day == 2));
    }
    assert!(!world.names().iter().any(|name| name.contains("2026010100")), "{:?}", world.names());
}

#[test]
fn older_archives_go_also_where_nothing_is_new() {
    let world = World::new(67);
    world.pull(&[]).expect(0);
    for day in [1, 2] {
        world.bundle(day, &[]);
        world.pull(&[]).expect(0);
    }
    world.pull(&["--check", "--retain", "1"]).expect(0);
    for (newest, requests) in [("2", 1), ("1", 2)] {
        let unchanged = world.pull(&["--retain", newest]).expect(0).json();
        assert_eq!((&unchanged["outcome"], &unchanged["requests"]), (&json!("unchanged"), &json!(requests)));
        assert_eq!(unchanged["removed"].as_array().unwrap().len(), 1, "{unchanged}");
        fs::remove_file(world.desk.join("in/.oct-pull.json")).unwrap();
    }
    world.desk.run(&["verify", "in/catalog-2026010300.tar.zst"]).expect(0);
}

#[test]
fn what_cannot_be_remembered_is_said_and_fails_nothing() {
    let world = World::new(68);
    let url = world.site.url();
    for (more, code) in [(&["--check"][..], 1), (&[], 0), (&["--check"], 0)] {
        let mut command = world.desk.command(&[&["pull", &url, "--out", "in"], more].concat());
        let run = Run::from(command.env("XDG_STATE_HOME", "/proc/nope").output().unwrap()).expect(code);
        assert!(run.err.contains("the list is not remembered") && run.err.contains("/proc/nope"), "{}", run.err);
    }
    assert!(world.desk.join("in").join(FIRST).exists());
}

#[test]
fn a_download_that_is_cut_off_three_times_goes_on() {
    let world = World::new(52);
    let size = fs::metadata(world.file(FIRST)).unwrap().len();
    let cuts = [size / 4, size / 4, size / 4];
    world.site.set(|knobs| knobs.cuts = cuts.into());
    let pulled = world.pull(&[]).expect(0).json();
    let asked = world.site.asked();
    let parts = of_archives(&asked);
    let begins: Vec<_> = parts.iter().map(|asked| asked.range.clone()).collect();
    let from = |bytes: u64| Some(format!("bytes={bytes}-"));
    assert_eq!(begins, [None, from(size / 4), from(2 * (size / 4)), from(3 * (size / 4))]);
    let statuses: Vec<_> = parts.iter().map(|asked| asked.status).collect();
    assert_eq!(statuses, [200, 206, 206, 206]);
    assert!(parts[1..].iter().all(|asked| asked.if_range.as_ref().is_some_and(|tag| tag.starts_with('"'))));
    assert_eq!(pulled["requests"], 7);
    let transferred: u64 = asked.iter().map(|asked| asked.bytes).sum();
    assert!(transferred < size + 6_000, "{transferred} of {size}: nothing comes twice");
    assert!(pulled["bytes"].as_u64().unwrap() < size + 2_000);
    assert!(fs::read(world.desk.join("in").join(FIRST)).unwrap() == fs::read(world.file(FIRST)).unwrap());
}

#[test]
fn what_an_ended_run_downloaded_is_not_downloaded_again() {
    let world = World::new(53);
    let size = fs::metadata(world.file(FIRST)).unwrap().len();
    // Cut, and then nothing more comes.
    world.site.set(|knobs| knobs.cuts = std::iter::once(size / 2).chain([0; 60]).collect());
    let run = world.pull(&[]).expect(3);
    assert!(run.err.contains("broke off"), "{}", run.err);
    let partial: Vec<_> = world.names().into_iter().filter(|name| name.starts_with(".oct-pull-")).collect();
    assert_eq!(fs::metadata(world.desk.join("in").join(&partial[0])).unwrap().len(), size / 2);
    world.desk.run(&["list", "in", "--json"]).expect(0);
    world.site.set(|knobs| knobs.cuts.clear());
    world.site.asked();
    let pulled = world.pull(&[]).expect(0).json();
    assert_eq!(pulled["resumed"], size / 2);
    let asked = world.site.asked();
    assert_eq!(of_archives(&asked)[0].range, Some(format!("bytes={}-", size / 2)));
    assert!(!world.names().iter().any(|name| name.starts_with(".oct-pull-")));

    // What was kept is of another file, as long as it should be: found out at the end, and downloaded anew.
    for name in [FIRST, ".oct-pull.json"] {
        fs::remove_file(world.desk.join("in").join(name)).unwrap();
    }
    fs::write(world.desk.join("in").join(&partial[0]), vec![0; size as usize / 2]).unwrap();
    assert_eq!(world.pull(&[]).expect(0).json()["outcome"], "pulled");
}

#[test]
fn a_server_without_ranges_and_a_file_that_changes_in_between() {
    let world = World::new(54);
    let size = fs::metadata(world.file(FIRST)).unwrap().len();
    world.site.set(|knobs| {
        knobs.ranges = false;
        knobs.cuts = [size / 2, size / 3].into();
    });
    world.pull(&[]).expect(0);
    let asked = world.site.asked();
    assert_eq!(of_archives(&asked).iter().map(|asked| asked.status).collect::<Vec<_>>(), [200, 200, 200]);
    assert!(fs::read(world.desk.join("in").join(FIRST)).unwrap() == fs::read(world.file(FIRST)).unwrap());
}

#[test]
fn hostile_lists_are_refused_each_with_its_code() {
    let world = World::new(55);
    let good = world.list();
    let signed = good.sign(&[world.key()]).unwrap();
    // By another key.
    let stranger = Desk::new();
    let other = SigningKey::open(&stranger.join("oct.key"), || Ok(None)).unwrap();
    world.put(&good.sign(&[other]).unwrap());
    assert_eq!(world.refused(4, "not trusted here")["code"], "untrusted-signer");
    // With a bit flipped, and cut.
    world.put(&SignedCatalogs::new(signed.text().replace("2026-01-01", "2026-01-02"), &signed.signature_text()));
    assert_eq!(world.refused(4, "does not match")["code"], "bad-signature");
    world.put(&SignedCatalogs::new(signed.text()[..200].into(), &signed.signature_text()));
    world.refused(4, "does not match");
    world.put(&SignedCatalogs::new(signed.text().into(), ""));
    world.refused(4, "no signature");
    fs::remove_file(world.file("catalogs.json.minisig")).unwrap();
    assert_eq!(world.refused(3, "there is no `catalogs.json.minisig`")["code"], "no-site");
    // With a path that leads outside, by the publisher's own key.
    let comment = good.trusted_comment();
    for name in
        ["../catalog-2026010100.tar.zst", "/etc/catalog-2026010100.tar.zst", "catalog-2026010100.tar.zst/../../x"]
    {
        let text = signed.text().replace(FIRST, name);
        let signature = world.key().sign(&mut text.as_bytes(), &comment).unwrap();
        world.put(&SignedCatalogs::new(text, &signature));
        assert_eq!(world.refused(4, "is not the name of an archive")["code"], "bad-catalogs");
    }
    // A server that never ends its answer.
    fs::write(world.file("catalogs.json"), vec![b' '; 5 << 20]).unwrap();
    world.refused(3, "more than 4 MB");
    // The page of a portal.
    world.site.set(|knobs| knobs.page = Some(200));
    let error = world.refused(3, "HTML");
    assert_eq!(error["class"], "source");
    let listed = world.desk.run(&["list", &world.site.url(), "--patience", "1s", "--json"]).expect(3).json();
    for error in [&error, &listed["error"]] {
        let hint = error["hint"].as_str().unwrap();
        assert!(hint.starts_with("name the URL of the folder") && !hint.contains("continues"), "{hint}");
    }
}

#[test]
fn a_list_older_than_one_that_was_seen_is_refused_wherever_that_was() {
    let world = World::new(56);
    let old = world.list();
    world.bundle(1, &[]);
    world.pull(&[]).expect(0);
    world.sign(&old);
    let refuse = |world: &World| {
        let run = world.pull(&[]).expect(5);
        assert!(
            run.err.contains("a newer list of 2026-01-02T00:00:00Z by the same key was seen before"),
            "{}",
            run.err
        );
        assert_eq!(run.json()["error"]["code"], "old-list");
    };
    refuse(&world);
    // The folder is gone: the user remembers.
    fs::remove_dir_all(world.desk.join("in")).unwrap();
    refuse(&world);
    // The user's memory is gone: the folder remembers.
    world.bundle(1, &[]);
    world.pull(&[]).expect(0);
    world.sign(&old);
    fs::remove_dir_all(world.desk.join(".local/state/oct")).unwrap();
    refuse(&world);
    // Both are gone: the archives that are here are newer, and stay.
    fs::remove_file(world.desk.join("in/.oct-pull.json")).unwrap();
    let _ = fs::remove_dir_all(world.desk.join(".local/state/oct"));
    assert_eq!(world.pull(&[]).expect(0).json()["archive"], "in/catalog-2026010200.tar.zst");
}

#[test]
fn a_stale_mirror_is_refused_although_it_says_not_modified() {
    let world = World::new(64);
    let (_behind, stale) = world.stale();
    world.pull_from(&[&stale.url()], &[]).expect(0);
    world.bundle(1, &[]);
    // Somebody carried the second one here: the first list is no news.
    let second = "catalog-2026010200.tar.zst";
    fs::copy(world.file(second), world.desk.join("in").join(second)).unwrap();
    let unchanged = world.pull_from(&[&stale.url()], &[]).expect(0).json();
    assert_eq!((&unchanged["archive"], &unchanged["requests"]), (&json!(format!("in/{second}")), &json!(1)));
    // Its list was seen.
    world.pull(&[]).expect(0);
    for more in [&[][..], &["--check"]] {
        let run = world.pull_from(&[&stale.url()], more).expect(5);
        assert_eq!(run.json()["error"]["code"], "old-list");
        let run = world.pull_from(&[&stale.url(), &world.site.url()], more).expect(0);
        assert_eq!(run.json()["site"], world.site.url());
        assert!(run.err.contains("was seen before"), "{}", run.err);
    }
}

#[test]
fn an_archive_that_holds_less_does_not_replace_one_of_the_same_hour() {
    let world = World::new(65);
    world.pull(&[]).expect(0);
    let here = world.desk.join("in").join(FIRST);
    let full = fs::read(&here).unwrap();
    world.bundle(0, &["--since", "2020-01-01", "--force"]);
    for requests in [2, 1] {
        let run = world.pull(&[]).expect(0);
        assert_eq!((&run.json()["outcome"], &run.json()["requests"]), (&json!("unchanged"), &json!(requests)));
        assert!(
            run.err.contains("is of the same hour and holds more than the new archive: it is not partial"),
            "{}",
            run.err
        );
        assert!(fs::read(&here).unwrap() == full);
    }
    // Nothing is lost if it is damaged, and one that holds more comes.
    fs::write(&here, &full[1..]).unwrap();
    assert_eq!(world.pull(&[]).expect(0).json()["outcome"], "pulled");
    world.bundle(0, &["--force"]);
    assert_eq!(world.pull(&[]).expect(0).json()["outcome"], "pulled");
    assert!(fs::read(&here).unwrap() == fs::read(world.file(FIRST)).unwrap());
}

#[test]
fn a_promise_that_was_not_kept_is_said_also_where_nothing_changed() {
    let world = World::empty(57);
    world.bundle(0, &["--next-within", "1d"]);
    for requests in [4, 1] {
        let run = world.pull(&[]).expect(0);
        assert_eq!(run.json()["requests"], requests);
        assert!(run.err.contains("the next one promised by 2026-01-02T00:00:00Z"), "{}", run.err);
    }
}

#[test]
fn an_archive_swapped_behind_the_list_is_refused_and_nothing_of_it_stays() {
    let world = World::new(58);
    let bytes = fs::read(world.file(FIRST)).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for (other, said) in [
        ([&bytes[..], b"x"].concat(), "bytes, not"),
        (bytes[..bytes.len() - 1].to_vec(), "bytes, not"),
        (flipped, "its SHA-256 differs"),
    ] {
        fs::write(world.file(FIRST), other).unwrap();
        world.site.asked();
        assert_eq!(world.refused(4, said)["code"], "not-as-listed");
        // The same list, read again, promises the same file: it is not downloaded once more.
        assert_eq!(of_archives(&world.site.asked()).len(), 1);
    }
    // The list goes with it, but another archive by the same key is behind that name.
    fs::write(world.file(FIRST), &bytes).unwrap();
    world.bundle(1, &[]);
    let second = fs::read(world.file("catalog-2026010200.tar.zst")).unwrap();
    let mut list = world.list();
    list.archives.remove(0);
    let digest = oct::base::digest::Sha256Digest::of(&second);
    list.archives[0] = Listed { size: second.len() as u64, sha256: digest, ..list.archives[0].clone() };
    world.sign(&list);
    fs::write(world.file(FIRST), &second).unwrap();
    assert_eq!(world.refused(4, "it was made 2026-01-02T00:00:00Z")["code"], "not-as-listed");
    // Its signature file is of something else.
    fs::write(world.file(FIRST), &bytes).unwrap();
    let list = Catalogs { archives: vec![world.list().archives.remove(0)], ..world.list() };
    let digest = oct::base::digest::Sha256Digest::of(&bytes);
    let listed = Listed { size: bytes.len() as u64, sha256: digest, ..list.archives[0].clone() };
    world.sign(&Catalogs { archives: vec![listed], ..list });
    fs::copy(world.file("catalog-2026010200.tar.zst.minisig"), world.file(&format!("{FIRST}.minisig"))).unwrap();
    assert_eq!(world.refused(4, "does not match")["code"], "sidecar-differs");
    // Without one, the archive is as good.
    fs::remove_file(world.file(&format!("{FIRST}.minisig"))).unwrap();
    world.pull(&[]).expect(0);
    assert_eq!(world.names(), [".oct-pull.json".to_owned(), FIRST.to_owned(), format!("{FIRST}.sha256")]);
}

#[test]
fn the_newest_that_may_be_taken_is_taken() {
    let world = World::new(59);
    let stranger = Desk::new();
    bundle_at(&stranger, &world.catalog, "out", NEW_YEAR + 5 * DAY, &[]).expect(0);
    let name = "catalog-2026010600.tar.zst";
    fs::copy(stranger.join("out").join(name), world.file(name)).unwrap();
    let theirs: Catalogs = serde_json::from_slice(&fs::read(stranger.join("out/catalogs.json")).unwrap()).unwrap();
    let ours = world.list();
    world.sign(&Catalogs::new(ours.written, None, [theirs.archives, ours.archives].concat()));
    let run = world.pull(&[]).expect(0);
    assert_eq!(run.json()["archive"], format!("in/{FIRST}"));
    assert!(run.err.contains("passed over `catalog-2026010600.tar.zst`: signed by"), "{}", run.err);
    // What may be taken can change without the list: it is read again.
    world.desk.run(&["trust", "add", stranger.join("oct.pub").to_str().unwrap()]).expect(0);
    assert_eq!(world.pull(&[]).expect(0).json()["archive"], format!("in/{name}"));
    // Nothing at all.
    let bare = Desk::new();
    let refused = bare.run(&["pull", &world.site.url(), "--patience", "1s"]).expect(4);
    assert!(refused.err.contains("not trusted here"), "{}", refused.err);
    world.sign(&Catalogs::new(world.list().written, None, vec![]));
    let error = world.pull(&[]).expect(3).json()["error"].clone();
    assert_eq!((&error["code"], error["hint"].as_str().unwrap().contains("URL")), (&json!("none-listed"), false));
}

#[test]
fn mirrors_are_asked_in_order_and_the_first_good_one_is_taken() {
    let world = World::new(60);
    let mirror = Site::start("127.0.0.2", world.publisher.join("out"));
    // Nobody listens at the first, whose address no other test has.
    let gone = Site::start("127.0.0.3", world.publisher.path()).url();
    let run = world.pull_from(&[&gone, &mirror.url()], &[]).expect(0);
    assert_eq!(run.json()["site"], mirror.url());
    assert!(run.err.contains(&gone) && run.err.contains("no connection"), "{}", run.err);
    assert!(world.site.asked().is_empty());
    // The first one has an old list.
    let (_behind, behind_site) = world.stale();
    world.bundle(1, &[]);
    assert_eq!(world.pull_from(&[&mirror.url()], &[]).expect(0).json()["archive"], "in/catalog-2026010200.tar.zst");
    let run = world.pull_from(&[&behind_site.url(), &mirror.url()], &[]).expect(0);
    assert!(run.err.contains("was seen before"), "{}", run.err);
    world.pull_from(&[&behind_site.url(), &gone], &[]).expect(5);
    world.pull_from(&[&gone, &behind_site.url()], &[]).expect(5);
    // What one mirror began, the other one completes.
    world.bundle(2, &[]);
    let size = fs::metadata(world.file("catalog-2026010300.tar.zst")).unwrap().len();
    world.site.set(|knobs| knobs.cuts = std::iter::once(size / 2).chain([0; 60]).collect());
    let pulled = world.pull_from(&[&world.site.url(), &mirror.url()], &[]).expect(0).json();
    assert_eq!((&pulled["resumed"], &pulled["site"]), (&json!(size / 2), &json!(mirror.url())));
}

#[test]
fn checking_answers_with_its_code_and_writes_nothing_beside_the_archives() {
    let world = World::new(61);
    let newer = world.pull(&["--check"]).expect(1).json();
    assert_eq!((&newer["outcome"], &newer["archive"]), (&json!("newer"), &json!(FIRST)));
    assert!(!world.desk.join("in").exists());
    assert!(of_archives(&world.site.asked()).is_empty());
    world.pull(&[]).expect(0);
    let before = world.names();
    world.pull(&["--check"]).expect(0);
    world.bundle(1, &[]);
    world.pull(&["--check"]).expect(1);
    assert_eq!(world.names(), before);
    world.pull(&[]).expect(0);
    world.pull(&["--check"]).expect(0);
}

#[test]
fn a_key_for_the_server_is_sent_and_asked_for() {
    let world = World::new(62);
    world.site.set(|knobs| knobs.required = Some("x-api-key: s3cret".into()));
    let refused = world.pull(&[]).expect(3);
    assert!(refused.err.contains("401") && refused.err.contains("--header"), "{}", refused.err);
    fs::write(world.desk.join("key"), "s3cret\n").unwrap();
    world.pull(&["--header", "X-API-Key: @key"]).expect(0);
}

#[test]
fn a_key_in_the_address_is_neither_shown_nor_stored() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new(66);
    let keyed = |key: &str| format!("{}/?token={key}", world.site.url());
    let shown = format!("{}?…", world.site.url());
    let run = world.pull_from(&[&keyed("secret123")], &["-vv"]).expect(0);
    assert_eq!(run.json()["site"], shown);
    // With another key, it is the same site.
    let again = world.pull_from(&[&keyed("secret456")], &["-vv"]).expect(0);
    assert_eq!(again.json()["requests"], 1);
    let listed = world.desk.run(&["list", &keyed("secret123"), "--json"]).expect(0);
    assert_eq!(listed.json()["place"], shown);
    let memory = world.desk.join("in/.oct-pull.json");
    assert_eq!(fs::metadata(&memory).unwrap().permissions().mode() & 0o777, 0o600);
    let mut said = vec![run.out, run.err, again.out, again.err, listed.out, listed.err];
    said.push(fs::read_to_string(memory).unwrap());
    said.push(fs::read_to_string(world.desk.join(".local/state/oct/pull.json")).unwrap());
    fs::remove_file(world.file("catalogs.json.minisig")).unwrap();
    fs::write(world.file("catalogs.json"), "{}").unwrap();
    let missing = world.pull_from(&[&keyed("secret123"), &keyed("secret123")], &[]).expect(3);
    world.site.set(|knobs| knobs.page = Some(404));
    let page = world.pull_from(&[&keyed("secret123")], &[]).expect(3);
    said.extend([missing.out, missing.err, page.out, page.err]);
    assert!(said.iter().all(|text| !text.contains("secret")), "{said:#?}");
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let world = World::new(63);
    let pull = || {
        std::thread::scope(|scope| {
            let one = scope.spawn(|| world.pull(&[]));
            (world.pull(&[]), one.join().unwrap())
        })
    };
    let (one, other) = pull();
    for run in [&one, &other] {
        assert!(run.code == Some(0) || run.code == Some(6) && run.err.contains("another oct"), "{}", run.err);
    }
    assert!(one.code == Some(0) || other.code == Some(0));
    world.pull(&[]).expect(0);
    world.desk.run(&["verify", "in"]).expect(0);
}
