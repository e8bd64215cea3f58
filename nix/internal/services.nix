# The start script and the scan directory of services. `services` are those of `nix/modules/s6/lower.nix`, in the order of
# their start, and `path` are packages.
{ step }:
{ services, path }:
step "services" {
  name = "oci-services";
  inherit services path;
  preferLocalBuild = true;
  allowSubstitutes = false;
}
