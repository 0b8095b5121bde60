// What the latents hold of the action, of x' and of o, given the full observation and on their own.
#pragma once
#include "kernels/population/encoder-inl.h"
#include "kernels/population/probes-inl.h"

// The next observation, the action and x' given the observation. Points into itself, or into the problem:
// made in place, never copied.
struct Observed {
  Rows o, next, a, x;
  Given given;  // o
  Residual r_next, r_a, r_x;
  bool problem_gives_o;   // the objective's f is o,
  bool problem_has_next;  // and its e is o'
  Observed() = default;
  Observed(const Observed&) = delete;
};

static void observe(Observed& seen, const World& w, const Group& group, const Problem& p, Arena& arena) {
  const Objective& objective = group.batch.objective;
  const Stack now = plain(OBSERVATION), next = plain(OBSERVATION_NEXT), acts = plain(ACTION);
  seen.problem_gives_o = same_stack(objective.f, now);
  seen.problem_has_next = seen.problem_gives_o && same_stack(objective.e, next);
  seen.o = seen.problem_gives_o ? p.f : compose(w, now, group, arena);
  seen.given = seen.problem_gives_o ? p.given : condition_on(w, seen.o, splat(group.batch.tolerance), arena);
  seen.next = seen.problem_has_next ? p.e : compose(w, next, group, arena);
  seen.a = compose(w, acts, group, arena);
  seen.x = exogenous_next_rows(w, arena);
  seen.r_next = seen.problem_has_next ? p.re : residual(w, seen.given, seen.next, arena);
  seen.r_a = residual(w, seen.given, seen.a, arena);
  seen.r_x = residual(w, seen.given, seen.x, arena);
}

// Covariances of the latents z with each other and with what probes ask for.
struct LatentMoments {
  double *zz, *za, *zx;  // (rows,rows), (rows,da), (rows,dx)
  double* zo;            // (rows,qe), null where z is the innovation: no more than rounding
};

struct Moments {
  bool gauged;                        // z has a part in o
  LatentMoments z;                    // given o
  LatentMoments raw;                  // nothing given; the same arrays unless gauged
  double *aa, *xx;                    // (da,da), (dx,dx): the action and x' given o
  vec action_left, exogenous_left;    // traces of those
  vec action_total, exogenous_total;  // variances with nothing given
};

static LatentMoments moments_given_o(const World& w, const Group& group, const Problem& p,
                                     const Spectrum& spectrum, const Encoder& encoder, const Observed& seen,
                                     Arena& arena) {
  const WorldShape& s = w.shape;
  const std::size_t rows = encoder.rows;
  const double* s_rr =
      seen.problem_has_next ? p.s_ee : residual_covariance(w, seen.given, seen.r_next, seen.r_next, arena);
  const double* s_ra = residual_covariance(w, seen.given, seen.r_next, seen.r_a, arena);
  const double* s_rx = residual_covariance(w, seen.given, seen.r_next, seen.r_x, arena);
  const LatentMoments z{arena.take(rows, rows), arena.take(rows, s.da), arena.take(rows, s.dx), nullptr};
  double* dr = arena.take(rows, s.qe);
  if (arena.counts()) return z;
  if (p.reconstructs && seen.problem_has_next && group.batch.objective.innovation && !s.noise) {
    // Latents that are principal components of the innovation.
    clear_lanes(z.zz, rows * rows);
    for (std::size_t i = 0; i < rows; ++i)
      put(z.zz, i * rows + i, at(spectrum.kept, i) * at(spectrum.lambda, i));
  } else {
    gemm_nn_lanes(dr, encoder.d, s_rr, rows, s.qe, s.qe, false);
    gemm_nt_lanes(z.zz, dr, encoder.d, rows, rows, s.qe, false);
  }
  gemm_nn_lanes(z.za, encoder.d, s_ra, rows, s.da, s.qe, false);
  gemm_nn_lanes(z.zx, encoder.d, s_rx, rows, s.dx, s.qe, false);
  return z;
}

