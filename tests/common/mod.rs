//! Helpers for several modules of tests: sources, contents of layers and layouts, and child
//! processes of the test.
#![allow(dead_code, unused_imports, reason = "each binary uses a part of it")]

#[cfg(feature = "on-demand")]
pub mod bucket;
pub mod container;
pub mod docker;
pub mod hello;
#[cfg(feature = "on-demand")]
pub mod packages;
pub mod python;
pub mod random;
pub mod raw_tar;
pub mod rich;
pub mod tool;
pub mod values;

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt, fs,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};

use oci_layout::{
    Blob, Compression, Digest, FileMapping, ImageLayout, LayerOptions, Report, document::MediaType,
    layer_tar,
};
use tar::EntryType;

pub use self::random::{Random, text};

/// All bytes of a blob.
#[track_caller]
pub fn bytes(blob: &(impl Blob + ?Sized)) -> Vec<u8> {
    let mut bytes = Vec::new();
    blob.open().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// The uncompressed bytes of a blob, by decoders that are not ours.
#[track_caller]
pub fn decoded(blob: &(impl Blob + ?Sized)) -> Vec<u8> {
    let encoded = bytes(blob);
    let media_type = &blob.descriptor().media_type;
    if *media_type == MediaType::LAYER_GZIP {
        let mut tar = Vec::new();
        flate2::read::MultiGzDecoder::new(&encoded[..]).read_to_end(&mut tar).unwrap();
        tar
    } else if *media_type == MediaType::LAYER_ZSTD {
        zstd::decode_all(&encoded[..]).unwrap()
    } else {
        assert_eq!(*media_type, MediaType::LAYER);
        encoded
    }
}

/// The tar of these files.
#[track_caller]
pub fn tar_of(files: impl IntoIterator<Item = FileMapping>, options: LayerOptions) -> Vec<u8> {
    bytes(&layer_tar(files, options.compression(Compression::None)).unwrap())
}

/// The members of the tar of these files, one per line.
#[track_caller]
pub fn lines(files: impl IntoIterator<Item = FileMapping>, options: LayerOptions) -> Vec<String> {
    members(&tar_of(files, options)).iter().map(Member::to_string).collect()
}

/// One member of a tar, as the `tar` crate reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub path: Vec<u8>,
    pub kind: EntryType,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub mtime: i64,
    pub link: Vec<u8>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub content: Vec<u8>,
}

/// `-0644 0:0 1 etc/motd "hello"`: kind, mode, owner, time, path, a link's target or a file's
/// contents, and extended attributes.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            EntryType::Regular => '-',
            EntryType::Directory => 'd',
            EntryType::Symlink => 'l',
            EntryType::Link => 'h',
            EntryType::Char => 'c',
            EntryType::Block => 'b',
            EntryType::Fifo => 'p',
            _ => '?',
        };
        let path = OsStr::from_bytes(&self.path).display();
        write!(f, "{kind}{:04o} {}:{} {} {path}", self.mode, self.uid, self.gid, self.mtime)?;
        if !self.link.is_empty() {
            write!(f, " -> {}", OsStr::from_bytes(&self.link).display())?;
        }
        if self.kind == EntryType::Regular {
            match self.content.len() {
                0..40 => write!(f, " {:?}", OsStr::from_bytes(&self.content))?,
                size => write!(f, " {size} bytes")?,
            }
        }
        for (name, value) in &self.xattrs {
            write!(f, " {}={:?}", OsStr::from_bytes(name).display(), OsStr::from_bytes(value))?;
        }
        Ok(())
    }
}

/// The members of a tar, read by the `tar` crate. It does not read pax records with a newline in
/// the value.
#[track_caller]
pub fn members(tar: &[u8]) -> Vec<Member> {
    let mut archive = tar::Archive::new(tar);
    let member = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let (mut mtime, mut xattrs) = (None, BTreeMap::new());
        for record in entry.pax_extensions().unwrap().into_iter().flatten() {
            let record = record.unwrap();
            if record.key() == Ok("mtime") {
                mtime = Some(record.value().unwrap().parse().unwrap());
            } else if let Some(name) = record.key_bytes().strip_prefix(b"SCHILY.xattr.") {
                xattrs.insert(name.to_vec(), record.value_bytes().to_vec());
            }
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        Member {
            path: entry.path_bytes().into_owned(),
            kind: entry.header().entry_type(),
            mode: entry.header().mode().unwrap(),
            uid: entry.header().uid().unwrap(),
            gid: entry.header().gid().unwrap(),
            mtime: mtime.unwrap_or_else(|| entry.header().mtime().unwrap() as i64),
            link: entry.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default(),
            xattrs,
            content,
        }
    };
    archive.entries().unwrap().map(member).collect()
}

/// All paths below a folder, sorted, relative to it.
pub fn files_in(dir: &Path) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(dir).min_depth(1).sort_by_file_name();
    walk.into_iter()
        .map(|entry| entry.unwrap().path().strip_prefix(dir).unwrap().to_owned())
        .collect()
}

