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

  missingPolicy = oci.ociCheckImage {
    layout = examples.remix;
    policy = ./nothing-here.yaml;
  };
  wrongPolicy = oci.ociCheckImage {
    layout = examples.remix;
    tag = "small";
    policy.rootUsr = "forbidden";
  };
  emptyPolicy = oci.ociCheckImage {
    layout = examples.remix;
    tag = "small";
    policy = { };
  };
  imageOfCheck = oci.ociCheckImage {
    layout = examples.remix;
    tag = "none";
    policy.rootUser = "forbidden";
  };

  brokenBase = image { base = broken; };
  noBase = image { base = jq; };
  noTag = image {
    base = {
      layout = examples.remix;
      tag = "medium";
    };
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
  typoInFakeNss = oci.fakeNss { extraPasswd = [ ]; };
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
  databaseWithout = oci.ociBuildImage {
    name = "database-without";
    layers = [
      (oci.ociLayerTar {
        closure = [ greet ];
        without = [ letters ];
      })
    ];
    initializeNixDatabase = true;
  };
}
