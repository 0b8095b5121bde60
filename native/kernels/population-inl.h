// The population path, one world per lane: parameters in, loss, spectrum, metrics and encoders out
// (docs/theory.md). Shapes: q basis coordinates (+ 1 that stands for the complement, where it can hold
// noise), ds, dx, da; pd dense sources; ny, nf, ne rows of the stacks y, f, e. Matrices are interleaved:
// (rows, cols, LANES).
//
// A variable is V e with e ~ N(0, I). Its loadings on the dense sources [s x | u | w_x | w_s | x2 w_x2] are
// stored, as far to the right as it has any; sensor and augmentation noise is isotropic and independent, so
// six scalars per block stand for its loadings.

constexpr std::size_t NOISE_GROUPS = 6;  // sensor noise of o, o', o2, o2'; n1; n2
constexpr std::size_t SENSOR_GROUPS = 4;
// Where the pivots of a Cholesky factor are all above WELL_CONDITIONED, the factor gives the pseudo-inverse.
// Elsewhere the eigenvalues are looked at.

struct Arena {
  double* next;
  double* take(std::size_t rows, std::size_t cols) {
    double* p = next;
    next += rows * cols * LANES;
    return p;
  }
};

struct WorldShape {
  std::size_t q, qe, ds, dx, da, projected, pd;
  std::size_t at_u, at_wx, at_ws, at_x2, at_w2;
  bool pair, noise, process, feedback;
};

// Composed rows: dense loadings and, block by block, the noise scalars.
struct Rows {
  const double* dense;           // (rows, cols)
  std::size_t rows, cols, from;  // nothing left of column `from`
  bool noisy;                    // some block has noise scalars
  std::int32_t blocks;
  std::size_t begin[MAX_BLOCKS], width[MAX_BLOCKS];
  bool through[MAX_BLOCKS], observed[MAX_BLOCKS];
  double* noise;  // (blocks, NOISE_GROUPS)
};

struct World {
  WorldShape shape;
  double* variable[VARIABLE_COUNT];  // dense loadings (rows, cols), null where absent or pure noise
  std::size_t cols[VARIABLE_COUNT], from[VARIABLE_COUNT];  // loadings fill the columns [from, cols)
  double* exogenous_next;                                  // (dx, at_ws)
  double* exogenous_mixing;                                // (qe, dx)
  double* projection;                                      // (projected, qe)
  double* projection_gram;                                 // (projected, projected)
  vec sensor, one;
};

inline vec at(const double* a, std::size_t index) { return load(a + index * LANES); }
inline void put(double* a, std::size_t index, vec v) { store(a + index * LANES, v); }
inline void clear_lanes(double* a, std::size_t count) { memset(a, 0, count * LANES * sizeof(double)); }
inline bool is_observation(std::int32_t variable) { return variable <= PAIR_OBSERVATION_NEXT; }

static bool mentions_pair(const Stack& s) {
  for (std::int32_t b = 0; b < s.count; ++b)
    for (std::int32_t t = 0; t < s.blocks[b].count; ++t) {
      const std::int32_t v = s.blocks[b].terms[t].variable;
      if (v == PAIR_OBSERVATION || v == PAIR_OBSERVATION_NEXT) return true;
    }
  return false;
}

static bool mentions_augmentation(const Stack& s) {
  for (std::int32_t b = 0; b < s.count; ++b)
    for (std::int32_t t = 0; t < s.blocks[b].count; ++t)
      if (s.blocks[b].terms[t].variable >= ENCODER_NOISE) return true;
  return false;
}

static WorldShape world_shape(const PopulationBatch& batch) {
  WorldShape s;
  s.q = batch.basis;
  s.ds = batch.endogenous;
  s.dx = batch.exogenous;
  s.da = batch.action;
  s.projected = batch.projected;
  s.pair = batch.objective.penalty_count > 0 || mentions_pair(batch.objective.y) ||
           mentions_pair(batch.objective.f);
  s.noise = mentions_augmentation(batch.objective.y) || mentions_augmentation(batch.objective.f) ||
            mentions_augmentation(batch.objective.e);
  s.noise |= batch.sensor_noise;
  s.process = batch.process_noise;
  s.feedback = batch.feedback;
  s.qe = s.q + (s.noise ? 1 : 0);
  s.at_u = s.ds + s.dx;
  s.at_wx = s.at_u + s.da;
  s.at_ws = s.at_wx + s.dx;
  s.at_x2 = s.at_ws + (s.process ? s.ds : 0);
  s.at_w2 = s.at_x2 + (s.pair ? s.dx : 0);
  s.pd = s.at_w2 + (s.pair ? s.dx : 0);
  return s;
}

static std::size_t stack_rows(const WorldShape& s, const Stack& stack) {
  std::size_t rows = 0;
  for (std::int32_t b = 0; b < stack.count; ++b) {
    const bool action = stack.blocks[b].terms[0].variable == ACTION;
    rows += action ? s.da : stack.blocks[b].projected ? s.projected : s.qe;
  }
  return rows;
}

// Gathers one value per lane; lanes beyond the count repeat the last problem.
template <class F>
inline vec gather(std::size_t first, std::size_t count, F value) {
  double v[LANES];
  for (std::size_t l = 0; l < LANES; ++l) v[l] = value(first + (l < count ? l : count - 1));
  return load(v);
}