/// Reads every blob that the images of a layout name, and checks it against its descriptor.
#[track_caller]
pub fn assert_whole(layout: &ImageLayout) {
    for image in layout.images().unwrap() {
        for blob in image.blobs() {
            let bytes = bytes(blob.as_ref());
            let descriptor = blob.descriptor();
            assert_eq!(bytes.len() as u64, descriptor.size, "size of {}", descriptor.digest);
            assert_eq!(Digest::of(bytes), descriptor.digest);
        }
    }
}

/// The message of the error that the result must be.
#[track_caller]
pub fn message<T>(result: oci_layout::Result<T>) -> String {
    match result {
        Ok(_) => panic!("the call must fail"),
        Err(error) => Report(&error).to_string(),
    }
}

const CHILD: &str = "OCI_LAYOUT_TEST_CHILD";

/// Runs this test binary again, for the test `test` alone, with this [`child_argument`].
pub fn child<F: Fn()>(test: F, argument: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([name(&test), "--exact", "--nocapture"]).env(CHILD, argument);
    command
}

/// Whether this process runs `test` alone. If not, runs it in a separate process, where it must
/// pass.
pub fn alone<F: Fn()>(test: F) -> bool {
    if child_argument().is_none() {
        let said = String::from_utf8(run(&mut child(test, ""))).unwrap();
        assert!(said.contains("1 passed"), "{said}");
        return false;
    }
    true
}

/// The name of a test in the harness: the path of the function in this crate.
fn name<F: Fn()>(_test: &F) -> &'static str {
    std::any::type_name::<F>().split_once("::").unwrap().1
}

/// The argument of a process that [`child`] started. A test that starts itself asks for this first.
pub fn child_argument() -> Option<PathBuf> {
    env::var_os(CHILD).map(PathBuf::from)
}

/// This command as the last arguments of another one: `faketime`, `sh -c`.
pub fn behind(outer: &[&str], command: &Command) -> Command {
    let mut whole = Command::new(outer[0]);
    whole.args(&outer[1..]).arg(command.get_program()).args(command.get_args());
    whole.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    whole
}

/// The command as a user without capabilities, if the current user is root, because root can read
/// everything.
pub fn as_nobody(command: &mut Command, scratch: &Path) -> Command {
    use std::os::unix::process::CommandExt;
    // Other users may not have access to the build folder.
    let program = scratch.join("test-of-nobody");
    // By another process: a test in another thread that starts a program may hold the file open,
    // so that it could not be executed.
    run(Command::new("install").arg(command.get_program()).arg(&program));
    let mut nobody = Command::new(program);
    nobody.args(command.get_args()).current_dir(scratch);
    nobody.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if is_root() {
        nobody.uid(65534).gid(65534);
    }
    nobody
}

pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    tempfile::tempfile().unwrap().metadata().unwrap().uid() == 0
}

/// Runs a command, which must succeed, and returns its output.
#[track_caller]
pub fn run(command: &mut Command) -> Vec<u8> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
            panic!("{command:?}: {error}; tests/run installs what the tests need")
        });
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}\n{status}\n{out}{err}");
    stdout
}

/// An image of these files, uncompressed: layer, configuration and manifest.
#[track_caller]
pub fn image(
    files: impl IntoIterator<Item = FileMapping>,
    config: serde_json::Value,
) -> oci_layout::ImageManifest {
    let layer = layer_tar(files, Compression::None).unwrap();
    let config = oci_layout::image_config([&layer], config).unwrap();
    oci_layout::image_manifest(
        config,
        [Arc::new(layer) as Arc<dyn oci_layout::Layer>],
        serde_json::json!({}),
    )
    .unwrap()
}

/// An uncompressed image for this platform, with one file that contains the platform.
#[track_caller]
pub fn image_for(platform: &str) -> oci_layout::ImageManifest {
    let layer = layer_tar([FileMapping::text(platform, "/platform")], Compression::None).unwrap();
    let options = oci_layout::ConfigOptions::default().platform(platform.parse().unwrap());
    let config = oci_layout::image_config([&layer], options).unwrap();
    oci_layout::image_manifest(config, [layer], serde_json::json!({})).unwrap()
}

/// The file of a blob in a layout.
pub fn blob_file(layout: &Path, digest: Digest) -> PathBuf {
    layout.join("blobs/sha256").join(digest.hex())
}

/// Stores a blob in a layout, and returns its descriptor.
pub fn put(
    layout: &Path,
    media_type: impl AsRef<str>,
    bytes: impl AsRef<[u8]>,
) -> serde_json::Value {
    let bytes = bytes.as_ref();
    fs::write(blob_file(layout, Digest::of(bytes)), bytes).unwrap();
    serde_json::json!({ "mediaType": media_type.as_ref(), "digest": Digest::of(bytes), "size": bytes.len() })
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = Vec::new();
    flate2::bufread::GzEncoder::new(bytes, flate2::Compression::default())
        .read_to_end(&mut gzip)
        .unwrap();
    gzip
}

/// A name with this many bytes.
pub fn long(length: usize) -> OsString {
    OsString::from("0123456789".repeat(length / 10 + 1)[..length].to_owned())
}
