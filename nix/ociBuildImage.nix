{ hashPart, ociClosureLayers, ociImageLayout, ociImageManifest, ociLayerTar, references, storeName, ... }:
/**
  An image in one call: the closure of what `config`, `files` and `copyToRoot` refer to is found and split into layers,
  and the customisation (`files` and `copyToRoot`) is a layer of its own, above them.

  - `name`: the image's name without a tag, as in `"ghcr.io/me/app"`.
  - `tag`: its tag; `null` is the hash part of the layout's store path. `imageName` and `imageTag` of the result say it.
  - `config`: `Env`, `Entrypoint`, `Cmd`, `Labels` and so on, what the
    [image configuration](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md) has under `config`; keys may
    be written in any case.
  - `copyToRoot`: a list of packages, or one, whose contents land at `/`.
  - `files`: as in `ociLayerTar`; what their sources refer to comes into the image.
  - `layers`: a list of layers (`ociLayerTar`, `ociClosureLayers`) that go below all others; what they hold is nowhere
    else. They are derivations of their own, and stay as they are when something else changes.
  - `fromImage`: the base image; see `base` of `ociImageConfig`. The layers made here come above it, as `base` of
    `ociLayerTar` says, and the customisation comes above those of `layers` too that hold more than closures: it depends
    on their outputs then. For layers in `layers`, say `base` yourself.
  - `maxLayers`: the largest number of layers, with those of the base image; each of `layers` counts as one. The closure
    has at least one layer, however many the base has.
  - `created`: a time as RFC 3339 writes it; `null` is 1970, so that the same contents are the same image.
  - `extraConfig`: members beside `config`: `author`, `architecture`, …
  - `extraManifest`, `extraIndex`, `inheritConfig`, `unsetEnv`: as in the four functions.
  - `strict`: whether warnings are errors.
  - `alone`, `together`: how the closure is split; see `ociClosureLayers`.
  - `compression`: of all layers made here, not of those in `layers`.
  - `lazy`: whether recipes take the place of all layers: those made here are lazy, as in `ociLayerTar`, and the layout is
    sparse, as in `ociImageLayout`. `ociImageLayout { manifests = [ image ]; }` makes a full one of it.
  - `mtime`, `owner`, `perms`, `onConflict`, `keepDirectoryLinks`, `replace`: of the customisation; see `ociLayerTar`.
  - `passthru`: of the derivation. Beside it, the result has `manifest` (for `ociImageLayout`), `layers`, `fromImage`,
    `imageName` and `imageTag`; and the programs of `ociImageLayout`: `copyToRegistry`, `copyToPodman`,
    `copyToDockerDaemon`, `copyTo`, `push`.

  ```nix
  ociBuildImage {
    name = "hello";
    config.Entrypoint = [ "${hello}/bin/hello" ];
    layers = [ (ociLayerTar { closure = [ glibc ]; }) ];
  }
  ```
*/
{ name
, tag ? null
, config ? { }
, copyToRoot ? [ ]
, files ? [ ]
, layers ? [ ]
, fromImage ? null
, maxLayers ? 20
, created ? null
, extraConfig ? { }
, extraManifest ? { }
, extraIndex ? { }
, inheritConfig ? true
, unsetEnv ? [ ]
, strict ? false
, alone ? [ ]
, together ? [ ]
, compression ? "gzip"
, lazy ? false
, mtime ? 1
, owner ? { }
, perms ? [ ]
, onConflict ? "error"
, replace ? false
, keepDirectoryLinks ? false
, passthru ? { }
}:
let
  # A colon may stand before the port of a registry, and so before a slash.
  imageName =
    if builtins.match ".*:[^/]*" name == null then name
    else throw "oci-layout: image name ${name} has a tag in it: leave it out there, and give it as the argument tag";

  roots = if builtins.isList copyToRoot then copyToRoot else [ copyToRoot ];

  # What a file's source refers to comes in, and not the source itself. A path without quotes refers to nothing.
  sources = map (file: file.source) (builtins.filter (file: file ? source && !(builtins.isPath file.source)) files);
  texts = map (file: removeAttrs file [ "source" "tar" ]) files;
  referencesOf = references [ config extraConfig texts ] ++ roots ++ sources;

  hasCustomisation = files != [ ] || roots != [ ];
  ofClosure = maxLayers - builtins.length layers - (if hasCustomisation then 1 else 0);

  base = fromImage;
  platform = builtins.intersectAttrs { architecture = 0; os = 0; variant = 0; } extraConfig;
  # Closures have no directory but those of the store on the way to a file of the customisation: it need not wait for them,
  # and stays as it is when they change.
  isOnTheWay = layer: !(layer.holdsClosuresAlone or false);

  closure = ociClosureLayers {
    inherit referencesOf alone together compression strict lazy base platform;
    without = layers;
    maxLayers =
      if ofClosure >= 1 then ofClosure
      else throw ("oci-layout: image ${name}: maxLayers = ${toString maxLayers} leaves no layer for the closure, beside "
        + "those in layers and the customisation: it is at least ${toString (maxLayers + 1 - ofClosure)}");
  };

  customisation = ociLayerTar {
    inherit files compression mtime owner perms onConflict keepDirectoryLinks strict lazy base platform replace;
    name = "oci-customisation";
    # Without a base image, no layer looks at another.
    above = if fromImage == null then [ ] else builtins.filter isOnTheWay layers;
    # Their closures are below already, whatever layers those are: this one does not change when they do.
    copyToRoot = roots;
    without = roots;
  };

  allLayers = layers
    ++ (if referencesOf == [ ] then [ ] else [ closure ])
    ++ (if hasCustomisation then [ customisation ] else [ ]);

  manifest = ociImageManifest {
    inherit extraManifest inheritConfig unsetEnv strict;
    layers = allLayers;
    base = fromImage;
    extraConfig =
      if config != { } && extraConfig ? config
      then throw "oci-layout: image ${name} has config and extraConfig.config: say all of it in config"
      else (if created == null then { } else { inherit created; }) // { inherit config; } // extraConfig;
  };

  hash = hashPart image;
  image = ociImageLayout {
    name = storeName name;
    inherit extraIndex;
    sparse = lazy;
    hashTagged = if tag == null then imageName else null;
    manifests = if tag == null then [ manifest ] else { "${imageName}:${tag}" = manifest; };
    passthru = passthru // {
      inherit manifest fromImage imageName;
      layers = allLayers;
      imageTag =
        if tag != null then tag
        else if hash == null
        then throw ("oci-layout: image ${name}: a package in it is content-addressed, so that nobody knows its tag yet: "
          + "say tag")
        else hash;
    };
  };
in
image
