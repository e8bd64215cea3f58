# `deploy.compose`: a folder with compose.yaml. JSON is YAML, and has no quotes that depend on the text.
{
  it,
  lib,
  ociFiles,
  ...
}:
let
  # Compose files have variables.
  text =
    value:
    if builtins.isString value then
      builtins.replaceStrings [ "$" ] [ "$$" ] value
    else if builtins.isList value then
      map text value
    else if builtins.isAttrs value then
      builtins.mapAttrs (_: text) value
    else
      value;
  isPath = lib.hasPrefix "/";
  owner = lib.optionalString (
    it.user.uid != 0
  ) ":uid=${toString it.user.uid},gid=${toString it.user.gid}";

  service = {
    image = it.reference;
    inherit (it) restart;
  }
  // lib.optionalAttrs it.isLocal { pull_policy = "never"; }
  // lib.optionalAttrs it.readOnly { read_only = true; }
  // lib.optionalAttrs it.hasLowPort { sysctls."net.ipv4.ip_unprivileged_port_start" = "0"; }
  // lib.filterAttrs (_: values: values != [ ]) {
    cap_drop = it.drop;
    cap_add = it.add;
    security_opt =
      lib.optional it.noNewPrivileges "no-new-privileges:true"
      ++ lib.optional (it.seccomp != null) (
        if it.seccompFile == null then "seccomp:unconfined" else "seccomp:./${it.seccompFile}"
      );
    tmpfs = map (path: path + owner) it.tmpfs;
    inherit (it) ports;
    volumes = lib.mapAttrsToList (target: source: {
      type = if isPath source then "bind" else "volume";
      inherit source target;
    }) it.mounts;
  };
  names = builtins.filter (source: !isPath source) (builtins.attrValues it.mounts);
  project = {
    inherit (it) name;
    services.${it.name} = service;
  }
  # The same volumes as podman's, without the name of the project.
  // lib.optionalAttrs (names != [ ]) {
    volumes = lib.genAttrs names (name: {
      inherit name;
    });
  };
in
ociFiles {
  name = "oci-compose";
  files = [
    {
      destination = "/compose.yaml";
      text = builtins.toJSON (text project) + "\n";
    }
  ]
  ++ lib.optional (it.seccompFile != null) {
    destination = "/${it.seccompFile}";
    symlink = it.seccomp;
  };
  passthru = { inherit project; };
}
