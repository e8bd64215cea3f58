//! Bills of materials of images whose packages are known.

use std::fmt::Write;

use oci_layout::{
    ConfigOptions, FileMapping, Image, LayerOptions, ManifestOptions, PlatformImage, Pool,
    image_config, image_manifest, layer_tar,
    sbom::{Sbom, SbomFormat, image_sbom},
};
use serde_json::Value;

const STATUS: &str = "\
Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl
Version: 3.0.17-1~deb12u3
Description: a library
 Package: not-this
 .
 more

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libc-bin
Status: install ok installed
Architecture: amd64
Source: glibc (2.36-9)
Version: 2.36-9+b1
";
const INSTALLED: &str = "\
C:Q1abc=
P:musl
V:1.2.5-r0
A:x86_64
L:MIT
o:musl
a:not-a-version

P:libcrypto3
V:3.3.1-r3
A:x86_64
o:openssl
L:Apache-2.0
F:lib
";

fn sbom(files: Vec<FileMapping>) -> Sbom {
    // Two layers, of which the upper one removes something.
    let lower = [FileMapping::text(
        "Name: old\nVersion: 1\n",
        "/usr/lib/python3/dist-packages/old-1.dist-info/METADATA",
    )];
    let upper = files
        .into_iter()
        .chain([FileMapping::whiteout("/usr/lib/python3/dist-packages/old-1.dist-info/METADATA")]);
    let layers = [
        layer_tar(lower, LayerOptions::default()).unwrap(),
        layer_tar(upper, LayerOptions::default()).unwrap(),
    ];
    let config = image_config(&layers, ConfigOptions::default()).unwrap();
    let image = Image::from(image_manifest(config, layers, ManifestOptions::default()).unwrap());
    image_sbom(&PlatformImage::of(&image, None).unwrap(), &Pool::new(2)).unwrap()
}

fn purls(sbom: &Sbom) -> Vec<&str> {
    sbom.packages.iter().map(|package| &*package.purl).collect()
}

