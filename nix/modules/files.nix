# Files by their places in the image.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  inherit (config.users.ids) gidOf uidOf;
  place = file: "files: ${file.destination or file.source or "a file"}";
  owned =
    file:
    removeAttrs file [
      "user"
      "group"
    ]
    // lib.optionalAttrs (file ? user) { uid = uidOf (place file) file.user; }
    // lib.optionalAttrs (file ? group) { gid = gidOf (place file) file.group; };
in
{
  options.files = mkOption {
    type = types.listOf (types.attrsOf types.raw);
    default = [ ];
    description = ''
      Files of the image, as in `ociLayerTar`. Instead of the numbers `uid` and `gid`, a file may have `user` and `group`,
      the names of declared users and groups.
    '';
    example = lib.literalExpression ''[ { destination = "/srv/www"; source = ./www; user = "nginx"; mode = "0750"; } ]'';
  };

  config.build.files = map owned config.files;
}
