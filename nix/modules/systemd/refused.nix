# The kinds of units that no container has, and what to do instead.
{
  automounts = "a container mounts nothing; mount a volume at the path";
  mounts = "a container mounts nothing; mount a volume at the path";
  paths = "nothing watches paths in a container; let a service do it";
  sockets = "nothing opens sockets for services; let the service open them";
  timers = "a container has no timers; let the cluster start a container at that time";
}
