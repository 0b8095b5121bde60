// theory.md section 4 for every prefix of the latents, on loadings: rows over the sources [s x | u | w_x |
// w_s] and, where sensors are noisy, the noise of o and of o'.

struct MetricShape {
  std::size_t dense, noise, cols;  // columns of sources, of one sensor's noise, of both together
};

// The latents z = C o + D o' in the reduced basis and what else the metrics are made of.
struct MetricInput {
  const World& world;
  std::size_t rows;     // latents at most
  const double *c, *d;  // (rows, qe)
  const Rows &observation, &next, &action, &exogenous;
  const Residual &next_left, &action_left, &exogenous_left;  // given o
  bool gauged;                                               // z has a part that o determines
  vec decay, scale, share, initial;                          // of the exogenous state
};

// Sums over the latents up to each, (rows + 1): what they explain and what they carry.
struct MetricSums {
  double *action, *exogenous;                            // explained given o
  double *raw_action, *raw_exogenous, *raw_observation;  // and given nothing
  double *action_information, *exogenous_information;    // nats
  double *innovation, *action_share, *holds;  // given (o, x): squared correlations with x', a; live latents
  double *moved, *variance;                   // of the consistency error
  vec action_left, exogenous_left, action_total, exogenous_total;
  mask doubtful;  // lanes in which a factor was not to be trusted
};

static void copy_dense(double* out, const MetricShape& m, const double* dense, std::size_t from_cols,
                       std::size_t rows) {
  const std::size_t cols = from_cols < m.dense ? from_cols : m.dense;
  for (std::size_t i = 0; i < rows; ++i)
    memcpy(out + i * m.cols * LANES, dense + i * from_cols * LANES, cols * LANES * sizeof(double));
}

// Loadings of v as it is, or of v - E[v | o]; `own`: which sensor's noise v holds itself, 0 of o, 1 of o', or
// none.
constexpr int NO_SENSOR = -1;

static double* loadings_of(const World& w, const MetricShape& m, const Rows& v, const Residual* left, int own,
                           Arena& arena) {
  double* out = arena.take(v.rows, m.cols);
  clear_lanes(out, v.rows * m.cols);
  copy_dense(out, m, left ? left->dense : v.dense, left ? left->cols : v.cols, v.rows);
  if (m.noise == 0) return out;
  for (std::size_t i = 0; i < v.rows; ++i) {
    double* row = out + i * m.cols * LANES;
    if (own != NO_SENSOR && i < m.noise)
      put(row, m.dense + static_cast<std::size_t>(own) * m.noise + i, w.sensor);
    for (std::size_t j = 0; left && left->gamma && j < m.noise; ++j) {
      const std::size_t column = m.dense + j;
      put(row, column, fnma(w.sensor, at(left->gamma, j * v.rows + i), at(row, column)));
    }
  }
  return out;
}

// sums[i + 1] = sums[i] + |row i of a|^2
static void add_up(double* sums, const double* a, std::size_t rows, std::size_t cols) {
  put(sums, 0, splat(0));
  for (std::size_t i = 0; i < rows; ++i)
    put(sums, i + 1, at(sums, i) + square_of_row(a + i * cols * LANES, cols));
}

// What the latents q explain of target t (n, cols): sums of squared correlations times variances.
static void explained(double* sums, const double* q, std::size_t rows, const double* t, std::size_t n,
                      std::size_t cols, Arena local) {
  double* along = local.take(rows, n);
  gemm_nt_lanes(along, q, t, rows, n, cols, false);
  add_up(sums, along, rows, n);
}

// An orthonormal basis of a target, in place.
static void target_basis(double* t, std::size_t n, std::size_t cols, const double* totals, Arena local) {
  unit_rows(t, n, cols, totals);
  orthonormal_rows(t, n, cols, local.take(n, 1), local.take(n, 1));
}

// I(t; z | o) = -1/2 sum log of what t leaves of each latent beside those before it.
static void information(double* sums, const double* q, std::size_t rows, const double* basis, std::size_t n,
                        std::size_t cols, Arena local) {
  double* rest = local.take(rows, cols);
  double* left = local.take(rows, 1);
  beside_basis(rest, q, rows, basis, n, cols, local);
  orthonormal_rows(rest, rows, cols, left, local.take(rows, 1));
  put(sums, 0, splat(0));
  for (std::size_t i = 0; i < rows; ++i) {
    const vec held = square_of_row(q + i * cols * LANES, cols), rest = at(left, i);
    vec sum = at(sums, i);
    for (std::size_t lane = 0; lane < LANES; ++lane) {
      if (held[lane] == 0 || rest[lane] >= 1) continue;
      sum[lane] = rest[lane] > VOID_LOADINGS ? sum[lane] - 0.5 * __builtin_log(rest[lane]) : __builtin_inf();
    }
    put(sums, i + 1, sum);
  }
}

