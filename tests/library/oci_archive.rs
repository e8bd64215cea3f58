//! An archive of a layout, packed by any tool, gives the same images as its folder.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

use oci_layout::{
    Compression, FileMapping, ImageLayout, LayerOptions, PlatformImage, image_config, image_layout,
    image_manifest, layer_tar,
};
use serde_json::json;
use tempfile::TempDir;

/// A layout in `dir/layout`, with an image whose layer has many zeros.
fn layout(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("layout");
    let files = [FileMapping::bytes([&[b'x'; 5000][..], &[0; 200_000], b"y"].concat(), "/data")];
    let layer = layer_tar(files, LayerOptions::from(Compression::None).store(&path)).unwrap();
    let config = image_config([&layer], json!({ "config": { "Env": ["A=b"] } })).unwrap();
    let image = image_manifest(config, [layer], json!({})).unwrap();
    image_layout(&path, [image.tagged("v1")], json!({})).unwrap();
    path
}

#[track_caller]
fn shell(dir: &TempDir, script: &str) {
    let output = Command::new("sh").args(["-euc", script]).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The complete data of an image.
fn whole(image: &PlatformImage) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    for layer in image.layers() {
        layer.open().unwrap().read_to_end(&mut bytes).unwrap();
    }
    (format!("{:?} {:?} {:?}", image.descriptor(), image.manifest(), image.configuration()), bytes)
}

fn blobs(layout: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(layout.join("blobs/sha256")).unwrap().map(|file| file.unwrap());
    files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect()
}

#[test]
fn archives_of_all_tools_give_the_same_layout() {
    let dir = TempDir::new().unwrap();
    let folder = layout(&dir);
    let expected = whole(&ImageLayout::open(&folder).unwrap().image(Some("v1"), None).unwrap());
    // As skopeo and podman pack: with Go's writer, names without a leading dot, and entries for
    // folders.
    let like_skopeo = "import os, tarfile
tar = tarfile.open('a.tar', 'w', format=tarfile.USTAR_FORMAT)
os.chdir('layout')
blobs = ['blobs/sha256/' + name for name in os.listdir('blobs/sha256')]
for name in ['blobs', 'blobs/sha256', *blobs, 'index.json', 'oci-layout']:
    tar.add(name, recursive=False)
tar.close()";
    fs::write(dir.path().join("pack.py"), like_skopeo).unwrap();
    for (pack, size) in [
        ("tar -C layout -cf a.tar .", 200_000..300_000),
        ("tar -C layout -cf a.tar --format=posix oci-layout index.json blobs", 200_000..300_000),
        (
            "tar -C layout -cf a.tar --sort=name --format=v7 blobs/sha256 index.json oci-layout",
            200_000..300_000,
        ),
        ("python3 pack.py", 200_000..300_000),
        // The reader does not need the folders that the archive omits.
        (
            "rm -rf holes && cp -r --sparse=always layout holes && tar -C holes -cSf a.tar \
             --format=gnu .",
            0..50_000,
        ),
        (
            "rm -rf holes && cp -r --sparse=always layout holes && tar -C holes -cSf a.tar \
             --format=posix .",
            0..50_000,
        ),
        // Of two files with one name the last counts, as when the archive is unpacked.
        (
            "echo x > index.json && tar -cf a.tar index.json && tar -C layout -rf a.tar .",
            200_000..300_000,
        ),
    ] {
        shell(&dir, pack);
        let archive = dir.path().join("a.tar");
        assert!(size.contains(&archive.metadata().unwrap().len()), "{pack}");
        let opened = ImageLayout::open(&archive).unwrap();
        let image = opened.image(Some("v1"), None).unwrap();
        assert!(whole(&image) == expected, "{pack}");
        let copy = dir.path().join("copy");
        image_layout(&copy, [image], json!({})).unwrap();
        assert!(blobs(&copy) == blobs(&folder), "{pack}");
        fs::remove_dir_all(copy).unwrap();
    }
}