// With the part that the gauge adds: z = H o + D r, H = C + D Gamma.
static LatentMoments moments_raw(const World& w, const Encoder& encoder, const Observed& seen,
                                 const LatentMoments& z, Arena& arena) {
  const WorldShape& s = w.shape;
  const std::size_t rows = encoder.rows;
  const auto copy = [&](const double* from, std::size_t cols) {
    double* to = arena.take(rows, cols);
    if (!arena.counts()) memcpy(to, from, rows * cols * LANES * sizeof(double));
    return to;
  };
  double* h = arena.take(rows, s.qe);
  const double* s_oo = covariance(w, seen.o, seen.o, arena);
  const double* s_oa = covariance(w, seen.o, seen.a, arena);
  const double* s_ox = covariance(w, seen.o, seen.x, arena);
  const LatentMoments raw{copy(z.zz, rows), copy(z.za, s.da), copy(z.zx, s.dx), arena.take(rows, s.qe)};
  if (arena.counts()) return raw;
  gemm_nt_lanes(h, encoder.d, seen.r_next.gamma, rows, s.qe, s.qe, false);
  for (std::size_t i = 0; i < rows * s.qe; ++i) put(h, i, at(h, i) + at(encoder.c, i));
  gemm_nn_lanes(raw.zo, h, s_oo, rows, s.qe, s.qe, false);
  gemm_nt_lanes(raw.zz, raw.zo, h, rows, rows, s.qe, true);
  gemm_nn_lanes(raw.za, h, s_oa, rows, s.da, s.qe, true);
  gemm_nn_lanes(raw.zx, h, s_ox, rows, s.dx, s.qe, true);
  return raw;
}

// A latent that o determines leaves rounding, which is not to be taken for a signal.
static void clear_determined(const LatentMoments& z, const LatentMoments& raw, const WorldShape& s,
                             std::size_t rows) {
  for (std::size_t i = 0; i < rows; ++i) {
    const mask left = (mask)(at(z.zz, i * rows + i) > splat(VOID_VARIANCE) * at(raw.zz, i * rows + i));
    if (all(left)) continue;
    const auto keep = [&](double* a, std::size_t index) {
      put(a, index, select(left, at(a, index), splat(0)));
    };
    for (std::size_t j = 0; j < rows; ++j) {
      keep(z.zz, i * rows + j);
      if (j != i) keep(z.zz, j * rows + i);
    }
    for (std::size_t j = 0; j < s.da; ++j) keep(z.za, i * s.da + j);
    for (std::size_t j = 0; j < s.dx; ++j) keep(z.zx, i * s.dx + j);
  }
}

static Moments moments_of(const World& w, const Group& group, const Problem& p, const Spectrum& spectrum,
                          const Encoder& encoder, Arena& arena) {
  const WorldShape& s = w.shape;
  Observed seen;
  observe(seen, w, group, p, arena);
  Moments m{};
  m.aa = residual_covariance(w, seen.given, seen.r_a, seen.r_a, arena);
  m.xx = residual_covariance(w, seen.given, seen.r_x, seen.r_x, arena);
  m.raw = m.z = moments_given_o(w, group, p, spectrum, encoder, seen, arena);
  // In the innovation gauge of an objective that is given o, z has no part in it.
  m.gauged = !(group.batch.objective.innovation && seen.problem_gives_o);
  if (m.gauged) {
    m.raw = moments_raw(w, encoder, seen, m.z, arena);
    if (!arena.counts()) clear_determined(m.z, m.raw, s, encoder.rows);
  }
  if (arena.counts()) return m;
  m.action_left = trace_lanes(m.aa, s.da, s.da);
  m.exogenous_left = trace_lanes(m.xx, s.dx, s.dx);
  m.action_total = squares_lanes(seen.a.dense, s.da * seen.a.cols);
  m.exogenous_total = squares_lanes(seen.x.dense, s.dx * seen.x.cols);
  return m;
}

// moved (rows): redrawing (x, w_x) moves z by (C + rho_x D) Ex dx + exogenousScale D Ex dw.
static double* moved_by_exogenous(const World& w, const Group& group, const Encoder& encoder, Arena& arena) {
  const WorldShape& s = w.shape;
  const std::size_t rows = encoder.rows;
  const vec decay = group.parameter(EXOGENOUS_DECAY), scale = group.parameter(EXOGENOUS_SCALE);
  double* moved = arena.take(rows, 1);
  Arena local = arena;
  double* cx = local.take(rows, s.dx);
  double* dxx = local.take(rows, s.dx);
  if (arena.counts()) return moved;
  gemm_nn_lanes(cx, encoder.c, w.exogenous_mixing, rows, s.dx, s.qe, false);
  gemm_nn_lanes(dxx, encoder.d, w.exogenous_mixing, rows, s.dx, s.qe, false);
  for (std::size_t i = 0; i < rows; ++i) {
    vec sum = splat(0);
    for (std::size_t j = 0; j < s.dx; ++j) {
      const vec gx = fma(decay, at(dxx, i * s.dx + j), at(cx, i * s.dx + j)),
                gw = scale * at(dxx, i * s.dx + j);
      sum = fma(gx, gx, fma(gw, gw, sum));
    }
    put(moved, i, sum);
  }
  return moved;
}

