//! Two mappings for one path, in every combination and with every policy.

use std::fs;

use crate::common::{self, lines, message};
use oci_layout::{Compression, FileMapping, LayerOptions, OnConflict, layer_tar};
use tempfile::TempDir;

/// Names a column or row: the kind of entry that is put at `/x`.
struct Kinds {
    dir: TempDir,
    names: &'static str,
}

impl Kinds {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        fs::write(dir.path().join("folder/in"), "").unwrap();
        fs::write(dir.path().join("same"), "a").unwrap();
        let mut tar = tar::Builder::new(fs::File::create(dir.path().join("file.tar")).unwrap());
        let mut header = tar::Header::new_ustar();
        header.set_size(1);
        header.set_mode(0o644);
        header.set_mtime(1);
        tar.append_data(&mut header, "x", &b"a"[..]).unwrap();
        tar.into_inner().unwrap();
        let mut tar =
            tar::Builder::new(fs::File::create(dir.path().join("directory.tar")).unwrap());
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(0o750);
        tar.append_data(&mut header, "x/", &b""[..]).unwrap();
        tar.into_inner().unwrap();
        Self { dir, names: "afbmtcdpsqlkw" }
    }

    fn mapping(&self, kind: char) -> FileMapping {
        let at = |name: &str| self.dir.path().join(name);
        match kind {
            'a' => FileMapping::text("a", "/x"),
            'f' => FileMapping::new(at("same"), "/x"),
            'b' => FileMapping::text("b", "/x"),
            'm' => FileMapping::text("a", "/x").mode(0o600),
            't' => FileMapping::tar(at("file.tar"), "/"),
            // An entry below: the directory is only implied.
            'c' => FileMapping::text("c", "/x/child"),
            'd' => FileMapping::directory("/x"),
            'p' => FileMapping::directory("/x").mode(0o700),
            's' => FileMapping::new(at("folder"), "/x"),
            'q' => FileMapping::tar(at("directory.tar"), "/"),
            'l' => FileMapping::symlink("to", "/x"),
            'k' => FileMapping::symlink("elsewhere", "/x"),
            'w' => FileMapping::whiteout("/x"),
            other => panic!("{other}"),
        }
    }
}

/// `=`: the two merge or are equal. `!`: a conflict.
const TABLE: &str = "
  afbmtcdpsqlkw
a ==!!=!!!!!!!=
f ==!!=!!!!!!!=
b !!=!!!!!!!!!=
m !!!=!!!!!!!!=
t ==!!=!!!!!!!=
c !!!!!=====!!=
d !!!!!==!=!!!=
p !!!!!=!==!!!=
s !!!!!=====!!=
q !!!!!=!!==!!=
l !!!!!!!!!!=!=
k !!!!!!!!!!!==
w =============
";

#[test]
fn two_mappings_on_one_path() {
    let kinds = Kinds::new();
    let rows: Vec<&str> = TABLE.trim().lines().skip(1).collect();
    assert_eq!(rows.len(), kinds.names.len());
    for (row, first) in rows.into_iter().zip(kinds.names.chars()) {
        for (outcome, second) in row[2..].chars().zip(kinds.names.chars()) {
            let both = || [kinds.mapping(first), kinds.mapping(second)];
            let [one, other] = both();
            let with = |policy| lines(both(), LayerOptions::default().on_conflict(policy));
            let alone = |mapping| lines([mapping], LayerOptions::default());
            match outcome {
                '=' => {
                    let merged = with(OnConflict::Error);
                    assert_eq!(with(OnConflict::FirstWins), merged, "{first}{second}");
                    assert_eq!(with(OnConflict::LastWins), merged, "{first}{second}");
                    let swapped = lines([other, one], LayerOptions::default());
                    assert_eq!(swapped, merged, "{first}{second}");
                }
                '!' => {
                    let said = message(layer_tar(both(), Compression::None));
                    assert!(
                        said.starts_with("\"/x\" is provided twice, by "),
                        "{first}{second}: {said}"
                    );
                    assert_eq!(with(OnConflict::FirstWins), alone(one), "{first}{second}");
                    assert_eq!(with(OnConflict::LastWins), alone(other), "{first}{second}");
                }
                other => panic!("{other}"),
            }
        }
    }
}