#[test]
fn other_files_are_refused_with_what_they_are() {
    let dir = TempDir::new().unwrap();
    layout(&dir);
    let error = |pack: &str| {
        shell(&dir, &format!("rm -f a.tar && {pack}"));
        let path = dir.path().join("a.tar");
        let error = ImageLayout::open(&path).unwrap_err().to_string();
        error.strip_prefix(&format!("{path:?} ")).expect("the archive's name").to_owned()
    };
    let docker =
        error("mkdir docker && echo {} > docker/manifest.json && tar -C docker -cf a.tar .");
    assert!(
        docker.starts_with("is a docker-archive with a manifest.json that cannot be read ("),
        "{docker}"
    );
    assert_eq!(
        error("tar -C layout -cf a.tar index.json"),
        "is not an image layout, because it has no oci-layout file: give the folder of an image \
         layout, or an archive of images"
    );
    let path = dir.path().join("a.tar");
    for (compress, codec) in [
        ("tar -C layout -c . | gzip > a.tar", "gzip"),
        ("printf '\\050\\265\\057\\375 and so on' > a.tar", "zstd"),
    ] {
        let refused =
            format!("is compressed with {codec}: unpack it first, with `{codec} -dk {path:?}`");
        assert_eq!(error(compress), refused);
    }
    let neither = "is neither the folder of an image layout, an oci-archive nor a docker-archive (";
    assert!(error("echo hello > a.tar").starts_with(neither));
    assert!(error("head -c 5000 /dev/zero | tr '\\0' x > a.tar").starts_with(neither));
    assert!(
        error("mkfifo a.tar")
            .starts_with("is a fifo: give the folder of an image layout, or an archive of images")
    );
    let cut = error("tar -C layout -c . | head -c 100000 > a.tar");
    assert!(
        cut.starts_with("is a damaged archive (at byte ")
            && cut.ends_with("extend beyond the end of the tar): make or fetch it again"),
        "{cut}"
    );
}

/// Names of one MiB each. A few hundred would fill the memory of a small machine.
#[test]
fn a_list_of_members_that_is_too_long_is_refused() {
    let dir = TempDir::new().unwrap();
    let mut tar = tar::Builder::new(fs::File::create(dir.path().join("a.tar")).unwrap());
    for member in 0..70 {
        let mut long = tar::Header::new_gnu();
        long.set_entry_type(tar::EntryType::GNULongName);
        let name = format!("{member}/{}", "x".repeat((1 << 20) - 8));
        long.set_size(name.len() as u64);
        long.set_cksum();
        tar.append(&long, name.as_bytes()).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_cksum();
        tar.append(&header, &[][..]).unwrap();
    }
    tar.into_inner().unwrap();
    let error = ImageLayout::open(dir.path().join("a.tar")).unwrap_err().to_string();
    assert!(
        error.contains("is a damaged archive (")
            && error.ends_with("more members than any image layout): make or fetch it again"),
        "{error}"
    );
}

#[test]
fn wrong_sizes_are_errors() {
    let dir = TempDir::new().unwrap();
    layout(&dir);
    shell(&dir, "tar -C layout -cf good.tar .");
    let good = fs::read(dir.path().join("good.tar")).unwrap();
    let header = |change: &dyn Fn(&mut tar::Header)| {
        let mut header = tar::Header::new_gnu();
        header.set_path("oci-layout").unwrap();
        header.set_mode(0o644);
        header.set_size(0);
        change(&mut header);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let path = dir.path().join("bad.tar");
    let open = |header: Vec<u8>| {
        fs::write(&path, [&header, &good[..]].concat()).unwrap();
        ImageLayout::open(&path)
    };
    for size in [u64::MAX, u64::MAX - 511, 1 << 63, (1 << 63) - 1, 1 << 40] {
        let error = open(header(&|header| header.set_size(size))).unwrap_err().to_string();
        assert!(
            error.contains(
                "is neither the folder of an image layout, an oci-archive nor a docker-archive \
                 (at byte 0 of the tar"
            ),
            "{error}"
        );
    }
    // Eight exbibytes of holes: not read as a document, and replaced by a later member.
    let sparse = header(&|header| {
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.as_gnu_mut().unwrap().realsize = *b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff";
    });
    open(sparse.clone()).unwrap();
    fs::write(&path, [&sparse[..], &[0; 1024]].concat()).unwrap();
    let error = ImageLayout::open(&path).unwrap_err().to_string();
    assert!(
        error.contains(
            "oci-layout\" has 9223372036854775807 bytes, more than the maximum of 16777216"
        ),
        "{error}"
    );
}

#[test]
fn an_archive_that_shrinks_is_an_error() {
    let dir = TempDir::new().unwrap();
    layout(&dir);
    shell(&dir, "tar -C layout -cf a.tar oci-layout index.json blobs");
    let path = dir.path().join("a.tar");
    let opened = ImageLayout::open(&path).unwrap();
    let image = opened.image(None, None).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(1024).unwrap();
    assert!(image.layers()[0].open().unwrap().read_to_end(&mut Vec::new()).is_err());
}
