//! Mistakes of users stop the evaluation or the build with a helpful message. Another module has the
//! mistakes in names and types.

use crate::nix::versions::{Nix, for_each_nix};

for_each_nix! { each_mistake_has_its_sentence }

/// The attribute in `mistakes.nix`, and parts of the message, in this order.
const MISTAKES: &[(&str, &[&str])] = &[
    ("twoContents", &["error: files[0] (\"/bin/jq\"): it has source and text: keep only one\n"]),
    (
        "noDestination",
        &["error: files[0]: it has no destination, which only a source can omit: add one\n"],
    ),
    (
        "noSource",
        &["error: files[0] (\"/bin/jq\"): it does not say what the file is: add one of source, \
             text, "],
    ),
    ("quoted", &["source \"./app.conf\" is a string; write a path without quotes: ./app.conf"]),
    (
        "keptOwner",
        &["-jq\": uid = \"keep\" depends on the machine, except for a tar; omit it, or set a \
             value"],
    ),
    (
        "dots",
        &[
            "error: destination \"/bin/../../etc/jq\" has `..`: write the path in the image without \
             it\n",
        ],
    ),
    (
        "missingSource",
        &[
            "error: source \"/nix/store/",
            "-left/bin/left\" does not exist: correct the path, or create the file",
        ],
    ),
    ("missingPath", &["/tests/nix/nothing-here'"]),
    (
        "sourceOutsideOfStore",
        &["oci-layout: /etc/passwd is not in the Nix store; pass a package, a path without quotes"],
    ),
    (
        "tarOutsideOfStore",
        &["oci-layout: /root.tar is not in the Nix store; pass a package, a path without quotes"],
    ),
    (
        "outsideOfStore",
        &["error: oci-layout: /etc/passwd is not in the Nix store; pass a package, "],
    ),
    (
        "withoutImage",
        &[
            "oci-layout: without: /nix/store/",
            "-image-layered is an image; pass its layers: without = image.layers",
        ],
    ),
    (
        "pathInPackage",
        &[
            "oci-layout: copyToRoot: /nix/store/",
            "-left/etc is a path inside a package; use files = ",
        ],
    ),
    (
        "conflict",
        &[
            "error: \"/etc/motd\" is provided twice, by \"/nix/store/",
            "-left/etc/motd\" and by \"/nix/store/",
            "-right/etc/motd\": ",
        ],
    ),
    (
        "conflictOfFiles",
        &[
            "error: \"/etc/motd\" is provided twice, by \"/nix/store/",
            "-left/etc/motd\" and by a text of 4 bytes: remove one",
        ],
    ),
    ("missingPolicy", &["/tests/nix/nothing-here.yaml'"]),
    ("wrongPolicy", &["policy.json", "unknown field `rootUsr`"]),
    ("emptyPolicy", &["policy.json", "checks nothing"]),
    ("imageOfCheck", &["-oci-layout\" has no image with the tag \"none\""]),
    (
        "brokenBase",
        &[
            "-broken\" is not sound: ",
            "layers[0] (sha256:",
            "): is damaged: ",
            "-oci-base-checked.drv",
        ],
    ),
    (
        "noBase",
        &[
            "-jq\" is not sound: ",
            "is neither the folder of an image layout, an oci-archive nor a docker-archive",
        ],
    ),
    (
        "noTag",
        &["-oci-layout\" has no image with the tag \"medium\": it has large, latest, small\n"],
    ),
    (
        "twoConfigs",
        &["ociImageManifest: config and extraConfig exclude each other; pass extraConfig to \
             ociImageConfig"],
    ),
    (
        "twoConfigsOfBase",
        &["config and inheritConfig exclude each other; pass inheritConfig to ociImageConfig"],
    ),
    (
        "twoConfigsInOne",
        &["image two: config and extraConfig.config exclude each other; move everything into \
             config"],
    ),
    (
        "noDirectoryOfBase",
        &["error: the base has a directory at \"/usr/bin\", and a text of 1 bytes would replace \
             it: "],
    ),
    ("noFileOfBase", &["error: the base has a file at \"/etc/file\", and "]),
    (
        "linkOfBase",
        &[
            "passes through \"/broken\", a symbolic link of the base to \"nowhere\": the link leads \
             to nothing",
        ],
    ),
    (
        "linkOfLayer",
        &[
            "passes through \"/broken\", a symbolic link of the base to \"nowhere\": the link leads \
             to nothing",
        ],
    ),
    (
        "linkInImage",
        &["error: the base has a ", " at \"/bin\", and a text of 1 bytes would replace it: "],
    ),
    ("tagOfBase", &["-oci-layout\" has no image with the tag \"none\""]),
    ("platformOfBase", &["-oci-layout\" has no image for linux/riscv64; it has linux/"]),
    ("aboveImage", &["give the folder of a layer, written by `oci-layout layer-tar`"]),
    (
        "aboveAFunction",
        &["above contains a function; put the call in parentheses: [ (ociLayerTar { }) ]"],
    ),
    ("damagedLayerOfBase", &["is damaged", "-oci-base-entries.drv"]),
    (
        "namelessText",
        &["error: destination \"/etc/\" ends with a slash, but the source has no name to use in \
             that directory"],
    ),
    (
        "namelessFile",
        &["error: destination \"/etc/\" ends with a slash, but the source has no name to use in \
             that directory"],
    ),
    (
        "twoConfigsAndVariable",
        &["config and unsetEnv exclude each other; pass unsetEnv to ociImageConfig"],
    ),
    (
        "strictPlatform",
        &["platform \"linux/aarch64\" is written as \"linux/arm64\", the name that images use \
             (strict: "],
    ),
    (
        "strictVariable",
        &[
            "config.Env, variable PATH (set by ",
            "): $PATH is not set before, ",
            "(strict: warnings are ",
        ],
    ),
    (
        "noLayer",
        &["-jq\" is not a folder: give the folder of a layer, written by `oci-layout layer-tar`\n"],
    ),
    (
        "aFunction",
        &["layers contains a function; put the call in parentheses: [ (ociLayerTar { }) ]"],
    ),
    (
        "aFunctionInManifests",
        &["manifests contains a function; put the call in parentheses: [ (ociLayerTar { }) ]"],
    ),
    (
        "aFunctionInWithout",
        &["without contains a function; put the call in parentheses: [ (ociLayerTar { }) ]"],
    ),
    (
        "aFunctionInClosure",
        &["closure contains a function; put the call in parentheses: [ (ociLayerTar { }) ]"],
    ),
    ("typoInFakeNss", &["called with unexpected argument 'extraPasswd'"]),
    ("importFromDerivation", &["allow-import-from-derivation"]),
    (
        "notAlone",
        &[
            "alone, \"/nix/store/",
            "-letters\": it is not in the closure, or a layer below already has it: ",
        ],
    ),
    (
        "fewLayers",
        &["image few: maxLayers = 1 leaves no layer for the closure, ", "; set at least 3"],
    ),
    (
        "databaseWithout",
        &[
            "-words\": it refers to \"/nix/store/",
            "-letters\", which no layer of the image holds, so that ",
        ],
    ),
];

fn each_mistake_has_its_sentence(nix: Nix) {
    let mut wrong = Vec::new();
    for (mistake, sentence) in MISTAKES {
        let said = nix.refused(&format!("mistakes.{mistake}"));
        let mut rest = &*said;
        for part in *sentence {
            let Some((_, after)) = rest.split_once(part) else {
                wrong.push(format!("{mistake}: missing, or not in this order: {part}\n{said}"));
                break;
            };
            rest = after;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
