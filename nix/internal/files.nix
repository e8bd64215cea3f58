# The types of the files and the rules of a layer, and of the files of a package.
{ check }:
let
  inherit (check)
    any
    bool
    int
    members
    set
    text
    texts
    ;
  orKeep =
    type: place: value:
    if value == "keep" then value else type place value;

  # In the program, a path that is not UTF-8 has the form `{ base64 = …; }`.
  path = check.type "a path in a string" (value: check.isText value || value ? base64);
  mode =
    let
      octal = check.matching "[0-7]{1,4}" "a string of up to four octal digits, as in \"0755\"";
    in
    place: value:
    if builtins.isInt value then
      check.refuse place "write the octal digits as a string, as in \"0755\", instead of ${toString value}"
    else
      octal place value;

  # The names that people try.
  hints = {
    content = "text";
    contents = "text";
    dest = "destination";
    dst = "destination";
    group = "gid";
    link = "symlink";
    path = "destination";
    permissions = "mode";
    src = "source";
    target = "destination";
    user = "uid";
  };
  glob = "use glob, which matches paths in the image, as in \"bin/*\"";
in
{
  inLayer = members {
    source = any;
    text = text;
    base64 = text;
    symlink = path;
    directory = bool;
    tar = any;
    whiteout = bool;
    opaqueWhiteout = bool;
    destination = path;
    mode = orKeep mode;
    uid = orKeep int;
    gid = orKeep int;
    mtime = orKeep int;
    xattrs = orKeep set;
    follow = bool;
    include = texts;
    exclude = texts;
  } (hints // { executable = "set mode = \"0755\""; });

  inPackage =
    members
      {
        destination = path;
        text = text;
        symlink = path;
        directory = bool;
        executable = bool;
      }
      (
        hints
        // {
          mode = "a package has no modes but executable = true; ociLayerTar has others";
        }
      );

  rule =
    members
      {
        glob = text;
        mode = mode;
        uid = int;
        gid = int;
      }
      {
        path = glob;
        regex = glob;
        gname = "gid";
        uname = "uid";
      };
}
