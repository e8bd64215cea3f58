//! Channels and flakes, without a network.

use std::fs;

use oci_layout::{
    on_demand::{NixPackages, PackageSource, SourceKind, SourceOptions},
    registry::{NamedImageErrorKind::TagUnknown, Stop},
};

use super::{Set, system};
use crate::{
    common::tool::{run, tool},
    nix::versions::{Nix, for_each_nix},
};

for_each_nix!(a_channel_is_fetched_and_kept, a_flake_is_fetched_and_kept);

fn found(packages: &NixPackages, revision: &str) -> String {
    let stop = Stop::default();
    let resolved = packages.resolve(revision, system(), &["HELLO".to_owned()], &stop);
    resolved.unwrap_or_else(|error| panic!("{error:?}")).packages[0].attribute.clone()
}

fn a_channel_is_fetched_and_kept(nix: Nix) {
    let set = Set::new(&nix);
    let channels = nix.folder().join("channels");
    for name in ["one", "two"] {
        fs::create_dir_all(channels.join(name)).unwrap();
        fs::write(set.folder.join("name"), name).unwrap();
        let mut tar = tool("tar");
        tar.arg("--create")
            .arg("--xz")
            .arg("--file")
            .arg(channels.join(name).join("nixexprs.tar.xz"));
        run(tar.arg("--directory").arg(nix.folder()).arg("set"));
    }
    let make = || {
        let mut options = SourceOptions::default();
        options.channels = format!("file://{}", channels.display());
        options.tags = [("old".to_owned(), "two".to_owned())].into();
        let source = SourceKind::Channel("one".to_owned());
        NixPackages::new(&source, options, set.options(), &set.state).unwrap()
    };
    let (packages, stop) = (make(), Stop::default());
    let latest = packages.revision("latest", &stop).unwrap();
    let old = packages.revision("old", &stop).unwrap();
    assert_ne!(latest, old);
    assert_eq!(packages.revision("one", &stop).unwrap_err().kind, TagUnknown);
    assert_eq!(packages.tags(), ["latest", "old"]);
    assert_eq!(found(&packages, &latest), "hello");
    // Nothing is fetched again after a restart.
    set.collect();
    fs::remove_dir_all(&channels).unwrap();
    assert_eq!(found(&make(), &latest), "hello");
}

fn a_flake_is_fetched_and_kept(nix: Nix) {
    let set = Set::new(&nix);
    fs::write(
        set.folder.join("flake.nix"),
        format!(
            "{{ outputs = _: {{ legacyPackages.{0} = import ./. {{ system = \"{0}\"; }}; }}; }}",
            system()
        ),
    )
    .unwrap();
    let make = || {
        let source = SourceKind::Flake(format!("path:{}", set.folder.display()));
        NixPackages::new(&source, SourceOptions::default(), set.options(), &set.state).unwrap()
    };
    let (packages, stop) = (make(), Stop::default());
    let latest = packages.revision("latest", &stop).unwrap();
    assert_eq!(found(&packages, &latest), "hello");
    assert_eq!(packages.revision("main", &stop).unwrap_err().kind, TagUnknown);
    set.collect();
    fs::write(set.folder.join("other"), "").unwrap();
    assert_eq!(found(&make(), &latest), "hello");
    assert_ne!(make().revision("latest", &stop).unwrap(), latest);
}
