# An image of packages whose paths are unknown before the build.
{
  ociBuildImage,
  ociLayerTar,
  busybox,
  ...
}:
let
  package =
    name: script:
    derivation {
      inherit name;
      system = builtins.currentSystem;
      builder = "${busybox}/bin/busybox";
      args = [
        "sh"
        "-euc"
        script
      ];
      __contentAddressed = true;
      outputHashMode = "recursive";
      outputHashAlgo = "sha256";
    };
  words = package "words" "mkdir $out; echo hello > $out/word";
  cat = package "cat" "mkdir -p $out/bin; printf '#!%s sh\\ncat %s\\n' ${busybox}/bin/busybox ${words}/word > $out/bin/cat; chmod +x $out/bin/cat";
in
ociBuildImage {
  name = "content-addressed";
  maxLayers = 3;
  layers = [ (ociLayerTar { closure = [ words ]; }) ];
  copyToRoot = [ cat ];
  config.Entrypoint = [ "${cat}/bin/cat" ];
}
