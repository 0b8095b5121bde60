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
constexpr double EXACT = 1 - 1e-9;  // a squared canonical correlation above it is an exact relation
constexpr double VOID_VARIANCE =
    1e-18;  // conditional over total variance below which nothing is left to explain
constexpr double EXACT_SHARE = 1e-10;  // of the observation's variance: worth a look whether it is nothing
// Where every pivot of a Cholesky factor is above this share of the largest diagonal entry, no eigenvalue can
// be near the pseudo-inverse's cut of 1e-10, and the factor gives the pseudo-inverse. Elsewhere the
// eigenvalues are looked at.
constexpr double WELL_CONDITIONED = 1e-5;

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
  const vec share = parameter(ACTION_EXOGENOUS_CORRELATION);
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
    for (std::size_t j = 0; j < s.dx; ++j) put(a, i * acts + s.ds + j, feedback_x * at(gain_x, i * s.dx + j));
    put(a, i * acts + s.at_u + i, policy);
  }

  // x' = rho_x x + exogenousScale w_x; coordinate i < da of w_x shares part of u_i and keeps unit variance.
  double* x_next = arena.take(s.dx, s.at_ws);
  clear_lanes(x_next, s.dx * s.at_ws);
  for (std::size_t i = 0; i < s.dx; ++i) {
    const vec shared = i < s.da ? share : splat(0);
    put(x_next, i * s.at_ws + s.ds + i, rho_x);
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
          put(row, s.at_x2 + j, rho_x * m);
          put(row, s.at_w2 + j, exogenous_scale * m);
          continue;
        }
        put(row, s.ds + j, fma(rho_x, m, at(row, s.ds + j)));
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
  have(OBSERVATION, const_cast<double*>(mixing), qs);
  have(OBSERVATION_NEXT, observe_next(false), s.at_x2);
  have(ACTION, a, acts);
  w.from[ACTION] = s.feedback ? 0 : s.at_u;
  if (s.pair) {
    const std::size_t cols = s.at_x2 + s.dx;
    double* o = arena.take(s.qe, cols);
    clear_lanes(o, s.qe * cols);
    for (std::size_t i = 0; i < s.qe; ++i) {
      for (std::size_t j = 0; j < s.ds; ++j) put(o, i * cols + j, at(mixing, i * qs + j));
      for (std::size_t j = 0; j < s.dx; ++j) put(o, i * cols + s.at_x2 + j, at(mixing, i * qs + s.ds + j));
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

// Lower Cholesky factor in place of a positive semidefinite matrix, with 1 / l_jj on the diagonal (0 for a
// row that is zero). Returns the lanes whose pivots are too small for it to be trusted.
static mask semidefinite_factor(double* a, std::size_t n) {
  vec largest = splat(0);
  for (std::size_t i = 0; i < n; ++i) largest = max(at(a, i * n + i), largest);
  const vec cut = splat(WELL_CONDITIONED) * largest;
  mask doubtful = (mask)(splat(0) > splat(0));
  for (std::size_t j = 0; j < n; ++j) {
    const mask present = (mask)(at(a, j * n + j) > splat(0));
    vec pivot = at(a, j * n + j);
    for (std::size_t k = 0; k < j; ++k) pivot = fnma(at(a, j * n + k), at(a, j * n + k), pivot);
    const mask kept = (mask)(pivot > cut);
    doubtful |= present & ~kept;
    const vec root = sqrt(select(kept, pivot, splat(1)));
    const vec inverse = select(kept, splat(1) / root, splat(0));
    for (std::size_t i = j + 1; i < n; ++i) {
      vec v = at(a, i * n + j);
      for (std::size_t k = 0; k < j; ++k) v = fnma(at(a, i * n + k), at(a, j * n + k), v);
      put(a, i * n + j, v * inverse);
    }
    put(a, j * n + j, inverse);
  }
  return doubtful;
}

// a (n,n) = W with W^T W = a^+: eigenvectors as rows over the roots of their eigenvalues, cut at `tolerance`
// of the largest, in the order of eigen_lanes without sorting.
static void whitening_rows(double* a, std::size_t n, vec tolerance, Arena arena) {
  double* w = arena.take(n, 1);
  eigen_lanes(a, w, n, arena.next, false);
  vec largest = splat(0);
  for (std::size_t j = 0; j < n; ++j) largest = max(at(w, j), largest);
  const vec cut = tolerance * largest;
  for (std::size_t j = 0; j < n; ++j) {
    const mask kept = (mask)(at(w, j) > cut);
    const vec scale = select(kept, splat(1) / sqrt(select(kept, at(w, j), splat(1))), splat(0));
    for (std::size_t i = 0; i < n; ++i) put(a, j * n + i, scale * at(a, j * n + i));
  }
}

// x (n,m) = L^-1 x.
static void solve_factor(const double* l, double* x, std::size_t n, std::size_t m) {
  for (std::size_t i = 0; i < n; ++i) {
    const vec inverse = at(l, i * n + i);
    for (std::size_t c = 0; c < m; ++c) {
      vec v = at(x, i * m + c);
      for (std::size_t k = 0; k < i; ++k) v = fnma(at(l, i * n + k), at(x, k * m + c), v);
      put(x, i * m + c, v * inverse);
    }
  }
}

// Conditioning on f: the factor of S_ff, and for any rows v the regression Gamma_v = S_vf S_ff^+.
struct Given {
  const Rows* f;  // no rows: nothing is given
  double* factor;
  double* noise;      // (nf,nf) covariance of the noise of f
  mask doubtful;      // lanes in which the factor is not to be trusted, and
  double* whitening;  // (nf,nf) what to use there; null where no lane is
};

static Given condition_on(const World& w, const Rows& f, vec tolerance, Arena& arena) {
  Given g{&f, nullptr, nullptr, mask{}, nullptr};
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
  whitening_rows(g.whitening, f.rows, tolerance, arena);
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

inline vec trace_lanes(const double* a, std::size_t n, std::size_t rows) {
  vec sum = splat(0);
  for (std::size_t i = 0; i < rows; ++i) sum += at(a, i * n + i);
  return sum;
}

// The latents as probes use them.
struct Latents {
  std::size_t rows;
  const double* covariance;  // (rows, rows)
  const double* factor;
  mask doubtful;  // lanes in which the factor is not to be trusted
  vec tolerance;
};

static Latents latents_of(double* covariance, std::size_t rows, vec tolerance, Arena& arena) {
  double* factor = arena.take(rows, rows);
  memcpy(factor, covariance, rows * rows * LANES * sizeof(double));
  const mask doubtful = semidefinite_factor(factor, rows);
  return {rows, covariance, factor, doubtful, tolerance};
}

// A target as one set of latents sees it: cross = cov(z, target), (rows, n), and gains = L^-1 cross.
struct Seen {
  const double* cross;
  double* gains;
  std::size_t n;
};

static Seen see(const Latents& z, const double* cross, std::size_t n, Arena& arena) {
  double* gains = arena.take(z.rows, n);
  memcpy(gains, cross, z.rows * n * LANES * sizeof(double));
  solve_factor(z.factor, gains, z.rows, n);
  return {cross, gains, n};
}

// out (n,n): what the first `until` latents (lane by lane) explain of the target, cov(t, z) cov(z, z)^+
// cov(z, t).
static void explained(const Latents& z, const Seen& target, vec until, double* out, Arena arena) {
  const std::size_t rows = z.rows, n = target.n;
  const auto inside = [&](std::size_t i) { return (mask)(splat(static_cast<double>(i) + 0.5) < until); };
  double* gains = arena.take(rows, n);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < n; ++j)
      put(gains, i * n + j, select(inside(i), at(target.gains, i * n + j), splat(0)));
  gemm_tn_lanes(out, gains, gains, n, n, rows, false);
  if (!any(z.doubtful)) return;
  double* whitening = arena.take(rows, rows);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < rows; ++j)
      put(whitening, i * rows + j, select(inside(i) & inside(j), at(z.covariance, i * rows + j), splat(0)));
  whitening_rows(whitening, rows, z.tolerance, arena);
  gemm_nn_lanes(gains, whitening, target.cross, rows, n, rows, false);
  double* careful = arena.take(n, n);
  gemm_tn_lanes(careful, gains, gains, n, n, rows, false);
  for (std::size_t i = 0; i < n * n; ++i) put(out, i, select(z.doubtful, at(careful, i), at(out, i)));
}

// A target's conditional covariance, factored and (where some lane's factor is not to be trusted) whitened.
struct Target {
  std::size_t n;
  const double* factor;
  mask doubtful;
  const double* whitening;  // null where no lane is doubtful
};

static Target target_of(const double* covariance, std::size_t n, vec tolerance, Arena& arena) {
  double* factor = arena.take(n, n);
  memcpy(factor, covariance, n * n * LANES * sizeof(double));
  Target t{n, factor, semidefinite_factor(factor, n), nullptr};
  for (std::size_t i = 0; i < n; ++i) t.doubtful |= ~(mask)(at(covariance, i * n + i) > splat(0));
  if (!any(t.doubtful)) return t;
  double* whitening = arena.take(n, n);
  memcpy(whitening, covariance, n * n * LANES * sizeof(double));
  whitening_rows(whitening, n, tolerance, arena);
  t.whitening = whitening;
  return t;
}

// -1/2 sum log(1 - rho^2) over eigenvalues rho^2 of `explained` (n,n) in the target's whitened coordinates.
static vec information_by_eigenvalues(const double* whitening, const double* explained, std::size_t n,
                                      Arena arena) {
  double* half = arena.take(n, n);
  double* k = arena.take(n, n);
  gemm_nn_lanes(half, whitening, explained, n, n, n, false);
  gemm_nt_lanes(k, half, whitening, n, n, n, false);
  double* w = arena.take(n, 1);
  eigen_lanes(k, w, n, arena.next);
  double out[LANES];
  for (std::size_t l = 0; l < LANES; ++l) {
    out[l] = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const double rho2 = w[j * LANES + l];
      if (rho2 > EXACT)
        out[l] = __builtin_inf();
      else if (rho2 > 0)
        out[l] -= 0.5 * __builtin_log1p(-rho2);
    }
  }
  return load(out);
}

