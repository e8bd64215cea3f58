//! The JSON form of a layer: each member, and the error for each invalid value.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use oci_layout::{
    Attribute, Compression, FileMapping, HardLinks, LayerOptions, LayerSpec, OnConflict,
    PermissionRule, Source, layer_tar,
};
use serde_json::{Value, json};

#[track_caller]
fn file(json: Value) -> FileMapping {
    LayerSpec::from_value(json!({ "files": [json] })).unwrap().files.remove(0)
}

#[track_caller]
fn refused(spec: Value) -> String {
    LayerSpec::from_value(spec).unwrap_err().to_string()
}

#[test]
fn every_source_has_its_member() {
    let latin1 = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    for (json, mapping) in [
        (json!({ "source": "a" }), FileMapping::at_source("a")),
        (json!({ "source": "a", "destination": "/b" }), FileMapping::new("a", "/b")),
        (json!({ "source": { "base64": "Y2Fm6Q==" } }), FileMapping::at_source(latin1(b"caf\xe9"))),
        (
            json!({ "source": "a", "destination": { "base64": "L+k=" } }),
            FileMapping::new("a", latin1(b"/\xe9")),
        ),
        (json!({ "text": "é\n", "destination": "/b" }), FileMapping::text("é\n", "/b")),
        (json!({ "text": "", "destination": "/b" }), FileMapping::text("", "/b")),
        (json!({ "base64": "AP8=", "destination": "/b" }), FileMapping::bytes(*b"\0\xff", "/b")),
        (json!({ "symlink": "../a", "destination": "/b" }), FileMapping::symlink("../a", "/b")),
        (json!({ "directory": true, "destination": "/b" }), FileMapping::directory("/b")),
        (json!({ "whiteout": true, "destination": "/b" }), FileMapping::whiteout("/b")),
        (
            json!({ "opaqueWhiteout": true, "destination": "/b" }),
            FileMapping::opaque_whiteout("/b"),
        ),
        (json!({ "tar": "a.tar", "destination": "/" }), FileMapping::tar("a.tar", "/")),
        // The value that Nix writes for an argument that was not given, and for a flag that is not
        // set.
        (
            json!({ "source": "a", "text": null, "directory": false, "mode": null }),
            FileMapping::at_source("a"),
        ),
    ] {
        assert_eq!(file(json), mapping);
    }
}

#[test]
fn every_attribute_has_its_member() {
    let given = file(json!({
        "source": "a", "follow": false, "include": ["*.rs"], "exclude": ["x", "y"],
        "mode": "4755", "uid": 1, "gid": 3000000000u64, "mtime": -5, "xattrs": { "user.a": "AP8=" },
    }));
    let mapping =
        FileMapping::at_source("a").follow(false).include("*.rs").exclude("x").exclude("y");
    let mapping =
        mapping.mode(0o4755).owner(1, 3_000_000_000).mtime(-5).xattr("user.a", *b"\0\xff");
    assert_eq!(given, mapping);
    let keep = json!({ "source": "a", "mode": "keep", "uid": "keep", "gid": "keep", "mtime": "keep", "xattrs": "keep" });
    assert_eq!(file(keep), FileMapping::at_source("a").keep());
    assert_eq!(file(json!({ "source": "a", "mode": "0" })).attributes.mode, Attribute::Set(0));
    assert!(matches!(file(json!({ "source": "a" })).source, Source::Path(_)));
}

#[test]
fn the_options_of_a_layer_have_their_members() {
    let LayerSpec { files, options } = LayerSpec::from_value(json!({
        "compression": "zstd:9", "mtime": 7, "owner": { "uid": 1, "gid": 2 }, "onConflict": "last", "hardLinks": true,
        "perms": [{ "glob": "bin/*", "mode": "0555", "uid": 3, "gid": 4 }, { "glob": "**" }],
    }))
    .unwrap();
    assert!(files.is_empty());
    assert_eq!(options.compression, Compression::Zstd { level: 9 });
    assert_eq!((options.mtime, options.owner), (7, (1, 2)));
    assert_eq!(
        (options.on_conflict, options.hard_links),
        (OnConflict::LastWins, Some(HardLinks::Merge))
    );
    let rule =
        |glob: &str, mode, uid, gid| PermissionRule { glob: glob.to_owned(), mode, uid, gid };
    assert_eq!(
        options.permissions,
        [rule("bin/*", Some(0o555), Some(3), Some(4)), rule("**", None, None, None)]
    );

    let compression = |json| LayerSpec::from_value(json).unwrap().options.compression;
    assert_eq!(compression(json!({})), LayerOptions::default().compression);
    assert_eq!(compression(json!({ "compression": "" })), Compression::None);
    for (name, policy) in [("error", OnConflict::Error), ("first", OnConflict::FirstWins)] {
        assert_eq!(
            LayerSpec::from_value(json!({ "onConflict": name })).unwrap().options.on_conflict,
            policy
        );
    }
}

