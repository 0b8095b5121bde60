// What the metrics are made of: sums over every prefix of the latents, on their loadings.
#pragma once
#include "kernels/population/encoder-inl.h"
#include "kernels/population/observed-inl.h"
#include "kernels/population/probes-inl.h"

// What the metrics are made of: the latents z = C o + D o' in the reduced basis, and what is observed.
struct MetricInput {
  const World& world;
  const Encoder& encoder;
  const Spectrum& spectrum;
  const Ties& ties;
  const Observed& seen;
  MetricShape shape, whole;          // given o, and given nothing
  vec decay, scale, share, initial;  // of the exogenous state
};

// Sums over the latents up to each, (rows + 1): what they explain and what they carry.
struct MetricSums {
  double *action, *exogenous;                            // explained given o
  double *raw_action, *raw_exogenous, *raw_observation;  // and given nothing
  double *action_information, *exogenous_information;    // nats
  double *innovation, *action_share, *holds;  // given (o, x): squared correlations with x', a; live latents
  double *moved, *variance;                   // of the consistency error
  vec action_left, exogenous_left, action_total, exogenous_total;
  mask careful;  // lanes in which a factor was not to be trusted
};

// s less its prediction from o given x, (ds, ds + noise), over s and the noise of o. The information on s is
// Es^T Es + sensor noise; what noisy sensors leave is noise^2 s - noise Es^T n over it. Null without noise.
static double* state_left(const MetricInput& in, mask& careful, Arena& arena) {
  const WorldShape& s = in.world.shape;
  const Rows& o = in.seen.o;
  const std::size_t ds = s.ds, qs = o.cols, noise = in.shape.noise, sides = ds + noise;
  double* left = noise ? arena.take(ds, sides) : nullptr;
  Arena local = arena;
  double* factor = local.take(ds, ds);
  if (local.counts()) return left;
  gemm_strided_lanes(factor, o.dense, 1, qs, o.dense, qs, 1, ds, ds, s.qe, false);
  const vec eta = in.world.sensor, square = eta * eta;
  for (std::size_t i = 0; i < ds; ++i) put(factor, i * ds + i, at(factor, i * ds + i) + square);
  double pivot[LANES];
  cholesky_lanes(factor, ds, pivot);
  const mask thin = ~(mask)(load(pivot) > splat(WELL_CONDITIONED));
  careful |= in.seen.given.square ? thin & in.seen.given.doubtful : thin;
  if (!left) return left;
  clear_lanes(left, ds * sides);
  for (std::size_t i = 0; i < ds; ++i) {
    put(left, i * sides + i, square);
    for (std::size_t j = 0; j < noise; ++j) put(left, i * sides + ds + j, -eta * at(o.dense, j * qs + i));
  }
  cholesky_solve_lanes(factor, left, ds, sides);
  return left;
}

// What a redraw of (x, w_x) moves each latent by: |(C + rho_x D) Ex x|^2 + |exogenousScale D Ex w_x|^2. total
// (rows): the latents' variances.
static void moved_by_redraw(const MetricInput& in, const double* total, double* sums, Arena local) {
  const World& w = in.world;
  const std::size_t rows = in.encoder.rows, dx = w.shape.dx, qe = w.shape.qe;
  double* cx = local.take(rows, dx);
  double* dxx = local.take(rows, dx);
  double* moved = local.take(rows, 2 * dx);
  if (local.counts()) return;
  gemm_nn_lanes(cx, in.encoder.c, w.exogenous_mixing, rows, dx, qe, false);
  gemm_nn_lanes(dxx, in.encoder.d, w.exogenous_mixing, rows, dx, qe, false);
  put(sums, 0, splat(0));
  for (std::size_t i = 0; i < rows; ++i) {
    vec sum = at(sums, i);
    for (std::size_t j = 0; j < dx; ++j) {
      const vec by_state = in.initial * fma(in.decay, at(dxx, i * dx + j), at(cx, i * dx + j));
      const vec by_step = in.scale * at(dxx, i * dx + j);
      put(moved, 2 * (i * dx + j), by_state);
      put(moved, 2 * (i * dx + j) + 1, by_step);
      sum = fma(by_state, by_state, fma(by_step, by_step, sum));
    }
    put(sums, i + 1, sum);
  }
  compare_tied(in.ties, moved, rows, 2 * dx, splat(VOID_LOADINGS) * at(total, 0));
}

