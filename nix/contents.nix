# What a layer holds of the store, as attributes of a step (`attributes`) and for other layers to leave out (`held`).
#
# It is known during evaluation as roots of closures, and in the build as paths: no output of a layer is read.
{ storePath, ... }:
{ closure ? [ ], copyToRoot ? [ ], referencesOf ? [ ], files ? [ ], without ? [ ] }:
let
  asList = value: if builtins.isList value then value else [ value ];
  isLayer = value:
    if value ? held then true
    # It would be taken for a package, which refers to nothing.
    else if value ? manifests || value ? mediaDescriptor
    then throw "oci-layout: without has an image in it, ${value}: give its layers, as in without = image.layers"
    else false;
  layers = builtins.filter isLayer (asList without);

  isWholeAtSource = file: file ? source && !(file ? destination) && !(file ? include) && !(file ? exclude);

  # Of a path in a package, nobody would expect the whole package at the root.
  package = value:
    if storePath value == "${value}" then storePath value
    else throw ("oci-layout: copyToRoot: ${value} is a path in a package: "
      + "give it in files, as in { source = …; destination = \"/\"; }, and the package in closure");

  own = {
    closure = map storePath (asList closure);
    copyToRoot = map package (asList copyToRoot);
    referencesOf = map storePath (asList referencesOf);
    # The layer has these, and nobody needs to have them to know it.
    atSource = map (file: builtins.unsafeDiscardStringContext "${file.source}") (builtins.filter isWholeAtSource files);
    without = map (value: if isLayer value then value.held.key else storePath value) (asList without);
  };
  # A function of the contents alone: a layer does not change when another one, that it is without, is made in
  # another way.
  key = builtins.hashString "sha256" (builtins.unsafeDiscardStringContext (builtins.toJSON own));
  others = builtins.foldl' (table: layer: table // layer.held.table) { } layers;

  roots = contents: contents.closure ++ contents.copyToRoot ++ contents.referencesOf
    ++ builtins.filter (path: !(others ? ${builtins.unsafeDiscardStringContext path})) contents.without;
  allRoots = builtins.concatMap roots ([ own ] ++ builtins.attrValues others);
in
{
  attributes = removeAttrs own [ "atSource" ] // { inherit others; } // (
    if allRoots == [ ] then { } else { exportReferencesGraph.graph = allRoots; }
  );
  held = { inherit key; table = others // { ${key} = own; }; };
}
