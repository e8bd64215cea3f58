//! Layers that are known from the times of their files are those that reading the files gives.
#![cfg(feature = "gzip")]

use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use crate::common::bytes;
use oci_layout::{
    Blob, Compression, FileMapping, HardLinks, Layer, LayerOptions, TarLayer, layer_tar,
};
use tempfile::TempDir;

/// Longer than files must be unchanged.
const QUIET: Duration = Duration::from_millis(2100);

fn folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::create_dir_all(dir.path().join("app/lib")).unwrap();
    for number in 0..20 {
        fs::write(dir.path().join(format!("app/lib/{number}")), number.to_string()).unwrap();
    }
    fs::write(dir.path().join("app/main"), "main 1").unwrap();
    fs::write(dir.path().join("app/empty"), "").unwrap();
    symlink("main", dir.path().join("app/link")).unwrap();
    dir
}

fn files(dir: &Path) -> [FileMapping; 2] {
    [FileMapping::new(dir.join("app"), "/app"), FileMapping::text("text", "/text")]
}

fn trusting(dir: &Path) -> LayerOptions {
    LayerOptions::default().trust_times(dir.join("state")).unwrap()
}

fn records(dir: &Path) -> usize {
    fs::read_dir(dir.join("state/layers-2")).map_or(0, |records| records.count())
}

/// A layer with trust, which equals the one without.
#[track_caller]
fn made(dir: &Path, change: impl Fn(LayerOptions) -> LayerOptions) -> TarLayer {
    let layer = layer_tar(files(dir), change(trusting(dir))).unwrap();
    let expected = layer_tar(files(dir), change(LayerOptions::default())).unwrap();
    assert_eq!(layer.descriptor(), expected.descriptor());
    assert_eq!((layer.diff_id(), layer.created_by()), (expected.diff_id(), expected.created_by()));
    let json = |layer: &TarLayer| layer.recipe().map(|recipe| recipe.to_bytes().unwrap());
    assert_eq!(json(&layer), json(&expected));
    layer
}

#[test]
fn every_change_is_seen() {
    let dir = folder();
    let dir = dir.path();
    let main = dir.join("app/main");
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let set_time = |path: &Path| {
        let times = FileTimes::new().set_modified(old);
        File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    };
    set_time(&main);
    thread::sleep(QUIET);
    let same = |options| options;
    let first = made(dir, same);
    assert_eq!(records(dir), 1);
    assert_eq!(made(dir, same).diff_id(), first.diff_id());
    assert_eq!(records(dir), 1);
    let changes: [(&str, &dyn Fn()); 9] = [
        // Its size and modification time stay.
        ("other contents", &|| {
            fs::write(&main, "main 2").unwrap();
            set_time(&main);
        }),
        ("another file", &|| {
            fs::write(dir.join("app/new"), "main 3").unwrap();
            set_time(&dir.join("app/new"));
            fs::rename(dir.join("app/new"), &main).unwrap();
        }),
        ("longer", &|| fs::write(&main, "main 10").unwrap()),
        ("another mode", &|| {
            fs::set_permissions(&main, fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("a file more", &|| fs::write(dir.join("app/more"), "").unwrap()),
        ("an empty file is no longer", &|| fs::write(dir.join("app/empty"), "1").unwrap()),
        ("a link elsewhere", &|| {
            fs::remove_file(dir.join("app/link")).unwrap();
            symlink("lib", dir.join("app/link")).unwrap();
        }),
        ("a folder less", &|| fs::remove_dir_all(dir.join("app/lib")).unwrap()),
        ("a file less", &|| fs::remove_file(&main).unwrap()),
    ];
    let mut last = first.diff_id();
    for (name, change) in changes {
        change();
        let now = made(dir, same).diff_id();
        assert!(now != last, "{name}");
        last = now;
        // A second change could leave the times as they are.
        assert_eq!(records(dir), 1, "{name}");
    }
    thread::sleep(QUIET);
    made(dir, same);
    assert_eq!(records(dir), 2);
}

#[test]
fn every_option_counts() {
    let dir = folder();
    let dir = dir.path();
    thread::sleep(QUIET);
    let options: [&dyn Fn(LayerOptions) -> LayerOptions; 8] = [
        &|options| options,
        &|options| options.compression(Compression::Gzip { level: 1 }),
        &|options| options.compression(Compression::None),
        &|options| options.mtime(7),
        &|options| options.owner(7, 8),
        &|options| options.exclude("empty"),
        &|options| options.recipe(true),
        &|options| options.recipe(true).compression(Compression::None),
    ];
    // The second time from the records.
    for _ in 0..2 {
        for change in options {
            made(dir, change);
        }
        assert_eq!(records(dir), options.len());
    }
    // Files of equal size are read anyway.
    made(dir, |options| options.hard_links(HardLinks::Merge));
}

#[test]
fn a_stored_layer_is_copied_from_an_earlier_one_or_made() {
    let dir = folder();
    let dir = dir.path();
    thread::sleep(QUIET);
    for compression in [Compression::GZIP, Compression::None] {
        let options = |to: &str| trusting(dir).compression(compression).store(dir.join(to));
        let first = layer_tar(files(dir), options("first")).unwrap();
        // Without the earlier layer, from the files.
        let again = layer_tar(files(dir), options("again")).unwrap();
        assert_eq!(bytes(&again), bytes(&first));
        let earlier: Arc<dyn Layer> = first.clone().into();
        let copied = layer_tar(files(dir), options("copied").reuse(&[earlier]).unwrap()).unwrap();
        assert_eq!(bytes(&copied), bytes(&first));
        assert_eq!(copied.descriptor(), first.descriptor());
        // The blob of another layer is of no use.
        let other = layer_tar([FileMapping::text("x", "/x")], options("other")).unwrap();
        let other: Arc<dyn Layer> = other.into();
        let made = layer_tar(files(dir), options("made").reuse(&[other]).unwrap()).unwrap();
        assert_eq!(bytes(&made), bytes(&first));
    }
}

#[test]
fn a_damaged_record_changes_nothing() {
    let dir = folder();
    let dir = dir.path();
    thread::sleep(QUIET);
    made(dir, |options| options.recipe(true));
    let record = fs::read_dir(dir.join("state/layers-2")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&record).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&record, &bytes).unwrap();
        made(dir, |options| options.recipe(true));
        fs::write(&record, &whole[..at]).unwrap();
        made(dir, |options| options.recipe(true));
    }
    assert_eq!(fs::read(&record).unwrap(), whole);
}