// Squared correlations with x' given (o, x), which is exogenousScale w_x: with w_x itself.
static void innovation(const MetricInput& in, const double* q, std::size_t cols, double* sums, Arena local) {
  const WorldShape& s = in.world.shape;
  const std::size_t at_u = s.at_u - in.shape.first, at_wx = s.at_wx - in.shape.first;
  const vec rest = sqrt(splat(1) - in.share * in.share);
  double* correlations = local.take(in.encoder.rows, s.dx);
  if (local.counts()) return;
  put(sums, 0, splat(0));
  for (std::size_t i = 0; i < in.encoder.rows; ++i) {
    const double* row = q + i * cols * LANES;
    vec sum = at(sums, i);
    for (std::size_t j = 0; j < s.dx; ++j) {
      vec along = at(row, at_wx + j);
      if (j < s.da) along = fma(in.share, at(row, at_u + j), rest * along);
      put(correlations, i * s.dx + j, along);
      sum = fma(along, along, sum);
    }
    put(sums, i + 1, sum);
  }
  compare_tied(in.ties, correlations, in.encoder.rows, s.dx, splat(VOID_LOADINGS));
}

// The latents as rows of loadings, (rows, cols of their shape), given o and whole: D times o' given o, so
// that what o determines is never there to cancel. The same array where z is not gauged.
struct LatentRows {
  double *left, *whole;  // left: as an orthonormal basis
  const double* total;   // (rows): variances
  const double* held;    // (rows): squares of left
  double* work;          // (1 + TOGETHER) rows vectors, for latent_basis
};

// The latents orthonormal in their order, where o, or whatever is given, does not determine them.
static void latent_basis(double* q, const MetricInput& in, const LatentRows& z, std::size_t cols) {
  const std::size_t rows = in.encoder.rows;
  unit_rows(q, rows, cols, z.total);
  orthonormal_rows(q, rows, cols, z.work, z.work + rows * LANES);
}

// Rows that are no latents become zero: kept[i] 0.
static void clear_unkept(double* a, const double* kept, std::size_t rows, std::size_t cols,
                         const Arena& arena) {
  for (std::size_t i = 0; !arena.counts() && i < rows; ++i) {
    const mask out = (mask)(at(kept, i) < splat(0.5));
    for (std::size_t j = 0; any(out) && j < cols; ++j)
      put(a, i * cols + j, select(out, splat(0), at(a, i * cols + j)));
  }
}

static LatentRows latent_rows(const MetricInput& in, double* variance, Arena& arena) {
  const World& w = in.world;
  const Observed& seen = in.seen;
  const std::size_t rows = in.encoder.rows;
  LatentRows z{};
  const bool there = seen.is_bottleneck && in.spectrum.latents && in.spectrum.latent_cols == in.shape.cols;
  z.left = z.whole = there ? in.spectrum.latents : arena.take(rows, in.shape.cols);
  if (seen.gauged) z.whole = arena.take(rows, in.whole.cols);
  z.work = arena.take((1 + TOGETHER) * rows, 1);
  if (there)
    clear_unkept(z.left, in.spectrum.kept, rows, in.shape.cols, arena);
  else
    weigh_loadings(z.left, in.encoder.d, rows, w, in.shape, seen.next, &seen.next_left, 1, false, arena);
  if (seen.gauged) {
    weigh_loadings(z.whole, in.encoder.c, rows, w, in.whole, seen.o, nullptr, 0, false, arena);
    weigh_loadings(z.whole, in.encoder.d, rows, w, in.whole, seen.next, nullptr, 1, true, arena);
  }
  const std::size_t cols = seen.gauged ? in.whole.cols : in.shape.cols;
  z.total = squares_each(z.whole, rows, cols, arena);
  if (!arena.counts()) {
    add_up_squares(variance, z.total, rows);
    compare_tied(in.ties, z.whole, rows, cols, splat(0));
    latent_basis(z.left, in, z, in.shape.cols);
  }
  z.held = squares_each(z.left, rows, in.shape.cols, arena);
  return z;
}

