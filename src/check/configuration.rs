//! Checks of the configuration: the metadata test of container-structure-test, and labels.

use std::collections::BTreeMap;

use crate::{
    check::{
        finding::{Checks, Rule},
        policy::{Policy, RequiredLabel},
        structure_tests::{MetadataTest, Variable},
        violation::Violation,
    },
    document::{Configuration, ContainerConfig},
};

pub(crate) fn check(policy: &Policy, configuration: &Configuration, checks: &mut Checks) {
    let config = configuration.config.clone().unwrap_or_default();
    if let Some(test) = &policy.members.metadata_test {
        metadata(test, &config, checks);
    }
    for label in policy.members.required_labels.iter().flatten() {
        checks.add_configuration(
            Rule::RequiredLabels,
            &label.key,
            "Labels",
            required(label, &config),
        );
    }
}

fn metadata(test: &MetadataTest, config: &ContainerConfig, checks: &mut Checks) {
    let mut check = |name: String, member: &str, found: Option<Violation>| {
        checks.add_configuration(Rule::MetadataTest, name, member, found);
    };
    // Of a variable with several values, the last counts.
    let env: BTreeMap<&str, &str> =
        config.env.iter().map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    for variable in test.env_vars.iter().flatten() {
        let actual = env.get(&*variable.key).copied();
        check(format!("envVars {}", variable.key), "Env", differs(variable, actual, "variable"));
    }
    for variable in test.unbound_env_vars.iter().flatten() {
        let is_set = env.contains_key(&*variable.key);
        let found = is_set.then(|| excluded("variable", &variable.key));
        check(format!("unboundEnvVars {}", variable.key), "Env", found);
    }
    for label in test.labels.iter().flatten() {
        let actual = config.labels.get(&label.key).map(String::as_str);
        check(format!("labels {}", label.key), "Labels", differs(label, actual, "label"));
    }
    let ports = config.exposed_ports.members();
    let has_port = |port: &str| ports.keys().any(|exposed| is_port(exposed, port));
    let volumes = config.volumes.members();
    let has_volume = |volume: &str| volumes.contains_key(volume);
    type Has<'a> = &'a dyn Fn(&str) -> bool;
    let present: [(_, _, _, _, Has<'_>); 2] = [
        (&test.exposed_ports, "exposedPorts", "ExposedPorts", "port", &has_port),
        (&test.volumes, "volumes", "Volumes", "volume", &has_volume),
    ];
    for (wanted, name, member, kind, has) in present {
        for wanted in wanted.iter().flatten() {
            let found = (!has(wanted)).then(|| missing(kind, wanted));
            check(format!("{name} {wanted}"), member, found);
        }
    }
    let absent: [(_, _, _, _, Has<'_>); 2] = [
        (&test.unexposed_ports, "unexposedPorts", "ExposedPorts", "port", &has_port),
        (&test.unmounted_volumes, "unmountedVolumes", "Volumes", "volume", &has_volume),
    ];
    for (unwanted, name, member, kind, has) in absent {
        for unwanted in unwanted.iter().flatten() {
            let found = has(unwanted).then(|| excluded(kind, unwanted));
            check(format!("{name} {unwanted}"), member, found);
        }
    }
    for (expected, actual, name, member) in [
        (&test.entrypoint, &config.entrypoint, "entrypoint", "Entrypoint"),
        (&test.cmd, &config.cmd, "cmd", "Cmd"),
    ] {
        // An absent list is an empty one.
        if let Some(expected) = expected {
            let actual = actual.as_deref().unwrap_or_default();
            let found = (expected != actual).then(|| Violation::ConfigDiffers {
                expected: format!("{expected:?}"),
                actual: format!("{actual:?}"),
            });
            check(name.to_owned(), member, found);
        }
    }
    for (expected, actual, name, member) in [
        (&test.workdir, &config.working_dir, "workdir", "WorkingDir"),
        (&test.user, &config.user, "user", "User"),
    ] {
        if let Some(expected) = expected.as_deref().filter(|expected| !expected.is_empty()) {
            let actual = actual.as_deref().unwrap_or_default();
            let found = (expected != actual).then(|| Violation::ConfigDiffers {
                expected: format!("{expected:?}"),
                actual: format!("{actual:?}"),
            });
            check(name.to_owned(), member, found);
        }
    }
}

/// Whether an exposed port is this one. Without a protocol, it is [of
/// TCP](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties) in a
/// configuration, and of any protocol in a policy.
fn is_port(exposed: &str, port: &str) -> bool {
    let (number, protocol) = exposed.split_once('/').unwrap_or((exposed, "tcp"));
    match port.split_once('/') {
        None => number == port,
        Some((wanted, of)) => number == wanted && protocol.eq_ignore_ascii_case(of),
    }
}

fn required(label: &RequiredLabel, config: &ContainerConfig) -> Option<Violation> {
    let Some(actual) = config.labels.get(&label.key).filter(|value| !value.is_empty()) else {
        return Some(missing("label", &label.key));
    };
    let expected = label.value.as_ref().filter(|expected| !expected.is_match(actual))?;
    Some(Violation::ConfigDiffers {
        expected: format!("a match for {:?}", expected.text()),
        actual: format!("{}={actual:?}", label.key),
    })
}

/// What is wrong with the value of a variable or a label.
fn differs(expected: &Variable, actual: Option<&str>, kind: &str) -> Option<Violation> {
    let Some(actual) = actual else { return Some(missing(kind, &expected.key)) };
    (!expected.value.matches(actual)).then(|| Violation::ConfigDiffers {
        expected: expected.value.shown(),
        actual: format!("{}={actual:?}", expected.key),
    })
}

fn missing(kind: &str, name: &str) -> Violation {
    Violation::ConfigMissing { what: format!("{kind} {name}") }
}

fn excluded(kind: &str, name: &str) -> Violation {
    Violation::ConfigExcluded { what: format!("{kind} {name}") }
}
