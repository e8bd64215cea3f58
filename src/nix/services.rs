//! The services of an image: what starts, supervises and stops them, as a folder of scripts for s6.
//!
//! ```text
//! bin/start-services     the image's entry point: becomes s6-svscan, with lib/up in the background
//! lib/prepare            makes the scan directory, and prints its path
//! lib/up                 makes directories, and starts the services in their order
//! lib/…                  what scripts of services share
//! services/NAME/         the service directory: run, finish, and the commands beside the main one
//! logs/NAME/             the same of its logger
//! svscan/                what s6-svscan runs: at signals and at its end
//! ```
//!
//! The entry point and `run` are execline scripts, so that every variable and every argument passes
//! verbatim. A shell would drop variables that it cannot name. At each start, `lib/prepare` makes
//! `/run/services` anew, with links to these files.

pub(crate) mod capabilities;
pub(crate) mod command_line;
pub(crate) mod execline;
pub(crate) mod quote;
pub(crate) mod run;
pub(crate) mod scripts;
pub(crate) mod spec;
pub(crate) mod tools;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    basics::error::{Error, Result},
    nix::{
        attributes::Attributes,
        services::{
            execline::Script,
            run::Context,
            scripts::{LIB, STOP_SIGNALS, SVSCAN, Shell},
            spec::Service,
            tools::Tools,
        },
    },
};

/// s6 accepts 500 by default, and a logger counts. The option for more has another name in s6 2.15.
const MOST: usize = 250;

/// Writes the folder that starts the services in the attribute `services`, in this order, with the
/// programs of the packages in `path`.
///
/// # Errors
///
/// [`Error::Invalid`] for a service that is not as `src/nix/services/spec.rs` says, for two services
/// with the same name, for more than 250, and for a program that no package has; and [`Error::Write`].
pub fn services(attributes: &Attributes) -> Result<()> {
    let out = attributes.output();
    let values: Vec<Value> = attributes.list("services")?;
    if values.is_empty() {
        return Err(Error::invalid("services", "there are none: name at least one"));
    }
    if values.len() > MOST {
        let reason = format!("there are {}, and s6 supervises {MOST}: remove some", values.len());
        return Err(Error::invalid("services", reason));
    }
    let key = unused_key(&values);
    let services: Vec<Service> = values
        .into_iter()
        .enumerate()
        .map(|(place, value)| Service::read(place, value))
        .collect::<Result<_>>()?;
    let mut names = BTreeSet::new();
    if let Some(twice) = services.iter().find(|service| !names.insert(&service.name)) {
        return Err(twice.refuse("name", "another service has this name: rename one"));
    }
    let tools = Tools::new(attributes.list::<PathBuf>("path")?);
    let root = out.display().to_string();
    let shell = Shell::new(&tools, &root)?;
    let lib = format!("{root}/lib");
    let context = Context { tools: &tools, lib: &lib, key: &key };

    let lib_dir = out.join("lib");
    for (name, text) in LIB {
        program(&lib_dir.join(name), &shell.script(text))?;
    }
    program(&lib_dir.join("up"), &shell.up(&services))?;
    let svscan = out.join("svscan");
    let stop = shell.stop(&services);
    for name in STOP_SIGNALS {
        program(&svscan.join(name), &stop)?;
    }
    for (name, text) in SVSCAN {
        program(&svscan.join(name), &shell.script(text))?;
    }
    for service in &services {
        write_service(out, &context, &shell, service)?;
    }
    program(&out.join("bin/start-services"), &entry_point(&context)?)
}

/// The entry point of the image.
fn entry_point(context: &Context<'_>) -> Result<String> {
    let dir = format!("${{{}}}", context.key);
    let mut script = Script::new(context.tools, context.lib, context.key);
    script
        .program("backtick", ["-i", "-E", context.key])?
        .block(|script| {
            script.line([format!("{}/prepare", context.lib)]);
            Ok(())
        })?
        .program("redirfd", ["-r", "0", "/dev/null"])?
        .program("background", [""; 0])?
        .block(|script| {
            script
                .program("s6-setsid", [""; 0])?
                .line([format!("{}/up", context.lib), dir.clone()]);
            Ok(())
        })?
        .program("unexport", ["!"])?;
    script.program("s6-svscan", [format!("{dir}/scan")])?;
    script.finish()
}

