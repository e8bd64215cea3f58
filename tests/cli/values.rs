//! Values of options for a configuration: refused before files are packed, with the option's name,
//! or accepted with warnings.

use serde_json::{Value, json};

use crate::cli::room::Room;

#[test]
fn an_option_is_named_by_its_value() {
    let room = Room::new();
    room.ok("layer-tar -f app -o layer");
    for (args, start) in [
        (
            "build -f app --workdir app -o out",
            "config.WorkingDir (set by --workdir): is \"app\" and must be",
        ),
        (
            "build -f app --volume data -o out",
            "config.Volumes.data (set by --volume): is \"data\" and must be",
        ),
        (
            "build -f app --stop-signal SIGFOO -o out",
            "config.StopSignal (set by --stop-signal): is \"SIGFOO\"",
        ),
        ("build -f app --user=-1 -o out", "config.User (set by --user): is \"-1\" and must be"),
        (
            "build -f app --user=a:b:c -o out",
            "config.User (set by --user): is \"a:b:c\" and must be",
        ),
        (
            "build -f app --extra-config {\"created\":1} -o out",
            "created (set by --extra-config): is 1 and must be",
        ),
        (
            "build -f nothing --extra-config {\"config\":{\"Volumes\":[\"/d\"]}} -o out",
            "config.Volumes (set by --extra-config): is a list and must be an object of paths",
        ),
        (
            "image-config --layer layer --extra-config {\"config\":{\"Cmd\":\"sh\"}} -o out",
            "config.Cmd (set by --extra-config): is \"sh\" and must be a list of strings",
        ),
        (
            "image-manifest --layer layer --extra-config {\"config\":{\"User\":0}} -o out",
            "config.User (set by --extra-config): is 0 and must be a string",
        ),
        (
            "image-manifest --layer layer --extra-config \
             {\"config\":{\"Healthcheck\":{\"Interval\":\"30s\"}}} -o out",
            "config.Healthcheck.Interval (set by --extra-config): is \"30s\" and must be a whole \
             number of nanoseconds",
        ),
    ] {
        let run = room.run(args.split(' '));
        let start = format!("oci-layout: error: image configuration, {start}");
        assert_eq!((run.code, &*run.out), (Some(1), ""), "{args}");
        assert!(run.err.starts_with(&start) && run.err.lines().count() == 1, "{args}: {}", run.err);
        assert!(!room.path("out").exists(), "{args}");
    }
}

