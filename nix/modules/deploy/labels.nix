# The labels of a hardened image.
{ lib, run }:
let
  list = builtins.concatStringsSep ",";
  label = lib.mapAttrs' (name: lib.nameValuePair "oci-layout.hardening.${name}");
in
label {
  read-only-rootfs = lib.boolToString run.readOnly;
  tmpfs = list run.tmpfs;
  no-new-privileges = lib.boolToString run.noNewPrivileges;
  capabilities-drop = list run.drop;
  capabilities-add = list run.add;
  # In the notation of Kubernetes' old annotation.
  seccomp-profile =
    if run.seccompFile != null then
      "localhost/${run.seccompFile}"
    else if run.seccomp == null then
      "runtime/default"
    else
      "unconfined";
}
// lib.optionalAttrs (run.add != [ ] && builtins.elem "ALL" run.drop) {
  # podman gives a container no others than these, without any option.
  "io.containers.capabilities" = list run.add;
}