// (rows, cols) of a stack of matrices that each problem picks by matrix_index; rows beyond `rows` of the
// target are zero.
static double* gather_matrix(const PopulationBatch& batch, std::size_t first, std::size_t count,
                             const double* stack, std::size_t rows, std::size_t cols, std::size_t padded_rows,
                             std::size_t padded_cols, Arena& arena) {
  double* out = arena.take(padded_rows, padded_cols);
  if (padded_rows != rows || padded_cols != cols) clear_lanes(out, padded_rows * padded_cols);
  const std::int32_t common = batch.matrix_index[first];
  bool shared = true;
  for (std::size_t l = 1; l < count; ++l) shared &= batch.matrix_index[first + l] == common;
  if (shared) {
    const double* from = stack + static_cast<std::size_t>(common) * rows * cols;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < cols; ++j) put(out, i * padded_cols + j, splat(from[i * cols + j]));
    return out;
  }
  for (std::size_t l = 0; l < LANES; ++l) {
    const std::size_t problem = first + (l < count ? l : count - 1);
    const double* from = stack + static_cast<std::size_t>(batch.matrix_index[problem]) * rows * cols;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < cols; ++j) out[(i * padded_cols + j) * LANES + l] = from[i * cols + j];
  }
  return out;
}

// Dense loadings of every variable that the objective or the metrics need: theory.md section 1.
static World build_world(const PopulationBatch& batch, std::size_t first, std::size_t count,
                         const WorldShape& s, Arena& arena) {
  World w;
  w.shape = s;
  const auto parameter = [&](Parameter p) {
    const double* column = batch.parameters + static_cast<std::size_t>(p) * batch.count;
    return gather(first, count, [&](std::size_t i) { return column[i]; });
  };
  const vec rho_s = parameter(ENDOGENOUS_DECAY), rho_x = parameter(EXOGENOUS_DECAY);
  const vec action_scale = parameter(ACTION_SCALE), exogenous_scale = parameter(EXOGENOUS_SCALE);
  const vec policy = parameter(POLICY_NOISE), process = parameter(PROCESS_NOISE);
  const vec feedback_s = parameter(STATE_FEEDBACK), feedback_x = parameter(EXOGENOUS_FEEDBACK);
  const vec share = parameter(ACTION_EXOGENOUS_CORRELATION), initial = parameter(EXOGENOUS_INITIAL_SCALE);
  w.sensor = parameter(SENSOR_NOISE);
  w.one = splat(1);

  const std::size_t qs = s.ds + s.dx;
  const double* mixing = gather_matrix(batch, first, count, batch.mixing, s.q, qs, s.qe, qs, arena);
  const double* effect =
      gather_matrix(batch, first, count, batch.action_effect, s.ds, s.da, s.ds, s.da, arena);
  const double* gain_s =
      gather_matrix(batch, first, count, batch.state_feedback, s.da, s.ds, s.da, s.ds, arena);
  const double* gain_x =
      gather_matrix(batch, first, count, batch.exogenous_feedback, s.da, s.dx, s.da, s.dx, arena);
  w.projection = s.projected ? gather_matrix(batch, first, count, batch.projection, s.projected, s.q,
                                             s.projected, s.qe, arena)
                             : nullptr;
  w.projection_gram = nullptr;
  if (s.projected) {
    w.projection_gram = arena.take(s.projected, s.projected);
    gemm_nt_lanes(w.projection_gram, w.projection, w.projection, s.projected, s.projected, s.qe, false);
  }

  const std::size_t acts = s.at_wx;  // columns that a reaches
  double* a = arena.take(s.da, acts);
  clear_lanes(a, s.da * acts);
  for (std::size_t i = 0; i < s.da; ++i) {
    for (std::size_t j = 0; j < s.ds; ++j) put(a, i * acts + j, feedback_s * at(gain_s, i * s.ds + j));
    for (std::size_t j = 0; j < s.dx; ++j)
      put(a, i * acts + s.ds + j, initial * feedback_x * at(gain_x, i * s.dx + j));
    put(a, i * acts + s.at_u + i, policy);
  }

  // x' = rho_x x + exogenousScale w_x; coordinate i < da of w_x shares part of u_i and keeps unit variance.
  double* x_next = arena.take(s.dx, s.at_ws);
  clear_lanes(x_next, s.dx * s.at_ws);
  for (std::size_t i = 0; i < s.dx; ++i) {
    const vec shared = i < s.da ? share : splat(0);
    put(x_next, i * s.at_ws + s.ds + i, initial * rho_x);
    if (i < s.da) put(x_next, i * s.at_ws + s.at_u + i, exogenous_scale * shared);
    put(x_next, i * s.at_ws + s.at_wx + i, exogenous_scale * sqrt(splat(1) - shared * shared));
  }

  // How an action shows in o', (qe,da).
  double* shows = arena.take(s.qe, s.da);
  for (std::size_t i = 0; i < s.qe; ++i)
    for (std::size_t j = 0; j < s.da; ++j) {
      vec v = splat(0);
      for (std::size_t k = 0; k < s.ds; ++k) v = fma(at(mixing, i * qs + k), at(effect, k * s.da + j), v);
      put(shows, i * s.da + j, action_scale * v);
    }
  // o' of the transition, or of its pair: the same s', a fresh x'.
  const auto observe_next = [&](bool pair) {
    const std::size_t cols = pair ? s.pd : s.at_x2;
    double* o = arena.take(s.qe, cols);
    clear_lanes(o, s.qe * cols);
    for (std::size_t i = 0; i < s.qe; ++i) {
      double* row = o + i * cols * LANES;
      if (s.feedback)
        for (std::size_t j = 0; j < qs; ++j) {
          vec v = splat(0);
          for (std::size_t k = 0; k < s.da; ++k) v = fma(at(shows, i * s.da + k), at(a, k * acts + j), v);
          put(row, j, v);
        }
      for (std::size_t j = 0; j < s.da; ++j) put(row, s.at_u + j, policy * at(shows, i * s.da + j));
      for (std::size_t j = 0; j < s.ds; ++j) {
        const vec m = at(mixing, i * qs + j);
        put(row, j, fma(rho_s, m, at(row, j)));
        if (s.process) put(row, s.at_ws + j, process * m);
      }
      for (std::size_t j = 0; j < s.dx; ++j) {
        const vec m = at(mixing, i * qs + s.ds + j);
        if (pair) {
          put(row, s.at_x2 + j, initial * rho_x * m);
          put(row, s.at_w2 + j, exogenous_scale * m);
          continue;
        }
        put(row, s.ds + j, fma(initial * rho_x, m, at(row, s.ds + j)));
        if (j < s.da) put(row, s.at_u + j, fma(at(x_next, j * s.at_ws + s.at_u + j), m, at(row, s.at_u + j)));
        put(row, s.at_wx + j, at(x_next, j * s.at_ws + s.at_wx + j) * m);
      }
    }
    return o;
  };
  for (double*& v : w.variable) v = nullptr;
  for (std::size_t& c : w.cols) c = 0;
  for (std::size_t& c : w.from) c = 0;
  const auto have = [&](Variable v, double* loadings, std::size_t cols) {
    w.variable[v] = loadings;
    w.cols[v] = cols;
  };
  w.exogenous_next = x_next;
  double* observation = arena.take(s.qe, qs);
  for (std::size_t i = 0; i < s.qe; ++i)
    for (std::size_t j = 0; j < qs; ++j)
      put(observation, i * qs + j, j < s.ds ? at(mixing, i * qs + j) : initial * at(mixing, i * qs + j));
  have(OBSERVATION, observation, qs);
  have(OBSERVATION_NEXT, observe_next(false), s.at_x2);
  have(ACTION, a, acts);
  w.from[ACTION] = s.feedback ? 0 : s.at_u;
  if (s.pair) {
    const std::size_t cols = s.at_x2 + s.dx;
    double* o = arena.take(s.qe, cols);
    clear_lanes(o, s.qe * cols);
    for (std::size_t i = 0; i < s.qe; ++i) {
      for (std::size_t j = 0; j < s.ds; ++j) put(o, i * cols + j, at(mixing, i * qs + j));
      for (std::size_t j = 0; j < s.dx; ++j)
        put(o, i * cols + s.at_x2 + j, initial * at(mixing, i * qs + s.ds + j));
    }
    have(PAIR_OBSERVATION, o, cols);
    have(PAIR_OBSERVATION_NEXT, observe_next(true), s.pd);
  }
  w.exogenous_mixing = arena.take(s.qe, s.dx);
  for (std::size_t i = 0; i < s.qe; ++i)
    for (std::size_t j = 0; j < s.dx; ++j)
      put(w.exogenous_mixing, i * s.dx + j, at(mixing, i * qs + s.ds + j));
  return w;
}

