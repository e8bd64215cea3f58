//! What a command starts with: arguments, variables, user, directory, limits.

use std::collections::BTreeMap;

use oci_layout::FileMapping;
use serde_json::{Value, json};

use super::{Services, sh};

/// Texts that a shell, execline or systemd would change.
const TEXTS: [&str; 14] = [
    "",
    " ",
    "a  b",
    "it's",
    "say \"hi\"",
    "$HOME ${HOME} $$ `id` $(id)",
    "line\nline\n",
    "100%s %n",
    "back\\slash \\n \\",
    "{",
    "}",
    "# no comment",
    "*",
    "tab\té",
];

#[test]
fn arguments_and_variables_are_verbatim() {
    let mut environment: BTreeMap<String, String> =
        TEXTS.iter().enumerate().map(|(at, text)| (format!("TEXT_{at}"), (*text).into())).collect();
    environment.insert("not-for.shells".into(), "yes".into());
    environment.insert("start_services".into(), "${start_services}".into());
    let format = "[%s]\n";
    let mut command = vec!["/bin/printf", format];
    command.extend(TEXTS);
    let daemon = ["/bin/tail", "-f", "/dev/null"];
    let services = Services::new(json!([
        { "name": "arguments", "kind": "oneshot-pre", "command": command },
        { "name": "daemon", "kind": "long-run", "command": daemon, "environment": environment,
          "stopTimeout": 20 },
    ]));
    let container = services.start(&["--env", "of.podman=a.b", "--env", "start=$HOME"]);
    let printed: String = TEXTS.iter().map(|text| format!("[{text}]\n")).collect();
    container.wait_until("the service is up", || {
        container.sh("cat /run/services/up-pid 2>/dev/null; echo .") == ".\n"
    });
    assert_eq!(container.logs(), printed);

    let variables = |process: &str| -> BTreeMap<String, String> {
        let text = container.sh(&format!("cat /proc/{process}/environ"));
        let variables =
            text.split_terminator('\0').map(|variable| variable.split_once('=').unwrap());
        variables.map(|(name, value)| (name.into(), value.into())).collect()
    };
    let mut expected = variables("1");
    assert_eq!(expected["CONTAINER"], "its own");
    // Debian's execlineb puts a folder before it.
    expected.insert("PATH".into(), "/bin".into());
    assert_eq!(expected["of.podman"], "a.b");
    expected.extend(environment);
    let daemon = "$(/usr/bin/s6-svstat -o pid /run/services/scan/daemon)";
    assert_eq!(variables(daemon), expected);
}

