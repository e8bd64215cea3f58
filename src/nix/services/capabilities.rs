//! Capabilities that a service keeps although its user is not root.

use crate::{
    basics::error::Result,
    nix::services::{spec::Service, tools::Tools},
};

/// The capabilities of a service as `lib/capabilities` takes them: names with numbers.
pub(crate) fn numbered(tools: &Tools, service: &Service) -> Result<Vec<String>> {
    let refuse = |reason: String| service.refuse("ambientCapabilities", reason);
    if tools.is_from_busybox("setpriv") {
        return Err(refuse(
            "busybox's setpriv cannot change the user: put pkgs.util-linuxMinimal before \
             pkgs.busybox in s6.packages"
                .into(),
        ));
    }
    let numbered = |name: &String| {
        let lower = name.to_ascii_lowercase();
        let short = lower.strip_prefix("cap_").unwrap_or(&lower);
        let number = CAPABILITIES.iter().position(|known| *known == short);
        let number =
            number.ok_or_else(|| refuse(format!("{name:?} is not a capability: correct it")))?;
        Ok(format!("{short}:{number}"))
    };
    service.ambient_capabilities.iter().map(numbered).collect()
}

/// The capabilities of Linux by their numbers, without `cap_`.
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
