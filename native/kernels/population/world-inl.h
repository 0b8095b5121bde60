// A world as loadings on its independent sources, one world per lane (docs/theory.md). Shapes: q basis
// coordinates (+ 1 that stands for the complement, where it can hold noise), ds, dx, da; pd dense sources;
// ny, nf, ne rows of the stacks y, f, e. Matrices are interleaved: (rows, cols, LANES).
//
// A variable is V e with e ~ N(0, I). Its loadings on the dense sources [s x | u | w_x | w_s | x2 w_x2] are
// stored, as far to the right as it has any; sensor and augmentation noise is isotropic and independent, so
// six scalars per block stand for its loadings.
#pragma once
#include "kernels/arena-inl.h"
#include "kernels/lanes/gemm-inl.h"

constexpr std::size_t NOISE_GROUPS = 6;  // sensor noise of o, o', o2, o2'; n1; n2
constexpr std::size_t SENSOR_GROUPS = 4;

struct WorldShape {
  std::size_t q, qe, ds, dx, da, projected, pd;
  std::size_t at_u, at_wx, at_ws, at_x2, at_w2;
  bool pair, noise, process, feedback;
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

inline std::size_t block_rows(const WorldShape& s, const Block& block) {
  return block.terms[0].variable == ACTION ? s.da : block.projected ? s.projected : s.qe;
}

static std::size_t stack_rows(const WorldShape& s, const Stack& stack) {
  std::size_t rows = 0;
  for (std::int32_t b = 0; b < stack.count; ++b) rows += block_rows(s, stack.blocks[b]);
  return rows;
}

// The problems in the lanes of one vector: `count` of the batch from `first` on; lanes beyond them repeat the
// last.
struct Group {
  const PopulationBatch& batch;
  std::size_t first, count;
  std::size_t problem(std::size_t lane) const { return first + (lane < count ? lane : count - 1); }
  vec column(const double* values) const {
    if (count == LANES) return load(values + first);
    double v[LANES];
    for (std::size_t l = 0; l < LANES; ++l) v[l] = values[problem(l)];
    return load(v);
  }
  vec parameter(Parameter p) const {
    return column(batch.parameters + static_cast<std::size_t>(p) * batch.count);
  }
  vec coefficient(std::int32_t index) const {
    if (index < 0) return splat(1);
    return column(batch.coefficients + static_cast<std::size_t>(index) * batch.count);
  }
};

// (rows, cols) of a stack of matrices that each problem picks by matrix_index; rows beyond `rows` of the
// target are zero.
static double* gather_matrix(const Group& group, const double* stack, std::size_t rows, std::size_t cols,
                             std::size_t padded_rows, std::size_t padded_cols, Arena& arena) {
  const std::int32_t* picks = group.batch.matrix_index + group.first;
  double* out = arena.take(padded_rows, padded_cols);
  if (arena.counts()) return out;
  if (padded_rows != rows || padded_cols != cols) clear_lanes(out, padded_rows * padded_cols);
  const std::int32_t common = picks[0];
  bool shared = true;
  for (std::size_t l = 1; l < group.count; ++l) shared &= picks[l] == common;
  if (shared) {
    const double* from = stack + static_cast<std::size_t>(common) * rows * cols;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < cols; ++j) put(out, i * padded_cols + j, splat(from[i * cols + j]));
    return out;
  }
  for (std::size_t l = 0; l < LANES; ++l) {
    const std::int32_t pick = picks[l < group.count ? l : group.count - 1];
    const double* from = stack + static_cast<std::size_t>(pick) * rows * cols;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < cols; ++j) out[(i * padded_cols + j) * LANES + l] = from[i * cols + j];
  }
  return out;
}

