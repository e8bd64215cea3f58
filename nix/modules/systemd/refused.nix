# The kinds of units that no container has, what to do instead, and whether the option of NixOS is a list.
let
  named = instead: {
    inherit instead;
    isList = false;
  };
  listed = instead: {
    inherit instead;
    isList = true;
  };
in
{
  automounts = listed "a container mounts nothing; mount a volume at the path";
  mounts = listed "a container mounts nothing; mount a volume at the path";
  paths = named "nothing watches paths in a container; let a service do it";
  sockets = named "nothing opens sockets for services; let the service open them";
  timers = named "a container has no timers; let the cluster start a container at that time";
}
