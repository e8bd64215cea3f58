# The scope of functions: what `override` and `overrideScope` change. `claims` are all true.
{
  oci,
  functionsWith,
  greet,
  jq,
  left,
  right,
  words,
  examples,
  ...
}:
let
  drvPath = value: builtins.unsafeDiscardStringContext value.drvPath;
  same = one: other: drvPath one == drvPath other;

  # Each function with arguments, and with arguments that override them.
  calls = {
    ociLayerTar = [
      {
        files = [
          {
            source = jq;
            destination = "/jq";
          }
        ];
      }
      { compression = "zstd"; }
    ];
    ociImageConfig = [
      { layers = [ ]; }
      { extraConfig.author = "me"; }
    ];
    ociImageManifest = [
      { layers = [ ]; }
      { extraManifest.annotations.a = "b"; }
    ];
    ociImageLayout = [
      { manifests = [ ]; }
      { sparse = true; }
    ];
    ociBuildImage = [
      {
        name = "a";
        copyToRoot = left;
      }
      {
        tag = "1";
        copyToRoot = [
          left
          words
        ];
      }
    ];
    buildOciImage = [
      { name = "a"; }
      { tag = "1"; }
    ];
    ociClosureLayers = [
      { closure = greet; }
      { maxLayers = 2; }
    ];
    ociVerify = [
      { layout = examples.remix; }
      { deep = true; }
    ];
    ociCheckImage = [
      {
        layout = examples.remix;
        policy.rootUser = "forbidden";
      }
      { policy.setuidFiles = "forbidden"; }
    ];
    ociProvenance = [
      {
        image = examples.remix;
        builderId = "https://example.com/1";
      }
      { builderId = "https://example.com/2"; }
    ];
    ociPullImage = [
      {
        imageName = "a/b:c";
        imageDigest = "sha256:${hex}";
        hash = empty;
      }
      { arch = "s390x"; }
    ];
    ociPullImageFromManifest = [
      {
        imageName = "a/b";
        inherit manifest;
      }
      { tag = "1"; }
    ];
    ociFiles = [
      { files = [ ]; }
      {
        files = [
          {
            destination = "/a";
            text = "b";
          }
        ];
      }
    ];
    fakeNss = [
      { extraPasswdLines = [ "a" ]; }
      { extraGroupLines = [ "b" ]; }
    ];
  };
  hex = builtins.hashString "sha256" "";
  empty = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  manifest = builtins.toFile "manifest.json" (
    builtins.toJSON {
      layers = [ ];
      config = {
        digest = "sha256:${hex}";
        size = 0;
        mediaType = "application/json";
      };
    }
  );

  ofCall =
    name: calls:
    let
      function = oci.${name};
      first = builtins.elemAt calls 0;
      change = builtins.elemAt calls 1;
      result = function first;
      changed = function (first // change);
    in
    {
      "${name}: a call has override" = same (result.override change) changed;
      "${name}: override takes a function of the old arguments" = same (result.override (
        old:
        assert builtins.intersectAttrs first old == first;
        change
      )) changed;
      "${name}: a result of override has override" =
        same ((result.override { }).override change) changed
        && same ((result.override change).override { }) changed;
      "${name}: another argument gives another derivation" = !(same result changed);
    };

  zstd = oci.overrideScope (
    final: prev: {
      ociLayerTar = arguments: prev.ociLayerTar (arguments // { compression = "zstd"; });
    }
  );
  layers =
    oci:
    (oci.ociBuildImage {
      name = "a";
      config.Cmd = [ "${greet}/bin/greet" ];
      files = [
        {
          text = "x";
          destination = "/x";
        }
      ];
    }).layers;
  customisation = oci: builtins.elemAt (layers oci) 1;

  arm = oci.overrideScope (_: _: { hostSystem = "aarch64-linux"; });
  other = oci.overrideScope (_: _: { builder = "/other"; });
  extended =
    (oci.overrideScope (
      final: prev: {
        motd = final.ociFiles {
          files = [
            {
              text = final.greeting;
              destination = "/etc/motd";
            }
          ];
        };
        greeting = "hello";
        image = final.callPackage (
          {
            ociBuildImage,
            motd,
            tag ? "1",
          }:
          ociBuildImage {
            name = "a";
            inherit tag;
            copyToRoot = motd;
          }
        ) { };
      }
    )).overrideScope
      (final: prev: { greeting = "${prev.greeting}, world"; });
  motd = oci.ociFiles {
    files = [
      {
        text = "hello, world";
        destination = "/etc/motd";
      }
    ];
  };

  layer = oci.ociLayerTar { };
  withPackages = functionsWith {
    pkgs = {
      bashInteractive = left;
      coreutils = left;
      cacert = left;
    };
  };
in
{
  claims =
    builtins.foldl' (claims: name: claims // ofCall name calls.${name}) { } (builtins.attrNames calls)
    // {
      "all functions are here" =
        builtins.attrNames (builtins.intersectAttrs calls oci) == builtins.attrNames calls;
      "functions name their arguments" =
        oci.ociVerify.__functionArgs == {
          name = true;
          layout = false;
          deep = true;
          strict = true;
          passthru = true;
        };
      "what is built of a function is built of its replacement" =
        same (customisation zstd) ((customisation oci).override { compression = "zstd"; })
        && same (builtins.head (layers zstd)) (builtins.head (layers oci));
      "a replacement leaves the original as it is" = same (customisation oci) (
        customisation (functionsWith { })
      );
      "the platform can be replaced" =
        (arm.ociImageManifest { layers = [ ]; }).platform.architecture == "arm64";
      "the program can be replaced" =
        (other.ociBuildImage { name = "a"; }).builder == "/other/bin/oci-layout"
        && other.fakeNss.builder == "/other/bin/oci-layout"
        && (customisation other).builder == "/other/bin/oci-layout";
      "additions see each other, and later ones change earlier ones" = same extended.motd motd;
      "callPackage passes what is in the scope" = same extended.image (
        oci.ociBuildImage {
          name = "a";
          tag = "1";
          copyToRoot = motd;
        }
      );
      "a package that callPackage called has override" = same (extended.image.override { tag = "2"; }) (
        oci.ociBuildImage {
          name = "a";
          tag = "2";
          copyToRoot = motd;
        }
      );
      "packages have override" =
        same (withPackages.binSh.override { pkgs.bashInteractive = right; })
          (functionsWith { pkgs.bashInteractive = right; }).binSh;
      "overrideAttrs changes attributes of the derivation" =
        (layer.overrideAttrs { name = "other"; }).name == "other"
        &&
          (layer.overrideAttrs (old: {
            name = "${old.name}-2";
          })).name == "oci-layer-2"
        && ((layer.overrideAttrs { name = "other"; }).override { compression = "zstd"; }).name == "other"
        && ((layer.override { compression = "zstd"; }).overrideAttrs { name = "other"; }).name == "other";
      "overrideAttrs changes what refers to the derivation" =
        let
          other = layer.overrideAttrs { name = "other"; };
          image = (oci.ociBuildImage { name = "a"; }).overrideAttrs { name = "other"; };
        in
        other.diffID == "${other}/DiffID"
        && image.imageTag == builtins.substring 0 32 (baseNameOf image.outPath);
      "meta is not part of the derivation" =
        same layer (layer.overrideAttrs { meta.mainProgram = "x"; })
        && (layer.overrideAttrs { meta.mainProgram = "x"; }).meta.mainProgram == "x";
      "fakeNss is a package" = same oci.fakeNss (oci.fakeNss { });
      "fakeNss has override, as in nixpkgs" = same (oci.fakeNss.override { extraGroupLines = [ "b" ]; }) (
        oci.fakeNss { extraGroupLines = [ "b" ]; }
      );
      "a single element stands for a list of it" =
        same
          (oci.ociLayerTar {
            closure = greet;
            without = words;
          })
          (
            oci.ociLayerTar {
              closure = [ greet ];
              without = [ words ];
            }
          )
        && same (oci.ociImageLayout { manifests.a = examples.remix; }) (
          oci.ociImageLayout { manifests.a = [ examples.remix ]; }
        );
    };
}