#[test]
fn a_layer_of_a_specification_is_the_layer_of_its_mappings() {
    let spec = json!({ "files": [{ "text": "x", "destination": "/a", "mode": "0600" }], "compression": "" });
    let LayerSpec { files, options } = LayerSpec::from_value(spec).unwrap();
    let made = layer_tar([FileMapping::text("x", "/a").mode(0o600)], Compression::None).unwrap();
    assert_eq!(
        oci_layout::Layer::diff_id(&layer_tar(files, options).unwrap()),
        oci_layout::Layer::diff_id(&made)
    );
}

#[test]
fn invalid_files_are_errors_with_their_index_and_destination() {
    for (json, message) in [
        (
            json!({ "sorce": "a", "destination": "/b" }),
            "files[1]: unknown member \"sorce\"; did you mean \"source\"?",
        ),
        (
            json!({ "path": "a", "destination": "/b" }),
            "files[1]: unknown member \"path\"; expected one of source, text, base64, symlink, \
             directory, whiteout, opaqueWhiteout, tar, destination, follow, include, exclude, \
             mode, uid, gid, mtime, xattrs",
        ),
        (
            json!({ "source": "a", "text": "b", "destination": "/b" }),
            "files[1] (\"/b\"): it has source and text: keep only one",
        ),
        (
            json!({ "destination": "/b", "whiteout": false }),
            "files[1] (\"/b\"): it does not say what the file is: add one of source, text, \
             base64, symlink, directory, whiteout, opaqueWhiteout, tar",
        ),
        (
            json!({ "text": "a" }),
            "files[1]: it has no destination, which only a source can omit: add one",
        ),
        (
            json!({ "source": "a", "mode": 755 }),
            "files[1] (\"a\"), mode: write the octal digits as a string, as in \"0755\", instead \
             of 755; \"keep\" is also valid",
        ),
        (
            json!({ "source": "a", "mode": "0855" }),
            "files[1] (\"a\"), mode: expected a string of up to four octal digits, as in \"0755\", \
             found \"0855\"; \"keep\" is also valid",
        ),
        (
            json!({ "source": "a", "uid": -1 }),
            "files[1] (\"a\"), uid: expected a number of at least 0, found -1; \"keep\" is also \
             valid",
        ),
        (
            json!({ "source": "a", "mtime": 1.5 }),
            "files[1] (\"a\"), mtime: expected a whole number of seconds since 1970, found 1.5; \
             \"keep\" is also valid",
        ),
        (
            json!({ "source": "a", "xattrs": { "user.a": "?" } }),
            "files[1] (\"a\"), xattrs: user.a: expected base64, found \"?\" (Invalid symbol 63, \
             offset 0.); \"keep\" is also valid",
        ),
        (
            json!({ "source": "a", "include": "*.rs" }),
            "files[1] (\"a\"), include: expected a list, found \"*.rs\"",
        ),
        (
            json!({ "source": "a", "follow": 1 }),
            "files[1] (\"a\"), follow: expected true or false, found 1",
        ),
        (
            json!({ "text": 1, "destination": "/b" }),
            "files[1] (\"/b\"), text: expected a string, found 1",
        ),
        (
            json!({ "symlink": [], "destination": "/b" }),
            "files[1] (\"/b\"), symlink: expected a path, as a string or { \"base64\": STRING }, \
             found []",
        ),
        (
            json!({ "directory": "yes", "destination": "/b" }),
            "files[1] (\"/b\"), directory: expected true, or no such member",
        ),
        (json!("a"), "files[1]: expected a JSON object, found \"a\""),
    ] {
        assert_eq!(refused(json!({ "files": [{ "source": "first" }, json] })), message);
    }
}

#[test]
fn invalid_layer_specifications_are_errors() {
    for (json, message) in [
        (json!([]), "layer specification: expected a JSON object, found []"),
        (
            json!({ "fiels": [] }),
            "layer specification: unknown member \"fiels\"; did you mean \"files\"?",
        ),
        (
            json!({ "sources": [] }),
            "layer specification: unknown member \"sources\"; expected one of files, compression, \
             mtime, owner, perms, onConflict, keepDirectoryLinks, include, exclude, hardLinks, \
             unpackLimit, replace, strict, base",
        ),
        (json!({ "files": {} }), "layer specification, files: expected a list, found {}"),
        (
            json!({ "compression": "bzip2" }),
            "compression \"bzip2\": expected gzip, zstd, zstd:chunked or none",
        ),
        (
            json!({ "onConflict": "both" }),
            "layer specification, onConflict: expected \"error\", \"first\" or \"last\", found \
             \"both\"",
        ),
        (
            json!({ "owner": { "user": 0 } }),
            "owner: unknown member \"user\"; expected one of uid, gid",
        ),
        (
            json!({ "perms": [{}] }),
            "perms[0]: it has no glob: add one that matches destinations, for example \"bin/*\"",
        ),
        (
            json!({ "perms": [{ "glob": "*", "mode": 755 }] }),
            "perms[0], mode: write the octal digits as a string, as in \"0755\", instead of 755",
        ),
    ] {
        assert_eq!(refused(json), message);
    }
}