#[test]
fn ranges_of_ports_are_single_ports() {
    let room = Room::new();
    room.ok("build -f app --expose 8000-8002 --expose 53/UDP --expose 8001 -o image");
    let (_, config) = room.image("image");
    assert_eq!(
        config["config"]["ExposedPorts"],
        json!({ "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {} })
    );
}

#[test]
fn a_renamed_platform_is_a_warning() {
    let room = Room::new();
    let warning = |given: &str, used: &str| {
        format!(
            "oci-layout: warning: platform \"linux/{given}\" is written as \"linux/{used}\", the \
             name that images use\n"
        )
    };
    for (given, used) in
        [("x86_64", "amd64"), ("aarch64", "arm64"), ("armhf", "arm/v7"), ("arm/7", "arm/v7")]
    {
        let dir = used.replace('/', "-");
        let build =
            |options: &str| format!("build -f app --platform linux/{given} {options} -o {dir}");
        let run = room.run(build("--strict").split_whitespace());
        assert_eq!(run.code, Some(1), "{}", run.err);
        let run = room.run(build("").split_whitespace());
        assert_eq!((run.code, &*run.err), (Some(0), &*warning(given, used)));
        let (_, config) = room.image(&dir);
        let variant =
            config["variant"].as_str().map(|variant| format!("/{variant}")).unwrap_or_default();
        assert_eq!(format!("{}{variant}", config["architecture"].as_str().unwrap()), used);
        std::fs::remove_dir_all(room.path(&dir)).unwrap();
        let run = room.run(build("-q").split_whitespace());
        assert_eq!((run.code, &*run.err), (Some(0), ""));
        std::fs::remove_dir_all(room.path(&dir)).unwrap();
    }
    // The base is found by another name of its platform, with a warning.
    room.ok("build -f app --platform linux/arm64 -o base");
    let run = room.run("build -f app --base base --platform linux/aarch64 -o child".split(' '));
    assert_eq!((run.code, &*run.err), (Some(0), &*warning("aarch64", "arm64")));
    assert_eq!(room.image("child").1["architecture"], "arm64");
}

#[test]
fn variables_of_the_base_are_extended_and_removed() {
    let room = Room::new();
    room.ok("build -f app --env PATH=/usr/bin --env OLD=1 -o base");
    let env = |dir: &str| room.image(dir).1["config"]["Env"].clone();
    room.ok("build -f app:/g --base base --env PATH=/app:$PATH --env A=${OLD:-x}${NONE:-y} \
        --unset-env OLD -o child");
    assert_eq!(env("child"), json!(["PATH=/app:/usr/bin", "A=xy"]));
    room.ok("layer-tar -f app -o layer");
    room.ok("image-config --layer layer --base base --unset-env OLD -o config");
    room.ok("image-manifest --layer layer --base base --unset-env OLD -o manifest");

    let run = room.run("build -f app --env PATH=/app:$PATH -o alone".split(' '));
    let warning = "oci-layout: warning: image configuration, config.Env, variable PATH (set by \
        --env): $PATH is not set before, by the base image or here, and is not expanded: correct \
        it, or write $$ for a dollar sign\n";
    assert_eq!((run.code, &*run.err), (Some(0), warning));
    assert_eq!(env("alone"), json!(["PATH=/app:$PATH"]));
    room.ok("build -f app --env PRICE=5$$ -o dollar");
    assert_eq!(env("dollar"), json!(["PRICE=5$"]));

    let run = room.run("build -f app --base base --unset-env NONE -o none".split(' '));
    let warning = "oci-layout: warning: environment variable NONE cannot be removed, because the \
        base image does not set it: correct the name, or do not remove it\n";
    assert_eq!((run.code, &*run.err), (Some(0), warning));
    for args in
        ["build -f app --unset-env OLD -o out", "build -f app --base base --unset-env A=1 -o out"]
    {
        assert_eq!(room.run(args.split(' ')).code, Some(2), "{args}");
    }
}

#[test]
fn triggers_of_the_base_are_a_warning() {
    let room = Room::new();
    let run = [
        "build",
        "-f",
        "app",
        "-o",
        "base",
        "--extra-config",
        r#"{"config":{"OnBuild":["RUN echo hi"]}}"#,
    ];
    assert_eq!(room.run(run).code, Some(0));
    let run = room.run("build -f app:/g --base base -o child".split(' '));
    assert_eq!(run.code, Some(0));
    assert!(run.err.starts_with(
        "oci-layout: warning: image configuration, config.OnBuild (set by the base image): "
    ));
    assert!(run.err.contains("\"RUN echo hi\""), "{}", run.err);
    assert_eq!(room.image("child").1["config"].get("OnBuild"), None);
}

/// skopeo writes an index without its media type.
#[test]
fn verify_succeeds_with_warnings() {
    let room = Room::new();
    room.ok("build -f app -o image");
    let index = room.path("image/index.json");
    let mut value = room.json("image/index.json");
    value.as_object_mut().unwrap().remove("mediaType");
    std::fs::write(&index, value.to_string()).unwrap();
    let run = room.run(["verify", "image"]);
    assert_eq!(run.code, Some(0));
    assert!(
        run.out.starts_with("warning: index.json, mediaType: is missing and should be "),
        "{}",
        run.out
    );
    let run = room.run(["verify", "--json", "image"]);
    let found: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.code, &found[0]["severity"]), (Some(0), &json!("warning")));
    let run = room.run(["verify", "--strict", "image"]);
    assert_eq!(run.code, Some(1));
    let run = room.run(["verify", "-q", "image"]);
    assert_eq!((run.code, &*run.out), (Some(0), ""));
    std::fs::remove_file(room.path("image/oci-layout")).unwrap();
    assert_eq!(room.run(["verify", "image"]).code, Some(1));
}
