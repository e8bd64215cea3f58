# The platform of an image, in Go's names: that of `hostSystem`, unless `extraConfig` names another.
{ hostSystem }:
extraConfig:
let
  known = {
    x86_64-linux = {
      architecture = "amd64";
    };
    i686-linux = {
      architecture = "386";
    };
    aarch64-linux = {
      architecture = "arm64";
    };
    armv7l-linux = {
      architecture = "arm";
      variant = "v7";
    };
    armv6l-linux = {
      architecture = "arm";
      variant = "v6";
    };
    armv5tel-linux = {
      architecture = "arm";
      variant = "v5";
    };
    riscv64-linux = {
      architecture = "riscv64";
    };
    powerpc64-linux = {
      architecture = "ppc64";
    };
    powerpc64le-linux = {
      architecture = "ppc64le";
    };
    s390x-linux = {
      architecture = "s390x";
    };
    loongarch64-linux = {
      architecture = "loong64";
    };
    mipsel-linux = {
      architecture = "mipsle";
    };
    mips64el-linux = {
      architecture = "mips64le";
    };
    # Containers on these machines run Linux too.
    x86_64-darwin = {
      architecture = "amd64";
    };
    aarch64-darwin = {
      architecture = "arm64";
    };
  };
  ofSystem =
    known.${hostSystem}
      or (throw "oci-layout: the platform of the system ${hostSystem} is unknown; set extraConfig.architecture");
  # A variant belongs to its architecture, and `extraConfig.architecture` alone is enough for an unknown system.
  default = if extraConfig ? architecture then { } else ofSystem;
in
{
  os = "linux";
}
// default
// builtins.intersectAttrs {
  architecture = 0;
  os = 0;
  variant = 0;
} extraConfig
