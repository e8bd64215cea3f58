//! What survives a power loss: a file's contents are synced before it gets its name, blobs and
//! their folders before the index that names them, and everything before the program reports
//! success.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use super::{
    Room,
    trace::{Call, trace, trace_with},
};

/// The checks of a run.
struct Trace(Vec<Call>);

impl Trace {
    /// Without the files of the cache, which have checksums or are made again: no output depends on
    /// them.
    fn of(room: &Room, args: &str) -> Self {
        let is_output = |call: &Call| match call {
            Call::Linked { to: path, .. }
            | Call::Renamed { to: path, .. }
            | Call::MadeFolder { path } => path != "cache" && !path.starts_with("cache/"),
            _ => true,
        };
        Self(trace(room, args).into_iter().filter(is_output).collect())
    }

    /// Every file that got a name was synced before.
    #[track_caller]
    fn contents_come_before_names(&self) {
        let (mut descriptors, mut paths) = (HashSet::new(), HashSet::new());
        for call in &self.0 {
            match call {
                Call::Opened { fd } => drop(descriptors.remove(fd)),
                Call::Synced { fd, path } => {
                    descriptors.insert(*fd);
                    paths.insert(path.clone());
                }
                Call::Linked { to, .. } if is_claim(to) => {}
                Call::Linked { fd: Some(fd), to, .. } => {
                    assert!(descriptors.contains(fd), "{to} is not synced: {:#?}", self.0);
                    paths.insert(to.clone());
                }
                Call::Linked { from, to, .. } | Call::Renamed { from, to } => {
                    assert!(
                        paths.contains(from),
                        "{from} is not synced when it becomes {to}: {:#?}",
                        self.0
                    );
                    paths.insert(to.clone());
                }
                _ => {}
            }
        }
    }

    /// The last moment at which each name was given, and all moments at which each folder was
    /// synced.
    fn moments(&self) -> (HashMap<String, usize>, HashMap<String, Vec<usize>>) {
        let (mut named, mut synced) = (HashMap::new(), HashMap::<_, Vec<_>>::new());
        for (at, call) in self.0.iter().enumerate() {
            match call {
                Call::Linked { to, .. } | Call::Renamed { to, .. } if !is_claim(to) => {
                    named.insert(to.clone(), at);
                }
                Call::MadeFolder { path } => {
                    named.insert(path.trim_end_matches('/').to_owned(), at);
                }
                Call::Synced { path, .. } => synced.entry(path.clone()).or_default().push(at),
                _ => {}
            }
        }
        (named, synced)
    }

    /// Every name is in a folder that was synced after it, and before `last` gets its name.
    #[track_caller]
    fn names_come_before(&self, last: &str) {
        let (named, synced) = self.moments();
        let end = *named.get(last).unwrap_or_else(|| panic!("{last} gets no name: {:#?}", self.0));
        let within = format!("{}/", folder_of(last));
        for (name, at) in
            named.iter().filter(|(name, _)| name.starts_with(&within) && *name != last)
        {
            if name.contains(".oci-layout-") {
                continue;
            }
            let is_synced = |syncs: &Vec<usize>| syncs.iter().any(|sync| at < sync && *sync < end);
            assert!(
                synced.get(folder_of(name)).is_some_and(is_synced),
                "{name} comes after {last}: {:#?}",
                self.0
            );
        }
    }

    /// Every name is synced when the program ends.
    #[track_caller]
    fn all_names_last(&self) {
        let (named, synced) = self.moments();
        assert!(!named.is_empty());
        for (name, at) in named {
            if name.contains(".oci-layout-") {
                continue;
            }
            let is_synced = |syncs: &Vec<usize>| syncs.iter().any(|sync| at < *sync);
            assert!(
                synced.get(folder_of(&name)).is_some_and(is_synced),
                "{name} does not last: {:#?}",
                self.0
            );
        }
    }

    /// The first moment at which this happened.
    #[track_caller]
    fn first(&self, what: &str, is_it: impl Fn(&Call) -> bool) -> usize {
        self.0.iter().position(is_it).unwrap_or_else(|| panic!("no {what}: {:#?}", self.0))
    }
}

fn folder_of(path: &str) -> &str {
    match Path::new(path).parent().and_then(Path::to_str) {
        Some("") | None => ".",
        Some(folder) => folder,
    }
}

/// This file marks an incomplete folder, so it does not matter whether it survives.
fn is_claim(path: &str) -> bool {
    path.ends_with(".oci-layout-output")
}

fn is_sync(path: &str) -> impl Fn(&Call) -> bool + '_ {
    move |call| matches!(call, Call::Synced { path: synced, .. } if synced == path)
}

#[test]
fn blobs_then_folders_then_the_index_reach_the_disk() {
    let room = Room::with_layouts();
    room.ok("layer-tar -f one -o stored");
    room.ok("image-manifest --layer stored -o manifest");
    room.ok("build -f one --sparse -o sparse");
    let (_serving, address) = room.serve("other");
    for (args, layout) in [
        ("build -f one -o a/b/built", "a/b/built"),
        ("build -f one --compression none --sparse -o built-sparse", "built-sparse"),
        ("image-layout latest=manifest -o laid", "laid"),
        ("image-layout other -o copied", "copied"),
        ("image-layout other --sparse -o copied-sparse", "copied-sparse"),
        ("append other -o layout", "layout"),
        ("append new=manifest -o layout", "layout"),
        ("append other -o sparse", "sparse"),
        (&format!("pull {address}/app:two -o pulled"), "pulled"),
        (&format!("pull {address}/app:two -o manifest-layout"), "manifest-layout"),
        ("delete layout:new", "layout"),
    ] {
        if layout == "manifest-layout" {
            room.ok("image-layout latest=manifest -o manifest-layout");
        }
        let trace = Trace::of(&room, args);
        trace.contents_come_before_names();
        trace.names_come_before(&format!("{layout}/index.json"));
        trace.all_names_last();
    }
}