// The metrics of one target given o, and what o leaves of it.
struct TargetSums {
  double *explained, *information;  // (rows + 1)
  vec left, total;                  // variances given o and given nothing
  Target target;
};

// share: (rows + 1), squared correlations with the target in sum; null where they are not asked for.
static TargetSums target_sums(const MetricInput& in, const Rows& v, const Residual& left, const LatentRows& z,
                              double* share, Arena& arena) {
  const std::size_t rows = in.encoder.rows, cols = in.shape.cols;
  TargetSums out{};
  out.explained = arena.take(rows + 1, 1);
  out.information = arena.take(rows + 1, 1);
  double* loadings = loadings_of(in.world, in.shape, v, &left, NO_SENSOR, arena);
  const double* totals = squares_each(v.dense, v.rows, v.cols, arena);
  out.left = out.total = splat(0);
  if (!arena.counts()) {
    for (std::size_t i = 0; i < v.rows; ++i) out.total += at(totals, i);
    out.left = squares_of_rows(loadings, v.rows, cols);
  }
  double* along = arena.take(rows, v.rows);
  if (!arena.counts()) {
    const std::size_t end = in.shape.dense + in.shape.noise;  // a target has no noise of its own
    gemm_strided_lanes(along, z.left, cols, 1, loadings, 1, cols, rows, v.rows, end, false);
    add_up(out.explained, along, rows, v.rows);
    compare_tied(in.ties, along, rows, v.rows, splat(VOID_LOADINGS) * out.left);
  }
  out.target = target_of(loadings, totals, v.rows, in.shape, in.world.sensor, arena);
  Arena local = arena;
  along_basis(along, z.left, rows, out.target, local);
  if (share && !arena.counts()) {
    add_up(share, along, rows, v.rows);
    compare_tied(in.ties, along, rows, v.rows, splat(VOID_LOADINGS));
  }
  information(out.information, along, {z.left, z.held, rows}, out.target, in.ties, local);
  return out;
}

// A basis of the latents given (o, x), where o does not determine x. x and what it moves are gone from o'; of
// s there is left what noisy sensors leave.
static const double* beyond_exogenous(const MetricInput& in, const LatentRows& z, mask& careful,
                                      Arena& arena) {
  const WorldShape& s = in.world.shape;
  const MetricShape& m = in.shape;
  const Rows& next = in.seen.next;
  const std::size_t rows = in.encoder.rows, end = next.cols < m.dense ? next.cols : m.dense;
  const std::size_t steps = end > s.at_u ? end - s.at_u : 0, sides = s.ds + m.noise;
  double* beyond = arena.take(rows, m.cols);
  Arena local = arena;
  const double* left = state_left(in, careful, local);
  double *of_state = local.take(rows, s.ds), *of_sides = local.take(rows, sides);
  if (local.counts()) return beyond;
  const double* d = in.encoder.d;
  clear_lanes(beyond, rows * m.cols);
  gemm_into_lanes(beyond + s.at_u * LANES, m.cols, d, s.qe, 1, next.dense + s.at_u * LANES, next.cols, 1,
                  rows, steps, s.qe, false);
  if (left) {
    gemm_strided_lanes(of_state, d, s.qe, 1, next.dense, next.cols, 1, rows, s.ds, s.qe, false);
    gemm_nn_lanes(of_sides, of_state, left, rows, sides, s.ds, false);
  }
  for (std::size_t i = 0; left && i < rows; ++i) {
    double* row = beyond + i * m.cols * LANES;
    memcpy(row, of_sides + i * sides * LANES, s.ds * LANES * sizeof(double));
    memcpy(row + m.dense * LANES, of_sides + (i * sides + s.ds) * LANES, m.noise * LANES * sizeof(double));
    for (std::size_t j = 0; j < m.noise && j < s.qe; ++j)
      put(row, m.dense + m.noise + j, in.world.sensor * at(d, i * s.qe + j));
  }
  latent_basis(beyond, in, z, m.cols);
  return beyond;
}

