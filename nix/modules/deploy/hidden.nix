# What a directory in memory hides of the image.
{ lib }:
{
  # The paths of those of `files`, in the terms of `ociBuildImage`, that are at or below `path`.
  hiddenBy =
    files: path:
    let
      pathOf =
        file:
        # A file without a destination is in the store. A folder has its files below its own path.
        (file.destination or "") + lib.optionalString (file ? source || file ? tar) "/";
    in
    map (lib.removeSuffix "/") (builtins.filter (lib.hasPrefix "${path}/") (map pathOf files));
}