struct Coefficients {
  const PopulationBatch& batch;
  std::size_t first, count;
  vec operator()(std::int32_t column) const {
    if (column < 0) return splat(1);
    const double* c = batch.coefficients + static_cast<std::size_t>(column) * batch.count;
    return gather(first, count, [&](std::size_t i) { return c[i]; });
  }
};

static Rows compose(const World& w, const Stack& stack, const Coefficients& coefficient, Arena& arena) {
  const WorldShape& s = w.shape;
  Rows r;
  r.rows = stack_rows(s, stack);
  r.blocks = stack.count;
  r.cols = 0;
  r.from = s.pd;
  r.noisy = false;
  for (std::int32_t b = 0; b < stack.count; ++b)
    for (std::int32_t t = 0; t < stack.blocks[b].count; ++t) {
      const std::int32_t v = stack.blocks[b].terms[t].variable;
      r.cols = w.cols[v] > r.cols ? w.cols[v] : r.cols;
      r.from = w.from[v] < r.from ? w.from[v] : r.from;
      r.noisy |= s.noise && v != ACTION;
    }
  // One variable as it is needs no copy.
  const Term& first = stack.blocks[0].terms[0];
  const bool alone = stack.count == 1 && stack.blocks[0].count == 1 && !stack.blocks[0].projected &&
                     first.coefficient < 0 && first.sign > 0 && w.variable[first.variable];
  double* dense = alone ? w.variable[first.variable] : arena.take(r.rows, r.cols);
  r.dense = dense;
  r.noise = arena.take(static_cast<std::size_t>(MAX_BLOCKS), NOISE_GROUPS);
  clear_lanes(r.noise, static_cast<std::size_t>(MAX_BLOCKS) * NOISE_GROUPS);
  std::size_t row = 0;
  for (std::int32_t b = 0; b < stack.count; ++b) {
    const Block& block = stack.blocks[b];
    const bool action = block.terms[0].variable == ACTION;
    const std::size_t width = action ? s.da : block.projected ? s.projected : s.qe;
    const std::size_t inner = action ? s.da : s.qe;  // before the projection
    r.begin[b] = row;
    r.width[b] = width;
    r.through[b] = block.projected;
    r.observed[b] = !action;
    Arena local = arena;
    double* sum = block.projected ? local.take(inner, r.cols) : dense + row * r.cols * LANES;
    if (!alone) clear_lanes(sum, inner * r.cols);
    for (std::int32_t t = 0; t < block.count; ++t) {
      const Term& term = block.terms[t];
      const vec c = coefficient(term.coefficient) * splat(term.sign);
      const std::int32_t v = term.variable;
      if (v != ACTION) {
        const std::size_t group = is_observation(v)
                                      ? static_cast<std::size_t>(v)
                                      : SENSOR_GROUPS + static_cast<std::size_t>(v - ENCODER_NOISE);
        double* scalar = r.noise + (static_cast<std::size_t>(b) * NOISE_GROUPS + group) * LANES;
        store(scalar, load(scalar) + c * (is_observation(v) ? w.sensor : w.one));
      }
      const double* from = w.variable[v];
      for (std::size_t i = 0; i < inner && from && !alone; ++i)
        for (std::size_t j = 0; j < w.cols[v]; ++j)
          put(sum, i * r.cols + j, fma(c, at(from, i * w.cols[v] + j), at(sum, i * r.cols + j)));
    }
    if (block.projected)
      gemm_nn_lanes(dense + row * r.cols * LANES, w.projection, sum, width, r.cols, inner, false);
    row += width;
  }
  return r;
}

