// What the metrics are about: the next observation, the action and x', given the observation.
#pragma once
#include "kernels/population/problem-inl.h"

// The metrics' own variables, outside the objective: x' is no observation, so it carries no noise scalars.
static Rows exogenous_next_rows(const World& w, Arena& arena) {
  Rows r{};
  r.dense = w.exogenous_next;
  r.rows = w.shape.dx;
  r.cols = w.shape.at_ws;
  r.from = w.shape.ds;
  r.blocks = 1;
  r.begin[0] = 0;
  r.width[0] = w.shape.dx;
  r.through[0] = false;
  r.observed[0] = false;
  r.noise = block_noise(arena);
  return r;
}

// Points into itself, or into the problem: made in place, never copied.
struct Observed {
  Rows o, next, a, x;
  Given given;  // o
  Residual next_left, a_left, x_left;
  bool gauged;         // z has a part that o determines
  bool is_bottleneck;  // o' given o is e given f
  std::size_t first;   // given o nothing is left of the sources before it
  Observed() = default;
  Observed(const Observed&) = delete;
};

static void observe(Observed& seen, const World& w, const Group& group, const Problem& p, Arena& arena) {
  const Objective& objective = group.batch.objective;
  const Stack now = plain(OBSERVATION), next = plain(OBSERVATION_NEXT), acts = plain(ACTION);
  const bool gives_o = same_stack(objective.f, now), has_next = gives_o && same_stack(objective.e, next);
  seen.is_bottleneck = has_next;
  seen.gauged = !(objective.innovation && gives_o);
  seen.o = gives_o ? p.f : compose(w, now, group, arena);
  seen.given = gives_o ? p.given : condition_on(w, seen.o, splat(group.batch.tolerance), arena);
  seen.next = has_next ? p.e : compose(w, next, group, arena);
  seen.a = compose(w, acts, group, arena);
  seen.x = exogenous_next_rows(w, arena);
  seen.next_left = has_next ? p.re : residual(w, seen.given, seen.next, false, arena);
  seen.a_left = residual(w, seen.given, seen.a, false, arena);
  seen.x_left = residual(w, seen.given, seen.x, false, arena);
  seen.first = even_below(seen.given.determines() ? seen.o.cols : 0);
}