static double* squares_each(const double* a, std::size_t rows, std::size_t cols, Arena& arena) {
  double* out = arena.take(rows, 1);
  for (std::size_t i = 0; i < rows; ++i) put(out, i, square_of_row(a + i * cols * LANES, cols));
  return out;
}

// o' given (o, x), (qe, cols): x and what it moves are gone; of s there is left what noisy sensors leave.
static double* next_beyond_exogenous(const World& w, const MetricShape& m, const MetricInput& in,
                                     mask& doubtful, Arena& arena) {
  const WorldShape& s = w.shape;
  double* out = arena.take(s.qe, m.cols);
  clear_lanes(out, s.qe * m.cols);
  for (std::size_t i = 0; i < s.qe; ++i)
    for (std::size_t j = s.at_u; j < in.next.cols && j < m.dense; ++j)
      put(out, i * m.cols + j, at(in.next.dense, i * in.next.cols + j));
  Arena local = arena;
  // The information on s: Es^T Es + sensor noise; s less its prediction is noise^2 s - noise Es^T n over it.
  const std::size_t qs = in.observation.cols, ds = s.ds;
  double* factor = local.take(ds, ds);
  gemm_strided_lanes(factor, in.observation.dense, 1, qs, in.observation.dense, qs, 1, ds, ds, s.qe, false);
  const vec eta = w.sensor, square = eta * eta;
  for (std::size_t i = 0; i < ds; ++i) put(factor, i * ds + i, at(factor, i * ds + i) + square);
  double pivot[LANES];
  cholesky_lanes(factor, ds, pivot);
  doubtful |= ~(mask)(load(pivot) > splat(WELL_CONDITIONED));
  if (m.noise == 0) return out;
  const std::size_t sides = ds + m.noise;
  double* left = local.take(ds, sides);
  clear_lanes(left, ds * sides);
  for (std::size_t i = 0; i < ds; ++i) {
    put(left, i * sides + i, square);
    for (std::size_t j = 0; j < m.noise; ++j)
      put(left, i * sides + ds + j, -eta * at(in.observation.dense, j * qs + i));
  }
  cholesky_solve_lanes(factor, left, ds, sides);
  for (std::size_t i = 0; i < s.qe; ++i) {
    double* row = out + i * m.cols * LANES;
    for (std::size_t j = 0; j < sides; ++j) {
      vec v = splat(0);
      for (std::size_t k = 0; k < ds; ++k)
        v = fma(at(in.next.dense, i * in.next.cols + k), at(left, k * sides + j), v);
      put(row, j < ds ? j : m.dense + j - ds, v);
    }
    if (i < m.noise) put(row, m.dense + m.noise + i, eta);
  }
  return out;
}

// What a redraw of (x, w_x) moves each latent by: |(C + rho_x D) Ex x|^2 + |exogenousScale D Ex w_x|^2.
static void moved_by_redraw(const MetricInput& in, double* sums, Arena local) {
  const World& w = in.world;
  const std::size_t dx = w.shape.dx, qe = w.shape.qe;
  double* cx = local.take(in.rows, dx);
  double* dxx = local.take(in.rows, dx);
  gemm_nn_lanes(cx, in.c, w.exogenous_mixing, in.rows, dx, qe, false);
  gemm_nn_lanes(dxx, in.d, w.exogenous_mixing, in.rows, dx, qe, false);
  put(sums, 0, splat(0));
  for (std::size_t i = 0; i < in.rows; ++i) {
    vec sum = at(sums, i);
    for (std::size_t j = 0; j < dx; ++j) {
      const vec by_state = in.initial * fma(in.decay, at(dxx, i * dx + j), at(cx, i * dx + j));
      const vec by_step = in.scale * at(dxx, i * dx + j);
      sum = fma(by_state, by_state, fma(by_step, by_step, sum));
    }
    put(sums, i + 1, sum);
  }
}

// Squared correlations with x' given (o, x), which is exogenousScale w_x: with w_x itself.
static void innovation(const MetricInput& in, const double* q, std::size_t cols, double* sums) {
  const WorldShape& s = in.world.shape;
  const vec rest = sqrt(splat(1) - in.share * in.share);
  put(sums, 0, splat(0));
  for (std::size_t i = 0; i < in.rows; ++i) {
    const double* row = q + i * cols * LANES;
    vec sum = at(sums, i);
    for (std::size_t j = 0; j < s.dx; ++j) {
      vec along = at(row, s.at_wx + j);
      if (j < s.da) along = fma(in.share, at(row, s.at_u + j), rest * along);
      sum = fma(along, along, sum);
    }
    put(sums, i + 1, sum);
  }
}

