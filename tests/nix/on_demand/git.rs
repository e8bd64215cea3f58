//! Package sets in a git repository.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use oci_layout::{
    on_demand::{NixPackages, PackageSource, SourceKind, SourceOptions},
    registry::{
        NamedImageErrorKind::{Failed, TagUnknown},
        Stop,
    },
};

use super::{Set, system};
use crate::{
    common::tool::{run, tool},
    nix::versions::{Nix, Version},
};

/// A repository whose package set has a package with the name of the last commit.
struct Repository(PathBuf);

impl Repository {
    fn new(set: &Set<'_>) -> Self {
        let repository = Self(set.folder.with_file_name("repository"));
        fs::create_dir(&repository.0).unwrap();
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut git = tool("git");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "a").env(format!("GIT_{who}_EMAIL"), "a@b");
        }
        run(git.current_dir(&self.0).args(arguments)).trim().to_owned()
    }

    fn commit(&self, name: &str) -> String {
        let text = format!(
            "{{ system }}: {{ it = derivation {{ name = \"{name}\"; inherit system; builder = ./default.nix; }}; }}"
        );
        fs::write(self.0.join("default.nix"), text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", name]);
        self.git(&["rev-parse", "HEAD"])
    }
}

fn packages(set: &Set<'_>, url: &Path, change: impl FnOnce(&mut SourceOptions)) -> NixPackages {
    let mut options = SourceOptions::default();
    options.remember = Duration::ZERO;
    change(&mut options);
    let source = SourceKind::Git(format!("file://{}", url.display()));
    NixPackages::new(&source, options, set.options(), &set.state).unwrap()
}

fn name_at(packages: &NixPackages, revision: &str) -> String {
    let stop = Stop::default();
    let resolved = packages.resolve(revision, system(), &["it".to_owned()], &stop);
    resolved.unwrap_or_else(|error| panic!("{revision}: {error:?}")).packages[0].name.clone()
}

#[test]
fn branches_tags_and_commits_of_branches_are_found() {
    let nix = Nix::new(Version::System);
    let set = Set::new(&nix);
    let repository = Repository::new(&set);
    let first = repository.commit("first");
    repository.git(&["tag", "light"]);
    repository.git(&["tag", "--annotate", "--message", "x", "v1.0"]);
    let second = repository.commit("second");
    repository.git(&["checkout", "--quiet", "-b", "other"]);
    let other = repository.commit("other");
    repository.git(&["tag", "main"]);
    repository.git(&["checkout", "--quiet", "main", "--"]);
    // As hosts serve a fork's proposal, and as a branch leaves a commit that was amended.
    repository.git(&["checkout", "--quiet", "--detach"]);
    let foreign = repository.commit("foreign");
    repository.git(&["update-ref", "refs/pull/1/head", "HEAD"]);
    repository.git(&["checkout", "--quiet", "refs/heads/main"]);
    repository.git(&["checkout", "--quiet", "-B", "main"]);

    let of = packages(&set, &repository.0, |_| ());
    let stop = Stop::default();
    let revision = |tag: &str| of.revision(tag, &stop);
    assert_eq!(revision("latest").unwrap(), second);
    // A branch comes before a tag with the same name.
    assert_eq!(revision("main").unwrap(), second);
    assert_eq!(revision("other").unwrap(), other);
    assert_eq!(revision("light").unwrap(), first);
    assert_eq!(revision("v1.0").unwrap(), first);
    assert_eq!(revision(&first).unwrap(), first);
    assert_eq!(revision(&other).unwrap(), other);
    assert_eq!(of.tags(), ["latest", "light", "main", "other", "v1.0"]);
    for (revision, name) in [(&first, "first"), (&second, "second"), (&other, "other")] {
        assert_eq!(name_at(&of, revision), name);
    }

    let tree = repository.git(&["rev-parse", "HEAD^{tree}"]);
    let zeros = "0".repeat(40);
    for tag in [
        &foreign[..],
        &tree,
        &zeros,
        &first[..12],
        "HEAD",
        "FETCH_HEAD",
        "a..b",
        "main..other",
        "main.lock",
        "main.",
        "v1.0-0-g",
        "--all",
        "-x",
        "refs",
        "head",
        "a^",
        "a~1",
        "@",
        "a@{1}",
        "a:b",
        "",
        "..",
        "pull",
        "main\n",
        "$(id)",
        "*",
        "ma?n",
    ] {
        let error = revision(tag).unwrap_err();
        assert_eq!(error.kind, TagUnknown, "{tag:?}: {error:?}");
    }
    // A process that starts later uses the same clone and checkouts.
    let later = packages(&set, &repository.0, |_| ());
    assert_eq!(name_at(&later, &first), "first");

    let limited = packages(&set, &repository.0, |options| {
        options.branches = vec!["main".to_owned()];
        options.tags = [("stable".to_owned(), "other".to_owned())].into();
    });
    assert_eq!(limited.revision("other", &stop).unwrap_err().kind, TagUnknown);
    assert_eq!(limited.revision(&other, &stop).unwrap_err().kind, TagUnknown);
    assert_eq!(limited.revision(&first, &stop).unwrap(), first);
    assert_eq!(limited.revision("stable", &stop).unwrap(), other);
    assert_eq!(limited.tags(), ["latest", "light", "main", "stable", "v1.0"]);
}

#[test]
fn a_branch_that_moves_is_pinned_for_a_while() {
    let nix = Nix::new(Version::System);
    let set = Set::new(&nix);
    let repository = Repository::new(&set);
    let first = repository.commit("first");
    let pinned = packages(&set, &repository.0, |o| o.remember = Duration::from_secs(3600));
    let stop = Stop::default();
    assert_eq!(pinned.revision("main", &stop).unwrap(), first);
    let second = repository.commit("second");
    assert_eq!(pinned.revision("main", &stop).unwrap(), first);
    assert_eq!(name_at(&pinned, &first), "first");
    let fresh = packages(&set, &repository.0, |_| ());
    assert_eq!(fresh.revision("main", &stop).unwrap(), second);

    // Rewritten history: the old commit is in no branch any more.
    repository.git(&["commit", "--quiet", "--amend", "--message", "third"]);
    assert_ne!(fresh.revision("main", &stop).unwrap(), second);
    assert_eq!(fresh.revision(&second, &stop).unwrap_err().kind, TagUnknown);
    repository.git(&["branch", "gone"]);
    assert!(fresh.revision("gone", &stop).is_ok());
    repository.git(&["branch", "--delete", "--quiet", "gone"]);
    assert_eq!(fresh.revision("gone", &stop).unwrap_err().kind, TagUnknown);
}

#[test]
fn a_repository_that_cannot_be_fetched_is_not_named() {
    let nix = Nix::new(Version::System);
    let set = Set::new(&nix);
    let of = packages(&set, Path::new("/nonexistent/repository"), |_| ());
    let error = of.revision("main", &Stop::default()).unwrap_err();
    assert_eq!(error.kind, Failed, "{error:?}");
    assert!(!error.message.contains("nonexistent"), "{error}");
    assert!(error.detail.unwrap().contains("nonexistent"));
    // Git would run a program for such a URL.
    let mark = nix.folder().join("mark");
    let source = SourceKind::Git(format!("ext::touch {}", mark.display()));
    let of = NixPackages::new(&source, SourceOptions::default(), set.options(), &set.state);
    assert!(of.unwrap().revision("main", &Stop::default()).is_err());
    assert!(!mark.exists());
}
