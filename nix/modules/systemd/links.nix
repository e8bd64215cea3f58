# The symbolic links of `links` that the image has room for: where it has no base, and nothing of the user at the place.
{ config, lib }:
links:
let
  names = path: builtins.filter (name: name != "" && name != ".") (lib.splitString "/" path);
  place = path: builtins.concatStringsSep "" (map (name: "/${name}") (names path));
  isBelow = folder: path: lib.hasPrefix "${folder}/" path;

  # Evaluation reads paths, also those in the store, and no packages.
  isKnown =
    source:
    builtins.isPath source
    || builtins.all (of: of.path or false) (builtins.attrValues (builtins.getContext "${source}"));
  # Whether a folder has something at the path of these names, or a link or a file on the way there.
  has =
    folder: names:
    let
      name = builtins.head names;
      rest = builtins.tail names;
      type = (builtins.readDir folder).${name} or null;
    in
    type != null && (rest == [ ] || type != "directory" || has (folder + "/${name}") rest);

  destinationOf =
    file:
    let
      destination = toString (file.destination or file.source or "");
      name = if lib.hasSuffix "/" destination then baseNameOf (file.source or "") else "";
    in
    place (builtins.unsafeDiscardStringContext (if destination == "/" then "" else destination + name));
  isTakenBy =
    link: file:
    let
      destination = destinationOf file;
      below = names (lib.removePrefix destination link);
    in
    link == destination
    || isBelow link destination
    ||
      isBelow destination link
      && !(file.directory or false)
      && (!(file ? source) || !(isKnown file.source) || has file.source below);

  files =
    config.files
    ++ map (destination: {
      inherit destination;
      directory = true;
    }) (builtins.attrNames config.build.directories ++ config.image.volumes);
in
lib.optionals (config.image.fromImage == null) (
  builtins.filter (link: !(builtins.any (isTakenBy link.destination) files)) links
)