// out (a.rows, b.rows) += covariance of the noise of two stacks.
static void add_noise_covariance(const World& w, const Rows& a, const Rows& b, double* out) {
  if (!a.noisy || !b.noisy) return;
  for (std::int32_t i = 0; i < a.blocks; ++i)
    for (std::int32_t j = 0; j < b.blocks; ++j) {
      if (!a.observed[i] || !b.observed[j]) continue;
      vec sensor = splat(0), augmentation = splat(0);
      for (std::size_t g = 0; g < NOISE_GROUPS; ++g) {
        const vec product = at(a.noise, static_cast<std::size_t>(i) * NOISE_GROUPS + g) *
                            at(b.noise, static_cast<std::size_t>(j) * NOISE_GROUPS + g);
        if (g < SENSOR_GROUPS)
          sensor += product;
        else
          augmentation += product;
      }
      for (std::size_t r = 0; r < a.width[i]; ++r)
        for (std::size_t c = 0; c < b.width[j]; ++c) {
          vec gram;  // of how each sees the sensor's noise
          if (a.through[i] && b.through[j])
            gram = at(w.projection_gram, r * w.shape.projected + c);
          else if (a.through[i])
            gram = at(w.projection, r * w.shape.qe + c);
          else if (b.through[j])
            gram = at(w.projection, c * w.shape.qe + r);
          else
            gram = splat(r == c ? 1 : 0);
          vec sum = gram * sensor;
          if (r == c && a.through[i] == b.through[j]) sum += augmentation;
          double* cell = out + ((a.begin[i] + r) * b.rows + b.begin[j] + c) * LANES;
          store(cell, load(cell) + sum);
        }
    }
}

// out (n,n) = a a^T for a (n,k) with rows `ld` apart: the lower triangle in tiles, then mirrored.
static void gram_lanes(double* out, const double* a, std::size_t ld, std::size_t n, std::size_t k) {
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    std::size_t j = 0;
    for (; j + LANE_TILE <= i + 4; j += LANE_TILE)
      gemm_tile_lanes<4, LANE_TILE>(out + (i * n + j) * LANES, n, a + i * ld * LANES, ld, 1,
                                    a + j * ld * LANES, 1, ld, k, false);
    for (; j < i + 4; ++j)
      gemm_tile_lanes<4, 1>(out + (i * n + j) * LANES, n, a + i * ld * LANES, ld, 1, a + j * ld * LANES, 1,
                            ld, k, false);
  }
  for (; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j)
      gemm_tile_lanes<1, 1>(out + (i * n + j) * LANES, n, a + i * ld * LANES, ld, 1, a + j * ld * LANES, 1,
                            ld, k, false);
  for (i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) put(out, i * n + j, at(out, j * n + i));
}

// a b^T for loadings (m,a_cols) and (n,b_cols), either of which is zero left of `from`: what only one of them
// has columns for adds nothing.
static void loadings_product(double* out, const double* a, std::size_t a_cols, std::size_t m, const double* b,
                             std::size_t b_cols, std::size_t n, std::size_t from) {
  const std::size_t end = a_cols < b_cols ? a_cols : b_cols, k = end > from ? end - from : 0;
  const double *left = a + from * LANES, *right = b + from * LANES;
  if (a == b && m == n) return gram_lanes(out, left, a_cols, n, k);
  gemm_strided_lanes(out, left, a_cols, 1, right, 1, b_cols, m, n, k, false);
}

inline std::size_t later(std::size_t a, std::size_t b) { return a > b ? a : b; }

static double* covariance(const World& w, const Rows& a, const Rows& b, Arena& arena) {
  double* out = arena.take(a.rows, b.rows);
  loadings_product(out, a.dense, a.cols, a.rows, b.dense, b.cols, b.rows, later(a.from, b.from));
  add_noise_covariance(w, a, b, out);
  return out;
}

// Neither clearly there nor clearly nothing.
inline mask uncertain_of(vec value, vec largest) {
  return (mask)(value < splat(CLEAR_SHARE) * largest) & (mask)(value > splat(ROUNDED_SHARE) * largest);
}

// a (n,n) = W with W^T W = a^+: eigenvectors as rows over the roots of their eigenvalues, cut at `tolerance`
// of the largest, in the order of eigen_lanes without sorting. Returns the lanes where an eigenvalue is
// neither clearly there nor clearly nothing.
static mask whitening_rows(double* a, std::size_t n, vec tolerance, Arena arena) {
  double* w = arena.take(n, 1);
  eigen_lanes(a, w, n, arena.next, false);
  vec largest = splat(0);
  for (std::size_t j = 0; j < n; ++j) largest = max(at(w, j), largest);
  const vec cut = tolerance * largest;
  mask uncertain = mask{};
  for (std::size_t j = 0; j < n; ++j) {
    uncertain |= uncertain_of(at(w, j), largest);
    const mask kept = (mask)(at(w, j) > cut);
    const vec scale = select(kept, splat(1) / sqrt(select(kept, at(w, j), splat(1))), splat(0));
    for (std::size_t i = 0; i < n; ++i) put(a, j * n + i, scale * at(a, j * n + i));
  }
  return uncertain;
}