// Gaussian information in nats: -1/2 log det(I - K) for K = L^-1 explained L^-T, by the pivots of I - K. Each
// pivot is at least the smallest eigenvalue, and their product at most that (all eigenvalues are at most 1):
// so a tiny pivot proves an exact relation, a product that is not tiny proves that there is none, and only
// what lies between needs eigenvalues.
static vec information(const Target& t, const double* explained, Arena arena) {
  const std::size_t n = t.n;
  double* k = arena.take(n, n);
  double* half = arena.take(n, n);
  memcpy(half, explained, n * n * LANES * sizeof(double));
  solve_factor(t.factor, half, n, n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) put(k, i * n + j, at(half, j * n + i));
  solve_factor(t.factor, k, n, n);
  const double exact = 1 - EXACT;
  mask infinite = mask{};
  vec product = splat(1);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      vec v = (i == j ? splat(1) : splat(0)) - at(k, i * n + j);
      for (std::size_t m = 0; m < j; ++m) v = fnma(at(half, i * n + m), at(half, j * n + m), v);
      if (i == j) {
        const mask tiny = (mask)(v < splat(0.1 * exact));
        infinite |= tiny;
        const vec pivot = select(tiny, splat(1), v);
        product *= pivot;
        put(half, j * n + j, sqrt(pivot));
      } else {
        put(half, i * n + j, v / at(half, j * n + j));
      }
    }
  }
  const mask decided = (infinite | (mask)(product > splat(exact))) & ~t.doubtful;
  double out[LANES], p[LANES];
  store(p, product);
  for (std::size_t l = 0; l < LANES; ++l) out[l] = infinite[l] ? __builtin_inf() : -0.5 * __builtin_log(p[l]);
  vec answer = max(load(out), splat(0));
  if (all(decided)) return answer;
  // The factor's inverse whitens as well, where it is to be trusted.
  double* whitening = arena.take(n, n);
  clear_lanes(whitening, n * n);
  for (std::size_t i = 0; i < n; ++i) put(whitening, i * n + i, splat(1));
  solve_factor(t.factor, whitening, n, n);
  for (std::size_t i = 0; i < n * n && t.whitening; ++i)
    put(whitening, i, select(t.doubtful, at(t.whitening, i), at(whitening, i)));
  return select(decided, answer, information_by_eigenvalues(whitening, explained, n, arena));
}

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

  // ---- eigenvalues of M and G
  // ----------------------------------------------------------------------------------------
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
      for (std::size_t i = 0; i < ne * ne; ++i) put(u, i, fma(weight, at(cov, i), at(u, i)));
    }
    if (reconstructs) {
      eigen_lanes(u, lambda, ne, local.next);
      memcpy(g, u, ne * ne * LANES * sizeof(double));
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
      whitening_rows(w_rows, ne, tolerance, local);
      double* n = local.take(ny, ne);
      gemm_nt_lanes(n, target, w_rows, ny, ne, ne, false);
      double* t = local.take(ne, ne);
      gemm_tn_lanes(t, n, n, ne, ne, ny, false);
      eigen_lanes(t, lambda, ne, local.next);
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
  const std::size_t k_max = batch.max_latent(), wanted = k_max + (s.noise ? 1 : 0);
  const std::size_t rows =
      wanted < ne ? wanted : ne;  // one more: the complement's row counts for nothing without one
  // Where the leading eigenvalue is the rounding of nothing there are no latents. The target's variance is
  // looked at where the eigenvalue is small beside the observation's, which is at hand.
  vec observation_total = splat(0);
  for (std::size_t i = 0; i < s.qe * w.cols[OBSERVATION]; ++i)
    observation_total =
        fma(at(w.variable[OBSERVATION], i), at(w.variable[OBSERVATION], i), observation_total);
  mask empty = ~(mask)(at(lambda, 0) > splat(EXACT_SHARE) * observation_total);
  if (any(empty)) {
    const double* column = batch.parameters + COMPLEMENT_DIM * batch.count;
    const vec multiplicity = gather(first, count, [&](std::size_t i) { return column[i]; });
    empty &= ~(mask)(at(lambda, 0) > splat(VOID_VARIANCE) * variance_of(w, y, multiplicity, arena));
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
  const double* s_rr = e_is_next ? s_ee : residual_covariance(w, on_o, r_on, r_on, arena);
  const double* s_ra = residual_covariance(w, on_o, r_on, r_a, arena);
  const double* s_rx = residual_covariance(w, on_o, r_on, r_x, arena);
  double* s_aa = residual_covariance(w, on_o, r_a, r_a, arena);
  double* s_xx = residual_covariance(w, on_o, r_x, r_x, arena);

  double* s_zz = arena.take(rows, rows);
  if (reconstructs && e_is_next && objective.innovation && !s.noise) {
    // Latents that are principal components of the innovation.
    clear_lanes(s_zz, rows * rows);
    for (std::size_t i = 0; i < rows; ++i) put(s_zz, i * rows + i, at(kept, i) * at(lambda, i));
  } else {
    double* dr = arena.take(rows, s.qe);
    gemm_nn_lanes(dr, d, s_rr, rows, s.qe, s.qe, false);
    gemm_nt_lanes(s_zz, dr, d, rows, rows, s.qe, false);
  }
  double* s_za = arena.take(rows, s.da);
  gemm_nn_lanes(s_za, d, s_ra, rows, s.da, s.qe, false);
  double* s_zx = arena.take(rows, s.dx);
  gemm_nn_lanes(s_zx, d, s_rx, rows, s.dx, s.qe, false);

  // The gauge part z = H o + D r, H = C + D Gamma; zero in the innovation gauge of an objective that is given
  // o.
  const bool gauged = !(objective.innovation && given_observation);
  double *raw_zz = s_zz, *raw_za = s_za, *raw_zx = s_zx, *raw_zo = nullptr;
  if (gauged) {
    const auto copy = [&](const double* from, std::size_t cols) {
      double* to = arena.take(rows, cols);
      memcpy(to, from, rows * cols * LANES * sizeof(double));
      return to;
    };
    double* h = arena.take(rows, s.qe);
    gemm_nt_lanes(h, d, r_on.gamma, rows, s.qe, s.qe, false);
    for (std::size_t i = 0; i < rows * s.qe; ++i) put(h, i, at(h, i) + at(c, i));
    const double* s_oo = covariance(w, o, o, arena);
    raw_zo = arena.take(rows, s.qe);
    gemm_nn_lanes(raw_zo, h, s_oo, rows, s.qe, s.qe, false);
    raw_zz = copy(s_zz, rows);
    gemm_nt_lanes(raw_zz, raw_zo, h, rows, rows, s.qe, true);
    raw_za = copy(s_za, s.da);
    gemm_nn_lanes(raw_za, h, covariance(w, o, a, arena), rows, s.da, s.qe, true);
    raw_zx = copy(s_zx, s.dx);
    gemm_nn_lanes(raw_zx, h, covariance(w, o, x, arena), rows, s.dx, s.qe, true);
  }
  // A latent that o determines leaves rounding, which is not to be taken for a signal.
  for (std::size_t i = 0; gauged && i < rows; ++i) {
    const mask left = (mask)(at(s_zz, i * rows + i) > splat(VOID_VARIANCE) * at(raw_zz, i * rows + i));
    if (all(left)) continue;
    const auto keep = [&](double* a, std::size_t index) {
      put(a, index, select(left, at(a, index), splat(0)));
    };
    for (std::size_t j = 0; j < rows; ++j) {
      keep(s_zz, i * rows + j);
      if (j != i) keep(s_zz, j * rows + i);
    }
    for (std::size_t j = 0; j < s.da; ++j) keep(s_za, i * s.da + j);
    for (std::size_t j = 0; j < s.dx; ++j) keep(s_zx, i * s.dx + j);
  }
  const Latents z = latents_of(s_zz, rows, tolerance, arena);
  const Seen z_a = see(z, s_za, s.da, arena), z_x = see(z, s_zx, s.dx, arena);
  const Latents raw = gauged ? latents_of(raw_zz, rows, tolerance, arena) : z;
  const Seen raw_a = gauged ? see(raw, raw_za, s.da, arena) : z_a,
             raw_x = gauged ? see(raw, raw_zx, s.dx, arena) : z_x;
  const Seen raw_o = gauged ? see(raw, raw_zo, s.qe, arena) : z_a;

  // Redrawing (x, w_x) moves z by (C + rho_x D) Ex dx + exogenousScale D Ex dw.
  double* moved = arena.take(rows, 1);
  {
    Arena local = arena;
    double* cx = local.take(rows, s.dx);
    double* dxx = local.take(rows, s.dx);
    gemm_nn_lanes(cx, c, w.exogenous_mixing, rows, s.dx, s.qe, false);
    gemm_nn_lanes(dxx, d, w.exogenous_mixing, rows, s.dx, s.qe, false);
    const double* decay_column = batch.parameters + EXOGENOUS_DECAY * batch.count;
    const double* scale_column = batch.parameters + EXOGENOUS_SCALE * batch.count;
    const vec decay = gather(first, count, [&](std::size_t i) { return decay_column[i]; });
    const vec scale = gather(first, count, [&](std::size_t i) { return scale_column[i]; });
    for (std::size_t i = 0; i < rows; ++i) {
      vec sum = splat(0);
      for (std::size_t j = 0; j < s.dx; ++j) {
        const vec gx = fma(decay, at(dxx, i * s.dx + j), at(cx, i * s.dx + j)),
                  gw = scale * at(dxx, i * s.dx + j);
        sum = fma(gx, gx, fma(gw, gw, sum));
      }
      put(moved, i, sum);
    }
  }

  const vec action_left = trace_lanes(s_aa, s.da, s.da), exogenous_left = trace_lanes(s_xx, s.dx, s.dx);
  vec action_total = splat(0), exogenous_total = splat(0);
  for (std::size_t i = 0; i < s.da * a.cols; ++i)
    action_total = fma(at(a.dense, i), at(a.dense, i), action_total);
  for (std::size_t i = 0; i < s.dx * x.cols; ++i)
    exogenous_total = fma(at(x.dense, i), at(x.dense, i), exogenous_total);

  // How many rows each latent dimension takes: the complement's row stands for `multiplicity` latents.
  double* prefix = arena.take(batch.latent_count, 1);
  for (std::size_t l = 0; l < LANES; ++l) {
    const std::size_t problem = first + (l < count ? l : count - 1);
    const double multiplicity = batch.parameters[COMPLEMENT_DIM * batch.count + problem];
    std::size_t row = 0;
    double filled = 0;
    for (std::size_t m = 0; m < batch.latent_count; ++m) {
      const double k = static_cast<double>(batch.latents[m]);
      for (; row < rows; ++row) {
        const double stands_for = is_complement[row * LANES + l] != 0 ? multiplicity : 1;
        if (filled + stands_for > k) break;
        filled += stands_for;
      }
      prefix[m * LANES + l] = static_cast<double>(row);
    }
  }
  // What each prefix of the latents explains: (latents), by action, by x', raw by a, x', o, and information
  // in nats.
  const std::size_t many = batch.latent_count;
  double* by_action = arena.take(many, 1);
  double* by_exogenous = arena.take(many, 1);
  double* raw_by_action = arena.take(many, 1);
  double* raw_by_exogenous = arena.take(many, 1);
  double* raw_by_observation = arena.take(many, 1);
  double* action_information = arena.take(many, 1);
  double* future_information = arena.take(many, 1);
  const Target action_target = target_of(s_aa, s.da, tolerance, arena);
  const Target future_target = target_of(s_xx, s.dx, tolerance, arena);
  for (std::size_t m = 0; m < many; ++m) {
    Arena local = arena;
    const std::size_t widest = s.qe + s.da + s.dx;
    double* gram = local.take(widest, widest);
    const vec until = at(prefix, m);
    const auto trace_of = [&](const Latents& latents, const Seen& target) {
      explained(latents, target, until, gram, local);
      return trace_lanes(gram, target.n, target.n);
    };
    if (gauged) {
      put(raw_by_action, m, trace_of(raw, raw_a));
      put(raw_by_exogenous, m, trace_of(raw, raw_x));
      put(raw_by_observation, m, trace_of(raw, raw_o));
    }
    put(by_action, m, trace_of(z, z_a));
    put(action_information, m, information(action_target, gram, local));
    put(by_exogenous, m, trace_of(z, z_x));
    put(future_information, m, information(future_target, gram, local));
    if (!gauged) {
      put(raw_by_action, m, at(by_action, m));
      put(raw_by_exogenous, m, at(by_exogenous, m));
      put(raw_by_observation, m, splat(0));
    }
  }

  // ---- one lane at a time: prefixes, multiplicities, outputs
  // ------------------------------------------------------------
  const std::size_t metric_stride = batch.count * batch.latent_count;
  for (std::size_t l = 0; l < count; ++l) {
    const std::size_t problem = first + l;
    const double eta = w.sensor[l];
    const double multiplicity = batch.parameters[COMPLEMENT_DIM * batch.count + problem];
    const double cc = complement_c[l], cd = complement_d[l];
    const double complement_variance = eta * eta * (cc * cc + cd * cd);
    const double complement_seen = cc == 0 ? 0 : eta * eta * cc * cc / (cc * cc + cd * cd);
    const double loss_before = trace[l] + multiplicity * trace_complement[l];
    const double o_total = observation_total[l] + eta * eta * (static_cast<double>(s.q) + multiplicity);
    const bool action_void = !(action_left[l] > VOID_VARIANCE * action_total[l]);
    const bool exogenous_void = !(exogenous_left[l] > VOID_VARIANCE * exogenous_total[l]);

    // The spectrum with the complement's multiplicity, and which row each of its entries comes from.
    double* spectrum = batch.spectrum + problem * k_max;
    std::uint8_t* picks = batch.complement + problem * k_max;
    double rank = 0;
    for (std::size_t i = 0; i < ne; ++i) {
      if (kept[i * LANES + l] != 0) rank += 1;
      if (is_complement[i * LANES + l] != 0) rank += multiplicity;
    }
    batch.rank[problem] = static_cast<std::int32_t>(rank);
    double taken = 0, moved_sum = 0, variance = 0;
    double picked = 0;  // complement picks so far
    double still = 0;   // picks left of the complement row at hand
    std::size_t row = 0, filled = 0;
    for (std::size_t m = 0; m < batch.latent_count; ++m) {
      const std::size_t k = static_cast<std::size_t>(batch.latents[m]);
      while (filled < k) {
        if (still > 0) {
          spectrum[filled] = lambda[(row - 1) * LANES + l];
          taken += spectrum[filled];
          picks[filled++] = 1;
          picked += 1;
          still -= 1;
          continue;
        }
        if (row >= rows) {
          spectrum[filled] = 0;
          picks[filled++] = 0;
          continue;
        }
        const std::size_t i = row++;
        if (is_complement[i * LANES + l] != 0) {
          still = multiplicity;
          continue;
        }
        const double value = lambda[i * LANES + l];
        spectrum[filled] = kept[i * LANES + l] != 0 ? value : 0;  // beyond the rank: rounding
        picks[filled] = 0;
        taken += spectrum[filled];
        const std::size_t at_row = filled++;
        if (kept[i * LANES + l] == 0) continue;
        variance += raw_zz[(i * rows + i) * LANES + l];
        moved_sum += moved[i * LANES + l];
        if (batch.encoder) {
          double largest = 0, sign = 1;
          for (std::size_t j = 0; j < ne; ++j) {
            const double v = g[(i * ne + j) * LANES + l];
            if (__builtin_fabs(v) > largest * (1 + 1e-9)) {
              largest = __builtin_fabs(v);
              sign = v < 0 ? -1 : 1;
            }
          }
          for (std::size_t j = 0; j < s.q; ++j) {
            batch.encoder_c[(problem * k_max + at_row) * s.q + j] = sign * c[(i * s.qe + j) * LANES + l];
            batch.encoder_d[(problem * k_max + at_row) * s.q + j] = sign * d[(i * s.qe + j) * LANES + l];
          }
        }
      }
      const std::size_t out = problem * batch.latent_count + m;
      const auto metric = [&](PopulationMetric which, double value) {
        batch.metrics[static_cast<std::size_t>(which) * metric_stride + out] = value;
      };
      batch.loss[out] = loss_before - taken;
      const double nan = __builtin_nan("");
      // Shares of a variance leave [0, 1] by rounding alone.
      const auto share = [](double v) { return v < 0 ? 0 : v > 1 ? 1 : v; };
      metric(ACTION_ERROR, action_void ? nan : share(1 - by_action[m * LANES + l] / action_left[l]));
      metric(FUTURE_LEAKAGE, exogenous_void ? nan : share(by_exogenous[m * LANES + l] / exogenous_left[l]));
      metric(ACTION_INFORMATION, action_void ? nan : action_information[m * LANES + l]);
      metric(FUTURE_INFORMATION, exogenous_void ? nan : future_information[m * LANES + l]);
      metric(CONSISTENCY_ERROR, moved_sum / (variance + picked * complement_variance));
      metric(RAW_ACTION_ERROR, share(1 - raw_by_action[m * LANES + l] / action_total[l]));
      metric(RAW_EXOGENOUS_NEXT_ERROR, share(1 - raw_by_exogenous[m * LANES + l] / exogenous_total[l]));
      metric(RAW_OBSERVATION_ERROR,
             share(1 - (raw_by_observation[m * LANES + l] + picked * complement_seen) / o_total));
      const double loss = batch.loss[out];
      batch.status[problem] = !(loss - loss == 0) ? NON_FINITE : empty[l] ? EMPTY_PROBLEM : OK;
    }
    if (batch.encoder) {
      batch.complement_encoder[2 * problem] = cc;
      batch.complement_encoder[2 * problem + 1] = cd;
    }
  }
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