// a = feedback_s K_s s + feedback_x K_x x + policyNoise u, (da, at_wx).
static double* action_rows(const Group& group, const WorldShape& s, Arena& arena) {
  const PopulationBatch& batch = group.batch;
  const vec feedback_s = group.parameter(STATE_FEEDBACK), feedback_x = group.parameter(EXOGENOUS_FEEDBACK);
  const vec policy = group.parameter(POLICY_NOISE), initial = group.parameter(EXOGENOUS_INITIAL_SCALE);
  const double* gain_s = gather_matrix(group, batch.state_feedback, s.da, s.ds, s.da, s.ds, arena);
  const double* gain_x = gather_matrix(group, batch.exogenous_feedback, s.da, s.dx, s.da, s.dx, arena);
  const std::size_t cols = s.at_wx;
  double* a = arena.take(s.da, cols);
  if (arena.counts()) return a;
  clear_lanes(a, s.da * cols);
  for (std::size_t i = 0; i < s.da; ++i) {
    for (std::size_t j = 0; j < s.ds; ++j) put(a, i * cols + j, feedback_s * at(gain_s, i * s.ds + j));
    for (std::size_t j = 0; j < s.dx; ++j)
      put(a, i * cols + s.ds + j, initial * feedback_x * at(gain_x, i * s.dx + j));
    put(a, i * cols + s.at_u + i, policy);
  }
  return a;
}

// x' = rho_x x + exogenousScale w_x, (dx, at_ws); coordinate i < da of w_x shares part of u_i and keeps unit
// variance.
static double* exogenous_next_loadings(const Group& group, const WorldShape& s, Arena& arena) {
  const vec rho_x = group.parameter(EXOGENOUS_DECAY), scale = group.parameter(EXOGENOUS_SCALE);
  const vec share = group.parameter(ACTION_EXOGENOUS_CORRELATION);
  const vec initial = group.parameter(EXOGENOUS_INITIAL_SCALE);
  double* x_next = arena.take(s.dx, s.at_ws);
  if (arena.counts()) return x_next;
  clear_lanes(x_next, s.dx * s.at_ws);
  for (std::size_t i = 0; i < s.dx; ++i) {
    const vec shared = i < s.da ? share : splat(0);
    put(x_next, i * s.at_ws + s.ds + i, initial * rho_x);
    if (i < s.da) put(x_next, i * s.at_ws + s.at_u + i, scale * shared);
    put(x_next, i * s.at_ws + s.at_wx + i, scale * sqrt(splat(1) - shared * shared));
  }
  return x_next;
}

// How an action shows in o', (qe, da): actionScale E_s B for mixing [E_s E_x].
static double* shown_actions(const Group& group, const WorldShape& s, const double* mixing, Arena& arena) {
  const std::size_t qs = s.ds + s.dx;
  const vec action_scale = group.parameter(ACTION_SCALE);
  const double* effect = gather_matrix(group, group.batch.action_effect, s.ds, s.da, s.ds, s.da, arena);
  double* shows = arena.take(s.qe, s.da);
  if (arena.counts()) return shows;
  gemm_strided_lanes(shows, mixing, qs, 1, effect, s.da, 1, s.qe, s.da, s.ds, false);
  for (std::size_t i = 0; i < s.qe * s.da; ++i) put(shows, i, action_scale * at(shows, i));
  return shows;
}

// What o' is made of.
struct NextParts {
  const double *mixing, *shows, *action, *exogenous_next;
};

// o' of the transition, or of its pair: the same s', a fresh x'.
static double* next_observation(const Group& group, const WorldShape& s, const NextParts& parts, bool pair,
                                Arena& arena) {
  const vec rho_s = group.parameter(ENDOGENOUS_DECAY), rho_x = group.parameter(EXOGENOUS_DECAY);
  const vec scale = group.parameter(EXOGENOUS_SCALE), policy = group.parameter(POLICY_NOISE);
  const vec process = group.parameter(PROCESS_NOISE), initial = group.parameter(EXOGENOUS_INITIAL_SCALE);
  const double *mixing = parts.mixing, *shows = parts.shows, *x_next = parts.exogenous_next;
  const std::size_t qs = s.ds + s.dx, cols = pair ? s.pd : s.at_x2;
  double* o = arena.take(s.qe, cols);
  if (arena.counts()) return o;
  clear_lanes(o, s.qe * cols);
  if (s.feedback) gemm_into_lanes(o, cols, shows, s.da, 1, parts.action, s.at_wx, 1, s.qe, qs, s.da, false);
  for (std::size_t i = 0; i < s.qe; ++i) {
    double* row = o + i * cols * LANES;
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
        put(row, s.at_w2 + j, scale * m);
        continue;
      }
      put(row, s.ds + j, fma(initial * rho_x, m, at(row, s.ds + j)));
      if (j < s.da) put(row, s.at_u + j, fma(at(x_next, j * s.at_ws + s.at_u + j), m, at(row, s.at_u + j)));
      put(row, s.at_wx + j, at(x_next, j * s.at_ws + s.at_wx + j) * m);
    }
  }
  return o;
}

