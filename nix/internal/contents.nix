# The store paths of a layer, in two forms: `attributes` are attributes of the layer's step, and `held` describes the
# paths for other layers that exclude them.
#
# Evaluation knows the roots of closures, and the build computes the paths from them. No layer's output is read.
{
  elements,
  lib,
  storePath,
}:
{
  closure ? [ ],
  copyToRoot ? [ ],
  referencesOf ? [ ],
  files ? [ ],
  without ? [ ],
}:
let
  isLayer =
    value:
    if value ? held then
      true
    # Without this error, the image would count as a package that refers to nothing.
    else if value ? manifests || value ? mediaDescriptor then
      throw "oci-layout: without: ${value} is an image; pass its layers: without = image.layers"
    else
      false;
  layers = builtins.filter isLayer (elements "without" without);

  isWholeAtSource =
    file: file ? source && !(file ? destination) && !(file ? include) && !(file ? exclude);

  # A path inside a package would otherwise copy the whole package to the root.
  package =
    value:
    if storePath value == "${value}" then
      storePath value
    else
      throw (
        "oci-layout: copyToRoot: ${value} is a path inside a package; use "
        + "files = [ { source = …; destination = \"/\"; } ], and add the package to closure"
      );

  own = {
    closure = map storePath (elements "closure" closure);
    copyToRoot = map package (elements "copyToRoot" copyToRoot);
    referencesOf = map storePath (elements "referencesOf" referencesOf);
    # The layer contains these paths. Other layers need only their names, so the context is discarded.
    atSource = map (file: builtins.unsafeDiscardStringContext "${file.source}") (
      builtins.filter isWholeAtSource files
    );
    without = map (value: if isLayer value then value.held.key else storePath value) (
      elements "without" without
    );
  };
  # What a bill of materials says of the layer, beyond the paths in its store. `copied` are packages whose contents are at
  # other places, and `described` those of which evaluation knows `meta`.
  sources = map (file: file.source) (
    builtins.filter (file: file ? source && !(isWholeAtSource file)) files
  );
  isOfPackage =
    source: builtins.any (of: of ? outputs) (builtins.attrValues (builtins.getContext "${source}"));
  bill = {
    copied = map (path: builtins.unsafeDiscardStringContext (storePath path)) (
      elements "copyToRoot" copyToRoot
      ++ builtins.filter (source: !(builtins.isPath source) && isOfPackage source) sources
    );
    described = builtins.filter (package: package ? meta) (
      elements "closure" closure ++ elements "copyToRoot" copyToRoot ++ sources
    );
  };

  # A hash of the contents alone. If a layer in `without` is built in another way, this layer does not change.
  key = builtins.hashString "sha256" (builtins.unsafeDiscardStringContext (builtins.toJSON own));
  others = builtins.foldl' (table: layer: table // layer.held.table) { } layers;

  roots =
    contents:
    contents.closure
    ++ contents.copyToRoot
    ++ contents.referencesOf
    ++ builtins.filter (path: !(others ? ${builtins.unsafeDiscardStringContext path})) contents.without;
  allRoots = builtins.concatMap roots ([ own ] ++ builtins.attrValues others);
in
{
  attributes =
    removeAttrs own [ "atSource" ]
    // {
      inherit others;
    }
    // lib.optionalAttrs (allRoots != [ ]) { exportReferencesGraph.graph = allRoots; };
  held = {
    inherit bill key;
    table = others // {
      ${key} = own;
    };
  };
}
