# Images from modules: `images` are built, `claims` are true, and `mistakes` stop the evaluation.
{
  debian,
  functionsWith,
  nixos,
  nixosNames,
  nixpkgsLib,
  packages,
  ...
}:
let
  # Debian's programs are in the image, at their places.
  linksTo =
    name: folder:
    packages.package name (
      "mkdir -p $out/bin; "
      + nixpkgsLib.concatMapStrings (name: "ln -s ${folder}/${name} $out/bin/${name}; ") (
        builtins.attrNames (if debian == null then { } else builtins.readDir (debian + folder))
      )
    );
  pkgs = {
    lib = nixpkgsLib;
    busybox = packages.package "busybox" ''
      mkdir -p $out/bin
      cp ${packages.busybox}/bin/busybox $out/bin/
      for name in $($out/bin/busybox --list); do
        test $name = busybox || ln -s busybox $out/bin/$name
      done
    '';
    s6 = linksTo "s6" "/usr/bin";
    execline = linksTo "execline" "/usr/lib/execline/bin";
    util-linux = packages.unshare;
    # The root with daemons has these.
    util-linuxMinimal = linksTo "util-linux" "/usr/bin";
    nginx = linksTo "nginx" "/usr/sbin";
    redis = linksTo "redis" "/usr/bin";
    postgresql = linksTo "postgresql" "/usr/lib/postgresql/${
      builtins.head (builtins.attrNames (builtins.readDir (debian + "/usr/lib/postgresql")))
    }/bin";
    coreutils = packages.package "coreutils" "mkdir -p $out/bin; echo > $out/bin/ls";
    bash = pkgs.bashInteractive;
    bashInteractive = packages.package "bash" "mkdir -p $out/bin; echo > $out/bin/bash";
    writeTextDir =
      name: text: packages.package name "mkdir $out; cp ${builtins.toFile name text} $out/${name}";
    hello = packages.greet // {
      version = "1.0";
      meta.mainProgram = "greet";
    };
  };
  oci = functionsWith { inherit pkgs; };
  make = module: oci.ociMakeImage { modules = nixpkgsLib.toList module; };
  # An image whose name does not matter.
  named =
    module:
    make [
      { image.name = "box"; }
      module
    ];
  # A module with what s6 of Debian consists of.
  withDebian = {
    files = [
      {
        source = builtins.path {
          name = "debian";
          path = debian;
        };
        destination = "/";
        exclude = [ "usr/share/**" ];
      }
    ];
  };
  scope = {
    inherit
      debian
      functionsWith
      make
      named
      oci
      packages
      pkgs
      withDebian
      ;
    lib = nixpkgsLib;
  };
  mistakes = import ./make-image/mistakes.nix scope;
  images = import ./make-image/images.nix scope;
in
{
  units = import ./units/images.nix scope;
  nixos = import ./units/nixos.nix scope;
  realNixos = import ./nixos (
    scope
    // {
      inherit nixos;
      names = builtins.fromJSON (builtins.readFile nixosNames);
    }
  );
  claims = import ./make-image/claims.nix scope // import ./make-image/deployment.nix scope;
  daemons = import ./make-image/daemons.nix scope;
  deployed = import ./make-image/deployed.nix scope;
  inherit images;
  inherit mistakes;
  tests = import ./make-image/tests.nix (scope // { inherit images; });
  # `mistakes` cannot be evaluated as a whole.
  sentences = builtins.mapAttrs (_: mistake: mistake.sentence) mistakes;
  warned = named {
    warnings = [ "of a module" ];
    image.fromImage = named { };
    users.users.a.hashedPassword = "$6$x$y";
  };
}