// Conditioning on f: the factor of S_ff, and for any rows v the regression Gamma_v = S_vf S_ff^+.
struct Given {
  const Rows* f;  // no rows: nothing is given
  double* factor;
  double* noise;      // (nf,nf) covariance of the noise of f
  mask doubtful;      // lanes in which the factor is not to be trusted, and
  double* whitening;  // (nf,nf) what to use there; null where no lane is
  mask uncertain;     // lanes in which neither is to be trusted
};

static Given condition_on(const World& w, const Rows& f, vec tolerance, Arena& arena) {
  Given g{&f, nullptr, nullptr, mask{}, nullptr, mask{}};
  if (f.rows == 0) return g;
  g.factor = covariance(w, f, f, arena);
  if (w.shape.noise) {
    g.noise = arena.take(f.rows, f.rows);
    clear_lanes(g.noise, f.rows * f.rows);
    add_noise_covariance(w, f, f, g.noise);
  }
  double* whole = arena.take(f.rows, f.rows);
  memcpy(whole, g.factor, f.rows * f.rows * LANES * sizeof(double));
  double pivot[LANES];
  cholesky_lanes(g.factor, f.rows, pivot);
  g.doubtful = ~(mask)(load(pivot) > splat(WELL_CONDITIONED));
  if (!any(g.doubtful)) return g;
  g.whitening = whole;
  g.uncertain = g.doubtful & whitening_rows(g.whitening, f.rows, tolerance, arena);
  return g;
}

struct Residual {
  const Rows* v;
  double* gamma;        // (f.rows, v.rows): Gamma_v transposed; null where it is zero
  const double* dense;  // (v.rows, cols): loadings of v - Gamma_v f on the dense sources
  std::size_t cols, from;
};

static Residual residual(const World& w, const Given& g, const Rows& v, Arena& arena) {
  // What shares neither sources nor noise with f is its own residual: an action by a policy that does not
  // react.
  if (g.f->rows == 0 || (v.from >= g.f->cols && !v.noisy)) return {&v, nullptr, v.dense, v.cols, v.from};
  const std::size_t f_cols = g.f->cols, cols = v.cols > f_cols ? v.cols : f_cols;
  Residual r{&v, covariance(w, *g.f, v, arena), nullptr, cols, 0};
  const std::size_t nf = g.f->rows, n = v.rows;
  double *careful = nullptr, *seen = nullptr;
  if (g.whitening) {
    careful = arena.take(nf, n);
    seen = arena.take(nf, n);
    gemm_nn_lanes(seen, g.whitening, r.gamma, nf, n, nf, false);
    gemm_tn_lanes(careful, g.whitening, seen, nf, n, nf, false);
  }
  cholesky_solve_lanes(g.factor, r.gamma, nf, n);
  if (careful)
    for (std::size_t i = 0; i < nf * n; ++i)
      put(r.gamma, i, select(g.doubtful, at(careful, i), at(r.gamma, i)));
  Arena local = arena;
  double* dense = local.take(v.rows, cols);
  arena = local;
  double* predicted = local.take(v.rows, f_cols);
  gemm_tn_lanes(predicted, r.gamma, g.f->dense, v.rows, f_cols, nf, false);
  for (std::size_t i = 0; i < v.rows; ++i)
    for (std::size_t j = 0; j < cols; ++j) {
      const vec own = j < v.cols ? at(v.dense, i * v.cols + j) : splat(0);
      put(dense, i * cols + j, j < f_cols ? own - at(predicted, i * f_cols + j) : own);
    }
  r.dense = dense;
  return r;
}

// Covariance of two residuals as a Gram matrix of residual loadings: what should vanish does so to the square
// of rounding.
static double* residual_covariance(const World& w, const Given& g, const Residual& a, const Residual& b,
                                   Arena& arena) {
  const std::size_t na = a.v->rows, nb = b.v->rows, nf = g.f->rows;
  double* out = arena.take(na, nb);
  loadings_product(out, a.dense, a.cols, na, b.dense, b.cols, nb, later(a.from, b.from));
  if (!w.shape.noise) return out;
  add_noise_covariance(w, *a.v, *b.v, out);
  if (nf == 0) return out;
  Arena local = arena;
  // out -= left^T right for the noise that f shares with one of the two.
  const auto subtract = [&](const double* left, const double* right) {
    double* product = local.take(na, nb);
    gemm_tn_lanes(product, left, right, na, nb, nf, false);
    for (std::size_t i = 0; i < na * nb; ++i) put(out, i, at(out, i) - at(product, i));
  };
  const auto shared = [&](const Rows& v) {
    double* with_f = local.take(nf, v.rows);
    clear_lanes(with_f, nf * v.rows);
    add_noise_covariance(w, *g.f, v, with_f);
    return with_f;
  };
  if (a.gamma && b.v->noisy) subtract(a.gamma, shared(*b.v));
  if (b.gamma && a.v->noisy) subtract(shared(*a.v), b.gamma);
  if (a.gamma && b.gamma) {
    double* weighted = local.take(nf, nb);
    gemm_nn_lanes(weighted, g.noise, b.gamma, nf, nb, nf, false);
    gemm_tn_lanes(out, a.gamma, weighted, na, nb, nf, true);
  }
  return out;
}

