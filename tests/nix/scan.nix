# Scans of an image by stand-ins for the tools: for two platforms, with lazy layers and an attached bill.
{
  busybox,
  functionsWith,
  greet,
  package,
  ...
}:
let
  # Writes its arguments, and what a reader of its own finds at the paths among them, to the file of the report or to its
  # output. `--fail CODE` makes it fail. As dgoss, it asks podman for the image, and as cosign, it is the real one.
  standIn = package "stand-in" ''
    mkdir -p $out/bin
    cat > $out/bin/stand-in <<'END'
    #!${busybox}/bin/busybox sh
    set -eu
    case $0 in */cosign) exec cosign "$@" ;; esac
    case $* in *--silent*) exit 0 ;; esac
    # As programs with a user interface do.
    [ ! -t 2 ] || { echo a terminal; exit 9; }
    busybox() { ${busybox}/bin/busybox "$@"; }
    report=/dev/stdout
    code=0
    before=
    for word; do
      case $before=$word in
        --output=*/* | --test-report=*) report=''${word#*=} ;;
        --fail=*) code=$word ;;
      esac
      before=$word
    done
    {
      for word; do
        path=''${word#*:}
        echo "word $word"
        if [ -e "$path/index.json" ]; then
          busybox cat "$path/oci-layout"
          echo
          busybox cat "$path/index.json"
          echo
          (cd "$path/blobs/sha256" && for blob in *; do echo "$blob  $blob"; done | busybox sha256sum -c)
        fi
        case $word in
          */config.json | */image.json) busybox cat "$word"; echo ;;
          /*.tar) busybox tar -xOf "$word" manifest.json; echo; busybox tar -tf "$word" ;;
          localhost/*) podman image inspect --format '{{.Digest}}' "$word" ;;
        esac
      done
      busybox env | busybox grep -E '^(GOSS|CONTAINER_RUNTIME|SYFT|GRYPE)' | busybox sort
    } > "$report"
    exit $code
    END
    chmod +x $out/bin/stand-in
    for name in ${builtins.concatStringsSep " " (builtins.attrNames tools)}; do
      ln -s stand-in $out/bin/$name
    done
  '';
  tools = import ../../nix/ociScanImage/tools.nix;
  # The package of busybox has a program only for its own name.
  pkgs = builtins.mapAttrs (_: _: standIn) tools // {
    busybox = package "busybox" ''
      mkdir -p $out/bin
      cp ${busybox}/bin/busybox $out/bin/
      for name in basename cat date dirname mkdir mktemp rm tar; do ln -s busybox $out/bin/$name; done
    '';
  };

  onSystem = hostSystem: functionsWith { inherit hostSystem pkgs; };
  here = onSystem builtins.currentSystem;
  imageOn =
    functions:
    functions.ociBuildImage {
      name = "me/app";
      lazy = true;
      sbom = true;
      config = {
        Entrypoint = [ "${greet}/bin/greet" ];
        User = "1000";
      };
      extraManifest.annotations.on = functions.hostSystem;
    };
  layout = here.ociImageLayout {
    sparse = true;
    manifests = {
      "registry.example/me/app:1.0" = [
        (imageOn here)
        (imageOn (onSystem "aarch64-linux"))
      ];
      other = here.ociImageManifest { layers = [ ]; };
    };
    passthru.imageName = "registry.example/me/app";
  };
  image = {
    inherit layout;
    tag = "registry.example/me/app:1.0";
  };
  scan = tool: arguments: here.ociScanImage ({ inherit image tool; } // arguments);
in
{
  inherit layout;
  trivy = scan "trivy" {
    arguments = [
      "--severity"
      "HIGH, it's"
    ];
  };
  sarif = scan "trivy" {
    format = "sarif";
    config = builtins.toFile "trivy.yaml" "a: b\n";
  };
  grype = scan "grype" { platform.architecture = "arm64"; };
  syft = scan "syft" { };
  conftest = scan "conftest" { config = builtins.toFile "policy.rego" "package main\n"; };
  dockle = scan "dockle" { };
  dgoss = scan "dgoss" { config = builtins.toFile "goss.yaml" "{}\n"; };
  dive = scan "dive" { };
  cst = scan "container-structure-test" { config = builtins.toFile "tests.yaml" "{}\n"; };
  cosign = scan "cosign" { };
  nameless = scan "cosign" { image = here.ociImageLayout { manifests = [ (imageOn here) ]; }; };
  silent = scan "syft" { arguments = [ "--silent" ]; };
  failing = scan "dockle" {
    arguments = [
      "--fail"
      "7"
    ];
  };
}
