# The labels of a hardened image.
{ lib, run }:
let
  list = builtins.concatStringsSep ",";
  label = lib.mapAttrs' (name: lib.nameValuePair "oci-layout.hardening.${name}");
in
label {
  read-only-rootfs = lib.boolToString run.readOnly;
  tmpfs = list run.tmpfsPaths;
  no-new-privileges = lib.boolToString run.noNewPrivileges;
  capabilities-drop = list run.drop;
  capabilities-add = list run.add;
  # In the notation of Kubernetes' old annotation.
  seccomp-profile =
    if run.seccomp == null then
      "runtime/default"
    else if run.seccomp == "unconfined" then
      "unconfined"
    else
      "localhost/${run.name}-seccomp.json";
}
// lib.optionalAttrs (run.add != [ ] && builtins.elem "ALL" run.drop) {
  # podman gives a container no others than these, without any option.
  "io.containers.capabilities" = list run.add;
}
