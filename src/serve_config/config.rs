//! All sections of the configuration.

use std::{collections::BTreeMap, path::PathBuf};

use crate::serve_config::{
    section::section,
    values::{Address, LogFormat, Period},
};
#[cfg(feature = "on-demand")]
use crate::{
    on_demand::Metapackage,
    serve_config::{
        packages::{EvictionSection, LimitSection, NameSection, PackageSection},
        storage::StorageSection,
    },
};

section! {
    /// Everything that `serve` is told.
    ServeConfig {
        /// The address to listen on; port 0 selects a free port. A port alone is on this machine
        /// only; :PORT is on all its IPv4 addresses
        listen: Address = Address::default(), "--listen";

        /// Host names by which clients reach the address. IP addresses, localhost and the names in
        /// the certificate are always accepted. Requests for other names are
        /// refused, to protect against DNS rebinding by web pages
        hosts: Vec<String> = Vec::new(), "--host";

        /// The certificate
        tls: TlsSection = TlsSection::default();

        /// Require a user name and password. The file has bcrypt hashes, as written by `htpasswd
        /// -B`. It is read again when it changes
        htpasswd: Option<PathBuf> = None, "--htpasswd";

        /// Allow users and tokens to pull some names only. Each line of the file is `user NAME
        /// NAMES...` or `token sha256:HEX NAMES...`; a name allows those below it too, and * all.
        /// It is read again when it changes
        access: Option<PathBuf> = None, "--access";

        /// Answer /livez, /readyz and /metrics (for Prometheus) at this address, without TLS and
        /// login
        operations: Option<Address> = None, "--operations";

        /// Show browsers a page about this registry and its images
        page: bool = true, "--no-page";

        /// How long to finish requests after a signal to end
        drain: Period<0> = Period::seconds(10), "--drain";

        /// Log requests on standard error. This is the default if standard error is a terminal
        verbose: bool = false, "--verbose";

        /// The form of the lines on standard error: text, or JSON objects
        log_format: LogFormat = LogFormat::Text, "--log-format";

        /// Layouts (folders, oci-archives or docker-archives) by the names of their repositories
        layouts: BTreeMap<String, PathBuf> = BTreeMap::new(), "[NAME=]DIR";

        /// Images of packages
        #[cfg(feature = "on-demand")]
        packages: PackageSection = PackageSection::default();

        /// What names mean
        #[cfg(feature = "on-demand")]
        names: NameSection = NameSection::default();

        /// What a component of a name adds to an image: `packages`, `user`, `environment`, `files`
        /// and `command`, all optional. A package with a question mark is left out if the package
        /// set does not have it. `shell`, `network` and `debug` are replaced if they are here
        #[cfg(feature = "on-demand")]
        metapackages: BTreeMap<String, Metapackage> = BTreeMap::new();

        /// Limits on work and time
        #[cfg(feature = "on-demand")]
        limits: LimitSection = LimitSection::default();

        /// Which images are forgotten
        #[cfg(feature = "on-demand")]
        eviction: EvictionSection = EvictionSection::default();

        /// Where the state is
        #[cfg(feature = "on-demand")]
        storage: StorageSection = StorageSection::default();
    }
}

section! {
    /// The certificate.
    TlsSection {
        /// Use TLS with the certificate in this PEM file. The file is read again when it changes
        cert: Option<PathBuf> = None, "--tls-cert";

        /// PEM file with the key of the certificate
        key: Option<PathBuf> = None, "--tls-key";
    }
}
