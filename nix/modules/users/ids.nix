# The numbers of users and groups, and the lines about them in `/etc`.
#
# A number that is not given is a hash of the name. Numbers in order would move when a name is added, and the files in
# volumes would belong to other users.
{
  lib,
  users,
  groups,
}:
let
  hashed =
    name:
    let
      digits = builtins.substring 0 7 (builtins.hashString "sha256" name);
      number = (builtins.fromTOML "number = 0x${digits}").number;
    in
    20000 + number - 10000 * (number / 10000);
  numberOf = name: given: if given == null then hashed name else given;

  predefinedGroups = {
    root.gid = 0;
    users.gid = 100;
    nogroup.gid = 65534;
    nobody.gid = 65534;
  };
  predefinedUsers = {
    root = {
      uid = 0;
      gid = 0;
      description = "root";
      home = "/root";
      shell = "/bin/sh";
    };
    nobody = {
      uid = 65534;
      gid = 65534;
      description = "nobody";
      home = "/var/empty";
      shell = "/sbin/nologin";
    };
  };
  isPredefined = name: predefinedUsers ? ${name};

  named = lib.mapAttrs' (name: value: lib.nameValuePair (value.name or name) value);
  # A declaration of `root` changes what it says and no more.
  given = builtins.mapAttrs (
    name: user:
    if isPredefined name then
      predefinedUsers.${name} // { inherit (user) hashedPassword initialHashedPassword extraGroups; }
    else
      user
  ) (named users);
  allUsers = predefinedUsers // given;

  # A user without a declared group has one of its own name and number. The image's own user may have the number of another
  # group.
  numbersOfGroups = map (group: group.gid) (
    builtins.attrValues predefinedGroups ++ builtins.attrValues groups
  );
  ofUsers =
    lib.mapAttrs'
      (
        name: user:
        lib.nameValuePair (user.group or name) {
          gid =
            if user ? gid then
              user.gid
            else if (user.group or name) == name then
              user.uid
            else
              null;
        }
      )
      (
        lib.filterAttrs (
          name: user:
          !isPredefined name
          && (user.group or name) == name
          && !(user ? gid && builtins.elem user.gid numbersOfGroups)
        ) allUsers
      );
  givenGroups = named groups;
  allGroups =
    ofUsers
    // predefinedGroups
    // builtins.mapAttrs (
      name: group:
      group
      // {
        gid = if group.gid != null then group.gid else (predefinedGroups // ofUsers).${name}.gid or null;
      }
    ) givenGroups;

  # Two names with one number would be one account with two names.
  unique =
    noun: option: predefined: numbers:
    let
      names = builtins.attrNames numbers;
      byNumber = builtins.groupBy (name: toString numbers.${name}) (
        builtins.filter (name: !(predefined ? ${name})) names
      );
      shared = builtins.filter (names: builtins.length names > 1) (builtins.attrValues byNumber);
      taken = builtins.filter (
        name:
        !(predefined ? ${name})
        && builtins.any (other: numbers.${other} == numbers.${name}) (builtins.attrNames predefined)
      ) names;
      clash =
        one: other:
        throw "oci-layout: users: the ${noun}s ${one} and ${other} both have the number ${toString numbers.${one}}; set users.${noun}s.${other}.${option}";
    in
    if shared != [ ] then
      clash (builtins.head (builtins.head shared)) (builtins.elemAt (builtins.head shared) 1)
    else if taken != [ ] then
      clash (lib.findFirst (name: numbers.${name} == numbers.${builtins.head taken}) null (
        builtins.attrNames predefined
      )) (builtins.head taken)
    else
      numbers;
  uids = unique "user" "uid" predefinedUsers (
    builtins.mapAttrs (name: user: numberOf name user.uid) allUsers
  );
  gids = unique "group" "gid" predefinedGroups (
    builtins.mapAttrs (name: group: numberOf name group.gid) allGroups
  );

  uidOf =
    place: name:
    uids.${name} or (throw "oci-layout: ${place}: there is no user ${name}; add it to users.users");
  gidOf =
    place: name:
    gids.${name} or (throw "oci-layout: ${place}: there is no group ${name}; add it to users.groups");
  gidOfUser =
    name:
    let
      user = allUsers.${name};
    in
    user.gid or (gidOf "users.users.${name}" (user.group or name));

  members =
    name:
    lib.unique (
      allGroups.${name}.members or [ ]
      ++ builtins.filter (user: builtins.elem name (allUsers.${user}.extraGroups or [ ])) (
        builtins.attrNames allUsers
      )
    );
  groupsOf =
    name: builtins.filter (group: builtins.elem name (members group)) (builtins.attrNames allGroups);

  sortedBy =
    numbers:
    lib.sort (a: b: if numbers.${a} == numbers.${b} then a < b else numbers.${a} < numbers.${b}) (
      builtins.attrNames numbers
    );
  shellOf =
    user:
    let
      shell = user.shell or null;
    in
    if shell == null then "/sbin/nologin" else "${shell}${shell.shellPath or ""}";
  hashOf =
    user:
    let
      hashes = builtins.filter (hash: hash != null) [
        (user.hashedPassword or null)
        (user.initialHashedPassword or null)
      ];
    in
    if hashes == [ ] then "!" else builtins.head hashes;
  lineOf =
    name:
    let
      user = allUsers.${name};
    in
    "${name}:x:${toString uids.${name}}:${toString (gidOfUser name)}:${user.description or ""}:${user.home}:${shellOf user}";
  checked =
    place: line:
    if builtins.match "[^\n]*" line == null then
      throw "oci-layout: ${place}: a value contains a line break; remove it"
    else if builtins.length (builtins.filter builtins.isString (builtins.split ":" line)) != 7 then
      throw "oci-layout: ${place}: a value contains a colon, which separates the fields of /etc/passwd; remove it"
    else
      line;
in
{
  inherit
    gidOf
    gidOfUser
    groupsOf
    isPredefined
    uidOf
    ;
  hasUser = name: allUsers ? ${name};
  hasGroup = name: allGroups ? ${name};
  homeOf = name: allUsers.${name}.home;
  passwd = map (name: checked "users.users.${name}" (lineOf name)) (sortedBy uids);
  group = map (
    name: "${name}:x:${toString gids.${name}}:${builtins.concatStringsSep "," (members name)}"
  ) (sortedBy gids);
  shadow = map (name: "${name}:${hashOf allUsers.${name}}:1::::::") (sortedBy uids);
}