/// The result for each equals sign.
#[test]
fn mappings_that_merge_without_a_conflict() {
    let kinds = Kinds::new();
    let of =
        |names: &str| lines(names.chars().map(|name| kinds.mapping(name)), LayerOptions::default());
    assert_eq!(of("aft"), ["-0644 0:0 1 x \"a\""]);
    assert_eq!(of("cd"), ["d0755 0:0 1 x/", "-0644 0:0 1 x/child \"c\""]);
    assert_eq!(of("cp"), ["d0700 0:0 1 x/", "-0644 0:0 1 x/child \"c\""]);
    assert_eq!(of("sp"), ["d0700 0:0 1 x/", "-0644 0:0 1 x/in \"\""]);
    assert_eq!(of("scq"), ["d0750 0:0 1 x/", "-0644 0:0 1 x/child \"c\"", "-0644 0:0 1 x/in \"\""]);
    assert_eq!(of("wa"), ["-0644 0:0 1 .wh.x \"\"", "-0644 0:0 1 x \"a\""]);
    // A listed folder has the layer's owner, an implied one is root's.
    let owned = |name| lines([kinds.mapping(name)], LayerOptions::default().owner(5, 6))[0].clone();
    assert_eq!(
        (owned('s'), owned('c')),
        ("d0755 5:6 1 x/".to_owned(), "d0755 0:0 1 x/".to_owned())
    );
}

/// Three mappings: the winner removes or keeps the paths below.
#[test]
fn paths_below_follow_the_winner_of_a_conflict() {
    let kinds = Kinds::new();
    let of = |names: &str, policy| {
        lines(
            names.chars().map(|name| kinds.mapping(name)),
            LayerOptions::default().on_conflict(policy),
        )
    };
    let file = ["-0644 0:0 1 x \"a\""];
    assert_eq!(of("dca", OnConflict::LastWins), file);
    assert_eq!(of("adc", OnConflict::FirstWins), file);
    assert_eq!(of("lcs", OnConflict::FirstWins), ["l0777 0:0 1 x -> to"]);
    // A directory that replaces a directory keeps its contents.
    assert_eq!(of("dcp", OnConflict::LastWins), ["d0700 0:0 1 x/", "-0644 0:0 1 x/child \"c\""]);
    assert_eq!(of("dcp", OnConflict::FirstWins), ["d0755 0:0 1 x/", "-0644 0:0 1 x/child \"c\""]);
    assert_eq!(of("cal", OnConflict::LastWins), ["l0777 0:0 1 x -> to"]);
    assert_eq!(of("alc", OnConflict::LastWins), ["d0755 0:0 1 x/", "-0644 0:0 1 x/child \"c\""]);
}

/// Links are not followed, so a file in the target of a link must name the target.
#[test]
fn a_path_below_a_symbolic_link_is_a_conflict() {
    let files =
        [FileMapping::symlink("usr/lib", "/lib"), FileMapping::text("", "/lib/deep/down/x")];
    assert_eq!(
        message(layer_tar(files, Compression::None)),
        "\"/lib\" is provided twice, by a link to \"usr/lib\" (a symbolic link, mode 0777, owner \
         0:0) and by a text of 0 bytes: remove one, exclude the path from it, or choose which one \
         wins"
    );
}

/// All attributes and every byte must be equal.
#[test]
fn files_are_equal_or_not() {
    let dir = TempDir::new().unwrap();
    let contents = common::text(700_000, 1);
    let mut other = contents.clone();
    *other.last_mut().unwrap() ^= 1;
    for (name, contents) in [("one", &contents), ("equal", &contents), ("other", &other)] {
        fs::write(dir.path().join(name), contents).unwrap();
    }
    let file = |name: &str| FileMapping::new(dir.path().join(name), "/x");
    assert_eq!(
        lines([file("one"), file("equal")], LayerOptions::default()),
        ["-0644 0:0 1 x 700000 bytes"]
    );
    let (one, path) = (dir.path().join("one"), dir.path().join("other"));
    assert_eq!(
        message(layer_tar([file("one"), file("other")], Compression::None)),
        format!(
            "\"/x\" is provided twice, by {one:?} and by {path:?}: remove one, exclude the path \
             from it, or choose which one wins"
        )
    );
    let text = || FileMapping::text("a", "/x");
    for other in [
        text().mode(0o640),
        text().owner(1, 0),
        text().owner(0, 1),
        text().mtime(2),
        text().xattr("user.a", ""),
    ] {
        assert!(
            message(layer_tar([text(), other], Compression::None))
                .starts_with("\"/x\" is provided twice")
        );
    }
    assert_eq!(
        lines([text(), text().mode(0o644).owner(0, 0).mtime(1)], LayerOptions::default()).len(),
        1
    );
}
