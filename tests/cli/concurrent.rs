//! Many simultaneous writers of one layout, and writers that are killed at any moment.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use oci_layout::{Digest, ImageLayout};
use tempfile::TempDir;

/// The number of simultaneous processes, and of tags for each.
const WRITERS: usize = 16;
const TAGS: usize = 100;

/// How often the test kills a writer, at moments spread evenly over its run.
const KILLS: u32 = 60;

/// How often the duration is measured again, because the load changed and all kills came too early
/// or too late.
const ROUNDS: usize = 10;

#[test]
fn sixteen_processes_append_a_hundred_tags_each_and_lose_none() {
    let place = Place::new();
    let images: Vec<_> =
        (0..WRITERS).map(|writer| place.image(&format!("image {writer}\n"))).collect();
    thread::scope(|scope| {
        for (writer, image) in images.iter().enumerate() {
            let place = &place;
            scope.spawn(move || {
                for tag in 0..TAGS {
                    place.run(&["append", &format!("tag-{writer}-{tag}={image}"), "-o", "layout"]);
                }
            });
        }
    });
    let expected: BTreeSet<_> = (0..WRITERS)
        .flat_map(|writer| (0..TAGS).map(move |tag| format!("tag-{writer}-{tag}")))
        .collect();
    let layout = place.layout();
    let tags: BTreeSet<_> = layout.tags().unwrap().into_iter().map(str::to_owned).collect();
    assert!(
        tags.is_superset(&expected),
        "{} of {} are there",
        tags.intersection(&expected).count(),
        expected.len()
    );
    assert_eq!(layout.index().unwrap().manifests.len(), WRITERS * TAGS + 1);
    place.check();
}

/// An existing blob is not written again. Until the index names it, the collector must not remove
/// it.
#[test]
fn garbage_collection_removes_no_blob_of_a_writer() {
    let place = Place::new();
    let images: Vec<_> = (0..4).map(|writer| place.image(&format!("image {writer}\n"))).collect();
    thread::scope(|scope| {
        for (writer, image) in images.iter().enumerate() {
            let place = &place;
            scope.spawn(move || {
                for _ in 0..15 {
                    let tag = format!("tag-{writer}");
                    place.run(&["append", &format!("{tag}={image}"), "-o", "layout"]);
                    place.run(&["delete", &format!("layout:{tag}")]);
                }
                place.run(&["append", &format!("last-{writer}={image}"), "-o", "layout"]);
            });
        }
        scope.spawn(|| (0..40).for_each(|_| place.run(&["gc", "layout"])));
    });
    assert_eq!(place.layout().index().unwrap().manifests.len(), 5);
    place.check();
}

#[test]
fn a_killed_build_leaves_a_complete_layout_or_none() {
    let place = Place::new();
    place.write("source", &noise(6 << 20));
    let build = ["build", "-f", "source:/source", "--tag", "new", "-o", "built"];
    let (mut none, mut whole) = (0, 0);
    for _ in 0..ROUNDS {
        if none > 0 && whole > 0 {
            break;
        }
        for moment in place.moments(&build, || fs::remove_dir_all(place.path("built")).unwrap()) {
            place.killed_after(&build, moment);
            match ImageLayout::open(place.path("built")) {
                Ok(layout) => {
                    whole += 1;
                    assert_eq!(layout.tags().unwrap(), ["new"]);
                    check(&layout);
                }
                Err(error) => {
                    none += 1;
                    assert!(!place.path("built/index.json").exists(), "{error}");
                }
            }
            let _ = fs::remove_dir_all(place.path("built"));
        }
    }
    assert!(
        none > 0 && whole > 0,
        "{none} none, {whole} whole: the kills came at the wrong moments"
    );
}