#[test]
fn lines_of_systemd_have_variables() {
    let line = |line: &str| json!({ "line": line, "unit": "show.service" });
    let show = |name: &str, text: &str| {
        json!({
            "name": name,
            "kind": "oneshot-pre",
            "command": line(&format!("/bin/printf '[%s]\\n' {text}")),
            "environment": { "MANY": " one  two\tthree ", "EMPTY": "", "SLASH": "\\", "REST": "$MANY", "QUOTED": "'a b' \"\" --x=\"c d\"e" },
        })
    };
    let rows = [
        ("split", "$MANY end", "[one][two][three][end]"),
        ("whole", "${MANY} x${MANY}y", "[ one  two\tthree ][x one  two\tthree y]"),
        ("empty", "$EMPTY ${EMPTY} $UNSET ${UNSET} end", "[][][end]"),
        ("text", "'$MANY' $$MANY a$MANY $${MANY}", "[one][two][three][$MANY][a$MANY][${MANY}]"),
        ("slash", r#"a\\${SLASH} \\\\${SLASH}b "\\""#, r"[a\\][\\\b][\]"),
        ("twice", "${REST} $REST ${SLASH}${SLASH}", "[$MANY][$MANY][\\\\]"),
        ("quotes", "$QUOTED", "[a b][][--x=c de]"),
        ("plain", "* ~ > | & \\; '{' '}' \"\"", "[*][~][>][|][&][;][{][}][]"),
    ];
    let services: Vec<Value> = rows.iter().map(|(name, text, _)| show(name, text)).collect();
    let (code, said) = Services::new(services.into()).run(&[]);
    let expected: String =
        rows.iter().map(|(_, _, shown)| shown.replace("][", "]\n[") + "\n").collect();
    assert_eq!((code, said), (Some(0), expected));
}

#[test]
fn files_with_variables_are_read_as_by_systemd() {
    let text = "# a comment\n; another\n\nPLAIN = a b \t\nQUOTED=\" a\\$b\\x \\\"\n c\" d\n'IGNORED'=x\n\
         SINGLE='it\\is $HOME `id`'\nESCAPED=a\\ \\tb\\\nc\nno assignment\nEMPTY=\nKEPT=a\"b'c\nCODE=$(id)\n\
         1BAD=x\nOVER=file\nLAST=end";
    let expected = [
        ("PLAIN", "a b"),
        ("QUOTED", " a$b\\x \"\n cd"),
        ("SINGLE", "it\\is $HOME `id`"),
        ("ESCAPED", "a tbc"),
        ("EMPTY", ""),
        ("KEPT", "a\"b'c"),
        ("CODE", "$(id)"),
        ("OVER", "file"),
        ("LAST", "end"),
        ("IGNORED", "unset"),
        ("CONTAINER", "its own"),
    ];
    let names: Vec<_> = expected.iter().map(|(name, _)| format!("[${{{name}-unset}}]")).collect();
    let show = sh(&format!(
        "printf '%s\n' \"{}\"; ls -l /run/services/scan/show | grep -c environment",
        names.concat()
    ));
    let services = Services::with_files(
        json!([{
            "name": "show",
            "kind": "oneshot-pre",
            "command": show,
            "environment": { "OVER": "environment" },
            "environmentFiles": [
                { "path": "/etc/missing", "optional": true },
                { "path": "/etc/variables" },
            ],
            "user": { "uid": 1000, "gid": 1000 },
        }]),
        [FileMapping::text(text, "/etc/variables").mode(0o400)],
    );
    let (code, said) = services.run(&[]);
    let values: String = expected.iter().map(|(_, value)| format!("[{value}]")).collect();
    let warnings = "start-services: /etc/variables: not a name of a variable: 1BAD\n\
         start-services: /etc/variables: not a name of a variable: 'IGNORED'\n";
    assert_eq!(
        said.replacen(&format!("{values}\n1\n"), "", 1).lines().count(),
        warnings.lines().count(),
        "{said}"
    );
    assert!(said.contains(&values), "{said}\n{values}");
    assert_eq!(code, Some(0));

    let missing = json!([{ "name": "show", "kind": "oneshot-pre", "command": sh("echo no"),
        "environmentFiles": [{ "path": "/etc/missing" }] }]);
    let (code, said) = Services::new(missing).run(&[]);
    assert!(said.contains("/etc/missing") && !said.contains("no\n"), "{said}");
    assert_eq!(code, Some(111));
}

#[test]
fn users_directories_and_limits() {
    let show = "echo $(id -u) $(id -g) $(id -G) $USER $LOGNAME $HOME $PWD $(umask) $(ulimit -n)";
    let user =
        json!({ "uid": 1000, "gid": 1001, "groups": [7, 8], "name": "web", "home": "/home/web" });
    let services = Services::with_files(
        json!([
            { "name": "web", "kind": "oneshot-pre", "command": sh(show), "user": user, "umask": "0027",
              "workingDirectory": "/home/web", "limits": { "nofile": "99:200" },
              "preStart": [{ "command": sh("id -u") }, { "command": sh("id -u; exit 3"), "asRoot": true, "ignoreFailure": true }] },
            { "name": "root", "kind": "oneshot-pre", "command": sh(show), "workingDirectory": "/missing",
              "workingDirectoryOptional": true, "environment": { "USER": "me" } },
            { "name": "raised", "kind": "oneshot-pre", "command": sh("echo $USER $(id -u) $(id -G)"), "asRoot": true,
              "user": { "uid": 1000, "gid": 1001, "name": "web" }, "preStart": [{ "command": sh("id -u") }] },
        ]),
        [FileMapping::directory("/home/web")],
    );
    let web = "1000 1001 1001 7 8 web web /home/web /home/web 0027 99\n";
    let (code, said) = services.run(&[]);
    assert_eq!(
        (code, said),
        (Some(0), format!("1000\n0\n{web}0 0 0 me /root / 0022 1024\n1000\nweb 0 0\n"))
    );
    // Without root, a service runs as the container's user.
    let (code, said) = services.run(&["--user", "2000:2000"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2000 2000 2000 web web /home/web /home/web 0027 99\n"), "{said}");
}

#[test]
fn users_open_the_output_by_its_path() {
    let service = |name: &str, prefix: Option<&str>| {
        json!({ "name": name, "kind": "oneshot-pre", "user": { "uid": 1000, "gid": 1000 },
            "command": sh("echo out >/dev/stdout; echo error >/dev/stderr"), "prefix": prefix })
    };
    let services = Services::new(json!([service("plain", None), service("logged", Some("> "))]));
    let (code, said) = services.run(&[]);
    let mut lines: Vec<_> = said.lines().collect();
    lines.sort();
    assert_eq!((code, lines), (Some(0), vec!["> error", "> out", "error", "out"]));
}

/// busybox decides by its name what to do.
#[test]
fn a_program_has_another_name() {
    let line = "/bin/busybox -c 'echo $1' ignored \"a b\"";
    let command = json!({ "line": line, "unit": "it.service", "argv0": "sh" });
    let services = Services::new(json!([
        { "name": "it", "kind": "oneshot-pre", "command": command },
    ]));
    assert_eq!(services.run(&[]), (Some(0), "a b\n".into()));
}
