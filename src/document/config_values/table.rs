//! The members of an image configuration and their types.

use crate::document::config_values::{
    kinds::{Kind, Members},
    rules,
};

/// The members in the [image
/// specification](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties),
/// in its order.
pub(crate) const CONFIGURATION: Members = &[
    ("created", Kind::TextBy(rules::time)),
    ("author", Kind::Text),
    ("architecture", Kind::TextBy(rules::architecture)),
    ("os", Kind::TextBy(rules::os)),
    ("os.version", Kind::Text),
    ("os.features", Kind::Texts),
    ("variant", Kind::TextBy(rules::variant)),
    ("config", Kind::Object(CONFIG)),
    ("rootfs", Kind::Elsewhere),
    ("history", Kind::Objects(HISTORY)),
];

/// Further members that Docker wrote before there was a specification, and that engines still read.
pub(crate) const OLDER: Members = &[
    ("id", Kind::Text),
    ("parent", Kind::Text),
    ("comment", Kind::Text),
    ("container", Kind::Text),
    ("docker_version", Kind::Text),
    ("container_config", Kind::Object(&[])),
];

/// The members of `config` in the specification, then further members that
/// [Docker](https://github.com/moby/docker-image-spec/blob/v1.3.1/specs-go/v1/image.go) reads, then
/// members that only its older releases read.
pub(crate) const CONFIG: Members = &[
    ("User", Kind::TextBy(rules::user)),
    ("ExposedPorts", Kind::Set("an object of ports, as in {\"80/tcp\": {}}", rules::port)),
    ("Env", Kind::Variables),
    ("Entrypoint", Kind::TextsBy(rules::argument)),
    ("Cmd", Kind::TextsBy(rules::argument)),
    ("Volumes", Kind::Set("an object of paths, as in {\"/data\": {}}", rules::volume)),
    ("WorkingDir", Kind::TextBy(rules::working_dir)),
    ("Labels", Kind::TextMap),
    ("StopSignal", Kind::TextBy(rules::signal)),
    ("ArgsEscaped", Kind::Flag),
    ("Memory", Kind::Whole(0)),
    // -1 stands for no limit.
    ("MemorySwap", Kind::Whole(-1)),
    ("CpuShares", Kind::Whole(0)),
    ("Healthcheck", Kind::Object(HEALTHCHECK)),
    ("OnBuild", Kind::Texts),
    ("Shell", Kind::Texts),
    // In seconds. -1 stands for no limit.
    ("StopTimeout", Kind::Whole(-1)),
    ("Hostname", Kind::Text),
    ("Domainname", Kind::Text),
    ("AttachStdin", Kind::Flag),
    ("AttachStdout", Kind::Flag),
    ("AttachStderr", Kind::Flag),
    ("Tty", Kind::Flag),
    ("OpenStdin", Kind::Flag),
    ("StdinOnce", Kind::Flag),
    ("NetworkDisabled", Kind::Flag),
    ("MacAddress", Kind::Text),
    ("Image", Kind::Text),
];

/// Docker's `HealthcheckConfig`.
const HEALTHCHECK: Members = &[
    ("Test", Kind::ListBy(rules::health_test)),
    ("Interval", Kind::Duration),
    ("Timeout", Kind::Duration),
    ("StartPeriod", Kind::Duration),
    ("StartInterval", Kind::Duration),
    ("Retries", Kind::Whole(0)),
];

/// The members of an entry of `history`.
const HISTORY: Members = &[
    ("created", Kind::TextBy(rules::time)),
    ("author", Kind::Text),
    ("created_by", Kind::Text),
    ("comment", Kind::Text),
    ("empty_layer", Kind::Flag),
];