// Total variance of a stack; the complement's coordinate of a block stands for `multiplicity` of them.
static vec variance_of(const World& w, const Rows& r, vec multiplicity, Arena local) {
  vec sum = splat(0);
  for (std::size_t i = 0; i < r.rows * r.cols; ++i) sum = fma(at(r.dense, i), at(r.dense, i), sum);
  if (!r.noisy) return sum;
  double* noise = local.take(r.rows, r.rows);
  clear_lanes(noise, r.rows * r.rows);
  add_noise_covariance(w, r, r, noise);
  for (std::int32_t b = 0; b < r.blocks; ++b)
    for (std::size_t i = 0; i < r.width[b]; ++i) {
      const std::size_t row = r.begin[b] + i;
      const bool complement = r.observed[b] && !r.through[b] && i + 1 == r.width[b];
      sum = fma(complement ? multiplicity : splat(1), at(noise, row * r.rows + row), sum);
    }
  return sum;
}

static Stack plain(std::int32_t variable) {
  Stack s{};
  s.blocks[0].terms[0] = {variable, -1, 1.0};
  s.blocks[0].count = 1;
  s.count = 1;
  return s;
}

static bool same_block(const Block& a, const Block& b) {
  if (a.count != b.count || a.projected != b.projected) return false;
  for (std::int32_t t = 0; t < a.count; ++t)
    if (a.terms[t].variable != b.terms[t].variable || a.terms[t].coefficient != b.terms[t].coefficient ||
        a.terms[t].sign != b.terms[t].sign)
      return false;
  return true;
}

static bool same_stack(const Stack& a, const Stack& b) {
  if (a.count != b.count) return false;
  for (std::int32_t i = 0; i < a.count; ++i)
    if (!same_block(a.blocks[i], b.blocks[i])) return false;
  return true;
}

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
  r.noise = arena.take(static_cast<std::size_t>(MAX_BLOCKS), NOISE_GROUPS);
  clear_lanes(r.noise, static_cast<std::size_t>(MAX_BLOCKS) * NOISE_GROUPS);
  return r;
}

#include "kernels/population/rows-inl.h"

#include "kernels/population/loss-inl.h"

#include "kernels/population/metrics-inl.h"

#include "kernels/population/answer-inl.h"

