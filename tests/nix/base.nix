# Images above a base with links, and with directories that have special attributes.
{
  oci,
  functionsWith,
  package,
  greet,
  jq,
  nixpkgsLib,
  changing,
  ...
}:
let
  inherit (oci)
    ociBuildImage
    ociClosureLayers
    ociImageLayout
    ociImageManifest
    ociLayerTar
    ;

  directory =
    destination: attributes:
    attributes
    // {
      inherit destination;
      directory = true;
    };
  rootWith =
    bin:
    ociLayerTar {
      name = "root";
      files = [
        (directory "/${bin}" { })
        {
          symlink = bin;
          destination = "/bin";
        }
        (directory "/run" { mode = "0711"; })
        {
          text = "";
          destination = "/run/stale";
        }
        {
          symlink = "/run";
          destination = "/var/run";
        }
        {
          symlink = "nowhere";
          destination = "/broken";
        }
        (directory "/tmp" { mode = "1777"; })
        (directory "/home/app" {
          mode = "0750";
          uid = 1000;
          gid = 1000;
        })
        (directory "/nix/store" {
          mode = "1775";
          gid = 30000;
        })
      ];
    };
  base = ociImageLayout { manifests."1" = ociImageManifest { layers = [ (rootWith "usr/bin") ]; }; };

  # A layer of the caller, whose directory the customisation must not reset, and one that it must not wait for.
  data = ociLayerTar {
    inherit base;
    name = "layer-data";
    files = [
      (directory "/data" {
        mode = "0700";
        uid = 7;
      })
    ];
  };
  closure = ociLayerTar {
    inherit base;
    name = "layer-closure";
    closure = [ greet ];
  };

  tool = package "tool" "mkdir -p $out/bin $out/tmp; echo tool > $out/bin/tool; echo left > $out/tmp/left";
  image =
    arguments:
    ociBuildImage (
      {
        name = "above";
        tag = "1";
        fromImage = base;
        layers = [
          data
          closure
        ];
        copyToRoot = [ tool ];
        files = [
          {
            source = jq;
            destination = "/bin/";
          }
          {
            source = ./packages.nix;
            destination = "/home/app/";
            uid = 1000;
          }
          {
            text = changing;
            destination = "/data/x";
          }
          {
            text = "1\n";
            destination = "/var/run/app.pid";
          }
          {
            whiteout = true;
            destination = "/var/run/stale";
          }
        ];
        config = {
          Entrypoint = [ "${greet}/bin/greet" ];
          Env = [ "CHAIN=${jq}" ];
        };
      }
      // arguments
    );

  layer =
    arguments:
    ociLayerTar (
      {
        inherit base;
        files = [
          {
            text = "x";
            destination = "/bin/x";
          }
        ];
      }
      // arguments
    );
  lazyLayer = layer { lazy = true; };

  contained =
    (functionsWith {
      pkgs = {
        lib = nixpkgsLib;
        bash = jq;
        coreutils = greet;
      };
    }).ociMakeImage
      {
        modules = [
          {
            image = {
              name = "contained";
              package = greet;
              dependencies = [ jq ];
              fromImage = base;
              volumes = [
                "/tmp"
                "/var/run/app"
              ];
              workingDir = "/home/app";
              uid = 1000;
              gid = 100;
              user = "app";
              entrypoint = [ "${greet}/bin/greet" ];
              flavours.debug.image.debug = {
                enable = true;
                packages = [ ];
              };
            };
          }
        ];
      };

  # One tag for two platforms, whose links are at different paths.
  arm = functionsWith { hostSystem = "aarch64-linux"; };
  intel = functionsWith { hostSystem = "x86_64-linux"; };
  platforms = ociImageLayout {
    manifests.both = [
      (intel.ociImageManifest { layers = [ (rootWith "usr/bin") ]; })
      (arm.ociImageManifest { layers = [ (rootWith "system/bin") ]; })
    ];
  };
  onBoth =
    oci: arguments:
    oci.ociLayerTar (
      {
        base = {
          layout = platforms;
          tag = "both";
        };
        files = [
          {
            text = "x";
            destination = "/bin/x";
          }
        ];
      }
      // arguments
    );
in
{
  inherit base lazyLayer;
  layer = layer { };
  image = image { };
  # The base in every form.
  folder = image {
    fromImage = {
      layout = package "foreign" "cp -r ${base} $out";
      tag = "1";
    };
  };
  archive = image {
    fromImage = package "foreign-archive" "cd ${base}; tar -cf $out oci-layout index.json blobs";
  };
  lazy = image { lazy = true; };
  deep = oci.ociVerify {
    layout = image { lazy = true; };
    deep = true;
  };
  # Built in a sandbox that has neither the base nor its entries.
  filled = ociImageLayout { manifests = [ (ociImageManifest { layers = [ lazyLayer ]; }) ]; };
  ofLazyBase = layer {
    base = ociImageLayout {
      sparse = true;
      manifests = [
        (ociImageManifest {
          layers = [
            (ociLayerTar {
              lazy = true;
              files = [
                {
                  symlink = "usr/bin";
                  destination = "/bin";
                }
                (directory "/usr/bin" { mode = "0711"; })
              ];
            })
          ];
        })
      ];
    };
  };
  split = ociClosureLayers {
    inherit base;
    closure = [ greet ];
    maxLayers = 3;
    alone = [ greet ];
  }; # the base counts as one
  replaced = layer {
    files = [
      {
        text = "x";
        destination = "/usr/bin";
      }
    ];
    replace = true;
  };
  replacedInImage = image {
    files = [
      {
        text = "x";
        destination = "/usr/bin";
      }
    ];
    copyToRoot = [ ];
    replace = true;
  };
  # Layers above each other, without a base.
  aboveLayers = ociLayerTar {
    above = [
      (rootWith "usr/bin")
      (ociLayerTar { files = [ (directory "/usr/bin" { mode = "0711"; }) ]; })
    ];
    files = [
      {
        text = "x";
        destination = "/bin/x";
      }
    ];
  };

  container = ociImageLayout {
    manifests = {
      image = contained.manifest;
      debug = contained.flavours.debug.manifest;
    };
  };
  ofIntel = onBoth intel { };
  ofArm = onBoth arm { };
  ofChoice = onBoth intel {
    platform = {
      architecture = "arm64";
      variant = "v8";
    };
  };
  imageOfChoice = intel.ociBuildImage {
    name = "choice";
    tag = "1";
    fromImage = platforms;
    extraConfig.architecture = "arm64";
    files = [
      {
        text = "x";
        destination = "/bin/x";
      }
    ];
  };
}