/// Writes the service directory, and that of the logger.
fn write_service(
    out: &Path,
    context: &Context<'_>,
    shell: &Shell,
    service: &Service,
) -> Result<()> {
    let dir = out.join("services").join(&service.name);
    program(&dir.join("run"), &context.run(service)?)?;
    program(&dir.join("finish"), &shell.finish(service))?;
    if let Some(file) = &service.pid_file {
        text(&dir.join("pid-file"), &format!("{file}\n"))?;
    }
    // It waits for its turn.
    text(&dir.join("down"), "")?;
    let fd = service.readiness.as_ref().and_then(|readiness| readiness.fd).unwrap_or(3);
    text(&dir.join("notification-fd"), &format!("{fd}\n"))?;
    if let Some(signal) = &service.stop_signal {
        text(&dir.join("down-signal"), &format!("{signal}\n"))?;
    }
    let milliseconds = service.stop_timeout.map_or(0, |seconds| (seconds * 1000.0).max(1.0) as u64);
    text(&dir.join("timeout-kill"), &format!("{milliseconds}\n"))?;
    // It waits for the delay of a restart.
    text(&dir.join("timeout-finish"), "0\n")?;
    if !service.post_start.is_empty() {
        let script = context.steps(service, "postStart", &service.post_start)?;
        program(&dir.join("post-start"), &script)?;
    }
    if !service.stop.is_empty() {
        program(&dir.join("stop"), &context.steps(service, "stop", &service.stop)?)?;
    }
    if let Some(command) =
        service.readiness.as_ref().and_then(|readiness| readiness.command.as_ref())
    {
        program(&dir.join("check"), &context.check(service, command)?)?;
    }
    if let Some(log) = context.log(service)? {
        program(&out.join("logs").join(&service.name).join("run"), &log)?;
    }
    Ok(())
}

/// A word that is in no text of the services, for execline's substitutions.
fn unused_key(values: &[Value]) -> String {
    let all = Value::from(values.to_vec()).to_string();
    let mut key = "start_services".to_owned();
    while all.contains(&key) {
        key.push('_');
    }
    key
}

fn text(path: &Path, text: &str) -> Result<()> {
    let dir = path.parent().unwrap_or(path);
    fs::create_dir_all(dir).map_err(Error::write(dir))?;
    fs::write(path, text).map_err(Error::write(path))
}