static void population(const PopulationBatch& batch, std::size_t first, std::size_t count, double* scratch) {
  Arena arena{scratch};
  const WorldShape s = world_shape(batch);
  const World w = build_world(batch, first, count, s, arena);
  const Coefficients coefficient{batch, first, count};
  const vec tolerance = splat(batch.tolerance);
  const Objective& objective = batch.objective;

  // ---- the problem: y and e given f
  // ------------------------------------------------------------------------------
  const Rows f = compose(w, objective.f, coefficient, arena);
  const Rows e = compose(w, objective.e, coefficient, arena);
  const Rows y = compose(w, objective.y, coefficient, arena);
  const bool reconstructs = objective.penalty_count == 0 && same_stack(objective.y, objective.e);
  const Given given = condition_on(w, f, tolerance, arena);
  const Residual re = residual(w, given, e, arena);
  const Residual ry = reconstructs ? re : residual(w, given, y, arena);
  double* s_ee = residual_covariance(w, given, re, re, arena);
  double* s_ye = reconstructs ? s_ee : residual_covariance(w, given, ry, re, arena);
  const std::size_t ne = e.rows, ny = y.rows;

  // Traces apart: the complement's coordinate, the last of every unprojected observation block, has a
  // multiplicity.
  vec trace = splat(0), trace_complement = splat(0);
  {
    Arena local = arena;
    const double* s_yy = reconstructs ? s_ee : residual_covariance(w, given, ry, ry, local);
    for (std::int32_t b = 0; b < y.blocks; ++b)
      for (std::size_t i = 0; i < y.width[b]; ++i) {
        const vec v = at(s_yy, (y.begin[b] + i) * ny + y.begin[b] + i);
        const bool complement = s.noise && y.observed[b] && !y.through[b] && i + 1 == y.width[b];
        if (complement)
          trace_complement += v;
        else
          trace += v;
      }
  }

  // ---- eigenvalues of M and G, and what they leave of y
  const std::size_t k_max = batch.max_latent(), wanted = k_max + (s.noise ? 1 : 0);
  const std::size_t rows =
      wanted < ne ? wanted : ne;  // one more: the complement's row counts for nothing without one
  // Lanes that a covariance in f64 does not settle: core/careful.cc answers them.
  mask careful = given.uncertain;
  // y is the sum over latents of parts (rows, ny) times e_by, and a rest; only without noise, which bounds
  // the loss.
  double* remaining = arena.take(rows + 1, 1);
  std::size_t wide = s.pd;  // sources, and those that stand for penalties
  for (std::int32_t p = 0; p < objective.penalty_count; ++p) wide += s.pd;
  double* parts = arena.take(rows, ny);
  double* by = arena.take(rows, wide);
  double* bottleneck = s.noise ? nullptr : widened(re.dense, ne, re.cols, wide, arena);
  double* lambda = arena.take(ne, 1);
  double* g = arena.take(ne, ne);  // row i: the i-th latent's weights on e
  {
    Arena local = arena;
    double* u = local.take(ne, ne);
    memcpy(u, s_ee, ne * ne * LANES * sizeof(double));
    for (std::int32_t p = 0; p < objective.penalty_count; ++p) {
      const Penalty& penalty = objective.penalties[p];
      Arena inner = local;
      const Rows on = compose(w, penalty.given, coefficient, inner);
      const Rows of = compose(w, penalty.of, coefficient, inner);
      const Given on_given = condition_on(w, on, tolerance, inner);
      const Residual r = residual(w, on_given, of, inner);
      const double* cov = residual_covariance(w, on_given, r, r, inner);
      const vec weight = coefficient(penalty.weight);
      careful |= on_given.uncertain;
      if (!s.noise)
        for (std::size_t i = 0; i < ne; ++i)
          for (std::size_t j = 0; j < r.cols; ++j)
            put(bottleneck, i * wide + s.pd * (static_cast<std::size_t>(p) + 1) + j,
                sqrt(weight) * at(r.dense, i * r.cols + j));
      for (std::size_t i = 0; i < ne * ne; ++i) put(u, i, fma(weight, at(cov, i), at(u, i)));
    }
    if (reconstructs) {
      eigen_lanes(u, lambda, ne, local.next);
      memcpy(g, u, ne * ne * LANES * sizeof(double));
      if (!s.noise) {
        memcpy(parts, g, rows * ny * LANES * sizeof(double));
        gemm_nn_lanes(by, g, bottleneck, rows, wide, ne, false);
      }
    } else {
      // Whitened coordinates: N = S_ye W^T with W^T W = (S_ee + P)^+, and M = N N^T has the eigenvalues of
      // N^T N. The complement's coordinates, one in every unprojected observation block, are coupled to each
      // other alone. With them last, nothing mixes them with the rest, not even rounding where eigenvalues
      // are equal.
      const auto has_complement = [&](std::int32_t b) { return s.noise && e.observed[b] && !e.through[b]; };
      const auto coordinate = [&](std::size_t i) {
        for (std::int32_t b = 0; b < e.blocks; ++b) {
          const std::size_t inside = e.width[b] - (has_complement(b) ? 1 : 0);
          if (i < inside) return e.begin[b] + i;
          i -= inside;
        }
        std::int32_t b = 0;
        for (;; ++b)
          if (has_complement(b) && i-- == 0) return e.begin[b] + e.width[b] - 1;
      };
      double *w_rows = local.take(ne, ne), *target = local.take(ny, ne);
      for (std::size_t j = 0; j < ne; ++j) {
        const std::size_t from = coordinate(j);
        for (std::size_t i = 0; i < ne; ++i) put(w_rows, i * ne + j, at(u, coordinate(i) * ne + from));
        for (std::size_t i = 0; i < ny; ++i) put(target, i * ne + j, at(s_ye, i * ne + from));
      }
      careful |= whitening_rows(w_rows, ne, tolerance, local);
      double* n = local.take(ny, ne);
      gemm_nt_lanes(n, target, w_rows, ny, ne, ne, false);
      double* t = local.take(ne, ne);
      gemm_tn_lanes(t, n, n, ne, ne, ny, false);
      eigen_lanes(t, lambda, ne, local.next);
      if (!s.noise) {
        Arena inner = local;
        double* white = inner.take(ne, wide);
        gemm_nn_lanes(white, w_rows, bottleneck, ne, wide, ne, false);
        gemm_nn_lanes(by, t, white, rows, wide, ne, false);
        gemm_nt_lanes(parts, t, n, rows, ny, ne, false);
      }
      for (std::size_t i = 0; i < ne; ++i) {
        const vec root = sqrt(max(at(lambda, i), splat(0)));
        for (std::size_t j = 0; j < ne; ++j) put(t, i * ne + j, root * at(t, i * ne + j));
      }
      gemm_nn_lanes(u, t, w_rows, ne, ne, ne, false);
      for (std::size_t j = 0; j < ne; ++j)
        for (std::size_t i = 0; i < ne; ++i) put(g, i * ne + coordinate(j), at(u, i * ne + j));
    }
  }

  // ---- which rows are the latents: the complement's one row stands for `multiplicity` of them
  // -------------------------
  // Where the leading eigenvalue is the rounding of nothing there are no latents. The target's variance is
  // looked at where the eigenvalue is small beside the observation's, which is at hand.
  vec observation_total = splat(0);
  for (std::size_t i = 0; i < s.qe * w.cols[OBSERVATION]; ++i)
    observation_total =
        fma(at(w.variable[OBSERVATION], i), at(w.variable[OBSERVATION], i), observation_total);
  mask empty = ~(mask)(at(lambda, 0) > splat(SMALL_TARGET) * observation_total);
  if (any(empty)) {
    const double* column = batch.parameters + COMPLEMENT_DIM * batch.count;
    const vec multiplicity = gather(first, count, [&](std::size_t i) { return column[i]; });
    empty &= ~(mask)(at(lambda, 0) > splat(VOID_LOADINGS) * variance_of(w, y, multiplicity, arena));
  }
  const vec rank_cut = select(empty, splat(__builtin_inf()), tolerance * max(at(lambda, 0), splat(0)));
  double* kept = arena.take(ne, 1);  // 1 where the row is a latent of the reduced basis within the rank
  double* is_complement = arena.take(ne, 1);
  for (std::size_t i = 0; i < ne; ++i) {
    vec inside = splat(0), outside = splat(0);
    for (std::int32_t b = 0; b < e.blocks; ++b)
      for (std::size_t j = 0; j < e.width[b]; ++j) {
        const vec v = abs(at(g, i * ne + e.begin[b] + j));
        if (s.noise && e.observed[b] && !e.through[b] && j + 1 == e.width[b])
          outside += v;
        else
          inside += v;
      }
    const mask in_rank = (mask)(at(lambda, i) > rank_cut);
    const mask complement = (mask)(outside > inside);
    put(is_complement, i, select(complement & in_rank, splat(1), splat(0)));
    put(kept, i, select(~complement & in_rank, splat(1), splat(0)));
    careful |= uncertain_of(at(lambda, i), at(lambda, 0));
  }
  if (!s.noise) {
    Arena local = arena;
    remaining_loss(remaining, widened(ry.dense, ny, ry.cols, wide, local), ny, wide, {parts, by, rows}, kept);
  }
  double* complement_c = arena.take(1, 1);  // z = c n_o + d n_o' on a coordinate of the complement
  double* complement_d = arena.take(1, 1);
  store(complement_c, splat(0));
  store(complement_d, splat(0));

  // ---- the encoder z = C o + D o' in the reduced basis
  // -------------------------------------------------------------------
  double* c = arena.take(rows, s.qe);
  double* d = arena.take(rows, s.qe);
  clear_lanes(c, rows * s.qe);
  clear_lanes(d, rows * s.qe);
  const auto add_block = [&](const Rows& stack, const Stack& of, std::int32_t b, const double* weights,
                             vec sign) {
    // weights (rows, stack.rows) applied to the observations in block b
    Arena local = arena;
    double* part = local.take(rows, s.qe);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < s.qe; ++j) {
        vec v = splat(0);
        if (!stack.through[b])
          v = at(weights, i * stack.rows + stack.begin[b] + j);
        else
          for (std::size_t m = 0; m < s.projected; ++m)
            v = fma(at(weights, i * stack.rows + stack.begin[b] + m), at(w.projection, m * s.qe + j), v);
        put(part, i * s.qe + j, v);
      }
    for (std::int32_t t = 0; t < of.blocks[b].count; ++t) {
      const Term& term = of.blocks[b].terms[t];
      if (term.variable > OBSERVATION_NEXT) continue;
      double* target = term.variable == OBSERVATION ? c : d;
      const vec factor = sign * coefficient(term.coefficient) * splat(term.sign);
      for (std::size_t i = 0; i < rows * s.qe; ++i) put(target, i, fma(factor, at(part, i), at(target, i)));
    }
  };
  for (std::int32_t b = 0; b < e.blocks; ++b) add_block(e, objective.e, b, g, splat(1));
  if (objective.innovation && f.rows) {
    Arena local = arena;
    double* regression = local.take(rows, f.rows);
    gemm_nt_lanes(regression, g, re.gamma, rows, f.rows, ne, false);
    for (std::int32_t b = 0; b < f.blocks; ++b) {
      Arena saved = arena;
      arena = local;
      add_block(f, objective.f, b, regression, splat(-1));
      arena = saved;
    }
  }
  for (std::size_t i = 0; i < rows; ++i) {
    if (s.noise) {
      const mask complement = (mask)(at(is_complement, i) > splat(0.5));
      store(complement_c, select(complement, at(c, i * s.qe + s.q), load(complement_c)));
      store(complement_d, select(complement, at(d, i * s.qe + s.q), load(complement_d)));
    }
    const mask in = (mask)(at(kept, i) > splat(0.5));
    for (std::size_t j = 0; j < s.qe; ++j) {
      const bool reduced = j < s.q;
      put(c, i * s.qe + j, reduced ? select(in, at(c, i * s.qe + j), splat(0)) : splat(0));
      put(d, i * s.qe + j, reduced ? select(in, at(d, i * s.qe + j), splat(0)) : splat(0));
    }
  }

  // ---- metrics: everything given the full observation
  // ------------------------------------------------------------------
  const Stack now = plain(OBSERVATION), next = plain(OBSERVATION_NEXT), acts = plain(ACTION);
  const bool given_observation = same_stack(objective.f, now);
  const Rows o = given_observation ? f : compose(w, now, coefficient, arena);
  const Given on_o = given_observation ? given : condition_on(w, o, tolerance, arena);
  const bool e_is_next = given_observation && same_stack(objective.e, next);
  const Rows on = e_is_next ? e : compose(w, next, coefficient, arena);
  const Rows a = compose(w, acts, coefficient, arena);
  const Rows x = exogenous_next_rows(w, arena);
  const Residual r_on = e_is_next ? re : residual(w, on_o, on, arena);
  const Residual r_a = residual(w, on_o, a, arena), r_x = residual(w, on_o, x, arena);
  // z has a part that o determines, but for the innovation gauge of an objective that is given o.
  const bool gauged = !(objective.innovation && given_observation);
  careful |= on_o.uncertain;
  const auto parameter = [&](Parameter which) {
    const double* column = batch.parameters + static_cast<std::size_t>(which) * batch.count;
    return gather(first, count, [&](std::size_t i) { return column[i]; });
  };
  const MetricInput input{w,
                          rows,
                          c,
                          d,
                          o,
                          on,
                          a,
                          x,
                          r_on,
                          r_a,
                          r_x,
                          gauged,
                          parameter(EXOGENOUS_DECAY),
                          parameter(EXOGENOUS_SCALE),
                          parameter(ACTION_EXOGENOUS_CORRELATION),
                          parameter(EXOGENOUS_INITIAL_SCALE)};
  const MetricSums sums = metric_sums(input, batch.sensor_noise, arena);
  careful |= sums.doubtful;

  write_answers({batch,
                 first,
                 count,
                 w,
                 ne,
                 rows,
                 lambda,
                 kept,
                 is_complement,
                 g,
                 c,
                 d,
                 complement_c,
                 complement_d,
                 trace,
                 trace_complement,
                 observation_total,
                 reconstructs,
                 remaining,
                 empty,
                 careful,
                 sums});
}

static std::size_t population_scratch(const PopulationBatch& batch) {
  const WorldShape s = world_shape(batch);
  const std::size_t rows[] = {s.qe + 1,
                              s.ds + s.dx,
                              s.projected,
                              stack_rows(s, batch.objective.y),
                              stack_rows(s, batch.objective.f),
                              stack_rows(s, batch.objective.e),
                              batch.latent_count};
  std::size_t widest = s.pd;
  for (const std::size_t r : rows) widest = r > widest ? r : widest;
  const std::size_t matrices =
      140;  // more than population() takes from its arena, at the widest of all shapes
  return matrices * widest * widest * LANES + 4 * (eigen_lanes_work(widest) + LANES);
}