static MetricSums metric_sums(const MetricInput& in, bool sensor, Arena& arena) {
  const World& w = in.world;
  const WorldShape& s = w.shape;
  const std::size_t noise = sensor ? s.q : 0;
  const MetricShape m{s.at_x2, noise, s.at_x2 + 2 * noise};
  const std::size_t rows = in.rows, da = s.da, dx = s.dx;
  MetricSums out{};
  double** const all[] = {&out.action,
                          &out.exogenous,
                          &out.raw_action,
                          &out.raw_exogenous,
                          &out.raw_observation,
                          &out.action_information,
                          &out.exogenous_information,
                          &out.innovation,
                          &out.action_share,
                          &out.holds,
                          &out.moved,
                          &out.variance};
  for (double** sums : all) *sums = arena.take(rows + 1, 1);
  Arena local = arena;

  // The latents, whole and given o: D times o' given o, so that what o determines is never there to cancel.
  double* left = local.take(rows, m.cols);
  gemm_nn_lanes(left, in.d, loadings_of(w, m, in.next, &in.next_left, 1, local), rows, m.cols, s.qe, false);
  double* whole = left;
  if (in.gauged) {
    whole = local.take(rows, m.cols);
    gemm_nn_lanes(whole, in.c, loadings_of(w, m, in.observation, nullptr, 0, local), rows, m.cols, s.qe,
                  false);
    gemm_nn_lanes(whole, in.d, loadings_of(w, m, in.next, nullptr, 1, local), rows, m.cols, s.qe, true);
  }
  add_up(out.variance, whole, rows, m.cols);
  moved_by_redraw(in, out.moved, local);
  const double* total = squares_each(whole, rows, m.cols, local);
  double* work = local.take(2 * (rows + da + dx), 1);
  unit_rows(left, rows, m.cols, total);
  orthonormal_rows(left, rows, m.cols, work, work + rows * LANES);

  const double* action_totals = squares_each(in.action.dense, da, in.action.cols, local);
  const double* exogenous_totals = squares_each(in.exogenous.dense, dx, in.exogenous.cols, local);
  out.action_total = out.exogenous_total = splat(0);
  for (std::size_t i = 0; i < da; ++i) out.action_total += at(action_totals, i);
  for (std::size_t i = 0; i < dx; ++i) out.exogenous_total += at(exogenous_totals, i);

  double* action = loadings_of(w, m, in.action, &in.action_left, NO_SENSOR, local);
  double* exogenous = loadings_of(w, m, in.exogenous, &in.exogenous_left, NO_SENSOR, local);
  out.action_left = squares_of_rows(action, da, m.cols);
  out.exogenous_left = squares_of_rows(exogenous, dx, m.cols);
  explained(out.action, left, rows, action, da, m.cols, local);
  explained(out.exogenous, left, rows, exogenous, dx, m.cols, local);
  target_basis(action, da, m.cols, action_totals, local);
  target_basis(exogenous, dx, m.cols, exogenous_totals, local);
  information(out.action_information, left, rows, action, da, m.cols, local);
  information(out.exogenous_information, left, rows, exogenous, dx, m.cols, local);

  // Given (o, x): what z holds of the step alone.
  double* beyond = local.take(rows, m.cols);
  gemm_nn_lanes(beyond, in.d, next_beyond_exogenous(w, m, in, out.doubtful, local), rows, m.cols, s.qe,
                false);
  unit_rows(beyond, rows, m.cols, total);
  orthonormal_rows(beyond, rows, m.cols, work, work + rows * LANES);
  add_up(out.holds, beyond, rows, m.cols);
  innovation(in, beyond, m.cols, out.innovation);
  explained(out.action_share, beyond, rows, action, da, m.cols, local);

  if (!in.gauged) {
    out.raw_action = out.action;
    out.raw_exogenous = out.exogenous;
    clear_lanes(out.raw_observation, rows + 1);
    return out;
  }
  unit_rows(whole, rows, m.cols, total);
  orthonormal_rows(whole, rows, m.cols, work, work + rows * LANES);
  const auto raw = [&](double* sums, const Rows& v, int own) {
    Arena inner = local;
    explained(sums, whole, rows, loadings_of(w, m, v, nullptr, own, inner), v.rows, m.cols, inner);
  };
  raw(out.raw_action, in.action, NO_SENSOR);
  raw(out.raw_exogenous, in.exogenous, NO_SENSOR);
  raw(out.raw_observation, in.observation, 0);
  return out;
}
