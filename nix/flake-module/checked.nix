# The checks of an image, the programs that scan it, and its package, as the container of the image asks for. `package` is
# the name of the package, `platform` the one to scan, and `layoutWith` makes the layout that depends on checks.
{ lib, oci }:
{
  container,
  layoutWith,
  package,
  platform,
}:
let
  name = lib.removePrefix "oci-" package;
  layout = layoutWith [ ];
  gated = if container.gate then layoutWith (lib.attrValues checks) else layout;
  tag = "${layout.imageName}:${layout.imageTag}";
  enabled = lib.filterAttrs (_: scan: scan.enable) container.scan;
  tools = import ../ociScanImage/tools.nix;
  scans = lib.mapAttrs (
    tool: scan:
    oci.ociScanImage {
      inherit tool platform;
      inherit (scan)
        arguments
        config
        format
        package
        ;
      name = lib.strings.sanitizeDerivationName "oci-${tool}-${name}";
      image = {
        inherit tag;
        # What is signed must have passed the checks.
        layout = if tools.${tool}.reads or null == "registry" then gated else layout;
      };
    }
  ) enabled;
  policy = lib.optionalAttrs (container.policy != null) {
    "${package}-policy" = oci.ociCheckImage {
      inherit layout tag;
      inherit (container) policy;
      name = lib.strings.sanitizeDerivationName "oci-check-${name}";
    };
  };
  checks = {
    ${package} = oci.ociVerify { inherit layout; };
  }
  // policy
  // lib.mapAttrs' (tool: scan: lib.nameValuePair "${package}-${tool}" scan.check) (
    lib.filterAttrs (tool: _: enabled.${tool}.check) scans
  );
in
{
  inherit checks;
  # The programs, by the names of their apps.
  programs =
    lib.mapAttrs' (tool: lib.nameValuePair "oci-${tool}-${name}") scans
    // lib.mapAttrs' (_: check: lib.nameValuePair "oci-check-${name}" check.program) policy;
  layout = gated;
}
