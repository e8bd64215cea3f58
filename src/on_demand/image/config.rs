//! The configuration of an image on demand.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    image::config_options::ConfigOptions,
    on_demand::{
        contents::ImageContents,
        image::{programs::Programs, user::User},
        package_source::{Package, Resolved},
    },
};

/// The options of the configuration. Its time is the default of every image, and its user a
/// number, which Kubernetes requires for `runAsNonRoot`.
pub(crate) fn config(
    contents: &ImageContents,
    resolved: &Resolved,
    user: &User,
    programs: &Programs,
) -> ConfigOptions {
    let mut environment = BTreeMap::from([
        ("PATH".to_owned(), "/bin:/usr/bin".to_owned()),
        ("HOME".to_owned(), user.home.clone()),
    ]);
    if programs.certificates().is_some() {
        environment.insert("SSL_CERT_FILE".to_owned(), "/etc/ssl/certs/ca-bundle.crt".to_owned());
    }
    environment.extend(contents.environment.clone());
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut config = json!({
        "User": format!("{}:{}", user.uid, user.gid),
        "Env": environment,
        "WorkingDir": user.home,
        "Labels": labels(resolved),
    });
    let command = command(contents, resolved, programs);
    // Arguments for another program would be wrong.
    if !command.is_empty() && !contents.config.contains_key("Entrypoint") {
        config["Cmd"] = command.into();
    }
    ConfigOptions::new(json!({ "config": config }))
        .merge_json_from("its declaration", json!({ "config": contents.config }))
        .platform(contents.platform.clone())
}

/// The command: that of the contents; or else an interactive shell, if the image has bash; or else
/// the main program of a single package; or else `sh`.
fn command(contents: &ImageContents, resolved: &Resolved, programs: &Programs) -> Vec<String> {
    if !contents.command.is_empty() {
        return contents.command.clone();
    }
    let of_package = |package: &Package| {
        let names = [package.main_program.as_deref(), Some(&*package.name)];
        names.into_iter().flatten().find(|name| programs.program(name).is_some()).map(str::to_owned)
    };
    let single = match &resolved.packages[..] {
        [package] => of_package(package),
        _ => None,
    };
    let shell = |name: &str| programs.program(name).map(|_| name.to_owned());
    let program = shell("bash").or(single).or_else(|| shell("sh"));
    program.map(|program| format!("/bin/{program}")).into_iter().collect()
}

/// What the image was made of.
fn labels(resolved: &Resolved) -> BTreeMap<&'static str, String> {
    let Resolved { revision, packages, .. } = resolved;
    let versioned = |package: &Package| match &package.version {
        Some(version) => format!("{} {version}", package.attribute),
        None => package.attribute.clone(),
    };
    let list = |texts: Vec<String>, between| texts.join(between);
    let outputs = packages.iter().flat_map(|package| &package.outputs);
    let mut labels = BTreeMap::from([
        (
            "org.opencontainers.image.title",
            list(packages.iter().map(|package| package.attribute.clone()).collect(), ", "),
        ),
        ("org.opencontainers.image.revision", revision.clone()),
        ("oci-layout.packages", list(packages.iter().map(versioned).collect(), ", ")),
        (
            "oci-layout.store-paths",
            list(outputs.map(|(_, path)| path.to_string_lossy().into_owned()).collect(), " "),
        ),
    ]);
    if let [Package { version: Some(version), .. }] = &packages[..] {
        labels.insert("org.opencontainers.image.version", version.clone());
    }
    labels
}