// o, (qe, ds + dx): x begins at its initial scale.
static double* observation_loadings(const Group& group, const WorldShape& s, const double* mixing,
                                    Arena& arena) {
  const std::size_t qs = s.ds + s.dx;
  const vec initial = group.parameter(EXOGENOUS_INITIAL_SCALE);
  double* o = arena.take(s.qe, qs);
  if (arena.counts()) return o;
  for (std::size_t i = 0; i < s.qe; ++i)
    for (std::size_t j = 0; j < qs; ++j)
      put(o, i * qs + j, j < s.ds ? at(mixing, i * qs + j) : initial * at(mixing, i * qs + j));
  return o;
}

// o of the pair, (qe, at_x2 + dx): the same s, a fresh x.
static double* pair_observation(const Group& group, const WorldShape& s, const double* mixing, Arena& arena) {
  const std::size_t qs = s.ds + s.dx, cols = s.at_x2 + s.dx;
  const vec initial = group.parameter(EXOGENOUS_INITIAL_SCALE);
  double* o = arena.take(s.qe, cols);
  if (arena.counts()) return o;
  clear_lanes(o, s.qe * cols);
  for (std::size_t i = 0; i < s.qe; ++i) {
    for (std::size_t j = 0; j < s.ds; ++j) put(o, i * cols + j, at(mixing, i * qs + j));
    for (std::size_t j = 0; j < s.dx; ++j)
      put(o, i * cols + s.at_x2 + j, initial * at(mixing, i * qs + s.ds + j));
  }
  return o;
}

// Dense loadings of every variable that the objective or the metrics need: theory.md section 1.
static World build_world(const Group& group, const WorldShape& s, Arena& arena) {
  World w;
  w.shape = s;
  w.sensor = group.parameter(SENSOR_NOISE);
  w.one = splat(1);
  const std::size_t qs = s.ds + s.dx;
  const double* mixing = gather_matrix(group, group.batch.mixing, s.q, qs, s.qe, qs, arena);
  w.projection = nullptr;
  w.projection_gram = nullptr;
  if (s.projected) {
    w.projection = gather_matrix(group, group.batch.projection, s.projected, s.q, s.projected, s.qe, arena);
    w.projection_gram = arena.take(s.projected, s.projected);
    if (!arena.counts())
      gemm_nt_lanes(w.projection_gram, w.projection, w.projection, s.projected, s.projected, s.qe, false);
  }
  w.exogenous_next = exogenous_next_loadings(group, s, arena);

  for (double*& v : w.variable) v = nullptr;
  for (std::size_t& c : w.cols) c = 0;
  for (std::size_t& c : w.from) c = 0;
  const auto have = [&](Variable v, double* loadings, std::size_t cols) {
    w.variable[v] = loadings;
    w.cols[v] = cols;
  };
  double* a = action_rows(group, s, arena);
  const NextParts parts{mixing, shown_actions(group, s, mixing, arena), a, w.exogenous_next};
  have(OBSERVATION, observation_loadings(group, s, mixing, arena), qs);
  have(OBSERVATION_NEXT, next_observation(group, s, parts, false, arena), s.at_x2);
  have(ACTION, a, s.at_wx);
  w.from[ACTION] = s.feedback ? 0 : s.at_u;
  if (s.pair) {
    have(PAIR_OBSERVATION, pair_observation(group, s, mixing, arena), s.at_x2 + s.dx);
    have(PAIR_OBSERVATION_NEXT, next_observation(group, s, parts, true, arena), s.pd);
  }
  w.exogenous_mixing = arena.take(s.qe, s.dx);
  if (arena.counts()) return w;
  for (std::size_t i = 0; i < s.qe; ++i)
    for (std::size_t j = 0; j < s.dx; ++j)
      put(w.exogenous_mixing, i * s.dx + j, at(mixing, i * qs + s.ds + j));
  return w;
}