/// Another program may have written an existing blob without syncing it, and may be about to name
/// it.
#[test]
fn an_existing_blob_is_synced_too() {
    let room = Room::with_layouts();
    room.ok("append other -o layout --no-sync");
    room.ok("delete layout:two --no-sync");
    let trace = Trace::of(&room, "append other -o layout");
    let blobs = fs::read_dir(room.path("other/blobs/sha256")).unwrap();
    let index = trace.first(
        "index",
        |call| matches!(call, Call::Renamed { to, .. } if to == "layout/index.json"),
    );
    for blob in blobs {
        let blob = format!("layout/blobs/sha256/{}", blob.unwrap().file_name().to_str().unwrap());
        assert!(trace.first(&blob, is_sync(&blob)) < index);
    }
    assert!(trace.first("folder", is_sync("layout/blobs/sha256")) < index);
}

#[test]
fn the_folders_between_the_steps_reach_the_disk() {
    let room = Room::with_layouts();
    for (args, folder) in [
        ("layer-tar -f one -o layer", "layer"),
        ("layer-tar -f one --lazy -o lazy", "lazy"),
        ("image-config --layer layer -o config", "config"),
        ("image-manifest --layer layer --config config -o manifest", "manifest"),
        ("image-manifest --layer lazy -o lazy-manifest", "lazy-manifest"),
    ] {
        let trace = Trace::of(&room, args);
        trace.contents_come_before_names();
        trace.names_come_before(&format!("{folder}/media-descriptor.json"));
        trace.all_names_last();
    }
}

#[test]
fn an_export_reaches_the_disk_before_it_takes_its_place() {
    let room = Room::with_layouts();
    for _ in ["a new file", "one in the place of another"] {
        let trace = Trace::of(&room, "export layout -o layout.tar");
        trace.contents_come_before_names();
        trace.all_names_last();
    }
}

/// After its recipe is removed, the blob is the only copy.
#[test]
fn a_recipe_is_removed_after_its_blob_is_synced() {
    let room = Room::with_layouts();
    room.ok("build -f one -f two --sparse --tag latest -o sparse");
    let trace = Trace::of(&room, "fill sparse");
    trace.contents_come_before_names();
    let is_recipe = |call: &Call| matches!(call, Call::Removed { path } if path.starts_with("sparse/recipes/sha256/") && path.ends_with(".json"));
    let removed = trace.first("recipe removed", is_recipe);
    assert!(trace.first("folder", is_sync("sparse/blobs/sha256")) < removed);
    assert!(trace.0[removed..].iter().any(is_sync("sparse/recipes/sha256")), "{:#?}", trace.0);
}

/// After a power loss, the old index may be back and name what the collector would have removed.
#[test]
fn garbage_is_removed_after_the_index_is_synced() {
    let room = Room::with_layouts();
    room.ok("append other -o layout");
    room.ok("delete layout:two --no-sync");
    let trace = Trace::of(&room, "gc layout");
    let removed = trace.first("blob removed", |call| matches!(call, Call::Removed { .. }));
    assert!(trace.first("index", is_sync("layout/index.json")) < removed);
    assert!(trace.first("folder", is_sync("layout")) < removed);
    assert!(trace.0[removed..].iter().any(is_sync("layout/blobs/sha256")), "{:#?}", trace.0);
}

#[test]
fn scratch_files_and_nix_outputs_are_not_synced() {
    let room = Room::with_layouts();
    room.ok("layer-tar -f one -o stored");
    room.ok("build -f one -f two --sparse --tag latest -o sparse");
    let (_serving, address) = room.serve("other");
    let attributes = format!("{{\"outputs\":{{\"out\":{:?}}},\"images\":[]}}", room.path("by-nix"));
    fs::write(room.path("attributes"), attributes).unwrap();
    let file = room.path("attributes");
    for args in [
        "build -f one --no-sync -o built",
        "layer-tar -f one --no-sync -o layer",
        "image-config --layer layer --no-sync -o config",
        "image-manifest --layer layer --no-sync -o manifest",
        "image-layout latest=manifest --no-sync -o laid",
        "append other --no-sync -o layout",
        &format!("pull {address}/app:two --no-sync -o pulled"),
        "fill sparse --no-sync",
        "export layout --no-sync -o layout.tar",
        "delete layout:two --no-sync",
        "gc layout --no-sync",
        "nix image-layout",
    ] {
        // Without a cache: a recorded check is trusted later, so recording waits until the blob is
        // synced.
        let environment =
            [("NIX_ATTRS_JSON_FILE", file.to_str().unwrap()), ("XDG_CACHE_HOME", ""), ("HOME", "")];
        let calls = trace_with(&room, args, &environment);
        assert!(
            !calls.iter().any(|call| matches!(call, Call::Synced { .. })),
            "{args}: {calls:#?}"
        );
    }
    room.ok("verify laid");
    room.ok("verify by-nix");
}
