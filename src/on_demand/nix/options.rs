//! How Nix is run.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// How Nix is run, and what it may use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NixOptions {
    /// The folder with Nix's programs, such as `nix-store`. Without it, they are found by `PATH`.
    pub programs: Option<PathBuf>,
    /// The environment of Nix and git: nothing else of this process's environment reaches them.
    /// `HOME` is a folder in the state.
    pub environment: BTreeMap<String, String>,
    /// Settings of Nix, such as `substituters`, which take precedence over those in its files.
    /// Settings that keep evaluations restricted cannot be changed.
    pub settings: BTreeMap<String, String>,
    /// Whether packages may be built. Otherwise, they must be in a binary cache or in the store.
    pub allow_builds: bool,
    /// The number of derivations that one request builds at a time.
    pub jobs: u32,
    /// The maximum time of an evaluation, and of reading a source or Nix's database.
    pub evaluation_time: Duration,
    /// The maximum time of substituting and building the packages of one request.
    pub realisation_time: Duration,
    /// The maximum time in which a builder may write nothing.
    pub silent_time: Duration,
    /// The maximum address space of an evaluation in bytes.
    pub evaluation_memory: Option<u64>,
    /// The maximum size of a closure in bytes.
    pub closure_size: u64,
}

/// Packages are only substituted. An evaluation may take a minute and 8 GiB of address space, of
/// which newer versions of Nix reserve much more than they use. Everything else may take half an
/// hour, and a closure may have 8 GiB.
impl Default for NixOptions {
    fn default() -> Self {
        let path = "/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/local/bin:\
                    /usr/bin:/bin";
        Self {
            programs: None,
            environment: [("PATH".to_owned(), path.to_owned())].into(),
            settings: BTreeMap::new(),
            allow_builds: false,
            jobs: 1,
            evaluation_time: Duration::from_secs(60),
            realisation_time: Duration::from_secs(30 * 60),
            silent_time: Duration::from_secs(10 * 60),
            evaluation_memory: Some(8 << 30),
            closure_size: 8 << 30,
        }
    }
}