// prefix (latents): how many rows each latent dimension takes, lane by lane; the complement's row stands for
// `multiplicity` latents.
static double* prefixes(const Group& group, const Spectrum& spectrum, Arena& arena) {
  const PopulationBatch& batch = group.batch;
  double* prefix = arena.take(batch.latent_count, 1);
  if (arena.counts()) return prefix;
  for (std::size_t l = 0; l < LANES; ++l) {
    const double multiplicity = batch.parameters[COMPLEMENT_DIM * batch.count + group.problem(l)];
    std::size_t row = 0;
    double filled = 0;
    for (std::size_t m = 0; m < batch.latent_count; ++m) {
      const double k = static_cast<double>(batch.latents[m]);
      for (; row < spectrum.rows; ++row) {
        const double stands_for = spectrum.complement[row * LANES + l] != 0 ? multiplicity : 1;
        if (filled + stands_for > k) break;
        filled += stands_for;
      }
      prefix[m * LANES + l] = static_cast<double>(row);
    }
  }
  return prefix;
}

// What each prefix of the latents explains, (latents) each: traces given o and raw, and information in nats.
struct Explained {
  double *by_action, *by_exogenous;
  double *raw_by_action, *raw_by_exogenous, *raw_by_observation;
  double *action_information, *future_information;
};

static Explained explain(const World& w, const Group& group, const Spectrum& spectrum, const Moments& moments,
                         Arena& arena) {
  const WorldShape& s = w.shape;
  const std::size_t rows = spectrum.rows, many = group.batch.latent_count;
  const vec tolerance = splat(group.batch.tolerance);
  const bool gauged = moments.gauged;
  const double* prefix = prefixes(group, spectrum, arena);
  const Latents z = latents_of(moments.z.zz, rows, tolerance, arena);
  const Seen z_a = see(z, moments.z.za, s.da, arena), z_x = see(z, moments.z.zx, s.dx, arena);
  const Latents raw = gauged ? latents_of(moments.raw.zz, rows, tolerance, arena) : z;
  const Seen raw_a = gauged ? see(raw, moments.raw.za, s.da, arena) : z_a;
  const Seen raw_x = gauged ? see(raw, moments.raw.zx, s.dx, arena) : z_x;
  const Seen raw_o = gauged ? see(raw, moments.raw.zo, s.qe, arena) : z_a;
  const Target action = target_of(moments.aa, s.da, tolerance, arena);
  const Target future = target_of(moments.xx, s.dx, tolerance, arena);
  const auto each = [&] { return arena.take(many, 1); };
  const Explained out{each(), each(), each(), each(), each(), each(), each()};
  const std::size_t widest = later(s.qe, later(s.da, s.dx));
  double* gram = arena.take(widest, widest);
  const bool works = !arena.counts();
  for (std::size_t m = 0; m < many; ++m) {
    const vec until = works ? at(prefix, m) : splat(0);
    const auto trace_of = [&](const Latents& latents, const Seen& target) {
      explained(latents, target, until, gram, arena);
      return works ? trace_lanes(gram, target.n, target.n) : splat(0);
    };
    const auto note = [&](double* figures, vec figure) {
      if (works) put(figures, m, figure);
    };
    const vec by_action = trace_of(z, z_a);
    note(out.by_action, by_action);
    note(out.action_information, information(action, gram, arena));
    const vec by_exogenous = trace_of(z, z_x);
    note(out.by_exogenous, by_exogenous);
    note(out.future_information, information(future, gram, arena));
    note(out.raw_by_action, gauged ? trace_of(raw, raw_a) : by_action);
    note(out.raw_by_exogenous, gauged ? trace_of(raw, raw_x) : by_exogenous);
    note(out.raw_by_observation, gauged ? trace_of(raw, raw_o) : splat(0));
  }
  return out;
}