fn program(path: &Path, script: &str) -> Result<()> {
    text(path, script)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(Error::write(path))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::basics::report::Report;

    /// Writes services with a package of empty programs. The files, by their paths in the output.
    fn write(services: Value) -> Result<BTreeMap<PathBuf, String>> {
        let dir = TempDir::new().unwrap();
        let bin = dir.path().join("package/bin");
        fs::create_dir_all(&bin).unwrap();
        let programs = "sh execlineb awk cat chmod chown cp date id ln mkdir mkfifo mv rm s6-socklog s6-svc \
            s6-svscanctl s6-svstat s6-svwait s6-envdir s6-setsid s6-svscan sleep stat timeout wc echo \
            backtick redirfd background unexport foreground importas ifelse fdmove fdclose test cd exit \
            export umask s6-softlimit ifthenelse s6-applyuidgid multisubstitute";
        for name in programs.split_whitespace() {
            fs::write(bin.join(name), "").unwrap();
        }
        let out = dir.path().join("out");
        let attributes = json!({ "outputs": { "out": out }, "path": [dir.path().join("package")],
            "services": services });
        super::services(&Attributes::from_value(attributes)?)?;
        let files = walkdir::WalkDir::new(&out).into_iter().map(|entry| entry.unwrap().into_path());
        let root = dir.path().to_str().unwrap();
        Ok(files
            .filter(|file| file.is_file())
            .map(|file| {
                let text = fs::read_to_string(&file).unwrap().replace(root, "");
                (file.strip_prefix(&out).unwrap().to_owned(), text)
            })
            .collect())
    }

    #[test]
    fn the_output_depends_on_the_services_alone() {
        let services = json!([{ "name": "web", "kind": "long-run", "command": ["/bin/web", "a b"],
            "environment": { "B": "$x", "A": "" }, "stopSignal": "SIGQUIT", "stopTimeout": 1.5 }]);
        let files = write(services.clone()).unwrap();
        assert_eq!(files, write(services).unwrap());
        let file = |path: &str| files[Path::new(path)].as_str();
        assert_eq!(
            file("services/web/run"),
            "#!/package/bin/execlineb -P\n\
             /package/bin/s6-envdir -f -L ../../environment\n\
             /package/bin/export A \"\"\n\
             /package/bin/export B \"$x\"\n\
             /package/bin/foreground\n{\n/package/bin/fdmove 1 3\n/package/bin/echo\n}\n\
             /package/bin/importas -u start_services_code_1 \"?\"\n\
             /package/bin/fdclose 3\n\
             /package/bin/cd /\n\
             /bin/web \"a b\"\n"
        );
        assert_eq!(file("services/web/down-signal"), "SIGQUIT\n");
        assert_eq!(file("services/web/timeout-kill"), "1500\n");
    }

    #[test]
    fn errors_name_the_service_and_the_member() {
        let rows = [
            (json!({ "kind": "sometimes" }), "service \"web\", kind: unknown variant"),
            (json!({ "color": 1 }), "service \"web\", color: unknown field"),
            (json!({ "command": [] }), "service \"web\", command: it has no arguments"),
            (json!({ "command": "x" }), "service \"web\", command: expected a list of texts"),
            (
                json!({ "command": { "line": "a ; b", "unit": "web.service" } }),
                "service \"web\", command: the command \"a ; b\" of web.service is wrong",
            ),
            (
                json!({ "environment": { "A=B": "" } }),
                "service \"web\", environment: \"A=B\" cannot be",
            ),
            (json!({ "environment": { "A": "\0" } }), "service \"web\": a text contains a NUL"),
            (json!({ "umask": "9" }), "service \"web\", umask: \"9\" is not octal"),
            (
                json!({ "workingDirectory": "x" }),
                "service \"web\", workingDirectory: \"x\" is not absolute",
            ),
            (json!({ "readiness": {} }), "service \"web\", readiness: expected exactly one of"),
            (
                json!({ "name": "w".repeat(71), "readiness": { "sdNotify": true } }),
                "readiness: the path of its socket would be too long",
            ),
            (json!({ "readiness": { "fd": 2 } }), "service \"web\", readiness: expected an fd"),
            (json!({ "stopSignal": "TERM" }), "service \"web\", stopSignal: expected one of"),
            (json!({ "stopTimeout": -1 }), "service \"web\", stopTimeout: expected seconds"),
            (
                json!({ "limits": { "nice": "1" } }),
                "service \"web\", limits: \"nice\" is not one of",
            ),
            (
                json!({ "limits": { "core": "x" } }),
                "service \"web\", limits: core: \"x\" is not a number",
            ),
            (json!({ "name": "a/b" }), "service \"a/b\", name: it names a directory"),
            (json!({ "name": ".a" }), "service \".a\", name: it names a directory"),
            (
                json!({ "user": { "uid": 1, "gid": 1 }, "ambientCapabilities": ["CAP_CHOW"] }),
                "service \"web\", ambientCapabilities: \"CAP_CHOW\" is not a capability",
            ),
            (
                json!({ "user": { "uid": 1, "gid": 1 }, "ambientCapabilities": ["CAP_CHOWN"] }),
                "path: none of the packages has bin/setpriv: add pkgs.util-linuxMinimal",
            ),
        ];
        for (members, expected) in rows {
            let mut service = json!({ "name": "web", "kind": "long-run", "command": ["/bin/web"] });
            service.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            let error = write(json!([service])).map(drop).unwrap_err();
            let error = Report(&error).to_string();
            assert!(error.contains(expected), "{members}: {error}");
        }
        let twice = json!({ "name": "web", "kind": "oneshot-pre", "command": ["/bin/web"] });
        let error = write(json!([twice, twice])).map(drop).unwrap_err().to_string();
        assert!(error.contains("service \"web\", name: another service has this name"), "{error}");
        assert!(write(json!([])).is_err());
        let named = |number: usize| {
            let mut service = twice.clone();
            service["name"] = json!(format!("web-{number}"));
            service
        };
        let many = |count: usize| write((0..count).map(named).collect());
        assert!(many(250).is_ok());
        let error = many(251).map(drop).unwrap_err().to_string();
        assert!(error.contains("there are 251, and s6 supervises 250"), "{error}");
    }
}
