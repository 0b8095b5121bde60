// The problem of an objective: y and e given f, and the penalties on e.
#pragma once
#include "kernels/population/conditioning-inl.h"

// Points into itself: made in place, never copied.
struct Problem {
  Rows f, e, y;
  bool reconstructs;  // y is e and there are no penalties: the eigenvectors of S_ee are the answer
  Given given;        // f
  Residual re, ry;
  double *s_ee, *s_ye;          // (ne,ne), (ny,ne)
  vec trace, trace_complement;  // of S_yy, without the complement's coordinates and of those alone
  Problem() = default;
  Problem(const Problem&) = delete;
};

// The last coordinate of an unprojected observation block stands for the complement, where it can hold noise.
inline bool has_complement(const WorldShape& s, const Rows& r, std::int32_t block) {
  return s.noise && r.observed[block] && !r.through[block];
}

// The complement's coordinates have a multiplicity: their part of the trace is kept apart.
static void residual_traces(const World& w, Problem& p, Arena local) {
  const double* s_yy = p.reconstructs ? p.s_ee : residual_covariance(w, p.given, p.ry, p.ry, local);
  p.trace = p.trace_complement = splat(0);
  if (local.counts()) return;
  const Rows& y = p.y;
  for (std::int32_t b = 0; b < y.blocks; ++b)
    for (std::size_t i = 0; i < y.width[b]; ++i) {
      const vec v = at(s_yy, (y.begin[b] + i) * y.rows + y.begin[b] + i);
      if (has_complement(w.shape, y, b) && i + 1 == y.width[b])
        p.trace_complement += v;
      else
        p.trace += v;
    }
}

static void pose_problem(Problem& p, const World& w, const Group& group, Arena& arena) {
  const Objective& objective = group.batch.objective;
  p.f = compose(w, objective.f, group, arena);
  p.e = compose(w, objective.e, group, arena);
  p.y = compose(w, objective.y, group, arena);
  p.reconstructs = objective.penalty_count == 0 && same_stack(objective.y, objective.e);
  p.given = condition_on(w, p.f, splat(group.batch.tolerance), arena);
  p.re = residual(w, p.given, p.e, true, arena);
  p.ry = p.reconstructs ? p.re : residual(w, p.given, p.y, false, arena);
  p.s_ee = residual_covariance(w, p.given, p.re, p.re, arena);
  p.s_ye = p.reconstructs ? p.s_ee : residual_covariance(w, p.given, p.ry, p.re, arena);
  residual_traces(w, p, arena);
}

// u (ne,ne) += every penalty's weight times the covariance that it punishes. Without noise, bottleneck
// (ne, wide) holds e given f as rows of loadings on the sources `first` on, with U its Gram matrix: the
// penalties' come after those of e, pd columns each. Returns the lanes in which a conditioning is not to be
// trusted.
static mask add_penalties(double* u, double* bottleneck, std::size_t first, std::size_t wide, const World& w,
                          const Group& group, std::size_t ne, const Arena& arena) {
  const Objective& objective = group.batch.objective;
  mask careful = mask{};
  for (std::int32_t i = 0; i < objective.penalty_count; ++i) {
    const Penalty& penalty = objective.penalties[i];
    Arena local = arena;
    const Rows on = compose(w, penalty.given, group, local);
    const Rows of = compose(w, penalty.of, group, local);
    const Given given = condition_on(w, on, splat(group.batch.tolerance), local);
    const Residual r = residual(w, given, of, false, local);
    const double* cov = residual_covariance(w, given, r, r, local);
    if (local.counts()) continue;
    const vec weight = group.coefficient(penalty.weight);
    careful |= given.uncertain;
    const std::size_t from = w.shape.pd * (static_cast<std::size_t>(i) + 1) - first;
    for (std::size_t j = 0; bottleneck && j < ne; ++j)
      for (std::size_t k = 0; k < r.cols; ++k)
        put(bottleneck, j * wide + from + k, sqrt(weight) * at(r.dense, j * r.cols + k));
    for (std::size_t j = 0; j < ne * ne; ++j) put(u, j, fma(weight, at(cov, j), at(u, j)));
  }
  return careful;
}
