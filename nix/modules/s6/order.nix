# The names of the services in the order of their start.
#
# `after` and `before` decide. Where they leave a choice, types come in their order, and then names.
{ lib }:
services:
let
  names = builtins.attrNames services;
  rank = {
    oneshot-pre = 0;
    long-run = 1;
    oneshot-post = 2;
  };
  sorted = lib.sort (
    a: b:
    let
      ranks = map (name: rank.${services.${name}.type}) [
        a
        b
      ];
    in
    if builtins.head ranks == lib.last ranks then a < b else builtins.head ranks < lib.last ranks
  ) names;

  known =
    option: name:
    map (
      other:
      if services ? ${other} then
        other
      else
        throw "oci-layout: s6.services.${name}.${option}: there is no enabled service ${other}; add it to s6.services, or remove the name"
    ) services.${name}.${option};
  before = builtins.mapAttrs (name: _: known "before" name) services;
  needs = builtins.mapAttrs (
    name: _: known "after" name ++ builtins.filter (other: builtins.elem name before.${other}) names
  ) services;

  # A walk from one waiting service to one that it waits for comes to a service for the second time.
  cycle =
    waiting: seen: name:
    if builtins.elem name seen then
      lib.drop (lib.lists.findFirstIndex (other: other == name) null seen) seen ++ [ name ]
    else
      cycle waiting (seen ++ [ name ]) (
        lib.findFirst (other: builtins.elem other waiting) null needs.${name}
      );
  next =
    state:
    let
      ready = lib.findFirst (
        name: lib.all (other: builtins.elem other state.done) needs.${name}
      ) null state.waiting;
    in
    if ready == null then
      throw "oci-layout: s6.services: each of these waits for the next: ${
        builtins.concatStringsSep ", " (cycle state.waiting [ ] (builtins.head state.waiting))
      }; remove one of them from after or before"
    else
      {
        done = state.done ++ [ ready ];
        waiting = builtins.filter (name: name != ready) state.waiting;
      };
in
(builtins.foldl' (state: _: next state) {
  done = [ ];
  waiting = sorted;
} names).done
