//! Package sets in a git repository.
//!
//! The repository is cloned whole, because only its history says whether a branch contains a
//! commit. A commit that no allowed branch contains is refused: hosts such as GitHub serve the
//! commits of every fork below the name of the original, so that anybody could choose the Nix code
//! that is evaluated.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::PathBuf,
    process::Command,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{
    document::name::is_tag,
    on_demand::{
        nix::programs::{Programs, Unsuccessful},
        source::{
            checkout::Checkouts,
            place::Place,
            tag::{LATEST, unknown_tag},
        },
    },
    pool::lock,
    registry::{
        NamedImageError,
        NamedImageErrorKind::{Failed, Internal},
        Stop,
    },
};

/// Where the commit of the remote `HEAD` is kept.
const HEAD: &str = "refs/oci-layout/head";

/// A repository, with a clone in the state.
pub(crate) struct Git {
    url: String,
    tags: BTreeMap<String, String>,
    branches: Vec<String>,
    clone: PathBuf,
    checkouts: Checkouts,
    fetched: Mutex<Option<Instant>>,
    /// The branches and tags of the last fetch.
    known: Mutex<Vec<String>>,
}

impl Git {
    /// A repository of which tags in `tags` mean branches, and only these branches may be used, or
    /// all if there are none.
    pub(crate) fn new(
        url: String,
        tags: BTreeMap<String, String>,
        branches: Vec<String>,
        state: PathBuf,
    ) -> Self {
        let (clone, checkouts) = (state.join("git"), Checkouts::new(state.join("checkouts")));
        let (fetched, known) = (Mutex::default(), Mutex::default());
        Self { url, tags, branches, clone, checkouts, fetched, known }
    }

    /// The branches and tags of the last fetch that clients can write as tags.
    pub(crate) fn known_tags(&self) -> Vec<String> {
        lock(&self.known).clone()
    }

    /// The commit that a tag means. The clone is at most `age` old.
    pub(crate) fn revision(
        &self,
        programs: &Programs,
        tag: &str,
        age: Duration,
        stop: &Stop,
    ) -> Result<String, NamedImageError> {
        if !is_tag(tag) {
            return Err(unknown_tag(tag, "it is malformed"));
        }
        self.fetch(programs, age, stop)?;
        let reference = |name: &str| self.reference(programs, name, stop);
        if let Some(branch) = self.tags.get(tag) {
            let commit = reference(&format!("refs/heads/{branch}"))?;
            return commit
                .ok_or_else(|| unknown_tag(tag, &format!("its branch {branch:?} does not exist")));
        }
        if self.is_allowed(tag)
            && let Some(commit) = reference(&format!("refs/heads/{tag}"))?
        {
            return Ok(commit);
        }
        if let Some(commit) = reference(&format!("refs/tags/{tag}"))? {
            return Ok(commit);
        }
        if tag == LATEST
            && let Some(commit) = reference(HEAD)?
            && self.contains(programs, &commit, stop)?
        {
            return Ok(commit);
        }
        if is_commit(tag) && self.contains(programs, tag, stop)? {
            return Ok(tag.to_owned());
        }
        Err(unknown_tag(
            tag,
            "the repository has no such branch or tag, and no allowed branch contains such a \
             commit",
        ))
    }

    /// The checkout of a commit, if it is there.
    pub(crate) fn known_place(&self, revision: &str) -> Option<Place> {
        let folder = is_commit(revision).then(|| self.checkouts.known(revision))??;
        Place::folder(folder).ok()
    }

    /// A checkout of a commit.
    pub(crate) fn place(
        &self,
        programs: &Programs,
        revision: &str,
        stop: &Stop,
    ) -> Result<Place, NamedImageError> {
        if !is_commit(revision) {
            return Err(NamedImageError::new(Internal, "the revision is not a commit"));
        }
        let folder = self.checkouts.get(revision, |folder, index| {
            if !self.clone.exists() {
                self.fetch(programs, Duration::ZERO, stop)?;
            }
            let failed = |failure: Unsuccessful| {
                failure.because(|reason| format!("the commit {revision} is not there: {reason}"))
            };
            let time = programs.options.realisation_time;
            let what = "reading the repository";
            for words in [&["read-tree", revision][..], &["checkout-index", "--all", "--quiet"]] {
                let mut git = self.git(programs);
                git.env("GIT_INDEX_FILE", index).env("GIT_WORK_TREE", folder);
                git.current_dir(folder).args(words);
                programs.run_for(&mut git, what, time, None, stop).map_err(failed)?;
            }
            Ok(())
        })?;
        Place::folder(folder)
    }

