# Mistakes of users, one per attribute.
{
  oci,
  package,
  examples,
  greet,
  jq,
  left,
  letters,
  right,
  ...
}:
let
  # A blob with one byte changed.
  broken = package "broken" ''
    cp -r ${examples.closure} $out
    chmod -R u+w $out
    for blob in $out/blobs/sha256/*; do
      # The layer is the only blob that is not JSON.
      [ "$(head -c 1 $blob)" = "{" ] || printf x | dd of=$blob bs=1 seek=20 conv=notrunc
    done
  '';
  rootLayer = oci.ociLayerTar {
    files = [
      {
        directory = true;
        destination = "/usr/bin";
      }
      {
        symlink = "usr/bin";
        destination = "/bin";
      }
      {
        symlink = "nowhere";
        destination = "/broken";
      }
      {
        text = "";
        destination = "/etc/file";
      }
    ];
  };
  root = oci.ociImageLayout { manifests = [ (oci.ociImageManifest { layers = [ rootLayer ]; }) ]; };
  image =
    arguments:
    oci.ociImageLayout { manifests = [ (oci.ociImageManifest ({ layers = [ ]; } // arguments)) ]; };
in
builtins.mapAttrs (_: oci.ociLayerTar) {
  typo = {
    fils = [ { source = jq; } ];
  };
  typoInFile = {
    files = [
      {
        source = jq;
        destnation = "/bin/jq";
      }
    ];
  };
  twoContents = {
    files = [
      {
        source = jq;
        text = "";
        destination = "/bin/jq";
      }
    ];
  };
  noDestination = {
    files = [ { text = "to nowhere"; } ];
  };
  noSource = {
    files = [ { destination = "/bin/jq"; } ];
  };
  quoted = {
    files = [
      {
        source = "./app.conf";
        destination = "/etc/app.conf";
      }
    ];
  };
  keptOwner = {
    files = [
      {
        source = jq;
        uid = "keep";
      }
    ];
  };
  dots = {
    files = [
      {
        source = jq;
        destination = "/bin/../../etc/jq";
      }
    ];
  };
  compression = {
    files = [ { source = jq; } ];
    compression = "lzma";
  };
  mode = {
    files = [
      {
        source = jq;
        mode = "rwx";
      }
    ];
  };
  missingSource = {
    files = [
      {
        source = "${left}/bin/left";
        destination = "/bin/left";
      }
    ];
  };
  missingPath = {
    files = [
      {
        source = ./nothing-here;
        destination = "/bin/left";
      }
    ];
  };
  sourceOutsideOfStore = {
    files = [ { source = "/etc/passwd"; } ];
  };
  tarOutsideOfStore = {
    files = [
      {
        tar = "/root.tar";
        destination = "/";
      }
    ];
  };
  outsideOfStore = {
    closure = [ "/etc/passwd" ];
  };
  withoutImage = {
    closure = [ left ];
    without = [ examples.layered ];
  };
  pathInPackage = {
    copyToRoot = [ "${left}/etc" ];
  };
  conflict = {
    copyToRoot = [
      left
      right
    ];
  };
  conflictOfFiles = {
    files = [
      {
        source = "${left}/etc/motd";
        destination = "/etc/motd";
      }
      {
        text = "mine";
        destination = "/etc/motd";
      }
    ];
  };
}
// {
  # Another error, which shows that the tests would find one.
  importFromDerivation = import (package "expression" "echo '{ }' > $out");

  brokenBase = image { base = broken; };
  baseByName = image { base = "docker.io/library/alpine:3.20"; };
  noBase = image { base = jq; };
  typoInBase = image {
    base = {
      layout = examples.remix;
      tags = "small";
    };
  };
  noTag = image {
    base = {
      layout = examples.remix;
      tag = "medium";
    };
  };
  typoInLayout = oci.ociImageLayout {
    manifests = [ ];
    extraIndx = { };
  };
  listOfVolumes = image { extraConfig.config.Volumes = [ "/data" ]; };
  fractionOfSeconds = oci.ociBuildImage {
    name = "x";
    config.Healthcheck.Interval = 1.5 * 1000000000;
  };
  strictPlatform = image {
    extraConfig.architecture = "aarch64";
    strict = true;
  };
  strictVariable = image {
    extraConfig.config.Env = [ "PATH=/app:$PATH" ];
    strict = true;
  };
  twoConfigsAndVariable = image {
    config = oci.ociImageConfig { layers = [ ]; };
    unsetEnv = [ "A" ];
  };
  unknownConfig = image { extraConfig.entrypoint = [ "/bin/jq" ]; };
  twoConfigs = image {
    config = oci.ociImageConfig { layers = [ ]; };
    extraConfig.author = "me";
  };
  twoConfigsOfBase = image {
    config = oci.ociImageConfig { layers = [ ]; };
    inheritConfig = false;
  };
  twoConfigsInOne = oci.ociBuildImage {
    name = "two";
    config.Cmd = [ "a" ];
    extraConfig.config.Env = [ "A=1" ];
  };
  noDirectoryOfBase = image {
    layers = [
      (oci.ociLayerTar {
        base = root;
        files = [
          {
            text = "x";
            destination = "/usr/bin";
          }
        ];
      })
    ];
  };
  noFileOfBase = oci.ociLayerTar {
    base = root;
    files = [
      {
        text = "x";
        destination = "/etc/file/x";
      }
    ];
  };
  linkOfBase = oci.ociLayerTar {
    base = root;
    files = [
      {
        text = "x";
        destination = "/broken/x";
      }
    ];
  };
  linkOfLayer = oci.ociLayerTar {
    above = [ rootLayer ];
    files = [
      {
        text = "x";
        destination = "/broken/x";
      }
    ];
  };
  linkInImage = oci.ociBuildImage {
    name = "x";
    fromImage = root;
    files = [
      {
        text = "x";
        destination = "/bin";
      }
    ];
  };
  tagOfBase = oci.ociLayerTar {
    base = {
      layout = root;
      tag = "none";
    };
  };
  platformOfBase = oci.ociLayerTar {
    base = root;
    platform.architecture = "riscv64";
  };
  typoInPlatform = oci.ociLayerTar {
    base = root;
    platform.arch = "arm64";
  };
  aboveImage = oci.ociLayerTar { above = [ (oci.ociImageManifest { layers = [ ]; }) ]; };
  aboveAFunction = oci.ociLayerTar {
    above = [
      oci.ociLayerTar
      { }
    ];
  };
  damagedLayerOfBase = oci.ociLayerTar { base = broken; };
  namelessText = oci.ociLayerTar {
    files = [
      {
        text = "x";
        destination = "/etc/";
      }
    ];
  };
  namelessFile = oci.ociFiles {
    files = [
      {
        text = "x";
        destination = "/etc/";
      }
    ];
  };
  noLayer = image { layers = [ jq ]; };
  aFunction = image {
    layers = [
      oci.ociLayerTar
      { }
    ];
  };
  aFunctionInManifests = oci.ociImageLayout {
    manifests = [
      oci.ociImageManifest
      { layers = [ ]; }
    ];
  };
  aFunctionInWithout = oci.ociLayerTar {
    without = [
      oci.ociLayerTar
      { }
    ];
  };
  aFunctionInClosure = oci.ociClosureLayers { closure = [ (name: name) ]; };
  typoInOverride = (oci.ociLayerTar { closure = [ left ]; }).override { closures = [ ]; };
  typoInFakeNss = oci.fakeNss { extraPasswd = [ ]; };
  tagInName = oci.ociBuildImage { name = "registry.example:5000/a/name:1.0"; };
  notAlone = oci.ociBuildImage {
    name = "not-alone";
    config.Cmd = [ "${greet}/bin/greet" ];
    layers = [ (oci.ociLayerTar { closure = [ letters ]; }) ];
    alone = [ letters ];
  };
  fewLayers = oci.ociBuildImage {
    name = "few";
    maxLayers = 1;
    copyToRoot = [ left ];
    layers = [ (oci.ociLayerTar { }) ];
  };
}
