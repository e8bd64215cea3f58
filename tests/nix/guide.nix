# The examples of the documentation, in `folder`, each with the definitions that it assumes. With `debian`, a root file
# system with s6, images with services run.
{
  folder,
  names,
  debian ? null,
}:
let
  busybox = folder + "/nixpkgs/programs/busybox";

  # The packages of nixpkgs that the examples use and the stand-in lacks.
  more =
    final: _:
    let
      package =
        name: script:
        derivation {
          inherit name;
          inherit (final.stdenv.buildPlatform) system;
          builder = "${busybox}/bin/busybox";
          args = [
            "sh"
            "-euc"
            script
          ];
        };
      program =
        name: references: package name "mkdir -p $out/bin; echo ${toString references} > $out/bin/${name}";
    in
    {
      glibc = program "glibc" [ ];
      # It says how it was called. As a server, it stays.
      nginx = package "nginx" ''
        mkdir -p $out/bin
        echo '#!${busybox}/bin/busybox sh
        echo nginx $*
        case $* in *daemon*)
          trap "exit 0" TERM
          while :; do ${busybox}/bin/busybox sleep 0.1; done
        esac' > $out/bin/nginx
        chmod +x $out/bin/nginx
      '';
      python3 = program "python3" [ final.glibc ];
      httpie = program "httpie" [ final.python3 ];
      # Programs that say how they were called.
      nix = final.hello // {
        version = "2.0";
      };
      git = final.curl;
      dive = final.writeShellScriptBin "dive" "echo dive $*";
      trivy = final.writeShellScriptBin "trivy" "echo trivy $*";
      shadow = program "shadow" [ ];
      systemd = program "systemd" [ ];
      tzdata = package "tzdata" "mkdir -p $out/share/zoneinfo";
      buildEnv = { name, paths }: package name "mkdir $out; echo ${toString paths} > $out/paths";
      writeShellScript =
        name: text:
        derivation {
          inherit name text;
          inherit (final.stdenv.buildPlatform) system;
          builder = "${busybox}/bin/busybox";
          args = [
            "sh"
            "-euc"
            "printf '#!%s sh\n%s' ${busybox}/bin/busybox \"$text\" > $out; chmod +x $out"
          ];
        };
    }
    // (
      # Debian's programs are in the image, at their places.
      let
        linksTo =
          name: folder:
          package name (
            "mkdir -p $out/bin; "
            + final.lib.concatMapStrings (name: "ln -s ${folder}/${name} $out/bin/${name}; ") (
              builtins.attrNames (builtins.readDir (debian + folder))
            )
          );
      in
      if debian == null then
        { }
      else
        {
          s6 = linksTo "s6" "/usr/bin";
          execline = linksTo "execline" "/usr/lib/execline/bin";
        }
    )
    // {
      pkgsCross.aarch64-multiplatform = import nixpkgs {
        crossSystem = "aarch64-linux";
        overlays = [ more ];
      };
    };

  nixpkgs = folder + "/nixpkgs";
  pkgs = import nixpkgs { overlays = [ more ]; };
  debianFiles = [
    {
      source = debian;
      destination = "/";
      exclude = [ "usr/share/**" ];
    }
  ];
  withDebian =
    arguments:
    if arguments ? nixos then
      { lib, ... }: {
        files = debianFiles;
        # The packages of the examples have no setpriv.
        systemd.services.nginx.serviceConfig.AmbientCapabilities = lib.mkForce [ ];
      }
    else
      { config, lib, ... }: { files = lib.mkIf (config.build.init != null) debianFiles; };
  oci = (import (folder + "/oci-layout") { inherit pkgs; }).overrideScope (
    _: previous:
    if debian == null then
      { }
    else
      {
        ociMakeImage =
          arguments:
          previous.ociMakeImage (arguments // { modules = arguments.modules ++ [ (withDebian arguments) ]; });
      }
  );

  # The values that doc comments call by these names.
  things = rec {
    dependencies = oci.ociLayerTar { closure = [ pkgs.python3 ]; };
    app = oci.ociLayerTar {
      closure = [ pkgs.hello ];
      without = [ dependencies ];
    };
    image = oci.ociImageManifest {
      layers = [
        dependencies
        app
      ];
    };
    imageForArm = oci.ociImageManifest {
      layers = [ ];
      extraConfig.architecture = "arm64";
    };
  };

  value =
    name:
    let
      example = import (folder + "/${name}.nix");
    in
    if builtins.isFunction example then
      example (builtins.intersectAttrs (builtins.functionArgs example) { inherit oci pkgs things; })
    else
      example;

  # An example is a derivation or a set of them. The functions themselves are an example, and so is a module: there is
  # nothing to build.
  derivationsOf =
    value:
    if value ? outPath then
      [ value ]
    else if value ? ociLayerTar || value ? perSystem then
      [ ]
    else
      builtins.concatMap derivationsOf (builtins.attrValues value);
in
builtins.concatMap derivationsOf (map value names)