    /// Fetches branches and tags, unless that was done within this time.
    fn fetch(
        &self,
        programs: &Programs,
        age: Duration,
        stop: &Stop,
    ) -> Result<(), NamedImageError> {
        if lock(&self.fetched).is_some_and(|fetched| fetched.elapsed() < age) {
            return Ok(());
        }
        let failed = |failure: Unsuccessful| match failure {
            Unsuccessful::Refused(stderr) => {
                let message = "the registry cannot fetch its package set: ask its operator";
                NamedImageError::new(Failed, message).detail(stderr)
            }
            Unsuccessful::Error(error) => error,
        };
        let time = programs.options.realisation_time;
        let what = "fetching the package set";
        fs::create_dir_all(&self.clone).map_err(|cause| {
            let message = "the registry cannot write its state: ask its operator";
            let detail = format!("{}: {cause}", self.clone.display());
            NamedImageError::new(Internal, message).detail(detail)
        })?;
        let mut init = self.git(programs);
        init.args(["init", "--quiet", "--bare", "--template="]);
        programs.run(&mut init, what, stop).map_err(failed)?;
        let mut fetch = self.git(programs);
        fetch.args(["-c", "gc.autoDetach=false", "fetch", "--quiet", "--force", "--prune"]);
        fetch.args(["--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]);
        fetch.args(["--", &self.url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
        fetch.arg(format!("+HEAD:{HEAD}"));
        programs.run_for(&mut fetch, what, time, None, stop).map_err(failed)?;

        let mut list = self.git(programs);
        list.args(["for-each-ref", "--format=%(refname)", "refs/heads/", "refs/tags/"]);
        let output = programs.run(&mut list, what, stop).map_err(failed)?;
        let names = String::from_utf8_lossy(&output);
        let names = names.lines().filter_map(|name| {
            let branch = name.strip_prefix("refs/heads/").filter(|name| self.is_allowed(name));
            branch.or_else(|| name.strip_prefix("refs/tags/")).map(str::to_owned)
        });
        *lock(&self.known) = names.filter(|name| is_tag(name)).collect();
        *lock(&self.fetched) = Some(Instant::now());
        Ok(())
    }

    /// The commit of a reference with exactly this name.
    fn reference(
        &self,
        programs: &Programs,
        name: &str,
        stop: &Stop,
    ) -> Result<Option<String>, NamedImageError> {
        let mut show = self.git(programs);
        show.args(["show-ref", "--verify", "--hash", "--", name]);
        let Some(object) = self.ask(programs, &mut show, stop)? else { return Ok(None) };
        // An annotated tag is an object of its own.
        let mut commit = self.git(programs);
        commit.args(["rev-parse", "--verify", "--quiet", &format!("{object}^{{commit}}")]);
        self.ask(programs, &mut commit, stop)
    }

    /// Whether an allowed branch contains a commit.
    fn contains(
        &self,
        programs: &Programs,
        commit: &str,
        stop: &Stop,
    ) -> Result<bool, NamedImageError> {
        let mut git = self.git(programs);
        git.args(["for-each-ref", "--count=1", "--format=%(refname)", "--contains", commit]);
        match &self.branches[..] {
            [] => _ = git.arg("refs/heads/"),
            branches => {
                git.args(branches.iter().map(|branch| format!("refs/heads/{branch}")));
            }
        }
        Ok(self.ask(programs, &mut git, stop)?.is_some_and(|found| !found.is_empty()))
    }

    /// The answer of git, or `None` if it reports an error.
    fn ask(
        &self,
        programs: &Programs,
        git: &mut Command,
        stop: &Stop,
    ) -> Result<Option<String>, NamedImageError> {
        match programs.run(git, "reading the repository", stop) {
            Ok(output) => Ok(Some(String::from_utf8_lossy(&output).trim().to_owned())),
            Err(Unsuccessful::Refused(_)) => Ok(None),
            Err(Unsuccessful::Error(error)) => Err(error),
        }
    }

    fn is_allowed(&self, branch: &str) -> bool {
        self.branches.is_empty() || self.branches.iter().any(|allowed| allowed == branch)
    }

    /// git on the clone, without the machine's configuration and without questions.
    fn git(&self, programs: &Programs) -> Command {
        let mut git = programs.command(OsStr::new("git"));
        for (name, value) in [
            ("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
        ] {
            if !programs.options.environment.contains_key(name) {
                git.env(name, value);
            }
        }
        git.env("GIT_DIR", &self.clone);
        git
    }
}

/// Whether this is the whole hash of a commit.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