#[test]
fn packages_of_every_manager_are_found() {
    let python = "/usr/lib/python3/dist-packages";
    let sbom = sbom(vec![
        FileMapping::text("ID=debian\nVERSION_ID=\"12\"\n", "/usr/lib/os-release"),
        FileMapping::symlink("../usr/lib/os-release", "/etc/os-release"),
        FileMapping::text(STATUS, "/var/lib/dpkg/status"),
        FileMapping::text("Package: tzdata\nVersion: 2024a\n", "/var/lib/dpkg/status.d/tzdata"),
        FileMapping::text("0 a\n", "/var/lib/dpkg/status.d/tzdata.md5sums"),
        FileMapping::text(
            "Name: Flask_SQLAlchemy\nVersion: 3.1\nLicense-Expression: BSD-3-Clause\n\nName: no\n",
            format!("{python}/flask_sqlalchemy-3.1.dist-info/METADATA"),
        ),
        FileMapping::text("Name: six\nVersion: 1.16\n", format!("{python}/six-1.16.egg-info")),
        FileMapping::text(
            r#"{"name": "@types/node", "version": "20.1.0", "license": "MIT"}"#,
            "/app/node_modules/@types/node/package.json",
        ),
        FileMapping::text(
            r#"{"name": "ms", "version": "2.1.3", "license": {"type": "MIT"}}"#,
            "/app/node_modules/debug/node_modules/ms/package.json",
        ),
        FileMapping::text(r#"{"type": "module"}"#, "/app/node_modules/ms/package.json"),
        FileMapping::text(
            r#"{"name": "inner", "version": "1"}"#,
            "/app/node_modules/ms/dist/package.json",
        ),
        FileMapping::text("x", "/nix/store/3n58xw4373jp0ljirf06d8077j15pc4j-glibc-2.38-44/lib/x"),
        FileMapping::text("x", "/nix/store/.links/x"),
    ]);
    assert_eq!(
        purls(&sbom),
        [
            "pkg:deb/debian/libc-bin@2.36-9%2Bb1?arch=amd64&distro=debian-12&upstream=glibc%402.36-9",
            "pkg:deb/debian/libssl3@3.0.17-1~deb12u3?arch=amd64&distro=debian-12&upstream=openssl",
            "pkg:deb/debian/tzdata@2024a?distro=debian-12",
            "pkg:nix/glibc@2.38-44?hash=3n58xw4373jp0ljirf06d8077j15pc4j",
            "pkg:npm/%40types/node@20.1.0",
            "pkg:npm/ms@2.1.3",
            "pkg:pypi/flask-sqlalchemy@3.1",
            "pkg:pypi/six@1.16",
        ]
    );
    assert!(sbom.unread.is_empty(), "{:?}", sbom.unread);
    let licence = |at: usize| sbom.packages[at].licence.as_deref();
    assert_eq!([4, 5, 6, 7].map(licence), [Some("MIT"), Some("MIT"), Some("BSD-3-Clause"), None]);
    assert!(sbom.packages.iter().all(|package| package.layer == 1));
}

#[test]
fn packages_of_apk_are_found() {
    let sbom = sbom(vec![
        FileMapping::text("ID=alpine\nVERSION_ID=3.20.1\n", "/etc/os-release"),
        FileMapping::text(INSTALLED, "/lib/apk/db/installed"),
    ]);
    assert_eq!(
        purls(&sbom),
        [
            "pkg:apk/alpine/libcrypto3@3.3.1-r3?arch=x86_64&distro=alpine-3.20.1&upstream=openssl",
            "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1",
        ]
    );
}

#[test]
fn documents_depend_on_the_image_alone() {
    let files = || vec![FileMapping::text(STATUS, "/var/lib/dpkg/status")];
    for format in [SbomFormat::CycloneDx, SbomFormat::Spdx] {
        let document = sbom(files()).to_json(format);
        assert_eq!(document, sbom(files()).to_json(format));
        let _: Value = serde_json::from_slice(&document).unwrap();
    }
    let numbers = [files(), Vec::new()].map(|files| {
        let document = sbom(files).to_json(SbomFormat::CycloneDx);
        serde_json::from_slice::<Value>(&document).unwrap()["serialNumber"].clone()
    });
    assert_ne!(numbers[0], numbers[1]);
}

/// Nothing that a stranger's image says ends the program, or takes more memory than is allowed.
#[test]
fn hostile_descriptions_are_findings() {
    let python = |name: &str| format!("/lib/site-packages/{name}.dist-info/METADATA");
    let mut long = String::from("Name: long\n");
    while long.len() <= 5 << 20 {
        writeln!(long, "Keywords: {}", "x".repeat(1000)).unwrap();
    }
    let deep = "[".repeat(100_000);
    let sbom = sbom(vec![
        FileMapping::text(long, python("long")),
        FileMapping::text("Version: 1\n", python("nameless")),
        FileMapping::bytes(b"Name: \xff\xfe\nVersion: \x00\x1b[2J\n".to_vec(), python("bytes")),
        FileMapping::text(deep, "/node_modules/deep/package.json"),
        FileMapping::text(
            "{\"name\": \"\", \"version\": \"1\"}",
            "/node_modules/empty/package.json",
        ),
        FileMapping::text("SQLite format 3\0 but not really", "/nix/var/nix/db/db.sqlite"),
        FileMapping::text("[[package]]\nname = 1", "/src/Cargo.lock"),
        FileMapping::text("SQLite format 3\0\u{2}\u{2}", "/usr/lib/sysimage/rpm/rpmdb.sqlite"),
        FileMapping::text("frames", "/usr/lib/sysimage/rpm/rpmdb.sqlite-wal"),
        FileMapping::text("\u{7f}ELF and nothing", "/bin/program").mode(0o755),
        FileMapping::text("x", "/nix/store/short-x/x"),
        FileMapping::text("ID=\n", "/etc/os-release"),
        FileMapping::text("Package: \nVersion: 1\n\nPackage: a\n", "/var/lib/dpkg/status"),
    ]);
    let unread: Vec<_> =
        sbom.unread.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(unread.len(), 8, "{:?}", sbom.unread);
    assert_eq!(sbom.operating_system, None);
    assert_eq!(sbom.packages.len(), 1, "{:?}", sbom.packages);
    let document = String::from_utf8(sbom.to_json(SbomFormat::CycloneDx)).unwrap();
    assert!(!document.contains('\u{1b}'));
}