// Given (o, x): what z holds of the step alone. Where o determines x, out.action_share is there already.
static void step_sums(MetricSums& out, const MetricInput& in, const LatentRows& z, const Target& action,
                      Arena local) {
  const std::size_t rows = in.encoder.rows, cols = in.shape.cols;
  const bool same = in.seen.given.determines();
  const double* beyond = same ? z.left : beyond_exogenous(in, z, out.careful, local);
  const double* held = same ? z.held : squares_each(beyond, rows, cols, local);
  innovation(in, beyond, cols, out.innovation, local);
  if (!local.counts()) {
    add_up_squares(out.holds, held, rows);
    compare_whether(in.ties, held, rows);
  }
  if (same) return;
  double* along = local.take(rows, action.n);
  if (!local.counts() && !all(action.by_basis)) along_loadings(along, beyond, rows, action);
  along_basis(along, beyond, rows, action, local);
  if (local.counts()) return;
  add_up(out.action_share, along, rows, action.n);
  compare_tied(in.ties, along, rows, action.n, splat(VOID_LOADINGS));
}

// Given nothing: the whole latents become a basis.
static void raw_sums(MetricSums& out, const MetricInput& in, const LatentRows& z, Arena local) {
  const Observed& seen = in.seen;
  const std::size_t rows = in.encoder.rows, cols = in.whole.cols;
  if (!local.counts()) latent_basis(z.whole, in, z, cols);
  const auto raw = [&](double* sums, const Rows& v, int own) {
    Arena inner = local;
    const double* target = loadings_of(in.world, in.whole, v, nullptr, own, inner);
    explained(sums, z.whole, rows, target, v.rows, cols, in.ties, inner);
  };
  raw(out.raw_action, seen.a, NO_SENSOR);
  raw(out.raw_exogenous, seen.x, NO_SENSOR);
  raw(out.raw_observation, seen.o, 0);
}

// Marks those of the spectrum's ties that a metric tells apart, and overwrites its latents.
static MetricSums metric_sums(const World& w, const Group& group, const Problem& p, const Encoder& encoder,
                              const Spectrum& spectrum, Arena& arena) {
  const std::size_t noise = group.batch.sensor_noise ? w.shape.q : 0, dense = w.shape.at_x2;
  Observed seen;
  observe(seen, w, group, p, arena);
  const MetricInput in{w,
                       encoder,
                       spectrum,
                       spectrum.ties,
                       seen,
                       {seen.first, dense - seen.first, noise, dense - seen.first + 2 * noise},
                       {0, dense, noise, dense + 2 * noise},
                       group.parameter(EXOGENOUS_DECAY),
                       group.parameter(EXOGENOUS_SCALE),
                       group.parameter(ACTION_EXOGENOUS_CORRELATION),
                       group.parameter(EXOGENOUS_INITIAL_SCALE)};
  const auto sums = [&] { return arena.take(encoder.rows + 1, 1); };
  MetricSums out{};
  out.careful = seen.given.uncertain;
  out.moved = sums();
  out.variance = sums();
  out.innovation = sums();
  out.action_share = sums();
  out.holds = sums();
  out.raw_observation = sums();
  const LatentRows z = latent_rows(in, out.variance, arena);
  moved_by_redraw(in, z.total, out.moved, arena);
  const bool same = seen.given.determines();  // latents given (o, x) are those given o
  const TargetSums action = target_sums(in, seen.a, seen.a_left, z, same ? out.action_share : nullptr, arena);
  const TargetSums exogenous = target_sums(in, seen.x, seen.x_left, z, nullptr, arena);
  out.raw_action = out.action = action.explained;
  out.raw_exogenous = out.exogenous = exogenous.explained;
  out.action_information = action.information;
  out.exogenous_information = exogenous.information;
  out.action_left = action.left;
  out.action_total = action.total;
  out.exogenous_left = exogenous.left;
  out.exogenous_total = exogenous.total;
  step_sums(out, in, z, action.target, arena);
  if (seen.gauged) {
    out.raw_action = sums();
    out.raw_exogenous = sums();
    raw_sums(out, in, z, arena);
  } else if (!arena.counts()) {
    clear_lanes(out.raw_observation, encoder.rows + 1);
  }
  return out;
}
