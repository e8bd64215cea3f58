//! What is refused, with its whole sentence.

use std::process::{Output, Stdio};

use crate::nix::units::command;
use crate::nix::versions::{Nix, for_each_nix};

for_each_nix! { each_mistake_in_a_unit_has_its_sentence }

/// The attribute in `mistakes.nix`, and the sentence.
const MISTAKES: &[(&str, &str)] = &[
    (
        "absolute",
        "systemd.services.a: CacheDirectory: \"/srv\" is not a path below /var/cache; write it without / at the beginning and without ..",
    ),
    (
        "acl",
        "systemd.tmpfiles.rules: \"a+ /srv - - - - u:a:r\": the type a is not supported: attributes of files are those of the volume",
    ),
    (
        "assertion",
        "systemd.services.a: AssertPathExists is not supported in a container: a container has no state of a machine to compare with; test it in ExecCondition",
    ),
    (
        "assignment",
        "systemd.services.a: Environment: \"c\" is not NAME=VALUE; a value with blanks needs quotes around the whole: \"NAME=VALUE\"",
    ),
    (
        "bindPaths",
        "systemd.services.a: BindPaths is not supported in a container: the service sees the files of the container; declare them in the image, or mount a volume",
    ),
    ("capability", "systemd.services.a: AmbientCapabilities: write names, as CAP_NET_BIND_SERVICE"),
    (
        "condition",
        "systemd.services.a: ConditionVirtualization is not supported in a container: a container has no state of a machine to compare with; test it in ExecCondition",
    ),
    (
        "confinement",
        "systemd.services.a: confinement is not supported in a container: it needs RootDirectory; disable it",
    ),
    (
        "conflicts",
        "systemd.services.a conflicts with b.service, and the image starts both; disable one of them",
    ),
    (
        "credential",
        "systemd.services.a: LoadCredential: \"key\" has no name and value; write \"NAME:VALUE\"",
    ),
    (
        "credentialByName",
        "systemd.services.a: LoadCredential: \"key\" is not the path of a file; write \"NAME:/PATH\", and mount the file there",
    ),
    (
        "dbus",
        "systemd.services.a: Type=dbus is not supported: a container has no message bus; set Type=simple",
    ),
    (
        "disabled",
        "systemd.services.a requires b.service, which does not start in the image; enable it, or remove it from requires, bindsTo and requisite",
    ),
    ("emptyCommand", "systemd.services.a: ExecStart has no program: -"),
    (
        "encrypted",
        "systemd.services.a: LoadCredentialEncrypted is not supported in a container: only systemd can decrypt it; use LoadCredential and mount the file",
    ),
    (
        "escape",
        "systemd.services.a: Environment: systemd knows no escape \\q; write two backslashes for one",
    ),
    (
        "forking",
        "systemd.services.a: Type=forking is not supported without PIDFile: let the program stay in the foreground, and set Type=simple, or set PIDFile",
    ),
    (
        "idle",
        "systemd.services.a: Type=idle is not supported: it waits for jobs of systemd; set Type=simple",
    ),
    ("input", "systemd.services.a: StandardInput=tty is not supported; use null"),
    (
        "limit",
        "systemd.services.a: LimitNOFILE: \"1K\" is not supported; write a number, or \"SOFT:HARD\"",
    ),
    (
        "link",
        "systemd.services.a: StateDirectory: \"a:b\" asks for a link, which is not supported; add the link to the files of the image",
    ),
    (
        "masked",
        "systemd.tmpfiles.rules: \"z /srv ~0600\": the mode ~0600 is not supported; write octal digits",
    ),
    (
        "mode",
        "systemd.tmpfiles.rules: \"d /srv u+x\": the mode u+x is not supported; write octal digits",
    ),
    (
        "modifier",
        "systemd.tmpfiles.rules: \"f^ /srv\": a modifier of f^ is not supported; only ! - = + are",
    ),
    (
        "network",
        "systemd.services.a: NetworkNamespacePath is not supported in a container: the runtime makes the namespaces of a container",
    ),
    ("noCommand", "systemd.services.a has no ExecStart; set serviceConfig.ExecStart or script"),
    (
        "noRule",
        "systemd.tmpfiles.rules: \"d\" does not have the form TYPE PATH MODE USER GROUP AGE ARGUMENT",
    ),
    ("noType", "systemd.services.a: Type=simpel is not supported: systemd has no such type"),
    ("noType'", "systemd.tmpfiles.rules: \"K /srv\": systemd has no type K"),
    (
        "nothing",
        "systemd.services.a has neither ExecStart nor ExecStop; set serviceConfig.ExecStart or script",
    ),
    (
        "onSuccess",
        "systemd.services.a: Restart=on-success is not supported; use no, on-failure or always",
    ),
    (
        "onWatchdog",
        "systemd.services.a: Restart=on-watchdog is not supported; use no, on-failure or always",
    ),
    (
        "outside",
        "systemd.services.a: StateDirectory: \"../etc\" is not a path below /var/lib; write it without / at the beginning and without ..",
    ),
    (
        "owner",
        "systemd.tmpfiles.rules: \"Z /srv 0755 a a\": the type Z is not supported: a start changes no whole trees; let a service do it",
    ),
    (
        "pattern",
        "systemd.tmpfiles.rules: \"z /srv/* 0755 a a\": /srv/* is a pattern, which is not supported; write a rule for each path",
    ),
    (
        "patternOfDirectories",
        "systemd.tmpfiles.rules: \"e /srv/* - a\": /srv/* is a pattern, which is not supported; write a rule for each path",
    ),
    (
        "pam",
        "systemd.services.a: PAMName is not supported in a container: there are no sessions of users",
    ),
    (
        "prefix",
        "systemd.services.a: ExecStart: the prefix | is not supported; name the shell: |echo",
    ),
    ("quote", "systemd.services.a: Environment: the quote ' is not closed in: A='b"),
    (
        "removal",
        "systemd.tmpfiles.rules: \"r /tmp/x\": the type r is not supported: a start removes nothing; let a service do it",
    ),
    (
        "requires",
        "systemd.services.a requires gone.service, which does not start in the image; enable it, or remove it from requires, bindsTo and requisite",
    ),
    (
        "requiresSocket",
        "systemd.services.a requires a.socket, which does not start in the image; enable it, or remove it from requires, bindsTo and requisite",
    ),
    (
        "tmpfiles",
        "systemd.services.tmpfiles has the name of the service for systemd.tmpfiles; rename it",
    ),
    (
        "limitOfContainer",
        "systemd.services.a: LimitRTPRIO is not supported in a container: s6 does not set it; set it for the container, as `podman run --ulimit` does",
    ),
    (
        "rootDirectory",
        "systemd.services.a: RootDirectory is not supported in a container: the service sees the files of the container; declare them in the image, or mount a volume",
    ),
    ("several", "systemd.services.a: only Type=oneshot may have several ExecStart; keep one"),
    (
        "signal",
        "systemd.services.a: KillSignal: the signal SIGRTMIN+3 is not supported; use one of SIGABRT, SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGSEGV, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH",
    ),
    (
        "sockets",
        "systemd.services.a: Sockets is not supported in a container: nothing opens files or sockets for a service; let the program do it",
    ),
    (
        "specifier",
        "systemd.services.a: ExecStart: the specifier %H is not supported; write its value",
    ),
    (
        "specifierInPath",
        "systemd.services.a: WorkingDirectory: the specifier %U is not supported; write its value",
    ),
    (
        "startAt",
        "systemd.services.a: startAt is not supported: a container has no timers; let the cluster start a container at that time",
    ),
    (
        "targetRequires",
        "systemd.targets.t requires gone.service, which does not start in the image; enable it, or remove it from requires, bindsTo and requisite",
    ),
    (
        "timeSpan",
        "systemd.services.a: TimeoutStopSec: \"5 parsecs\" is not a time span of systemd; write for example \"5s\" or \"1min 30s\"",
    ),
    (
        "triggered",
        "systemd.services.a: ConditionPathExists=|/x is not supported; write a path, or ! and a path",
    ),
    (
        "unknown",
        "systemd.services.a: ExecStrat is not a directive of the section [Service] that is known here; correct the name, or remove it",
    ),
    (
        "unknownInUnit",
        "systemd.services.a: Afer is not a directive of the section [Unit] that is known here; correct the name, or remove it",
    ),
    (
        "wrongSection",
        "systemd.services.a: After is not a directive of the section [Service] that is known here; move it to the section [Unit]",
    ),
    ("yes", "systemd.services.a: DynamicUser: \"perhaps\" is neither yes nor no"),
];

fn each_mistake_in_a_unit_has_its_sentence(nix: Nix) {
    let names = super::evaluate(&nix, "builtins.attrNames mistakes");
    let mut expected: Vec<_> = MISTAKES.iter().map(|(name, _)| *name).collect();
    expected.sort_unstable();
    assert_eq!(names, serde_json::json!(expected));
    for (name, sentence) in MISTAKES {
        let Output { status, stderr, .. } =
            command(&nix, &format!("mistakes.{name}")).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&stderr);
        assert!(!status.success(), "{name} was not refused");
        assert!(said.contains(&format!("error: oci-layout: {sentence}\n")), "{name}: {said}");
    }
}