#[test]
fn a_killed_append_leaves_the_old_or_the_new_layout() {
    let place = Place::new();
    let large = place.image_of(&noise(3 << 20));
    let append = ["append", &format!("new={large}"), "-o", "layout"];
    let old = fs::read(place.path("layout/index.json")).unwrap();
    let reset = || {
        place.run(&["delete", "layout:new"]);
        place.run(&["gc", "layout"]);
        assert_eq!(fs::read(place.path("layout/index.json")).unwrap(), old);
        assert_eq!(place.blobs().len(), place.referenced().len());
    };
    let (mut news, mut leftovers) = (0, 0);
    for _ in 0..ROUNDS {
        if news > 0 && leftovers > 0 {
            break;
        }
        for moment in place.moments(&append, reset) {
            place.killed_after(&append, moment);
            let layout = place.layout();
            check(&layout);
            match layout.tags().unwrap()[..] {
                ["old"] => {
                    leftovers += usize::from(place.blobs().len() > place.referenced().len());
                    // No process uses the killed one's blobs, so everything that is not referenced
                    // is removed.
                    place.run(&["gc", "layout"]);
                    assert_eq!(fs::read(place.path("layout/index.json")).unwrap(), old);
                    assert_eq!(place.blobs().len(), place.referenced().len());
                    let entries = fs::read_dir(place.path("layout")).unwrap();
                    let names: Vec<_> = entries
                        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                        .collect();
                    assert!(!names.iter().any(|name| name.starts_with(".oci-layout")), "{names:?}");
                }
                ["old", "new"] => {
                    news += 1;
                    reset();
                }
                ref tags => panic!("{tags:?}"),
            }
        }
    }
    assert!(
        news > 0 && leftovers > 0,
        "{news} new, {leftovers} with leftovers: the kills came at the wrong moments"
    );
}

/// A folder with a layout `layout` that has one image, `old`.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let image = place.image("old\n");
        place.run(&["image-layout", &format!("old={image}"), "-o", "layout"]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// The name of a folder with an image that contains this text.
    fn image(&self, text: &str) -> String {
        self.image_of(text.as_bytes())
    }

    fn image_of(&self, bytes: &[u8]) -> String {
        let name = format!("image-{}", &Digest::of(bytes).hex()[..8]);
        let (file, layer) = (format!("{name}.file"), format!("{name}.layer"));
        self.write(&file, bytes);
        self.run(&["layer-tar", "-f", &format!("{file}:/file"), "-o", &layer]);
        self.run(&["image-manifest", "--layer", &layer, "-o", &name]);
        name
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oci-layout"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Moments spread over the duration of a run. `reset` undoes the run that measures the
    /// duration.
    fn moments(&self, arguments: &[&str], reset: impl FnOnce()) -> Vec<Duration> {
        let start = Instant::now();
        self.run(arguments);
        // A little longer, so that some kills come after the end.
        let time = start.elapsed() * 5 / 4;
        reset();
        (0..KILLS).map(|kill| time * kill / KILLS).collect()
    }

    fn killed_after(&self, arguments: &[&str], moment: Duration) {
        let mut child =
            self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn layout(&self) -> ImageLayout {
        ImageLayout::open(self.path("layout")).unwrap()
    }

    /// Whether the layout is valid, by our checker and by another program.
    #[track_caller]
    fn check(&self) {
        self.run(&["verify", "layout"]);
        check(&self.layout());
    }

    /// The names of all files in the folder of blobs.
    fn blobs(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path("layout/blobs/sha256")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The names of all blobs that an image refers to.
    fn referenced(&self) -> BTreeSet<String> {
        let images = self.layout().images().unwrap();
        images
            .iter()
            .flat_map(|image| image.blobs())
            .map(|blob| blob.descriptor().digest.hex())
            .collect()
    }
}

/// Checks that every blob of an image exists and has the digest in its name, by sha256sum.
#[track_caller]
fn check(layout: &ImageLayout) {
    let names: BTreeSet<_> = layout
        .images()
        .unwrap()
        .iter()
        .flat_map(|image| image.blobs())
        .map(|blob| blob.descriptor().digest.hex())
        .collect();
    let blobs: &Path = &layout.path().join("blobs/sha256");
    let output = Command::new("sha256sum").current_dir(blobs).args(&names).output().unwrap();
    let expected: String = names.iter().map(|name| format!("{name}  {name}\n")).collect();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        expected,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Incompressible bytes, so that writing takes time.
fn noise(size: u32) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..size).map(|_| next()).collect()
}
